//! `Network`: the equations' configuration and the weights.

use crate::activation::Activation;
use crate::aligned::Aligned;
use crate::bptt::{Model, Readout};
use crate::cell::Cell;
use crate::context::check_memory;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::layout::{Layout, Role, Shape};
use crate::optim::Optimizer;
use crate::real::Real;
use crate::simd::Level;
use crate::transposed::Transposed;

/// More layers are taken for a mistake: of their number, unlike of their size, memory is taken before
/// it can be asked for.
const MOST_LAYERS: usize = 1000;

/// What a network is made of: layers of recurrent cells, and a linear head with an activation,
/// y = output_activation(W_hy s + b_y).
///
/// The first layer reads the features, each further one the states of the layer below; s is what
/// the [`Readout`] makes of the last layer's states. All states are 0 at first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Sizes.
    pub shape: Shape,
    /// Of every layer.
    pub cell: Cell,
    /// Layers, one on the other.
    pub layers: usize,
    /// Whether each layer also reads the sequence from its end (Schuster and Paliwal, 1997); its
    /// two states at a step stand side by side.
    pub bidirectional: bool,
    /// What the head reads.
    pub readout: Readout,
    /// Of the outputs, unless the loss implies it.
    pub output_activation: Activation,
    /// Probability of dropping a number between layers, in training.
    pub dropout: f64,
    /// Probability of dropping a unit's state on its way to the next step, in training.
    pub recurrent_dropout: f64,
}

impl Config {
    /// One layer of a cell that reads forward and has an output at every step.
    pub fn new(shape: Shape, cell: Cell) -> Self {
        Self {
            shape,
            cell,
            layers: 1,
            bidirectional: false,
            readout: Readout::EachStep,
            output_activation: Activation::Identity,
            dropout: 0.0,
            recurrent_dropout: 0.0,
        }
    }

    /// Directions of a layer, D: 1 or 2.
    pub fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Whether there is one output per sequence, not per step.
    pub fn per_sequence(&self) -> bool {
        self.readout != Readout::EachStep
    }

    /// Whether anything is dropped in training.
    pub(crate) fn drops(&self) -> bool {
        self.dropout > 0.0 || self.recurrent_dropout > 0.0
    }

    /// Whether the head reads something else than the states as they are.
    pub(crate) fn pools(&self) -> bool {
        match self.readout {
            Readout::EachStep => false,
            // Forward, the final state of a sequence is the state at its last step.
            Readout::Last => self.bidirectional,
            Readout::Mean => true,
        }
    }

    fn check(&self) -> Result<()> {
        let Shape { input, hidden, output } = self.shape;
        for (what, size) in [
            ("input_size", input),
            ("hidden_size", hidden),
            ("output_size", output),
            ("num_layers", self.layers),
        ] {
            if size == 0 {
                return Err(Error::Parameter { what, expected: "at least 1", got: "0".into() });
            }
        }
        if self.layers > MOST_LAYERS {
            let (what, expected) = ("num_layers", "at most 1000");
            return Err(Error::Parameter { what, expected, got: self.layers.to_string() });
        }
        for (what, probability) in
            [("dropout", self.dropout), ("recurrent_dropout", self.recurrent_dropout)]
        {
            if !(0.0..1.0).contains(&probability) {
                let expected = "at least 0 and below 1";
                return Err(Error::Parameter { what, expected, got: probability.to_string() });
            }
        }
        if self.dropout > 0.0 && self.layers == 1 {
            return Err(Error::Parameter {
                what: "dropout",
                expected: "0 for a single layer, as it acts between layers",
                got: self.dropout.to_string(),
            });
        }
        Ok(())
    }
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
    /// A network with fresh weights. [`Error::Parameter`] if the configuration makes no sense.
    pub fn new(config: Config, init: Init, seed: u64) -> Result<Self> {
        config.check()?;
        // Room for the weights, their gradient and a copy.
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
        let mut parameters = Aligned::zeros(layout.len());
        for number in 0..layout.tensors().len() {
            let values = init.values(&layout, number, seed);
            let values: Vec<T> = values.into_iter().map(T::from_f64).collect();
            layout.pack(&mut parameters, number, &values)?;
        }
        Ok(Self { config, layout, previous: parameters.clone(), parameters })
    }

    /// Adds to the bias of every forget gate, so that an LSTM begins by remembering (Gers,
    /// Schmidhuber and Cummins, 2000; Jozefowicz, Zaremba and Sutskever, 2015, use 1). Other cells
    /// have none and stay as they are. [`Error::Parameter`] if the sum is not finite.
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
                return Err(Error::Parameter { what, expected, got: value.to_string() });
            }
            self.set_tensor(number, &bias)?;
        }
        Ok(())
    }

    /// Sizes and nonlinearities.
    pub fn config(&self) -> &Config {
        &self.config
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
        (level, rate): (Level, f64),
        gradient: &[T],
    ) -> bool {
        std::mem::swap(&mut self.parameters, &mut self.previous);
        let finite = optimizer.step(level, rate, &self.previous, gradient, &mut self.parameters);
        if !finite {
            self.undo();
            optimizer.undo();
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

    /// One tensor, row-major in its [`dimensions`](crate::Tensor::dimensions).
    pub fn tensor(&self, tensor: usize) -> Vec<T> {
        self.layout.unpack(&self.parameters, tensor)
    }

    /// Replaces one tensor. [`Error::Shape`] if the size is another.
    pub fn set_tensor(&mut self, tensor: usize, values: &[T]) -> Result<()> {
        self.layout.pack(&mut self.parameters, tensor, values)?;
        self.settle();
        Ok(())
    }

    /// The weights where they lie.
    pub(crate) fn model<'a>(&'a self, transposed: Option<&'a Transposed<T>>) -> Model<'a, T> {
        Model { config: &self.config, layout: &self.layout, flat: &self.parameters, transposed }
    }
}
