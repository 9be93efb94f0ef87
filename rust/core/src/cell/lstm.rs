//! i = σ(z_i), f = σ(z_f), g = tanh(z_g), o = σ(z_o); c = f ∘ c₋₁ + i ∘ g, h = o ∘ tanh(c).
//!
//! Hochreiter and Schmidhuber (1997), with the forget gate of Gers, Schmidhuber and Cummins (2000),
//! without peepholes.

use super::equations::{Equations, Slots, State, StateMut, rows};
use crate::lanes::Real;
use crate::lanes::elementary::{gate, tanh};
use crate::lanes::simd::Lanes;

/// A long short-term memory unit. Slots: i, f, g, o, tanh c.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lstm;

impl Equations for Lstm {
    const GATE_SLOTS: &'static [usize] = &[0, 1, 2, 3];
    const SLOTS: usize = 5;
    const RECURRENT: Slots = Slots { first: 0, count: 4 };
    const ZERO_STAYS: bool = true;
    const CELL_STATE: bool = true;

    #[inline(always)]
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>) {
        let len = after.h.len();
        let [i, f, g, o, tanh_c] = rows(slots, len);
        // Two short loops instead of a long one: more units are in flight at once.
        for u in 0..len {
            let (i_u, f_u, g_u) = (gate(i[u]), gate(f[u]), tanh(g[u]));
            (i[u], f[u], g[u]) = (i_u, f_u, g_u);
            after.c[u] = f_u.fma(before.c[u], i_u * g_u);
        }
        for u in 0..len {
            let (o_u, tanh_u) = (gate(o[u]), tanh(after.c[u]));
            (o[u], tanh_c[u]) = (o_u, tanh_u);
            after.h[u] = o_u * tanh_u;
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
        let len = d.h.len();
        let [di, df, dg, d_o, tanh_c] = rows(slots, len);
        for u in 0..len {
            // The slots hold the values of the forward pass until they are overwritten.
            let (i, f, g, o, tanh_c) = (di[u], df[u], dg[u], d_o[u], tanh_c[u]);
            let one = i.same(V::Elem::ONE);
            let dh = d.h[u];
            let dc = (dh * o).fma(tanh_c.fnma(tanh_c, one), d.c[u]);
            di[u] = (dc * g) * (i.fnma(i, i));
            df[u] = (dc * before.c[u]) * (f.fnma(f, f));
            dg[u] = (dc * i) * g.fnma(g, one);
            d_o[u] = (dh * tanh_c) * (o.fnma(o, o));
            d.c[u] = dc * f;
            d.h[u] = i.same(V::Elem::ZERO);
        }
    }
}
