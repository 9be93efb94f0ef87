//! Small recurrent networks on the CPU, trained by backpropagation through time.
//!
//! # Notation
//!
//! | symbol | meaning | where |
//! |---|---|---|
//! | N, S | rows (timesteps) and sequences of a data set | [`data`] |
//! | T, t | timesteps of a sequence, one of them | [`data`] |
//! | I (F), H, L | features, hidden units, outputs | [`layout`] |
//! | G, D | gates of a unit; directions of a layer | [`cell`], [`network`] |
//! | x_t, h_t, c_t, y_t | input `(I,)`, state and cell state `(H,)`, output `(L,)` at step t; h_0 = c_0 = 0 | [`cell`] |
//! | W_ih, W_hh, b | `weight_ih_l{k} (G·H, inputs)`, `weight_hh_l{k} (G·H, H)`, `bias_l{k} (G·H,)` | [`layout`] |
//! | W_hy, b_y | `head.weight (L, D·H)`, `head.bias (L,)` | [`layout`] |
//! | z | pre-activation: h = activation(z) | [`activation`] |
//! | e, w | loss of a label, its weight | [`loss`], [`Reduction`] |
//! | dq | derivative of the batch's loss by q | |
//!
//! # Example
//!
//! ```
//! use rnn_rust::*;
//! let shape = Shape { input: 1, hidden: 4, output: 1 };
//! let config = Config::new(shape, Cell::Elman(Activation::Tanh));
//! let mut network = Network::<f64>::new(config, Init::Pytorch, 0)?;
//! // Two sequences, of 3 and 2 steps; the label is the sum so far.
//! let (x, y) = ([0.1, 0.2, 0.3, 0.4, 0.1], [0.1, 0.3, 0.6, 0.4, 0.5]);
//! let data = Sequences::new(&x, &y, &[0, 3, 5], (1, 1))?;
//! let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
//! let schedule = Schedule { epochs: 500, learning_rates: &[0.1], ..Schedule::default() };
//! let mut sgd = Descent::new(Method::SGD, network.layout().len())?;
//! let (mut go_on, mut records) = (|| true, Vec::new());
//! let mut context = Context::new(&mut go_on)?;
//! network.train(&data, objective, &schedule, &mut sgd, &mut records, &mut context)?;
//! assert!(records[499].loss < 0.01 * records[0].loss);
//! # Ok::<(), Error>(())
//! ```

pub mod activation;
mod aligned;
mod blocks;
mod bptt;
pub mod cell;
mod context;
mod custom;
pub mod data;
pub mod elementary;
mod engine;
mod epochs;
pub mod error;
pub mod init;
pub mod layout;
pub mod loss;
pub mod matrix;
pub mod network;
pub mod optim;
mod packing;
mod plan;
mod predict;
mod real;
mod reduction;
pub mod reference;
pub mod rng;
pub mod simd;
mod stepper;
mod team;
mod train;
mod transposed;

pub use activation::Activation;
pub use bptt::Readout;
pub use cell::Cell;
pub use context::{Context, NUM_THREADS};
pub use custom::BatchLoss;
pub use data::Sequences;
pub use epochs::{EpochRecord, Schedule};
pub use error::{Error, Result};
pub use init::Init;
pub use layout::{Layout, Role, Shape, Tensor};
pub use loss::Loss;
pub use network::{Config, Network};
pub use optim::{Clip, Descent, Method, Optimizer};
pub use real::Real;
pub use reduction::Reduction;
pub use stepper::Stepper;
pub use train::Objective;
