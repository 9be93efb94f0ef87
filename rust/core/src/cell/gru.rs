//! r = σ(z_r), z = σ(z_z), h = (1 − z) ∘ n + z ∘ h₋₁, with the candidate
//!
//! * n = tanh(W_in x + b_n + r ∘ (W_hn h₋₁ + b_hn)), the variant of cuDNN and PyTorch (the "v1" of
//!   Cho et al., 2014, in its first version), or
//! * n = tanh(W_in x + b_n + W_hn (r ∘ h₋₁)), as Cho et al. (2014) publish it.

use super::equations::{Equations, ResetProduct, Slots, State, StateMut, rows};
use crate::lanes::Real;
use crate::lanes::elementary::{gate, tanh};
use crate::lanes::simd::Lanes;

/// A gated recurrent unit with the reset gate after the product. Slots: n, r, z, q = W_hn h₋₁ + b_hn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gru;

/// A gated recurrent unit with the reset gate before the product. Slots: n, r, z, q = r ∘ h₋₁.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GruResetBefore;

const N: usize = 0;
const R: usize = 1;
const Z: usize = 2;
const Q: usize = 3;

impl Equations for Gru {
    const GATE_SLOTS: &'static [usize] = &[R, Z, N];
    const SLOTS: usize = 4;
    const RECURRENT: Slots = Slots { first: R, count: 3 };
    const ZERO_STAYS: bool = true;
    const RECURRENT_BIAS: Option<usize> = Some(Q);

    #[inline(always)]
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>) {
        let len = after.h.len();
        let [n, r, z, q] = rows(slots, len);
        // Two short loops instead of a long one: more units are in flight at once.
        for u in 0..len {
            let r_u = gate(r[u]);
            r[u] = r_u;
            n[u] = r_u.fma(q[u], n[u]);
        }
        for u in 0..len {
            let z_u = gate(z[u]);
            let n_u = tanh(n[u]);
            n[u] = n_u;
            z[u] = z_u;
            after.h[u] = z_u.fma(before.h[u] - n_u, n_u);
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
        let [dn, dr, dz, dq] = rows(slots, len);
        for u in 0..len {
            // The slots hold the values of the forward pass until they are overwritten.
            let (n, r, z, q) = (dn[u], dr[u], dz[u], dq[u]);
            let one = n.same(V::Elem::ONE);
            let dh = d.h[u];
            let dn_u = (dh * (one - z)) * n.fnma(n, one);
            dn[u] = dn_u;
            dr[u] = (dn_u * q) * r.fnma(r, r);
            dz[u] = (dh * (before.h[u] - n)) * z.fnma(z, z);
            dq[u] = dn_u * r;
            d.h[u] = dh * z;
        }
    }
}

impl Equations for GruResetBefore {
    const GATE_SLOTS: &'static [usize] = &[R, Z, N];
    const SLOTS: usize = 4;
    const RECURRENT: Slots = Slots { first: R, count: 2 };
    const ZERO_STAYS: bool = true;
    const RESET_PRODUCT: Option<ResetProduct> = Some(ResetProduct { from: Q, to: N });

    #[inline(always)]
    fn reset<V: Lanes>(self, slots: &mut [V], h: &[V]) {
        let [_, r, _, q] = rows(slots, h.len());
        for u in 0..h.len() {
            let r_u = gate(r[u]);
            r[u] = r_u;
            q[u] = r_u * h[u];
        }
    }

    #[inline(always)]
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>) {
        let len = after.h.len();
        let [n, _, z, _] = rows(slots, len);
        for u in 0..len {
            let n_u = tanh(n[u]);
            let z_u = gate(z[u]);
            n[u] = n_u;
            z[u] = z_u;
            after.h[u] = z_u.fma(before.h[u] - n_u, n_u);
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
        let [dn, _, dz, _] = rows(slots, len);
        for u in 0..len {
            let (n, z) = (dn[u], dz[u]);
            let one = n.same(V::Elem::ONE);
            let dh = d.h[u];
            dn[u] = (dh * (one - z)) * n.fnma(n, one);
            dz[u] = (dh * (before.h[u] - n)) * z.fnma(z, z);
            d.h[u] = dh * z;
        }
    }

    #[inline(always)]
    fn reset_backward<V: Lanes>(self, slots: &mut [V], h: &[V], dq: &mut [V]) {
        let [_, dr, _, _] = rows(slots, h.len());
        for u in 0..h.len() {
            let r = dr[u];
            dr[u] = (dq[u] * h[u]) * r.fnma(r, r);
            dq[u] = dq[u] * r;
        }
    }
}
