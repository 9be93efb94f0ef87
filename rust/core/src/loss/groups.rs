//! Losses on lanes, as the engine uses them.

use crate::activation::Activation;
use crate::lanes::Real;
use crate::lanes::elementary::{exp, log1p_unit, sigmoid};
use crate::lanes::simd::Lanes;
use crate::loss::Loss;

impl Loss {
    /// [`Loss::row`] of as many steps as there are lanes. Replaces `z` by `scale` · dz and returns
    /// Σ w e, which is not scaled.
    #[inline(always)]
    pub(crate) fn row_groups<V: Lanes>(
        self,
        activation: Activation,
        z: &mut [V],
        labels: &[V],
        weights: &[V],
        scale: V,
    ) -> V {
        if self == Self::CrossEntropy {
            return cross_entropy(z, labels[0], weights.first().copied(), scale);
        }
        let zero = scale.same(V::Elem::ZERO);
        let mut total = zero;
        for l in 0..z.len() {
            let missing = labels[l].is_nan();
            let mut scale = scale;
            if !weights.is_empty() {
                scale = scale * weights[l];
            }
            let (mut value, dz) = self.of_output(activation, z[l], labels[l], scale);
            if !weights.is_empty() {
                value = value * weights[l];
            }
            total = total + V::select(missing, zero, value);
            z[l] = V::select(missing, zero, dz);
        }
        total
    }

    /// [`Loss::outputs`] of as many steps as there are lanes.
    #[inline(always)]
    pub(crate) fn outputs_groups<V: Lanes>(self, activation: Activation, z: &mut [V]) {
        match self {
            Self::CrossEntropy => {
                let normaliser = log_sum_exp(z);
                for z in z {
                    *z = exp(*z - normaliser);
                }
            }
            Self::BinaryCrossEntropy { .. } | Self::Focal { .. } => {
                for z in z {
                    *z = sigmoid(*z);
                }
            }
            _ => {
                for z in z {
                    activation.apply(&[*z], std::slice::from_mut(z));
                }
            }
        }
    }

    /// e and `scale` · de/dz of one output, of losses that treat each by itself.
    #[inline(always)]
    fn of_output<V: Lanes>(self, activation: Activation, z: V, label: V, scale: V) -> (V, V) {
        match self {
            Self::BinaryCrossEntropy { .. } | Self::Focal { .. } => {
                let (value, derivative) = self.of_logits(z, label);
                (value, scale * derivative)
            }
            _ => {
                let (mut y, mut z) = ([z], [z]);
                activation.apply(&z, &mut y);
                let (value, derivative) = self.of_groups(y[0], label);
                activation.derive(&[scale * derivative], &mut z, &y);
                (value, z[0])
            }
        }
    }

    /// `(e, de/dy)` of every lane, of losses whose activation is not implied.
    #[inline(always)]
    fn of_groups<V: Lanes>(self, y: V, label: V) -> (V, V) {
        let difference = y - label;
        let (zero, half) = (y.same(V::Elem::ZERO), y.same(V::Elem::HALF));
        match self {
            Self::Mse => (difference * difference, difference + difference),
            Self::Mae => {
                let sign = y.same(V::Elem::ONE).copysign(difference);
                let sign = V::select(difference.eq(zero), zero, sign);
                (difference.abs(), sign)
            }
            Self::Huber { delta } => {
                let delta = y.same(V::Elem::from_f64(delta));
                let size = difference.abs();
                let line = delta * (size - half * delta);
                let value = V::select(size.gt(delta), line, half * difference * difference);
                (value, difference.max(-delta).min(delta))
            }
            Self::Quantile { q } => {
                let (below, above) = (V::Elem::from_f64(q), V::Elem::from_f64(1.0 - q));
                let slope = V::select(difference.lt(zero), y.same(-below), y.same(above));
                (slope * difference, V::select(difference.eq(zero), zero, slope))
            }
            Self::BinaryCrossEntropy { .. } | Self::CrossEntropy | Self::Focal { .. } => {
                unreachable!("a loss of pre-activations")
            }
        }
    }

    /// `(e, de/dz)` of every lane under (focal) binary cross entropy.
    #[inline(always)]
    fn of_logits<V: Lanes>(self, z: V, label: V) -> (V, V) {
        let (gamma, pos_weight) = self.focus();
        let (zero, one) = (z.same(V::Elem::ZERO), z.same(V::Elem::ONE));
        // −ln σ(z), −ln σ(−z) and σ of both.
        let small = log1p_unit(exp(-z.abs()));
        let minus_ln = [(-z).max(zero) + small, z.max(zero) + small];
        let p = [sigmoid(z), sigmoid(-z)];
        let weight = z.same(V::Elem::from_f64(pos_weight)) * label;
        let other = one - label;
        if gamma == 0.0 {
            return (weight * minus_ln[0] + other * minus_ln[1], other * p[0] - weight * p[1]);
        }
        let gamma = z.same(V::Elem::from_f64(gamma));
        let positive = side(gamma, minus_ln[0], minus_ln[1], p[0], p[1]);
        let negative = side(gamma, minus_ln[1], minus_ln[0], p[1], p[0]);
        (weight * positive.0 + other * negative.0, weight * positive.1 - other * negative.1)
    }
}

/// −(1 − p)^gamma ln p and its derivative by z, of which p is the sigmoid; `rest` is 1 − p.
#[inline(always)]
fn side<V: Lanes>(gamma: V, minus_ln_p: V, minus_ln_rest: V, p: V, rest: V) -> (V, V) {
    let focus = exp(-(gamma * minus_ln_rest));
    (focus * minus_ln_p, -(focus * (gamma * p).fma(minus_ln_p, rest)))
}

/// [`Loss::row_groups`] of cross entropy.
#[inline(always)]
fn cross_entropy<V: Lanes>(z: &mut [V], label: V, weight: Option<V>, scale: V) -> V {
    let (zero, one) = (label.same(V::Elem::ZERO), label.same(V::Elem::ONE));
    let last = label.same(V::Elem::from_f64((z.len() - 1) as f64));
    let present = label.ge(zero) & label.le(last) & label.round().eq(label);
    let weight = V::select(present, weight.unwrap_or(one), zero);
    let scale = scale * weight;
    let normaliser = log_sum_exp(z);
    let (mut class, mut chosen) = (zero, zero);
    for z in z {
        let is_label = label.eq(class);
        chosen = V::select(is_label, *z, chosen);
        let p = exp(*z - normaliser);
        let dz = scale * (p - V::select(is_label, one, zero));
        *z = V::select(present, dz, zero);
        class = class + one;
    }
    V::select(present, weight * (normaliser - chosen), zero)
}

/// ln Σ exp z, one term after the other: ln (eᵃ + eᵇ) = max(a, b) + ln (1 + e^−|a − b|).
#[inline(always)]
fn log_sum_exp<V: Lanes>(z: &[V]) -> V {
    let (&first, others) = z.split_first().expect("a network has an output");
    let mut sum = first;
    for &z in others {
        sum = sum.max(z) + log1p_unit(exp(-(sum - z).abs()));
    }
    sum
}
