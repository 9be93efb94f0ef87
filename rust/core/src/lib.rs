//! Small recurrent networks on the CPU, trained by backpropagation through time.
//!
//! # Notation
//!
//! | symbol | meaning | where |
//! |---|---|---|
//! | N, S | rows (timesteps) and sequences of a data set | [`data`] |
//! | T, t | timesteps of a sequence, one of them | [`data`] |
//! | I (F), H, L | features, hidden units, outputs | [`layout`] |
//! | x_t, h_t, y_t | input `(I,)`, state `(H,)`, output `(L,)` at step t; h_0 = 0 | |
//! | W_ih, W_hh, b | `weight_ih_l0 (H, I)`, `weight_hh_l0 (H, H)`, `bias_l0 (H,)` | [`layout`] |
//! | W_hy, b_y | `head.weight (L, H)`, `head.bias (L,)` | [`layout`] |
//! | z | pre-activation: h = activation(z) | [`activation`] |
//! | dq | derivative of the batch's loss by q | |
//!
//! # Example
//!
//! ```
//! use rnn_rust::*;
//! let config = Config {
//!     shape: Shape { input: 1, hidden: 4, output: 1 },
//!     activation: Activation::Tanh,
//!     output_activation: Activation::Identity,
//! };
//! let mut network = Network::<f64>::new(config, Init::Pytorch, 0)?;
//! // Two sequences, of 3 and 2 steps; the label is the sum so far.
//! let (x, y) = ([0.1, 0.2, 0.3, 0.4, 0.1], [0.1, 0.3, 0.6, 0.4, 0.5]);
//! let data = Sequences::new(&x, &y, &[0, 3, 5], (1, 1))?;
//! let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
//! let schedule = Schedule {
//!     batch_size: 1, shuffle: true, seed: 0, first_epoch: 0, epochs: 500, time_budget: None,
//! };
//! let (mut go_on, mut records) = (|| true, Vec::new());
//! let mut context = Context::new(&mut go_on)?;
//! let mut sgd = Sgd::new(0.1)?;
//! network.train(&data, objective, &schedule, &mut sgd, &mut records, &mut context)?;
//! assert!(records[499].loss < 0.01 * records[0].loss);
//! # Ok::<(), Error>(())
//! ```

pub mod activation;
mod aligned;
mod blocks;
mod context;
pub mod data;
pub mod elementary;
mod engine;
pub mod error;
pub mod init;
pub mod layout;
pub mod loss;
pub mod matrix;
pub mod network;
pub mod optim;
mod predict;
mod real;
pub mod reference;
pub mod rng;
pub mod simd;
mod stepper;
mod team;
mod tiles;
mod train;
mod units;

pub use activation::Activation;
pub use context::{Context, NUM_THREADS};
pub use data::Sequences;
pub use error::{Error, Result};
pub use init::Init;
pub use layout::{Layout, Shape, Tensor};
pub use loss::{Loss, Reduction};
pub use network::{Config, Network};
pub use optim::{Optimizer, Sgd};
pub use real::Real;
pub use stepper::Stepper;
pub use train::{EpochRecord, Objective, Schedule};
