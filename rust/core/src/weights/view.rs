//! A view of a network's weights, for the passes.

use crate::config::Config;
use crate::lanes::Real;
use crate::packing::Weight;
use crate::weights::layout::Layout;
use crate::weights::panels::Panels;
use crate::weights::transposed::Transposed;

/// A network's weights, borrowed from their buffer.
#[derive(Clone, Copy)]
pub(crate) struct NetworkView<'a, T> {
    pub(crate) config: &'a Config,
    pub(crate) layout: &'a Layout,
    pub(crate) flat: &'a [T],
    /// `None` if there is no backward pass.
    pub(crate) transposed: Option<&'a Transposed<T>>,
    /// `None` if panels would gain nothing.
    pub(crate) panels: Option<&'a Panels<T>>,
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

    /// [`Self::weight`] for `W_hh`, with panels if there are any.
    #[inline(always)]
    pub(crate) fn recurrent(&self, tensor: usize, parts: (usize, usize)) -> Weight<'a, T> {
        let panel = self.panels.and_then(|panels| panels.forward(self.layout, tensor, parts.0));
        Weight { panel, ..self.weight(tensor, parts) }
    }

    /// [`Self::transposed`] for `W_hh`, with panels if there are any.
    #[inline(always)]
    pub(crate) fn recurrent_transposed(&self, tensor: usize, first: usize) -> Weight<'a, T> {
        let panel = self.panels.and_then(|panels| panels.backward(self.layout, tensor, first));
        Weight { panel, ..self.transposed(tensor, first) }
    }

    /// See [`Transposed::weight`].
    #[inline(always)]
    pub(crate) fn transposed(&self, tensor: usize, first: usize) -> Weight<'a, T> {
        self.transposed.expect("the backward pass has them").weight(self.layout, tensor, first)
    }
}
