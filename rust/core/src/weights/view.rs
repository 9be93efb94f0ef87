//! A view of a network's weights, as the passes read them.

use crate::config::Config;
use crate::lanes::Real;
use crate::packing::Weight;
use crate::weights::layout::Layout;
use crate::weights::transposed::Transposed;

/// A network's weights in their buffer.
#[derive(Clone, Copy)]
pub(crate) struct NetworkView<'a, T> {
    pub(crate) config: &'a Config,
    pub(crate) layout: &'a Layout,
    pub(crate) flat: &'a [T],
    /// None where no backward pass follows.
    pub(crate) transposed: Option<&'a Transposed<T>>,
}

impl<'a, T: Real> NetworkView<'a, T> {
    /// All numbers of a tensor.
    #[inline(always)]
    pub(crate) fn tensor(&self, tensor: usize) -> &'a [T] {
        &self.flat[self.layout.range(tensor)]
    }

    /// See [`Layout::weight`].
    #[inline(always)]
    pub(crate) fn weight(&self, tensor: usize, parts: (usize, usize)) -> Weight<'a, T> {
        self.layout.weight(self.flat, tensor, parts)
    }

    /// See [`Transposed::weight`].
    #[inline(always)]
    pub(crate) fn transposed(&self, tensor: usize, first: usize) -> Weight<'a, T> {
        self.transposed.expect("the backward pass has them").weight(self.layout, tensor, first)
    }
}
