//! The matrix products of one sequence: a group of lanes holds several hidden units.
//!
//! Weights are input-major, so each product is a sum of rows scaled by one number. The blocks are
//! [`Matrix`] values of lanes, small enough to stay in registers.

use crate::lanes::Lanes;
use crate::matrix::{Element, Matrix, Vector};
use crate::real::Real;

/// Timesteps whose products are accumulated together in [`affine`].
const STEPS: usize = 4;
/// Inputs whose gradient rows are accumulated together in [`add_gradient`].
const INPUTS: usize = 4;

/// `out[t] = bias + Σ_k x[t][k] · weights[k]` for every step: `x (T, K)`, `weights (K, stride)`,
/// `bias (stride,)`, `out (T, stride)`.
pub(crate) fn affine<T: Real>(out: &mut [T], x: &[T], weights: &[T], bias: &[T]) {
    let stride = bias.len();
    let inputs = weights.len() / stride;
    let blocks = out.chunks_mut(STEPS * stride).zip(x.chunks(STEPS * inputs));
    for (out, x) in blocks {
        if out.len() == STEPS * stride {
            affine_block::<T, STEPS>(out, x, weights, bias);
        } else {
            for (out, x) in out.chunks_exact_mut(stride).zip(x.chunks_exact(inputs)) {
                affine_block::<T, 1>(out, x, weights, bias);
            }
        }
    }
}

fn affine_block<T: Real, const R: usize>(out: &mut [T], x: &[T], weights: &[T], bias: &[T]) {
    let stride = bias.len();
    let inputs = weights.len() / stride;
    for group in (0..stride).step_by(T::Lanes::COUNT) {
        let mut sums = Matrix([[T::Lanes::load(&bias[group..])]; R]);
        for (k, row) in weights.chunks_exact(stride).enumerate() {
            let column = Vector(std::array::from_fn(|t| T::Lanes::splat(x[t * inputs + k])));
            sums.add_outer(&column, &Vector([T::Lanes::load(&row[group..])]));
        }
        for (t, [sum]) in sums.0.into_iter().enumerate() {
            sum.store(&mut out[t * stride + group..]);
        }
    }
}

/// `out += Σ_k x[k] · weights[k]`: `x (K,)`, `weights (≥ K, stride)`, `out (stride,)`.
pub(crate) fn add_product<T: Real>(out: &mut [T], x: &[T], weights: &[T]) {
    let stride = out.len();
    for group in (0..stride).step_by(T::Lanes::COUNT) {
        let mut sum = Vector([T::Lanes::load(&out[group..])]);
        for (&scale, row) in x.iter().zip(weights.chunks_exact(stride)) {
            sum.add_scaled(T::Lanes::splat(scale), &Vector([T::Lanes::load(&row[group..])]));
        }
        sum.0[0].store(&mut out[group..]);
    }
}

/// `Σ_j a[j] · b[j]` over whole groups of lanes.
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let groups = a.chunks_exact(T::Lanes::COUNT).zip(b.chunks_exact(T::Lanes::COUNT));
    let sum = groups
        .fold(T::Lanes::default(), |sum, (a, b)| T::Lanes::load(a).mul_add(T::Lanes::load(b), sum));
    sum.reduce_add()
}

/// `gradient[k] += Σ_t x[t][k] · dz[t]`: `x (T, x_stride)` of which the first `K` columns count,
/// `dz (T, stride)`, `gradient (K, stride)`.
pub(crate) fn add_gradient<T: Real>(
    gradient: &mut [T],
    (x, x_stride): (&[T], usize),
    (dz, stride): (&[T], usize),
) {
    for (block, rows) in gradient.chunks_mut(INPUTS * stride).enumerate() {
        let first = block * INPUTS;
        if rows.len() == INPUTS * stride {
            gradient_block::<T, INPUTS>(rows, (&x[first..], x_stride), (dz, stride));
        } else {
            for (k, row) in rows.chunks_exact_mut(stride).enumerate() {
                gradient_block::<T, 1>(row, (&x[first + k..], x_stride), (dz, stride));
            }
        }
    }
}

fn gradient_block<T: Real, const R: usize>(
    gradient: &mut [T],
    (x, x_stride): (&[T], usize),
    (dz, stride): (&[T], usize),
) {
    for group in (0..stride).step_by(T::Lanes::COUNT) {
        let load = |k: usize| [T::Lanes::load(&gradient[k * stride + group..])];
        let mut sums = Matrix(std::array::from_fn::<_, R, _>(load));
        for (t, dz) in dz.chunks_exact(stride).enumerate() {
            let column = Vector(std::array::from_fn(|k| T::Lanes::splat(x[t * x_stride + k])));
            sums.add_outer(&column, &Vector([T::Lanes::load(&dz[group..])]));
        }
        for (k, [sum]) in sums.0.into_iter().enumerate() {
            sum.store(&mut gradient[k * stride + group..]);
        }
    }
}
