//! `Objective`: a loss, and how the losses of a batch's labels become one number.
//!
//! The reported loss is exactly the one that is differentiated. With eₙ the loss of one label and wₙ
//! its weight (1 by default):
//!
//! * [`Reduction::Mean`]: Σ w e / Σ w over the labels that the batch has.
//! * [`Reduction::Sum`]: per sequence the sum of w e over its steps, mean over outputs; the batch's
//!   loss is the mean over its labelled sequences, each counting as much as its labels weigh on
//!   average. With one sequence per batch these are the update steps of a gradient summed over time.
//!
//! A weight of 2 is like having the label twice. A NaN label is missing: it adds no loss and no
//! gradient, and is not counted.

use crate::data::{Segment, Sequences};
use crate::error::{Error, Result};
use crate::lanes::Real;
use crate::loss::Loss;

/// What is minimised.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// Per label.
    pub loss: Loss,
    /// Over a batch.
    pub reduction: Reduction,
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
    /// The reduction with this name; [`Error::Parameter`] if there is none.
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

/// The total weight of the labels of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LabelWeight {
    /// Sum of the weights of all labels present.
    labels: f64,
    /// Sum over the sequences of the mean weight of their labels.
    sequences: f64,
}

impl LabelWeight {
    /// Adds the labels of a segment.
    #[inline]
    pub(crate) fn add<T: Real>(&mut self, data: &Sequences<'_, T>, segment: Segment) {
        if !data.has_label_weights() {
            let count = if data.is_complete() {
                segment.steps as usize * data.label_columns()
            } else {
                data.labels_of(segment).iter().filter(|label| !label.is_nan()).count()
            };
            self.labels += count as f64;
            self.sequences += if count > 0 { 1.0 } else { 0.0 };
            return;
        }
        let (mut count, mut weight) = (0usize, 0.0);
        for (label, w) in data.labels_of(segment).iter().zip(data.label_weights_of(segment)) {
            if !label.is_nan() {
                count += 1;
                weight += w.to_f64();
            }
        }
        if count > 0 {
            self.labels += weight;
            self.sequences += weight / count as f64;
        }
    }

    /// The denominator of a reduction. The loss of a batch is `Σ w e / divisor`; for several batches
    /// together, both sums run over all of them.
    pub(crate) fn divisor(self, reduction: Reduction, label_columns: usize) -> f64 {
        match reduction {
            Reduction::Mean => self.labels,
            Reduction::Sum => self.sequences * label_columns as f64,
        }
    }
}
