//! AVX2 with FMA: a group is two 32-byte registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Not;

use super::register::{intrinsic, register, register_methods, register_operators};
use super::{Kernel, Mask, Pair, Shell, Simd};

/// AVX2 and FMA; only [`Avx2::detect`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if this machine has the instructions.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }
}

impl Simd for Avx2 {
    type F32 = Pair<F32x8, 16>;
    type F64 = Pair<F64x4, 8>;
    const NAME: &'static str = "avx2";
    const ACCUMULATORS: usize = 6;
    const CHAIN_PAIRS: usize = 3;
    const MULTIPLY: (usize, usize) = (1, 6);
    const NARROW_MULTIPLY: (usize, usize) = (1, 6);
    const OUTER: (usize, usize) = (2, 3);
    const NARROW_OUTER: (usize, usize) = (2, 3);
    const HALF_OUTER: (usize, usize) = (2, 5);
    const OUTER_COPIED: usize = 2_700;

    #[inline]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // SAFETY: the token proves that the machine has these features.
        unsafe { kernel.shell(self) }
    }

    #[inline(always)]
    fn prefetch<T>(self, number: &T) {
        // SAFETY: a hint reads nothing, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(number).cast()) }
    }
}

impl<K: Kernel<Avx2>> Shell<Avx2> for K {
    #[target_feature(enable = "avx2,fma")]
    unsafe fn shell(self, simd: Avx2) -> K::Output {
        self.run(simd)
    }
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

register! {
    /// 8 lanes of `f32`.
    F32x8: 8 of f32 in __m256, Mask32x8, Avx2 {
        splat: _mm256_set1_ps,
        first: _mm256_cvtss_f32,
        load: _mm256_loadu_ps,
        load_partial: |source, count, fill| {
            let mask = first_lanes_32(count);
            let loaded = _mm256_maskload_ps(source, mask);
            _mm256_blendv_ps(_mm256_set1_ps(fill), loaded, _mm256_castsi256_ps(mask))
        },
        store: _mm256_storeu_ps,
        store_partial: |target, count, a| _mm256_maskstore_ps(target, first_lanes_32(count), a),
        store_offsets: |target: *mut u32, a, stride| {
            let offsets = _mm256_mullo_epi32(_mm256_cvttps_epi32(a), _mm256_set1_epi32(stride as i32));
            _mm256_storeu_si256(target.cast(), offsets)
        },
        add: _mm256_add_ps,
        sub: _mm256_sub_ps,
        mul: _mm256_mul_ps,
        div: _mm256_div_ps,
        fma: _mm256_fmadd_ps,
        fnma: _mm256_fnmadd_ps,
        sqrt: _mm256_sqrt_ps,
        neg: |a| _mm256_xor_ps(a, _mm256_set1_ps(-0.0)),
        abs: |a| _mm256_andnot_ps(_mm256_set1_ps(-0.0), a),
        copysign: |a, sign| {
            let mask = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(mask, a), _mm256_and_ps(mask, sign))
        },
        lesser: _mm256_min_ps,
        greater: _mm256_max_ps,
        lt: |a, b| Mask32x8(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b)),
        le: |a, b| Mask32x8(_mm256_cmp_ps::<_CMP_LE_OQ>(a, b)),
        eq: |a, b| Mask32x8(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)),
        is_nan: |a| Mask32x8(_mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)),
        select: |mask: Mask32x8, yes, no| _mm256_blendv_ps(no, yes, mask.0),
        round: _mm256_round_ps::<NEAREST>,
        integer_to_exponent: |a| {
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(a)))
        },
        reduce_add: |a| {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        },
        reduce_add_each: reduce_f32,
        transpose: transpose_f32,
    }
}

register! {
    /// 4 lanes of `f64`.
    F64x4: 4 of f64 in __m256d, Mask64x4, Avx2 {
        splat: _mm256_set1_pd,
        first: _mm256_cvtsd_f64,
        load: _mm256_loadu_pd,
        load_partial: |source, count, fill| {
            let mask = first_lanes_64(count);
            let loaded = _mm256_maskload_pd(source, mask);
            _mm256_blendv_pd(_mm256_set1_pd(fill), loaded, _mm256_castsi256_pd(mask))
        },
        store: _mm256_storeu_pd,
        store_partial: |target, count, a| _mm256_maskstore_pd(target, first_lanes_64(count), a),
        store_offsets: |target: *mut u32, a, stride| {
            let offsets = _mm_mullo_epi32(_mm256_cvttpd_epi32(a), _mm_set1_epi32(stride as i32));
            _mm_storeu_si128(target.cast(), offsets)
        },
        add: _mm256_add_pd,
        sub: _mm256_sub_pd,
        mul: _mm256_mul_pd,
        div: _mm256_div_pd,
        fma: _mm256_fmadd_pd,
        fnma: _mm256_fnmadd_pd,
        sqrt: _mm256_sqrt_pd,
        neg: |a| _mm256_xor_pd(a, _mm256_set1_pd(-0.0)),
        abs: |a| _mm256_andnot_pd(_mm256_set1_pd(-0.0), a),
        copysign: |a, sign| {
            let mask = _mm256_set1_pd(-0.0);
            _mm256_or_pd(_mm256_andnot_pd(mask, a), _mm256_and_pd(mask, sign))
        },
        lesser: _mm256_min_pd,
        greater: _mm256_max_pd,
        lt: |a, b| Mask64x4(_mm256_cmp_pd::<_CMP_LT_OQ>(a, b)),
        le: |a, b| Mask64x4(_mm256_cmp_pd::<_CMP_LE_OQ>(a, b)),
        eq: |a, b| Mask64x4(_mm256_cmp_pd::<_CMP_EQ_OQ>(a, b)),
        is_nan: |a| Mask64x4(_mm256_cmp_pd::<_CMP_UNORD_Q>(a, a)),
        select: |mask: Mask64x4, yes, no| _mm256_blendv_pd(no, yes, mask.0),
        round: _mm256_round_pd::<NEAREST>,
        integer_to_exponent: |a| {
            _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(a)))
        },
        reduce_add: |a| {
            let two = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        },
        reduce_add_each: reduce_f64,
        transpose: transpose_f64,
    }
}

