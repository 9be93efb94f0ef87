//! A group holds the same number of as many sequences as it has lanes: no lanes are wasted at odd
//! sizes, and there are no horizontal sums. Weights are broadcast.

use std::ops::Range;

use super::reduce::add_lane_sums;
use super::{
    Columns, Lookups, Packing, Panel, Products, Rows, RowsMut, Start, Weight, lookup_lanes, outer,
};
use crate::lanes::Real;
use crate::lanes::blocks::{blocks, by_width, part, splat_each};
use crate::lanes::matrix::{Matrix, Vector};
use crate::lanes::simd::{Lanes, Simd, Strided, fold};

/// Several sequences per group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BySequence;

impl Packing for BySequence {
    const SEVERAL: bool = true;

    #[inline(always)]
    fn groups(width: usize, _: usize) -> usize {
        width
    }

    #[inline(always)]
    fn position(_: Columns, i: usize, lane: usize, lanes: usize) -> usize {
        i * lanes + lane
    }

    #[inline(always)]
    fn multiply<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        start: Start<'_, V::Elem>,
        out: RowsMut<'_, V>,
    ) {
        let steps = a.groups.len() / a.stride;
        let Columns { parts, width: part_width } = weight.columns.joined(V::LEN);
        let (most_rows, most_columns) =
            most(part_width, V::Simd::MULTIPLY, V::Simd::NARROW_MULTIPLY);
        let cut = blocks(part_width, most_columns);
        let padded = part_width.next_multiple_of(V::LEN);
        let mut out = out;
        // Few enough steps that their inputs stay in the first cache go through one block of weights at
        // a time.
        let at_once = (NEAR / a.columns.len().max(1)).max(most_rows) / most_rows * most_rows;
        for first in (0..steps).step_by(at_once) {
            let rows = first..steps.min(first + at_once);
            for gate in 0..parts {
                for (left, width) in cut {
                    let (column, to) = (gate * padded + left, gate * part_width + left);
                    let block = Multiply { a, weight, start, column, to };
                    by_width!(width <= <V::Simd as Simd>::NARROW_MULTIPLY.1, C => {
                        block.set_rows::<C>(simd, rows.clone(), most_rows, &mut out)
                    });
                }
            }
        }
    }

    #[inline(always)]
    fn add_product<V: Lanes>(
        simd: V::Simd,
        a: &[V],
        _: Columns,
        weight: Weight<'_, V::Elem>,
        out: &mut [V],
    ) {
        // Panels are cut part by part.
        let joined = weight.columns.joined(V::LEN);
        let columns = if weight.panel.is_some() { weight.columns } else { joined };
        let Columns { parts, width: units } = columns;
        let cut = blocks(units, <V::Simd as Simd>::CHAIN_PAIRS);
        let padded = units.next_multiple_of(V::LEN);
        for gate in 0..parts {
            for (first, width) in cut {
                let out = &mut out[gate * units + first..][..width];
                let (rows, stride) = match weight.panel {
                    Some(Panel { numbers, rows, first: row }) => {
                        (&numbers[(gate * units + first) * rows + row * width..], width)
                    }
                    None => (&weight.rows[gate * padded + first..], weight.stride),
                };
                by_width!(width <= <V::Simd as Simd>::CHAIN_PAIRS, J => add_block::<V, J>(simd, a, rows, stride, out));
            }
        }
    }

    #[inline(always)]
    fn add_outer<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        b: Rows<'_, V>,
        products: Products<'_, V::Elem>,
        scratch: &mut [V],
    ) {
        outer::add_outer(simd, a, b, products, scratch);
    }

    #[inline(always)]
    fn add_lookups<V: Lanes>(
        simd: V::Simd,
        lookups: Lookups<'_, V>,
        weight: Weight<'_, V::Elem>,
        out: RowsMut<'_, V>,
    ) {
        lookup_lanes::add_lookups(simd, lookups, weight, out);
    }

    #[inline(always)]
    fn add_at_lookups<V: Lanes>(
        simd: V::Simd,
        lookups: Lookups<'_, V>,
        b: Rows<'_, V>,
        products: Products<'_, V::Elem>,
    ) {
        lookup_lanes::add_at_lookups(simd, lookups, b, products);
    }

    /// Adds products in the order in which [`Lanes::reduce_add`] adds lanes: units a group apart in
    /// sequence, then one half to the other.
    #[inline(always)]
    fn read_out<V: Lanes>(
        simd: V::Simd,
        state: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        bias: &[V::Elem],
        logits: &mut [V],
    ) {
        let Columns { parts, width } = state.columns;
        let padded = width.next_multiple_of(V::LEN);
        for (logits, state_row) in logits.chunks_mut(bias.len()).zip(state.each()) {
            for (l, logit) in logits.iter_mut().enumerate() {
                let mut block = V::splat(simd, V::Elem::ZERO).block();
                let sums = block.as_mut();
                for p in 0..parts {
                    let own = &state_row[state.first + p * width..][..width];
                    let row = &weight.rows[l * weight.stride + p * padded..][..padded];
                    for (own, row) in own.chunks(V::LEN).zip(row.chunks_exact(V::LEN)) {
                        // A loop over a fixed number of sums, so that these stay in registers.
                        for i in 0..V::LEN {
                            if i < own.len() {
                                sums[i] = own[i].fma(V::splat(simd, row[i]), sums[i]);
                            }
                        }
                    }
                }
                *logit = fold(sums) + V::splat(simd, bias[l]);
            }
        }
    }

    #[inline(always)]
    fn add_output_sums<V: Lanes>(simd: V::Simd, rows: &[V], outputs: usize, sums: &mut [V::Elem]) {
        // In the gradient, the outputs are contiguous.
        let columns = Columns::new(1, outputs);
        let rows = Rows { groups: rows, stride: outputs, first: 0, columns };
        super::add_sums::<Self, V>(simd, rows, sums);
    }

    #[inline(always)]
    fn add_to_row<V: Lanes, const N: usize>(
        simd: V::Simd,
        groups: &[V; N],
        columns: Columns,
        first: usize,
        row: &mut [V::Elem],
    ) {
        let Columns { width, .. } = columns.joined(V::LEN);
        let (part, left) = (first / width, first % width);
        let to = part * width.next_multiple_of(V::LEN) + left;
        if left + N <= width {
            return add_lane_sums(simd, groups, &mut row[to..]);
        }
        // They span more than one part.
        for (c, group) in groups.iter().enumerate() {
            let (part, left) = ((first + c) / width, (first + c) % width);
            let to = part * width.next_multiple_of(V::LEN) + left;
            add_lane_sums(simd, std::array::from_ref(group), &mut row[to..]);
        }
    }

    #[inline(always)]
    fn spread<V: Lanes>(simd: V::Simd, padded: &[V::Elem], row: &mut [V]) {
        for (group, &number) in row.iter_mut().zip(padded) {
            *group = V::splat(simd, number);
        }
    }

    #[inline(always)]
    fn clear_padding<V: Lanes>(_: V::Simd, _: &mut [V], _: usize) {}
}

