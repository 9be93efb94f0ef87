//! The class `Network`: a network of either element type behind one Python type.

use std::sync::atomic::{AtomicUsize, Ordering};

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust as core;
use rnn_rust::Objective;

use crate::boundary::run;
use crate::features::{RowReader, Scaling};
use crate::python::{add_tensors, tensors};
use crate::settings::{Dtype, EpochRun, Settings, method};
use crate::shared::{Arrays, PerSequenceArgs, SharedNetwork, TrainRequest};
use crate::stepper::{IntoStepper, Stepper};

/// A network, its weights, and the computations on them.
///
/// Predictions run side by side, also while another thread trains.
#[pyclass(frozen, module = "rnn_rust._core")]
pub(crate) struct Network {
    pub(crate) inner: Inner,
    pub(crate) objective: Objective,
    /// The most threads that a call may use; 0 leaves it to the environment.
    threads: AtomicUsize,
}

pub(crate) enum Inner {
    F32(SharedNetwork<f32>),
    F64(SharedNetwork<f64>),
}

/// Runs `$body` with `$shared` bound to the network, whichever its type.
macro_rules! with {
    ($self:ident, $shared:ident => $body:expr) => {
        match &$self.inner {
            Inner::F32($shared) => $body,
            Inner::F64($shared) => $body,
        }
    };
}

#[pymethods]
impl Network {
    /// A network with initial weights; with zeros, which take no time, where others are loaded next.
    #[new]
    #[pyo3(signature = (settings, *, zeros = false))]
    fn new(py: Python<'_>, settings: Settings, zeros: bool) -> PyResult<Self> {
        run(py, None, |context| {
            let inner = match settings.dtype()? {
                Dtype::F32 => Inner::F32(SharedNetwork::new(&settings, zeros, context)?),
                Dtype::F64 => Inner::F64(SharedNetwork::new(&settings, zeros, context)?),
            };
            let threads = AtomicUsize::new(0);
            Ok(Self { inner, objective: settings.objective()?, threads })
        })
    }

    /// How many threads a call may use; None leaves it to the environment.
    #[getter(n_threads)]
    fn threads(&self) -> Option<usize> {
        Some(self.threads.load(Ordering::Relaxed)).filter(|&threads| threads > 0)
    }

    #[setter(n_threads)]
    fn set_threads(&self, threads: Option<usize>) {
        self.threads.store(threads.unwrap_or(0), Ordering::Relaxed);
    }

    /// A stepper with these weights. The scalers are those of features and labels, each as shift
    /// and scale by column, empty without. `as_floats(what, values)` makes an array of other values;
    /// `names` are those of the features; `remake(tensors, scalers, names, state)` makes a stepper again.
    fn stepper(
        &self,
        py: Python<'_>,
        features: (Vec<f64>, Vec<f64>),
        labels: (Vec<f64>, Vec<f64>),
        as_floats: Py<PyAny>,
        names: Option<Vec<String>>,
        remake: Py<PyAny>,
    ) -> PyResult<Stepper> {
        let scalings = [features, labels].map(Scaling::from);
        let rows = RowReader { as_floats, names };
        with!(self, shared => {
            let stepper = run(py, None, |context| {
                core::Stepper::new(shared.read(), self.objective.loss, context.level())
            })?;
            Ok(IntoStepper::wrap(stepper, scalings, rows, remake))
        })
    }

