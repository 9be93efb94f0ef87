//! The buffers of one tile, and how lanes start sequences.

use crate::layout::Shape;
use crate::real::Real;
use crate::simd::{Lanes, Simd};
use crate::tiles::plan::TilePlan;

/// What one tile holds. Rows of groups, row-major: `(steps, columns)`.
pub(crate) struct Tile<T: Real, S: Simd> {
    pub(crate) steps: usize,
    /// Inputs x, `(steps, I)`.
    pub(crate) x: Vec<T::Lanes<S>>,
    /// Labels, `(steps, L)`; NaN where there is none.
    pub(crate) labels: Vec<T::Lanes<S>>,
    /// States, `(1 + steps, H)`: row t + 1 is h_t of this tile, counted from 0; row 0 is not used.
    pub(crate) states: Vec<T::Lanes<S>>,
    /// The states that the steps start from, `(steps, H)`: row t is h_{t−1}, but 0 in lanes where a
    /// sequence starts. Kept only if one does after step 0; otherwise `states` says the same.
    pub(crate) before: Vec<T::Lanes<S>>,
    /// Outputs y, `(steps, L)`.
    pub(crate) outputs: Vec<T::Lanes<S>>,
    /// dloss/d(pre-activation of y), `(steps, L)`.
    pub(crate) d_outputs: Vec<T::Lanes<S>>,
    /// dloss/d(pre-activation of h), `(steps, H)`.
    pub(crate) d_states: Vec<T::Lanes<S>>,
    /// Whether `starts` holds anything.
    pub(crate) has_starts: bool,
    /// Per step, whether a lane starts a sequence there or has none; step 0 aside.
    starts: Vec<bool>,
    /// For those steps, 0 in such lanes and 1 in the others: `(steps, lanes)`.
    carries: Vec<T>,
}

impl<T: Real, S: Simd> Tile<T, S> {
    /// Room for tiles of `steps` steps; what only training needs is left out for predictions.
    pub(crate) fn new(simd: S, shape: Shape, steps: usize, training: bool) -> Self {
        let room = |columns: usize| {
            let groups = (steps * columns).next_multiple_of(T::LANES);
            vec![simd.zero::<T>(); groups]
        };
        let trained = |columns: usize| if training { room(columns) } else { Vec::new() };
        Self {
            steps: 0,
            x: room(shape.input),
            labels: trained(shape.output),
            states: vec![simd.zero::<T>(); ((steps + 1) * shape.hidden).next_multiple_of(T::LANES)],
            before: room(shape.hidden),
            outputs: room(shape.output),
            d_outputs: trained(shape.output),
            d_states: trained(shape.hidden),
            has_starts: false,
            starts: vec![false; steps],
            carries: vec![T::ONE; steps * T::LANES],
        }
    }

    /// Takes over where the lanes of a plan start their sequences.
    ///
    /// A lane that has run out of steps starts anew at each: its state would otherwise run on
    /// without an input and might overflow.
    pub(crate) fn set_starts(&mut self, plan: TilePlan<'_>) {
        if self.has_starts {
            self.starts[..self.steps].fill(false);
            self.carries[..self.steps * T::LANES].fill(T::ONE);
        }
        self.has_starts = false;
        self.steps = plan.steps();
        for lane in 0..plan.lanes() {
            let inner = plan.lane(lane).iter().map(|segment| segment.start as usize);
            for t in inner.chain(plan.load(lane)..self.steps).filter(|&t| t > 0) {
                self.has_starts = true;
                self.starts[t] = true;
                self.carries[t * T::LANES + lane] = T::ZERO;
            }
        }
    }

    /// The mask of the lanes that do not carry their state into step t, if there is any.
    #[inline(always)]
    pub(crate) fn starting(&self, simd: S, t: usize) -> Option<<T::Lanes<S> as Lanes>::Mask> {
        if !self.has_starts || !self.starts[t] {
            return None;
        }
        Some(simd.load(&self.carries[t * T::LANES..][..T::LANES]).eq(simd.zero::<T>()))
    }

    /// Sets row t of `before` from the state of step t − 1, if it is kept at all.
    #[inline(always)]
    pub(crate) fn carry(&mut self, simd: S, t: usize, units: usize) {
        if !self.has_starts || t == 0 {
            return;
        }
        let starting = self.starting(simd, t);
        let state = &self.states[t * units..(t + 1) * units];
        let before = &mut self.before[t * units..(t + 1) * units];
        match starting {
            None => before.copy_from_slice(state),
            Some(mask) => {
                for (before, &h) in before.iter_mut().zip(state) {
                    *before = T::Lanes::<S>::select(mask, simd.zero::<T>(), h);
                }
            }
        }
    }
}
