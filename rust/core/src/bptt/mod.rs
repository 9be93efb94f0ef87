//! Backpropagation through time (Werbos, 1990): the passes over the steps of a few sequences.
//!
//! | file | what lives there |
//! |---|---|
//! | `model.rs` | [`Model`], where the weights lie; [`Aim`], what is asked for |
//! | `trace.rs` | [`Trace`], the buffers of a pass |
//! | `starts.rs` | where lanes start sequences, and the order of time of a direction |
//! | `forward.rs` | one layer and direction: states |
//! | `backward.rs` | the same: the way back, and the gradient |
//! | `head.rs` | readout, outputs, loss |
//! | `dropout.rs` | masks |
//! | `pass.rs` | [`Pass`]: layer by layer, forward and back |
//! | `online/` | [`Online`]: all of it in one go, for short sequences of simple networks |
//!
//! Nothing here knows what the lanes of a group are; see [`crate::packing`].

mod backward;
mod dropout;
mod forward;
mod head;
mod model;
mod online;
mod pass;
mod starts;
mod trace;

pub(crate) use dropout::{Masks, Site};
pub use head::Readout;
pub(crate) use model::{Aim, Model};
pub(crate) use online::{OneStep, Online, groups};
pub(crate) use pass::{Pass, window};
pub(crate) use trace::{Purpose, Trace};
