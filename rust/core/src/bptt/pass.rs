//! [`Pass`]: the forward pass layer by layer, the loss, and the backward pass.

use std::marker::PhantomData;
use std::ops::Range;

use super::ahead::Ahead;
use super::backward::Backward;
use super::dropout::{DropoutMasks, Multiply, Site};
use super::forward::{Forward, LayerDirection};
use super::head::{Activate, HeadBackward, LossKernel, Pool, ReadOut, Unpool};
use super::inputs::PassInputs;
use super::request::LossRequest;
use super::spec::BufferSpec;
use super::starts::Time;
use super::trace::{LayerTrace, Trace, chunk_steps};
use crate::cell::with_equations;
use crate::config::Config;
use crate::context::CancelCheck;
use crate::data::Segment;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Lanes, Simd};
use crate::loss::Loss;
use crate::packing::{Columns, Packing, Rows};
use crate::weights::{Layout, NetworkView};

/// Splits the steps into chunks, first to last.
#[inline]
fn chunks(steps: usize, chunk: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    // Usually there is one chunk, and a division is slow.
    let count = if steps <= chunk { steps.min(1) } else { steps.div_ceil(chunk) };
    (0..count).map(move |i| i * chunk..steps.min((i + 1) * chunk))
}

/// Passes over the steps of some sequences, in one packing.
pub(crate) struct Pass<P, V: Lanes> {
    simd: V::Simd,
    pub(crate) trace: Trace<V>,
    state_len: usize,
    /// Steps of a chunk.
    chunk: usize,
    /// Whether a backward pass follows.
    backward: bool,
    packing: PhantomData<P>,
}

impl<P: Packing, T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Pass<P, V> {
    pub(crate) fn new(simd: S, layout: &Layout, spec: BufferSpec) -> Self {
        let config = layout.config();
        Self {
            simd,
            trace: Trace::new::<P>(simd, layout, spec),
            state_len: P::groups(config.shape.hidden, V::LEN),
            chunk: chunk_steps(layout.len()),
            backward: spec.backward,
            packing: PhantomData,
        }
    }

    fn place(&self, config: &Config, layer: usize, direction: usize) -> LayerDirection {
        let time = Time { steps: self.trace.steps, reverse: direction == 1 };
        LayerDirection {
            layer,
            direction,
            state_len: self.state_len,
            stride: config.directions() * self.state_len,
            time,
        }
    }

    /// Sets the dropout masks for the sequences in the trace; without `masks`, nothing is dropped.
    pub(crate) fn set_masks(
        &mut self,
        config: &Config,
        masks: Option<DropoutMasks>,
        segments: impl Iterator<Item = (usize, Segment)> + Clone,
    ) {
        if !config.drops() {
            return;
        }
        let one = V::splat(self.simd, T::ONE);
        let columns = Columns::new(config.directions(), config.shape.hidden);
        for (l, layer) in self.trace.layers.iter_mut().enumerate() {
            layer.mask.fill(one);
            if let (Some(masks), false) = (masks, layer.mask.is_empty()) {
                let site = (Site::Input(l), config.dropout);
                masks.fill::<P, V>(site, columns, segments.clone(), &mut layer.mask);
            }
            for (d, direction) in layer.directions.iter_mut().enumerate() {
                direction.mask.fill(one);
                if let (Some(masks), false) = (masks, direction.mask.is_empty()) {
                    let site = (Site::Recurrent(l, d), config.recurrent_dropout);
                    let own = Columns { parts: 1, ..columns };
                    masks.fill::<P, V>(site, own, segments.clone(), &mut direction.mask);
                }
            }
        }
    }

