//! What one thread does for a batch: the gradient, or the outputs, of some of its sequences.

use std::ops::Range;

use crate::aligned::Aligned;
use crate::context::Pulse;
use crate::data::Sequences;
use crate::error::Result;
use crate::layout::{Layout, Shape, Weights};
use crate::loss::Loss;
use crate::network::Network;
use crate::real::Real;
use crate::simd::Simd;
use crate::tiles::plan::{Plan, TilePlan};
use crate::tiles::{self, MOST_LANES, Tile, gather, lane_gradient_len, scatter};
use crate::units::{self, Trace};

/// Steps between two looks at the pulse, at most.
const WINDOW: usize = 64;
/// Weights times steps between two looks, about: more would keep a caller waiting who wants to stop.
const WINDOW_WORK: usize = 4_000_000;

/// Numbers of the next sequence that are asked for ahead; more would push out what is in use.
const AHEAD: usize = 1024;

/// The steps in windows, first to last.
fn windows(steps: usize, weights: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let window = (WINDOW_WORK / weights).clamp(1, WINDOW);
    (0..steps.div_ceil(window)).map(move |i| i * window..steps.min((i + 1) * window))
}

/// The network and the data that a call works on.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a, T> {
    pub(crate) layout: &'a Layout,
    pub(crate) weights: Weights<'a, T>,
    /// `W_hh` row-major in padded rows, for the way back; empty where none is taken.
    pub(crate) hh_t: &'a [T],
    pub(crate) data: &'a Sequences<'a, T>,
    /// Sequences that are likely to come next.
    pub(crate) upcoming: &'a [u32],
}

impl<'a, T: Real> Problem<'a, T> {
    /// For predictions.
    pub(crate) fn of(network: &'a Network<T>, data: &'a Sequences<'a, T>) -> Self {
        Self {
            layout: network.layout(),
            weights: network.weights(),
            hh_t: &[],
            data,
            upcoming: &[],
        }
    }
}

/// What is asked of a batch: the derivative of `scale · Σ loss`, or `Σ loss` alone.
#[derive(Clone, Copy)]
pub(crate) struct Aim<T> {
    pub(crate) loss: Loss,
    pub(crate) scale: T,
    pub(crate) gradient: bool,
}

/// The buffers of a thread that works on one sequence after the other.
pub(crate) struct UnitWorker<T, S> {
    simd: S,
    trace: Trace<T>,
}

impl<T: Real, S: Simd> UnitWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, longest: usize, training: bool) -> usize {
        let columns = layout.stride() + layout.shape().output;
        (longest + 1) * columns * (1 + usize::from(training))
    }

    pub(crate) fn new(simd: S, layout: &Layout, longest: usize, training: bool) -> Self {
        Self { simd, trace: Trace::new(layout, longest, training) }
    }

    /// `Σ loss` of the sequences `batch`; sets `gradient` to their gradient.
    pub(crate) fn set(
        &mut self,
        problem: &Problem<'_, T>,
        batch: &[u32],
        aim: Aim<T>,
        gradient: &mut Aligned<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        if let Some(&next) = problem.upcoming.first() {
            let next = problem.data.features(next as usize);
            for number in next[..next.len().min(AHEAD)].iter().step_by(T::LANES) {
                self.simd.prefetch(number);
            }
        }
        let mut total = 0.0;
        for (number, &s) in batch.iter().enumerate() {
            self.forward(problem, s as usize, pulse)?;
            let labels = problem.data.labels(s as usize);
            let Trace { outputs, d_outputs, .. } = &mut self.trace;
            let outputs = (&outputs[..], labels);
            total += units::d_outputs(&problem.weights, aim.loss, aim.scale, outputs, d_outputs);
            if aim.gradient {
                self.backward(problem, s as usize, (gradient, number == 0), pulse)?;
            }
        }
        Ok(total)
    }

    /// Computes states and outputs of one sequence; returns them, `(T, stride)` and `(T, L)`.
    pub(crate) fn forward(
        &mut self,
        problem: &Problem<'_, T>,
        sequence: usize,
        pulse: &mut Pulse<'_>,
    ) -> Result<(&[T], &[T])> {
        let weights = problem.weights;
        let (inputs, columns, stride) = (weights.shape.input, weights.shape.output, weights.stride);
        let x = problem.data.features(sequence);
        let steps = x.len() / inputs;
        for Range { start, end } in windows(steps, problem.layout.len()) {
            let states = &mut self.trace.states[start * stride..(end + 1) * stride];
            let outputs = &mut self.trace.outputs[start * columns..end * columns];
            let x = &x[start * inputs..end * inputs];
            self.simd.vectorize(units::Forward { weights, x, states, outputs, begins: start == 0 });
            pulse.spend((end - start) * problem.layout.len())?;
        }
        let states = &self.trace.states[stride..(steps + 1) * stride];
        Ok((states, &self.trace.outputs[..steps * columns]))
    }

    fn backward(
        &mut self,
        problem: &Problem<'_, T>,
        sequence: usize,
        (gradient, mut first): (&mut Aligned<T>, bool),
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let (weights, trace) = (problem.weights, &mut self.trace);
        let (stride, shape) = (weights.stride, weights.shape);
        let x = problem.data.features(sequence);
        let steps = x.len() / shape.input;
        trace.d_states[steps * stride..(steps + 1) * stride].fill(T::ZERO);
        for Range { start, end } in windows(steps, problem.layout.len()).rev() {
            self.simd.vectorize(units::Backward {
                layout: problem.layout,
                weights,
                hh_t: problem.hh_t,
                x: &x[start * shape.input..end * shape.input],
                states: &trace.states[start * stride..(end + 1) * stride],
                d_outputs: &trace.d_outputs[start * shape.output..end * shape.output],
                d_states: &mut trace.d_states[start * stride..(end + 1) * stride],
                gradient,
                first,
            });
            first = false;
            pulse.spend(2 * (end - start) * problem.layout.len())?;
        }
        Ok(())
    }
}

