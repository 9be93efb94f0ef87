//! Every operation of `Lanes` on every instruction set of this machine, against plain arithmetic.
//!
//! The oracle of an operation is one line of scalar Rust; agreeing with it bit for bit on the same
//! arguments, the instruction sets agree with each other.

use crate::common::{Float, Rng, samples};
use rnn_rust::Real;
use rnn_rust::simd::{Kernel, Lanes, Level, Portable, Simd, WithSimd, dispatch};

/// Three arguments per lane.
type Arguments<T> = [Vec<T>; 3];

/// An operation under test: of lanes, and of one lane's numbers.
macro_rules! operations {
    ($($name:ident($a:ident, $b:ident, $c:ident): $lanes:expr, $oracle:expr;)*) => {
        #[allow(unused_variables)]
        mod oracle {
            use super::{Float, choose};
            $(pub(super) fn $name<T: Float>($a: T, $b: T, $c: T) -> T { $oracle })*
        }

        struct Operations<'a, T>(&'a Arguments<T>);

        impl<T: Float> WithSimd for Operations<'_, T> {
            type Output = Vec<(&'static str, fn(T, T, T) -> T, Vec<T>)>;
            fn run<S: Simd>(self, simd: S) -> Self::Output {
                simd.vectorize(self)
            }
        }

        impl<T: Float, S: Simd> Kernel<S> for Operations<'_, T> {
            type Output = Vec<(&'static str, fn(T, T, T) -> T, Vec<T>)>;
            #[inline(always)]
            #[allow(unused_variables)]
            fn run(self, simd: S) -> Self::Output {
                vec![$((
                    stringify!($name),
                    oracle::$name::<T>,
                    map(simd, self.0, |$a, $b, $c| $lanes),
                )),*]
            }
        }
    };
}

#[inline(always)]
fn map<T: Real, S: Simd>(
    simd: S,
    [a, b, c]: &Arguments<T>,
    operation: impl Fn(T::Lanes<S>, T::Lanes<S>, T::Lanes<S>) -> T::Lanes<S>,
) -> Vec<T> {
    let count = T::Lanes::<S>::LEN;
    let mut results = vec![T::ZERO; a.len()];
    for (i, group) in results.chunks_exact_mut(count).enumerate() {
        let [a, b, c] = [a, b, c].map(|x| simd.load(&x[i * count..(i + 1) * count]));
        operation(a, b, c).store(group);
    }
    results
}

/// `yes` or `no`, as `Lanes::select`.
fn choose<T>(condition: bool, yes: T, no: T) -> T {
    if condition { yes } else { no }
}

/// `Lanes::select` without naming the type of the lanes.
#[inline(always)]
fn select<V: Lanes>(mask: V::Mask, yes: V, no: V) -> V {
    V::select(mask, yes, no)
}

operations! {
    add(a, b, c): a + b, a + b;
    sub(a, b, c): a - b, a - b;
    mul(a, b, c): a * b, a * b;
    div(a, b, c): a / b, a / b;
    neg(a, b, c): -a, -a;
    fma(a, b, c): a.fma(b, c), Float::mul_add(a, b, c);
    fnma(a, b, c): a.fnma(b, c), Float::mul_add(-a, b, c);
    sqrt(a, b, c): a.sqrt(), Float::sqrt(a);
    abs(a, b, c): a.abs(), Float::abs(a);
    copysign(a, b, c): a.copysign(b), Float::copysign(a, b);
    min(a, b, c): a.min(b), choose(b < a, b, a);
    max(a, b, c): a.max(b), choose(b > a, b, a);
    round(a, b, c): a.round(), a.round_ties_even();
    lt(a, b, c): select(a.lt(b), a, c), choose(a < b, a, c);
    le(a, b, c): select(a.le(b), a, c), choose(a <= b, a, c);
    gt(a, b, c): select(a.gt(b), a, c), choose(a > b, a, c);
    ge(a, b, c): select(a.ge(b), a, c), choose(a >= b, a, c);
    eq(a, b, c): select(a.eq(b), a, c), choose(a == b, a, c);
    is_nan(a, b, c): select(a.is_nan(), b, a), choose(a.to_f64().is_nan(), b, a);
    and(a, b, c): select(a.lt(b) & b.lt(c), a, c), choose(a < b && b < c, a, c);
    or(a, b, c): select(a.lt(b) | b.lt(c), a, c), choose(a < b || b < c, a, c);
    not(a, b, c): select(!a.lt(b), a, c), choose(a < b, c, a);
    same(a, b, c): a.same(T::TWO), T::TWO;
}

