//! States between the windows of truncated backpropagation.

use std::sync::{Mutex, PoisonError};

use crate::bptt::Trace;
use crate::data::Segment;
use crate::lanes::Real;
use crate::lanes::simd::Lanes;
use crate::packing::Packing;
use crate::weights::Layout;

/// The states of a batch's sequences between two windows of their steps: by position in the batch, then
/// layer, h and c.
pub(crate) struct CarriedStates<T> {
    states: Mutex<Vec<T>>,
    row: usize,
}

impl<T: Real> CarriedStates<T> {
    /// For batches of `batch_size` sequences.
    pub(crate) fn new(layout: &Layout, batch_size: usize) -> Self {
        let row = Self::row(layout);
        Self { states: Mutex::new(vec![T::ZERO; batch_size * row]), row }
    }

    /// The size of one sequence's states.
    pub(crate) fn row(layout: &Layout) -> usize {
        2 * layout.config().layers * layout.config().shape.hidden
    }

    /// Sets the states that segments start from.
    pub(super) fn load<P: Packing, V: Lanes<Elem = T>>(
        &self,
        trace: &mut Trace<V>,
        hidden: usize,
        segments: impl Iterator<Item = (usize, Segment)>,
    ) {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for (lane, segment) in segments {
            let row = &states[segment.position as usize * self.row..][..self.row];
            for (layer, row) in trace.layers.iter_mut().zip(row.chunks_exact(2 * hidden)) {
                layer.directions[0].set_initial::<P>(lane, row.split_at(hidden));
            }
        }
    }

    /// Keeps the states after the last steps of segments.
    pub(super) fn keep<P: Packing, V: Lanes<Elem = T>>(
        &self,
        trace: &Trace<V>,
        hidden: usize,
        segments: impl Iterator<Item = (usize, Segment)>,
    ) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for (lane, segment) in segments {
            let last = (segment.start + segment.steps - 1) as usize;
            let row = &mut states[segment.position as usize * self.row..][..self.row];
            for (layer, row) in trace.layers.iter().zip(row.chunks_exact_mut(2 * hidden)) {
                layer.state_at::<P>(0, last, lane, row.split_at_mut(hidden));
            }
        }
    }
}
