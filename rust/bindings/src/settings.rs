//! Arguments that come as dicts, by name.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::boundary::data_error;
use pyo3::prelude::*;
use rnn_rust as core;
use rnn_rust::{
    Activation, Categories, Cell, Clip, Config, Error, Init, Loss, Method, Objective, Readout,
    Reduction, Result, Shape, StaticFeatures,
};

/// The settings of a new network.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings {
    cell: String,
    input_size: usize,
    category_columns: usize,
    category_levels: usize,
    static_numbers: usize,
    static_category_columns: usize,
    static_category_levels: usize,
    hidden_size: usize,
    output_size: usize,
    num_layers: usize,
    bidirectional: bool,
    dropout: f64,
    recurrent_dropout: f64,
    readout: String,
    activation: String,
    reset_after: bool,
    pub(crate) forget_bias: f64,
    output_activation: String,
    loss: String,
    loss_parameters: BTreeMap<String, f64>,
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
        let shape =
            Shape { input: self.input_size, hidden: self.hidden_size, output: self.output_size };
        let cell = match self.cell.as_str() {
            "RNN" => Cell::Elman(Activation::from_name("activation", &self.activation)?),
            "GRU" => Cell::Gru { reset_after: self.reset_after },
            "LSTM" => Cell::Lstm,
            other => {
                let (what, expected) = ("cell", "one of RNN, GRU, LSTM");
                return Err(Error::Parameter { what, expected, got: format!("{other:?}") });
            }
        };
        let categories =
            Categories { columns: self.category_columns, levels: self.category_levels };
        let statics = StaticFeatures {
            numbers: self.static_numbers,
            categories: Categories {
                columns: self.static_category_columns,
                levels: self.static_category_levels,
            },
        };
        Ok(Config {
            categories,
            statics,
            layers: self.num_layers,
            bidirectional: self.bidirectional,
            readout: Readout::from_name(&self.readout)?,
            output_activation: Activation::from_name("output_activation", &self.output_activation)?,
            dropout: self.dropout,
            recurrent_dropout: self.recurrent_dropout,
            ..Config::new(shape, cell)
        })
    }

    pub(crate) fn init(&self) -> Result<Init> {
        Init::from_name(&self.init)
    }

    pub(crate) fn objective(&self) -> Result<Objective> {
        let parameters: Vec<(&str, f64)> =
            self.loss_parameters.iter().map(|(name, &value)| (name.as_str(), value)).collect();
        // A custom Python loss implies no output activation, and neither does this one.
        let loss = match self.loss.as_str() {
            "custom" => Loss::Mse,
            name => Loss::from_name(name, &parameters)?,
        };
        Ok(Objective { loss, reduction: Reduction::from_name(&self.reduction)? })
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

/// A run of epochs: how one call trains.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct EpochRun {
    /// Whether this is the first of the calls that make up one training.
    pub(crate) starts_training: bool,
    learning_rates: Vec<f64>,
    clip_norm: Option<f64>,
    clip_value: Option<f64>,
    bptt_steps: Option<usize>,
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    first_epoch: usize,
    epochs: usize,
    time_budget: Option<f64>,
}

impl EpochRun {
    /// The same run, in the engine's type.
    pub(crate) fn of_engine(&self) -> core::EpochRun<'_> {
        let seconds = |s| Duration::try_from_secs_f64(s).unwrap_or_default();
        core::EpochRun {
            batch_size: self.batch_size,
            shuffle: self.shuffle,
            seed: self.seed,
            first_epoch: self.first_epoch,
            epochs: self.epochs,
            learning_rates: &self.learning_rates,
            clip: Clip { norm: self.clip_norm, value: self.clip_value },
            bptt_steps: self.bptt_steps,
            time_budget: self.time_budget.map(seconds),
        }
    }
}

/// An optimiser of the engine, given the lower-case name of its class and all of its numbers.
pub(crate) fn method(settings: &Bound<'_, PyAny>) -> PyResult<Method> {
    let number = |name: &str| settings.get_item(name)?.extract::<f64>();
    let truth = |name: &str| settings.get_item(name)?.extract::<bool>();
    let weight_decay = number("weight_decay")?;
    let name: String = settings.get_item("method")?.extract()?;
    Ok(match name.as_str() {
        "sgd" => Method::Sgd {
            momentum: number("momentum")?,
            nesterov: truth("nesterov")?,
            weight_decay,
        },
        "rmsprop" => Method::RmsProp {
            alpha: number("alpha")?,
            eps: number("eps")?,
            weight_decay,
            momentum: number("momentum")?,
            centered: truth("centered")?,
        },
        "adagrad" => Method::Adagrad {
            lr_decay: number("lr_decay")?,
            weight_decay,
            initial_accumulator_value: number("initial_accumulator_value")?,
            eps: number("eps")?,
        },
        "adam" | "adamw" => {
            let (beta1, beta2): (f64, f64) = settings.get_item("betas")?.extract()?;
            let eps = number("eps")?;
            if name == "adam" {
                Method::Adam { beta1, beta2, eps, weight_decay }
            } else {
                Method::AdamW { beta1, beta2, eps, weight_decay }
            }
        }
        _ => return Err(data_error(format!("{name:?} is no optimizer of the engine"))),
    })
}
