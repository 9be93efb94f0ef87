//! The calls that users of the crate make.
//!
//! | file | what lives there |
//! |---|---|
//! | `train.rs` | loss, gradient and training of a network |
//! | `epochs.rs` | [`EpochRun`]: epochs of batches, with their order and learning rates |
//! | `custom.rs` | [`BatchLoss`]: the same with a custom loss |
//! | `predict.rs` | outputs and states of a data set |
//! | `stepper.rs` | [`Stepper`]: one step at a time |
//! | `scorer/` | [`Scorer`]: events of many sequences as they arrive |
//! | `compiled.rs` | [`Compiled`]: the types for which the code behind these calls is compiled |
//! | `inference.rs`, `hidden_states.rs`, `on_engine.rs`, `steps.rs` | that code, for any instruction set |

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
