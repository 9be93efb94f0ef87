//! Where lanes start sequences, and the order in which a direction visits the steps.

use std::ops::Range;

use crate::lanes::Real;
use crate::lanes::simd::Lanes;

/// Which lanes do not carry their state from step t − 1 into step t, because another sequence starts.
///
/// A lane that has run out of steps starts anew at each further step: otherwise its state would be
/// updated without an input and might overflow.
pub(crate) struct SequenceStarts<T> {
    any: bool,
    /// For each step but step 0, how many lanes start there.
    counts: Vec<u8>,
    /// For those steps, 0 in the lanes that start and 1 in the others: `(steps, lanes)`.
    carries: Vec<T>,
}

impl<T: Real> SequenceStarts<T> {
    /// No starts yet, with room for `steps` steps.
    pub(crate) fn new(steps: usize) -> Self {
        Self { any: false, counts: vec![0; steps], carries: vec![T::ONE; steps * T::LANES] }
    }

    /// The numbers in its buffers.
    pub(crate) fn size<V: Lanes>(steps: usize) -> usize {
        steps * (V::LEN + 1)
    }

    /// Removes all starts.
    pub(crate) fn clear(&mut self) {
        if self.any {
            self.counts.fill(0);
            self.carries.fill(T::ONE);
        }
        self.any = false;
    }

    /// Records that `lane` starts a sequence at step t.
    pub(crate) fn add(&mut self, t: usize, lane: usize) {
        if t > 0 {
            self.any = true;
            let carries = &mut self.carries[t * T::LANES + lane];
            self.counts[t] += u8::from(*carries != T::ZERO);
            *carries = T::ZERO;
        }
    }

    /// Whether a lane starts a sequence anywhere but at step 0.
    pub(crate) fn any(&self) -> bool {
        self.any
    }

    /// The number of lanes that start at step t.
    #[inline(always)]
    fn count(&self, t: usize) -> usize {
        if self.any { self.counts.get(t).copied().unwrap_or(0).into() } else { 0 }
    }

    /// The mask of the lanes that start at step t; `None` if none does.
    #[inline(always)]
    pub(crate) fn mask<V: Lanes<Elem = T>>(&self, simd: V::Simd, t: usize) -> Option<V::Mask> {
        if self.count(t) == 0 {
            return None;
        }
        let carries = V::load(simd, &self.carries[t * V::LEN..(t + 1) * V::LEN]);
        Some(carries.eq(V::splat(simd, T::ZERO)))
    }
}

/// The order in which one direction visits the steps: position i is step t(i).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) steps: usize,
    pub(crate) reverse: bool,
}

impl Time {
    /// The step at a position.
    #[inline(always)]
    pub(crate) fn at(self, position: usize) -> usize {
        if self.reverse { self.steps - 1 - position } else { position }
    }

    /// The steps at some positions, as a range.
    #[inline(always)]
    pub(crate) fn steps_of(self, positions: &Range<usize>) -> Range<usize> {
        if self.reverse {
            self.steps - positions.end..self.steps - positions.start
        } else {
            positions.clone()
        }
    }

    /// The mask of the lanes that do not carry their state into the step at `position`.
    #[inline(always)]
    pub(crate) fn starting<V: Lanes>(
        self,
        starts: &SequenceStarts<V::Elem>,
        simd: V::Simd,
        position: usize,
    ) -> Option<V::Mask> {
        starts.mask::<V>(simd, self.boundary(position))
    }

    /// Whether no lane carries its state into the step at `position`.
    #[inline(always)]
    pub(crate) fn all_start<T: Real>(self, starts: &SequenceStarts<T>, position: usize) -> bool {
        starts.count(self.boundary(position)) == T::LANES
    }

    /// The step whose starts matter. Read backwards, a sequence begins at its last step, one before the
    /// next sequence's first.
    #[inline(always)]
    fn boundary(self, position: usize) -> usize {
        self.at(position) + usize::from(self.reverse)
    }
}