fn check_operations<T: Float>() {
    let count = 48_000;
    let mut arguments = [1, 2, 3].map(|seed| samples::<T>(count, seed));
    // Equal arguments, which random numbers never are.
    for i in (0..count).step_by(5) {
        arguments[1][i] = arguments[0][i];
    }
    for level in Level::available() {
        for (name, oracle, results) in dispatch(level, Operations(&arguments)) {
            if !crate::common::fuses(level) && matches!(name, "fma" | "fnma") {
                continue; // see the next test
            }
            for (i, got) in results.into_iter().enumerate() {
                let [a, b, c] = [0, 1, 2].map(|k| arguments[k][i]);
                let expected = oracle(a, b, c);
                let equal = got.canonical_bits() == expected.canonical_bits();
                assert!(equal, "{level} {name}({a:?}, {b:?}, {c:?}) = {got:?}, not {expected:?}");
            }
        }
    }
}

#[test]
fn operations_equal_plain_arithmetic_bit_for_bit() {
    check_operations::<f32>();
    check_operations::<f64>();
}

#[test]
fn the_portable_fma_is_within_the_rounding_of_its_product() {
    let mut rng = Rng(5);
    let arguments =
        [0; 3].map(|_| (0..16_000).map(|_| rng.within(3.0) as f32).collect::<Vec<f32>>());
    for (name, oracle, results) in dispatch(Level::Portable(Portable), Operations(&arguments)) {
        if !matches!(name, "fma" | "fnma") {
            continue;
        }
        for (i, got) in results.into_iter().enumerate() {
            let [a, b, c] = [0, 1, 2].map(|k| arguments[k][i]);
            let bound = f32::EPSILON * ((a * b).abs() + c.abs());
            assert!((got - oracle(a, b, c)).abs() <= bound, "{name}({a}, {b}, {c}) = {got}");
        }
    }
}

/// 2ⁿ of each n, and each x · 2ⁿ.
struct Powers<'a, T> {
    x: &'a [T],
    n: &'a [T],
}

impl<T: Real> WithSimd for Powers<'_, T> {
    type Output = [Vec<T>; 2];
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Powers<'_, T> {
    type Output = [Vec<T>; 2];
    #[inline(always)]
    fn run(self, simd: S) -> [Vec<T>; 2] {
        let mut results = [vec![T::ZERO; self.n.len()], vec![T::ZERO; self.n.len()]];
        let count = T::Lanes::<S>::LEN;
        for i in (0..self.n.len()).step_by(count) {
            let n = simd.load(&self.n[i..i + count]);
            n.pow2().store(&mut results[0][i..i + count]);
            simd.load(&self.x[i..i + count]).scale(n).store(&mut results[1][i..i + count]);
        }
        results
    }
}

/// x · 2ⁿ rounded once, for 1 ≤ |x| < 2: all factors but the last are exact.
fn scaled<T: Float>(x: T, n: i32, step: i32) -> T {
    let (mut result, mut left) = (x.to_f64(), n);
    while left.abs() > step {
        result *= 2f64.powi(left.signum() * step);
        left -= left.signum() * step;
    }
    T::from_f64(result * 2f64.powi(left))
}

fn check_powers<T: Float>(normal: std::ops::RangeInclusive<i32>, limit: i32) {
    let mut rng = Rng(11);
    let n: Vec<i32> = (-limit..limit).collect(); // the count is a multiple of any group
    let x: Vec<T> = n
        .iter()
        .map(|_| {
            let sign = 1.0f64.copysign(rng.within(1.0));
            T::from_f64(sign * (1.0 + rng.within(0.49).abs()))
        })
        .collect();
    let lanes: Vec<T> = n.iter().map(|&n| T::from_f64(f64::from(n))).collect();
    for level in Level::available() {
        let [powers, products] = dispatch(level, Powers { x: &x, n: &lanes });
        for (i, &n) in n.iter().enumerate() {
            if normal.contains(&n) {
                assert_eq!(powers[i], scaled(T::ONE, n, 1000), "{level} 2^{n}");
            }
            let expected = scaled(x[i], n, 1000);
            assert_eq!(products[i].canonical_bits(), expected.canonical_bits(), "{level} {n}");
        }
    }
}

#[test]
fn powers_of_two_and_scaling_round_once() {
    check_powers::<f32>(-126..=127, 248);
    check_powers::<f64>(-1022..=1023, 2040);
}
