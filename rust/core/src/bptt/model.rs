//! What a pass is given: weights, places of the gradient, and the aim.

use std::ops::Range;

use super::dropout::Masks;
use crate::layout::Layout;
use crate::loss::Loss;
use crate::network::Config;
use crate::packing::{Packing, Weight};
use crate::real::Real;
use crate::transposed::Transposed;

/// A network where its weights lie.
#[derive(Clone, Copy)]
pub(crate) struct Model<'a, T> {
    pub(crate) config: &'a Config,
    pub(crate) layout: &'a Layout,
    pub(crate) flat: &'a [T],
    /// None where no way back is taken.
    pub(crate) transposed: Option<&'a Transposed<T>>,
}

impl<'a, T: Real> Model<'a, T> {
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
        self.transposed.expect("the way back has them").weight(self.layout, tensor, first)
    }
}

/// Where each tensor's gradient lies in groups of some packing.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    starts: Vec<usize>,
}

impl Places {
    pub(crate) fn new<P: Packing>(layout: &Layout, lanes: usize) -> Self {
        let mut starts = vec![0];
        for tensor in layout.tensors() {
            starts.push(starts[starts.len() - 1] + tensor.groups::<P>(lanes));
        }
        Self { starts }
    }

    /// The groups of a tensor.
    #[inline(always)]
    pub(crate) fn range(&self, tensor: usize) -> Range<usize> {
        self.starts[tensor]..self.starts[tensor + 1]
    }

    /// The groups of all.
    pub(crate) fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }
}

/// What is asked of a batch: the derivative of `scale · Σ loss`, or `Σ loss` alone.
#[derive(Clone, Copy)]
pub(crate) struct Aim<T> {
    pub(crate) loss: Loss,
    pub(crate) scale: T,
    pub(crate) gradient: bool,
    /// Dropout, if there is to be any.
    pub(crate) masks: Option<Masks>,
}
