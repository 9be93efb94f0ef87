//! `register!`: a [`Lanes`](super::Lanes) type from a table of the intrinsics of one register.
//!
//! The instruction sets differ only in their tables, so the contract of each operation (lengths, NaN,
//! order of operands) is written once, here.

/// Calls an intrinsic, or a closure of intrinsics, that touches no memory.
macro_rules! intrinsic {
    ($function:expr, $($argument:expr),+ $(,)?) => {
        // SAFETY: where this macro is used, a token, a lane value or a mask of lanes is at hand,
        // and each proves that the machine has the instruction set.
        unsafe { ($function)($($argument),+) }
    };
}

macro_rules! register_operators {
    ($Name:ident: $($Operator:ident::$operator:ident = $intrinsic:expr),*) => {$(
        impl std::ops::$Operator for $Name {
            type Output = Self;
            #[inline(always)]
            fn $operator(self, other: Self) -> Self {
                Self(intrinsic!($intrinsic, self.0, other.0))
            }
        }
    )*};
}

/// Methods that map one, two or three registers to one.
macro_rules! register_methods {
    ($($method:ident($($argument:ident),*) = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $method(self, $($argument: Self),*) -> Self {
            Self(intrinsic!($intrinsic, self.0, $($argument.0),*))
        }
    )*};
}

