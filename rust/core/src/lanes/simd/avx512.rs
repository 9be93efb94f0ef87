//! AVX-512: a group is one 64-byte register.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::register::{intrinsic, register, register_methods, register_operators};
use super::{Kernel, Mask, Shell, Simd, avx2};

/// AVX-512 F, DQ, VL and BW, with FMA and AVX2; only [`Avx512::detect`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if this machine has the instructions.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("avx2");
        found.then_some(Self(()))
    }
}

impl Simd for Avx512 {
    type F32 = F32x16;
    type F64 = F64x8;
    const NAME: &'static str = "avx512";
    const ACCUMULATORS: usize = 12;
    const CHAIN_PAIRS: usize = 12;
    const MULTIPLY: (usize, usize) = (4, 6);
    const NARROW_MULTIPLY: (usize, usize) = (2, 11);
    const OUTER: (usize, usize) = (4, 6);
    const NARROW_OUTER: (usize, usize) = (2, 11);
    const HALF_OUTER: (usize, usize) = (2, 11);
    const OUTER_COPIED: usize = usize::MAX;

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

impl<K: Kernel<Avx512>> Shell<Avx512> for K {
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma,avx2")]
    unsafe fn shell(self, simd: Avx512) -> K::Output {
        self.run(simd)
    }
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

register! {
    /// 16 lanes of `f32`.
    F32x16: 16 of f32 in __m512, u16, Avx512 {
        splat: _mm512_set1_ps,
        first: _mm512_cvtss_f32,
        load: _mm512_loadu_ps,
        load_partial: |source, count, fill| {
            _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(count) as u16, source)
        },
        store: _mm512_storeu_ps,
        store_partial: |target, count, a| _mm512_mask_storeu_ps(target, first_lanes(count) as u16, a),
        store_offsets: |target: *mut u32, a, stride| {
            let offsets = _mm512_mullo_epi32(_mm512_cvttps_epi32(a), _mm512_set1_epi32(stride as i32));
            _mm512_storeu_si512(target.cast(), offsets)
        },
        add: _mm512_add_ps,
        sub: _mm512_sub_ps,
        mul: _mm512_mul_ps,
        div: _mm512_div_ps,
        fma: _mm512_fmadd_ps,
        fnma: _mm512_fnmadd_ps,
        sqrt: _mm512_sqrt_ps,
        neg: |a| _mm512_xor_ps(a, _mm512_set1_ps(-0.0)),
        abs: |a| _mm512_andnot_ps(_mm512_set1_ps(-0.0), a),
        copysign: |a, sign| {
            let mask = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(mask, a), _mm512_and_ps(mask, sign))
        },
        lesser: _mm512_min_ps,
        greater: _mm512_max_ps,
        lt: _mm512_cmp_ps_mask::<_CMP_LT_OQ>,
        le: _mm512_cmp_ps_mask::<_CMP_LE_OQ>,
        eq: _mm512_cmp_ps_mask::<_CMP_EQ_OQ>,
        is_nan: |a| _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a),
        select: |mask, yes, no| _mm512_mask_blend_ps(mask, no, yes),
        round: _mm512_roundscale_ps::<NEAREST>,
        integer_to_exponent: |a| {
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(a)))
        },
        scale: _mm512_scalef_ps,
        reduce_add: |a| {
            let halves = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            avx2::F32x8(halves).reduce_add()
        },
        reduce_add_each: reduce_f32,
        transpose: transpose_f32,
    }
}

register! {
    /// 8 lanes of `f64`.
    F64x8: 8 of f64 in __m512d, u8, Avx512 {
        splat: _mm512_set1_pd,
        first: _mm512_cvtsd_f64,
        load: _mm512_loadu_pd,
        load_partial: |source, count, fill| {
            _mm512_mask_loadu_pd(_mm512_set1_pd(fill), first_lanes(count) as u8, source)
        },
        store: _mm512_storeu_pd,
        store_partial: |target, count, a| _mm512_mask_storeu_pd(target, first_lanes(count) as u8, a),
        store_offsets: |target: *mut u32, a, stride| {
            let offsets = _mm256_mullo_epi32(_mm512_cvttpd_epi32(a), _mm256_set1_epi32(stride as i32));
            _mm256_storeu_si256(target.cast(), offsets)
        },
        add: _mm512_add_pd,
        sub: _mm512_sub_pd,
        mul: _mm512_mul_pd,
        div: _mm512_div_pd,
        fma: _mm512_fmadd_pd,
        fnma: _mm512_fnmadd_pd,
        sqrt: _mm512_sqrt_pd,
        neg: |a| _mm512_xor_pd(a, _mm512_set1_pd(-0.0)),
        abs: |a| _mm512_andnot_pd(_mm512_set1_pd(-0.0), a),
        copysign: |a, sign| {
            let mask = _mm512_set1_pd(-0.0);
            _mm512_or_pd(_mm512_andnot_pd(mask, a), _mm512_and_pd(mask, sign))
        },
        lesser: _mm512_min_pd,
        greater: _mm512_max_pd,
        lt: _mm512_cmp_pd_mask::<_CMP_LT_OQ>,
        le: _mm512_cmp_pd_mask::<_CMP_LE_OQ>,
        eq: _mm512_cmp_pd_mask::<_CMP_EQ_OQ>,
        is_nan: |a| _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a),
        select: |mask, yes, no| _mm512_mask_blend_pd(mask, no, yes),
        round: _mm512_roundscale_pd::<NEAREST>,
        integer_to_exponent: |a| {
            _mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_castpd_si512(a)))
        },
        scale: _mm512_scalef_pd,
        reduce_add: |a| {
            let halves = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd::<1>(a));
            avx2::F64x4(halves).reduce_add()
        },
        reduce_add_each: reduce_f64,
        transpose: transpose_f64,
    }
}

