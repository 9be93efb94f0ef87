//! One step of a stream, for the networks that the fused path supports.

use super::products::{Table, add_lookups, multiply};
use super::{InGroups, MOST_GROUPS, Weights, forward, in_groups, in_registers};
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd};
use crate::packing::{ByUnit, Columns, Packing, Rows};
use crate::weights::NetworkView;

/// One step of such a network; see [`super::fused_groups`].
pub(crate) struct FusedStep<'a, V: Lanes> {
    pub(crate) network: NetworkView<'a, V::Elem>,
    /// Features `(I,)`.
    pub(crate) x: &'a [V::Elem],
    /// The state, `(H,)`, replaced by the next one; and whether it may differ from the 0 that sequences
    /// start with.
    pub(crate) h: &'a mut [V],
    pub(crate) carried: bool,
    /// Pre-activations of the outputs, one group each.
    pub(crate) logits: &'a mut [V],
}

impl<S: Simd, V: Lanes<Simd = S>> FusedStep<'_, V> {
    /// Computes the state and the outputs.
    pub(crate) fn run(self, simd: S) {
        in_groups!(V, self.h.len(), G => simd.vectorize(InGroups::<G, _>(self)));
    }
}

impl<const G: usize, S: Simd, V: Lanes<Simd = S>> Kernel<S> for InGroups<G, FusedStep<'_, V>> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let FusedStep { network, x, h, carried, logits } = self.0;
        let (weights, zero) = (Weights::of(&network), V::splat(simd, V::Elem::ZERO));
        let h = h.first_chunk_mut::<G>().expect("a state has as many groups");
        let (mut slots, mut states) = ([[zero; G]], [[zero; G]]);
        let x = Table { numbers: x, stride: x.len(), columns: network.config.numbers() };
        multiply(simd, x, (weights.w_ih, weights.bias), &mut slots);
        add_lookups(simd, x, weights.w_ih, &mut slots);
        let recurrent = (weights.w_hh, network.config.shape.hidden, weights.activation);
        forward(simd, recurrent, carried.then_some(&*h), &mut slots, &mut states);
        [*h] = states;
        let columns = Columns::new(1, network.config.shape.hidden);
        let state = Rows { groups: &h[..], stride: G, first: 0, columns };
        let head = network.weight(network.layout.head(), (0, 1));
        ByUnit::read_out(simd, state, head, weights.b_y, logits);
    }
}
