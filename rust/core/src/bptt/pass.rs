//! [`Pass`]: layer by layer forward, the loss, and back.

use std::marker::PhantomData;
use std::ops::Range;

use super::backward::Backward;
use super::dropout::{Masks, Multiply, Site};
use super::forward::{Forward, Place};
use super::head::{Activate, HeadBackward, LossOf, Pool, ReadOut, Unpool};
use super::model::{Aim, Model, Places};
use super::starts::Time;
use super::trace::{LayerTrace, Purpose, Trace};
use crate::cell::with_equations;
use crate::context::Pulse;
use crate::error::Result;
use crate::layout::Layout;
use crate::loss::Loss;
use crate::network::Config;
use crate::packing::{Columns, Packing, Rows};
use crate::plan::Segment;
use crate::real::Real;
use crate::simd::{Lanes, Simd};

/// Steps between two looks at the pulse, at most.
const WINDOW: usize = 64;
/// Weights times steps between two looks, about: more would keep a caller waiting who wants to stop.
const WINDOW_WORK: usize = 4_000_000;

/// The steps of a window for a network with so many weights.
pub(crate) fn window(weights: usize) -> usize {
    (WINDOW_WORK / weights).clamp(1, WINDOW)
}

/// The steps in windows, first to last.
#[inline]
fn windows(steps: usize, window: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    // Mostly there is one, and dividing takes its time.
    let count = if steps <= window { steps.min(1) } else { steps.div_ceil(window) };
    (0..count).map(move |i| i * window..steps.min((i + 1) * window))
}

/// Passes over the steps of some sequences, in one packing.
pub(crate) struct Pass<P, V: Lanes> {
    simd: V::Simd,
    pub(crate) trace: Trace<V>,
    places: Places,
    units: usize,
    /// Steps of a window.
    window: usize,
    training: bool,
    packing: PhantomData<P>,
}

impl<P: Packing, T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Pass<P, V> {
    pub(crate) fn new(simd: S, layout: &Layout, steps: usize, purpose: Purpose) -> Self {
        let config = layout.config();
        Self {
            simd,
            trace: Trace::new::<P>(simd, config, steps, purpose),
            places: Places::new::<P>(layout, V::LEN),
            units: P::groups(config.shape.hidden, V::LEN),
            window: purpose.window,
            training: purpose.training,
            packing: PhantomData,
        }
    }

