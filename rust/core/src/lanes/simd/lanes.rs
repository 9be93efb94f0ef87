//! `Lanes`, a group of numbers that one operation processes at once, and its `Mask`.

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::Simd;
use crate::lanes::Real;

/// A type that consists of its lanes in order and nothing else, so that groups can be seen as numbers.
///
/// # Safety
/// The type must consist of [`Lanes::LEN`] values of [`Lanes::Elem`], lane 0 first.
#[expect(unsafe_code, reason = "safe code relies on what implementations promise")]
pub unsafe trait Plain {}

/// The lanes of `groups`, one group after the other.
#[inline(always)]
pub(crate) fn numbers<V: Lanes>(groups: &[V]) -> &[V::Elem] {
    const { assert_is_numbers::<V>() };
    let len = groups.len() * V::LEN;
    // SAFETY: `Plain` says that a group is its numbers; a group is aligned at least as they are.
    #[expect(unsafe_code, reason = "a view of another type")]
    unsafe {
        std::slice::from_raw_parts(groups.as_ptr().cast(), len)
    }
}

/// The lanes of `groups`, mutable.
#[inline(always)]
pub(crate) fn numbers_mut<V: Lanes>(groups: &mut [V]) -> &mut [V::Elem] {
    const { assert_is_numbers::<V>() };
    let len = groups.len() * V::LEN;
    // SAFETY: as in `numbers`; any number is a valid lane.
    #[expect(unsafe_code, reason = "a view of another type")]
    unsafe {
        std::slice::from_raw_parts_mut(groups.as_mut_ptr().cast(), len)
    }
}

/// The halves of `groups`, or the groups themselves if a group is one register.
#[inline(always)]
pub(crate) fn halves<V: Lanes>(groups: &[V]) -> &[V::Half] {
    let len = groups.len() * const { halves_of::<V>() };
    // SAFETY: `Plain` says that both types are their numbers, in order and without gaps.
    #[expect(unsafe_code, reason = "a view of another type")]
    unsafe {
        std::slice::from_raw_parts(groups.as_ptr().cast(), len)
    }
}

/// Asserts that a group has the size of its numbers, and at least their alignment.
const fn assert_is_numbers<V: Lanes>() {
    assert!(size_of::<V>() == V::LEN * size_of::<V::Elem>());
    assert!(align_of::<V>() >= align_of::<V::Elem>());
}

/// How many [`Lanes::Half`] make up a group: two, or one.
pub(crate) const fn halves_of<V: Lanes>() -> usize {
    let count = V::LEN / V::Half::LEN;
    assert!(size_of::<V>() == count * size_of::<V::Half>());
    assert!(align_of::<V>() >= align_of::<V::Half>());
    count
}

