//! Losses on plain numbers, for the reference implementation.

use crate::activation::Activation;
use crate::lanes::Real;
use crate::loss::Loss;

impl Loss {
    /// The loss of one step and its derivatives by the outputs' pre-activations.
    ///
    /// `z (L,)` are the pre-activations; `labels` are `(L,)`, or `(1,)` for cross entropy; there are as
    /// many `weights` as labels, or none if all are 1. Sets `dz (L,)` to Σ w ∂e/∂z and returns Σ w e
    /// over the labels present.
    pub fn row<T: Real>(
        self,
        activation: Activation,
        z: &[T],
        labels: &[T],
        weights: &[T],
        dz: &mut [T],
    ) -> T {
        dz.fill(T::ZERO);
        let mut total = T::ZERO;
        for (l, &label) in labels.iter().enumerate() {
            let weight = weights.get(l).copied().unwrap_or(T::ONE);
            if label.is_nan() {
                continue;
            }
            if self == Self::CrossEntropy {
                return cross_entropy(z, label, weight, dz);
            }
            let (value, derivative) = if self.implied() {
                self.of_logit(z[l], label)
            } else {
                let y = activation.value(z[l]);
                let (value, derivative) = self.value_and_derivative(y, label);
                (value, derivative * activation.derivative(z[l], y))
            };
            total += weight * value;
            dz[l] = weight * derivative;
        }
        total
    }

    /// Replaces the pre-activations `z (L,)` of one step by the network's predictions: activations, or
    /// probabilities if the loss implies them.
    pub fn outputs<T: Real>(self, activation: Activation, z: &mut [T]) {
        match self {
            Self::CrossEntropy => {
                let normaliser = log_sum_exp(z);
                z.iter_mut().for_each(|z| *z = (*z - normaliser).exp());
            }
            _ if self.implied() => z.iter_mut().for_each(|z| *z = Activation::Sigmoid.value(*z)),
            _ => z.iter_mut().for_each(|z| *z = activation.value(*z)),
        }
    }

    /// `(e, de/dy)` of one prediction, for losses that imply no activation.
    #[inline(always)]
    fn value_and_derivative<T: Real>(self, y: T, label: T) -> (T, T) {
        let difference = y - label;
        let (below, above) = (difference < T::ZERO, difference > T::ZERO);
        let size = if below { -difference } else { difference };
        match self {
            Self::Mse => (difference * difference, difference + difference),
            Self::Mae if below => (size, -T::ONE),
            Self::Mae if above => (size, T::ONE),
            Self::Huber { delta } => {
                let delta = T::from_f64(delta);
                if size > delta {
                    let slope = if below { -delta } else { delta };
                    (delta * (size - T::HALF * delta), slope)
                } else {
                    (T::HALF * difference * difference, difference)
                }
            }
            Self::Quantile { q } if below => (T::from_f64(q) * size, -T::from_f64(q)),
            Self::Quantile { q } if above => {
                let other = T::from_f64(1.0 - q);
                (other * size, other)
            }
            // The difference is 0 or NaN.
            Self::Mae | Self::Quantile { .. } => (size, T::ZERO),
            Self::BinaryCrossEntropy { .. } | Self::CrossEntropy | Self::Focal { .. } => {
                unreachable!("a loss of pre-activations")
            }
        }
    }

    /// `(e, de/dz)` of one logit under (focal) binary cross entropy.
    fn of_logit<T: Real>(self, z: T, label: T) -> (T, T) {
        let (gamma, pos_weight) = self.focus();
        let (positive, negative) = (side(gamma, z), side(gamma, -z));
        let weight = T::from_f64(pos_weight) * label;
        let other = T::ONE - label;
        (weight * positive.0 + other * negative.0, weight * positive.1 - other * negative.1)
    }

    /// gamma and pos_weight: binary cross entropy is the focal loss with gamma 0.
    pub(super) fn focus(self) -> (f64, f64) {
        match self {
            Self::Focal { gamma, pos_weight } => (gamma, pos_weight),
            Self::BinaryCrossEntropy { pos_weight } => (0.0, pos_weight),
            _ => unreachable!("not a loss of two classes"),
        }
    }
}

/// −(1 − p)^gamma ln p for p = σ(z), and its derivative by z.
///
/// Computed from 1 − p = σ(−z) and ln σ(z) = −softplus(−z), which does not underflow.
fn side<T: Real>(gamma: f64, z: T) -> (T, T) {
    let gamma = T::from_f64(gamma);
    let [p, rest] = [z, -z].map(|z| Activation::Sigmoid.value(z));
    let [minus_ln_p, minus_ln_rest] = [-z, z].map(|z| Activation::Softplus.value(z));
    let focus = if gamma == T::ZERO { T::ONE } else { (-gamma * minus_ln_rest).exp() };
    (focus * minus_ln_p, -focus * (gamma * p * minus_ln_p + rest))
}

/// Cross entropy of one step; a label that is not a class number counts as missing.
fn cross_entropy<T: Real>(z: &[T], label: T, weight: T, dz: &mut [T]) -> T {
    let Some(class) = (0..z.len()).find(|&class| label == T::from_f64(class as f64)) else {
        return T::ZERO;
    };
    let normaliser = log_sum_exp(z);
    for (dz, &z) in dz.iter_mut().zip(z) {
        *dz = weight * (z - normaliser).exp();
    }
    dz[class] -= weight;
    weight * (normaliser - z[class])
}

/// ln Σ exp z
fn log_sum_exp<T: Real>(z: &[T]) -> T {
    let largest = z.iter().fold(z[0], |a, &b| if b > a { b } else { a });
    let sum = z.iter().fold(T::ZERO, |sum, &z| sum + (z - largest).exp());
    largest + sum.ln()
}
