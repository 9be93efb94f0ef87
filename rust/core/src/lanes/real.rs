//! `Real`: the two element types of the engine, `f32` and `f64`.

use std::fmt::{Debug, Display, LowerExp};
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use crate::lanes::elementary::Constants;
use crate::lanes::matrix::Element;
use crate::lanes::simd::{Lanes, Portable, Simd};

/// A floating-point type that networks can use.
pub trait Real:
    Constants
    + Element
    + Default
    + Debug
    + Display
    + LowerExp
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1/2
    const HALF: Self;
    /// 1
    const ONE: Self;
    /// 2
    const TWO: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// 1.5 · 2ᵐ + b, where m is the width of the fraction field and b the exponent bias. Adding an
    /// integer n leaves n + b in the low bits: shifted left by m, they are the float 2ⁿ.
    const INTEGERS_BIASED: Self;
    /// Numbers in a group of 64 bytes, the unit in which rows are padded.
    const LANES: usize;
    /// A group in the registers of the instruction set `S`: [`Self::LANES`] numbers.
    type Lanes<S: Simd>: Lanes<Elem = Self, Simd = S>;
    /// A group of one lane, for scalar code.
    type Scalar: Lanes<Elem = Self, Simd = Portable>;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
    /// Whether this is a nonnegative whole number that fits a fraction field. [`Self::to_index`] gives
    /// the same value exactly for these numbers.
    fn is_index(self) -> bool;
    /// The same value as an index, if it is one.
    fn to_index(self) -> usize;
    /// eˣ, from the standard library.
    fn exp(self) -> Self;
    /// eˣ − 1, from the standard library.
    fn exp_m1(self) -> Self;
    /// ln x, from the standard library.
    fn ln(self) -> Self;
    /// ln (1 + x), from the standard library.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent, from the standard library.
    fn tanh(self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// Not a number: marks a missing label.
    fn is_nan(self) -> bool;
}

macro_rules! real {
    ($float:ident, $lanes:literal, $Group:ident, $Scalar:ident, $biased:expr, $integers:expr) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const HALF: Self = 0.5;
            const ONE: Self = 1.0;
            const TWO: Self = 2.0;
            const MIN_POSITIVE: Self = $float::MIN_POSITIVE;
            const INTEGERS_BIASED: Self = $biased;
            const LANES: usize = $lanes;
            type Lanes<S: Simd> = S::$Group;
            type Scalar = crate::lanes::simd::$Scalar;

            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_index(self) -> bool {
                (0.0..$integers).contains(&self) & ((self + $integers) - $integers == self)
            }
            #[inline(always)]
            fn to_index(self) -> usize {
                // The sum has the index in its fraction field. A cast would also handle all other
                // numbers, one lane at a time.
                const FRACTION: u64 = $integers as u64 - 1;
                ((self + $integers).to_bits() as u64 & FRACTION) as usize
            }
            #[inline]
            fn exp(self) -> Self {
                $float::exp(self)
            }
            #[inline]
            fn exp_m1(self) -> Self {
                $float::exp_m1(self)
            }
            #[inline]
            fn ln(self) -> Self {
                $float::ln(self)
            }
            #[inline]
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }
            #[inline]
            fn tanh(self) -> Self {
                $float::tanh(self)
            }
            #[inline]
            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }
            #[inline]
            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }
        }
    };
}

// The last argument is the number from which on all floats are whole: 2²³ and 2⁵².
real!(f32, 16, F32, F32x1, 12_582_912.0 + 127.0, 8_388_608.0);
real!(f64, 8, F64, F64x1, 6_755_399_441_055_744.0 + 1023.0, 4_503_599_627_370_496.0);
