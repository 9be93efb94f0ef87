//! Arguments that come as dicts, by name.

use std::time::Duration;

use pyo3::prelude::*;
use rnn_rust::{
    Activation, Config, Error, Init, Loss, Objective, Reduction, Result, Schedule, Shape,
};

/// What a new network is made of.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings {
    input_size: usize,
    hidden_size: usize,
    output_size: usize,
    activation: String,
    output_activation: String,
    loss: String,
    reduction: String,
    dtype: String,
    init: String,
    pub(crate) seed: u64,
}

/// The element types.
pub(crate) enum Dtype {
    F32,
    F64,
}

impl Settings {
    pub(crate) fn config(&self) -> Result<Config> {
        Ok(Config {
            shape: Shape {
                input: self.input_size,
                hidden: self.hidden_size,
                output: self.output_size,
            },
            activation: Activation::from_name("activation", &self.activation)?,
            output_activation: Activation::from_name("output_activation", &self.output_activation)?,
        })
    }

    pub(crate) fn init(&self) -> Result<Init> {
        Init::from_name(&self.init)
    }

    pub(crate) fn objective(&self) -> Result<Objective> {
        Ok(Objective {
            loss: Loss::from_name(&self.loss)?,
            reduction: Reduction::from_name(&self.reduction)?,
        })
    }

    pub(crate) fn dtype(&self) -> Result<Dtype> {
        match self.dtype.as_str() {
            "float32" => Ok(Dtype::F32),
            "float64" => Ok(Dtype::F64),
            other => Err(Error::Parameter {
                what: "dtype",
                expected: "one of float32, float64",
                got: format!("{other:?}"),
            }),
        }
    }
}

/// How one call trains.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Plan {
    pub(crate) learning_rate: f64,
    /// Whether this is the first of the calls that make up one training.
    pub(crate) begins: bool,
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    first_epoch: usize,
    epochs: usize,
    time_budget: Option<f64>,
}

impl Plan {
    pub(crate) fn schedule(&self) -> Schedule {
        let seconds = |s| Duration::try_from_secs_f64(s).unwrap_or_default();
        Schedule {
            batch_size: self.batch_size,
            shuffle: self.shuffle,
            seed: self.seed,
            first_epoch: self.first_epoch,
            epochs: self.epochs,
            time_budget: self.time_budget.map(seconds),
        }
    }
}
