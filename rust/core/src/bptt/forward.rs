//! One layer in one direction: its states, for a window of steps.

use std::marker::PhantomData;
use std::ops::Range;

use super::model::Model;
use super::starts::{Starts, Time};
use super::trace::{DirectionTrace, Scratch, slots_stride};
use crate::cell::{Equations, State, StateMut};
use crate::packing::{Columns, Packing, Rows, RowsMut, Start, Weight, add_product, multiply};
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};

/// Where one direction of one layer lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) layer: usize,
    pub(super) direction: usize,
    /// Groups of one state, and of a row of states.
    pub(super) units: usize,
    pub(super) stride: usize,
    pub(super) time: Time,
}

impl Place {
    /// The group in a row of states at which this direction's begin.
    #[inline(always)]
    pub(super) fn first(self) -> usize {
        self.direction * self.units
    }
}

/// The inputs are multiplied for all steps of the window at once, then it goes step by step.
pub(super) struct Forward<'a, P, E, V: Lanes> {
    pub(super) equations: E,
    pub(super) model: Model<'a, V::Elem>,
    pub(super) place: Place,
    /// Positions in the direction's time; those before have been computed.
    pub(super) window: Range<usize>,
    /// Whether a way back follows: all slots are kept.
    pub(super) training: bool,
    pub(super) starts: &'a Starts<V::Elem>,
    pub(super) x: Rows<'a, V>,
    pub(super) states: &'a mut [V],
    pub(super) own: &'a mut DirectionTrace<V>,
    pub(super) zeros: &'a [V],
    pub(super) scratch: &'a mut Scratch<V>,
    /// Inputs that are likely to be needed next, to be had in the cache by then.
    pub(super) ahead: &'a [&'a [V::Elem]],
    pub(super) packing: PhantomData<P>,
}

impl<P: Packing, E: Equations, S: Simd, V: Lanes<Simd = S>> Kernel<S> for Forward<'_, P, E, V> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, simd: S) {
        let Place { layer, direction, units, time, .. } = self.place;
        let tensors = self.model.layout.direction(layer, direction);
        let steps = time.steps_of(&self.window);
        let row = slots_stride(E::SLOTS, units);
        let base = if self.training { 0 } else { steps.start };
        multiply::<P, V>(
            simd,
            Rows {
                groups: &self.x.groups[steps.start * self.x.stride..steps.end * self.x.stride],
                ..self.x
            },
            self.model.weight(tensors.start, (0, E::GATES)),
            Start::Bias(self.model.tensor(tensors.start + 2)),
            RowsMut {
                groups: &mut self.own.slots[(steps.start - base) * row..(steps.end - base) * row],
                stride: row,
                first: 0,
            },
        );
        let weights = Recurrent::of::<E>(self.model, tensors);
        for position in self.window.clone() {
            self.step(simd, &weights, position, base);
            self.prefetch(simd, position);
        }
    }
}

/// What the steps multiply by, looked up once.
struct Recurrent<'a, T> {
    /// `W_hh`: what is multiplied by h; and what by r ∘ h, where that is another part.
    weight: Weight<'a, T>,
    reset: Weight<'a, T>,
    /// Of the candidate; empty without.
    bias: &'a [T],
}

impl<'a, T: Real> Recurrent<'a, T> {
    #[inline(always)]
    fn of<E: Equations>(model: Model<'a, T>, tensors: Range<usize>) -> Self {
        let (_, parts) = E::RECURRENT;
        let candidate = if E::RESET_BEFORE { (parts, 1) } else { (0, parts) };
        Self {
            weight: model.weight(tensors.start + 1, (0, parts)),
            reset: model.weight(tensors.start + 1, candidate),
            bias: if model.config.cell.has_candidate_bias() {
                model.tensor(tensors.start + 3)
            } else {
                &[]
            },
        }
    }
}

