//! The head: what it reads of the states, the outputs, the loss, and the way back to the states.
//!
//! Readouts of a whole sequence are computed at every step, as if the sequence ended there; labels
//! stand at last steps alone.

use std::marker::PhantomData;
use std::ops::Range;

use super::model::{Model, Places};
use super::starts::Starts;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::packing::{Columns, Packing, Products, Rows, RowsMut, Start, add_outer, multiply};
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};

/// What the outputs are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readout {
    /// The state of every step.
    EachStep,
    /// The final state: of the forward direction at the last step, of the backward one at the first.
    Last,
    /// The mean of the states of all steps.
    Mean,
}

impl Readout {
    /// The readout of that name; [`Error::Parameter`] if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "each_step" => Ok(Self::EachStep),
            "last" => Ok(Self::Last),
            "mean" => Ok(Self::Mean),
            _ => Err(Error::Parameter {
                what: "readout",
                expected: "one of each_step, last, mean",
                got: format!("{name:?}"),
            }),
        }
    }
}

/// Whether lanes start a sequence at step t, step 0 included.
#[inline(always)]
fn starting<V: Lanes>(simd: V::Simd, starts: &Starts<V::Elem>, t: usize) -> Option<V::Mask> {
    if t == 0 {
        let zero = V::splat(simd, V::Elem::ZERO);
        return Some(zero.eq(zero));
    }
    starts.mask::<V>(simd, t)
}

/// Sets `pooled` to what the head reads, for a window of steps; `running` is carried along.
pub(super) struct Pool<'a, V: Lanes> {
    pub(super) readout: Readout,
    pub(super) window: Range<usize>,
    pub(super) starts: &'a Starts<V::Elem>,
    /// Groups of one direction's state.
    pub(super) units: usize,
    pub(super) states: &'a [V],
    pub(super) pooled: &'a mut [V],
    /// 1 / (steps of the sequence so far), per step; empty unless it is for a mean.
    pub(super) shares: &'a mut [V],
    /// Sums of states, and last how many.
    pub(super) running: &'a mut [V],
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for Pool<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { readout, window, starts, units, states, pooled, shares, running } = self;
        let stride = running.len() - 1;
        let (zero, one) = (V::splat(simd, V::Elem::ZERO), V::splat(simd, V::Elem::ONE));
        for t in window {
            let state = &states[t * stride..(t + 1) * stride];
            let pooled = &mut pooled[t * stride..(t + 1) * stride];
            let mask = starting::<V>(simd, starts, t);
            let (sums, count) = running.split_at_mut(stride);
            if readout == Readout::Mean {
                if let Some(mask) = mask {
                    for u in 0..stride {
                        sums[u] = V::select(mask, zero, sums[u]);
                    }
                    count[0] = V::select(mask, zero, count[0]);
                }
                count[0] = count[0] + one;
                shares[t] = one / count[0];
                for u in 0..stride {
                    sums[u] = sums[u] + state[u];
                    pooled[u] = sums[u] * shares[t];
                }
                continue;
            }
            // The backward direction's final state is that of the first step.
            if let Some(mask) = mask {
                for u in units..stride {
                    sums[u] = V::select(mask, state[u], sums[u]);
                }
            }
            pooled[..units].copy_from_slice(&state[..units]);
            pooled[units..].copy_from_slice(&sums[units..]);
        }
    }
}

/// The reverse of [`Pool`]: from derivatives by what the head reads to those by the states, in
/// place; windows run last to first.
pub(super) struct Unpool<'a, V: Lanes> {
    pub(super) readout: Readout,
    pub(super) window: Range<usize>,
    pub(super) starts: &'a Starts<V::Elem>,
    pub(super) units: usize,
    pub(super) d_states: &'a mut [V],
    pub(super) shares: &'a [V],
    /// Sums of derivatives, carried along; the last is not used.
    pub(super) running: &'a mut [V],
    /// The steps of the pass.
    pub(super) steps: usize,
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for Unpool<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { readout, window, starts, units, d_states, shares, running, steps } = self;
        let zero = V::splat(simd, V::Elem::ZERO);
        let stride = running.len() - 1;
        let sums = &mut running[..stride];
        for t in window.rev() {
            let d = &mut d_states[t * stride..(t + 1) * stride];
            let first = if readout == Readout::Mean { 0 } else { units };
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
            for u in units..stride {
                sums[u] = sums[u] + d[u];
                d[u] = zero;
                if let Some(mask) = begins {
                    d[u] = V::select(mask, sums[u], zero);
                }
            }
        }
    }
}

