//! The weights of a network.
//!
//! | file | what lives there |
//! |---|---|
//! | `layout.rs` | [`Layout`]: where each tensor is in one flat buffer |
//! | `init.rs` | [`Init`]: initial values |
//! | `panels.rs` | recurrent weights in the order in which steps multiply by them |
//! | `transposed.rs` | transposed weights, for the backward pass |
//! | `view.rs` | the weights in the form that products take |
//! | `network.rs` | [`Network`]: an architecture and its weights |

mod init;
mod layout;
mod network;
mod panels;
mod transposed;
mod view;

pub use init::Init;
pub use layout::{Layout, Role, Tensor};
pub use network::Network;
pub(crate) use panels::Panels;
pub(crate) use transposed::Transposed;
pub(crate) use view::NetworkView;
