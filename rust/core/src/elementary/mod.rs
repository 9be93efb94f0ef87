//! `exp`, `tanh` and `sigmoid` of lane groups, in `f32` and `f64`, to within 2 units in the last place.
//!
//! One method for all three: with n the integer nearest x / ln 2 and r = x − n ln 2,
//!
//! eˣ = 2ⁿ (1 + p),  p = eʳ − 1 = r + r² P(r),
//!
//! where ln 2 is subtracted in two parts, so that r is as good as exact (W. J. Cody, W. Waite,
//! *Software Manual for the Elementary Functions*, 1980), and P is a minimax polynomial
//! (`coefficients.rs`).
//!
//! NaN gives NaN, infinities their limits, −0 keeps its sign under tanh, and subnormal arguments and
//! results are not flushed to zero.

mod coefficients;

pub use coefficients::Constants;

use crate::real::Real;
use crate::simd::{Lanes, Portable};

/// eˣ: ∞ where it overflows, 0 where it underflows.
#[inline(always)]
pub fn exp<V: Lanes>(x: V) -> V {
    let (n, p) = reduced(x.min(x.same(V::Elem::EXP_MAX)).max(x.same(V::Elem::EXP_MIN)));
    (p + x.same(V::Elem::ONE)).scale(n)
}

/// The hyperbolic tangent, (e²ˣ − 1) / (e²ˣ + 1).
///
/// With e = e²|ˣ| − 1 it is e / (e + 2), which keeps its relative accuracy near zero.
#[inline(always)]
pub fn tanh<V: Lanes>(x: V) -> V {
    let size = x.abs().min(x.same(V::Elem::TANH_MAX));
    let (n, p) = reduced(size + size);
    let power = n.pow2();
    let e = power.fma(p, power - x.same(V::Elem::ONE));
    over_sum(e, e, V::Elem::TWO).copysign(x)
}

/// The logistic function 1 / (1 + e⁻ˣ).
///
/// With e = e⁻|ˣ| it is 1 / (1 + e), and for negative x e / (1 + e), which keeps its relative
/// accuracy down to the smallest result.
#[inline(always)]
pub fn sigmoid<V: Lanes>(x: V) -> V {
    let one = x.same(V::Elem::ONE);
    let e = {
        let (n, p) = reduced((-x.abs()).max(x.same(V::Elem::EXP_MIN)));
        (p + one).scale(n)
    };
    over_sum(V::select(x.lt(x.same(V::Elem::ZERO)), e, one), e, V::Elem::ONE)
}

/// `function` of one number, for code outside kernels: `scalar(tanh, 0.5)`.
///
/// The same bits as in a kernel if the crate is compiled for a target with FMA, else within
/// tolerance.
#[inline(always)]
pub fn scalar<T: Real>(function: impl Fn(T::Scalar) -> T::Scalar, x: T) -> T {
    function(Lanes::splat(Portable, x)).first()
}

/// `a / (e + c)` for e ≥ 0: the sum and its reciprocal are rounded, and both errors then put right.
///
/// With f ≈ 1 / (e + c), the product f (e + c) falls short of 1 by g, and 1 / (e + c) is f (1 + g) to
/// twice the digits. This halves the largest error of a plain quotient at four operations more.
#[inline(always)]
fn over_sum<V: Lanes>(a: V, e: V, c: V::Elem) -> V {
    let (one, c) = (e.same(V::Elem::ONE), e.same(c));
    let f = one / (e + c);
    let g = f.fnma(e, f.fnma(c, one));
    let quotient = a * f;
    quotient.fma(g, quotient)
}

/// (n, p) with eˣ = 2ⁿ (1 + p) and |p| < 1/2.
#[inline(always)]
fn reduced<V: Lanes>(x: V) -> (V, V) {
    let n = (x * x.same(V::Elem::LOG2_E)).round();
    let r = n.fnma(x.same(V::Elem::LN2_HIGH), x);
    let r = n.fnma(x.same(V::Elem::LN2_LOW), r);
    // Even and odd powers apart: as many operations as one chain, but half as long to wait for.
    let square = r * r;
    let even = polynomial(square, V::Elem::EXPM1_EVEN);
    let odd = polynomial(square, V::Elem::EXPM1_ODD);
    (n, odd.fma(r, even).fma(square, r))
}

/// Horner's rule; `coefficients` begin with the constant.
#[inline(always)]
fn polynomial<V: Lanes>(x: V, coefficients: &[V::Elem]) -> V {
    let (&last, others) = coefficients.split_last().expect("a polynomial has a coefficient");
    others.iter().rev().fold(x.same(last), |sum, &c| sum.fma(x, x.same(c)))
}
