//! `Network`: an architecture and its weights.

use crate::cell::Cell;
use crate::config::{Config, Shape};
use crate::context::{CancelCheck, Context};
use crate::error::{Error, Result, shortest};
use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::simd::Level;
use crate::memory::check_memory;
use crate::optim::Optimizer;
use crate::weights::{Init, Layout, NetworkView, Role, Transposed};

/// A network: its architecture and its weights.
#[derive(Clone, Debug)]
pub struct Network<T: Real> {
    config: Config,
    layout: Layout,
    parameters: Aligned<T>,
    /// The parameters before the last update; empty if none can be undone.
    previous: Aligned<T>,
}

impl<T: Real> Network<T> {
    /// A network with initial weights. [`Error::Parameter`] if the configuration is invalid.
    pub fn new(config: Config, init: Init, seed: u64) -> Result<Self> {
        let mut network = Self::zeros(config)?;
        network.draw(init, seed, &mut CancelCheck::new(&mut || true))?;
        Ok(network)
    }

    /// [`Self::new`], cancellable: large orthogonal matrices take seconds.
    pub fn new_in(
        config: Config,
        init: Init,
        seed: u64,
        context: &mut Context<'_>,
    ) -> Result<Self> {
        let mut network = Self::zeros(config)?;
        network.draw(init, seed, &mut context.cancel)?;
        Ok(network)
    }

    /// A network with all weights 0, to be set later. Fails like [`Self::new`].
    pub fn zeros(config: Config) -> Result<Self> {
        config.check()?;
        // Room for the weights, and to train them: a copy and the gradient.
        let fits = |len: usize| len.checked_mul(3).is_some_and(|n| check_memory::<T>(n).is_ok());
        let layout = Layout::new::<T>(&config).filter(|layout| fits(layout.len()));
        let layout = layout.ok_or_else(|| {
            let Shape { input, hidden, output } = config.shape;
            Error::Parameter {
                what: "input_size, hidden_size and output_size",
                expected: "so small that the weights fit into memory",
                got: format!("{input}, {hidden} and {output}"),
            }
        })?;
        let parameters = Aligned::zeros(layout.len());
        Ok(Self { config, layout, previous: Aligned::zeros(0), parameters })
    }

    fn draw(&mut self, init: Init, seed: u64, cancel: &mut CancelCheck<'_>) -> Result<()> {
        for number in 0..self.layout.tensors().len() {
            let values = init.values(&self.layout, number, seed, cancel)?.map(T::from_f64);
            self.layout.put(&mut self.parameters, number, values);
        }
        Ok(())
    }

    /// Adds to the bias of every forget gate, so that an LSTM starts by remembering (Gers, Schmidhuber
    /// and Cummins, 2000; Jozefowicz, Zaremba and Sutskever, 2015, use 1). Cells without forget gates
    /// are unchanged. [`Error::Parameter`] if the sum is not finite.
    pub fn add_to_forget_bias(&mut self, value: f64) -> Result<()> {
        if self.config.cell != Cell::Lstm {
            return Ok(());
        }
        let hidden = self.config.shape.hidden;
        for number in 0..self.layout.tensors().len() {
            if self.layout.tensors()[number].role() != Role::Bias {
                continue;
            }
            let mut bias = self.tensor(number);
            for b in &mut bias[hidden..2 * hidden] {
                *b += T::from_f64(value);
            }
            if bias.iter().any(|b| !b.is_finite()) {
                let (what, expected) = ("forget_bias", "a number that the network's type can hold");
                return Err(Error::Parameter { what, expected, got: shortest(value) });
            }
            self.set_tensor(number, &bias)?;
        }
        Ok(())
    }

    /// A copy for training. [`Error::Memory`] if there is no room for the copy and for the weights
    /// before an update.
    pub fn copy(&self) -> Result<Self> {
        check_memory::<T>(2 * self.layout.len())?;
        Ok(self.clone())
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where each tensor is in [`Self::parameters`].
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All weights in the engine's own order, padding included.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// Updates all weights by a gradient in the layout's order, with zero padding, and resets it to 0.
    /// If a weight is then not finite, undoes the update and returns `false`.
    pub fn update(
        &mut self,
        optimizer: &mut dyn Optimizer<T>,
        (level, rate): (Level, f64),
        gradient: &mut [T],
    ) -> bool {
        if self.previous.is_empty() {
            self.previous = Aligned::zeros(self.parameters.len());
        }
        std::mem::swap(&mut self.parameters, &mut self.previous);
        let finite = optimizer.step(level, rate, &self.previous, gradient, &mut self.parameters);
        if !finite {
            self.undo();
            optimizer.undo();
        }
        finite
    }

    /// Makes the last update final: a later failure does not undo it.
    pub fn settle(&mut self) {
        self.previous = Aligned::zeros(0);
    }

    /// Undoes the last update unless it is final.
    pub(crate) fn undo(&mut self) {
        if !self.previous.is_empty() {
            self.parameters.copy_from_slice(&self.previous);
        }
    }

    /// One tensor, row-major in its [`dimensions`](crate::Tensor::dimensions).
    pub fn tensor(&self, tensor: usize) -> Vec<T> {
        self.layout.unpack(&self.parameters, tensor)
    }

    /// Replaces one tensor. [`Error::Shape`] if the size differs.
    pub fn set_tensor(&mut self, tensor: usize, values: &[T]) -> Result<()> {
        self.layout.pack(&mut self.parameters, tensor, values)?;
        self.settle();
        Ok(())
    }

    /// A view of the weights.
    pub(crate) fn view<'a>(&'a self, transposed: Option<&'a Transposed<T>>) -> NetworkView<'a, T> {
        NetworkView {
            config: &self.config,
            layout: &self.layout,
            flat: &self.parameters,
            transposed,
            panels: None,
        }
    }
}
