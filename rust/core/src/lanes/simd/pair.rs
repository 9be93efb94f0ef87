//! `Pair`: a group made of two groups of half the size.
//!
//! Elementwise operations work on each half; [`Lanes::reduce_add`] adds the halves, which *is* the
//! fixed tree. So every instruction set only implements its own registers, and nested pairs make groups
//! of 64 bytes.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Lanes, Mask, Plain};

/// The two halves of a group of `LEN` lanes, or of its mask: lower lanes, then upper lanes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Pair<V, const LEN: usize>(V, V);

// SAFETY: lower lanes, then upper lanes, and between halves of equal alignment there is no gap.
#[expect(unsafe_code, reason = "a promise about memory")]
unsafe impl<V: Plain, const LEN: usize> Plain for Pair<V, LEN> {}

macro_rules! lane_by_lane {
    ($($Operator:ident::$operator:ident),*) => {$(
        impl<V: $Operator<Output = V>, const LEN: usize> $Operator for Pair<V, LEN> {
            type Output = Self;
            #[inline(always)]
            fn $operator(self, other: Self) -> Self {
                Self(self.0.$operator(other.0), self.1.$operator(other.1))
            }
        }
    )*};
}
lane_by_lane!(Add::add, Sub::sub, Mul::mul, Div::div, BitAnd::bitand, BitOr::bitor);

impl<V: Neg<Output = V>, const LEN: usize> Neg for Pair<V, LEN> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl<M: Not<Output = M>, const LEN: usize> Not for Pair<M, LEN> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(!self.0, !self.1)
    }
}

impl<M: Mask, const LEN: usize> Mask for Pair<M, LEN> {
    const LEN: usize = LEN;

    #[inline(always)]
    fn bits(self) -> u32 {
        self.0.bits() | self.1.bits() << M::LEN
    }
}

impl<V: Lanes, const LEN: usize> Lanes for Pair<V, LEN> {
    type Elem = V::Elem;
    type Simd = V::Simd;
    type Mask = Pair<V::Mask, LEN>;
    type Block = [Self; LEN];
    type Half = V;
    const LEN: usize = {
        assert!(LEN == 2 * V::LEN, "a pair has twice the lanes of its half");
        LEN
    };

    #[inline(always)]
    fn splat(simd: V::Simd, value: V::Elem) -> Self {
        Self(V::splat(simd, value), V::splat(simd, value))
    }

    #[inline(always)]
    fn load(simd: V::Simd, source: &[V::Elem]) -> Self {
        assert_eq!(source.len(), LEN, "a load takes a whole group");
        let (lower, upper) = source.split_at(V::LEN);
        Self(V::load(simd, lower), V::load(simd, upper))
    }

    #[inline(always)]
    fn load_partial(simd: V::Simd, source: &[V::Elem], fill: V::Elem) -> Self {
        let (lower, upper) = source.split_at(source.len().min(V::LEN));
        Self(V::load_partial(simd, lower, fill), V::load_partial(simd, upper, fill))
    }

    #[inline(always)]
    fn store(self, target: &mut [V::Elem]) {
        assert_eq!(target.len(), LEN, "a store fills a whole group");
        let (lower, upper) = target.split_at_mut(V::LEN);
        self.0.store(lower);
        self.1.store(upper);
    }

    #[inline(always)]
    fn store_partial(self, target: &mut [V::Elem]) {
        let (lower, upper) = target.split_at_mut(target.len().min(V::LEN));
        self.0.store_partial(lower);
        self.1.store_partial(upper);
    }

    #[inline(always)]
    fn store_offsets(self, stride: u32, target: &mut [u32]) {
        assert_eq!(target.len(), LEN, "an offset for each lane");
        let (lower, upper) = target.split_at_mut(V::LEN);
        self.0.store_offsets(stride, lower);
        self.1.store_offsets(stride, upper);
    }

    #[inline(always)]
    fn simd(self) -> V::Simd {
        self.0.simd()
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        Self(self.0.fma(b.0, c.0), self.1.fma(b.1, c.1))
    }

    #[inline(always)]
    fn fnma(self, b: Self, c: Self) -> Self {
        Self(self.0.fnma(b.0, c.0), self.1.fnma(b.1, c.1))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt(), self.1.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs(), self.1.abs())
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(self.0.copysign(sign.0), self.1.copysign(sign.1))
    }

    #[inline(always)]
    fn min(self, limit: Self) -> Self {
        Self(self.0.min(limit.0), self.1.min(limit.1))
    }

    #[inline(always)]
    fn max(self, limit: Self) -> Self {
        Self(self.0.max(limit.0), self.1.max(limit.1))
    }

    #[inline(always)]
    fn lt(self, other: Self) -> Self::Mask {
        Pair(self.0.lt(other.0), self.1.lt(other.1))
    }

    #[inline(always)]
    fn le(self, other: Self) -> Self::Mask {
        Pair(self.0.le(other.0), self.1.le(other.1))
    }

    #[inline(always)]
    fn eq(self, other: Self) -> Self::Mask {
        Pair(self.0.eq(other.0), self.1.eq(other.1))
    }

    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        Pair(self.0.is_nan(), self.1.is_nan())
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(V::select(mask.0, yes.0, no.0), V::select(mask.1, yes.1, no.1))
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(self.0.round(), self.1.round())
    }

    #[inline(always)]
    fn pow2(self) -> Self {
        Self(self.0.pow2(), self.1.pow2())
    }

    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        Self(self.0.scale(n.0), self.1.scale(n.1))
    }

    #[inline(always)]
    fn reduce_add(self) -> V::Elem {
        (self.0 + self.1).reduce_add()
    }

    #[inline(always)]
    fn first(self) -> V::Elem {
        self.0.first()
    }

    #[inline(always)]
    fn block(self) -> Self::Block {
        [self; LEN]
    }

    /// By quarters: those on the diagonal stay in place, the other two are exchanged.
    #[inline(always)]
    fn transpose(block: &mut Self::Block) {
        let (above, below) = block.split_at_mut(V::LEN);
        let [mut a, mut b, mut c, mut d] = [above[0].0.block(); 4];
        for i in 0..V::LEN {
            (a.as_mut()[i], b.as_mut()[i]) = (above[i].0, above[i].1);
            (c.as_mut()[i], d.as_mut()[i]) = (below[i].0, below[i].1);
        }
        for quarter in [&mut a, &mut b, &mut c, &mut d] {
            V::transpose(quarter);
        }
        for i in 0..V::LEN {
            above[i] = Self(a.as_ref()[i], c.as_ref()[i]);
            below[i] = Self(b.as_ref()[i], d.as_ref()[i]);
        }
    }

    #[inline(always)]
    fn reduce_add_each(block: Self::Block) -> Self {
        let (above, below) = block.split_at(V::LEN);
        let [mut a, mut b] = [above[0].0.block(); 2];
        for i in 0..V::LEN {
            a.as_mut()[i] = above[i].0 + above[i].1;
            b.as_mut()[i] = below[i].0 + below[i].1;
        }
        Self(V::reduce_add_each(a), V::reduce_add_each(b))
    }
}
