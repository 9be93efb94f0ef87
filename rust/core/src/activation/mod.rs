//! Activations and their derivatives.
//!
//! The derivative is computed from the activated value `a = act(z)` if that determines it, so that the
//! backward pass needs no pre-activations:
//!
//! | name | a = act(z) | da/dz |
//! |---|---|---|
//! | identity | z | 1 |
//! | tanh | tanh z | 1 − a² |
//! | sigmoid | 1 / (1 + e⁻ᶻ) | a (1 − a) |
//! | relu | max(z, 0) | 1 if a > 0, else 0 |
//! | elu | z if z > 0, else eᶻ − 1 | 1 if a > 0, else 1 + a |
//! | leaky_relu | z if z > 0, else z / 100 | 1 if a > 0, else 1 / 100 |
//! | softplus | ln (1 + eᶻ) | 1 − e⁻ᵃ |
//! | softsign | z / (1 + ∣z∣) | (1 − ∣a∣)² |
//! | silu | z σ(z), σ the sigmoid | σ(z) + a (1 − σ(z)) |
//!
//! NaN stays NaN under every activation: a diverged state must show in the loss.
//!
//! | file | what lives there |
//! |---|---|
//! | `kind.rs` | [`Activation`]: names, and the equations on numbers for the textbook networks |
//! | `functions.rs` | the same on lanes for the engine |

mod functions;
mod kind;

pub use kind::Activation;
