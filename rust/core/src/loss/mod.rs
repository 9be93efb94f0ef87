//! Losses and their derivatives. [`crate::Reduction`] says how the losses of a batch's labels become
//! one number.
//!
//! A NaN label is missing: it adds no loss and no gradient.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | [`Loss`]: the kinds of loss, their names and parameters |
//! | `textbook.rs` | the equations on numbers, for the reference implementation |
//! | `groups.rs` | the same on lanes, for the engine |

mod groups;
#[cfg(test)]
mod tests;
mod textbook;

use crate::error::{Error, Result, shortest};

/// The loss e of the predictions at one step, compared with their labels.
///
/// z is the pre-activation of an output, y = activation(z) its value and d = y − label; σ is the
/// sigmoid. If the loss is a function of z, it *implies* the output activation: sigmoid or softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Squared error, d².
    Mse,
    /// Absolute error, |d|; its derivative at d = 0 is taken as 0.
    Mae,
    /// d² / 2 if |d| <= delta, else delta (|d| − delta / 2) (Huber, 1964).
    Huber {
        /// The |d| at which the parabola becomes a line.
        delta: f64,
    },
    /// max(−q d, (1 − q) d), which the q-quantile minimises (Koenker and Bassett, 1978); its derivative
    /// at d = 0 is taken as 0.
    Quantile {
        /// The fraction of labels that should lie below the prediction.
        q: f64,
    },
    /// −(pos_weight label ln σ(z) + (1 − label) ln σ(−z)), labels from 0 to 1.
    BinaryCrossEntropy {
        /// The weight of positive labels.
        pos_weight: f64,
    },
    /// ln Σ_l exp z_l − z_c, where c is the class number, from 0: the only label of a step.
    CrossEntropy,
    /// Binary cross entropy with its two terms multiplied by (1 − p)^gamma, where p is σ(z) in the
    /// first and σ(−z) in the second (Lin et al., 2017, without α).
    Focal {
        /// How strongly well-predicted labels are weighted down.
        gamma: f64,
        /// The weight of positive labels.
        pos_weight: f64,
    },
}

impl Loss {
    /// The loss with this name and these named parameters. The defaults are delta = 1, q = 0.5, gamma =
    /// 2 and pos_weight = 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no loss with this name, it has no such parameter, or the
    /// parameter's value is invalid.
    pub fn from_name(name: &str, parameters: &[(&str, f64)]) -> Result<Self> {
        let known: &[&str] = match name {
            "huber" => &["delta"],
            "quantile" => &["q"],
            "binary_cross_entropy" => &["pos_weight"],
            "focal" => &["gamma", "pos_weight"],
            _ => &[],
        };
        if let Some((other, _)) = parameters.iter().find(|(given, _)| !known.contains(given)) {
            let got = format!("{other:?} for {name:?}");
            return Err(Error::Parameter {
                what: "loss parameters",
                expected: "those of the loss",
                got,
            });
        }
        let of = |name: &str, default: f64| {
            parameters.iter().find(|(given, _)| *given == name).map_or(default, |&(_, value)| value)
        };
        let loss = match name {
            "mse" => Self::Mse,
            "mae" => Self::Mae,
            "huber" => Self::Huber { delta: of("delta", 1.0) },
            "quantile" => Self::Quantile { q: of("q", 0.5) },
            "binary_cross_entropy" => {
                Self::BinaryCrossEntropy { pos_weight: of("pos_weight", 1.0) }
            }
            "cross_entropy" => Self::CrossEntropy,
            "focal" => Self::Focal { gamma: of("gamma", 2.0), pos_weight: of("pos_weight", 1.0) },
            _ => {
                return Err(Error::Parameter {
                    what: "loss",
                    expected: "one of mse, mae, huber, quantile, binary_cross_entropy, \
                               cross_entropy, focal",
                    got: format!("{name:?}"),
                });
            }
        };
        loss.check().map(|()| loss)
    }

    /// [`Error::Parameter`] if a parameter has an invalid value.
    pub fn check(self) -> Result<()> {
        const POSITIVE: &str = "a positive number";
        let weight = |w: f64| ("pos_weight", w, w > 0.0 && w.is_finite(), POSITIVE);
        let checks = match self {
            Self::Mse | Self::Mae | Self::CrossEntropy => vec![],
            Self::Huber { delta } => {
                vec![("delta", delta, delta > 0.0 && delta.is_finite(), POSITIVE)]
            }
            Self::Quantile { q } => vec![("q", q, q > 0.0 && q < 1.0, "between 0 and 1")],
            Self::BinaryCrossEntropy { pos_weight } => vec![weight(pos_weight)],
            Self::Focal { gamma, pos_weight } => {
                let allowed = gamma >= 0.0 && gamma.is_finite();
                vec![("gamma", gamma, allowed, "a number of at least 0"), weight(pos_weight)]
            }
        };
        match checks.into_iter().find(|&(_, _, allowed, _)| !allowed) {
            Some((what, value, _, expected)) => {
                Err(Error::Parameter { what, expected, got: shortest(value) })
            }
            None => Ok(()),
        }
    }

    /// Label columns for a network with `outputs` outputs: one of class numbers, or one per output.
    pub fn label_columns(self, outputs: usize) -> usize {
        if self == Self::CrossEntropy { 1 } else { outputs }
    }

    /// Whether the output activation is implied: sigmoid, or softmax under cross entropy.
    pub fn implied(self) -> bool {
        matches!(self, Self::BinaryCrossEntropy { .. } | Self::CrossEntropy | Self::Focal { .. })
    }
}
