//! The buffers of one sequence.

use crate::aligned::Aligned;
use crate::layout::{Layout, Shape};
use crate::real::Real;

/// What one sequence leaves behind on its way forward and back.
pub(crate) struct Trace<T> {
    /// States `h_0 .. h_T`, `(1 + T, stride)`; `h_0 = 0`.
    pub(crate) states: Aligned<T>,
    /// Outputs y, `(T, L)`.
    pub(crate) outputs: Aligned<T>,
    /// dloss/d(pre-activation of y), `(T, L)`.
    pub(crate) d_outputs: Aligned<T>,
    /// dloss/d(pre-activation of h), `(T + 1, stride)`; nothing comes from beyond the last step.
    pub(crate) d_states: Aligned<T>,
}

impl<T: Real> Trace<T> {
    /// Room for `steps` steps; what only training needs is left out for predictions.
    pub(crate) fn new(layout: &Layout, steps: usize, training: bool) -> Self {
        let Shape { output, .. } = layout.shape();
        let rows = (steps + 1) * layout.stride();
        let trained = |len| Aligned::zeros(if training { len } else { 0 });
        Self {
            states: Aligned::zeros(rows),
            outputs: Aligned::zeros(steps * output),
            d_outputs: trained(steps * output),
            d_states: trained(rows),
        }
    }
}
