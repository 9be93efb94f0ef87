//! The gradient of one batch, in whichever layout suits its size.

use crate::aligned::Aligned;
use crate::data::Sequences;
use crate::error::Result;
use crate::layout::Tensor;
use crate::loss::{LabelCount, Loss};
use crate::network::Network;
use crate::pulse::Pulse;
use crate::real::Real;
use crate::simd::Simd;
use crate::tiles::plan::Plan;
use crate::tiles::{self, Tile, gather, lane_gradient_len};
use crate::train::Objective;
use crate::units::{self, Trace};

/// Steps of one sequence between two looks at the pulse; also what stays in the nearest cache.
const WINDOW: usize = 64;

/// Fewest sequences per batch for which tiles, with a lane for each, are faster.
fn fewest_tiled<T: Real>() -> usize {
    T::LANES / 4
}

/// Everything that computing gradients writes to.
pub(crate) struct Workspace<T: Real, S: Simd> {
    simd: S,
    /// `W_hh` row-major in padded rows, for the way back.
    hh_t: Aligned<T>,
    /// dloss/dparameters in the layout's order.
    pub(crate) gradient: Aligned<T>,
    buffers: Buffers<T, S>,
}

enum Buffers<T: Real, S: Simd> {
    Units(Trace<T>),
    Tiles { plan: Plan, tile: Tile<T, S>, gradient: Vec<T::Lanes<S>> },
}

impl<T: Real, S: Simd> Workspace<T, S> {
    pub(crate) fn new(simd: S, network: &Network<T>, longest: usize, batch_size: usize) -> Self {
        let (layout, shape) = (network.layout(), network.config().shape);
        let buffers = if batch_size < fewest_tiled::<T>() {
            Buffers::Units(Trace::new(layout, longest, true))
        } else {
            Buffers::Tiles {
                plan: Plan::with_capacity(T::LANES, batch_size),
                tile: Tile::new(simd, shape, Plan::most_steps(longest), true),
                gradient: vec![simd.zero::<T>(); lane_gradient_len(shape)],
            }
        };
        let mut workspace = Self {
            simd,
            hh_t: Aligned::zeros(layout.range(Tensor::WeightHh).len()),
            gradient: Aligned::zeros(layout.len()),
            buffers,
        };
        workspace.refresh(network);
        workspace
    }

    /// Takes over changed weights; call after every update.
    pub(crate) fn refresh(&mut self, network: &Network<T>) {
        let (stride, hidden) = (network.layout().stride(), network.config().shape.hidden);
        let weights = network.weights();
        for (k, row) in weights.hh.chunks_exact(stride).enumerate() {
            for (j, &w) in row[..hidden].iter().enumerate() {
                self.hh_t[j * stride + k] = w;
            }
        }
    }

    /// The loss of one batch; its gradient goes to [`Self::gradient`].
    pub(crate) fn gradient(
        &mut self,
        network: &Network<T>,
        data: &Sequences<'_, T>,
        batch: &[u32],
        objective: Objective,
        pulse: &mut Pulse<'_>,
    ) -> Result<(f64, LabelCount)> {
        let count = LabelCount::of(data, batch);
        if count.labels == 0 {
            self.gradient.fill(T::ZERO);
            return Ok((0.0, count));
        }
        let divisor = count.divisor(objective.reduction, network.config().shape.output);
        let scale = T::from_f64(1.0 / divisor);
        let total = match &mut self.buffers {
            Buffers::Units(trace) => {
                self.gradient.fill(T::ZERO);
                let mut total = 0.0;
                for &s in batch {
                    let job = Job { simd: self.simd, network, data, sequence: s as usize };
                    job.forward(trace, pulse)?;
                    total += job.loss(trace, objective.loss, scale);
                    job.backward(trace, &self.hh_t, &mut self.gradient, pulse)?;
                }
                total
            }
            Buffers::Tiles { plan, tile, gradient } => {
                let simd = self.simd;
                let shape = network.config().shape;
                let weights = network.weights();
                plan.set(batch, |s| data.range(s as usize).len());
                let mut total = 0.0;
                for number in 0..plan.len() {
                    let lanes = plan.tile(number);
                    tile.set_starts(lanes);
                    let source = |s: u32| data.features(s as usize);
                    gather(simd, lanes, shape.input, source, T::ZERO, &mut tile.x);
                    let source = |s: u32| data.labels(s as usize);
                    let nan = T::from_f64(f64::NAN);
                    gather(simd, lanes, shape.output, source, nan, &mut tile.labels);
                    simd.vectorize(tiles::Forward { weights, tile });
                    total += simd.vectorize(tiles::Backward {
                        weights,
                        hh_t: &self.hh_t,
                        tile,
                        loss: objective.loss,
                        scale,
                    });
                    simd.vectorize(tiles::AddGradient { shape, tile, gradient, first: number == 0 });
                    pulse.spend(3 * tile.steps * T::LANES * network.layout().len())?;
                }
                simd.vectorize(tiles::ReduceGradient {
                    layout: network.layout(),
                    lanes: gradient,
                    gradient: &mut self.gradient,
                });
                total
            }
        };
        network.layout().clear_padding(&mut self.gradient);
        Ok((total / divisor, count))
    }
}

/// One sequence in the layout of units.
pub(crate) struct Job<'a, T: Real, S> {
    pub(crate) simd: S,
    pub(crate) network: &'a Network<T>,
    pub(crate) data: &'a Sequences<'a, T>,
    pub(crate) sequence: usize,
}

impl<T: Real, S: Simd> Job<'_, T, S> {
    pub(crate) fn forward(&self, trace: &mut Trace<T>, pulse: &mut Pulse<'_>) -> Result<()> {
        let weights = self.network.weights();
        let (inputs, outputs) = (weights.shape.input, weights.shape.output);
        let mut done = 0;
        for x in self.data.features(self.sequence).chunks(WINDOW * inputs) {
            let steps = x.len() / inputs;
            let states = &mut trace.states[done * weights.stride..][..(steps + 1) * weights.stride];
            let outputs = &mut trace.outputs[done * outputs..][..steps * outputs];
            self.simd.vectorize(units::Forward { weights, x, states, outputs, begins: done == 0 });
            done += steps;
            pulse.spend(steps * self.network.layout().len())?;
        }
        Ok(())
    }

    pub(crate) fn loss(&self, trace: &mut Trace<T>, loss: Loss, scale: T) -> f64 {
        let labels = self.data.labels(self.sequence);
        let Trace { outputs, d_outputs, .. } = trace;
        units::d_outputs(&self.network.weights(), loss, scale, (outputs, labels), d_outputs)
    }

    fn backward(
        &self,
        trace: &mut Trace<T>,
        hh_t: &[T],
        gradient: &mut [T],
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let weights = self.network.weights();
        let (stride, shape) = (weights.stride, weights.shape);
        let x = self.data.features(self.sequence);
        let mut end = x.len() / shape.input;
        trace.d_states[end * stride..(end + 1) * stride].fill(T::ZERO);
        while end > 0 {
            let start = (end - 1) / WINDOW * WINDOW;
            self.simd.vectorize(units::Backward {
                layout: self.network.layout(),
                weights,
                hh_t,
                x: &x[start * shape.input..end * shape.input],
                states: &trace.states[start * stride..(end + 1) * stride],
                d_outputs: &trace.d_outputs[start * shape.output..end * shape.output],
                d_states: &mut trace.d_states[start * stride..(end + 1) * stride],
                gradient,
            });
            pulse.spend(2 * (end - start) * self.network.layout().len())?;
            end = start;
        }
        Ok(())
    }
}
