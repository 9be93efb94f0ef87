//! States and outputs of a tile.

use std::ops::Range;

use crate::blocks::{blocks, by_width, part, splat_each};
use crate::layout::Weights;
use crate::matrix::Vector;
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};
use crate::tiles::tile::Tile;

/// h_t = activation(b + W_ih x_t + W_hh h_{t−1}), y_t = output_activation(b_y + W_hy h_t) for
/// every step of a window.
///
/// Each sum runs in one fixed order: bias, inputs, the even units of the state, then by itself the
/// sum of the odd units. It is the order in which a single sequence is computed, so a prediction
/// has the same bits whichever way it is made.
pub(crate) struct Forward<'a, T: Real, S: Simd> {
    pub(crate) weights: Weights<'a, T>,
    pub(crate) tile: &'a mut Tile<T, S>,
    /// The steps to compute; those before have been.
    pub(crate) window: Range<usize>,
    /// Inputs that the next tile begins with, to be had in the cache by then: one slice per lane.
    pub(crate) ahead: &'a [&'a [T]],
}

impl<T: Real, S: Simd> Kernel<S> for Forward<'_, T, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { weights, tile, window, ahead } = self;
        let (inputs, units, outputs) =
            (weights.shape.input, weights.shape.hidden, weights.shape.output);
        let cut = blocks(units, S::UNITS);
        for t in window {
            tile.carry(simd, t, units);
            let (earlier, later) = tile.states.split_at_mut((t + 1) * units);
            let before = if t == 0 {
                &[]
            } else if tile.has_starts {
                &tile.before[t * units..(t + 1) * units]
            } else {
                &earlier[t * units..]
            };
            for lane in ahead {
                // One row of the next tile for each step of this one.
                let row = t * inputs..lane.len().min((t + 1) * inputs);
                for i in row.step_by(T::LANES) {
                    simd.prefetch(&lane[i]);
                }
            }
            let x = &tile.x[t * inputs..(t + 1) * inputs];
            let state = &mut later[..units];
            for (first, width) in cut {
                let out = &mut state[first..first + width];
                by_width!(width <= S::UNITS, J => forward_block::<T, S, J>(simd, &weights, first, x, before, out));
            }
            let y = &mut tile.outputs[t * outputs..(t + 1) * outputs];
            forward_outputs(simd, &weights, state, y);
        }
    }
}

/// The states of units `first..first + J` at one step.
#[inline(always)]
fn forward_block<T: Real, S: Simd, const J: usize>(
    simd: S,
    weights: &Weights<'_, T>,
    first: usize,
    x: &[T::Lanes<S>],
    before: &[T::Lanes<S>],
    out: &mut [T::Lanes<S>],
) {
    let mut even: Vector<J, T::Lanes<S>> = splat_each(simd, part(weights.bias, first));
    for (&x, row) in x.iter().zip(weights.ih.chunks_exact(weights.stride)) {
        even.add_scaled(x, &splat_each(simd, part(row, first)));
    }
    let mut rows = weights.hh.chunks_exact(weights.stride);
    for (&h, row) in before.iter().step_by(2).zip(rows.clone().step_by(2)) {
        even.add_scaled(h, &splat_each(simd, part(row, first)));
    }
    if before.len() > 1 {
        rows.next();
        let mut odd = Vector([simd.zero::<T>(); J]);
        for (&h, row) in before[1..].iter().step_by(2).zip(rows.step_by(2)) {
            odd.add_scaled(h, &splat_each(simd, part(row, first)));
        }
        for j in 0..J {
            even.0[j] = even.0[j] + odd.0[j];
        }
    }
    weights.activation.apply(&mut even.0);
    out.copy_from_slice(&even.0);
}

/// The outputs of one step. Products are added as [`Lanes::reduce_add`] adds lanes: units a group
/// apart in a chain, then halves onto halves.
#[inline(always)]
fn forward_outputs<T: Real, S: Simd>(
    simd: S,
    weights: &Weights<'_, T>,
    state: &[T::Lanes<S>],
    outputs: &mut [T::Lanes<S>],
) {
    let rows = weights.head.chunks_exact(weights.stride).zip(weights.head_bias);
    for (y, (row, &bias)) in outputs.iter_mut().zip(rows) {
        let mut block = simd.zero::<T>().block();
        let sums = block.as_mut();
        for (state, row) in state.chunks(T::LANES).zip(row.chunks(T::LANES)) {
            for ((sum, &h), &w) in sums.iter_mut().zip(state).zip(row) {
                *sum = h.fma(simd.splat(w), *sum);
            }
        }
        let mut used = state.len().min(T::LANES);
        let mut half = T::LANES / 2;
        while half > 0 {
            for i in half..used {
                sums[i - half] = sums[i - half] + sums[i];
            }
            used = used.min(half);
            half /= 2;
        }
        let mut sum = [sums[0] + simd.splat(bias)];
        weights.output_activation.apply(&mut sum);
        *y = sum[0];
    }
}
