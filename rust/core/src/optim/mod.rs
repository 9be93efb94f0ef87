//! Optimisers work on flat slices and never name a weight: any cell trains with any of them.

mod sgd;

pub use sgd::Sgd;

/// Changes parameters by their gradient.
pub trait Optimizer<T> {
    /// One update; both slices have the same order and length.
    fn step(&mut self, parameters: &mut [T], gradient: &[T]);
}
