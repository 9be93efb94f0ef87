//! Products over steps if lanes are sequences: the gradients of weights.
//!
//! A block of the product stays in registers over all steps, and is then summed over its lanes.

use super::outer_halves::{MOST_NARROW, add_outer_by_halves};
use super::reduce::add_lane_sums;
use super::{Columns, MOST_LANES, Products, Rows};
use crate::lanes::Real;
use crate::lanes::blocks::{blocks, by_width};
use crate::lanes::matrix::{Matrix, Vector};
use crate::lanes::simd::{Lanes, Simd, Strided, halves_of};

/// The most groups of one factor that are multiplied by all columns of the other before going on: they
/// stay in a near cache (the second level has 256 KB or more).
const PANEL: usize = 128 * 1024 / size_of::<[f32; MOST_LANES]>();

/// Groups of scratch that [`add_outer`] needs to copy a panel, for at most `steps` steps.
pub(crate) fn copies(steps: usize) -> usize {
    // Room for at least 4 rows.
    PANEL.max(4 * steps)
}

/// Adds the products of the columns of `a` by those of `b`, summed over steps and lanes.
///
/// A block of the product reads a few columns of every step, and steps are far apart in memory. The
/// columns of `b` serve many blocks from the first cache; those of `a` are read again for each block of
/// `b`, and are first copied to be contiguous if `scratch` has room for [`copies`].
#[inline(always)]
pub(super) fn add_outer<V: Lanes>(
    simd: V::Simd,
    a: Rows<'_, V>,
    b: Rows<'_, V>,
    mut products: Products<'_, V::Elem>,
    scratch: &mut [V],
) {
    let (rows, steps) = (a.columns.len(), a.groups.len() / a.stride);
    if halves_of::<V>() == 2 && b.columns.width <= MOST_NARROW {
        return add_outer_by_halves(simd, a, b, products);
    }
    let narrow = b.columns.width <= V::Simd::NARROW_OUTER.1;
    let (most_rows, most_columns) = if narrow { V::Simd::NARROW_OUTER } else { V::Simd::OUTER };
    let large = rows * b.columns.len() >= V::Simd::OUTER_COPIED;
    let copied = large && scratch.len() >= copies(steps);
    let Columns { parts, width: part_width } = b.columns.joined(V::LEN);
    let padded = part_width.next_multiple_of(V::LEN);
    let b = Factor::of(b);
    let panel = (PANEL / steps.max(1)).max(4) / 4 * 4;
    for first in (0..rows).step_by(panel) {
        let end = rows.min(first + panel);
        let a = if copied {
            Factor::copied(a, (first, end), row_blocks(most_rows), scratch)
        } else {
            Factor::of(a)
        };
        for part in 0..parts {
            for (left, width) in blocks(part_width, most_columns) {
                let from = part * part_width + left;
                let to = part * padded + left;
                let outer = Outer { a, b, steps, rows: (first, end), left: from, to };
                if narrow {
                    by_width!(width <= <V::Simd as Simd>::NARROW_OUTER.1, C => outer.add_rows::<C>(simd, V::Simd::NARROW_OUTER.0, &mut products));
                } else {
                    by_width!(width <= <V::Simd as Simd>::OUTER.1, C => outer.add_rows::<C>(simd, V::Simd::OUTER.0, &mut products));
                }
            }
        }
    }
}

/// Rows taken at once, if `most` rows of sums stay in registers.
#[inline(always)]
const fn row_blocks(most: usize) -> usize {
    if most >= 4 {
        4
    } else if most >= 2 {
        2
    } else {
        1
    }
}

/// A factor: the groups of a column, step by step.
#[derive(Clone, Copy)]
struct Factor<'a, V> {
    groups: &'a [V],
    /// In a copy, the first column copied; otherwise, where the first column starts.
    first: usize,
    /// From one step to the next; `None` in a copy, where the columns of a block are contiguous, step
    /// after step.
    stride: Option<usize>,
}

impl<'a, V: Lanes> Factor<'a, V> {
    /// All columns, in place.
    #[inline(always)]
    fn of(rows: Rows<'a, V>) -> Self {
        Self { groups: rows.groups, first: rows.first, stride: Some(rows.stride) }
    }

    /// Copies the columns from `first` to `end`, in blocks of `most`, and the rest one by one.
    #[inline(always)]
    fn copied(
        rows: Rows<'_, V>,
        (first, end): (usize, usize),
        most: usize,
        to: &'a mut [V],
    ) -> Self {
        let (mut column, mut filled) = (first, 0);
        while column < end {
            let width = if column + most <= end { most } else { 1 };
            for row in rows.each() {
                let own = &row[rows.first + column..][..width];
                for (to, &group) in to[filled..filled + width].iter_mut().zip(own) {
                    *to = group;
                }
                filled += width;
            }
            column += width;
        }
        Self { groups: to, first, stride: None }
    }

    /// The `N` columns starting at `column`, which are one block if this is a copy.
    #[inline(always)]
    fn block<const N: usize>(&self, column: usize, steps: usize) -> Strided<'a, V, N> {
        match self.stride {
            Some(stride) => Strided::new(self.groups, self.first + column, stride, steps),
            None => Strided::new(self.groups, (column - self.first) * steps, N, steps),
        }
    }
}

/// Some columns of a product over steps, for some of its rows.
#[derive(Clone, Copy)]
struct Outer<'a, V> {
    a: Factor<'a, V>,
    b: Factor<'a, V>,
    steps: usize,
    /// The first row and the end.
    rows: (usize, usize),
    left: usize,
    /// The first column within a row of the products.
    to: usize,
}

impl<V: Lanes> Outer<'_, V> {
    /// Adds all rows, in blocks as large as `most` allows.
    #[inline(always)]
    fn add_rows<const C: usize>(
        &self,
        simd: V::Simd,
        most: usize,
        products: &mut Products<'_, V::Elem>,
    ) {
        let (mut top, end) = self.rows;
        match row_blocks(most) {
            4 => {
                while top + 4 <= end {
                    self.add::<4, C>(simd, top, products);
                    top += 4;
                }
            }
            2 => {
                while top + 2 <= end {
                    self.add::<2, C>(simd, top, products);
                    top += 2;
                }
            }
            _ => {}
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
        for (a_row, b_row) in a.block::<R>(top, steps).zip(b.block::<C>(left, steps)) {
            sums.add_outer(&Vector(*a_row), &Vector(*b_row));
        }
        // Summed from zero and then added, to lose fewer digits in long sums.
        let Products { numbers, stride } = products;
        for r in 0..R {
            add_lane_sums(simd, &sums.0[r], &mut numbers[(top + r) * *stride + to..]);
        }
    }
}
