//! `Method`: which optimiser, and its parameters.

use crate::error::{Error, Result, shortest};

/// A method of descent with its parameters, as PyTorch defines it.
///
/// Here w is a parameter, g its gradient, η the learning rate and λ `weight_decay`. All methods except
/// [`Method::AdamW`] start with g ← g + λ w. Moments start at 0 unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// b ← momentum b + g; w ← w − η b, or w ← w − η (g + momentum b) with `nesterov`
    /// (Sutskever et al., 2013). Without momentum w ← w − η g.
    Sgd {
        /// The fraction of the last step that is added to the next; at least 0.
        momentum: f64,
        /// Whether to use Nesterov momentum, which also adds the current gradient.
        nesterov: bool,
        /// λ
        weight_decay: f64,
    },
    /// s ← alpha s + (1 − alpha) g²; w ← w − η g / (√s + eps) (Hinton, 2012).
    ///
    /// With `centered`, a ← alpha a + (1 − alpha) g, and √(s − a²) replaces √s (Graves, 2013). With
    /// momentum, b ← momentum b + the quotient; w ← w − η b.
    RmsProp {
        /// The weight of the past in the mean square.
        alpha: f64,
        /// Keeps quotients finite.
        eps: f64,
        /// λ
        weight_decay: f64,
        /// The fraction of the last step that is added to the next; at least 0.
        momentum: f64,
        /// Whether the squared mean is subtracted from the mean square.
        centered: bool,
    },
    /// s ← s + g²; w ← w − η / (1 + (t − 1) lr_decay) · g / (√s + eps) at the t-th step, from
    /// s = `initial_accumulator_value` (Duchi et al., 2011).
    Adagrad {
        /// How fast the learning rate falls.
        lr_decay: f64,
        /// λ
        weight_decay: f64,
        /// The initial s.
        initial_accumulator_value: f64,
        /// Keeps quotients finite.
        eps: f64,
    },
    /// m ← beta1 m + (1 − beta1) g; v ← beta2 v + (1 − beta2) g²; at the t-th step
    /// w ← w − η m̂ / (√v̂ + eps), m̂ = m / (1 − beta1ᵗ), v̂ = v / (1 − beta2ᵗ)
    /// (Kingma and Ba, 2015).
    Adam {
        /// The weight of the past in the mean.
        beta1: f64,
        /// The weight of the past in the mean square.
        beta2: f64,
        /// Keeps quotients finite.
        eps: f64,
        /// λ
        weight_decay: f64,
    },
    /// w ← (1 − η λ) w, then as Adam with λ = 0 (Loshchilov and Hutter, 2019).
    AdamW {
        /// The weight of the past in the mean.
        beta1: f64,
        /// The weight of the past in the mean square.
        beta2: f64,
        /// Keeps quotients finite.
        eps: f64,
        /// λ
        weight_decay: f64,
    },
}

impl Method {
    /// Plain stochastic gradient descent: w ← w − η g.
    pub const SGD: Self = Self::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };

    /// [`Error::Parameter`] if a parameter has an invalid value.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Sgd { momentum, nesterov, weight_decay } => {
                if nesterov && momentum == 0.0 {
                    let expected = "greater than 0 for nesterov";
                    return Err(Error::Parameter { what: "momentum", expected, got: "0".into() });
                }
                at_least_0(&[("momentum", momentum), ("weight_decay", weight_decay)])
            }
            Self::RmsProp { alpha, eps, weight_decay, momentum, .. } => {
                shares(&[("alpha", alpha)])?;
                at_least_0(&[("eps", eps), ("weight_decay", weight_decay), ("momentum", momentum)])
            }
            Self::Adagrad { lr_decay, weight_decay, initial_accumulator_value, eps } => {
                at_least_0(&[
                    ("lr_decay", lr_decay),
                    ("weight_decay", weight_decay),
                    ("initial_accumulator_value", initial_accumulator_value),
                    ("eps", eps),
                ])
            }
            Self::Adam { beta1, beta2, eps, weight_decay }
            | Self::AdamW { beta1, beta2, eps, weight_decay } => {
                shares(&[("beta1", beta1), ("beta2", beta2)])?;
                at_least_0(&[("eps", eps), ("weight_decay", weight_decay)])
            }
        }
    }

    /// The names of the moments, in the order of [`crate::optim::GradientDescent::moments`].
    pub fn moments(self) -> &'static [&'static str] {
        match self {
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum_buffer"],
            Self::RmsProp { centered: false, momentum: 0.0, .. } => &["square_avg"],
            Self::RmsProp { centered: false, .. } => &["square_avg", "momentum_buffer"],
            Self::RmsProp { centered: true, momentum: 0.0, .. } => &["square_avg", "grad_avg"],
            Self::RmsProp { .. } => &["square_avg", "grad_avg", "momentum_buffer"],
            Self::Adagrad { .. } => &["sum"],
            Self::Adam { .. } | Self::AdamW { .. } => &["exp_avg", "exp_avg_sq"],
        }
    }

    /// The value of the moments before the first step.
    pub(super) fn first_moment(self) -> f64 {
        match self {
            Self::Adagrad { initial_accumulator_value, .. } => initial_accumulator_value,
            _ => 0.0,
        }
    }
}

fn at_least_0(parameters: &[(&'static str, f64)]) -> Result<()> {
    check(parameters, |value| value >= 0.0 && value.is_finite(), "a number of at least 0")
}

fn shares(parameters: &[(&'static str, f64)]) -> Result<()> {
    check(parameters, |value| (0.0..1.0).contains(&value), "at least 0 and less than 1")
}

fn check(
    parameters: &[(&'static str, f64)],
    allowed: impl Fn(f64) -> bool,
    expected: &'static str,
) -> Result<()> {
    match parameters.iter().find(|&&(_, value)| !allowed(value)) {
        Some(&(what, value)) => Err(Error::Parameter { what, expected, got: shortest(value) }),
        None => Ok(()),
    }
}
