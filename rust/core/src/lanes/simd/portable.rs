//! Plain Rust for machines without AVX2, AVX-512 or NEON: a register is one number.
//!
//! Groups are nested [`Pair`]s without loops, which compilers turn into the vector instructions of the
//! target's baseline. A single lane serves scalar code.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Kernel, Lanes, Pair, Plain, Simd};
use crate::lanes::Real;

/// No instruction set beyond the target's baseline, which every machine has.
///
/// A product is rounded before an addition unless the *target* has FMA: `mul_add` would otherwise be
/// a library call, a hundred times slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

/// Groups of two, four and eight.
type Two<V> = Pair<V, 2>;
type Four<V> = Pair<Two<V>, 4>;
type Eight<V> = Pair<Four<V>, 8>;

impl Simd for Portable {
    type F32 = Pair<Eight<F32x1>, 16>;
    type F64 = Eight<F64x1>;
    const NAME: &'static str = "portable";
    const ACCUMULATORS: usize = 2;
    const CHAIN_PAIRS: usize = 2;
    const MULTIPLY: (usize, usize) = (1, 2);
    const NARROW_MULTIPLY: (usize, usize) = (1, 2);
    const OUTER: (usize, usize) = (1, 2);
    const NARROW_OUTER: (usize, usize) = (1, 2);
    const HALF_OUTER: (usize, usize) = (1, 2);
    const OUTER_COPIED: usize = usize::MAX;

    // Kept as separate functions, as on the other levels; otherwise code would grow without bound.
    #[inline(never)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

/// Whether the target has an instruction for `mul_add`.
const HAS_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

macro_rules! operators {
    ($Name:ident: $($Operator:ident::$operator:ident),*) => {$(
        impl $Operator for $Name {
            type Output = Self;
            #[inline(always)]
            fn $operator(self, other: Self) -> Self {
                Self(self.0.$operator(other.0))
            }
        }
    )*};
}

macro_rules! scalar_lanes {
    ($Name:ident, $Elem:ident) => {
        #[doc = concat!("One lane of `", stringify!($Elem), "`.")]
        #[derive(Clone, Copy, Debug)]
        #[repr(transparent)]
        pub struct $Name($Elem);

        // SAFETY: the one lane is the one field.
        #[expect(unsafe_code, reason = "a promise about memory")]
        unsafe impl Plain for $Name {}

        operators!($Name: Add::add, Sub::sub, Mul::mul, Div::div);

        impl Neg for $Name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl Lanes for $Name {
            type Elem = $Elem;
            type Simd = Portable;
            type Mask = bool;
            type Block = [Self; 1];
            type Half = Self;
            const LEN: usize = 1;

            #[inline(always)]
            fn splat(_: Portable, value: $Elem) -> Self {
                Self(value)
            }

            #[inline(always)]
            fn load(_: Portable, source: &[$Elem]) -> Self {
                assert_eq!(source.len(), 1, "a load takes a whole group");
                Self(source[0])
            }

            #[inline(always)]
            fn load_partial(_: Portable, source: &[$Elem], fill: $Elem) -> Self {
                assert!(source.len() <= 1, "more elements than lanes");
                Self(source.first().copied().unwrap_or(fill))
            }

            #[inline(always)]
            fn store(self, target: &mut [$Elem]) {
                assert_eq!(target.len(), 1, "a store fills a whole group");
                target[0] = self.0;
            }

            #[inline(always)]
            fn store_partial(self, target: &mut [$Elem]) {
                assert!(target.len() <= 1, "more room than lanes");
                target.fill(self.0);
            }

            #[inline(always)]
            fn store_offsets(self, stride: u32, target: &mut [u32]) {
                assert_eq!(target.len(), 1, "an offset for each lane");
                target[0] = (self.0.to_index() as u32).wrapping_mul(stride);
            }

            #[inline(always)]
            fn simd(self) -> Portable {
                Portable
            }

            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                Self(if HAS_FMA { self.0.mul_add(b.0, c.0) } else { self.0 * b.0 + c.0 })
            }

            #[inline(always)]
            fn fnma(self, b: Self, c: Self) -> Self {
                (-self).fma(b, c)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(self.0.sqrt())
            }

            #[inline(always)]
            fn abs(self) -> Self {
                Self(self.0.abs())
            }

            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                Self(self.0.copysign(sign.0))
            }

            #[inline(always)]
            fn min(self, limit: Self) -> Self {
                if limit.0 < self.0 { limit } else { self }
            }

            #[inline(always)]
            fn max(self, limit: Self) -> Self {
                if limit.0 > self.0 { limit } else { self }
            }

            #[inline(always)]
            fn lt(self, other: Self) -> bool {
                self.0 < other.0
            }

            #[inline(always)]
            fn le(self, other: Self) -> bool {
                self.0 <= other.0
            }

            #[inline(always)]
            fn eq(self, other: Self) -> bool {
                self.0 == other.0
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.0.is_nan()
            }

            #[inline(always)]
            fn select(mask: bool, yes: Self, no: Self) -> Self {
                if mask { yes } else { no }
            }

            #[inline(always)]
            fn round(self) -> Self {
                // Adding the smallest number whose neighbours are integers rounds off the fraction; the
                // standard function is a library call if the target's baseline is old.
                const INTEGERS: $Elem = 1.0 / $Elem::EPSILON;
                let size = self.0.abs();
                let rounded = ((size + INTEGERS) - INTEGERS).copysign(self.0);
                Self(if size < INTEGERS { rounded } else { self.0 })
            }

            #[inline(always)]
            fn pow2(self) -> Self {
                const SHIFT: u32 = $Elem::MANTISSA_DIGITS - 1;
                Self($Elem::from_bits((self.0 + $Elem::INTEGERS_BIASED).to_bits() << SHIFT))
            }

            #[inline(always)]
            fn reduce_add(self) -> $Elem {
                self.0
            }

            #[inline(always)]
            fn first(self) -> $Elem {
                self.0
            }

            #[inline(always)]
            fn block(self) -> Self::Block {
                [self]
            }

            #[inline(always)]
            fn transpose(_: &mut Self::Block) {}
        }
    };
}

scalar_lanes!(F32x1, f32);
scalar_lanes!(F64x1, f64);
