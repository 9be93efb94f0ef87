//! Losses, each value beside its derivative, and how a batch's values become one number.
//!
//! The loss reported is the loss differentiated. With eₙ the loss of one label:
//!
//! * [`Reduction::Mean`]: the mean of e over the labels that the batch has.
//! * [`Reduction::Sum`]: per sequence the sum over its steps of the mean over outputs; the batch's
//!   loss is the mean over its labelled sequences. With one sequence per batch these are the
//!   update steps of a gradient summed over time.
//!
//! A NaN label is missing: it adds no loss, no gradient, and is not counted.

use crate::data::Sequences;
use crate::error::{Error, Result};
use crate::real::Real;
use crate::simd::Lanes;

/// The loss of one prediction against one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Squared error, (y − label)².
    Mse,
}

impl Loss {
    /// The loss of that name; [`Error::Parameter`] if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "mse" => Ok(Self::Mse),
            _ => Err(Error::Parameter {
                what: "loss",
                expected: "one of mse",
                got: format!("{name:?}"),
            }),
        }
    }

    /// `(e, de/dy)` of one prediction.
    #[inline(always)]
    pub fn value_and_derivative<T: Real>(self, y: T, label: T) -> (T, T) {
        match self {
            Self::Mse => {
                let difference = y - label;
                (difference * difference, difference + difference)
            }
        }
    }
}

impl Loss {
    /// `(e, de/dy)` of every lane.
    #[inline(always)]
    pub(crate) fn of_groups<V: Lanes>(self, y: V, label: V) -> (V, V) {
        match self {
            Self::Mse => {
                let difference = y - label;
                (difference * difference, difference + difference)
            }
        }
    }
}

/// How the losses of a batch's labels become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Mean over the batch's labels.
    Mean,
    /// Sum over steps, mean over outputs, mean over sequences.
    Sum,
}

impl Reduction {
    /// The reduction of that name; [`Error::Parameter`] if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "mean" => Ok(Self::Mean),
            "sum" => Ok(Self::Sum),
            _ => Err(Error::Parameter {
                what: "reduction",
                expected: "one of mean, sum",
                got: format!("{name:?}"),
            }),
        }
    }
}

/// How many labels a batch has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelCount {
    /// Labels that are present, over all steps and outputs.
    pub labels: usize,
    /// Sequences with at least one label.
    pub sequences: usize,
}

impl LabelCount {
    /// Counts the labels of the sequences `batch` of `data`.
    pub fn of<T: Real>(data: &Sequences<'_, T>, batch: &[u32]) -> Self {
        batch.iter().fold(Self::default(), |total, &sequence| {
            let labels = data.labels(sequence as usize);
            let present = labels.iter().filter(|label| !label.is_nan()).count();
            Self {
                labels: total.labels + present,
                sequences: total.sequences + usize::from(present > 0),
            }
        })
    }

    /// The denominator of a reduction: the loss of a batch is `Σ e / divisor`, and that of several
    /// batches together the quotient of the sums of both.
    pub fn divisor(self, reduction: Reduction, output_size: usize) -> f64 {
        match reduction {
            Reduction::Mean => self.labels as f64,
            Reduction::Sum => (self.sequences * output_size) as f64,
        }
    }
}
