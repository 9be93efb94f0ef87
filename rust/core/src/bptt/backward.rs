//! The backward pass of one layer in one direction through a chunk of steps, and the chunk's share
//! of the gradient.

use std::marker::PhantomData;
use std::ops::Range;

use super::forward::{LayerDirection, carry, lookups, step_product};
use super::starts::SequenceStarts;
use super::statics::StaticRows;
use super::trace::{DirectionTrace, Scratch, slots_stride};
use crate::cell::{Equations, ResetProduct, Slots, State, StateMut};
use crate::lanes::simd::{Kernel, Lanes, Simd};
use crate::packing::{
    Columns, Packing, Products, Rows, RowsMut, Start, Weight, add_outer, add_sums,
    look_up_gradient, multiply,
};
use crate::weights::NetworkView;

/// With d the derivative of the loss: computes d(pre-activations) of every step, then dW_ih = Σ dz_t
/// x_tᵀ, dW_hh = Σ dz_t h_{t−1}ᵀ, db = Σ dz_t, and dx_t = W_ihᵀ dz_t for the layer below.
pub(super) struct Backward<'a, P, E, V: Lanes> {
    pub(super) equations: E,
    pub(super) network: NetworkView<'a, V::Elem>,
    pub(super) place: LayerDirection,
    /// Positions in the direction's time; later ones have been computed.
    pub(super) chunk: Range<usize>,
    pub(super) starts: &'a SequenceStarts<V::Elem>,
    pub(super) x: Rows<'a, V>,
    /// The static features of the first layer.
    pub(super) statics: &'a mut StaticRows<V>,
    pub(super) states: &'a [V],
    pub(super) own: &'a mut DirectionTrace<V>,
    /// Derivative by the states of this layer, `(steps, D·H)`.
    pub(super) d_states: &'a [V],
    /// Derivative by the input; `None` for the first layer.
    pub(super) d_input: Option<&'a mut [V]>,
    pub(super) zeros: &'a [V],
    pub(super) scratch: &'a mut Scratch<V>,
    /// The gradient in the layout's order; it is added to.
    pub(super) gradient: &'a mut [V::Elem],
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, E: Equations, S: Simd, V: Lanes<Simd = S>> Kernel<S> for Backward<'_, P, E, V> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, simd: S) {
        let LayerDirection { layer, direction, .. } = self.place;
        let recurrent = self.network.layout.direction(layer, direction).start + 1;
        let gates = if E::RESET_PRODUCT.is_some() { E::RECURRENT.count } else { 0 };
        let weights = [0, gates].map(|first| self.network.recurrent_transposed(recurrent, first));
        for position in self.chunk.clone().rev() {
            self.step(simd, &weights, position);
        }
        let steps = self.place.time.steps_of(&self.chunk);
        self.add_gradient(simd, steps.clone());
        self.input_gradient(simd, steps);
    }
}

