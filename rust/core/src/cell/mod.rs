//! Recurrent cells: what a unit computes between the products by weights.
//!
//! A step of a cell has *slots*, rows of one number per unit. The products by `W_ih` and `W_hh` fill
//! some of them with pre-activations; `Equations::forward` replaces these by what the backward pass
//! needs, and `Equations::backward` replaces that by the derivatives of the pre-activations. So one
//! buffer serves all three, and gates in adjacent slots are multiplied at once:
//!
//! | cell | slots | from the inputs | from the state |
//! |---|---|---|---|
//! | Elman | z | 0 | 0 |
//! | LSTM | i f g o, tanh c | 0..4 | 0..4 |
//! | GRU | n r z, W_hn h + b_hn | 0..3 | 1..4 |
//! | GRU, reset before the product | n r z, r ∘ h | 0..3 | 1..3; 0 from r ∘ h |
//!
//! Each cell is written once, for rows of groups, whatever the lanes hold.
//!
//! | file | what lives there |
//! |---|---|
//! | `kind.rs` | [`Cell`]: the kinds of cells, as users choose them |
//! | `equations.rs` | `Equations`: the properties and equations of a cell |
//! | `elman.rs`, `gru.rs`, `lstm.rs` | the cells |

mod elman;
mod equations;
mod gru;
mod kind;
mod lstm;

pub(crate) use elman::Elman;
pub(crate) use equations::{Equations, ResetProduct, Slots, State, StateMut};
pub(crate) use gru::{Gru, GruResetBefore};
pub use kind::Cell;
pub(crate) use kind::with_equations;
pub(crate) use lstm::Lstm;
