//! Interleaves columns into the rows of a matrix.

use crate::error::{Result, check_shape};
use crate::lanes::Real;

/// Interleaves `columns` into `out (rows, columns)`. Returns whether all numbers are finite, and
/// whether none is infinite. [`crate::Error::Shape`] if the columns differ in length.
pub fn interleave<T: Real, U: Real>(columns: &[&[T]], out: &mut [U]) -> Result<(bool, bool)> {
    /// Rows at a time: few enough to stay in a near cache while all columns are written.
    const AT_ONCE: usize = 64;
    let width = columns.len();
    let Some(rows) = out.len().checked_div(width) else { return Ok((true, true)) };
    for column in columns {
        check_shape(column.len() == rows, "column", rows, column.len())?;
    }
    let (mut finite, mut bounded) = (true, true);
    for (block, out) in out.chunks_mut(AT_ONCE * width).enumerate() {
        let first = block * AT_ONCE;
        let rows = first..first + out.len() / width;
        // Four columns at a time, so that four numbers of a row can be stored at once.
        for (group, four) in columns.chunks(4).enumerate() {
            if let [a, b, c, d] = four {
                let four = [a, b, c, d].map(|column| &column[rows.clone()]);
                interleave_columns(four, out, width, group * 4);
            } else {
                for (c, column) in four.iter().enumerate() {
                    interleave_columns([&column[rows.clone()]], out, width, group * 4 + c);
                }
            }
        }
        // No branch per number, so that several are compared at once.
        finite &= out.iter().fold(true, |finite, &x| finite & x.is_finite());
        if !finite {
            bounded &= out.iter().all(|&x| x.is_finite() || x.is_nan());
        }
    }
    Ok((finite, bounded))
}

/// Writes columns into `out`, which is `width` wide, starting at column `at`.
fn interleave_columns<T: Real, U: Real, const N: usize>(
    columns: [&[T]; N],
    out: &mut [U],
    width: usize,
    at: usize,
) {
    for (row, line) in out.chunks_exact_mut(width).enumerate() {
        let line = &mut line[at..at + N];
        for (to, column) in line.iter_mut().zip(columns) {
            *to = U::from_f64(column[row].to_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four columns that are taken together and two that are not.
    const COLUMNS: usize = 6;

    #[test]
    fn columns_are_put_side_by_side() {
        let rows = 1000;
        let columns: Vec<Vec<f64>> =
            (0..COLUMNS).map(|c| (0..rows).map(|r| (r * 7 + c) as f64).collect()).collect();
        let mut slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut out = vec![0.0f32; rows * COLUMNS];
        assert_eq!(interleave(&slices, &mut out), Ok((true, true)));
        let right = |(i, &x): (usize, &f32)| x == columns[i % COLUMNS][i / COLUMNS] as f32;
        assert!(out.iter().enumerate().all(right));
        let mut odd = columns[1].clone();
        odd[999] = f64::NAN;
        slices[1] = &odd;
        assert_eq!(interleave(&slices, &mut out), Ok((false, true)));
        let large = vec![1e300; rows];
        slices[0] = &large;
        assert_eq!(interleave(&slices, &mut out), Ok((false, false)));
        slices[0] = &large[1..];
        assert!(interleave(&slices, &mut out).is_err());
    }
}
