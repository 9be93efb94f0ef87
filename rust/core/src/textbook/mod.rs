//! Networks written as in a textbook, whose sizes are part of their type.
//!
//! `Rnn<29, 10, 1>` reads 29 features, has 10 hidden units and gives one output; one feature too few
//! does not compile:
//!
//! ```compile_fail
//! use rnn_rust::textbook::Rnn;
//! use rnn_rust::matrix::Vector;
//! let network = Rnn::<3, 5, 1, f64>::new(Default::default(), rnn_rust::Init::Pytorch, 0).unwrap();
//! network.predict(&[Vector([0.1, 0.2])]); // three features are needed
//! ```
//!
//! They are the readable version: every equation acts on whole vectors, one sequence at a time. The
//! fast version is [`Network`](crate::Network), of any size; its gradients are tested against this
//! module's. Weights can be converted in both directions.
//!
//! ```
//! use rnn_rust::Init;
//! use rnn_rust::matrix::Vector;
//! use rnn_rust::textbook::Gru;
//! let mut network = Gru::<1, 4, 1, f64>::new(Default::default(), Init::Pytorch, 0)?;
//! // The label is the sum so far.
//! let (x, y) = ([0.1, 0.2, 0.3].map(|x| Vector([x])), [0.1, 0.3, 0.6].map(|y| Vector([y])));
//! let before = network.train(&x, &y, 0.1);
//! for _ in 0..500 {
//!     network.train(&x, &y, 0.1);
//! }
//! assert!(network.gradient(&x, &y).0 < 0.1 * before);
//! let fast = network.to_network()?;
//! # Ok::<(), rnn_rust::Error>(())
//! ```
//!
//! | file | what lives there |
//! |---|---|
//! | `cells.rs` | the equations of the cells, forward and backward |
//! | `network.rs` | [`Textbook`]: a network, its predictions, its gradient |
//! | `weights.rs` | [`Weights`]: the matrices, and conversion from and to a state dict |

mod cells;
mod network;
mod weights;

pub use cells::{Elman, Equations, GruUnit, LstmUnit, State};
pub use network::{Gru, Lstm, Rnn, Textbook};
pub use weights::Weights;