    /// Every tensor by name, in the shape that users see.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        with!(self, shared => {
            let network = py.detach(|| shared.read());
            tensors(py, network.layout(), network.parameters())
        })
    }

    /// Replaces every tensor, or none if one does not fit.
    fn load_state_dict(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        with!(self, shared => shared.load(py, state))
    }

    /// Chooses the optimiser, by name and numbers; the state of the last one is lost.
    fn set_optimizer(&self, py: Python<'_>, settings: &Bound<'_, PyAny>) -> PyResult<()> {
        let method = method(settings)?;
        with!(self, shared => run(py, None, |context| shared.set_method(method, context)))
    }

    /// The state of the optimiser: its steps, and its moments tensor by tensor.
    fn optimizer_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        with!(self, shared => {
            let (network, (steps, moments)) =
                run(py, None, |context| Ok((shared.read(), shared.moments(context)?)))?;
            let state = PyDict::new(py);
            state.set_item("steps", steps)?;
            for (name, flat) in moments {
                add_tensors(&state, &format!("{name}."), network.layout(), &flat)?;
            }
            Ok(state)
        })
    }

    /// Resumes from the state of another one with the same settings; a `ShapeError` if it lacks a tensor.
    fn load_optimizer_state(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        with!(self, shared => shared.load_optimizer(py, state))
    }

    /// Outputs `(N, L)`, or `(S, L)` with a readout of whole sequences; and final states if they are
    /// asked for. `per_sequence` are the static features and the initial states of sequences.
    #[pyo3(signature = (features, offsets, per_sequence, *, states = false))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        per_sequence: PerSequenceArgs<'py>,
        states: bool,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let loss = self.objective.loss;
        with!(self, shared => {
            let columns = [shared.config.shape.output, shared.config.state_len()];
            let data = (features, &offsets, &per_sequence);
            shared.rows(py, data, &columns, self.threads(), |network, data, context| {
                if states {
                    let (outputs, states) = network.predict_with_states(data, loss, context)?;
                    return Ok(vec![outputs, states]);
                }
                Ok(vec![network.predict(data, loss, context)?])
            })
        })
    }

    /// States of the last layer, `(N, D·H)`.
    fn hidden_states<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        per_sequence: PerSequenceArgs<'py>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        with!(self, shared => {
            let columns = [shared.config.directions() * shared.config.shape.hidden];
            let data = (features, &offsets, &per_sequence);
            shared.rows(py, data, &columns, self.threads(), |network, data, context| {
                Ok(vec![network.hidden_states(data, context)?])
            })
        })
    }

    /// The loss of the data as one batch, and the gradient of every tensor by name if it is asked
    /// for. `custom` computes a loss in Python.
    #[pyo3(signature = (
        features, labels, offsets, weights, per_sequence, *, gradients, dropout_seed, custom
    ))]
    #[allow(clippy::too_many_arguments)]
    fn loss<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        weights: Option<&Bound<'py, PyAny>>,
        per_sequence: PerSequenceArgs<'py>,
        gradients: bool,
        dropout_seed: Option<u64>,
        custom: Option<Py<PyAny>>,
    ) -> PyResult<(f64, Option<Bound<'py, PyDict>>)> {
        with!(self, shared => {
            let arrays = Arrays::new(features, Some(labels), weights, &per_sequence, &offsets)?;
            let data = shared.sequences(&arrays)?;
            let mut custom = custom.map(|object| shared.python_loss(object, &data));
            let (network, objective) = (py.detach(|| shared.read()), self.objective);
            let answer = run(py, self.threads(), |context| match &mut custom {
                Some(custom) => {
                    network.gradient_by(&data, custom, (gradients, dropout_seed), context)
                }
                None if gradients => network.gradient(&data, objective, dropout_seed, context),
                None => {
                    let loss = network.loss(&data, objective, dropout_seed, context)?;
                    Ok((loss, Vec::new()))
                }
            });
            if let Some(raised) = custom.and_then(|custom| custom.raised) {
                return Err(raised);
            }
            let (loss, flat) = answer?;
            let dict = gradients.then(|| tensors(py, network.layout(), &flat)).transpose()?;
            Ok((loss, dict))
        })
    }

    /// Trains; returns the losses and seconds of the finished epochs, and the exception that ended
    /// the call early or None. `custom` computes a loss in Python, `optimizer` updates there.
    #[pyo3(signature = (features, labels, offsets, weights, per_sequence, plan, *, custom, optimizer))]
    #[allow(clippy::too_many_arguments)]
    fn train<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        weights: Option<&Bound<'py, PyAny>>,
        per_sequence: PerSequenceArgs<'py>,
        plan: EpochRun,
        custom: Option<Py<PyAny>>,
        optimizer: Option<Py<PyAny>>,
    ) -> PyResult<(Vec<f64>, Vec<f64>, Option<PyErr>)> {
        with!(self, shared => {
            let arrays = Arrays::new(features, Some(labels), weights, &per_sequence, &offsets)?;
            let data = shared.sequences(&arrays)?;
            let mut custom = custom.map(|object| shared.python_loss(object, &data));
            let (mut records, mut raised) = (Vec::new(), None);
            let request =
                TrainRequest { objective: self.objective, run: &plan, optimizer: optimizer.as_ref() };
            let end = run(py, self.threads(), |context| {
                shared.train(&data, request, custom.as_mut(), (&mut records, &mut raised), context)
            });
            let losses = records.iter().map(|record| record.loss).collect();
            let seconds = records.iter().map(|record| record.seconds).collect();
            let raised = raised.or(custom.and_then(|custom| custom.raised));
            Ok((losses, seconds, raised.or(end.err())))
        })
    }
}
