//! Many sequences: a group of lanes holds the same unit of as many sequences as it has lanes.
//!
//! A *tile* is a few steps of that: every row (an input, a unit, an output, at one step) is one
//! group. There are no horizontal sums and nothing is wasted at odd sizes. A lane may carry
//! several sequences one after the other (`plan.rs`), so that ragged lengths cost what they hold.
//!
//! | file | what lives there |
//! |---|---|
//! | `plan.rs` | which sequence goes into which lane |
//! | `tile.rs` | the buffers of a tile, and where lanes start sequences |
//! | `stream.rs` | rows of sequences into groups of lanes and back, by transposition |
//! | `forward.rs` | states and outputs |
//! | `backward.rs` | the loss and the way back through time |
//! | `gradient.rs` | products over all steps of a tile, and their sums over lanes |

mod backward;
mod forward;
mod gradient;
pub(crate) mod plan;
mod stream;
mod tile;

pub(crate) use backward::{Backward, DOutputs};
pub(crate) use forward::Forward;
pub(crate) use gradient::{AddGradient, ReduceGradient, lane_gradient_len};
pub(crate) use stream::{MOST_LANES, gather, scatter};
pub(crate) use tile::Tile;
