//! Losses on lanes, for the engine.

use crate::activation::Activation;
use crate::lanes::Real;
use crate::lanes::elementary::{Constants, exp, log1p_unit, sigmoid};
use crate::lanes::simd::Lanes;
use crate::loss::Loss;

impl Loss {
    /// [`Loss::row`] for as many steps as there are lanes. Replaces `z` by `scale` · dz and returns Σ w
    /// e, unscaled.
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

    /// [`Loss::outputs`] for as many steps as there are lanes.
    #[inline(always)]
    pub(crate) fn outputs_groups<V: Lanes>(self, activation: Activation, z: &mut [V]) {
        match self {
            Self::CrossEntropy => {
                let (_, sum) = exponentials(z);
                let share = sum.same(V::Elem::ONE) / sum;
                for z in z {
                    *z = *z * share;
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

    /// e and `scale` · de/dz of one output, for losses that treat each output separately.
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

    /// `(e, de/dy)` of every lane, for losses that imply no activation.
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

/// −(1 − p)^gamma ln p and its derivative by z, where p is the sigmoid of z; `rest` is 1 − p.
#[inline(always)]
fn side<V: Lanes>(gamma: V, minus_ln_p: V, minus_ln_rest: V, p: V, rest: V) -> (V, V) {
    let focus = exp(-(gamma * minus_ln_rest));
    (focus * minus_ln_p, -(focus * (gamma * p).fma(minus_ln_p, rest)))
}

/// [`Loss::row_groups`] for cross entropy.
#[inline(always)]
fn cross_entropy<V: Lanes>(z: &mut [V], label: V, weight: Option<V>, scale: V) -> V {
    let (zero, one) = (label.same(V::Elem::ZERO), label.same(V::Elem::ONE));
    let last = label.same(V::Elem::from_f64((z.len() - 1) as f64));
    let present = label.ge(zero) & label.le(last) & label.round().eq(label);
    let weight = V::select(present, weight.unwrap_or(one), zero);
    let scale = scale * weight;
    let (mut class, mut chosen) = (zero, zero);
    for &z in &*z {
        chosen = V::select(label.eq(class), z, chosen);
        class = class + one;
    }
    let (largest, sum) = exponentials(z);
    let share = one / sum;
    class = zero;
    for z in &mut *z {
        let dz = scale * (*z * share - V::select(label.eq(class), one, zero));
        *z = V::select(present, dz, zero);
        class = class + one;
    }
    let loss = (largest - chosen) + ln_from_one(sum, z.len());
    V::select(present, weight * loss, zero)
}

/// Replaces `z` by e^(z − max); returns the maximum and the sum of the exponentials.
///
/// Sums blocks of a few, then the blocks, to lose fewer digits over thousands of terms.
#[inline(always)]
fn exponentials<V: Lanes>(z: &mut [V]) -> (V, V) {
    const TOGETHER: usize = 64;
    let (&first, others) = z.split_first().expect("a network has an output");
    let largest = others.iter().fold(first, |largest, &z| largest.max(z));
    let zero = first.same(V::Elem::ZERO);
    let mut total = zero;
    for some in z.chunks_mut(TOGETHER) {
        let mut sum = zero;
        for z in some {
            *z = exp(*z - largest);
            sum = sum + *z;
        }
        total = total + sum;
    }
    (largest, total)
}

/// ln x for x from 1 to `limit`, as k ln 2 + ln (x / 2ᵏ), where 2ᵏ is the largest power of two up to x.
#[inline(always)]
fn ln_from_one<V: Lanes>(mut x: V, limit: usize) -> V {
    let (mut k, one) = (x.same(V::Elem::ZERO), x.same(V::Elem::ONE));
    // The bits of k, from the highest that `limit` may need.
    let mut bit = (limit.ilog2() + 1).next_power_of_two() / 2;
    while bit > 0 {
        let by = x.same(V::Elem::from_f64(f64::from(bit)));
        let above = x.ge(by.pow2());
        x = V::select(above, x * (-by).pow2(), x);
        k = V::select(above, k + by, k);
        bit /= 2;
    }
    let rest = k.fma(x.same(V::Elem::LN2_LOW), log1p_unit(x - one));
    k.fma(x.same(V::Elem::LN2_HIGH), rest)
}
