//! Exponential functions and related logarithms on lane groups, in `f32` and `f64`, accurate to 2.2
//! units in the last place; tanh to 7.
//!
//! `exp`, `expm1` and `sigmoid` use one method: with n the integer nearest x / ln 2 and r = x − n ln 2,
//!
//! eˣ = 2ⁿ (1 + p),  p = eʳ − 1 = r + r² / 2 + r³ Q(r),
//!
//! where ln 2 is subtracted in two parts, so that r is nearly exact (W. J. Cody, W. Waite,
//! *Software Manual for the Elementary Functions*, 1980), and Q is a minimax polynomial
//! (`coefficients.rs`); the logarithm has a polynomial of its own. The largest errors found, with FMA,
//! are 1.02 units for exp, 1.17 for expm1, 1.60 for sigmoid, 1.99 for gates in `f64`, 1.04 for log1p and
//! 1.76 for softplus (`examples/accuracy.rs`). exp is monotone in `f32`; the others may decrease by a
//! unit or so between neighbours.
//!
//! tanh, and `gate` in `f32`, are quotients of polynomials, which are faster: a small network spends
//! most of its time on tanh. The largest error of tanh is 2.5 units for results below 0.76; above, it
//! is 4.9 units in `f32`, 3·10⁻⁷, and 6.1 in `f64`, 7·10⁻¹⁶. For a gate in `f32` it is 1.6·10⁻⁷.
//!
//! NaN gives NaN, infinities give their limits, −0 keeps its sign under tanh, and subnormal arguments
//! and results are not flushed to zero.

mod coefficients;

pub use coefficients::{Constants, Quotient};

use crate::lanes::Real;
use crate::lanes::simd::{Lanes, Portable};

/// eˣ: ∞ on overflow, 0 on underflow.
#[inline(always)]
pub fn exp<V: Lanes>(x: V) -> V {
    let x = x.min(x.same(V::Elem::EXP_MAX)).max(x.same(V::Elem::EXP_MIN));
    let n = (x * x.same(V::Elem::LOG2_E)).round();
    (expm1_reduced(x, n) + x.same(V::Elem::ONE)).scale(n)
}

