//! Optimisers work on flat slices and know nothing of tensors: any of them trains any cell.
//!
//! | file | what lives there |
//! |---|---|
//! | `method.rs` | [`Method`]: the methods, their parameters and the names of their moments |
//! | `rules.rs` | the equations of one update, on lanes |
//! | `descent.rs` | [`GradientDescent`]: a method with its moments |
//! | `clip.rs` | [`Clip`]: bounds on the gradient before an update |

mod clip;
mod descent;
mod method;
mod rules;

pub use clip::Clip;
pub use descent::GradientDescent;
pub use method::Method;

use crate::error::{Error, Result, shortest};
use crate::lanes::Real;
use crate::lanes::simd::Level;

/// Updates parameters by their gradient.
pub trait Optimizer<T> {
    /// One update at the learning rate `rate`: sets `after` to the parameters `before` moved by
    /// `gradient`, and resets `gradient` to 0, ready for the next. The slices have the same order and
    /// length, a whole number of groups. Returns whether `after` and the optimiser's own state are all
    /// finite.
    fn step(
        &mut self,
        level: Level,
        rate: f64,
        before: &[T],
        gradient: &mut [T],
        after: &mut [T],
    ) -> bool;

    /// Undoes the last step's changes to the optimiser itself: its moments and step count. Does nothing
    /// if there has been no step since the last call.
    fn undo(&mut self);
}

/// [`Error::Parameter`] if the rate is negative, NaN, or infinite in the type of the parameters.
pub fn check_rate<T: Real>(rate: f64) -> Result<()> {
    if T::from_f64(rate).is_finite() && rate >= 0.0 {
        return Ok(());
    }
    Err(Error::Parameter {
        what: "learning_rate",
        expected: "a number of at least 0 that is finite in the network's type",
        got: shortest(rate),
    })
}
