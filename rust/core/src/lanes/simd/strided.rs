//! `Strided`: the same columns of consecutive rows, with bounds checked once.
//!
//! The innermost loops of the products do a dozen multiply-adds per row. Slicing a row out of its
//! matrix and a block out of the row, with a check for each, takes as many instructions again.
#![allow(unsafe_code)]

use std::marker::PhantomData;

/// `N` numbers or groups of each row of a matrix.
pub(crate) struct Strided<'a, T, const N: usize> {
    next: *const T,
    stride: usize,
    left: usize,
    matrix: PhantomData<&'a [T]>,
}

impl<'a, T, const N: usize> Strided<'a, T, N> {
    /// The columns starting at `first` of `rows` rows, which are `stride` long; panics if they are not
    /// within the matrix.
    #[inline(always)]
    pub(crate) fn new(matrix: &'a [T], first: usize, stride: usize, rows: usize) -> Self {
        let last = rows.saturating_sub(1).checked_mul(stride);
        let end = last.and_then(|at| at.checked_add(first)?.checked_add(N));
        assert!(rows == 0 || end.is_some_and(|end| end <= matrix.len()), "rows beyond the matrix");
        let next = matrix.as_ptr().wrapping_add(first);
        Self { next, stride, left: rows, matrix: PhantomData }
    }
}

impl<'a, T, const N: usize> Iterator for Strided<'a, T, N> {
    type Item = &'a [T; N];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [T; N]> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        // SAFETY: `new` has checked that the block of every remaining row is within the matrix, so its
        // address is not null. The hint avoids a comparison with null, which is how an `Option` of a
        // reference encodes `None`.
        let block = unsafe {
            std::hint::assert_unchecked(!self.next.is_null());
            &*self.next.cast::<[T; N]>()
        };
        self.next = self.next.wrapping_add(self.stride);
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::Strided;

    #[test]
    fn blocks_are_those_of_each_row() {
        let matrix: Vec<u32> = (0..12).collect();
        let blocks: Vec<_> = Strided::<_, 2>::new(&matrix, 1, 4, 3).copied().collect();
        assert_eq!(blocks, [[1, 2], [5, 6], [9, 10]]);
        assert_eq!(Strided::<_, 2>::new(&matrix, 2, 4, 3).last(), Some(&[10, 11]));
        assert_eq!(Strided::<_, 2>::new(&matrix, 20, 4, 0).count(), 0);
    }

    #[test]
    #[should_panic(expected = "rows beyond the matrix")]
    fn a_block_beyond_the_last_row_is_refused() {
        let _ = Strided::<_, 2>::new(&[0; 12], 3, 4, 3);
    }

    #[test]
    #[should_panic(expected = "rows beyond the matrix")]
    fn so_many_rows_that_their_places_overflow_are_refused() {
        let _ = Strided::<_, 1>::new(&[0; 12], 0, usize::MAX / 2, 4);
    }

    #[test]
    #[should_panic(expected = "rows beyond the matrix")]
    fn a_first_column_so_large_that_its_place_overflows_is_refused() {
        let _ = Strided::<_, 2>::new(&[0; 12], usize::MAX, 4, 1);
    }
}
