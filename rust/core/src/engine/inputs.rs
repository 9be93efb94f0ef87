//! What batches are computed from.

use super::carry::CarriedStates;
use crate::data::Sequences;
use crate::weights::NetworkView;

/// The network and the data that a batch is computed from.
#[derive(Clone, Copy)]
pub(crate) struct BatchInputs<'a, T> {
    pub(crate) network: NetworkView<'a, T>,
    pub(crate) data: &'a Sequences<'a, T>,
    /// Sequences that are likely to come next.
    pub(crate) upcoming: &'a [u32],
    /// States that are carried from window to window, if that is done; and whether this is the
    /// first window.
    pub(crate) carried: Option<(&'a CarriedStates<T>, bool)>,
}
