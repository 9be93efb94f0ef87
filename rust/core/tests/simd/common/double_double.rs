//! The elementary functions to 90 bits and more: the reference for `f64`.
//!
//! A number is the unevaluated sum of two doubles (T. J. Dekker, *A floating-point technique for
//! extending the available precision*, 1971). Slow and simple.

use super::Function;

/// High part, low part.
#[derive(Clone, Copy, Debug)]
pub struct DoubleDouble(pub f64, pub f64);

const LN2: DoubleDouble = DoubleDouble(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);

fn sum(a: f64, b: f64) -> DoubleDouble {
    let s = a + b;
    let t = s - a;
    DoubleDouble(s, (a - (s - t)) + (b - t))
}

impl DoubleDouble {
    fn plus(self, other: Self) -> Self {
        let (high, low) = (sum(self.0, other.0), sum(self.1, other.1));
        let first = sum(high.0, high.1 + low.0);
        sum(first.0, first.1 + low.1)
    }

    fn times(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let error = self.0.mul_add(other.0, -product);
        sum(product, error + (self.0 * other.1 + self.1 * other.0))
    }

    fn over(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self.plus(other.times(Self(-first, 0.0)));
        let second = rest.0 / other.0;
        let rest = rest.plus(other.times(Self(-second, 0.0)));
        sum(first, second).plus(Self(rest.0 / other.0, 0.0))
    }

    fn scaled(self, factor: f64) -> Self {
        Self(self.0 * factor, self.1 * factor)
    }
}

const ONE: DoubleDouble = DoubleDouble(1.0, 0.0);

/// eʳ − 1 for |r| < 1/2: the series of r / 256, then eight times e²ˢ − 1 = 2 (eˢ − 1) + (eˢ − 1)².
fn exp_minus_one(r: DoubleDouble) -> DoubleDouble {
    let s = r.scaled(1.0 / 256.0);
    let mut series = ONE;
    for k in (2..=14).rev() {
        series = ONE.plus(s.times(series).over(DoubleDouble(f64::from(k), 0.0)));
    }
    let mut e = s.times(series);
    for _ in 0..8 {
        e = e.scaled(2.0).plus(e.times(e));
    }
    e
}

/// (m, n) with eˣ = m · 2ⁿ.
fn exp(x: f64) -> (DoubleDouble, i32) {
    let n = (x / LN2.0).round();
    let r = DoubleDouble(x, 0.0).plus(LN2.times(DoubleDouble(-n, 0.0)));
    (ONE.plus(exp_minus_one(r)), n as i32)
}

fn tanh(x: f64) -> DoubleDouble {
    let size = x.abs();
    if size < 1e-6 {
        let square = x * x;
        return DoubleDouble(x, x * square * (square * (2.0 / 15.0) - 1.0 / 3.0));
    }
    let e = if size < 0.2 {
        exp_minus_one(DoubleDouble(2.0 * size, 0.0))
    } else {
        // Past 40 it is 1 to more bits than two doubles hold.
        let (m, n) = exp(2.0 * size.min(40.0));
        m.scaled(2f64.powi(n)).plus(DoubleDouble(-1.0, 0.0))
    };
    e.over(e.plus(DoubleDouble(2.0, 0.0))).scaled(x.signum())
}

/// (m, n) with sigmoid(x) = m · 2ⁿ.
fn sigmoid(x: f64) -> (DoubleDouble, i32) {
    let (m, n) = exp(-x.abs());
    // Below 2⁻¹²⁰ the exponential does not show next to 1.
    let denominator = if n < -120 { ONE } else { ONE.plus(m.scaled(2f64.powi(n))) };
    if x < 0.0 { (m.over(denominator), n) } else { (ONE.over(denominator), 0) }
}

/// For x <= 0.
fn expm1(x: f64) -> DoubleDouble {
    if x > -1e-12 {
        return DoubleDouble(x, x * x * (0.5 + x / 6.0));
    }
    if x > -0.5 {
        return exp_minus_one(DoubleDouble(x, 0.0));
    }
    // Past −80 it is −1 to more bits than two doubles hold.
    let (m, n) = exp(x.max(-80.0));
    m.scaled(2f64.powi(n)).plus(DoubleDouble(-1.0, 0.0))
}

/// For 0 <= u <= 1: a step of Newton's method for e^y − 1 = u, from the standard library's value.
fn log1p(u: DoubleDouble) -> DoubleDouble {
    if u.0 < 1e-12 {
        return u.plus(DoubleDouble(u.0 * u.0 * (u.0 / 3.0 - 0.5), 0.0));
    }
    let y = u.0.ln_1p();
    let minus = DoubleDouble(-1.0, 0.0);
    let missing = u.plus(exp_minus_one(DoubleDouble(y, 0.0)).times(minus));
    missing.over(u.plus(ONE)).plus(DoubleDouble(y, 0.0))
}

/// (m, n) with softplus(x) = m · 2ⁿ.
fn softplus(x: f64) -> (DoubleDouble, i32) {
    let (m, n) = exp(-x.abs());
    // Below 2⁻¹²⁰ the exponential is its own logarithm, and does not show next to x.
    match (x < 0.0, n < -120) {
        (true, true) => (m, n),
        (true, false) => (log1p(m.scaled(2f64.powi(n))), 0),
        (false, true) => (DoubleDouble(x, 0.0), 0),
        (false, false) => (log1p(m.scaled(2f64.powi(n))).plus(DoubleDouble(x, 0.0)), 0),
    }
}

/// (m, n) with `function(x)` = m · 2ⁿ, for finite x.
pub fn reference(function: Function, x: f64) -> (DoubleDouble, i32) {
    match function {
        Function::Exp => exp(x),
        Function::Tanh => (tanh(x), 0),
        Function::Sigmoid | Function::Gate => sigmoid(x),
        Function::Expm1 => (expm1(x), 0),
        Function::Log1pUnit => (log1p(DoubleDouble(x, 0.0)), 0),
        Function::Softplus => softplus(x),
    }
}