/// Defines `$Name`, a group that is one register.
///
/// The intrinsics take their operands in the order of the method. `lesser(a, b)` is `if a < b { a }
/// else { b }`, so the second operand if either is NaN; `greater` likewise. `integer_to_exponent`
/// shifts the bits left by the width of the fraction field. The partial accesses take a pointer and a
/// count of at most `$LEN`, and touch no memory beyond that. `store_offsets` takes a pointer to `$LEN`
/// integers, the register, and a factor. `transpose` takes a `&mut [$Name; $LEN]`.
macro_rules! register {
    (
        $(#[$doc:meta])*
        $Name:ident: $LEN:literal of $Elem:ident in $Register:ident, $Mask:ident, $Simd:ident {
            splat: $splat:expr, first: $first:expr,
            load: $load:expr, load_partial: $load_partial:expr,
            store: $store:expr, store_partial: $store_partial:expr,
            store_offsets: $store_offsets:expr,
            add: $add:expr, sub: $sub:expr, mul: $mul:expr, div: $div:expr,
            fma: $fma:expr, fnma: $fnma:expr, sqrt: $sqrt:expr,
            neg: $neg:expr, abs: $abs:expr, copysign: $copysign:expr,
            lesser: $lesser:expr, greater: $greater:expr,
            lt: $lt:expr, le: $le:expr, eq: $eq:expr, is_nan: $is_nan:expr, select: $select:expr,
            round: $round:expr, integer_to_exponent: $integer_to_exponent:expr,
            $(scale: $scale:expr,)?
            reduce_add: $reduce_add:expr, $(reduce_add_each: $reduce_add_each:expr,)?
            transpose: $transpose:expr $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        #[repr(transparent)]
        // Visible to the other tables: AVX-512 sums the halves of its registers with AVX2.
        pub struct $Name(pub(super) $Register);

        // SAFETY: a register is its lanes.
        unsafe impl $crate::lanes::simd::Plain for $Name {}

        register_operators!($Name: Add::add = $add, Sub::sub = $sub, Mul::mul = $mul, Div::div = $div);

        impl std::ops::Neg for $Name {
            type Output = Self;
            register_methods! { neg() = $neg; }
        }

        impl $crate::lanes::simd::Lanes for $Name {
            type Elem = $Elem;
            type Simd = $Simd;
            type Mask = $Mask;
            type Block = [Self; $LEN];
            type Half = Self;
            const LEN: usize = $LEN;

            #[inline(always)]
            fn splat(_: $Simd, value: $Elem) -> Self {
                Self(intrinsic!($splat, value))
            }

            #[inline(always)]
            fn load(_: $Simd, source: &[$Elem]) -> Self {
                assert_eq!(source.len(), $LEN, "a load takes a whole group");
                // SAFETY: the token proves the instruction set; the slice is as long as the group.
                Self(unsafe { ($load)(source.as_ptr()) })
            }

            #[inline(always)]
            fn load_partial(_: $Simd, source: &[$Elem], fill: $Elem) -> Self {
                assert!(source.len() <= $LEN, "more elements than lanes");
                // SAFETY: the token proves the instruction set; only the slice is read.
                Self(unsafe { ($load_partial)(source.as_ptr(), source.len(), fill) })
            }

            #[inline(always)]
            fn store(self, target: &mut [$Elem]) {
                assert_eq!(target.len(), $LEN, "a store fills a whole group");
                // SAFETY: `self` proves the instruction set; the slice is as long as the group.
                unsafe { ($store)(target.as_mut_ptr(), self.0) }
            }

            #[inline(always)]
            fn store_partial(self, target: &mut [$Elem]) {
                assert!(target.len() <= $LEN, "more room than lanes");
                // SAFETY: `self` proves the instruction set; only the slice is written.
                unsafe { ($store_partial)(target.as_mut_ptr(), target.len(), self.0) }
            }

            #[inline(always)]
            fn store_offsets(self, stride: u32, target: &mut [u32]) {
                assert_eq!(target.len(), $LEN, "an offset for each lane");
                // SAFETY: `self` proves the instruction set; the slice is as long as the group.
                unsafe { ($store_offsets)(target.as_mut_ptr(), self.0, stride) }
            }

            #[inline(always)]
            fn simd(self) -> $Simd {
                $Simd(())
            }

            register_methods! {
                fma(b, c) = $fma;
                fnma(b, c) = $fnma;
                sqrt() = $sqrt;
                abs() = $abs;
                copysign(sign) = $copysign;
                round() = $round;
                $(scale(n) = $scale;)?
            }

            #[inline(always)]
            fn min(self, limit: Self) -> Self {
                Self(intrinsic!($lesser, limit.0, self.0))
            }

            #[inline(always)]
            fn max(self, limit: Self) -> Self {
                Self(intrinsic!($greater, limit.0, self.0))
            }

            #[inline(always)]
            fn lt(self, other: Self) -> $Mask {
                intrinsic!($lt, self.0, other.0)
            }

            #[inline(always)]
            fn le(self, other: Self) -> $Mask {
                intrinsic!($le, self.0, other.0)
            }

            #[inline(always)]
            fn eq(self, other: Self) -> $Mask {
                intrinsic!($eq, self.0, other.0)
            }

            #[inline(always)]
            fn is_nan(self) -> $Mask {
                intrinsic!($is_nan, self.0)
            }

            #[inline(always)]
            fn select(mask: $Mask, yes: Self, no: Self) -> Self {
                Self(intrinsic!($select, mask, yes.0, no.0))
            }

            #[inline(always)]
            fn pow2(self) -> Self {
                let biased = self + self.same(<$Elem as $crate::lanes::Real>::INTEGERS_BIASED);
                Self(intrinsic!($integer_to_exponent, biased.0))
            }

            #[inline(always)]
            fn reduce_add(self) -> $Elem {
                intrinsic!($reduce_add, self.0)
            }

            #[inline(always)]
            fn first(self) -> $Elem {
                intrinsic!($first, self.0)
            }

            #[inline(always)]
            fn block(self) -> Self::Block {
                [self; $LEN]
            }

            #[inline(always)]
            fn transpose(block: &mut Self::Block) {
                intrinsic!($transpose, block)
            }

            $(
                #[inline(always)]
                fn reduce_add_each(block: Self::Block) -> Self {
                    intrinsic!($reduce_add_each, block)
                }
            )?
        }
    };
}

pub(super) use {intrinsic, register, register_methods, register_operators};
