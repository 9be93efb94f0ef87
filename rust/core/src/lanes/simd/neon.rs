//! NEON: a group is four 16-byte registers.
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::ops::Not;

use super::register::{intrinsic, register, register_methods, register_operators};
use super::{Kernel, Mask, Pair, Shell, Simd};

/// NEON, which has FMA; only [`Neon::detect`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

impl Neon {
    /// The token, if this machine has the instructions.
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Simd for Neon {
    type F32 = Pair<Pair<F32x4, 8>, 16>;
    type F64 = Pair<Pair<F64x2, 4>, 8>;
    const NAME: &'static str = "neon";
    const ACCUMULATORS: usize = 6;
    const CHAIN_PAIRS: usize = 2;
    const MULTIPLY: (usize, usize) = (1, 6);
    const NARROW_MULTIPLY: (usize, usize) = (1, 6);
    const OUTER: (usize, usize) = (2, 3);
    const NARROW_OUTER: (usize, usize) = (2, 3);
    const HALF_OUTER: (usize, usize) = (2, 5);
    const OUTER_COPIED: usize = usize::MAX;

    #[inline]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // SAFETY: the token proves that the machine has this feature.
        unsafe { kernel.shell(self) }
    }
}

impl<K: Kernel<Neon>> Shell<Neon> for K {
    #[target_feature(enable = "neon")]
    unsafe fn shell(self, simd: Neon) -> K::Output {
        self.run(simd)
    }
}

// `fma` and `fnma`: the accumulator is the first operand of the instruction.
// `lesser` and `greater`: NEON's own minimum would return a NaN of either operand, and the lesser of
// two zeros. Other instruction sets compare and select, so this one does too.
register! {
    /// 4 lanes of `f32`.
    F32x4: 4 of f32 in float32x4_t, Mask32x4, Neon {
        splat: vdupq_n_f32,
        first: vgetq_lane_f32::<0>,
        load: vld1q_f32,
        load_partial: |source, count, fill| {
            let mut lanes = [fill; 4];
            std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), count);
            vld1q_f32(lanes.as_ptr())
        },
        store: vst1q_f32,
        store_partial: |target, count, a| {
            let mut lanes = [0.0; 4];
            vst1q_f32(lanes.as_mut_ptr(), a);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, count);
        },
        store_offsets: |target: *mut u32, a, stride| {
            vst1q_u32(target, vmulq_n_u32(vcvtq_u32_f32(a), stride))
        },
        add: vaddq_f32,
        sub: vsubq_f32,
        mul: vmulq_f32,
        div: vdivq_f32,
        fma: |a, b, c| vfmaq_f32(c, a, b),
        fnma: |a, b, c| vfmsq_f32(c, a, b),
        sqrt: vsqrtq_f32,
        neg: vnegq_f32,
        abs: vabsq_f32,
        copysign: |a, sign| vbslq_f32(vdupq_n_u32(1 << 31), sign, a),
        lesser: |a, b| vbslq_f32(vcltq_f32(a, b), a, b),
        greater: |a, b| vbslq_f32(vcgtq_f32(a, b), a, b),
        lt: |a, b| Mask32x4(vcltq_f32(a, b)),
        le: |a, b| Mask32x4(vcleq_f32(a, b)),
        eq: |a, b| Mask32x4(vceqq_f32(a, b)),
        is_nan: |a| !Mask32x4(vceqq_f32(a, a)),
        select: |mask: Mask32x4, yes, no| vbslq_f32(mask.0, yes, no),
        round: vrndnq_f32,
        integer_to_exponent: |a| {
            vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(a)))
        },
        reduce_add: |a| {
            let two = vadd_f32(vget_low_f32(a), vget_high_f32(a));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        },
        transpose: transpose_f32,
    }
}