    /// From the features to the pre-activations of the outputs. Meanwhile, the inputs `ahead` are
    /// prefetched.
    pub(crate) fn forward(
        &mut self,
        network: NetworkView<'_, T>,
        x: &[V],
        ahead: &[&[T]],
        cancel: &mut CancelCheck<'_>,
    ) -> Result<()> {
        let work = if P::SEVERAL { V::LEN } else { 1 } * network.layout.len();
        let mut ahead = Ahead::new::<V>(ahead, self.trace.steps);
        for layer in 0..network.config.layers {
            self.drop_input(layer);
            for direction in 0..network.config.directions() {
                for chunk in chunks(self.trace.steps, self.chunk) {
                    let steps = chunk.len();
                    let ahead = (layer + direction == 0).then_some(&mut ahead);
                    self.forward_chunk(network, x, (layer, direction), chunk, ahead);
                    cancel.spend(
                        steps * work / (network.config.layers * network.config.directions()),
                    )?;
                }
            }
        }
        let trace = &mut self.trace;
        let outputs = network.config.shape.output;
        trace.scratch.pool.fill(V::splat(self.simd, T::ZERO));
        for chunk in chunks(trace.steps, self.chunk) {
            let states = &trace.layers[network.config.layers - 1].states;
            if network.config.pools() {
                self.simd.vectorize(Pool {
                    readout: network.config.readout,
                    chunk: chunk.clone(),
                    starts: &trace.starts,
                    state_len: self.state_len,
                    states,
                    pooled: &mut trace.pooled,
                    shares: &mut trace.shares,
                    running: &mut trace.scratch.pool,
                });
            }
            let read = if network.config.pools() { &trace.pooled } else { states };
            self.simd.vectorize(ReadOut::<P, V> {
                network,
                state: state_rows(network.config, self.state_len, read, &chunk),
                logits: &mut trace.logits[chunk.start * outputs..chunk.end * outputs],
                packing: PhantomData,
            });
        }
        Ok(())
    }

    /// The input of a layer after dropout.
    fn drop_input(&mut self, layer: usize) {
        let (below, own) = self.trace.layers.split_at_mut(layer);
        if let Some(below) = below.last()
            && !own[0].mask.is_empty()
        {
            own[0].input.copy_from_slice(&below.states);
            self.simd.vectorize(Multiply { rows: &mut own[0].input, factors: &own[0].mask });
        }
    }

    fn forward_chunk(
        &mut self,
        network: NetworkView<'_, T>,
        x: &[V],
        (layer, direction): (usize, usize),
        chunk: Range<usize>,
        ahead: Option<&mut Ahead<'_, T>>,
    ) {
        let place = self.place(network.config, layer, direction);
        let (backward, simd) = (self.backward, self.simd);
        let Trace { starts, statics, layers, zeros, scratch, .. } = &mut self.trace;
        let (below, own) = layers.split_at_mut(layer);
        let LayerTrace { states, input, mask, directions } = &mut own[0];
        let dropped = (!mask.is_empty()).then_some(&input[..]);
        let x = layer_input::<P, V>(network.config, x, below.last(), dropped);
        let own = &mut directions[direction];
        with_equations!(network.config.cell, equations => {
            let kernel = Forward::<P, _, V> {
                equations, network, place, chunk, backward, starts, x, statics, states, own, zeros,
                scratch, ahead, packing: PhantomData,
            };
            simd.vectorize((equations, kernel));
        });
    }

    /// From pre-activations to outputs, in place.
    pub(crate) fn activate(&mut self, network: NetworkView<'_, T>, loss: Loss) {
        let outputs = network.config.shape.output;
        let logits = &mut self.trace.logits[..self.trace.steps * outputs];
        let activation = network.config.output_activation;
        self.simd.vectorize(Activate { loss, activation, outputs, logits });
    }

    /// Returns `Σ loss`; replaces the pre-activations by the derivatives by them.
    pub(crate) fn loss(
        &mut self,
        network: NetworkView<'_, T>,
        inputs: PassInputs<'_, V>,
        request: &LossRequest<T>,
    ) -> f64 {
        let (outputs, trace) = (network.config.shape.output, &mut self.trace);
        let columns = request.target.columns(outputs);
        let mut total = 0.0;
        // Chunks are summed in double precision, to lose fewer digits in long sums.
        for Range { start, end } in chunks(trace.steps, self.chunk) {
            let weighted = !inputs.label_weights.is_empty();
            total += self.simd.vectorize(LossKernel {
                target: request.target,
                activation: network.config.output_activation,
                outputs,
                logits: &mut trace.logits[start * outputs..end * outputs],
                labels: &inputs.labels[start * columns..end * columns],
                label_weights: if weighted {
                    &inputs.label_weights[start * columns..end * columns]
                } else {
                    &[]
                },
                scale: request.scale,
                several: P::SEVERAL,
            });
        }
        total
    }

