//! Prints the float32 operations per second that one core reaches with fused multiply-adds alone:
//! independent chains in registers, no memory, the best of several rounds. x86-64 with AVX2 or
//! AVX-512, built with `-C target-cpu=native`.

use std::arch::x86_64::*;
use std::hint::black_box;
use std::time::Instant;

const CHAINS: usize = 12;
const TURNS: usize = 8_000_000;

#[cfg(target_feature = "avx512f")]
fn round(factor: f32, term: f32) -> f32 {
    // SAFETY: the build has AVX-512, and runs where it was built.
    unsafe {
        let (factor, term) = (_mm512_set1_ps(factor), _mm512_set1_ps(term));
        let mut chains = [term; CHAINS];
        for _ in 0..TURNS {
            for chain in &mut chains {
                *chain = _mm512_fmadd_ps(*chain, factor, term);
            }
        }
        chains.iter().map(|&chain| _mm512_reduce_add_ps(chain)).sum()
    }
}

#[cfg(not(target_feature = "avx512f"))]
fn round(factor: f32, term: f32) -> f32 {
    // SAFETY: the build has AVX2 and FMA (it fails otherwise), and runs where it was built.
    unsafe {
        let (factor, term) = (_mm256_set1_ps(factor), _mm256_set1_ps(term));
        let mut chains = [term; CHAINS];
        for _ in 0..TURNS {
            for chain in &mut chains {
                *chain = _mm256_fmadd_ps(*chain, factor, term);
            }
        }
        chains.iter().map(|&chain| _mm256_cvtss_f32(chain)).sum()
    }
}

fn main() {
    let lanes = if cfg!(target_feature = "avx512f") { 16 } else { 8 };
    let operations = (2 * TURNS * CHAINS * lanes) as f64;
    let rates = (0..10).map(|_| {
        let start = Instant::now();
        black_box(round(black_box(0.9), black_box(0.1)));
        operations / start.elapsed().as_secs_f64()
    });
    println!("{}", rates.fold(0.0, f64::max));
}
