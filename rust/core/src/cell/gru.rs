//! r = σ(z_r), z = σ(z_z), h = (1 − z) ∘ n + z ∘ h₋₁, with the candidate
//!
//! * n = tanh(W_in x + b_n + r ∘ (W_hn h₋₁ + b_hn)), the variant of cuDNN and PyTorch (the "v1" of
//!   Cho et al., 2014, in its first version), or
//! * n = tanh(W_in x + b_n + W_hn (r ∘ h₋₁)), as Cho et al. (2014) publish it.

use super::{Equations, State, StateMut};
use crate::elementary::{sigmoid, tanh};
use crate::real::Real;
use crate::simd::Lanes;

/// A gated recurrent unit, the reset gate after the product. Slots: n, r, z, W_hn h₋₁ + b_hn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gru;

/// A gated recurrent unit, the reset gate before the product. Slots: n, r, z, r ∘ h₋₁.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GruResetBefore;

impl Equations for Gru {
    const GATES: usize = 3;
    const SLOTS: usize = 4;
    const RECURRENT: (usize, usize) = (1, 3);

    #[inline(always)]
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>) {
        let units = after.h.len();
        // Two short loops, not a long one: more units are in work at once.
        for u in 0..units {
            let r = sigmoid(slots[units + u]);
            slots[units + u] = r;
            slots[u] = r.fma(slots[3 * units + u], slots[u]);
        }
        for u in 0..units {
            let z = sigmoid(slots[2 * units + u]);
            let n = tanh(slots[u]);
            slots[u] = n;
            slots[2 * units + u] = z;
            after.h[u] = z.fma(before.h[u] - n, n);
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
            let (n, r, z) = (slots[u], slots[units + u], slots[2 * units + u]);
            let recurrent = slots[3 * units + u];
            let one = n.same(V::Elem::ONE);
            let dh = d.h[u];
            let dn = (dh * (one - z)) * n.fnma(n, one);
            slots[u] = dn;
            slots[units + u] = (dn * recurrent) * r.fnma(r, r);
            slots[2 * units + u] = (dh * (before.h[u] - n)) * z.fnma(z, z);
            slots[3 * units + u] = dn * r;
            d.h[u] = dh * z;
        }
    }
}

impl Equations for GruResetBefore {
    const GATES: usize = 3;
    const SLOTS: usize = 4;
    const RECURRENT: (usize, usize) = (1, 2);
    const RESET_BEFORE: bool = true;

    #[inline(always)]
    fn reset<V: Lanes>(self, slots: &mut [V], h: &[V]) {
        let units = h.len();
        for u in 0..units {
            let r = sigmoid(slots[units + u]);
            slots[units + u] = r;
            slots[3 * units + u] = r * h[u];
        }
    }

    #[inline(always)]
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>) {
        let units = after.h.len();
        for u in 0..units {
            let n = tanh(slots[u]);
            let z = sigmoid(slots[2 * units + u]);
            slots[u] = n;
            slots[2 * units + u] = z;
            after.h[u] = z.fma(before.h[u] - n, n);
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
            let (n, z) = (slots[u], slots[2 * units + u]);
            let one = n.same(V::Elem::ONE);
            let dh = d.h[u];
            slots[u] = (dh * (one - z)) * n.fnma(n, one);
            slots[2 * units + u] = (dh * (before.h[u] - n)) * z.fnma(z, z);
            d.h[u] = dh * z;
        }
    }

    #[inline(always)]
    fn reset_backward<V: Lanes>(self, slots: &mut [V], h: &[V], dq: &mut [V]) {
        let units = h.len();
        for u in 0..units {
            let r = slots[units + u];
            slots[units + u] = (dq[u] * h[u]) * r.fnma(r, r);
            dq[u] = dq[u] * r;
        }
    }
}
