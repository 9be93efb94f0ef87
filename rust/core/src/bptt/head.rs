//! The head: the states that it reads, the outputs, the loss, and the derivatives by the states.
//!
//! Per-sequence readouts are computed at every step, as if the sequence ended there; only last steps
//! have labels.

use std::marker::PhantomData;
use std::ops::Range;

use super::request::Target;
use super::starts::SequenceStarts;
use crate::activation::Activation;
use crate::config::Readout;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd};
use crate::loss::Loss;
use crate::packing::{Columns, Packing, Products, Rows, RowsMut, Start, add_outer, multiply};
use crate::weights::NetworkView;

/// Which lanes start a sequence at step t, step 0 included.
#[inline(always)]
fn starting<V: Lanes>(
    simd: V::Simd,
    starts: &SequenceStarts<V::Elem>,
    t: usize,
) -> Option<V::Mask> {
    if t == 0 {
        let zero = V::splat(simd, V::Elem::ZERO);
        return Some(zero.eq(zero));
    }
    starts.mask::<V>(simd, t)
}

/// Sets `pooled` to what the head reads at a chunk of steps; `running` is carried from chunk to chunk.
pub(super) struct Pool<'a, V: Lanes> {
    pub(super) readout: Readout,
    pub(super) chunk: Range<usize>,
    pub(super) starts: &'a SequenceStarts<V::Elem>,
    /// Groups of the state of one direction.
    pub(super) state_len: usize,
    pub(super) states: &'a [V],
    pub(super) pooled: &'a mut [V],
    /// 1 / (steps of the sequence so far), per step; empty unless the readout is a mean.
    pub(super) shares: &'a mut [V],
    /// For a mean: sums of states and the step count, followed by the rounding error of each. For the
    /// last step: states read at other steps.
    pub(super) running: &'a mut [V],
}

/// Adds to a sum; `excess` is the amount by which rounding has made it too large (Kahan, 1965). A plain
/// sum in `f32` loses digits over thousands of steps, and a plain count stops at 2²⁴.
#[inline(always)]
fn add<V: Lanes>(sum: &mut V, excess: &mut V, term: V) {
    let term = term - *excess;
    let total = *sum + term;
    *excess = (total - *sum) - term;
    *sum = total;
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for Pool<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { readout, chunk, starts, state_len, states, pooled, shares, running } = self;
        let (sums, excess) = running.split_at_mut(running.len() / 2);
        let stride = sums.len() - 1;
        let (zero, one) = (V::splat(simd, V::Elem::ZERO), V::splat(simd, V::Elem::ONE));
        for t in chunk {
            let state = &states[t * stride..(t + 1) * stride];
            let pooled = &mut pooled[t * stride..(t + 1) * stride];
            let mask = starting::<V>(simd, starts, t);
            if readout == Readout::Mean {
                if let Some(mask) = mask {
                    for u in 0..=stride {
                        sums[u] = V::select(mask, zero, sums[u]);
                        excess[u] = V::select(mask, zero, excess[u]);
                    }
                }
                add(&mut sums[stride], &mut excess[stride], one);
                shares[t] = one / sums[stride];
                for u in 0..stride {
                    add(&mut sums[u], &mut excess[u], state[u]);
                    pooled[u] = sums[u] * shares[t];
                }
                continue;
            }
            // The backward direction's final state is the one at the first step.
            if let Some(mask) = mask {
                for u in state_len..stride {
                    sums[u] = V::select(mask, state[u], sums[u]);
                }
            }
            pooled[..state_len].copy_from_slice(&state[..state_len]);
            pooled[state_len..].copy_from_slice(&sums[state_len..stride]);
        }
    }
}

/// The backward pass of [`Pool`]: from derivatives by what the head reads to derivatives by the states,
/// in place. Chunks run from last to first.
pub(super) struct Unpool<'a, V: Lanes> {
    pub(super) readout: Readout,
    pub(super) chunk: Range<usize>,
    pub(super) starts: &'a SequenceStarts<V::Elem>,
    pub(super) state_len: usize,
    pub(super) d_states: &'a mut [V],
    pub(super) shares: &'a [V],
    /// Running sums of derivatives, in the first half except its last element.
    pub(super) running: &'a mut [V],
    /// The steps of the pass.
    pub(super) steps: usize,
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for Unpool<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { readout, chunk, starts, state_len, d_states, shares, running, steps } = self;
        let zero = V::splat(simd, V::Elem::ZERO);
        let stride = running.len() / 2 - 1;
        let sums = &mut running[..stride];
        for t in chunk.rev() {
            let d = &mut d_states[t * stride..(t + 1) * stride];
            let first = if readout == Readout::Mean { 0 } else { state_len };
            let ends = if t + 1 < steps { starts.mask::<V>(simd, t + 1) } else { None };
            if let Some(mask) = ends {
                for u in first..stride {
                    sums[u] = V::select(mask, zero, sums[u]);
                }
            }
            if readout == Readout::Mean {
                for u in 0..stride {
                    sums[u] = d[u].fma(shares[t], sums[u]);
                    d[u] = sums[u];
                }
                continue;
            }
            let begins = starting::<V>(simd, starts, t);
            for u in state_len..stride {
                sums[u] = sums[u] + d[u];
                d[u] = zero;
                if let Some(mask) = begins {
                    d[u] = V::select(mask, sums[u], zero);
                }
            }
        }
    }
}

