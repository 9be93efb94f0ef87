//! The buffers of a pass: rows of groups, row-major `(steps, columns)`.

use super::head::Readout;
use super::starts::Starts;
use crate::network::Config;
use crate::packing::{Columns, Packing};
use crate::real::Real;
use crate::simd::{Lanes, numbers, numbers_mut};

/// Groups from one step's slots to the next. An even number of cache lines would bring the same
/// slot of many steps into few sets of the cache, from which they would push one another out.
#[inline(always)]
pub(crate) fn slots_stride(slots: usize, units: usize) -> usize {
    let groups = slots * units;
    if groups.is_multiple_of(8) { groups + 1 } else { groups }
}

/// What a pass over some sequences leaves behind.
pub(crate) struct Trace<V: Lanes> {
    pub(crate) steps: usize,
    pub(crate) starts: Starts<V::Elem>,
    /// Inputs x, `(steps, I)`.
    pub(crate) x: Vec<V>,
    /// Labels, and their weights if they have any; NaN where there is none.
    pub(crate) labels: Vec<V>,
    pub(crate) weights: Vec<V>,
    /// Pre-activations of the outputs, `(steps, L)`; later the derivative of the loss by them.
    pub(crate) logits: Vec<V>,
    pub(crate) layers: Vec<LayerTrace<V>>,
    /// What the head reads where that is not the state itself, `(steps, D·H)`.
    pub(crate) pooled: Vec<V>,
    /// Per step, the factor of a mean; empty without.
    pub(crate) shares: Vec<V>,
    /// Derivative of the loss by the states of a layer, and of the one below, `(steps, D·H)`.
    pub(crate) d_states: [Vec<V>; 2],
    /// Rows of one state: zeros, and scratch.
    pub(crate) zeros: Vec<V>,
    pub(crate) scratch: Scratch<V>,
}

/// One layer's share.
pub(crate) struct LayerTrace<V> {
    /// States, `(steps, D·H)`: the directions side by side.
    pub(crate) states: Vec<V>,
    /// The states of the layer below after dropout, and the mask; empty without.
    pub(crate) input: Vec<V>,
    pub(crate) mask: Vec<V>,
    pub(crate) directions: Vec<DirectionTrace<V>>,
}

/// One direction's share.
pub(crate) struct DirectionTrace<V> {
    /// See [`crate::cell`]: `(steps, SLOTS·H)`; the steps of one window in a pass that is not
    /// followed by a way back.
    pub(crate) slots: Vec<V>,
    /// Cell states, `(steps, H)`; empty for cells that have none.
    pub(crate) cells: Vec<V>,
    /// The states that the steps start from, `(steps, H)`: 0 where a sequence starts. Kept only if
    /// they are not simply the states of the steps before.
    pub(crate) before: Vec<V>,
    /// The same after recurrent dropout, and the mask; empty without.
    pub(crate) dropped: Vec<V>,
    pub(crate) mask: Vec<V>,
    /// The state that the first step starts from, a row each, if it is carried over.
    pub(crate) initial: Initial<V>,
    pub(crate) carried: bool,
}

/// A state to start from; a row each.
pub(crate) struct Initial<V> {
    pub(crate) h: Vec<V>,
    pub(crate) c: Vec<V>,
}

/// Rows of one state each, for use within a step.
pub(crate) struct Scratch<V> {
    /// Derivatives of the loss by h and c, carried from step to step.
    pub(crate) dh: Vec<V>,
    pub(crate) dc: Vec<V>,
    /// The cell state before a step where it is not simply the one after the step before.
    pub(crate) c: Vec<V>,
    /// A derivative on its way through dropout or a reset gate.
    pub(crate) d: Vec<V>,
    /// Running values of the readout, `D·H` and one.
    pub(crate) pool: Vec<V>,
}

/// What the buffers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// Whether the way back follows.
    pub(crate) training: bool,
    /// Whether states other than 0 may be set to start from.
    pub(crate) carried: bool,
    /// Columns of labels, and whether these have weights.
    pub(crate) label_columns: usize,
    pub(crate) weighted: bool,
    /// Steps of a window.
    pub(crate) window: usize,
}

impl<V: Lanes> Trace<V> {
    /// Buffers for passes of up to `steps` steps.
    pub(crate) fn new<P: Packing>(
        simd: V::Simd,
        config: &Config,
        steps: usize,
        purpose: Purpose,
    ) -> Self {
        let sizes = Sizes::new::<P>(config, steps, purpose, V::LEN);
        let zeros = |groups: usize| vec![V::splat(simd, V::Elem::ZERO); groups];
        let direction = || DirectionTrace {
            slots: zeros(sizes.slots),
            cells: zeros(sizes.cells),
            before: zeros(sizes.before),
            dropped: zeros(sizes.dropped),
            mask: zeros(sizes.dropped),
            initial: Initial { h: zeros(sizes.initial), c: zeros(sizes.initial) },
            carried: false,
        };
        let layer = |number: usize| LayerTrace {
            states: zeros(sizes.states),
            input: zeros(if number > 0 { sizes.input } else { 0 }),
            mask: zeros(if number > 0 { sizes.input } else { 0 }),
            directions: (0..config.directions()).map(|_| direction()).collect(),
        };
        let row = || zeros(sizes.row);
        Self {
            steps: 0,
            starts: Starts::new(steps),
            x: zeros(sizes.x),
            labels: zeros(sizes.labels),
            weights: zeros(sizes.weights),
            logits: zeros(sizes.logits),
            layers: (0..config.layers).map(layer).collect(),
            pooled: zeros(sizes.pooled),
            shares: zeros(sizes.shares),
            d_states: [
                zeros(sizes.d_states),
                zeros(if config.layers > 1 { sizes.d_states } else { 0 }),
            ],
            zeros: row(),
            scratch: Scratch { dh: row(), dc: row(), c: row(), d: row(), pool: zeros(sizes.pool) },
        }
    }