/// The buffers of a thread that works on tiles.
pub(crate) struct TileWorker<T: Real, S: Simd> {
    simd: S,
    tile: Tile<T, S>,
    /// The gradient of each lane.
    lanes: Vec<T::Lanes<S>>,
}

impl<T: Real, S: Simd> TileWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, steps: usize, training: bool) -> usize {
        let Shape { input, hidden, output } = layout.shape();
        let row = input + 2 * hidden + output + 1;
        let trained = hidden + 2 * output;
        let gradient = lane_gradient_len(layout.shape());
        let training = usize::from(training);
        T::LANES * ((steps + 1) * (row + training * trained) + training * gradient)
    }

    pub(crate) fn new(simd: S, layout: &Layout, steps: usize, training: bool) -> Self {
        let shape = layout.shape();
        let lanes = if training { lane_gradient_len(shape) } else { 0 };
        Self {
            simd,
            tile: Tile::new(simd, shape, steps, training),
            lanes: vec![simd.zero::<T>(); lanes],
        }
    }

    /// `Σ loss` of some tiles; sets `gradient` to theirs.
    pub(crate) fn set(
        &mut self,
        problem: &Problem<'_, T>,
        (plan, tiles): (&Plan, Range<usize>),
        aim: Aim<T>,
        gradient: &mut Aligned<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        let (weights, layout) = (problem.weights, problem.layout);
        let mut total = 0.0;
        for number in tiles.clone() {
            let lanes = plan.tile(number);
            let nan = T::from_f64(f64::NAN);
            let labels = |s: u32| problem.data.labels(s as usize);
            gather(self.simd, lanes, weights.shape.output, labels, nan, &mut self.tile.labels);
            let next = (number + 1 < tiles.end).then(|| plan.tile(number + 1));
            self.forward(problem, lanes, next, pulse)?;
            let (loss, scale) = (aim.loss, aim.scale);
            // Window by window into double precision, so that long sums keep their digits.
            for window in windows(self.tile.steps, layout.len()) {
                let tile = &mut self.tile;
                let outputs = tiles::DOutputs { weights, tile, window, loss, scale };
                total += self.simd.vectorize(outputs);
            }
            if aim.gradient {
                self.backward(problem, number == tiles.start, pulse)?;
            }
        }
        if aim.gradient {
            self.simd.vectorize(tiles::ReduceGradient { layout, lanes: &self.lanes, gradient });
        }
        Ok(total)
    }

    fn backward(
        &mut self,
        problem: &Problem<'_, T>,
        mut first: bool,
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let weights = problem.weights;
        for window in windows(self.tile.steps, problem.layout.len()).rev() {
            let work = 2 * window.len() * T::LANES * problem.layout.len();
            let tile = &mut self.tile;
            let hh_t = problem.hh_t;
            self.simd.vectorize(tiles::Backward { weights, hh_t, tile, window: window.clone() });
            let (shape, tile, gradient) = (weights.shape, &self.tile, &mut self.lanes[..]);
            self.simd.vectorize(tiles::AddGradient { shape, tile, window, gradient, first });
            first = false;
            pulse.spend(work)?;
        }
        Ok(())
    }

    /// Computes states and outputs of one tile.
    fn forward(
        &mut self,
        problem: &Problem<'_, T>,
        lanes: TilePlan<'_>,
        next: Option<TilePlan<'_>>,
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let weights = problem.weights;
        let mut ahead: [&[T]; MOST_LANES] = [&[]; MOST_LANES];
        for (lane, ahead) in ahead[..T::LANES].iter_mut().enumerate() {
            let sequence = match next {
                Some(next) => next.lane(lane).first().map(|segment| segment.sequence),
                None => problem.upcoming.get(lane).copied(),
            };
            *ahead = sequence.map_or(&[], |s| problem.data.features(s as usize));
        }
        self.tile.set_starts(lanes);
        let features = |s: u32| problem.data.features(s as usize);
        gather(self.simd, lanes, weights.shape.input, features, T::ZERO, &mut self.tile.x);
        for window in windows(self.tile.steps, problem.layout.len()) {
            let work = window.len() * T::LANES * problem.layout.len();
            self.simd.vectorize(tiles::Forward {
                weights,
                tile: &mut self.tile,
                window,
                ahead: &ahead[..T::LANES],
            });
            pulse.spend(work)?;
        }
        Ok(())
    }

    /// Computes the outputs of one tile and hands them to `take`, as [`scatter`] does.
    pub(crate) fn outputs(
        &mut self,
        problem: &Problem<'_, T>,
        (lanes, next): (TilePlan<'_>, Option<TilePlan<'_>>),
        pulse: &mut Pulse<'_>,
        take: impl FnMut(u32, usize, &[T]),
    ) -> Result<()> {
        self.forward(problem, lanes, next, pulse)?;
        scatter(self.simd, lanes, problem.weights.shape.output, &self.tile.outputs, take);
        Ok(())
    }
}