    /// What lies where in the gradient that [`Self::backward`] adds to.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    fn place(&self, config: &Config, layer: usize, direction: usize) -> Place {
        let time = Time { steps: self.trace.steps, reverse: direction == 1 };
        Place {
            layer,
            direction,
            units: self.units,
            stride: config.directions() * self.units,
            time,
        }
    }

    /// Sets the masks of dropout for the sequences in the trace: without `masks`, nothing is dropped.
    pub(crate) fn set_masks(
        &mut self,
        config: &Config,
        masks: Option<Masks>,
        pieces: impl Iterator<Item = (usize, Segment)> + Clone,
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
                masks.fill::<P, V>(site, columns, pieces.clone(), &mut layer.mask);
            }
            for (d, direction) in layer.directions.iter_mut().enumerate() {
                direction.mask.fill(one);
                if let (Some(masks), false) = (masks, direction.mask.is_empty()) {
                    let site = (Site::Recurrent(l, d), config.recurrent_dropout);
                    let own = Columns { parts: 1, ..columns };
                    masks.fill::<P, V>(site, own, pieces.clone(), &mut direction.mask);
                }
            }
        }
    }

    /// From the inputs in the trace to the pre-activations of the outputs. The inputs `ahead` are
    /// brought into the cache meanwhile.
    pub(crate) fn forward(
        &mut self,
        model: Model<'_, T>,
        ahead: &[&[T]],
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let work = if P::SEVERAL { V::LEN } else { 1 } * model.layout.len();
        for layer in 0..model.config.layers {
            self.drop_input(layer);
            for direction in 0..model.config.directions() {
                for window in windows(self.trace.steps, self.window) {
                    let steps = window.len();
                    let ahead = if layer + direction == 0 { ahead } else { &[] };
                    self.forward_window(model, (layer, direction), window, ahead);
                    pulse
                        .spend(steps * work / (model.config.layers * model.config.directions()))?;
                }
            }
        }
        let trace = &mut self.trace;
        let outputs = model.config.shape.output;
        trace.scratch.pool.fill(V::splat(self.simd, T::ZERO));
        for window in windows(trace.steps, self.window) {
            let states = &trace.layers[model.config.layers - 1].states;
            if model.config.pools() {
                self.simd.vectorize(Pool {
                    readout: model.config.readout,
                    window: window.clone(),
                    starts: &trace.starts,
                    units: self.units,
                    states,
                    pooled: &mut trace.pooled,
                    shares: &mut trace.shares,
                    running: &mut trace.scratch.pool,
                });
            }
            let read = if model.config.pools() { &trace.pooled } else { states };
            self.simd.vectorize(ReadOut::<P, V> {
                model,
                state: state_rows(model.config, self.units, read, &window),
                logits: &mut trace.logits[window.start * outputs..window.end * outputs],
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

    fn forward_window(
        &mut self,
        model: Model<'_, T>,
        (layer, direction): (usize, usize),
        window: Range<usize>,
        ahead: &[&[T]],
    ) {
        let place = self.place(model.config, layer, direction);
        let (training, simd) = (self.training, self.simd);
        let Trace { starts, x, layers, zeros, scratch, .. } = &mut self.trace;
        let (below, own) = layers.split_at_mut(layer);
        let LayerTrace { states, input, mask, directions } = &mut own[0];
        let dropped = (!mask.is_empty()).then_some(&input[..]);
        let x = layer_input::<P, V>(model.config, x, below.last(), dropped);
        let own = &mut directions[direction];
        with_equations!(model.config.cell, equations => simd.vectorize(Forward::<P, _, V> {
            equations, model, place, window, training, starts, x, states, own, zeros, scratch,
            ahead, packing: PhantomData,
        }));
    }

    /// From pre-activations to outputs, in place.
    pub(crate) fn activate(&mut self, model: Model<'_, T>, loss: Loss) {
        let outputs = model.config.shape.output;
        let logits = &mut self.trace.logits[..self.trace.steps * outputs];
        let activation = model.config.output_activation;
        self.simd.vectorize(Activate { loss, activation, outputs, logits });
    }

    /// `Σ loss`; the pre-activations become the derivatives by them.
    pub(crate) fn loss(&mut self, model: Model<'_, T>, aim: Aim<T>) -> f64 {
        let (outputs, trace) = (model.config.shape.output, &mut self.trace);
        let columns = aim.loss.label_columns(outputs);
        let mut total = 0.0;
        // Window by window into double precision, so that long sums keep their digits.
        for Range { start, end } in windows(trace.steps, self.window) {
            let weighted = !trace.weights.is_empty();
            total += self.simd.vectorize(LossOf {
                loss: aim.loss,
                activation: model.config.output_activation,
                outputs,
                logits: &mut trace.logits[start * outputs..end * outputs],
                labels: &trace.labels[start * columns..end * columns],
                weights: if weighted {
                    &trace.weights[start * columns..end * columns]
                } else {
                    &[]
                },
                scale: aim.scale,
                several: P::SEVERAL,
            });
        }
        total
    }

    /// From the derivatives by the outputs' pre-activations to the gradient, which is added to, or
    /// set if it is the first.
    pub(crate) fn backward(
        &mut self,
        model: Model<'_, T>,
        (gradient, set): (&mut [V], bool),
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        self.head_backward(model, (gradient, set));
        let config = model.config;
        let work = if P::SEVERAL { V::LEN } else { 1 } * model.layout.len();
        for layer in (0..config.layers).rev() {
            for direction in 0..config.directions() {
                let scratch = &mut self.trace.scratch;
                scratch.dh.fill(V::splat(self.simd, T::ZERO));
                scratch.dc.fill(V::splat(self.simd, T::ZERO));
                let mut first = true;
                for window in windows(self.trace.steps, self.window).rev() {
                    let steps = window.len();
                    let target = (&mut *gradient, set && first);
                    self.backward_window(model, (layer, direction), window, target);
                    first = false;
                    pulse.spend(2 * steps * work / (config.layers * config.directions()))?;
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

    fn head_backward(&mut self, model: Model<'_, T>, (gradient, set): (&mut [V], bool)) {
        let (config, outputs, trace) = (model.config, model.config.shape.output, &mut self.trace);
        trace.scratch.pool.fill(V::splat(self.simd, T::ZERO));
        let stride = config.directions() * self.units;
        let mut first = true;
        for window in windows(trace.steps, self.window).rev() {
            let top = &trace.layers[config.layers - 1].states;
            let read = if config.pools() { &trace.pooled } else { top };
            self.simd.vectorize(HeadBackward::<P, V> {
                model,
                state: state_rows(config, self.units, read, &window),
                d_logits: &trace.logits[window.start * outputs..window.end * outputs],
                d_state: &mut trace.d_states[0][window.start * stride..window.end * stride],
                gradient,
                places: &self.places,
                set: set && first,
                packing: PhantomData,
            });
            first = false;
            if config.pools() {
                self.simd.vectorize(Unpool {
                    readout: config.readout,
                    window,
                    starts: &trace.starts,
                    units: self.units,
                    d_states: &mut trace.d_states[0],
                    shares: &trace.shares,
                    running: &mut trace.scratch.pool,
                    steps: trace.steps,
                });
            }
        }
    }

    fn backward_window(
        &mut self,
        model: Model<'_, T>,
        (layer, direction): (usize, usize),
        window: Range<usize>,
        (gradient, set): (&mut [V], bool),
    ) {
        let place = self.place(model.config, layer, direction);
        let (places, simd) = (&self.places, self.simd);
        let Trace { starts, x, layers, d_states, zeros, scratch, .. } = &mut self.trace;
        let (below, own) = layers.split_at_mut(layer);
        let LayerTrace { states, input, mask, directions } = &mut own[0];
        let dropped = (!mask.is_empty()).then_some(&input[..]);
        let x = layer_input::<P, V>(model.config, x, below.last(), dropped);
        let [d_states, d_input] = d_states;
        let d_input = (layer > 0).then_some(&mut d_input[..]);
        let own = &mut directions[direction];
        with_equations!(model.config.cell, equations => simd.vectorize(Backward::<P, _, V> {
            equations, model, place, window, starts, x, states, own, d_states, d_input, zeros,
            scratch, gradient, places, set,
            packing: PhantomData,
        }));
    }
}

/// The rows of a layer's input: features, or the states of the layer below, after dropout if there
/// is any.
fn layer_input<'a, P: Packing, V: Lanes>(
    config: &Config,
    x: &'a [V],
    below: Option<&'a LayerTrace<V>>,
    dropped: Option<&'a [V]>,
) -> Rows<'a, V> {
    let (groups, columns) = match below {
        None => (x, Columns::new(1, config.shape.input)),
        Some(below) => (
            dropped.unwrap_or(&below.states),
            Columns::new(config.directions(), config.shape.hidden),
        ),
    };
    Rows { groups, stride: columns.groups::<P>(V::LEN), first: 0, columns }
}

/// The rows of states, or of what else the head reads, at some steps.
fn state_rows<'a, V>(
    config: &Config,
    units: usize,
    states: &'a [V],
    steps: &Range<usize>,
) -> Rows<'a, V> {
    let stride = config.directions() * units;
    let groups = &states[steps.start * stride..steps.end * stride];
    Rows {
        groups,
        stride,
        first: 0,
        columns: Columns::new(config.directions(), config.shape.hidden),
    }
}
