//! The forward pass of one layer in one direction through a chunk of steps.

use std::marker::PhantomData;
use std::ops::Range;

use super::ahead::Ahead;
use super::starts::{SequenceStarts, Time};
use super::statics::StaticRows;
use super::trace::{DirectionTrace, Scratch, slots_stride};
use crate::cell::{Equations, ResetProduct, Slots, State, StateMut};
use crate::config::Config;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd};
use crate::packing::{
    Columns, Lookups, Packing, Rows, RowsMut, Start, Weight, add_product, look_up, multiply,
};
use crate::weights::NetworkView;

/// One direction of one layer, and where its states are.
#[derive(Clone, Copy)]
pub(super) struct LayerDirection {
    pub(super) layer: usize,
    pub(super) direction: usize,
    /// Groups of one state, and of one row of states.
    pub(super) state_len: usize,
    pub(super) stride: usize,
    pub(super) time: Time,
}

impl LayerDirection {
    /// The group of a row of states at which this direction's state starts.
    #[inline(always)]
    pub(super) fn first(self) -> usize {
        self.direction * self.state_len
    }
}

/// Multiplies the inputs of all steps of the chunk at once; the recurrence goes step by step.
pub(super) struct Forward<'a, 'r, P, E, V: Lanes> {
    pub(super) equations: E,
    pub(super) network: NetworkView<'a, V::Elem>,
    pub(super) place: LayerDirection,
    /// Positions in the direction's time; earlier ones have been computed.
    pub(super) chunk: Range<usize>,
    /// Whether a backward pass follows, so that all slots are kept.
    pub(super) backward: bool,
    pub(super) starts: &'a SequenceStarts<V::Elem>,
    pub(super) x: Rows<'a, V>,
    /// The static features of the first layer.
    pub(super) statics: &'a mut StaticRows<V>,
    pub(super) states: &'a mut [V],
    pub(super) own: &'a mut DirectionTrace<V>,
    pub(super) zeros: &'a [V],
    pub(super) scratch: &'a mut Scratch<V>,
    /// Inputs that are likely to be needed next.
    pub(super) ahead: Option<&'a mut Ahead<'r, V::Elem>>,
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, E: Equations, S: Simd, V: Lanes<Simd = S>> Kernel<S> for Forward<'_, '_, P, E, V> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, simd: S) {
        let LayerDirection { layer, direction, state_len, time, .. } = self.place;
        let tensors = self.network.layout.direction(layer, direction);
        let steps = time.steps_of(&self.chunk);
        let row = slots_stride(E::SLOTS, state_len);
        let base = if self.backward { 0 } else { steps.start };
        let weight = self.network.weight(tensors.start, (0, E::GATES));
        let slots = &mut self.own.slots[(steps.start - base) * row..(steps.end - base) * row];
        multiply::<P, V>(
            simd,
            Rows {
                groups: &self.x.groups[steps.start * self.x.stride..steps.end * self.x.stride],
                ..self.x
            },
            weight,
            Start::Bias(self.network.tensor(tensors.start + 2)),
            RowsMut { groups: &mut *slots, stride: row, first: 0 },
        );
        if layer == 0 {
            look_up::<P, V>(
                simd,
                lookups(self.network.config, self.x, &steps),
                weight,
                RowsMut { groups: &mut *slots, stride: row, first: 0 },
            );
            let out = RowsMut { groups: slots, stride: row, first: 0 };
            self.statics.add_products::<P>(simd, (self.network.config, weight), steps, out);
        }
        let weights = Recurrent::of::<E>(self.network, tensors);
        for position in self.chunk.clone() {
            self.step(simd, &weights, position, base);
            if let Some(ahead) = &mut self.ahead {
                ahead.prefetch::<V>(simd);
            }
        }
    }
}

/// The recurrent weights, used at every step.
struct Recurrent<'a, T> {
    /// `W_hh`: the part that multiplies h, and the part that multiplies r ∘ h, if there is one.
    weight: Weight<'a, T>,
    reset: Weight<'a, T>,
    /// `bias_hn`; empty if there is none.
    bias: &'a [T],
}

impl<'a, T: Real> Recurrent<'a, T> {
    #[inline(always)]
    fn of<E: Equations>(network: NetworkView<'a, T>, tensors: Range<usize>) -> Self {
        let gates = E::RECURRENT.count;
        let candidate = if E::RESET_PRODUCT.is_some() { (gates, 1) } else { (0, gates) };
        Self {
            weight: network.recurrent(tensors.start + 1, (0, gates)),
            reset: network.recurrent(tensors.start + 1, candidate),
            bias: if E::RECURRENT_BIAS.is_some() { network.tensor(tensors.start + 3) } else { &[] },
        }
    }
}