/// A group of [`Lanes::LEN`] numbers. All operations except the last few work lane by lane.
///
/// An instruction set's own groups, `S::F32` and `S::F64`, are 64 bytes: 16 `f32` or 8 `f64`.
pub trait Lanes:
    Copy
    + Debug
    + Plain
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The type of one lane.
    type Elem: Real;
    /// The instruction set whose registers hold the group.
    type Simd: Simd;
    /// One truth value per lane.
    type Mask: Mask;
    /// A square block of [`Lanes::LEN`] groups: `[Self; LEN]`.
    type Block: Copy + AsRef<[Self]> + AsMut<[Self]>;
    /// The lower or upper lanes of a group that is a pair; the whole group if it is one register.
    type Half: Lanes<Elem = Self::Elem, Simd = Self::Simd>;
    /// The number of lanes, a power of two.
    const LEN: usize;

    /// A group with every lane equal to `value`.
    fn splat(simd: Self::Simd, value: Self::Elem) -> Self;

    /// The elements of `source`, whose length must be [`Lanes::LEN`].
    fn load(simd: Self::Simd, source: &[Self::Elem]) -> Self;

    /// The elements of `source`, at most [`Lanes::LEN`], with `fill` in the remaining lanes.
    fn load_partial(simd: Self::Simd, source: &[Self::Elem], fill: Self::Elem) -> Self;

    /// Writes the lanes to `target`, whose length must be [`Lanes::LEN`].
    fn store(self, target: &mut [Self::Elem]);

    /// Writes the first lanes, as many as fit in `target`: at most [`Lanes::LEN`].
    fn store_partial(self, target: &mut [Self::Elem]);

    /// Writes each lane, a nonnegative whole number, as an integer times `stride`, modulo 2³², to
    /// `target`, whose length must be [`Lanes::LEN`]. Lanes from 2³¹ on, and any others, give
    /// unspecified integers.
    fn store_offsets(self, stride: u32, target: &mut [u32]);

    /// The token that this value was made from.
    fn simd(self) -> Self::Simd;

    /// A group of the same type with every lane equal to `value`.
    #[inline(always)]
    fn same(self, value: Self::Elem) -> Self {
        Self::splat(self.simd(), value)
    }

    /// `self · b + c`, rounded once (see [`Portable`](super::Portable) for the exception).
    fn fma(self, b: Self, c: Self) -> Self;

    /// `c − self · b`, rounded once like [`Lanes::fma`].
    fn fnma(self, b: Self, c: Self) -> Self;

    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;

    /// The absolute value.
    fn abs(self) -> Self;

    /// The absolute value of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;

    /// `if limit < self { limit } else { self }`: a NaN in `self` stays, one in `limit` is ignored.
    fn min(self, limit: Self) -> Self;

    /// `if limit > self { limit } else { self }`: a NaN in `self` stays, one in `limit` is ignored.
    fn max(self, limit: Self) -> Self;

    /// `self < other`; false where either is NaN.
    fn lt(self, other: Self) -> Self::Mask;

    /// `self <= other`; false where either is NaN.
    fn le(self, other: Self) -> Self::Mask;

    /// `self == other`; false where either is NaN.
    fn eq(self, other: Self) -> Self::Mask;

    /// `self > other`; false where either is NaN.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }

    /// `self >= other`; false where either is NaN.
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }

    /// True in the lanes that are NaN.
    fn is_nan(self) -> Self::Mask;

    /// `yes` where `mask` is true, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The nearest integer, ties to even; keeps the sign of zero.
    fn round(self) -> Self;

    /// 2ⁿ for integral lanes n whose power is a normal number: −126 to 127 in `f32`, −1022 to 1023
    /// in `f64`. Other lanes, NaN included, give an unspecified number.
    fn pow2(self) -> Self;

    /// `self · 2ⁿ` for integral lanes n, rounded once: ±∞ on overflow, subnormal or zero on underflow.
    ///
    /// `self` must be within 2^±64 and |n| at most 252 in `f32`, 2044 in `f64`. If `self` is NaN, it
    /// stays NaN.
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        // Two factors, as 2ⁿ itself may overflow; the first product is exact.
        let half = (n * n.same(Self::Elem::HALF)).round();
        self * half.pow2() * (n - half).pow2()
    }

    /// The sum of the lanes by folding: upper half added to lower half, until one lane is left.
    fn reduce_add(self) -> Self::Elem;

    /// Lane 0.
    fn first(self) -> Self::Elem;

    /// A block with every row equal to `self`.
    fn block(self) -> Self::Block;

    /// Transposes a block: lane `j` of row `i` becomes lane `i` of row `j`.
    fn transpose(block: &mut Self::Block);

    /// The sums of a block's rows, with row `i`'s in lane `i`, each folded like [`Lanes::reduce_add`].
    #[inline(always)]
    fn reduce_add_each(mut block: Self::Block) -> Self {
        Self::transpose(&mut block);
        fold(block.as_mut())
    }
}

/// The sum of [`Lanes::LEN`] groups, folded in halves as [`Lanes::reduce_add`] adds lanes.
#[inline(always)]
pub(crate) fn fold<V: Lanes>(groups: &mut [V]) -> V {
    let mut half = V::LEN / 2;
    while half > 0 {
        for i in 0..half {
            groups[i] = groups[i] + groups[i + half];
        }
        half /= 2;
    }
    groups[0]
}

/// One truth value per lane.
pub trait Mask:
    Copy
    + Debug
    + Send
    + Sync
    + 'static
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + Not<Output = Self>
{
    /// The number of lanes.
    const LEN: usize;

    /// Lane `i` as bit `i`; the bits above are zero.
    fn bits(self) -> u32;

    /// Whether any lane is true.
    #[inline(always)]
    fn any(self) -> bool {
        self.bits() != 0
    }

    /// Whether every lane is true.
    #[inline(always)]
    fn all(self) -> bool {
        (!self).bits() == 0
    }
}

impl Mask for bool {
    const LEN: usize = 1;

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
}