impl<P: Packing, E: Equations, V: Lanes> Backward<'_, P, E, V> {
    #[inline(always)]
    fn step(&mut self, simd: V::Simd, weights: &[Weight<'_, V::Elem>; 2], position: usize) {
        let Self { equations, network, place, own, scratch, .. } = self;
        let LayerDirection { state_len, stride, time, .. } = *place;
        let t = time.at(position);
        let mask =
            if position == 0 { None } else { time.starting::<V>(self.starts, simd, position) };
        let DirectionTrace {
            slots,
            cells,
            before,
            dropped,
            mask: factors,
            initial,
            carried,
            derivative,
        } = &mut **own;
        let slots = &mut slots[t * slots_stride(E::SLOTS, state_len)..][..E::SLOTS * state_len];
        let states = self.states;
        let state_of = |t: usize| &states[t * stride + place.first()..][..state_len];

        let h = if self.starts.any() || *carried {
            &before[t * state_len..(t + 1) * state_len]
        } else if position == 0 {
            self.zeros
        } else {
            state_of(time.at(position - 1))
        };
        let c = if E::CELL_STATE {
            let initial = if *carried { &initial.c[..] } else { self.zeros };
            cell_before(simd, mask, (*place, position), (cells, initial), &mut scratch.c)
        } else {
            &[]
        };
        let after = State {
            h: state_of(t),
            c: if E::CELL_STATE { &cells[t * state_len..(t + 1) * state_len] } else { &[] },
        };
        let above = &self.d_states[t * stride + place.first()..][..state_len];
        for u in 0..state_len {
            derivative.h[u] = derivative.h[u] + above[u];
        }
        let d = StateMut { h: &mut derivative.h, c: &mut derivative.c };
        equations.backward(slots, State { h, c }, after, d);

        let begins = if position == 0 { !*carried } else { time.all_start(self.starts, position) };
        let h_in =
            if factors.is_empty() { h } else { &dropped[t * state_len..(t + 1) * state_len] };
        let factors =
            if factors.is_empty() { &[] } else { &factors[t * state_len..(t + 1) * state_len] };
        recurrent_gradient::<P, E, V>(
            simd,
            (*equations, weights, network.config.shape.hidden),
            slots,
            (h_in, begins),
            factors,
            (&mut derivative.h, scratch),
        );
        // No derivative passes from a sequence to the one before it in the lane.
        if let Some(mask) = mask {
            clear(simd, mask, &mut derivative.h);
            if E::CELL_STATE {
                clear(simd, mask, &mut derivative.c);
            }
        }
    }

    /// Adds the chunk's contribution to the gradient.
    #[inline(always)]
    fn add_gradient(&mut self, simd: V::Simd, steps: Range<usize>) {
        let LayerDirection { layer, direction, state_len, .. } = self.place;
        let tensors = self.network.layout.direction(layer, direction);
        let hidden = self.network.config.shape.hidden;
        let row = slots_stride(E::SLOTS, state_len);
        let layout = self.network.layout;
        let (before, later) = states_before(
            self.place,
            hidden,
            (self.own, self.states),
            self.starts.any(),
            steps.clone(),
        );
        let (gradient, slots) = (&mut *self.gradient, &self.own.slots);
        let copies = &mut self.scratch.copies[..];
        let dz = |steps: Range<usize>, Slots { first, count }: Slots| Rows {
            groups: &slots[steps.start * row..steps.end * row],
            stride: row,
            first: first * state_len,
            columns: Columns::new(count, hidden),
        };
        let slot = |first: usize| Slots { first, count: 1 };

        let x = Rows {
            groups: &self.x.groups[steps.start * self.x.stride..steps.end * self.x.stride],
            ..self.x
        };
        let gates = dz(steps.clone(), Slots { first: 0, count: E::GATES });
        let padded = layout.padded(hidden);
        let stride = layout.stride(Columns::new(E::GATES, hidden));
        let from = |tensor: usize| layout.range(tensor).start;
        let numbers = &mut gradient[from(tensors.start)..];
        add_outer::<P, V>(simd, x, gates, Products { numbers: &mut *numbers, stride }, copies);
        if layer == 0 {
            let own = lookups(self.network.config, self.x, &steps);
            let products = Products { numbers: &mut *numbers, stride };
            look_up_gradient::<P, V>(simd, own, gates, products);
            let products = Products { numbers, stride };
            let own = (self.network.config, steps.clone());
            self.statics.add_gradient::<P>(simd, own, gates, (products, &mut *copies));
        }
        add_sums::<P, V>(simd, gates, &mut gradient[from(tensors.start + 2)..]);
        if let Some(bias) = E::RECURRENT_BIAS {
            let numbers = &mut gradient[from(tensors.start + 3)..];
            add_sums::<P, V>(simd, dz(steps.clone(), slot(bias)), numbers);
        }
        let numbers = &mut gradient[from(tensors.start + 1)..];
        let products = Products { numbers: &mut *numbers, stride };
        add_outer::<P, V>(simd, before, dz(later, E::RECURRENT), products, copies);
        if let Some(ResetProduct { from, to }) = E::RESET_PRODUCT {
            let numbers = &mut numbers[E::RECURRENT.count * padded..];
            let (reset, candidate) = (dz(steps.clone(), slot(from)), dz(steps, slot(to)));
            add_outer::<P, V>(simd, reset, candidate, Products { numbers, stride }, copies);
        }
    }

    /// Sets the derivative by the layer's input; the second direction adds to it.
    #[inline(always)]
    fn input_gradient(&mut self, simd: V::Simd, steps: Range<usize>) {
        let LayerDirection { layer, direction, state_len, stride, .. } = self.place;
        let Some(d_input) = &mut self.d_input else { return };
        let tensors = self.network.layout.direction(layer, direction);
        let row = slots_stride(E::SLOTS, state_len);
        let dz = Rows {
            groups: &self.own.slots[steps.start * row..steps.end * row],
            stride: row,
            first: 0,
            columns: Columns::new(E::GATES, self.network.config.shape.hidden),
        };
        let start = if direction == 0 { Start::Zero } else { Start::Present };
        let groups = &mut d_input[steps.start * stride..steps.end * stride];
        let out = RowsMut { groups, stride, first: 0 };
        multiply::<P, V>(simd, dz, self.network.transposed(tensors.start, 0), start, out);
    }
}

