//! `Stepper`: one step at a time, the state carried along, for events as they come.

use crate::aligned::Aligned;
use crate::error::{Result, check_shape};
use crate::network::Network;
use crate::real::Real;
use crate::simd::{Level, Simd, Task, dispatch};
use crate::units;

/// A network with the state of one sequence.
///
/// It has a copy of the weights, and gives the bits that a prediction of the whole sequence gives.
#[derive(Clone)]
pub struct Stepper<T: Real> {
    network: Network<T>,
    level: Level,
    /// The state before the last step and after it, two padded rows.
    states: Aligned<T>,
    outputs: Aligned<T>,
    /// Whether the next step is the first of a sequence.
    begins: bool,
}

impl<T: Real> Stepper<T> {
    /// At the beginning of a sequence.
    pub fn new(network: &Network<T>, level: Level) -> Self {
        Self {
            level,
            states: Aligned::zeros(2 * network.layout().stride()),
            outputs: Aligned::zeros(network.config().shape.output),
            begins: true,
            network: network.clone(),
        }
    }

    /// The outputs `(L,)` after one more step with features `x (I,)`. Allocates nothing.
    pub fn step(&mut self, x: &[T]) -> Result<&[T]> {
        check_shape(
            x.len() == self.network.config().shape.input,
            "features",
            self.network.config().shape.input,
            x.len(),
        )?;
        let stride = self.network.layout().stride();
        let (before, after) = self.states.split_at_mut(stride);
        before.copy_from_slice(after);
        dispatch(
            self.level,
            Step {
                forward: units::Forward {
                    weights: self.network.weights(),
                    x,
                    states: &mut self.states,
                    outputs: &mut self.outputs,
                    begins: self.begins,
                },
            },
        );
        self.begins = false;
        Ok(&self.outputs)
    }

    /// The number of outputs, L.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Begins another sequence: the state is 0.
    pub fn reset(&mut self) {
        self.states.fill(T::ZERO);
        self.begins = true;
    }

    /// The state h after the last step, `(H,)`.
    pub fn state(&self) -> &[T] {
        let (stride, hidden) = (self.network.layout().stride(), self.network.config().shape.hidden);
        &self.states[stride..stride + hidden]
    }

    /// Goes on from another state, `(H,)`.
    pub fn set_state(&mut self, state: &[T]) -> Result<()> {
        let (stride, hidden) = (self.network.layout().stride(), self.network.config().shape.hidden);
        check_shape(state.len() == hidden, "state", hidden, state.len())?;
        self.states[stride..stride + hidden].copy_from_slice(state);
        self.begins = false;
        Ok(())
    }
}

struct Step<'a, T> {
    forward: units::Forward<'a, T>,
}

impl<T: Real> Task for Step<'_, T> {
    type Output = ();

    fn run<S: Simd>(self, simd: S) {
        simd.vectorize(self.forward);
    }
}
