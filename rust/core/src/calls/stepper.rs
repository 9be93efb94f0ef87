//! `Stepper`: one step at a time, for events as they arrive.

use std::sync::Arc;

use super::compiled::Compiled;
use super::steps::{MakeStepper, Steps};
use crate::codes::{check_categories, check_static_categories};
use crate::config::{Config, Readout};
use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::lanes::simd::Level;
use crate::loss::Loss;
use crate::weights::Network;

/// A network with the state of one sequence.
///
/// It shares the weights with all other users of the network. Its outputs have the same bits as a
/// prediction for the whole sequence.
pub struct Stepper<T: Real> {
    network: Arc<Network<T>>,
    inner: Box<dyn Steps<T>>,
    outputs: Vec<T>,
    input_size: usize,
    config: Config,
    /// The number of layers, and the size of a layer's state.
    state: (usize, usize),
}

/// [`Error::Parameter`] if the network cannot give outputs before a sequence has ended.
pub(super) fn check_streams(config: &Config) -> Result<()> {
    let refused =
        |what, expected, got: &str| Err(Error::Parameter { what, expected, got: got.into() });
    if config.bidirectional {
        let expected = "False for a stream, which knows no later steps";
        return refused("bidirectional", expected, "True");
    }
    if config.readout == Readout::Mean {
        let expected = "each_step or last for a stream, which keeps no sum of states";
        return refused("readout", expected, "mean");
    }
    Ok(())
}

impl<T: Compiled> Stepper<T> {
    /// A stepper at the start of a sequence. [`Error::Parameter`] if the network cannot give outputs
    /// before the sequence has ended: if it is bidirectional or its readout is a mean.
    pub fn new(network: Arc<Network<T>>, loss: Loss, level: Level) -> Result<Self> {
        let config = *network.config();
        check_streams(&config)?;
        let mut inner = T::stepper(level, MakeStepper { network: Arc::clone(&network), loss });
        // Categories start at their first level: a number that stands for no input would be out of
        // bounds.
        let first = config.first_static() + config.statics.numbers;
        let mut statics = vec![T::ZERO; config.statics.numbers];
        statics.resize(config.statics.len(), T::from_f64(first as f64));
        inner.set_statics(&statics);
        Ok(Self {
            inner,
            network,
            outputs: vec![T::ZERO; config.shape.output],
            input_size: config.features(),
            config,
            state: (config.layers, config.state_width()),
        })
    }
}

impl<T: Real> Stepper<T> {
    /// The outputs `(L,)` after one more step with features `x (I,)`. Allocates nothing.
    pub fn step(&mut self, x: &[T]) -> Result<&[T]> {
        check_shape(x.len() == self.input_size, "features", self.input_size, x.len())?;
        check_categories(x, &self.config)?;
        self.inner.step(x, &mut self.outputs);
        Ok(&self.outputs)
    }

    /// Sets the static features of the sequence. Until then, numbers are 0 and each category is its
    /// first input.
    pub fn set_statics(&mut self, statics: &[T]) -> Result<()> {
        let size = self.config.statics.len();
        check_shape(statics.len() == size, "static features", size, statics.len())?;
        check_static_categories(statics, &self.config)?;
        self.inner.set_statics(statics);
        Ok(())
    }

    /// The number of static features.
    pub fn static_size(&self) -> usize {
        self.config.statics.len()
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network<T>> {
        &self.network
    }

    /// The number of features, I.
    pub fn inputs(&self) -> usize {
        self.input_size
    }

    /// The number of outputs, L.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Starts another sequence: the state becomes 0.
    pub fn reset(&mut self) {
        self.inner.reset();
    }

    /// The number of layers, and the size of each layer's state: h, followed by c in an LSTM.
    pub fn state_shape(&self) -> (usize, usize) {
        self.state
    }

    /// The state after the last step, layer by layer.
    pub fn state(&self) -> Vec<T> {
        let mut state = vec![T::ZERO; self.state.0 * self.state.1];
        self.inner.state(&mut state);
        state
    }

    /// Continues from the given state.
    pub fn set_state(&mut self, state: &[T]) -> Result<()> {
        let (layers, row) = self.state;
        check_shape(state.len() == layers * row, "state", layers * row, state.len())?;
        self.inner.set_state(state);
        Ok(())
    }
}

impl<T: Real> Clone for Stepper<T> {
    fn clone(&self) -> Self {
        Self {
            network: Arc::clone(&self.network),
            inner: self.inner.copy(),
            outputs: self.outputs.clone(),
            ..*self
        }
    }
}
