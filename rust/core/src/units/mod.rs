//! One sequence: a group of lanes holds many units of it. For online training and streaming.
//!
//! Rows of units are padded to whole groups; padding units have zero weights. Inputs of many steps
//! are projected at once, and so are the weight gradients; only the recurrence goes step by step,
//! in two chains (even and odd units), as it waits for each product.
//!
//! | file | what lives there |
//! |---|---|
//! | `forward.rs` | states and outputs of a window of steps |
//! | `backward.rs` | the loss, the way back, and the gradient |
//! | `trace.rs` | the buffers of one sequence |

mod backward;
mod forward;
mod trace;

pub(crate) use backward::{Backward, d_outputs};
pub(crate) use forward::Forward;
pub(crate) use trace::Trace;
