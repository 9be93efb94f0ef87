//! [`Textbook`]: a network whose sizes are part of its type, with prediction, gradient and training.

use std::collections::BTreeMap;

use super::cells::{Elman, Equations, GruUnit, LstmUnit, State, Step};
use super::weights::Weights;
use crate::activation::Activation;
use crate::config::{Config, Shape};
use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::lanes::matrix::Vector;
use crate::loss::Loss;
use crate::weights::{Init, Network};

/// A simple recurrent network with I inputs, H units and L outputs.
pub type Rnn<const I: usize, const H: usize, const L: usize, T = f32> =
    Textbook<Elman, 1, I, H, L, T>;
/// A network of gated recurrent units.
pub type Gru<const I: usize, const H: usize, const L: usize, T = f32> =
    Textbook<GruUnit, 3, I, H, L, T>;
/// A network of long short-term memory units.
pub type Lstm<const I: usize, const H: usize, const L: usize, T = f32> =
    Textbook<LstmUnit, 4, I, H, L, T>;

/// One layer of a cell that reads forward, with an output y = activation(W_hy h + b_y) at every step.
#[derive(Clone, Debug)]
pub struct Textbook<C, const G: usize, const I: usize, const H: usize, const L: usize, T: Real> {
    /// The cell.
    pub cell: C,
    /// Activation of the outputs, unless the loss implies it.
    pub output_activation: Activation,
    /// Matrices and biases.
    pub weights: Weights<G, I, H, L, T>,
    loss: Loss,
}

impl<C, const G: usize, const I: usize, const H: usize, const L: usize, T: Real>
    Textbook<C, G, I, H, L, T>