/// Pre-activations of the outputs for a window of steps.
pub(super) struct ReadOut<'a, P, V: Lanes> {
    pub(super) model: Model<'a, V::Elem>,
    /// What the head reads at those steps.
    pub(super) state: Rows<'a, V>,
    pub(super) logits: &'a mut [V],
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for ReadOut<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let head = self.model.layout.head();
        let weight = self.model.weight(head, (0, self.state.columns.parts));
        let bias = &self.model.tensor(head + 1)[..self.model.config.shape.output];
        P::read_out(simd, self.state, weight, bias, self.logits);
    }
}

/// From pre-activations to outputs.
pub(super) struct Activate<'a, V> {
    pub(super) loss: Loss,
    pub(super) activation: crate::Activation,
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

/// The loss of a window of steps; leaves `scale` times its derivative in `logits`.
///
/// The same code whatever the packing: it is large.
pub(super) struct LossOf<'a, V: Lanes> {
    pub(super) loss: Loss,
    pub(super) activation: crate::Activation,
    pub(super) outputs: usize,
    pub(super) logits: &'a mut [V],
    pub(super) labels: &'a [V],
    /// Empty where all are 1.
    pub(super) weights: &'a [V],
    pub(super) scale: V::Elem,
    /// Whether lanes are labels of their own, or all the same.
    pub(super) several: bool,
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for LossOf<'_, V> {
    type Output = f64;

    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let several = self.several;
        let total = match self.loss {
            // What depends on parameters is computed before the loop, even if there are none: what
            // stands in their place may be numbers that take a hundred cycles.
            Loss::Mse => self.sum(simd, Loss::Mse),
            loss => self.sum(simd, loss),
        };
        let total = if several { total.reduce_add() } else { total.first() };
        total.to_f64()
    }
}

impl<V: Lanes> LossOf<'_, V> {
    /// The sum over rows, lane by lane.
    #[inline(always)]
    fn sum(self, simd: V::Simd, loss: Loss) -> V {
        let columns = loss.label_columns(self.outputs);
        let scale = V::splat(simd, self.scale);
        let mut total = V::splat(simd, V::Elem::ZERO);
        for (t, logits) in self.logits.chunks_mut(self.outputs).enumerate() {
            let labels = &self.labels[t * columns..(t + 1) * columns];
            let weights = if self.weights.is_empty() {
                &[]
            } else {
                &self.weights[t * columns..(t + 1) * columns]
            };
            total = total + loss.row_groups(self.activation, logits, labels, weights, scale);
        }
        total
    }
}

/// The derivative by what the head reads, for a window of steps, and the head's gradient.
pub(super) struct HeadBackward<'a, P, V: Lanes> {
    pub(super) model: Model<'a, V::Elem>,
    pub(super) state: Rows<'a, V>,
    /// dy, `(steps, L)`.
    pub(super) d_logits: &'a [V],
    pub(super) d_state: &'a mut [V],
    pub(super) gradient: &'a mut [V],
    pub(super) places: &'a Places,
    pub(super) set: bool,
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for HeadBackward<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { model, state, d_logits, d_state, gradient, places, set, .. } = self;
        let (head, outputs, stride) =
            (model.layout.head(), model.config.shape.output, state.stride);
        let columns = Columns::new(outputs, 1);
        let dy = Rows { groups: d_logits, stride: outputs, first: 0, columns };
        let weight = model.weight(head, (0, state.columns.parts));
        multiply::<P, V>(
            simd,
            dy,
            weight,
            Start::Zero,
            RowsMut { groups: d_state, stride, first: 0 },
        );
        let groups = &mut gradient[places.range(head)];
        add_outer::<P, V>(simd, dy, state, Products { groups, stride, set });
        P::add_output_sums(simd, d_logits, outputs, &mut gradient[places.range(head + 1)], set);
    }
}