    /// The numbers in such buffers.
    pub(crate) fn size<P: Packing>(config: &Config, steps: usize, purpose: Purpose) -> usize {
        let sizes = Sizes::new::<P>(config, steps, purpose, V::LEN);
        let direction =
            sizes.slots + sizes.cells + sizes.before + 2 * (sizes.dropped + sizes.initial);
        let layers = config.layers * (sizes.states + config.directions() * direction)
            + (config.layers - 1) * 2 * sizes.input;
        let shared =
            sizes.x + sizes.labels + sizes.weights + sizes.logits + sizes.pooled + sizes.shares;
        let rows = config.layers.min(2) * sizes.d_states + 5 * sizes.row + sizes.pool;
        (layers + shared + rows) * V::LEN + Starts::<V::Elem>::size::<V>(steps)
    }
}

impl<V: Lanes> Trace<V> {
    /// Whether the first step starts from the states that [`DirectionTrace::set_initial`] set.
    pub(crate) fn set_carried(&mut self, carried: bool) {
        for layer in &mut self.layers {
            layer.directions[0].carried = carried;
        }
    }
}

impl<V: Lanes> DirectionTrace<V> {
    /// Sets the state (h, c) that the sequence in `lane` starts from.
    pub(crate) fn set_initial<P: Packing>(
        &mut self,
        lane: usize,
        (h, c): (&[V::Elem], &[V::Elem]),
    ) {
        let columns = Columns::new(1, h.len());
        let Initial { h: own_h, c: own_c } = &mut self.initial;
        for (values, own) in [(h, own_h), (c, own_c)] {
            let own = numbers_mut(own);
            for (i, &value) in values.iter().enumerate() {
                own[P::position(columns, i, lane, V::LEN)] = value;
            }
        }
    }
}

impl<V: Lanes> LayerTrace<V> {
    /// Copies the forward direction's state (h, c) at a step out, of the sequence in `lane`; c is
    /// left alone in cells that have none.
    pub(crate) fn state_at<P: Packing>(
        &self,
        step: usize,
        lane: usize,
        (h, c): (&mut [V::Elem], &mut [V::Elem]),
    ) {
        let columns = Columns::new(1, h.len());
        let row = P::groups(h.len(), V::LEN);
        let states = numbers(&self.states[step * row * self.directions.len()..]);
        for (i, h) in h.iter_mut().enumerate() {
            *h = states[P::position(columns, i, lane, V::LEN)];
        }
        let cells = &self.directions[0].cells;
        if !cells.is_empty() {
            let cells = numbers(&cells[step * row..(step + 1) * row]);
            for (i, c) in c.iter_mut().enumerate() {
                *c = cells[P::position(columns, i, lane, V::LEN)];
            }
        }
    }
}

/// Groups of each buffer.
struct Sizes {
    x: usize,
    labels: usize,
    weights: usize,
    logits: usize,
    states: usize,
    slots: usize,
    cells: usize,
    before: usize,
    dropped: usize,
    initial: usize,
    input: usize,
    pooled: usize,
    shares: usize,
    d_states: usize,
    row: usize,
    pool: usize,
}

impl Sizes {
    fn new<P: Packing>(config: &Config, steps: usize, purpose: Purpose, lanes: usize) -> Self {
        let row = P::groups(config.shape.hidden, lanes);
        let state = config.directions() * row;
        let single = |count: usize| Columns::new(count, 1).groups::<P>(lanes);
        let when = |condition: bool, groups: usize| if condition { groups } else { 0 };
        // Sequences are packed in square blocks.
        let packed = |columns: usize| (steps * columns).next_multiple_of(lanes);
        let slot_steps = if purpose.training { steps } else { steps.min(purpose.window) };
        Self {
            x: packed(P::groups(config.shape.input, lanes)),
            labels: when(purpose.training, packed(single(purpose.label_columns))),
            weights: when(purpose.weighted, packed(single(purpose.label_columns))),
            logits: packed(single(config.shape.output)),
            states: steps * state,
            slots: slot_steps * slots_stride(config.cell.slots(), row),
            cells: when(config.cell.has_cell_state(), steps * row),
            before: when(P::SEVERAL || purpose.carried, steps * row),
            dropped: when(purpose.training && config.recurrent_dropout > 0.0, steps * row),
            initial: when(purpose.carried, row),
            input: when(purpose.training && config.dropout > 0.0, steps * state),
            pooled: when(config.pools(), steps * state),
            shares: when(config.readout == Readout::Mean, steps),
            d_states: when(purpose.training, steps * state),
            row,
            pool: when(config.pools(), state + 1),
        }
    }
}
