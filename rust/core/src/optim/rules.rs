//! The equations of one update, on lanes. [`Method`](super::Method) states them.

use crate::lanes::Real;
use crate::lanes::simd::Lanes;

/// How M moments and a gradient change a parameter. A rule is made anew for each step.
pub(super) trait Rule<T: Real, const M: usize> {
    /// Changes the moments, and returns the parameters after the step.
    fn apply<V: Lanes<Elem = T>>(&self, w: V, g: V, moments: &mut [V; M]) -> V;
}

/// If `eps` underflowed to 0 in `T`, weights, gradients and moments that are all zero, as in padding,
/// would give 0 / 0. The smallest normal number changes no other sum.
pub(super) fn eps<T: Real>(eps: f64) -> T {
    let eps = T::from_f64(eps);
    if eps < T::MIN_POSITIVE { T::MIN_POSITIVE } else { eps }
}

/// g + λ w
#[inline(always)]
fn decayed<V: Lanes>(w: V, g: V, weight_decay: V::Elem) -> V {
    // The same for every group, so the branch is hoisted out of the loop.
    if weight_decay == V::Elem::ZERO { g } else { w.fma(w.same(weight_decay), g) }
}

/// `past · (1 − fresh) + fresh · value`, rounded as PyTorch does for means.
#[inline(always)]
fn towards<V: Lanes>(past: V, value: V, fresh: V::Elem) -> V {
    (value - past).fma(past.same(fresh), past)
}

pub(super) struct Sgd<T> {
    pub(super) rate: T,
    pub(super) weight_decay: T,
}

impl<T: Real> Rule<T, 0> for Sgd<T> {
    #[inline(always)]
    fn apply<V: Lanes<Elem = T>>(&self, w: V, g: V, _: &mut [V; 0]) -> V {
        let g = decayed(w, g, self.weight_decay);
        g.fnma(w.same(self.rate), w)
    }
}

pub(super) struct Momentum<T> {
    pub(super) rate: T,
    pub(super) weight_decay: T,
    pub(super) momentum: T,
    pub(super) nesterov: bool,
}

impl<T: Real> Rule<T, 1> for Momentum<T> {
    #[inline(always)]
    fn apply<V: Lanes<Elem = T>>(&self, w: V, g: V, [buffer]: &mut [V; 1]) -> V {
        let momentum = w.same(self.momentum);
        let g = decayed(w, g, self.weight_decay);
        *buffer = buffer.fma(momentum, g);
        let step = if self.nesterov { buffer.fma(momentum, g) } else { *buffer };
        step.fnma(w.same(self.rate), w)
    }
}

/// Moments: square_avg, then grad_avg if `centered`, then momentum_buffer if there is momentum.
pub(super) struct RmsProp<T> {
    pub(super) rate: T,
    pub(super) weight_decay: T,
    pub(super) alpha: T,
    /// 1 − alpha
    pub(super) fresh: T,
    pub(super) eps: T,
    pub(super) momentum: T,
    pub(super) centered: bool,
}

impl<T: Real, const M: usize> Rule<T, M> for RmsProp<T> {
    #[inline(always)]
    fn apply<V: Lanes<Elem = T>>(&self, w: V, g: V, moments: &mut [V; M]) -> V {
        let g = decayed(w, g, self.weight_decay);
        let fresh_square = w.same(self.fresh) * g * g;
        moments[0] = moments[0].fma(w.same(self.alpha), fresh_square);
        let mut square = moments[0];
        if self.centered {
            moments[1] = towards(moments[1], g, self.fresh);
            // Rounding may leave a negative number.
            square = moments[1].fnma(moments[1], square).max(w.same(T::ZERO));
        }
        let mut step = g / (square.sqrt() + w.same(self.eps));
        if self.momentum != T::ZERO {
            moments[M - 1] = moments[M - 1].fma(w.same(self.momentum), step);
            step = moments[M - 1];
        }
        step.fnma(w.same(self.rate), w)
    }
}

pub(super) struct Adagrad<T> {
    /// η / (1 + (t − 1) lr_decay)
    pub(super) rate: T,
    pub(super) weight_decay: T,
    pub(super) eps: T,
}

impl<T: Real> Rule<T, 1> for Adagrad<T> {
    #[inline(always)]
    fn apply<V: Lanes<Elem = T>>(&self, w: V, g: V, [sum]: &mut [V; 1]) -> V {
        let g = decayed(w, g, self.weight_decay);
        *sum = g.fma(g, *sum);
        let step = g / (sum.sqrt() + w.same(self.eps));
        step.fnma(w.same(self.rate), w)
    }
}

/// Adam and AdamW. Both bias corrections are folded into the rate:
/// η m̂ / (√v̂ + eps) = η √c₂ / c₁ · m / (√v + eps √c₂), c = 1 − betaᵗ.
pub(super) struct Adam<T> {
    /// η √c₂ / c₁
    pub(super) rate: T,
    /// λ, added to the gradient.
    pub(super) weight_decay: T,
    /// The factor that decoupled weight decay leaves of a weight.
    pub(super) keep: T,
    /// 1 − beta1
    pub(super) fresh: T,
    pub(super) beta2: T,
    /// 1 − beta2
    pub(super) fresh_square: T,
    /// eps √c₂
    pub(super) eps: T,
}

impl<T: Real> Rule<T, 2> for Adam<T> {
    #[inline(always)]
    fn apply<V: Lanes<Elem = T>>(&self, w: V, g: V, [mean, square]: &mut [V; 2]) -> V {
        let g = decayed(w, g, self.weight_decay);
        *mean = towards(*mean, g, self.fresh);
        let fresh_square = w.same(self.fresh_square) * g * g;
        *square = square.fma(w.same(self.beta2), fresh_square);
        let step = *mean / (square.sqrt() + w.same(self.eps));
        step.fnma(w.same(self.rate), w * w.same(self.keep))
    }
}
