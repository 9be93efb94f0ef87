//! The buffers of a pass: rows of groups, row-major `(steps, columns)`.

use super::inputs::packed_groups;
use super::spec::BufferSpec;
use super::starts::SequenceStarts;
use super::statics::StaticRows;
use crate::config::Readout;
use crate::lanes::Real;
use crate::lanes::simd::{Lanes, Simd, numbers, numbers_mut};
use crate::packing::{Columns, Packing, copies};
use crate::weights::Layout;

/// The most steps of a chunk: cancellation is checked between chunks.
const CHUNK: usize = 64;
/// Weights times steps of a chunk, roughly: more would delay a cancellation.
const CHUNK_WORK: usize = 32_000_000;

/// The steps of a chunk for a network with `weights` weights.
pub(crate) fn chunk_steps(weights: usize) -> usize {
    (CHUNK_WORK / weights).clamp(1, CHUNK)
}

/// Groups from one step's slots to the next. With an even number of cache lines, the same slot of many
/// steps would fall into few sets of the cache, and evict one another.
#[inline(always)]
pub(crate) fn slots_stride(slots: usize, state_len: usize) -> usize {
    let groups = slots * state_len;
    if groups.is_multiple_of(8) { groups + 1 } else { groups }
}

/// What a pass over some sequences computes.
pub(crate) struct Trace<V: Lanes> {
    pub(crate) steps: usize,
    pub(crate) starts: SequenceStarts<V::Elem>,
    pub(crate) statics: StaticRows<V>,
    /// Pre-activations of the outputs, `(steps, L)`; later the derivative of the loss by them.
    pub(crate) logits: Vec<V>,
    pub(crate) layers: Vec<LayerTrace<V>>,
    /// What the head reads, if not the state itself, `(steps, D·H)`.
    pub(crate) pooled: Vec<V>,
    /// For a mean, the factor of each step; empty otherwise.
    pub(crate) shares: Vec<V>,
    /// Derivatives of the loss by the states of a layer and of the one below, `(steps, D·H)`.
    pub(crate) d_states: [Vec<V>; 2],
    /// The states at which windows start, `(windows, layers, h and c, H)`.
    pub(crate) window_states: Vec<V>,
    /// Rows of one state: zeros, and scratch.
    pub(crate) zeros: Vec<V>,
    pub(crate) scratch: Scratch<V>,
}

/// The buffers of one layer.
pub(crate) struct LayerTrace<V> {
    /// States, `(steps, D·H)`: the two directions are concatenated.
    pub(crate) states: Vec<V>,
    /// The states of the layer below after dropout, and the mask; empty without dropout.
    pub(crate) input: Vec<V>,
    pub(crate) mask: Vec<V>,
    pub(crate) directions: Vec<DirectionTrace<V>>,
}

/// The buffers of one direction.
pub(crate) struct DirectionTrace<V> {
    /// See [`crate::cell`]: `(steps, SLOTS·H)`, or just one chunk's steps if no backward pass follows.
    pub(crate) slots: Vec<V>,
    /// Cell states, `(steps, H)`; empty for cells without them.
    pub(crate) cells: Vec<V>,
    /// The states that the steps start from, `(steps, H)`: 0 where a sequence starts. Kept only if they
    /// are not simply the states of the steps before.
    pub(crate) before: Vec<V>,
    /// The same after recurrent dropout, and the mask; empty without dropout.
    pub(crate) dropped: Vec<V>,
    pub(crate) mask: Vec<V>,
    /// The state that the first step starts from, if it is carried over.
    pub(crate) initial: StateRows<V>,
    pub(crate) carried: bool,
    /// Derivatives of the loss by h and c, carried from step to step.
    pub(crate) derivative: StateRows<V>,
}

/// Values for one state, a row each for h and c.
pub(crate) struct StateRows<V> {
    pub(crate) h: Vec<V>,
    pub(crate) c: Vec<V>,
}

/// Rows of one state each, used within a step.
pub(crate) struct Scratch<V> {
    /// The cell state before a step, if it is not simply the one after the step before.
    pub(crate) c: Vec<V>,
    /// A derivative being passed back through dropout or a reset gate.
    pub(crate) d: Vec<V>,
    /// Running values of the readout: 2 (`D·H` + 1).
    pub(crate) pool: Vec<V>,
    /// Copies for the gradients of a chunk's weights.
    pub(crate) copies: Vec<V>,
}

impl<V: Lanes> Trace<V> {
    /// Buffers of zeros.
    pub(crate) fn new<P: Packing>(simd: V::Simd, layout: &Layout, spec: BufferSpec) -> Self {
        let zeros = |groups: usize| vec![V::splat(simd, V::Elem::ZERO); groups];
        let mut trace = Self::build::<P>(layout, spec, SequenceStarts::new(spec.steps), zeros);
        trace.statics.reserve(layout.config(), spec.steps);
        trace
    }

