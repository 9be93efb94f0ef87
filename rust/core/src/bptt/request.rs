//! [`LossRequest`]: what a pass is to compute.

use super::dropout::DropoutMasks;
use crate::loss::Loss;

/// What the backward pass starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// The loss of the labels.
    Loss(Loss),
    /// Derivatives by the outputs, of a loss that is computed elsewhere. They take the place of labels;
    /// NaN if an output has none.
    OutputGradient,
}

impl Target {
    /// Columns of labels, or of the derivatives in their place.
    pub(crate) fn columns(self, outputs: usize) -> usize {
        match self {
            Self::Loss(loss) => loss.label_columns(outputs),
            Self::OutputGradient => outputs,
        }
    }
}

/// What to compute for a batch: the derivative of `scale · Σ loss`, or `Σ loss` alone.
#[derive(Clone, Copy)]
pub(crate) struct LossRequest<T> {
    pub(crate) target: Target,
    pub(crate) scale: T,
    pub(crate) gradient: bool,
    /// Dropout, if any.
    pub(crate) masks: Option<DropoutMasks>,
}