/// eˣ − 1 for x <= 0, accurate near zero; a positive x gives an unspecified number.
///
/// It is 2ⁿ p + (2ⁿ − 1): below zero the two terms never cancel by more than a bit.
#[inline(always)]
pub fn expm1<V: Lanes>(x: V) -> V {
    let x = x.max(x.same(V::Elem::EXPM1_MIN));
    let n = (x * x.same(V::Elem::LOG2_E)).round();
    let power = n.pow2();
    power.fma(expm1_reduced(x, n), power - x.same(V::Elem::ONE))
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh<V: Lanes>(x: V) -> V {
    V::Elem::TANH.of(x)
}

/// The logistic function for gates and units, in half the time of [`sigmoid`]. In `f32`, small results
/// are accurate in absolute terms (2·10⁻⁷), not relative: the ratio of two closed gates does not
/// matter.
#[inline(always)]
pub fn gate<V: Lanes>(x: V) -> V {
    match V::Elem::GATE {
        Some(ref gate) => gate.of(x) + x.same(V::Elem::HALF),
        None => gate_by_exponential(x),
    }
}

/// 1 / (1 + e⁻ˣ), with x limited so that results in `f64` are at least 10⁻³⁰⁷.
#[inline(always)]
fn gate_by_exponential<V: Lanes>(x: V) -> V {
    // Up to here, 2ⁿ is finite.
    let limit = V::Elem::EXP_MAX - V::Elem::TWO;
    let x = (-x).min(x.same(limit)).max(x.same(-limit));
    let (one, n) = (x.same(V::Elem::ONE), (x * x.same(V::Elem::LOG2_E)).round());
    let power = n.pow2();
    one / (one + power.fma(expm1_reduced(x, n), power))
}

impl<T: Real> Quotient<T> {
    /// NaN gives NaN; a zero or subnormal x gives x times P(0) / Q(0).
    #[inline(always)]
    fn of<V: Lanes<Elem = T>>(&self, x: V) -> V {
        let x = x.min(x.same(self.limit)).max(x.same(-self.limit));
        let square = x * x;
        // x + x³ … and 1 + x² …: the rounding errors before the last addition are small next to x or 1.
        let above = by_pairs(square, &self.above[1..]).fma(x * square, x);
        above / by_pairs(square, &self.below[1..]).fma(square, x.same(self.below[0]))
    }
}

/// The logistic function, 1 / (1 + e⁻ˣ).
///
/// With e = e⁻|ˣ| and q = e / (1 + e), it is 1 − q; for negative x it is q itself, which keeps its
/// relative accuracy down to the smallest result.
#[inline(always)]
pub fn sigmoid<V: Lanes>(x: V) -> V {
    let one = x.same(V::Elem::ONE);
    let size = (-x.abs()).max(x.same(V::Elem::EXP_MIN));
    let n = (size * x.same(V::Elem::LOG2_E)).round();
    let e = (expm1_reduced(size, n) + one).scale(n);
    let q = e / (one + e);
    // For negative x, e − e q, which equals q: the rounding errors of q are then scaled by e.
    let factor = V::select(x.lt(x.same(V::Elem::ZERO)), e, one);
    factor.fnma(q, factor)
}

/// ln (1 + u) for u between 0 and 1.
///
/// With s = u / (2 + u), it is 2 atanh s = 2s + s³ A(s²). As 2s = u − s u, it is computed as u − s (u −
/// s² A(s²)): rounding errors before the last subtraction are small next to u.
#[inline(always)]
pub fn log1p_unit<V: Lanes>(u: V) -> V {
    let s = u / (u + u.same(V::Elem::TWO));
    let square = s * s;
    let rest = square.fnma(polynomial(square, V::Elem::ATANH), u);
    s.fnma(rest, u)
}

/// ln (1 + eˣ) = max(x, 0) + ln (1 + e⁻|ˣ|), which neither overflows nor cancels.
#[inline(always)]
pub fn softplus<V: Lanes>(x: V) -> V {
    x.max(x.same(V::Elem::ZERO)) + log1p_unit(exp(-x.abs()))
}

/// Applies `function` to one number, for code outside kernels: `scalar(tanh, 0.5)`.
///
/// Gives the same bits as in a kernel if the crate is compiled for a target with FMA; otherwise they
/// agree within tolerance.
#[inline(always)]
pub fn scalar<T: Real>(function: impl Fn(T::Scalar) -> T::Scalar, x: T) -> T {
    function(Lanes::splat(Portable, x)).first()
}

/// eʳ − 1 for r = x − n ln 2.
#[inline(always)]
fn expm1_reduced<V: Lanes>(x: V, n: V) -> V {
    let r = n.fnma(x.same(V::Elem::LN2_HIGH), x);
    let r = n.fnma(x.same(V::Elem::LN2_LOW), r);
    // Even and odd powers separately: as many operations as one chain, but half the latency.
    let square = r * r;
    let even = polynomial(square, V::Elem::EXPM1_EVEN);
    let odd = polynomial(square, V::Elem::EXPM1_ODD);
    // r + r (r / 2 + r² Q): rounding errors before the last addition are small next to r.
    let tail = odd.fma(r, even).fma(square, r * x.same(V::Elem::HALF));
    tail.fma(r, r)
}

/// Horner's rule; `coefficients` start with the constant.
#[inline(always)]
fn polynomial<V: Lanes>(x: V, coefficients: &[V::Elem]) -> V {
    let (&last, others) = coefficients.split_last().expect("a polynomial has a coefficient");
    others.iter().rev().fold(x.same(last), |sum, &c| sum.fma(x, x.same(c)))
}

/// Sums neighbours, then these sums, and so on (Estrin's scheme): a few more operations than Horner's
/// rule, but far less latency, which every step of a sequence must wait for.
#[inline(always)]
fn by_pairs<V: Lanes>(x: V, coefficients: &[V::Elem]) -> V {
    const MOST: usize = 12;
    let mut terms = [x; MOST];
    for i in 0..coefficients.len() {
        terms[i] = x.same(coefficients[i]);
    }
    let (mut count, mut power) = (coefficients.len(), x);
    while count > 1 {
        if count > 2 && count % 2 == 1 {
            terms[count - 2] = terms[count - 1].fma(power, terms[count - 2]);
        }
        count /= 2;
        for i in 0..count {
            terms[i] = terms[2 * i + 1].fma(power, terms[2 * i]);
        }
        power = power * power;
    }
    terms[0]
}