    /// The total size of these buffers, in numbers.
    pub(super) fn size<P: Packing>(layout: &Layout, spec: BufferSpec) -> usize {
        let mut groups = 0;
        let count = |more: usize| {
            groups += more;
            Vec::new()
        };
        Self::build::<P>(layout, spec, SequenceStarts::new(0), count);
        groups * V::LEN + SequenceStarts::<V::Elem>::size::<V>(spec.steps)
    }

    /// Builds the buffers; `buffer` makes one of the given number of groups.
    fn build<P: Packing>(
        layout: &Layout,
        spec: BufferSpec,
        starts: SequenceStarts<V::Elem>,
        mut buffer: impl FnMut(usize) -> Vec<V>,
    ) -> Self {
        let BufferSpec { steps, backward, carried, windows, .. } = spec;
        let config = layout.config();
        let lanes = V::LEN;
        let row = P::groups(config.shape.hidden, lanes);
        let state = config.directions() * row;
        let single = |count: usize| Columns::new(count, 1).groups::<P>(lanes);
        let when = |condition: bool, groups: usize| if condition { groups } else { 0 };
        // No product is larger than all weights together.
        let copied = P::SEVERAL && backward && layout.len() >= V::Simd::OUTER_COPIED;
        let chunk = chunk_steps(layout.len());
        let slots = slots_stride(config.cell.slots(), row);
        let slot_steps = if backward { steps } else { steps.min(chunk) };
        let layers = (0..config.layers).map(|layer| {
            let input = when(layer > 0 && backward && config.dropout > 0.0, steps * state);
            let dropped = when(backward && config.recurrent_dropout > 0.0, steps * row);
            let directions = (0..config.directions()).map(|_| DirectionTrace {
                slots: buffer(slot_steps * slots),
                cells: buffer(when(config.cell.has_cell_state(), steps * row)),
                before: buffer(when(P::SEVERAL || carried, steps * row)),
                dropped: buffer(dropped),
                mask: buffer(dropped),
                initial: StateRows { h: buffer(when(carried, row)), c: buffer(when(carried, row)) },
                carried: false,
                derivative: StateRows {
                    h: buffer(when(backward, row)),
                    c: buffer(when(backward, row)),
                },
            });
            LayerTrace {
                directions: directions.collect(),
                states: buffer(steps * state),
                input: buffer(input),
                mask: buffer(input),
            }
        });
        Self {
            steps: 0,
            starts,
            layers: layers.collect(),
            statics: StaticRows::build::<P>(config, (steps, chunk, slots), &mut buffer),
            logits: buffer(packed_groups::<V>(steps, single(config.shape.output))),
            pooled: buffer(when(config.pools(), steps * state)),
            shares: buffer(when(config.readout == Readout::Mean, steps)),
            d_states: [
                buffer(when(backward, steps * state)),
                buffer(when(backward && config.layers > 1, steps * state)),
            ],
            window_states: buffer(2 * windows * config.layers * row),
            zeros: buffer(row),
            scratch: Scratch {
                c: buffer(row),
                d: buffer(row),
                pool: buffer(when(config.pools(), 2 * (state + 1))),
                copies: buffer(when(copied, copies(chunk_steps(layout.len())))),
            },
        }
    }
}

impl<V: Lanes> Trace<V> {
    /// Whether the first step starts from the states that [`DirectionTrace::set_initial`] set.
    pub(crate) fn set_carried(&mut self, carried: bool) {
        for layer in &mut self.layers {
            for direction in &mut layer.directions {
                direction.carried = carried;
            }
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
        let StateRows { h: own_h, c: own_c } = &mut self.initial;
        for (values, own) in [(h, own_h), (c, own_c)] {
            let own = numbers_mut(own);
            for (i, &value) in values.iter().enumerate() {
                own[P::position(columns, i, lane, V::LEN)] = value;
            }
        }
    }
}

impl<V: Lanes> LayerTrace<V> {
    /// Copies out a direction's state (h, c) at a step, for the sequence in `lane`; c is left alone if
    /// the cell has none.
    pub(crate) fn state_at<P: Packing>(
        &self,
        direction: usize,
        step: usize,
        lane: usize,
        (h, c): (&mut [V::Elem], &mut [V::Elem]),
    ) {
        let columns = Columns::new(1, h.len());
        let row = P::groups(h.len(), V::LEN);
        let first = (step * self.directions.len() + direction) * row;
        let states = numbers(&self.states[first..first + row]);
        for (i, h) in h.iter_mut().enumerate() {
            *h = states[P::position(columns, i, lane, V::LEN)];
        }
        let cells = &self.directions[direction].cells;
        if !cells.is_empty() {
            let cells = numbers(&cells[step * row..(step + 1) * row]);
            for (i, c) in c.iter_mut().enumerate() {
                *c = cells[P::position(columns, i, lane, V::LEN)];
            }
        }
    }
}
