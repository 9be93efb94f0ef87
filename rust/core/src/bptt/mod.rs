//! Backpropagation through time (Werbos, 1990): the passes over the steps of a few sequences.
//!
//! | file | what lives there |
//! |---|---|
//! | `request.rs` | [`LossRequest`], what to compute; where the gradient is |
//! | `inputs.rs` | [`PassInputs`], what a pass reads |
//! | `trace.rs` | [`Trace`], the buffers of a pass |
//! | `spec.rs` | [`BufferSpec`], what buffers must hold |
//! | `statics.rs` | static features, given once per sequence |
//! | `starts.rs` | where lanes start sequences; the order in which a direction visits the steps |
//! | `ahead.rs` | inputs of the next sequences, prefetched |
//! | `forward.rs` | the states of one layer in one direction |
//! | `backward.rs` | their derivatives, and the gradient |
//! | `head.rs` | readout, outputs, loss |
//! | `dropout.rs` | dropout masks |
//! | `pass.rs` | [`Pass`]: layer by layer, forward and backward |
//! | `windows.rs` | long passes, window by window |
//! | `fused/` | [`Fused`]: the whole pass in one kernel, for short sequences of simple networks |
//!
//! Nothing here depends on what the lanes of a group hold; see [`crate::packing`].

mod ahead;
mod backward;
mod dropout;
mod forward;
mod fused;
mod head;
mod inputs;
mod pass;
mod request;
mod spec;
mod starts;
mod statics;
mod trace;
mod windows;

pub(crate) use dropout::{DropoutMasks, Site};
pub(crate) use fused::{Fused, FusedStep, fused_groups};
pub(crate) use inputs::{InputBuffers, InputSizes, PassInputs};
pub(crate) use pass::Pass;
pub(crate) use request::{LossRequest, Target};
pub(crate) use spec::BufferSpec;
pub(crate) use trace::Trace;
pub(crate) use windows::windows;