/// Rows and columns of a block, for a product of `columns` columns.
#[inline(always)]
fn most(columns: usize, wide: (usize, usize), narrow: (usize, usize)) -> (usize, usize) {
    if columns <= narrow.1 { narrow } else { wide }
}

/// Groups of the input rows of a product that stay in the first cache.
const NEAR: usize = 256;

/// Some columns of a product by weights.
#[derive(Clone, Copy)]
struct Multiply<'a, V: Lanes> {
    a: Rows<'a, V>,
    weight: Weight<'a, V::Elem>,
    start: Start<'a, V::Elem>,
    /// The first column within a row of the weights, and within a row of the result.
    column: usize,
    to: usize,
}

impl<T: Real, V: Lanes<Elem = T>> Multiply<'_, V> {
    /// C columns of some rows, `most` rows at a time.
    #[inline(always)]
    fn set_rows<const C: usize>(
        &self,
        simd: V::Simd,
        rows: Range<usize>,
        most: usize,
        out: &mut RowsMut<'_, V>,
    ) {
        let mut top = rows.start;
        if <V::Simd as Simd>::MULTIPLY.0 >= 4 && C <= <V::Simd as Simd>::MULTIPLY.1 && most == 4 {
            while top + 4 <= rows.end {
                self.set::<4, C>(simd, top, out);
                top += 4;
            }
        }
        if <V::Simd as Simd>::MULTIPLY.0 >= 2 && most == 2 {
            while top + 2 <= rows.end {
                self.set::<2, C>(simd, top, out);
                top += 2;
            }
        }
        while top < rows.end {
            self.set::<1, C>(simd, top, out);
            top += 1;
        }
    }

    #[inline(always)]
    fn set<const R: usize, const C: usize>(
        &self,
        simd: V::Simd,
        top: usize,
        out: &mut RowsMut<'_, V>,
    ) {
        let Self { a, weight, .. } = *self;
        let inner = a.columns.len();
        let mut rows: [&[V]; R] = [&[]; R];
        let mut sums: Matrix<R, C, V> = Matrix([[V::splat(simd, T::ZERO); C]; R]);
        for r in 0..R {
            rows[r] = &a.groups[(top + r) * a.stride + a.first..][..inner];
            match self.start {
                Start::Zero => {}
                Start::Bias(bias) => {
                    sums.0[r] = splat_each::<V, C>(simd, part(bias, self.column)).0
                }
                Start::Present => {
                    let from = (top + r) * out.stride + out.first + self.to;
                    sums.0[r] = *part(out.groups, from);
                }
            }
        }
        let weights = Strided::<T, C>::new(weight.rows, self.column, weight.stride, inner);
        for (k, row) in weights.enumerate() {
            let mut column = Vector([rows[0][k]; R]);
            for r in 1..R {
                column.0[r] = rows[r][k];
            }
            sums.add_outer(&column, &splat_each::<V, C>(simd, row));
        }
        for r in 0..R {
            let to = (top + r) * out.stride + out.first + self.to;
            out.groups[to..to + C].copy_from_slice(&sums.0[r]);
        }
    }
}

/// `out += W a` for J columns: one sum for the even numbers of `a`, one for the odd.
#[inline(always)]
fn add_block<V: Lanes, const J: usize>(
    simd: V::Simd,
    a: &[V],
    rows: &[V::Elem],
    stride: usize,
    out: &mut [V],
) {
    let mut even: Vector<J, V> = Vector(*part(out, 0));
    let mut odd = Vector([V::splat(simd, V::Elem::ZERO); J]);
    let (pairs, last) = a.as_chunks::<2>();
    let even_rows = Strided::<V::Elem, J>::new(rows, 0, 2 * stride, pairs.len());
    let odd_rows =
        Strided::<V::Elem, J>::new(rows, stride.min(rows.len()), 2 * stride, pairs.len());
    for ((&[a, b], even_row), odd_row) in pairs.iter().zip(even_rows).zip(odd_rows) {
        even.add_scaled(a, &splat_each(simd, even_row));
        odd.add_scaled(b, &splat_each(simd, odd_row));
    }
    if let &[a] = last {
        even.add_scaled(a, &splat_each(simd, part(rows, 2 * pairs.len() * stride)));
    }
    for j in 0..J {
        out[j] = even.0[j] + odd.0[j];
    }
}
