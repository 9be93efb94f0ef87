//! `Aligned`: a buffer that starts at a cache line, so that no group of lanes straddles two.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line, and of a group.
const LINE: usize = 64;

/// A fixed number of numbers at an address that is a multiple of 64.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    buffer: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Clone + Default> Aligned<T> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let buffer = vec![T::default(); len + LINE / size_of::<T>()];
        // Miri and exotic targets may give no offset; alignment only affects speed.
        let start = buffer.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        Self { buffer, start, len }
    }
}

impl<T: Clone + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.clone_from_slice(self);
        copy
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}
