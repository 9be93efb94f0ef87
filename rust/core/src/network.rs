//! `Network`: the equations' configuration and the weights.

use crate::activation::Activation;
use crate::aligned::Aligned;
use crate::context::check_memory;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::layout::{Layout, Shape, Tensor, Weights};
use crate::optim::Optimizer;
use crate::real::Real;
use crate::simd::Level;

/// Sizes and nonlinearities of an Elman network (Elman, 1990):
///
/// h_t = activation(W_ih x_t + W_hh h_{t−1} + b),  y_t = output_activation(W_hy h_t + b_y),  h_0 = 0
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sizes.
    pub shape: Shape,
    /// Of the hidden state.
    pub activation: Activation,
    /// Of the output.
    pub output_activation: Activation,
}

/// A network: configuration and weights.
#[derive(Clone, Debug)]
pub struct Network<T: Real> {
    config: Config,
    layout: Layout,
    parameters: Aligned<T>,
    /// The parameters before the last update.
    previous: Aligned<T>,
}

impl<T: Real> Network<T> {
    /// A network with fresh weights. [`Error::Parameter`] if a size is 0.
    pub fn new(config: Config, init: Init, seed: u64) -> Result<Self> {
        let Shape { input, hidden, output } = config.shape;
        for (what, size) in
            [("input_size", input), ("hidden_size", hidden), ("output_size", output)]
        {
            if size == 0 {
                return Err(Error::Parameter { what, expected: "at least 1", got: "0".into() });
            }
        }
        // Room for the weights, their gradient and a copy.
        let fits = |len: usize| len.checked_mul(3).is_some_and(|n| check_memory::<T>(n).is_ok());
        let layout = Layout::new::<T>(config.shape).filter(|layout| fits(layout.len()));
        let layout = layout.ok_or_else(|| Error::Parameter {
            what: "input_size, hidden_size and output_size",
            expected: "so small that the weights fit into memory",
            got: format!("{input}, {hidden} and {output}"),
        })?;
        let mut parameters = Aligned::zeros(layout.len());
        for tensor in Tensor::ALL {
            let values = init.values(tensor, config.shape, seed);
            let values: Vec<T> = values.into_iter().map(T::from_f64).collect();
            layout.pack(&mut parameters, tensor, &values)?;
        }
        Ok(Self { config, layout, previous: parameters.clone(), parameters })
    }

    /// Sizes and nonlinearities.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Where the tensors lie in [`Self::parameters`].
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All weights in the engine's own order, padding included.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// Lets an optimiser change all weights by a gradient in the layout's order, whose padding is
    /// zero. If a weight is not finite afterwards, the change is taken back, and the answer is
    /// `false`.
    pub fn update(
        &mut self,
        optimizer: &mut dyn Optimizer<T>,
        level: Level,
        gradient: &[T],
    ) -> bool {
        std::mem::swap(&mut self.parameters, &mut self.previous);
        let finite = optimizer.step(level, &self.previous, gradient, &mut self.parameters);
        if !finite {
            self.undo();
        }
        finite
    }

    /// Keeps the weights as they are: no later failure takes back an update made before.
    pub fn settle(&mut self) {
        self.previous.copy_from_slice(&self.parameters);
    }

    /// Takes the last update back.
    pub(crate) fn undo(&mut self) {
        self.parameters.copy_from_slice(&self.previous);
    }

    /// One tensor, row-major in the shape that [`Tensor::dimensions`] gives.
    pub fn tensor(&self, tensor: Tensor) -> Vec<T> {
        self.layout.unpack(&self.parameters, tensor)
    }

    /// Replaces one tensor. [`Error::Shape`] if the size is another.
    pub fn set_tensor(&mut self, tensor: Tensor, values: &[T]) -> Result<()> {
        self.layout.pack(&mut self.parameters, tensor, values)?;
        self.settle();
        Ok(())
    }

    /// The weights where they lie.
    pub(crate) fn weights(&self) -> Weights<'_, T> {
        let part = |tensor| &self.parameters[self.layout.range(tensor)];
        Weights {
            shape: self.config.shape,
            activation: self.config.activation,
            output_activation: self.config.output_activation,
            stride: self.layout.stride(),
            ih: part(Tensor::WeightIh),
            hh: part(Tensor::WeightHh),
            bias: part(Tensor::Bias),
            head: part(Tensor::HeadWeight),
            head_bias: &part(Tensor::HeadBias)[..self.config.shape.output],
        }
    }
}