impl<P: Packing, E: Equations, V: Lanes> Forward<'_, '_, P, E, V> {
    #[inline(always)]
    fn step(
        &mut self,
        simd: V::Simd,
        weights: &Recurrent<'_, V::Elem>,
        position: usize,
        base: usize,
    ) {
        let Self { equations, network, place, own, .. } = self;
        let LayerDirection { state_len, stride, time, .. } = *place;
        let hidden = Columns::new(1, network.config.shape.hidden);
        let t = time.at(position);
        let mask =
            if position == 0 { None } else { time.starting::<V>(self.starts, simd, position) };
        let DirectionTrace {
            slots, cells, before, dropped, mask: factors, initial, carried, ..
        } = &mut **own;
        let slots =
            &mut slots[(t - base) * slots_stride(E::SLOTS, state_len)..][..E::SLOTS * state_len];

        let starts_from =
            if *carried { (&initial.h[..], &initial.c[..]) } else { (self.zeros, self.zeros) };
        let copied = self.starts.any() || *carried;
        let copy = copied.then(|| &mut before[t * state_len..(t + 1) * state_len]);
        let rows = (&mut *self.states, stride, place.first());
        let (h, state) =
            before_and_after(simd, mask, (*place, position), rows, starts_from.0, copy);
        let h_in = if factors.is_empty() {
            h
        } else {
            let dropped = &mut dropped[t * state_len..(t + 1) * state_len];
            for u in 0..state_len {
                dropped[u] = h[u] * factors[t * state_len + u];
            }
            &*dropped
        };
        // At the start of a sequence the state is 0, and so is the product.
        let begins = if position == 0 { !*carried } else { time.all_start(self.starts, position) };
        add_recurrent_products::<P, E, V>(
            simd,
            (equations, weights),
            hidden,
            (h_in, begins),
            slots,
        );
        let (c, cell) = if E::CELL_STATE {
            let copy = mask.is_some().then_some(&mut self.scratch.c[..]);
            let rows = (&mut cells[..], state_len, 0);
            before_and_after(simd, mask, (*place, position), rows, starts_from.1, copy)
        } else {
            (&[][..], &mut [][..])
        };
        let after = StateMut { h: state, c: cell };
        equations.forward(slots, State { h, c }, after);
        if !E::ZERO_STAYS {
            let state = &mut self.states[t * stride + place.first()..][..state_len];
            P::clear_padding(simd, state, hidden.width);
        }
    }
}

/// Adds the recurrent products to the slots of a step, unless all sequences start there.
#[inline(always)]
fn add_recurrent_products<P: Packing, E: Equations, V: Lanes>(
    simd: V::Simd,
    (equations, weights): (&E, &Recurrent<'_, V::Elem>),
    hidden: Columns,
    (h_in, begins): (&[V], bool),
    slots: &mut [V],
) {
    let state_len = h_in.len();
    if let Some(slot) = E::RECURRENT_BIAS {
        P::spread(simd, weights.bias, &mut slots[slot * state_len..(slot + 1) * state_len]);
    }
    let Slots { first, count } = E::RECURRENT;
    if !begins {
        let out = &mut slots[first * state_len..(first + count) * state_len];
        step_product::<P, E, V>(simd, h_in, hidden, weights.weight, out);
    }
    if let Some(ResetProduct { from, to }) = E::RESET_PRODUCT {
        equations.reset(slots, h_in);
        if !begins {
            let (reset, candidate) = read_and_write(slots, (from, to), state_len, (0, state_len));
            step_product::<P, E, V>(simd, reset, hidden, weights.reset, candidate);
        }
    }
}

/// The state (h or c) that a step starts from, and the place for the one it ends with, in `rows` (with
/// their stride and first group). The first step starts from `initial`. If there is a `copy`, the
/// starting state is copied there, with 0 where another sequence starts.
#[inline(always)]
fn before_and_after<'a, V: Lanes>(
    simd: V::Simd,
    starting: Option<V::Mask>,
    (place, position): (LayerDirection, usize),
    (rows, stride, first): (&'a mut [V], usize, usize),
    initial: &'a [V],
    copy: Option<&'a mut [V]>,
) -> (&'a [V], &'a mut [V]) {
    let LayerDirection { state_len: len, time, .. } = place;
    let t = time.at(position);
    let (earlier, after) = if position == 0 {
        (initial, &mut rows[t * stride + first..][..len])
    } else {
        read_and_write(rows, (time.at(position - 1), t), stride, (first, len))
    };
    let Some(copy) = copy else { return (earlier, after) };
    carry(simd, starting, earlier, copy);
    (copy, after)
}

/// The categories among the features of some steps.
#[inline(always)]
pub(super) fn lookups<'a, V>(
    config: &Config,
    x: Rows<'a, V>,
    steps: &Range<usize>,
) -> Lookups<'a, V> {
    let groups = &x.groups[steps.start * x.stride..steps.end * x.stride];
    Lookups {
        rows: Rows { groups, ..x },
        numbers: config.numbers(),
        count: config.categories.columns,
    }
}

/// `out += W a`: inlined into the step if the cell is so simple that a call would dominate.
#[inline(always)]
pub(super) fn step_product<P: Packing, E: Equations, V: Lanes>(
    simd: V::Simd,
    a: &[V],
    columns: Columns,
    weight: Weight<'_, V::Elem>,
    out: &mut [V],
) {
    if E::SLOTS == 1 {
        P::add_product(simd, a, columns, weight, out);
    } else {
        add_product::<P, V>(simd, a, columns, weight, out);
    }
}

/// Copies a state, with 0 in the lanes where another sequence starts.
#[inline(always)]
pub(super) fn carry<V: Lanes>(simd: V::Simd, starting: Option<V::Mask>, state: &[V], to: &mut [V]) {
    match starting {
        None => to.copy_from_slice(state),
        Some(mask) => {
            let zero = V::splat(simd, crate::lanes::Real::ZERO);
            for u in 0..to.len() {
                to[u] = V::select(mask, zero, state[u]);
            }
        }
    }
}

/// `len` groups starting at `first`: of row `read` to read, of row `write` to write.
#[inline(always)]
fn read_and_write<V>(
    rows: &mut [V],
    (read, write): (usize, usize),
    stride: usize,
    (first, len): (usize, usize),
) -> (&[V], &mut [V]) {
    if read < write {
        let (head, tail) = rows.split_at_mut(write * stride);
        (&head[read * stride + first..][..len], &mut tail[first..first + len])
    } else {
        let (head, tail) = rows.split_at_mut(read * stride);
        (&tail[first..first + len], &mut head[write * stride + first..][..len])
    }
}
