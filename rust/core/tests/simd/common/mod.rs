//! What the tests and examples share: random numbers, sample arguments, kernels, references.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses a part of it

pub mod double_double;
pub mod ulp;

use rnn_rust::Real;
use rnn_rust::elementary::{exp, expm1, gate, log1p_unit, sigmoid, softplus, tanh};
use rnn_rust::simd::{Kernel, Lanes, Level, Portable, Simd, WithSimd, dispatch};

/// splitmix64
pub struct Rng(pub u64);

impl Rng {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-bound, bound).
    pub fn within(&mut self, bound: f64) -> f64 {
        ((self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * bound
    }
}

/// Whether the level rounds a multiply-add once; the portable one does if the target has FMA.
pub fn fuses(level: Level) -> bool {
    let target = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    level != Level::Portable(Portable) || target
}

/// What the tests need of an element type beyond [`Real`].
pub trait Float: Real {
    const SPECIALS: &'static [Self];
    /// Any bit pattern: every exponent, NaN and infinities among them.
    fn from_random_bits(bits: u64) -> Self;
    /// Its bits, all NaN counting as one.
    fn canonical_bits(self) -> u64;
    fn mul_add(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn copysign(self, sign: Self) -> Self;
    fn round_ties_even(self) -> Self;
}

macro_rules! float {
    ($float:ident) => {
        impl Float for $float {
            const SPECIALS: &'static [Self] = &[
                0.0,
                -0.0,
                $float::INFINITY,
                $float::NEG_INFINITY,
                $float::NAN,
                $float::MIN_POSITIVE,
                -$float::MIN_POSITIVE,
                $float::MIN_POSITIVE * $float::EPSILON,
                -$float::MIN_POSITIVE * $float::EPSILON,
                $float::MAX,
                $float::MIN,
                1.0,
                -1.0,
                0.5,
                -0.5,
                2.5,
                -2.5,
                1.0 / $float::EPSILON,
                0.5 / $float::EPSILON - 0.5,
            ];
            fn from_random_bits(bits: u64) -> Self {
                $float::from_bits((bits >> (64 - 8 * size_of::<Self>())) as _)
            }
            fn canonical_bits(self) -> u64 {
                if self.is_nan() { u64::MAX } else { u64::from(self.to_bits()) }
            }
            fn mul_add(self, b: Self, c: Self) -> Self {
                $float::mul_add(self, b, c)
            }
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            fn abs(self) -> Self {
                $float::abs(self)
            }
            fn copysign(self, sign: Self) -> Self {
                $float::copysign(self, sign)
            }
            fn round_ties_even(self) -> Self {
                $float::round_ties_even(self)
            }
        }
    };
}
float!(f32);
float!(f64);

/// Specials, every exponent, and the range where networks work, shuffled together.
pub fn samples<T: Float>(count: usize, seed: u64) -> Vec<T> {
    let mut rng = Rng(seed);
    (0..count)
        .map(|_| match rng.bits() % 4 {
            0 => T::SPECIALS[rng.bits() as usize % T::SPECIALS.len()],
            1 => T::from_random_bits(rng.bits()),
            2 => T::from_f64(rng.within(3.0)),
            _ => T::from_f64(rng.within(110.0)),
        })
        .collect()
}

/// The functions of `elementary`, to be chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    Exp,
    Tanh,
    Sigmoid,
    Gate,
    Expm1,
    Log1pUnit,
    Softplus,
}

impl Function {
    pub const ALL: [Self; 7] = [
        Self::Exp,
        Self::Tanh,
        Self::Sigmoid,
        Self::Gate,
        Self::Expm1,
        Self::Log1pUnit,
        Self::Softplus,
    ];

    /// The function of a group.
    #[inline(always)]
    pub fn of<V: Lanes>(self, x: V) -> V {
        match self {
            Self::Exp => exp(x),
            Self::Tanh => tanh(x),
            Self::Sigmoid => sigmoid(x),
            Self::Gate => gate(x),
            Self::Expm1 => expm1(x),
            Self::Log1pUnit => log1p_unit(x),
            Self::Softplus => softplus(x),
        }
    }

    /// An argument that the function takes, made from any number.
    pub fn argument<T: Real>(self, x: T) -> T {
        let size = if x < T::ZERO { -x } else { x };
        match self {
            Self::Expm1 => -size,
            Self::Log1pUnit if size > T::ONE => T::ONE / size,
            Self::Log1pUnit => size,
            _ => x,
        }
    }
}

struct Apply<'a, T>(Function, &'a [T]);

impl<T: Real> WithSimd for Apply<'_, T> {
    type Output = Vec<T>;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Apply<'_, T> {
    type Output = Vec<T>;
    #[inline(always)]
    fn run(self, simd: S) -> Vec<T> {
        let mut results = vec![T::ZERO; self.1.len()];
        let count = T::Lanes::<S>::LEN;
        for (target, source) in results.chunks_mut(count).zip(self.1.chunks(count)) {
            let x = simd.load_partial(source, T::ZERO);
            self.0.of(x).store_partial(target);
        }
        results
    }
}

/// `function` of every element, computed at `level`.
pub fn apply<T: Real>(level: Level, function: Function, arguments: &[T]) -> Vec<T> {
    dispatch(level, Apply(function, arguments))
}