impl Mask for u16 {
    const LEN: usize = 16;

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
}

impl Mask for u8 {
    const LEN: usize = 8;

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
}

/// The bits of the first `count` lanes, at most 16.
#[inline(always)]
fn first_lanes(count: usize) -> u32 {
    (1 << count) - 1
}

/// Transposes the 4 x 4 matrix whose elements are 16-byte quarters of registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_quarters([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    // Two bits choose a quarter: 0x44 takes 0 1 of each operand, 0xee 2 3, 0x88 0 2, 0xdd 1 3.
    let ab = [_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b)];
    let cd = [_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xee>(c, d)];
    [
        _mm512_shuffle_f32x4::<0x88>(ab[0], cd[0]),
        _mm512_shuffle_f32x4::<0xdd>(ab[0], cd[0]),
        _mm512_shuffle_f32x4::<0x88>(ab[1], cd[1]),
        _mm512_shuffle_f32x4::<0xdd>(ab[1], cd[1]),
    ]
}

/// 16 x 16: first within register quarters, then across them.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_f32(rows: &mut [F32x16; 16]) {
    // `quads[column][g]`: from each quarter, that column of rows 4g .. 4g + 4.
    let mut quads = [[rows[0].0; 4]; 4];
    for g in 0..4 {
        let [a, b, c, d] = [rows[4 * g].0, rows[4 * g + 1].0, rows[4 * g + 2].0, rows[4 * g + 3].0];
        let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
        quads[0][g] = _mm512_shuffle_ps::<0x44>(ab, cd);
        quads[1][g] = _mm512_shuffle_ps::<0xee>(ab, cd);
        let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
        quads[2][g] = _mm512_shuffle_ps::<0x44>(ab, cd);
        quads[3][g] = _mm512_shuffle_ps::<0xee>(ab, cd);
    }
    for c in 0..4 {
        let quad = transpose_quarters(quads[c]);
        for q in 0..4 {
            rows[4 * q + c] = F32x16(quad[q]);
        }
    }
}

/// 8 x 8: first within register quarters, then across them.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_f64(rows: &mut [F64x8; 8]) {
    // `pairs[column][g]`: from each quarter, that column of rows 2g and 2g + 1.
    let mut pairs = [[_mm512_castpd_ps(rows[0].0); 4]; 2];
    for g in 0..4 {
        let (a, b) = (rows[2 * g].0, rows[2 * g + 1].0);
        pairs[0][g] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
        pairs[1][g] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
    for c in 0..2 {
        let pair = transpose_quarters(pairs[c]);
        for q in 0..4 {
            rows[2 * q + c] = F64x8(_mm512_castps_pd(pair[q]));
        }
    }
}

/// The sum of the halves of `a`, then the sum of the halves of `b`.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_halves_f32(a: __m512, b: __m512) -> __m512 {
    _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b))
}

/// [`add_halves_f32`] for `f64`.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_halves_f64(a: __m512d, b: __m512d) -> __m512d {
    _mm512_add_pd(_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0xee>(a, b))
}

/// Sums of 16 rows: two rows exchange halves and are added; then quarters, and so on. Each step leaves
/// half as many registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn reduce_f32(rows: [F32x16; 16]) -> F32x16 {
    let mut fours = [rows[0].0; 4];
    for i in 0..4 {
        let (a, b) = (
            add_halves_f32(rows[i].0, rows[4 + i].0),
            add_halves_f32(rows[8 + i].0, rows[12 + i].0),
        );
        fours[i] =
            _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
    }
    let mut twos = [rows[0].0; 2];
    for i in 0..2 {
        let (a, b) = (fours[2 * i], fours[2 * i + 1]);
        twos[i] = _mm512_add_ps(_mm512_shuffle_ps::<0x44>(a, b), _mm512_shuffle_ps::<0xee>(a, b));
    }
    let [a, b] = twos;
    F32x16(_mm512_add_ps(_mm512_shuffle_ps::<0x88>(a, b), _mm512_shuffle_ps::<0xdd>(a, b)))
}

/// Sums of 8 rows, computed like [`reduce_f32`].
#[inline]
#[target_feature(enable = "avx512f")]
fn reduce_f64(rows: [F64x8; 8]) -> F64x8 {
    let mut twos = [rows[0].0; 2];
    for i in 0..2 {
        let (a, b) = (
            add_halves_f64(rows[i].0, rows[2 + i].0),
            add_halves_f64(rows[4 + i].0, rows[6 + i].0),
        );
        twos[i] =
            _mm512_add_pd(_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0xdd>(a, b));
    }
    let [a, b] = twos;
    F64x8(_mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)))
}
