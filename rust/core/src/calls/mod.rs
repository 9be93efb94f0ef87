//! What a user of the crate calls.
//!
//! | file | what lives there |
//! |---|---|
//! | `train.rs` | loss, gradient and training of a network |
//! | `epochs.rs` | [`EpochRun`]: epochs of batches, with their order and learning rates |
//! | `custom.rs` | [`BatchLoss`]: the same by a loss that is computed outside |
//! | `predict.rs` | outputs and states of a data set |
//! | `stepper.rs` | [`Stepper`]: one step at a time |
//! | `scorer/` | [`Scorer`]: events of many sequences as they come |
//! | `compiled.rs` | [`Compiled`]: the types that the work of these calls is compiled for |
//! | `inference.rs`, `hidden_states.rs`, `on_engine.rs`, `steps.rs` | that work, for any instruction set |

mod compiled;
mod custom;
mod epochs;
mod hidden_states;
mod inference;
mod on_engine;
mod predict;
mod scorer;
mod stepper;
mod steps;
mod train;

pub use compiled::Compiled;
pub use custom::BatchLoss;
pub use epochs::{EpochRecord, EpochRun};
pub use scorer::{HashedKey, Key, KeyHasher, Limits, Scorer, ScorerCopy};
pub use stepper::Stepper;
