//! Prefetching of the inputs that are likely to be needed next, a few cache lines at each step.

use crate::lanes::Real;
use crate::lanes::simd::{Lanes, Simd};

/// What remains to be prefetched.
pub(super) struct Ahead<'a, T> {
    sequences: &'a [&'a [T]],
    /// How many numbers of the first sequence have been prefetched.
    done: usize,
    /// Cache lines to prefetch per step: all at once would queue up before what is needed now.
    lines: usize,
}

impl<'a, T: Real> Ahead<'a, T> {
    /// The rows of `sequences`, spread over `steps` steps.
    pub(super) fn new<V: Lanes<Elem = T>>(sequences: &'a [&'a [T]], steps: usize) -> Self {
        let lines: usize = sequences.iter().map(|rows| rows.len().div_ceil(V::LEN)).sum();
        Self { sequences, done: 0, lines: lines.div_ceil(steps.max(1)) }
    }

    /// Prefetches one step's share. A group is as long as a cache line.
    #[inline(always)]
    pub(super) fn prefetch<V: Lanes<Elem = T>>(&mut self, simd: V::Simd) {
        let mut wanted = self.lines * V::LEN;
        while wanted > 0
            && let Some((first, others)) = self.sequences.split_first()
        {
            let rest = &first[self.done..];
            let now = &rest[..wanted.min(rest.len())];
            let lines = now.chunks_exact(V::LEN);
            if let Some(last) = lines.remainder().first() {
                simd.prefetch(last);
            }
            for line in lines {
                simd.prefetch(&line[0]);
            }
            wanted -= now.len().next_multiple_of(V::LEN);
            self.done += now.len();
            if now.len() == rest.len() {
                (self.sequences, self.done) = (others, 0);
            }
        }
    }
}