/// The cell state that a step starts from: the one after the step before, or `initial`. Lanes where
/// another sequence starts get 0, by way of `scratch`.
#[inline(always)]
fn cell_before<'a, V: Lanes>(
    simd: V::Simd,
    starting: Option<V::Mask>,
    (place, position): (LayerDirection, usize),
    (cells, initial): (&'a [V], &'a [V]),
    scratch: &'a mut [V],
) -> &'a [V] {
    if position == 0 {
        return initial;
    }
    let (earlier, len) = (place.time.at(position - 1), place.state_len);
    let c = &cells[earlier * len..(earlier + 1) * len];
    if starting.is_none() {
        return c;
    }
    carry(simd, starting, c, scratch);
    scratch
}

/// Sets the masked lanes to 0.
#[inline(always)]
fn clear<V: Lanes>(simd: V::Simd, lanes: V::Mask, rows: &mut [V]) {
    let zero = V::splat(simd, crate::lanes::Real::ZERO);
    for row in rows {
        *row = V::select(lanes, zero, *row);
    }
}

/// Adds to `dh` the derivative through the recurrent weights, both those that multiply h and those that
/// multiply r ∘ h.
#[inline(always)]
fn recurrent_gradient<P: Packing, E: Equations, V: Lanes>(
    simd: V::Simd,
    (equations, [weight, reset], hidden): (E, &[Weight<'_, V::Elem>; 2], usize),
    slots: &mut [V],
    (h_in, begins): (&[V], bool),
    factors: &[V],
    (dh, scratch): (&mut [V], &mut Scratch<V>),
) {
    let state_len = dh.len();
    let Slots { first, count } = E::RECURRENT;
    let zero = V::splat(simd, crate::lanes::Real::ZERO);
    if let Some(ResetProduct { to, .. }) = E::RESET_PRODUCT {
        scratch.d.fill(zero);
        if !begins {
            let columns = Columns::new(1, hidden);
            let candidate = &slots[to * state_len..(to + 1) * state_len];
            step_product::<P, E, V>(simd, candidate, columns, *reset, &mut scratch.d);
        }
        equations.reset_backward(slots, h_in, &mut scratch.d);
    }
    if begins {
        return;
    }
    let dz = &slots[first * state_len..(first + count) * state_len];
    if E::RESET_PRODUCT.is_none() && factors.is_empty() {
        step_product::<P, E, V>(simd, dz, Columns::new(count, hidden), *weight, dh);
        return;
    }
    if E::RESET_PRODUCT.is_none() {
        scratch.d.fill(zero);
    }
    step_product::<P, E, V>(simd, dz, Columns::new(count, hidden), *weight, &mut scratch.d);
    for u in 0..state_len {
        let d = if factors.is_empty() { scratch.d[u] } else { scratch.d[u] * factors[u] };
        dh[u] = dh[u] + d;
    }
}

/// The states that `W_hh` multiplied at some steps, and those steps, without the step that starts from
/// 0.
#[inline(always)]
fn states_before<'a, V: Lanes>(
    place: LayerDirection,
    hidden: usize,
    (own, states): (&'a DirectionTrace<V>, &'a [V]),
    starts: bool,
    steps: Range<usize>,
) -> (Rows<'a, V>, Range<usize>) {
    let LayerDirection { state_len, stride, time, .. } = place;
    let columns = Columns::new(1, hidden);
    if !own.dropped.is_empty() || starts || own.carried {
        let kept = if own.dropped.is_empty() { &own.before } else { &own.dropped };
        let groups = &kept[steps.start * state_len..steps.end * state_len];
        return (Rows { groups, stride: state_len, first: 0, columns }, steps);
    }
    let (earlier, steps) = if time.reverse {
        let steps = steps.start..steps.end.min(time.steps - 1);
        (steps.start + 1..steps.end + 1, steps)
    } else {
        let steps = steps.start.max(1)..steps.end;
        (steps.start - 1..steps.end - 1, steps)
    };
    let groups = &states[earlier.start * stride..earlier.end * stride];
    (Rows { groups, stride, first: place.first(), columns }, steps)
}
