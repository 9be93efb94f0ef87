//! Weight gradients: products over all steps of a tile, and their sums over lanes.
//!
//! Every lane has a gradient of its own, so that adding a tile is vertical work; once per batch the
//! lanes are summed up. Rows of the lane-wide gradient: the bias, W_ih and W_hh input-major, and
//! W_hy row by row, each of H groups; then b_y.

use std::ops::Range;

use crate::blocks::{blocks, by_width, part};
use crate::layout::{Layout, Shape, Tensor};
use crate::matrix::{Matrix, Vector};
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};
use crate::tiles::tile::Tile;

/// Groups in a lane-wide gradient.
pub(crate) fn lane_gradient_len(shape: Shape) -> usize {
    (1 + shape.input + shape.hidden + shape.output) * shape.hidden + shape.output
}

/// Adds the gradient of a window of a tile to a lane-wide gradient; or sets it, if it is the first.
pub(crate) struct AddGradient<'a, T: Real, S: Simd> {
    pub(crate) shape: Shape,
    pub(crate) tile: &'a Tile<T, S>,
    /// The steps to add.
    pub(crate) window: Range<usize>,
    pub(crate) gradient: &'a mut [T::Lanes<S>],
    pub(crate) first: bool,
}

impl<T: Real, S: Simd> Kernel<S> for AddGradient<'_, T, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { shape, tile, window, gradient, first } = self;
        let (inputs, units, outputs) = (shape.input, shape.hidden, shape.output);
        // Each window is summed up from zero and then added: long sums keep their digits.
        let from = (simd.zero::<T>(), first);
        let (bias, rest) = gradient.split_at_mut(units);
        let (ih, rest) = rest.split_at_mut(inputs * units);
        let (hh, rest) = rest.split_at_mut(units * units);
        let (head, head_bias) = rest.split_at_mut(outputs * units);

        let part = |columns: usize| window.start * columns..window.end * columns;
        let dz = &tile.d_states[part(units)];
        let dy = &tile.d_outputs[part(outputs)];
        let after = &tile.states[units..][part(units)];
        let before = if tile.has_starts { &tile.before } else { &tile.states };
        add_rows(bias, from, dz);
        add_rows(head_bias, from, dy);
        add_products(ih, from, (&tile.x[part(inputs)], inputs), (dz, units));
        add_products(head, from, (dy, outputs), (after, units));
        // At step 0 every lane starts from h = 0.
        let skipped = if window.start == 0 { units } else { 0 };
        add_products(hh, from, (&before[part(units)][skipped..], units), (&dz[skipped..], units));
    }
}

/// `sums[c] += Σ_t rows[t][c]`, or `=` if it is the `first`.
#[inline(always)]
fn add_rows<V: Lanes>(sums: &mut [V], (zero, first): (V, bool), rows: &[V]) {
    let columns = sums.len();
    for (c, sum) in sums.iter_mut().enumerate() {
        let mut total = zero;
        for row in rows.chunks_exact(columns) {
            total = total + row[c];
        }
        *sum = if first { total } else { *sum + total };
    }
}

/// `products[r][c] += Σ_t a[t][r] · b[t][c]`: `a (steps, R)`, `b (steps, C)`, `products (R, C)`;
/// `=` if it is the `first`.
#[inline(always)]
fn add_products<V: Lanes>(
    products: &mut [V],
    (zero, first): (V, bool),
    (a, rows): (&[V], usize),
    (b, columns): (&[V], usize),
) {
    let (most_rows, most_columns) = <V::Simd as Simd>::PRODUCT;
    let cut = blocks(columns, most_columns);
    for top in (0..rows).step_by(most_rows) {
        let height = most_rows.min(rows - top);
        for (left, width) in cut {
            let block = Block { zero, first, a, rows, top, b, columns, left };
            match height {
                4 if most_rows >= 4 => {
                    by_width!(width <= <V::Simd as Simd>::PRODUCT.1, C => block.add::<4, C>(products))
                }
                2 => {
                    by_width!(width <= <V::Simd as Simd>::PRODUCT.1, C => block.add::<2, C>(products))
                }
                _ => {
                    for row in 0..height {
                        let block = Block { top: top + row, ..block };
                        by_width!(width <= <V::Simd as Simd>::PRODUCT.1, C => block.add::<1, C>(products));
                    }
                }
            }
        }
    }
}

/// Where a block of products lies in its operands.
#[derive(Clone, Copy)]
struct Block<'a, V> {
    zero: V,
    first: bool,
    a: &'a [V],
    rows: usize,
    top: usize,
    b: &'a [V],
    columns: usize,
    left: usize,
}

impl<V: Lanes> Block<'_, V> {
    #[inline(always)]
    fn add<const R: usize, const C: usize>(&self, products: &mut [V]) {
        let products = &mut products[self.top * self.columns..];
        let mut sums: Matrix<R, C, V> = Matrix([[self.zero; C]; R]);
        let steps = self.a.chunks_exact(self.rows).zip(self.b.chunks_exact(self.columns));
        for (a, b) in steps {
            sums.add_outer(&Vector(*part::<V, R>(a, self.top)), &Vector(*part(b, self.left)));
        }
        for r in 0..R {
            let own = &mut products[r * self.columns + self.left..][..C];
            for c in 0..C {
                own[c] = if self.first { sums.0[r][c] } else { own[c] + sums.0[r][c] };
            }
        }
    }
}

/// Sums a lane-wide gradient over its lanes into a gradient in the order of a layout.
pub(crate) struct ReduceGradient<'a, T: Real, V> {
    pub(crate) layout: &'a Layout,
    pub(crate) lanes: &'a [V],
    pub(crate) gradient: &'a mut [T],
}

impl<T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Kernel<S> for ReduceGradient<'_, T, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Shape { input, hidden, output } = self.layout.shape();
        let mut rest = self.lanes;
        for (tensor, rows, columns) in [
            (Tensor::Bias, 1, hidden),
            (Tensor::WeightIh, input, hidden),
            (Tensor::WeightHh, hidden, hidden),
            (Tensor::HeadWeight, output, hidden),
            (Tensor::HeadBias, 1, output),
        ] {
            let (own, others) = rest.split_at(rows * columns);
            rest = others;
            let range: Range<usize> = self.layout.range(tensor);
            let part = &mut self.gradient[range];
            let stride = part.len() / rows;
            for (own, part) in own.chunks_exact(columns).zip(part.chunks_exact_mut(stride)) {
                for (groups, sums) in own.chunks(V::LEN).zip(part.chunks_exact_mut(V::LEN)) {
                    reduce(simd, groups).store(sums);
                }
            }
        }
    }
}

/// The sum over lanes of up to [`Lanes::LEN`] groups, one in each lane of the result: the groups
/// are transposed, and halves folded as [`Lanes::reduce_add`] folds them.
#[inline(always)]
fn reduce<V: Lanes>(simd: V::Simd, groups: &[V]) -> V {
    let mut block = V::splat(simd, V::Elem::ZERO).block();
    block.as_mut()[..groups.len()].copy_from_slice(groups);
    V::transpose(&mut block);
    let rows = block.as_mut();
    let mut half = V::LEN / 2;
    while half > 0 {
        for i in 0..half {
            rows[i] = rows[i] + rows[i + half];
        }
        half /= 2;
    }
    rows[0]
}
