//! `Real`: the two element types of the engine, `f32` and `f64`.

use std::fmt::{Debug, Display};
use std::ops::{AddAssign, Div, Neg, Sub, SubAssign};

use crate::lanes::Lanes;
use crate::matrix::{Element, Vector};

/// A floating-point type that networks can be built of.
pub trait Real:
    Element
    + Debug
    + Display
    + PartialOrd
    + Send
    + Sync
    + Sub<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// A 64-byte group of elements, the unit in which rows are padded.
    type Lanes: Lanes<Self>;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
    /// eˣ
    fn exp(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// Not a number: the mark of a missing label.
    fn is_nan(self) -> bool;
}

macro_rules! real {
    ($float:ident, $lanes:literal) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            type Lanes = Vector<$lanes, $float>;

            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn exp(self) -> Self {
                $float::exp(self)
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

real!(f32, 16);
real!(f64, 8);
