//! [`Equations`]: the properties of a cell, and its equations at one step.

use crate::lanes::simd::{Kernel, Lanes, Simd};

/// The state of units at one step, or its derivative; `c` is empty except in the LSTM.
#[derive(Clone, Copy)]
pub(crate) struct State<'a, V> {
    pub(crate) h: &'a [V],
    pub(crate) c: &'a [V],
}

/// A mutable [`State`].
pub(crate) struct StateMut<'a, V> {
    pub(crate) h: &'a mut [V],
    pub(crate) c: &'a mut [V],
}

/// Consecutive slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// A product of `W_hh` by r ∘ h, where the reset gate acts before the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResetProduct {
    /// The slot of r ∘ h.
    pub(crate) from: usize,
    /// The slot of the candidate, which the product is added to.
    pub(crate) to: usize,
}

/// The properties of a cell, and its equations at one step, for rows of groups; a row has as many
/// groups as `h`.
///
/// Hot code: loops, not closures (see [`crate::lanes::simd`]).
pub(crate) trait Equations: Copy + Send + Sync {
    /// The slot that each gate of `W_ih` and b fills, with gates numbered as users see them (r z n; i f
    /// g o). These are the first slots.
    const GATE_SLOTS: &'static [usize];
    /// The gates of a unit, G.
    const GATES: usize = Self::GATE_SLOTS.len();
    /// Rows in `slots`.
    const SLOTS: usize;
    /// The slots that `W_hh h` is added to.
    const RECURRENT: Slots;
    /// Whether units have a cell state c beside their state h.
    const CELL_STATE: bool = false;
    /// The slot that starts out as the recurrent bias `bias_hn`, if there is one.
    const RECURRENT_BIAS: Option<usize> = None;
    /// The product by r ∘ h, if there is one. Its rows of `W_hh` come after those of
    /// [`Self::RECURRENT`].
    const RESET_PRODUCT: Option<ResetProduct> = None;
    /// Whether units whose state and pre-activations are 0 stay at 0, as padding units must.
    const ZERO_STAYS: bool;

    /// From pre-activations to the state after the step and the values that the backward pass needs.
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>);

    /// From the derivative `d` by the state after the step to the derivatives by the pre-activations,
    /// in `slots`, and by the state before the step, in `d`, without what comes through the weights.
    fn backward<V: Lanes>(
        self,
        slots: &mut [V],
        before: State<'_, V>,
        after: State<'_, V>,
        d: StateMut<'_, V>,
    );

    /// If there is a [`Self::RESET_PRODUCT`]: sets its slot to r ∘ h.
    #[inline(always)]
    fn reset<V: Lanes>(self, slots: &mut [V], h: &[V]) {
        let _ = (slots, h);
    }

    /// The backward pass of [`Self::reset`]: given the derivative `dq` by r ∘ h, sets the derivative by
    /// the reset gate, and leaves the derivative by h in `dq`.
    #[inline(always)]
    fn reset_backward<V: Lanes>(self, slots: &mut [V], h: &[V], dq: &mut [V]) {
        let _ = (slots, h, dq);
    }
}

/// A kernel that uses a cell's equations. It is compiled in their module's codegen unit, so that a
/// change to one cell recompiles the kernels of this cell alone.
impl<E: Equations, S: Simd, K: Kernel<S>> Kernel<S> for (E, K) {
    type Output = K::Output;

    #[inline(always)]
    fn run(self, simd: S) -> K::Output {
        self.1.run(simd)
    }
}

/// The slots of a step, `len` groups each.
#[inline(always)]
pub(super) fn rows<const N: usize, V>(slots: &mut [V], len: usize) -> [&mut [V]; N] {
    let mut rows: [&mut [V]; N] = std::array::from_fn(|_| Default::default());
    let mut rest = slots;
    for row in &mut rows {
        (*row, rest) = rest.split_at_mut(len);
    }
    rows
}