/// Pre-activations of the outputs for a chunk of steps.
pub(super) struct ReadOut<'a, P, V: Lanes> {
    pub(super) network: NetworkView<'a, V::Elem>,
    /// What the head reads at those steps.
    pub(super) state: Rows<'a, V>,
    pub(super) logits: &'a mut [V],
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for ReadOut<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let head = self.network.layout.head();
        let weight = self.network.weight(head, (0, self.state.columns.parts));
        let bias = &self.network.tensor(head + 1)[..self.network.config.shape.output];
        P::read_out(simd, self.state, weight, bias, self.logits);
    }
}

/// From pre-activations to outputs.
pub(super) struct Activate<'a, V> {
    pub(super) loss: Loss,
    pub(super) activation: Activation,
    pub(super) outputs: usize,
    pub(super) logits: &'a mut [V],
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for Activate<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: S) {
        for row in self.logits.chunks_exact_mut(self.outputs) {
            self.loss.outputs_groups(self.activation, row);
        }
    }
}

/// The loss of a chunk of steps; leaves its derivative, times `scale`, in `logits`.
///
/// One kernel serves both packings, as it is large.
pub(super) struct LossKernel<'a, V: Lanes> {
    pub(super) target: Target,
    pub(super) activation: Activation,
    pub(super) outputs: usize,
    pub(super) logits: &'a mut [V],
    pub(super) labels: &'a [V],
    /// Empty if all are 1.
    pub(super) label_weights: &'a [V],
    pub(super) scale: V::Elem,
    /// Whether each lane has its own label; otherwise all lanes are equal.
    pub(super) several: bool,
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for LossKernel<'_, V> {
    type Output = f64;

    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let several = self.several;
        let total = match self.target {
            // Separate calls: a loss's parameters are prepared before the loop even if it has none, and
            // the placeholders may be numbers that take a hundred cycles.
            Target::Loss(Loss::Mse) => self.sum(simd, Loss::Mse),
            Target::Loss(loss) => self.sum(simd, loss),
            Target::OutputGradient => self.chain(simd),
        };
        let total = if several { total.reduce_add() } else { total.first() };
        total.to_f64()
    }
}

impl<V: Lanes> LossKernel<'_, V> {
    /// The sum over rows, separately for each lane.
    #[inline(always)]
    fn sum(self, simd: V::Simd, loss: Loss) -> V {
        let columns = loss.label_columns(self.outputs);
        let scale = V::splat(simd, self.scale);
        let mut total = V::splat(simd, V::Elem::ZERO);
        for (t, logits) in self.logits.chunks_mut(self.outputs).enumerate() {
            let labels = &self.labels[t * columns..(t + 1) * columns];
            let weights = if self.label_weights.is_empty() {
                &[]
            } else {
                &self.label_weights[t * columns..(t + 1) * columns]
            };
            total = total + loss.row_groups(self.activation, logits, labels, weights, scale);
        }
        total
    }

    /// From the derivatives by the outputs, in `labels`, to the derivatives by their pre-activations.
    /// The loss itself is not known here and counts as 0.
    #[inline(always)]
    fn chain(self, simd: V::Simd) -> V {
        let zero = V::splat(simd, V::Elem::ZERO);
        for l in 0..self.logits.len() {
            let z = [self.logits[l]];
            let (mut y, mut dz) = (z, z);
            self.activation.apply(&z, &mut y);
            self.activation.derive(&[self.labels[l]], &mut dz, &y);
            self.logits[l] = V::select(self.labels[l].is_nan(), zero, dz[0]);
        }
        zero
    }
}

/// The derivative by what the head reads at a chunk of steps, and the head's gradient.
pub(super) struct HeadBackward<'a, P, V: Lanes> {
    pub(super) network: NetworkView<'a, V::Elem>,
    pub(super) state: Rows<'a, V>,
    /// dy, `(steps, L)`.
    pub(super) d_logits: &'a [V],
    pub(super) d_state: &'a mut [V],
    /// The gradient in the layout's order; it is added to.
    pub(super) gradient: &'a mut [V::Elem],
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for HeadBackward<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { network, state, d_logits, d_state, gradient, .. } = self;
        let (head, outputs, stride) =
            (network.layout.head(), network.config.shape.output, state.stride);
        let columns = Columns::new(outputs, 1);
        let dy = Rows { groups: d_logits, stride: outputs, first: 0, columns };
        let weight = network.weight(head, (0, state.columns.parts));
        multiply::<P, V>(
            simd,
            dy,
            weight,
            Start::Zero,
            RowsMut { groups: d_state, stride, first: 0 },
        );
        let numbers = &mut gradient[network.layout.range(head).start..];
        add_outer::<P, V>(simd, dy, state, Products { numbers, stride: weight.stride }, &mut []);
        let numbers = &mut gradient[network.layout.range(head + 1).start..];
        P::add_output_sums(simd, d_logits, outputs, numbers);
    }
}
