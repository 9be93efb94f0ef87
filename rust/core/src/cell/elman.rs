//! h = activation(z), z = W_ih x + b + W_hh h₋₁ (Elman, 1990).

use super::{Equations, State, StateMut};
use crate::activation::Activation;
use crate::real::Real;
use crate::simd::Lanes;

/// A simple recurrent unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elman {
    pub(crate) activation: Activation,
}

impl Equations for Elman {
    const GATES: usize = 1;
    const SLOTS: usize = 1;
    const RECURRENT: (usize, usize) = (0, 1);

    #[inline(always)]
    fn forward<V: Lanes>(self, z: &mut [V], _: State<'_, V>, after: StateMut<'_, V>) {
        after.h.copy_from_slice(z);
        self.activation.apply(after.h);
    }

    #[inline(always)]
    fn backward<V: Lanes>(
        self,
        z: &mut [V],
        _: State<'_, V>,
        after: State<'_, V>,
        d: StateMut<'_, V>,
    ) {
        for u in 0..d.h.len() {
            z[u] = self.activation.times_derivative(d.h[u], z[u], after.h[u]);
            d.h[u] = z[u].same(V::Elem::ZERO);
        }
    }
}
