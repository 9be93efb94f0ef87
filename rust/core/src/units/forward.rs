//! States and outputs of a window of steps of one sequence.

use crate::blocks::{Blocks, blocks, by_width, load_each, splat_each};
use crate::layout::Weights;
use crate::matrix::Vector;
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};
use crate::tiles::MOST_LANES;

/// h_t = activation(b + W_ih x_t + W_hh h_{t−1}), y_t = output_activation(b_y + W_hy h_t).
///
/// Sums run in the order that `tiles::Forward` describes, so both give the same bits.
pub(crate) struct Forward<'a, T> {
    pub(crate) weights: Weights<'a, T>,
    /// Inputs, `(steps, I)`.
    pub(crate) x: &'a [T],
    /// States, `(1 + steps, stride)`; row 0 is the state before the window.
    pub(crate) states: &'a mut [T],
    /// Outputs, `(steps, L)`.
    pub(crate) outputs: &'a mut [T],
    /// Whether row 0 is the zero state of a beginning.
    pub(crate) begins: bool,
}

impl<T: Real, S: Simd> Kernel<S> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { weights, x, states, outputs, begins } = self;
        let stride = weights.stride;
        let steps = x.len() / weights.shape.input;
        for (first, width) in blocks(steps, S::UNITS) {
            let out = &mut states[(1 + first) * stride..(1 + first + width) * stride];
            let x = &x[first * weights.shape.input..(first + width) * weights.shape.input];
            by_width!(width <= S::UNITS, J => project::<T, S, J>(simd, &weights, x, out));
        }
        let cut = blocks(stride / T::LANES, S::UNITS / 2 + 1);
        // The padding of the last group stays 0, whatever its activation of 0 is.
        let used = weights.shape.hidden + T::LANES - stride;
        let real = simd.load_partial(&[T::ONE; MOST_LANES][..used], T::ZERO);
        let padding = real.eq(simd.zero::<T>());
        for t in 0..steps {
            let (before, own) = states[t * stride..(t + 2) * stride].split_at_mut(stride);
            let before = if begins && t == 0 { &[] } else { &before[..weights.shape.hidden] };
            recur(simd, &weights, (cut, padding), before, own);
            let y = &mut outputs[t * weights.shape.output..(t + 1) * weights.shape.output];
            read_out(simd, &weights, own, y);
        }
    }
}

/// `out[t] = b + W_ih x_t` for J steps at once.
#[inline(always)]
fn project<T: Real, S: Simd, const J: usize>(
    simd: S,
    weights: &Weights<'_, T>,
    x: &[T],
    out: &mut [T],
) {
    let (stride, inputs) = (weights.stride, weights.shape.input);
    for group in (0..stride).step_by(T::LANES) {
        let mut sums = Vector([simd.load(&weights.bias[group..group + T::LANES]); J]);
        for (k, row) in weights.ih.chunks_exact(stride).enumerate() {
            let mut column = [T::ZERO; J];
            for t in 0..J {
                column[t] = x[t * inputs + k];
            }
            let row = simd.load(&row[group..group + T::LANES]);
            sums.add_scaled(row, &splat_each(simd, &column));
        }
        for t in 0..J {
            sums.0[t].store(&mut out[t * stride + group..][..T::LANES]);
        }
    }
}

/// `own = activation(own + W_hh before)`; an empty `before` is the zero state.
#[inline(always)]
fn recur<T: Real, S: Simd>(
    simd: S,
    weights: &Weights<'_, T>,
    (cut, padding): (Blocks, <T::Lanes<S> as Lanes>::Mask),
    before: &[T],
    own: &mut [T],
) {
    for (first, width) in cut {
        let own = &mut own[first * T::LANES..(first + width) * T::LANES];
        by_width!(width <= S::UNITS / 2 + 1, G => {
            let mut z: Vector<G, T::Lanes<S>> = load_each(simd, own);
            add_product::<T, S, G>(simd, &mut z, before, weights.hh, weights.stride, first * T::LANES);
            weights.activation.apply(&mut z.0);
            if (first + G) * T::LANES == weights.stride {
                z.0[G - 1] = T::Lanes::<S>::select(padding, simd.zero::<T>(), z.0[G - 1]);
            }
            for g in 0..G {
                z.0[g].store(&mut own[g * T::LANES..(g + 1) * T::LANES]);
            }
        });
    }
}

/// `sums += Σ_k x[k] · rows[k][first..]`: even k in one chain that begins with `sums`, odd k in one
/// that begins with zero.
#[inline(always)]
pub(super) fn add_product<T: Real, S: Simd, const G: usize>(
    simd: S,
    sums: &mut Vector<G, T::Lanes<S>>,
    x: &[T],
    rows: &[T],
    stride: usize,
    first: usize,
) {
    if x.is_empty() {
        return;
    }
    let mut odd = Vector([simd.zero::<T>(); G]);
    let (pairs, last) = x.as_chunks::<2>();
    let mut row = rows.chunks_exact(stride);
    for &[a, b] in pairs {
        sums.add_scaled(simd.splat(a), &load_each(simd, &row.next().expect("a row")[first..]));
        odd.add_scaled(simd.splat(b), &load_each(simd, &row.next().expect("a row")[first..]));
    }
    if let &[a] = last {
        sums.add_scaled(simd.splat(a), &load_each(simd, &row.next().expect("a row")[first..]));
    }
    for g in 0..G {
        sums.0[g] = sums.0[g] + odd.0[g];
    }
}

/// `y = output_activation(W_hy state + b_y)`
#[inline(always)]
fn read_out<T: Real, S: Simd>(simd: S, weights: &Weights<'_, T>, state: &[T], outputs: &mut [T]) {
    let rows = weights.head.chunks_exact(weights.stride).zip(weights.head_bias);
    for (y, (row, &bias)) in outputs.iter_mut().zip(rows) {
        let mut sum = simd.zero::<T>();
        for (h, w) in state.chunks_exact(T::LANES).zip(row.chunks_exact(T::LANES)) {
            sum = simd.load(h).fma(simd.load(w), sum);
        }
        *y = sum.reduce_add() + bias;
        if weights.output_activation != crate::Activation::Identity {
            let mut group = [simd.splat(*y)];
            weights.output_activation.apply(&mut group);
            *y = group[0].first();
        }
    }
}
