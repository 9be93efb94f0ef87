//! Products over steps, whose lanes are sequences: the gradients of weights.
//!
//! A block of the product stays in registers over all steps, and is then summed up over its lanes.

use super::reduce::add_lane_sums;
use super::{Columns, Products, Rows};
use crate::lanes::Real;
use crate::lanes::blocks::{blocks, by_width};
use crate::lanes::matrix::{Matrix, Vector};
use crate::lanes::simd::{Lanes, Simd, Strided};

/// Bytes of one factor of a product over steps, at most, that all columns of the other meet before the
/// next: so many stay in a near cache (the second level has 256 KB or more).
const PANEL: usize = 128 * 1024;

/// Adds the products of the columns of `a` by those of `b`, summed up over steps and lanes.
#[inline(always)]
pub(super) fn add_outer<V: Lanes>(
    simd: V::Simd,
    a: Rows<'_, V>,
    b: Rows<'_, V>,
    mut products: Products<'_, V::Elem>,
) {
    let (rows, steps) = (a.columns.len(), a.groups.len() / a.stride);
    let narrow = b.columns.width <= V::Simd::NARROW_OUTER.1;
    let most_columns = if narrow { V::Simd::NARROW_OUTER.1 } else { V::Simd::OUTER.1 };
    let Columns { parts, width: part_width } = b.columns.joined(V::LEN);
    let padded = part_width.next_multiple_of(V::LEN);
    let panel = (PANEL / (size_of::<V>() * steps.max(1))).max(4) / 4 * 4;
    for first in (0..rows).step_by(panel) {
        for part in 0..parts {
            for (left, width) in blocks(part_width, most_columns) {
                let outer = Outer {
                    a,
                    b,
                    steps,
                    rows: (first, rows.min(first + panel)),
                    left: part * part_width + left,
                    to: part * padded + left,
                };
                if narrow {
                    by_width!(width <= <V::Simd as Simd>::NARROW_OUTER.1, C => outer.add_rows::<C>(simd, V::Simd::NARROW_OUTER.0, &mut products));
                } else {
                    by_width!(width <= <V::Simd as Simd>::OUTER.1, C => outer.add_rows::<C>(simd, V::Simd::OUTER.0, &mut products));
                }
            }
        }
    }
}

/// Some columns of a product over steps, in some of its rows.
#[derive(Clone, Copy)]
struct Outer<'a, V> {
    a: Rows<'a, V>,
    b: Rows<'a, V>,
    steps: usize,
    /// First and end.
    rows: (usize, usize),
    left: usize,
    /// The first column in a row of the products.
    to: usize,
}

impl<V: Lanes> Outer<'_, V> {
    /// As many rows at once as can be, `most` of them where it is so many.
    #[inline(always)]
    fn add_rows<const C: usize>(
        &self,
        simd: V::Simd,
        most: usize,
        products: &mut Products<'_, V::Elem>,
    ) {
        let (mut top, end) = self.rows;
        if most >= 4 {
            while top + 4 <= end {
                self.add::<4, C>(simd, top, products);
                top += 4;
            }
        } else if most >= 2 {
            while top + 2 <= end {
                self.add::<2, C>(simd, top, products);
                top += 2;
            }
        }
        while top < end {
            self.add::<1, C>(simd, top, products);
            top += 1;
        }
    }

    #[inline(always)]
    fn add<const R: usize, const C: usize>(
        &self,
        simd: V::Simd,
        top: usize,
        products: &mut Products<'_, V::Elem>,
    ) {
        let Self { a, b, steps, left, to, .. } = *self;
        let mut sums: Matrix<R, C, V> = Matrix([[V::splat(simd, V::Elem::ZERO); C]; R]);
        let a_rows = Strided::<V, R>::new(a.groups, a.first + top, a.stride, steps);
        let b_rows = Strided::<V, C>::new(b.groups, b.first + left, b.stride, steps);
        for (a_row, b_row) in a_rows.zip(b_rows) {
            sums.add_outer(&Vector(*a_row), &Vector(*b_row));
        }
        // Summed up from zero and then added: long sums keep their digits.
        let Products { numbers, stride } = products;
        for r in 0..R {
            add_lane_sums(simd, &sums.0[r], &mut numbers[(top + r) * *stride + to..]);
        }
    }
}
