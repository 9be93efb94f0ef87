//! Small recurrent networks on the CPU, trained by backpropagation through time.
//!
//! # Notation
//!
//! | symbol | meaning | where |
//! |---|---|---|
//! | N, S | rows (timesteps) and sequences of a data set | [`data`] |
//! | T, t | timesteps of a sequence, one of them | [`data`] |
//! | I (F), H, L | features, hidden units, outputs | [`Shape`] |
//! | G, D | gates of a unit; directions of a layer | [`cell`], [`Config`] |
//! | x_t, h_t, c_t, y_t | input `(I,)`, state and cell state `(H,)`, output `(L,)` at step t; h_0 = c_0 = 0 | [`cell`] |
//! | W_ih, W_hh, b | `weight_ih_l{k} (G·H, inputs)`, `weight_hh_l{k} (G·H, H)`, `bias_l{k} (G·H,)` | [`weights`] |
//! | W_hy, b_y | `head.weight (L, D·H)`, `head.bias (L,)` | [`weights`] |
//! | z | pre-activation: h = activation(z) | [`activation`] |
//! | e, w | loss of a label, its weight | [`loss`], [`Reduction`] |
//! | dq | derivative of the batch's loss by q | |
//!
//! # Where to begin
//!
//! [`Network`] is fast and takes any architecture: [`Network::train`], [`Network::predict`],
//! [`Network::gradient`]; a [`Stepper`] reads one sequence step by step. The networks in [`textbook`]
//! are written to be read: their sizes are part of their type, `Rnn<29, 10, 1>`, and mismatched sizes
//! do not compile.
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
//! let run = EpochRun { epochs: 500, learning_rates: &[0.1], ..EpochRun::default() };
//! let mut sgd = GradientDescent::new(Method::SGD, network.layout().len())?;
//! let (mut go_on, mut records) = (|| true, Vec::new());
//! let mut context = Context::new(&mut go_on)?;
//! network.train(&data, objective, &run, &mut sgd, &mut records, &mut context)?;
//! assert!(records[499].loss < 0.01 * records[0].loss);
//! # Ok::<(), Error>(())
//! ```

pub mod activation;
mod bptt;
mod calls;
pub mod cell;
mod codes;
mod config;
mod context;
pub mod data;
mod engine;
pub mod error;
mod huge_pages;
pub mod interleave;
mod lanes;
pub mod loss;
mod memory;
mod objective;
pub mod optim;
mod packing;
pub mod preparation;
pub mod reference;
pub mod rng;
pub mod textbook;
pub mod weights;

pub use activation::Activation;
pub use calls::{BatchLoss, Compiled, EpochRecord, EpochRun, Stepper};
pub use calls::{HashedKey, Key, KeyHasher, Limits, Scorer, ScorerCopy};
pub use cell::Cell;
pub use config::{Categories, Config, Readout, Shape, StaticFeatures};
pub use context::{Context, NUM_THREADS};
pub use data::Sequences;
pub use error::{Error, Result, shortest};
pub use huge_pages::HugePages;
pub use lanes::{Real, elementary, matrix, simd};
pub use loss::Loss;
pub use objective::{Objective, Reduction};
pub use optim::{Clip, GradientDescent, Method, Optimizer};
pub use weights::{Init, Layout, Network, Role, Tensor};