impl<P: Packing, E: Equations, V: Lanes> Forward<'_, P, E, V> {
    /// Asks for a step of what is ahead: all at once would wait for one another.
    #[inline(always)]
    fn prefetch(&self, simd: V::Simd, position: usize) {
        let inputs = self.x.columns.len();
        for &lane in self.ahead {
            if let Some(step) = lane.get(position * inputs..(position + 1) * inputs) {
                for line in step.chunks(V::LEN) {
                    simd.prefetch(&line[0]);
                }
            }
        }
    }

    #[inline(always)]
    fn step(
        &mut self,
        simd: V::Simd,
        weights: &Recurrent<'_, V::Elem>,
        position: usize,
        base: usize,
    ) {
        let Self { equations, model, place, own, .. } = self;
        let Place { units, stride, time, .. } = *place;
        let hidden = Columns::new(1, model.config.shape.hidden);
        let t = time.at(position);
        let mask =
            if position == 0 { None } else { time.starting::<V>(self.starts, simd, position) };
        let DirectionTrace { slots, cells, before, dropped, mask: factors, initial, carried } =
            &mut **own;
        let slots = &mut slots[(t - base) * slots_stride(E::SLOTS, units)..][..E::SLOTS * units];

        let (earlier, state) = if position == 0 {
            let state = &mut self.states[t * stride + place.first()..][..units];
            (if *carried { &initial.h[..] } else { self.zeros }, state)
        } else {
            read_and_write(self.states, (time.at(position - 1), t), stride, (place.first(), units))
        };
        let h = if self.starts.any() || *carried {
            let own = &mut before[t * units..(t + 1) * units];
            carry(simd, mask, earlier, own);
            &*own
        } else {
            earlier
        };
        let h_in = if factors.is_empty() {
            h
        } else {
            let dropped = &mut dropped[t * units..(t + 1) * units];
            for u in 0..units {
                dropped[u] = h[u] * factors[t * units + u];
            }
            &*dropped
        };

        if !weights.bias.is_empty() {
            P::spread(simd, weights.bias, &mut slots[3 * units..4 * units]);
        }
        // A product with the zero state of a beginning is nothing.
        let begins = position == 0 && !*carried;
        let (first, parts) = E::RECURRENT;
        if !begins {
            step_product::<P, E, V>(
                simd,
                h_in,
                hidden,
                weights.weight,
                &mut slots[first * units..(first + parts) * units],
            );
        }
        if E::RESET_BEFORE {
            equations.reset(slots, h_in);
            if !begins {
                let (candidate, others) = slots.split_at_mut(units);
                step_product::<P, E, V>(
                    simd,
                    &others[2 * units..],
                    hidden,
                    weights.reset,
                    candidate,
                );
            }
        }
        let (c, cell) = if !E::CELL_STATE {
            (&[][..], &mut [][..])
        } else if position == 0 {
            let c = if *carried { &initial.c[..] } else { self.zeros };
            (c, &mut cells[t * units..(t + 1) * units])
        } else {
            let at = (time.at(position - 1), t);
            let (c, cell) = read_and_write(cells, at, units, (0, units));
            if mask.is_some() {
                carry(simd, mask, c, &mut self.scratch.c);
                (&self.scratch.c[..], cell)
            } else {
                (c, cell)
            }
        };
        let after = StateMut { h: state, c: cell };
        equations.forward(slots, State { h, c }, after);
        P::clear_padding(
            simd,
            &mut self.states[t * stride + place.first()..][..units],
            hidden.width,
        );
    }
}

/// `out += W a`: within the step itself where the cell is so simple that a call would be much of it.
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

/// Copies a state, but 0 in lanes where another sequence starts.
#[inline(always)]
pub(super) fn carry<V: Lanes>(simd: V::Simd, starting: Option<V::Mask>, state: &[V], to: &mut [V]) {
    match starting {
        None => to.copy_from_slice(state),
        Some(mask) => {
            let zero = V::splat(simd, crate::Real::ZERO);
            for u in 0..to.len() {
                to[u] = V::select(mask, zero, state[u]);
            }
        }
    }
}

/// `len` groups from `first` on of one row, and of another that is to be written.
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
