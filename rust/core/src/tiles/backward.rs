//! The loss of a tile, and the way back through its steps.

use std::ops::Range;

use crate::blocks::{blocks, by_width, part, splat_each};
use crate::layout::Weights;
use crate::loss::Loss;
use crate::matrix::Vector;
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};
use crate::tiles::tile::Tile;

/// dh_t = W_hyᵀ dy_t + W_hhᵀ dz_{t+1},  dz_t = dh_t ∘ activation'(h_t)  for every step of a window.
pub(crate) struct Backward<'a, T: Real, S: Simd> {
    pub(crate) weights: Weights<'a, T>,
    /// `W_hh` row-major in padded rows: the weights of the way back.
    pub(crate) hh_t: &'a [T],
    pub(crate) tile: &'a mut Tile<T, S>,
    /// The steps to compute; those after have been.
    pub(crate) window: Range<usize>,
}

impl<T: Real, S: Simd> Kernel<S> for Backward<'_, T, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { weights, hh_t, tile, window } = self;
        let (units, outputs) = (weights.shape.hidden, weights.shape.output);
        let cut = blocks(units, S::UNITS);
        for t in window.rev() {
            let starting = if t + 1 < tile.steps { tile.starting(simd, t + 1) } else { None };
            let (own, later) = tile.d_states.split_at_mut((t + 1) * units);
            let own = &mut own[t * units..];
            let next = if t + 1 < tile.steps { &later[..units] } else { &[] };
            let dy = &tile.d_outputs[t * outputs..(t + 1) * outputs];
            let state = &tile.states[(t + 1) * units..(t + 2) * units];
            for (first, width) in cut {
                let own = &mut own[first..first + width];
                let state = &state[first..first + width];
                let step = Step { weights: &weights, hh_t, first, next, starting, dy, state };
                by_width!(width <= S::UNITS, J => step.run::<J>(simd, own));
            }
        }
    }
}

/// What the derivative of one block of states at one step is made of.
struct Step<'a, T: Real, V: Lanes> {
    weights: &'a Weights<'a, T>,
    hh_t: &'a [T],
    first: usize,
    /// dz of the step after, all units; none after the last.
    next: &'a [V],
    starting: Option<V::Mask>,
    dy: &'a [V],
    /// h of the block.
    state: &'a [V],
}

impl<T: Real, V: Lanes<Elem = T>> Step<'_, T, V> {
    #[inline(always)]
    fn run<const J: usize>(&self, simd: V::Simd, own: &mut [V]) {
        let stride = self.weights.stride;
        let zero = V::splat(simd, T::ZERO);
        let mut sums = Vector([zero; J]);
        for (&dz, row) in self.next.iter().zip(self.hh_t.chunks_exact(stride)) {
            sums.add_scaled(dz, &splat_each(simd, part(row, self.first)));
        }
        // Nothing flows back from a sequence into the one before it in the lane.
        if let Some(mask) = self.starting {
            for sum in &mut sums.0 {
                *sum = V::select(mask, zero, *sum);
            }
        }
        for (&dy, row) in self.dy.iter().zip(self.weights.head.chunks_exact(stride)) {
            sums.add_scaled(dy, &splat_each(simd, part(row, self.first)));
        }
        for j in 0..J {
            own[j] = self.weights.activation.times_derivative(sums.0[j], self.state[j]);
        }
    }
}

/// dy_t = scale · de/dy ∘ output_activation'(y_t) for every step of a window; returns Σ e.
pub(crate) struct DOutputs<'a, T: Real, S: Simd> {
    pub(crate) weights: Weights<'a, T>,
    pub(crate) tile: &'a mut Tile<T, S>,
    pub(crate) window: Range<usize>,
    pub(crate) loss: Loss,
    pub(crate) scale: T,
}

impl<T: Real, S: Simd> Kernel<S> for DOutputs<'_, T, S> {
    type Output = f64;

    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let Self { weights, tile, window, loss, scale } = self;
        let columns = weights.shape.output;
        let window = window.start * columns..window.end * columns;
        let (zero, scale) = (simd.zero::<T>(), simd.splat(scale));
        let mut total = zero;
        let (outputs, labels) = (&tile.outputs[window.clone()], &tile.labels[window.clone()]);
        for ((dy, &y), &label) in tile.d_outputs[window].iter_mut().zip(outputs).zip(labels) {
            let missing = label.is_nan();
            let (value, derivative) = loss.of_groups(y, label);
            total = total + T::Lanes::<S>::select(missing, zero, value);
            let derivative = weights.output_activation.times_derivative(scale * derivative, y);
            *dy = T::Lanes::<S>::select(missing, zero, derivative);
        }
        total.reduce_add().to_f64()
    }
}
