//! h = activation(z), z = W_ih x + b + W_hh h₋₁ (Elman, 1990).

use super::equations::{Equations, Slots, State, StateMut};
use crate::activation::Activation;
use crate::lanes::Real;
use crate::lanes::simd::Lanes;

/// A simple recurrent unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elman {
    pub(crate) activation: Activation,
}

impl Equations for Elman {
    const GATE_SLOTS: &'static [usize] = &[0];
    const SLOTS: usize = 1;
    const RECURRENT: Slots = Slots { first: 0, count: 1 };
    const ZERO_STAYS: bool = false;

    #[inline(always)]
    fn forward<V: Lanes>(self, z: &mut [V], _: State<'_, V>, after: StateMut<'_, V>) {
        self.activation.apply_to_units(z, after.h);
    }

    #[inline(always)]
    fn backward<V: Lanes>(
        self,
        z: &mut [V],
        _: State<'_, V>,
        after: State<'_, V>,
        d: StateMut<'_, V>,
    ) {
        self.activation.derive(d.h, z, after.h);
        for u in 0..d.h.len() {
            d.h[u] = d.h[u].same(V::Elem::ZERO);
        }
    }
}
