//! `Config`: the architecture of a network.

use crate::activation::Activation;
use crate::cell::Cell;
use crate::error::{Error, Result, shortest};

/// The sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Features per timestep, `I`.
    pub input: usize,
    /// Hidden units of a layer and direction, `H`.
    pub hidden: usize,
    /// Outputs, `L`.
    pub output: usize,
}

/// Features that are categories: each says which one of several inputs is 1; the others are 0.
///
/// A category takes one input per level. Each input is a column of `W_ih`, which is looked up instead
/// of multiplied. The inputs of the numbers come first, then those of all categories; the value of a
/// category at a timestep is the index of its input among all inputs, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    /// How many features of a timestep are categories. They come last.
    pub columns: usize,
    /// The inputs that they take together, at least one each.
    pub levels: usize,
}

/// Features given once per sequence, the same at all of its steps: first numbers, then categories.
///
/// Their inputs come after those of the timestep features. Their columns of `W_ih` are multiplied or
/// looked up once per sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StaticFeatures {
    /// How many are numbers.
    pub numbers: usize,
    /// The categories, and the inputs that they take.
    pub categories: Categories,
}

impl StaticFeatures {
    /// The number of static features.
    pub fn len(&self) -> usize {
        self.numbers + self.categories.columns
    }

    /// Whether there are no static features.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of inputs that they take.
    fn inputs(&self) -> usize {
        self.numbers + self.categories.levels
    }
}

/// What the outputs are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readout {
    /// The state of every step.
    EachStep,
    /// The final state: at the last step for the forward direction, at the first for the backward one.
    Last,
    /// The mean of the states of all steps.
    Mean,
}

impl Readout {
    /// The readout with this name; [`Error::Parameter`] if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "each_step" => Ok(Self::EachStep),
            "last" => Ok(Self::Last),
            "mean" => Ok(Self::Mean),
            _ => Err(Error::Parameter {
                what: "readout",
                expected: "one of each_step, last, mean",
                got: format!("{name:?}"),
            }),
        }
    }
}

/// More layers than this are taken for a mistake: each costs some memory before the size of the weights
/// can be checked.
const MOST_LAYERS: usize = 1000;

/// The number of equally likely draws that dropout distinguishes: a draw has 16 bits.
pub(crate) const DROPOUT_DRAWS: u64 = 1 << 16;

/// In how many of these draws a number is dropped.
pub(crate) fn dropped_draws(probability: f64) -> u64 {
    (probability * DROPOUT_DRAWS as f64).round() as u64
}

/// The architecture of a network: layers of recurrent cells, and a linear head with an activation,
/// y = output_activation(W_hy s + b_y).
///
/// The first layer reads the features, and each further layer reads the states of the layer below. s is
/// what the [`Readout`] makes of the last layer's states. All states start at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Sizes.
    pub shape: Shape,
    /// The categories among a timestep's features.
    pub categories: Categories,
    /// Static features, given once per sequence.
    pub statics: StaticFeatures,
    /// The cell of every layer.
    pub cell: Cell,
    /// Number of layers.
    pub layers: usize,
    /// Whether each layer also reads the sequence from its end (Schuster and Paliwal, 1997). The states
    /// of the two directions are concatenated.
    pub bidirectional: bool,
    /// What the head reads.
    pub readout: Readout,
    /// Activation of the outputs, unless the loss implies it.
    pub output_activation: Activation,
    /// Probability of dropping a unit between layers in training, rounded to a multiple of 2⁻¹⁶.
    pub dropout: f64,
    /// Probability of dropping a unit on the recurrent connections in training, rounded likewise.
    pub recurrent_dropout: f64,
}

impl Config {
    /// One layer of `cell` that reads forward and has an output at every step.
    pub fn new(shape: Shape, cell: Cell) -> Self {
        Self {
            shape,
            categories: Categories::default(),
            statics: StaticFeatures::default(),
            cell,
            layers: 1,
            bidirectional: false,
            readout: Readout::EachStep,
            output_activation: Activation::Identity,
            dropout: 0.0,
            recurrent_dropout: 0.0,
        }
    }

    /// The number of inputs that are numeric features of a timestep.
    pub fn numbers(&self) -> usize {
        self.first_static() - self.categories.levels
    }

    /// The index of the first input that belongs to the static features.
    pub fn first_static(&self) -> usize {
        self.shape.input - self.statics.inputs()
    }

    /// Features of a timestep: numbers and categories.
    pub fn features(&self) -> usize {
        self.numbers() + self.categories.columns
    }

    /// Directions of a layer, D: 1 or 2.
    pub fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Size of a network's state: h of each layer and direction, followed by c in an LSTM.
    pub fn state_len(&self) -> usize {
        self.state_rows() * self.state_width()
    }

    /// Layers times directions.
    pub fn state_rows(&self) -> usize {
        self.layers * self.directions()
    }

    /// Size of the state of one layer and direction.
    pub fn state_width(&self) -> usize {
        (1 + usize::from(self.cell.has_cell_state())) * self.shape.hidden
    }

    /// Whether there is one output per sequence, not per step.
    pub fn per_sequence(&self) -> bool {
        self.readout != Readout::EachStep
    }

    /// Whether anything is dropped in training.
    pub(crate) fn drops(&self) -> bool {
        self.dropout > 0.0 || self.recurrent_dropout > 0.0
    }

    /// Whether the head reads something other than the states as they are.
    pub(crate) fn pools(&self) -> bool {
        match self.readout {
            Readout::EachStep => false,
            // Forward, the final state of a sequence is simply its state at the last step.
            Readout::Last => self.bidirectional,
            Readout::Mean => true,
        }
    }

    /// [`Error::Parameter`] if the configuration makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
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
        for Categories { columns, levels } in [self.categories, self.statics.categories] {
            let all = self.categories.levels.saturating_add(self.statics.inputs());
            if all > input || columns > levels || (columns == 0) != (levels == 0) {
                let (what, expected) = ("categories", "inputs of their own, at least one each");
                let got = format!("{columns} with {levels} of {input} inputs");
                return Err(Error::Parameter { what, expected, got });
            }
        }
        if self.features() == 0 {
            let (what, expected) = ("input_size", "a feature of each timestep beside static ones");
            return Err(Error::Parameter { what, expected, got: input.to_string() });
        }
        if self.layers > MOST_LAYERS {
            let (what, expected) = ("num_layers", "at most 1000");
            return Err(Error::Parameter { what, expected, got: self.layers.to_string() });
        }
        for (what, probability) in
            [("dropout", self.dropout), ("recurrent_dropout", self.recurrent_dropout)]
        {
            // Written so that NaN fails too.
            if !(probability >= 0.0 && dropped_draws(probability) < DROPOUT_DRAWS) {
                let expected = "at least 0 and below 1 (it is rounded to a multiple of 1/65536)";
                return Err(Error::Parameter { what, expected, got: shortest(probability) });
            }
        }
        if self.dropout > 0.0 && self.layers == 1 {
            return Err(Error::Parameter {
                what: "dropout",
                expected: "0 for a single layer, as it acts between layers",
                got: shortest(self.dropout),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_layers_is_the_one_that_its_message_names() {
        let shape = Shape { input: 1, hidden: 1, output: 1 };
        let of = |layers| Config { layers, ..Config::new(shape, Cell::Lstm) }.check();
        assert!(of(MOST_LAYERS).is_ok());
        let refused = of(MOST_LAYERS + 1).unwrap_err().to_string();
        let got = MOST_LAYERS + 1;
        assert_eq!(refused, format!("num_layers must be at most {MOST_LAYERS}, got {got}"));
    }
}
