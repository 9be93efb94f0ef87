//! What is asked of a pass: [`LossRequest`]; and [`GradientLayout`], where the gradient lies.

use std::ops::Range;

use super::dropout::DropoutMasks;
use crate::loss::Loss;
use crate::packing::Packing;
use crate::weights::Layout;

/// What the backward pass starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// The loss of the labels.
    Loss(Loss),
    /// Derivatives by the outputs, of a loss that is computed elsewhere. They stand where labels
    /// would; NaN where an output has none.
    OutputGradient,
}

impl Target {
    /// Columns of labels, or of what stands in their place.
    pub(crate) fn columns(self, outputs: usize) -> usize {
        match self {
            Self::Loss(loss) => loss.label_columns(outputs),
            Self::OutputGradient => outputs,
        }
    }
}

/// What is asked of a batch: the derivative of `scale · Σ loss`, or `Σ loss` alone.
#[derive(Clone, Copy)]
pub(crate) struct LossRequest<T> {
    pub(crate) target: Target,
    pub(crate) scale: T,
    pub(crate) gradient: bool,
    /// Dropout, if any.
    pub(crate) masks: Option<DropoutMasks>,
}

/// Where each tensor's gradient lies in groups of some packing.
#[derive(Clone, Debug)]
pub(crate) struct GradientLayout {
    starts: Vec<usize>,
}

impl GradientLayout {
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