where
    C: Equations<G>,
{
    /// A network with the same initial weights as [`Network::new`], and squared error as its loss.
    pub fn new(cell: C, init: Init, seed: u64) -> Result<Self> {
        let shape = Shape { input: I, hidden: H, output: L };
        Self::of(&Network::new(Config::new(shape, cell.cell()), init, seed)?)
    }

    /// Changes the loss. [`Error::Parameter`] for cross entropy, whose labels are class numbers, one
    /// for all outputs.
    pub fn with_loss(self, loss: Loss) -> Result<Self> {
        loss.check()?;
        if loss == Loss::CrossEntropy {
            let expected = "a loss with a label for each output";
            let got = "cross_entropy".into();
            return Err(Error::Parameter { what: "loss", expected, got });
        }
        Ok(Self { loss, ..self })
    }

    /// Copies the weights of a network. [`Error::Shape`] if its sizes differ; [`Error::Parameter`]
    /// unless it is a single forward layer of this cell.
    pub fn of(network: &Network<T>) -> Result<Self> {
        let config = network.config();
        let Shape { input, hidden, output } = config.shape;
        check_shape(
            (input, hidden, output) == (I, H, L),
            "network",
            format_args!("{I}-{H}-{L}"),
            format_args!("{input}-{hidden}-{output}"),
        )?;
        let plain = Config {
            output_activation: config.output_activation,
            ..Config::new(config.shape, config.cell)
        };
        let cell = C::of(config.cell).filter(|_| *config == plain).ok_or_else(|| {
            let expected = "one layer of this cell that reads forward, without dropout";
            Error::Parameter { what: "network", expected, got: format!("{config:?}") }
        })?;
        let tensors = network.layout().tensors().iter().enumerate();
        let state = tensors.map(|(t, tensor)| (tensor.name().to_owned(), network.tensor(t)));
        let output_activation = config.output_activation;
        let weights = Weights::default();
        let mut own = Self { cell, output_activation, weights, loss: Loss::Mse };
        own.load_state_dict(&state.collect())?;
        Ok(own)
    }

    /// A fast network with these weights.
    pub fn to_network(&self) -> Result<Network<T>> {
        let shape = Shape { input: I, hidden: H, output: L };
        let output_activation = self.output_activation;
        let config = Config { output_activation, ..Config::new(shape, self.cell.cell()) };
        let mut network = Network::new(config, Init::Uniform, 0)?;
        let state = self.state_dict();
        for tensor in 0..network.layout().tensors().len() {
            let name = network.layout().tensors()[tensor].name().to_owned();
            network.set_tensor(tensor, &state[&name])?;
        }
        Ok(network)
    }

    /// Every tensor by its name in PyTorch and the Python package, row-major.
    pub fn state_dict(&self) -> BTreeMap<String, Vec<T>> {
        self.weights.state_dict(self.cell.cell().has_recurrent_bias())
    }

    /// Replaces all tensors or none: [`Error::Shape`] if one is missing, has another size, or has a
    /// name that this network does not know.
    pub fn load_state_dict(&mut self, state: &BTreeMap<String, Vec<T>>) -> Result<()> {
        self.weights.load_state_dict(state, self.cell.cell().has_recurrent_bias())
    }

    /// The outputs of one more step of a sequence, whose `state` starts at 0.
    pub fn step(&self, state: &mut State<H, T>, x: &Vector<I, T>) -> Vector<L, T> {
        *state = self.cell.forward(&self.weights, x, *state).after;
        let mut y = self.logits(&state.h);
        self.loss.outputs(self.output_activation, &mut y.0);
        y
    }

    /// The outputs at every step of a sequence.
    pub fn predict(&self, x: &[Vector<I, T>]) -> Vec<Vector<L, T>> {
        let mut state = State::default();
        x.iter().map(|x| self.step(&mut state, x)).collect()
    }

    /// One step of gradient descent on a sequence and its labels: w ← w − rate · dw. Returns the loss
    /// before it.
    pub fn train(&mut self, x: &[Vector<I, T>], labels: &[Vector<L, T>], rate: T) -> T {
        let (loss, gradient) = self.gradient(x, labels);
        self.weights.add_scaled(-rate, &gradient);
        loss
    }

    /// The mean loss over the labels of a sequence, and its gradient by backpropagation through time
    /// (Werbos, 1990). NaN labels are missing; if all are, both results are 0.
    ///
    /// # Panics
    /// If there are not as many labels as steps.
    pub fn gradient(
        &self,
        x: &[Vector<I, T>],
        labels: &[Vector<L, T>],
    ) -> (T, Weights<G, I, H, L, T>) {
        assert_eq!(x.len(), labels.len(), "every step has its labels");
        let steps = self.forward(x);
        let (loss, d_logits) = self.loss(&steps, labels);
        (loss, self.backward(x, &steps, &d_logits))
    }

    fn logits(&self, h: &Vector<H, T>) -> Vector<L, T> {
        let mut z = self.weights.head.mul_vector(h);
        z.add_scaled(T::ONE, &self.weights.head_bias);
        z
    }

    fn forward(&self, x: &[Vector<I, T>]) -> Vec<Step<G, H, T>> {
        let mut state = State::default();
        let step = |x| {
            let step = self.cell.forward(&self.weights, x, state);
            state = step.after;
            step
        };
        x.iter().map(step).collect()
    }

    /// The mean loss, and its derivatives by W_hy h_t + b_y.
    fn loss(&self, steps: &[Step<G, H, T>], labels: &[Vector<L, T>]) -> (T, Vec<Vector<L, T>>) {
        let present = labels.iter().flat_map(Vector::as_slice).filter(|label| !label.is_nan());
        let scale = T::ONE / T::from_f64(present.count().max(1) as f64);
        let (mut total, mut derivatives) = (T::ZERO, Vec::new());
        for (step, labels) in steps.iter().zip(labels) {
            let (z, mut dz) = (self.logits(&step.after.h), Vector::default());
            let (activation, labels) = (self.output_activation, labels.as_slice());
            total += self.loss.row(activation, z.as_slice(), labels, &[], &mut dz.0);
            derivatives.push(Vector(dz.0.map(|d| scale * d)));
        }
        (scale * total, derivatives)
    }

    fn backward(
        &self,
        x: &[Vector<I, T>],
        steps: &[Step<G, H, T>],
        d_logits: &[Vector<L, T>],
    ) -> Weights<G, I, H, L, T> {
        let (w, mut dw) = (&self.weights, Weights::default());
        // By the state after the step, from all later steps.
        let mut d = State::default();
        for ((x, step), d_logits) in x.iter().zip(steps).zip(d_logits).rev() {
            dw.head.add_outer(d_logits, &step.after.h);
            dw.head_bias.add_scaled(T::ONE, d_logits);
            d.h.add_scaled(T::ONE, &w.head.mul_transposed(d_logits));

            let by = self.cell.backward(w, step, d);
            d = by.before;
            dw.recurrent_bias.add_scaled(T::ONE, &by.recurrent_bias);
            for gate in 0..G {
                dw.input[gate].add_outer(&by.input[gate], x);
                dw.bias[gate].add_scaled(T::ONE, &by.input[gate]);
                dw.recurrent[gate].add_outer(&by.recurrent[gate], &by.factors[gate]);
                if !by.through_reset[gate] {
                    d.h.add_scaled(T::ONE, &w.recurrent[gate].mul_transposed(&by.recurrent[gate]));
                }
            }
        }
        dw
    }
}
