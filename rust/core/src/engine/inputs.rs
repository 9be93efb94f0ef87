//! What batches are computed from.

use super::carry::CarriedStates;
use crate::bptt::Trace;
use crate::data::{Segment, Sequences};
use crate::lanes::Real;
use crate::lanes::simd::Lanes;
use crate::packing::Packing;
use crate::weights::NetworkView;

/// The network and the data that a batch is computed from.
#[derive(Clone, Copy)]
pub(crate) struct BatchInputs<'a, T> {
    pub(crate) network: NetworkView<'a, T>,
    pub(crate) data: &'a Sequences<'a, T>,
    /// Sequences that are likely to come next.
    pub(crate) upcoming: &'a [u32],
    /// Whether one thread computes the whole batch, so that it knows what comes next.
    pub(crate) alone: bool,
    /// States carried from window to window, if they are; and whether this is the first window.
    pub(crate) carried: Option<(&'a CarriedStates<T>, bool)>,
}

/// Sets the states that the segments in a trace start from: those that the previous window left, or
/// those of the data. Otherwise leaves the trace alone: it starts from 0 unless it continues a pass.
pub(super) fn load_states<'a, P: Packing, T: Real, V: Lanes<Elem = T>>(
    inputs: &BatchInputs<'a, T>,
    trace: &mut Trace<V>,
    segments: impl Iterator<Item = (usize, Segment)>,
) {
    let config = inputs.network.config;
    match inputs.carried {
        Some((states, false)) => {
            trace.set_carried(true);
            states.load::<P, _>(trace, config.shape.hidden, segments);
        }
        _ if inputs.data.has_initial_states() => {
            trace.set_carried(true);
            for (lane, segment) in segments {
                let state = inputs.data.initial_state(segment.sequence as usize);
                let rows = state.chunks_exact(config.state_width());
                let directions = trace.layers.iter_mut().flat_map(|layer| &mut layer.directions);
                for (direction, row) in directions.zip(rows) {
                    direction.set_initial::<P>(lane, row.split_at(config.shape.hidden));
                }
            }
        }
        Some((_, true)) => trace.set_carried(false),
        None => {}
    }
}