    /// Starts from the derivatives by the outputs' pre-activations and adds to the gradient, in the
    /// layout's order. If `ends`, these are the last steps; otherwise the derivatives by the final
    /// states are already set.
    pub(crate) fn backward(
        &mut self,
        network: NetworkView<'_, T>,
        x: &[V],
        (gradient, ends): (&mut [T], bool),
        cancel: &mut CancelCheck<'_>,
    ) -> Result<()> {
        self.head_backward(network, gradient);
        let config = network.config;
        let work = if P::SEVERAL { V::LEN } else { 1 } * network.layout.len();
        for layer in (0..config.layers).rev() {
            for direction in 0..config.directions() {
                if ends {
                    let own = &mut self.trace.layers[layer].directions[direction].derivative;
                    own.h.fill(V::splat(self.simd, T::ZERO));
                    own.c.fill(V::splat(self.simd, T::ZERO));
                }
                for chunk in chunks(self.trace.steps, self.chunk).rev() {
                    let steps = chunk.len();
                    self.backward_chunk(network, x, (layer, direction), chunk, gradient);
                    cancel.spend(2 * steps * work / (config.layers * config.directions()))?;
                }
            }
            if layer == 0 {
                break;
            }
            self.trace.d_states.swap(0, 1);
            let mask = &self.trace.layers[layer].mask;
            if !mask.is_empty() {
                let [d_states, _] = &mut self.trace.d_states;
                self.simd.vectorize(Multiply { rows: d_states, factors: mask });
            }
        }
        Ok(())
    }

    fn head_backward(&mut self, network: NetworkView<'_, T>, gradient: &mut [T]) {
        let (config, outputs, trace) =
            (network.config, network.config.shape.output, &mut self.trace);
        trace.scratch.pool.fill(V::splat(self.simd, T::ZERO));
        let stride = config.directions() * self.state_len;
        for chunk in chunks(trace.steps, self.chunk).rev() {
            let top = &trace.layers[config.layers - 1].states;
            let read = if config.pools() { &trace.pooled } else { top };
            self.simd.vectorize(HeadBackward::<P, V> {
                network,
                state: state_rows(config, self.state_len, read, &chunk),
                d_logits: &trace.logits[chunk.start * outputs..chunk.end * outputs],
                d_state: &mut trace.d_states[0][chunk.start * stride..chunk.end * stride],
                gradient,
                packing: PhantomData,
            });
            if config.pools() {
                self.simd.vectorize(Unpool {
                    readout: config.readout,
                    chunk,
                    starts: &trace.starts,
                    state_len: self.state_len,
                    d_states: &mut trace.d_states[0],
                    shares: &trace.shares,
                    running: &mut trace.scratch.pool,
                    steps: trace.steps,
                });
            }
        }
    }

    fn backward_chunk(
        &mut self,
        network: NetworkView<'_, T>,
        x: &[V],
        (layer, direction): (usize, usize),
        chunk: Range<usize>,
        gradient: &mut [T],
    ) {
        let place = self.place(network.config, layer, direction);
        let simd = self.simd;
        let Trace { starts, statics, layers, d_states, zeros, scratch, .. } = &mut self.trace;
        let (below, own) = layers.split_at_mut(layer);
        let LayerTrace { states, input, mask, directions } = &mut own[0];
        let dropped = (!mask.is_empty()).then_some(&input[..]);
        let x = layer_input::<P, V>(network.config, x, below.last(), dropped);
        let [d_states, d_input] = d_states;
        let d_input = (layer > 0).then_some(&mut d_input[..]);
        let own = &mut directions[direction];
        with_equations!(network.config.cell, equations => {
            let kernel = Backward::<P, _, V> {
                equations, network, place, chunk, starts, x, statics, states, own, d_states, d_input,
                zeros, scratch, gradient, packing: PhantomData,
            };
            simd.vectorize((equations, kernel));
        });
    }
}

/// The rows of a layer's input: features, or the states of the layer below, after any dropout.
fn layer_input<'a, P: Packing, V: Lanes>(
    config: &Config,
    x: &'a [V],
    below: Option<&'a LayerTrace<V>>,
    dropped: Option<&'a [V]>,
) -> Rows<'a, V> {
    let (groups, columns) = match below {
        None => {
            // Categories follow the numbers, which are multiplied.
            let stride = Columns::new(1, config.features()).groups::<P>(V::LEN);
            return Rows {
                groups: x,
                stride,
                first: 0,
                columns: Columns::new(1, config.numbers()),
            };
        }
        Some(below) => (
            dropped.unwrap_or(&below.states),
            Columns::new(config.directions(), config.shape.hidden),
        ),
    };
    Rows { groups, stride: columns.groups::<P>(V::LEN), first: 0, columns }
}

/// The rows of states at some steps, or of whatever else the head reads.
fn state_rows<'a, V>(
    config: &Config,
    state_len: usize,
    states: &'a [V],
    steps: &Range<usize>,
) -> Rows<'a, V> {
    let stride = config.directions() * state_len;
    let groups = &states[steps.start * stride..steps.end * stride];
    Rows {
        groups,
        stride,
        first: 0,
        columns: Columns::new(config.directions(), config.shape.hidden),
    }
}
