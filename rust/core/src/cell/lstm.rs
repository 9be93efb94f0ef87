//! i = σ(z_i), f = σ(z_f), g = tanh(z_g), o = σ(z_o); c = f ∘ c₋₁ + i ∘ g, h = o ∘ tanh(c).
//!
//! Hochreiter and Schmidhuber (1997), with the forget gate of Gers, Schmidhuber and Cummins (2000),
//! without peepholes.

use super::{Equations, State, StateMut};
use crate::elementary::{sigmoid, tanh};
use crate::real::Real;
use crate::simd::Lanes;

/// A long short-term memory unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lstm;

impl Equations for Lstm {
    const GATES: usize = 4;
    const SLOTS: usize = 5;
    const RECURRENT: (usize, usize) = (0, 4);
    const CELL_STATE: bool = true;

    #[inline(always)]
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>) {
        let units = after.h.len();
        // Two short loops, not a long one: more units are in work at once.
        for u in 0..units {
            let i = sigmoid(slots[u]);
            let f = sigmoid(slots[units + u]);
            let g = tanh(slots[2 * units + u]);
            slots[u] = i;
            slots[units + u] = f;
            slots[2 * units + u] = g;
            after.c[u] = f.fma(before.c[u], i * g);
        }
        for u in 0..units {
            let o = sigmoid(slots[3 * units + u]);
            let tanh_c = tanh(after.c[u]);
            slots[3 * units + u] = o;
            slots[4 * units + u] = tanh_c;
            after.h[u] = o * tanh_c;
        }
    }

    #[inline(always)]
    fn backward<V: Lanes>(
        self,
        slots: &mut [V],
        before: State<'_, V>,
        _: State<'_, V>,
        d: StateMut<'_, V>,
    ) {
        let units = d.h.len();
        for u in 0..units {
            let (i, f, g, o, tanh_c) = (
                slots[u],
                slots[units + u],
                slots[2 * units + u],
                slots[3 * units + u],
                slots[4 * units + u],
            );
            let one = i.same(V::Elem::ONE);
            let dh = d.h[u];
            let dc = (dh * o).fma(tanh_c.fnma(tanh_c, one), d.c[u]);
            slots[u] = (dc * g) * (i.fnma(i, i));
            slots[units + u] = (dc * before.c[u]) * (f.fnma(f, f));
            slots[2 * units + u] = (dc * i) * g.fnma(g, one);
            slots[3 * units + u] = (dh * tanh_c) * (o.fnma(o, o));
            d.c[u] = dc * f;
            d.h[u] = i.same(V::Elem::ZERO);
        }
    }
}