register! {
    /// 2 lanes of `f64`.
    F64x2: 2 of f64 in float64x2_t, Mask64x2, Neon {
        splat: vdupq_n_f64,
        first: vgetq_lane_f64::<0>,
        load: vld1q_f64,
        load_partial: |source, count, fill| {
            let mut lanes = [fill; 2];
            std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), count);
            vld1q_f64(lanes.as_ptr())
        },
        store: vst1q_f64,
        store_partial: |target, count, a| {
            let mut lanes = [0.0; 2];
            vst1q_f64(lanes.as_mut_ptr(), a);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, count);
        },
        store_offsets: |target: *mut u32, a, stride| {
            vst1_u32(target, vmul_n_u32(vmovn_u64(vcvtq_u64_f64(a)), stride))
        },
        add: vaddq_f64,
        sub: vsubq_f64,
        mul: vmulq_f64,
        div: vdivq_f64,
        fma: |a, b, c| vfmaq_f64(c, a, b),
        fnma: |a, b, c| vfmsq_f64(c, a, b),
        sqrt: vsqrtq_f64,
        neg: vnegq_f64,
        abs: vabsq_f64,
        copysign: |a, sign| vbslq_f64(vdupq_n_u64(1 << 63), sign, a),
        lesser: |a, b| vbslq_f64(vcltq_f64(a, b), a, b),
        greater: |a, b| vbslq_f64(vcgtq_f64(a, b), a, b),
        lt: |a, b| Mask64x2(vcltq_f64(a, b)),
        le: |a, b| Mask64x2(vcleq_f64(a, b)),
        eq: |a, b| Mask64x2(vceqq_f64(a, b)),
        is_nan: |a| !Mask64x2(vceqq_f64(a, a)),
        select: |mask: Mask64x2, yes, no| vbslq_f64(mask.0, yes, no),
        round: vrndnq_f64,
        integer_to_exponent: |a| {
            vreinterpretq_f64_u64(vshlq_n_u64::<52>(vreinterpretq_u64_f64(a)))
        },
        reduce_add: |a| vgetq_lane_f64::<0>(a) + vgetq_lane_f64::<1>(a),
        transpose: transpose_f64,
    }
}

/// A mask whose lanes are all ones or all zeros.
macro_rules! mask {
    ($Name:ident: $LEN:literal in $Register:ident,
     $and:ident, $or:ident, $xor:ident, $splat:ident, $store:ident, $Bits:ident) => {
        #[doc = concat!("A truth value for each of ", stringify!($LEN), " lanes.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $Name($Register);

        register_operators!($Name: BitAnd::bitand = |a, b| $and(a, b), BitOr::bitor = |a, b| $or(a, b));

        impl Not for $Name {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                Self(intrinsic!(|a| $xor(a, $splat($Bits::MAX)), self.0))
            }
        }

        impl Mask for $Name {
            const LEN: usize = $LEN;

            #[inline(always)]
            fn bits(self) -> u32 {
                let mut lanes: [$Bits; $LEN] = [0; $LEN];
                // SAFETY: `self` proves the instruction set; the array is as long as the mask.
                unsafe { $store(lanes.as_mut_ptr(), self.0) };
                (0..$LEN).map(|i| ((lanes[i] & 1) as u32) << i).sum()
            }
        }
    };
}
mask!(Mask32x4: 4 in uint32x4_t, vandq_u32, vorrq_u32, veorq_u32, vdupq_n_u32, vst1q_u32, u32);
mask!(Mask64x2: 2 in uint64x2_t, vandq_u64, vorrq_u64, veorq_u64, vdupq_n_u64, vst1q_u64, u64);

/// 4 x 4: first pairs of neighbours, then pairs of pairs.
#[inline]
#[target_feature(enable = "neon")]
fn transpose_f32(rows: &mut [F32x4; 4]) {
    let [a, b, c, d] = [rows[0].0, rows[1].0, rows[2].0, rows[3].0];
    let ab = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
    let cd = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
    rows[0] = F32x4(vreinterpretq_f32_f64(vtrn1q_f64(ab, cd)));
    rows[2] = F32x4(vreinterpretq_f32_f64(vtrn2q_f64(ab, cd)));
    let ab = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
    let cd = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
    rows[1] = F32x4(vreinterpretq_f32_f64(vtrn1q_f64(ab, cd)));
    rows[3] = F32x4(vreinterpretq_f32_f64(vtrn2q_f64(ab, cd)));
}

/// 2 x 2.
#[inline]
#[target_feature(enable = "neon")]
fn transpose_f64(rows: &mut [F64x2; 2]) {
    let [a, b] = [rows[0].0, rows[1].0];
    *rows = [F64x2(vtrn1q_f64(a, b)), F64x2(vtrn2q_f64(a, b))];
}
