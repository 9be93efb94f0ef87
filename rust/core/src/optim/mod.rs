//! Optimisers work on flat slices and never name a weight: any cell trains with any of them.

mod sgd;

pub use sgd::Sgd;

use crate::simd::Level;

/// Changes parameters by their gradient.
pub trait Optimizer<T> {
    /// One update: sets `after` to the parameters `before` moved by `gradient`. The slices have the
    /// same order and length, a whole number of groups. Returns whether all of `after` is finite.
    fn step(&mut self, level: Level, before: &[T], gradient: &[T], after: &mut [T]) -> bool;
}
