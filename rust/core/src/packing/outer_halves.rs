//! Products over steps if lanes are sequences and one factor has few columns.
//!
//! These few columns stay in the first cache for all steps. The other factor is read once, a few
//! columns at a time. Groups of two halves are summed half by half: the sums of a half take half the
//! registers, so that a block needs fewer loads for its multiply-adds.

use super::reduce::add_lane_sums;
use super::{Columns, Products, Rows};
use crate::lanes::Real;
use crate::lanes::blocks::{blocks, by_width};
use crate::lanes::matrix::Matrix;
use crate::lanes::simd::{Lanes, Simd, Strided, halves, halves_of};

/// The most columns.
pub(super) const MOST_NARROW: usize = 12;
/// The most rows of a block.
const MOST_ROWS: usize = 4;

/// [`super::outer::add_outer`] where `b` has at most [`MOST_NARROW`] columns in a part and groups
/// have two halves.
#[inline(always)]
pub(super) fn add_outer_by_halves<V: Lanes>(
    simd: V::Simd,
    a: Rows<'_, V>,
    b: Rows<'_, V>,
    mut products: Products<'_, V::Elem>,
) {
    let steps = a.groups.len() / a.stride;
    let (most_rows, most_columns) = V::Simd::HALF_OUTER;
    let Columns { parts, width: part_width } = b.columns;
    let padded = part_width.next_multiple_of(V::LEN);
    let cut = blocks(part_width, most_columns);
    // Sums beyond the columns stay 0.
    let mut sums = [[V::Half::splat(simd, V::Elem::ZERO); MOST_NARROW]; MOST_ROWS];
    for (top, height) in blocks(a.columns.len(), most_rows) {
        for part in 0..parts {
            for (left, width) in cut {
                let block = Block { a, b, steps, top, column: part * part_width + left };
                by_width!(height <= <V::Simd as Simd>::HALF_OUTER.0, R => {
                    by_width!(width <= <V::Simd as Simd>::HALF_OUTER.1, C => {
                        let own = block.sums::<R, C>(simd);
                        for r in 0..R {
                            sums[r][left..left + C].copy_from_slice(&own.0[r]);
                        }
                    })
                });
            }
            // Summed from zero and then added, to lose fewer digits in long sums.
            let Products { numbers, stride } = &mut products;
            for (r, sums) in sums[..height].iter().enumerate() {
                add_lane_sums(simd, sums, &mut numbers[(top + r) * *stride + part * padded..]);
            }
        }
    }
}

/// A block of such a product.
#[derive(Clone, Copy)]
struct Block<'a, V> {
    a: Rows<'a, V>,
    b: Rows<'a, V>,
    steps: usize,
    /// The first row and the first column.
    top: usize,
    column: usize,
}

impl<V: Lanes> Block<'_, V> {
    /// The sums over steps, the upper lanes added to the lower.
    #[inline(always)]
    fn sums<const R: usize, const C: usize>(&self, simd: V::Simd) -> Matrix<R, C, V::Half> {
        let (mut sums, upper) = (self.of_half::<R, C>(simd, 0), self.of_half::<R, C>(simd, 1));
        for r in 0..R {
            for c in 0..C {
                sums.0[r][c] = sums.0[r][c] + upper.0[r][c];
            }
        }
        sums
    }

    /// The sums over steps in the lower lanes, or in the upper ones.
    #[inline(always)]
    fn of_half<const R: usize, const C: usize>(
        &self,
        simd: V::Simd,
        half: usize,
    ) -> Matrix<R, C, V::Half> {
        let Self { a, b, steps, top, column, .. } = *self;
        let zero = V::Half::splat(simd, V::Elem::ZERO);
        let mut sums = Matrix([[zero; C]; R]);
        let a_rows = Strided::<V, R>::new(a.groups, a.first + top, a.stride, steps);
        let b_rows = Strided::<V, C>::new(b.groups, b.first + column, b.stride, steps);
        for (a, b) in a_rows.zip(b_rows) {
            let (a, b) = (halves(a), halves(b));
            // Column by column: `b` then takes one register, which leaves enough for the sums.
            for c in 0..C {
                let right = b[c * halves_of::<V>() + half];
                for r in 0..R {
                    let left = a[r * halves_of::<V>() + half];
                    sums.0[r][c] = left.fma(right, sums.0[r][c]);
                }
            }
        }
        sums
    }
}
