//! The loss of one sequence, the way back through a window of its steps, and the gradient.

use crate::blocks::{Blocks, blocks, by_width, load_each, part, splat_each};
use crate::layout::{Layout, Tensor, Weights};
use crate::loss::Loss;
use crate::matrix::Vector;
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};
use crate::units::forward::add_product;

/// dh_t = W_hyᵀ dy_t + W_hhᵀ dz_{t+1},  dz_t = dh_t ∘ activation'(h_t)  for a window of steps, and
/// their share of the gradient: dW_ih = Σ dz_t x_tᵀ, dW_hh = Σ dz_t h_{t−1}ᵀ, db = Σ dz_t,
/// dW_hy = Σ dy_t h_tᵀ, db_y = Σ dy_t.
pub(crate) struct Backward<'a, T> {
    pub(crate) layout: &'a Layout,
    pub(crate) weights: Weights<'a, T>,
    /// `W_hh` row-major in padded rows: the weights of the way back.
    pub(crate) hh_t: &'a [T],
    /// Inputs of the window, `(steps, I)`.
    pub(crate) x: &'a [T],
    /// States, `(1 + steps, stride)`; row 0 is the state before the window.
    pub(crate) states: &'a [T],
    /// dy of the window, `(steps, L)`.
    pub(crate) d_outputs: &'a [T],
    /// dz of the window, `(steps + 1, stride)`; the last row is that of the step after it.
    pub(crate) d_states: &'a mut [T],
    /// The gradient that is added to, in the layout's order.
    pub(crate) gradient: &'a mut [T],
    /// Whether it is set instead.
    pub(crate) first: bool,
}

impl<T: Real, S: Simd> Kernel<S> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { layout, weights, hh_t, x, states, d_outputs, d_states, .. } = self;
        let (gradient, first) = (self.gradient, self.first);
        let (stride, shape) = (weights.stride, weights.shape);
        let steps = x.len() / shape.input;
        let cut = blocks(stride / T::LANES, S::UNITS / 2 + 1);
        for t in (0..steps).rev() {
            let (own, next) = d_states[t * stride..(t + 2) * stride].split_at_mut(stride);
            let step = Step {
                weights: &weights,
                hh_t,
                next: &next[..shape.hidden],
                dy: &d_outputs[t * shape.output..(t + 1) * shape.output],
                state: &states[(t + 1) * stride..(t + 2) * stride],
            };
            step.run(simd, cut, own);
        }
        let dz = &d_states[..steps * stride];
        let after = &states[stride..(steps + 1) * stride];
        let [x, states] = [(x, shape.input, shape.input), (states, shape.hidden, stride)];
        let dy = (d_outputs, shape.output, shape.output);
        let part = &mut gradient[layout.range(Tensor::WeightIh)];
        add_products(simd, (part, first), x, (dz, stride));
        let part = &mut gradient[layout.range(Tensor::WeightHh)];
        add_products(simd, (part, first), states, (dz, stride));
        let part = &mut gradient[layout.range(Tensor::HeadWeight)];
        add_products(simd, (part, first), dy, (after, stride));
        add_rows(simd, (&mut gradient[layout.range(Tensor::Bias)], first), dz);
        let head_bias = &mut gradient[layout.range(Tensor::HeadBias)];
        if first {
            head_bias.fill(T::ZERO);
        }
        for dy in d_outputs.chunks_exact(shape.output) {
            head_bias.iter_mut().zip(dy).for_each(|(b, &d)| *b += d);
        }
    }
}

/// What the derivative of one step's state is made of.
struct Step<'a, T> {
    weights: &'a Weights<'a, T>,
    hh_t: &'a [T],
    next: &'a [T],
    dy: &'a [T],
    state: &'a [T],
}

impl<T: Real> Step<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, cut: Blocks, own: &mut [T]) {
        let stride = self.weights.stride;
        for (first, width) in cut {
            let from = first * T::LANES;
            let own = &mut own[from..from + width * T::LANES];
            by_width!(width <= S::UNITS / 2 + 1, G => {
                let mut dh = Vector([simd.zero::<T>(); G]);
                for (&dy, row) in self.dy.iter().zip(self.weights.head.chunks_exact(stride)) {
                    dh.add_scaled(simd.splat(dy), &load_each(simd, &row[from..]));
                }
                add_product::<T, S, G>(simd, &mut dh, self.next, self.hh_t, stride, from);
                let h = load_each::<T::Lanes<S>, G>(simd, &self.state[from..]);
                for g in 0..G {
                    let dz = self.weights.activation.times_derivative(dh.0[g], h.0[g]);
                    dz.store(&mut own[g * T::LANES..(g + 1) * T::LANES]);
                }
            });
        }
    }
}

/// `sum += Σ_t rows[t]`, or `=` if it is the `first`.
#[inline(always)]
fn add_rows<T: Real, S: Simd>(simd: S, (sum, first): (&mut [T], bool), rows: &[T]) {
    let stride = sum.len();
    for (group, sum) in sum.chunks_exact_mut(T::LANES).enumerate() {
        let mut total = simd.zero::<T>();
        for row in rows.chunks_exact(stride) {
            total = total + simd.load(&row[group * T::LANES..(group + 1) * T::LANES]);
        }
        if !first {
            total = total + simd.load(sum);
        }
        total.store(sum);
    }
}

/// `products[r] += Σ_t a[t][r] · b[t]`: `a (steps, ≥ rows)`, `b (steps, stride)`,
/// `products (rows, stride)`; `=` in place of `+=` if it is the `first`.
#[inline(always)]
fn add_products<T: Real, S: Simd>(
    simd: S,
    (products, first): (&mut [T], bool),
    (a, rows, row_len): (&[T], usize, usize),
    (b, stride): (&[T], usize),
) {
    for (top, height) in blocks(rows, S::UNITS) {
        let products = &mut products[top * stride..(top + height) * stride];
        by_width!(height <= S::UNITS, R => {
            for group in (0..stride).step_by(T::LANES) {
                let mut sums = Vector([simd.zero::<T>(); R]);
                for (a, b) in a.chunks_exact(row_len).zip(b.chunks_exact(stride)) {
                    let b = simd.load(&b[group..group + T::LANES]);
                    sums.add_scaled(b, &splat_each(simd, part(a, top)));
                }
                // Summed up from zero and then added: long sums keep their digits.
                for r in 0..R {
                    let own = &mut products[r * stride + group..][..T::LANES];
                    let sum = if first { sums.0[r] } else { simd.load(own) + sums.0[r] };
                    sum.store(own);
                }
            }
        });
    }
}

/// Sets `d_outputs`, the derivative of `scale · Σ e` by the outputs' pre-activations; returns Σ e.
pub(crate) fn d_outputs<T: Real>(
    weights: &Weights<'_, T>,
    loss: Loss,
    scale: T,
    (outputs, labels): (&[T], &[T]),
    d_outputs: &mut [T],
) -> f64 {
    let mut total = 0.0;
    for ((dy, &y), &label) in d_outputs.iter_mut().zip(outputs).zip(labels) {
        *dy = T::ZERO;
        if !label.is_nan() {
            let (value, derivative) = loss.value_and_derivative(y, label);
            total += value.to_f64();
            *dy = scale * derivative * weights.output_activation.derivative(y);
        }
    }
    total
}
