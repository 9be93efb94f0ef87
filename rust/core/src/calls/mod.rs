//! What a user of the crate calls.
//!
//! | file | what lives there |
//! |---|---|
//! | `train.rs` | loss, gradient and training of a network |
//! | `epochs.rs` | [`EpochRun`]: epochs of batches, with their order and learning rates |
//! | `custom.rs` | [`BatchLoss`]: the same by a loss that is computed outside |
//! | `predict.rs` | outputs and states of a data set |
//! | `stepper.rs` | [`Stepper`]: one step at a time |

mod custom;
mod epochs;
mod predict;
mod stepper;
mod train;

pub use custom::BatchLoss;
pub use epochs::{EpochRecord, EpochRun};
pub use stepper::Stepper;