/// A mask whose lanes are all ones or all zeros.
macro_rules! mask {
    ($Name:ident: $LEN:literal in $Register:ident,
     $and:ident, $or:ident, $xor:ident, $cast:ident, $movemask:ident) => {
        #[doc = concat!("A truth value for each of ", stringify!($LEN), " lanes.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $Name($Register);

        register_operators!($Name: BitAnd::bitand = $and, BitOr::bitor = $or);

        impl Not for $Name {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                Self(intrinsic!(|a| $xor(a, $cast(_mm256_set1_epi32(-1))), self.0))
            }
        }

        impl Mask for $Name {
            const LEN: usize = $LEN;

            #[inline(always)]
            fn bits(self) -> u32 {
                intrinsic!($movemask, self.0) as u32
            }
        }
    };
}
mask!(Mask32x8: 8 in __m256,
    _mm256_and_ps, _mm256_or_ps, _mm256_xor_ps, _mm256_castsi256_ps, _mm256_movemask_ps);
mask!(Mask64x4: 4 in __m256d,
    _mm256_and_pd, _mm256_or_pd, _mm256_xor_pd, _mm256_castsi256_pd, _mm256_movemask_pd);

/// All ones in the first `count` lanes of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn first_lanes_32(count: usize) -> __m256i {
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lane)
}

/// All ones in the first `count` lanes of 64 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn first_lanes_64(count: usize) -> __m256i {
    let lane = _mm256_setr_epi64x(0, 1, 2, 3);
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), lane)
}

/// 8 x 8: first within register halves, then across them.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_f32(rows: &mut [F32x8; 8]) {
    // `quads[g][column]`: from each half, that column of rows 4g .. 4g + 4.
    let mut quads = [[rows[0].0; 4]; 2];
    for g in 0..2 {
        let [a, b, c, d] = [rows[4 * g].0, rows[4 * g + 1].0, rows[4 * g + 2].0, rows[4 * g + 3].0];
        let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
        quads[g][0] = _mm256_shuffle_ps::<0x44>(ab, cd);
        quads[g][1] = _mm256_shuffle_ps::<0xee>(ab, cd);
        let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
        quads[g][2] = _mm256_shuffle_ps::<0x44>(ab, cd);
        quads[g][3] = _mm256_shuffle_ps::<0xee>(ab, cd);
    }
    for c in 0..4 {
        rows[c] = F32x8(_mm256_permute2f128_ps::<0x20>(quads[0][c], quads[1][c]));
        rows[4 + c] = F32x8(_mm256_permute2f128_ps::<0x31>(quads[0][c], quads[1][c]));
    }
}

/// 4 x 4: first within register halves, then across them.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_f64(rows: &mut [F64x4; 4]) {
    let [a, b, c, d] = [rows[0].0, rows[1].0, rows[2].0, rows[3].0];
    let (ab, cd) = (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d));
    rows[0] = F64x4(_mm256_permute2f128_pd::<0x20>(ab, cd));
    rows[2] = F64x4(_mm256_permute2f128_pd::<0x31>(ab, cd));
    let (ab, cd) = (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d));
    rows[1] = F64x4(_mm256_permute2f128_pd::<0x20>(ab, cd));
    rows[3] = F64x4(_mm256_permute2f128_pd::<0x31>(ab, cd));
}

/// Sums of 8 rows: two rows exchange halves and are added; then quarters, and so on.
#[inline]
#[target_feature(enable = "avx2")]
fn reduce_f32(rows: [F32x8; 8]) -> F32x8 {
    let mut fours = [rows[0].0; 4];
    for i in 0..4 {
        let (a, b) = (rows[i].0, rows[4 + i].0);
        fours[i] = _mm256_add_ps(
            _mm256_permute2f128_ps::<0x20>(a, b),
            _mm256_permute2f128_ps::<0x31>(a, b),
        );
    }
    let mut twos = [rows[0].0; 2];
    for i in 0..2 {
        let (a, b) = (fours[2 * i], fours[2 * i + 1]);
        twos[i] = _mm256_add_ps(_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
    }
    let [a, b] = twos;
    F32x8(_mm256_add_ps(_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xdd>(a, b)))
}

/// Sums of 4 rows, computed like [`reduce_f32`].
#[inline]
#[target_feature(enable = "avx2")]
fn reduce_f64(rows: [F64x4; 4]) -> F64x4 {
    let mut twos = [rows[0].0; 2];
    for i in 0..2 {
        let (a, b) = (rows[i].0, rows[2 + i].0);
        twos[i] = _mm256_add_pd(
            _mm256_permute2f128_pd::<0x20>(a, b),
            _mm256_permute2f128_pd::<0x31>(a, b),
        );
    }
    let [a, b] = twos;
    F64x4(_mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)))
}
