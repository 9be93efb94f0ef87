//! The class `Network`: a network of either element type behind one Python type.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust as core;
use rnn_rust::{
    Config, Descent, EpochRecord, Error, Layout, Method, Objective, Optimizer, Schedule, Sequences,
};

use crate::boundary::{data_error, exception, run};
use crate::python::{PythonLoss, PythonOptimizer, tensors};
use crate::settings::{Dtype, Plan, Settings, method};
use crate::stepper::{IntoStepper, Scaling, Stepper};

/// An element type that both sides know.
pub(crate) trait Scalar: core::Real + numpy::Element {}
impl Scalar for f32 {}
impl Scalar for f64 {}

/// A network, its weights, and the computations on them.
///
/// Predictions run side by side, also while another thread trains.
#[pyclass(frozen, module = "rnn_rust._core")]
pub(crate) struct Network {
    inner: Inner,
    objective: Objective,
    /// Threads that a call may use, unless it is left to the environment.
    threads: AtomicUsize,
}

enum Inner {
    F32(Cell<f32>),
    F64(Cell<f64>),
}

/// Runs `$body` with `$cell` bound to the network of whichever type it is.
macro_rules! with {
    ($self:ident, $cell:ident => $body:expr) => {
        match &$self.inner {
            Inner::F32($cell) => $body,
            Inner::F64($cell) => $body,
        }
    };
}

#[pymethods]
impl Network {
    #[new]
    fn new(settings: Settings) -> PyResult<Self> {
        let build = || {
            let inner = match settings.dtype()? {
                Dtype::F32 => Inner::F32(Cell::new(&settings)?),
                Dtype::F64 => Inner::F64(Cell::new(&settings)?),
            };
            let threads = AtomicUsize::new(0);
            Ok(Self { inner, objective: settings.objective()?, threads })
        };
        build().map_err(|error| exception(&error))
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
    /// and scale by column, empty without.
    fn stepper(
        &self,
        py: Python<'_>,
        features: (Vec<f64>, Vec<f64>),
        labels: (Vec<f64>, Vec<f64>),
    ) -> PyResult<Stepper> {
        let [features, labels] = [features, labels].map(|(shift, scale)| Scaling { shift, scale });
        with!(self, cell => {
            let stepper = run(py, None, |context| {
                core::Stepper::new(&cell.read(), self.objective.loss, context.level())
            })?;
            Ok(IntoStepper::wrap(stepper, features, labels))
        })
    }

    /// Every tensor by name, in the shape that users see.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        with!(self, cell => {
            let network = py.detach(|| cell.read());
            tensors(py, network.layout(), network.parameters())
        })
    }

    /// Replaces every tensor, or none if one does not fit.
    fn load_state_dict(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        with!(self, cell => cell.load(py, state))
    }

    /// Chooses how gradients change weights, by name and numbers; what the last one kept is gone.
    fn set_optimizer(&self, py: Python<'_>, settings: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(method) = method(settings)? else {
            return Err(data_error(format!("{settings} is no optimizer of the engine")));
        };
        with!(self, cell => py.detach(|| cell.set_method(method)).map_err(|error| exception(&error)))
    }

    /// What the optimiser keeps: its steps, and its moments tensor by tensor.
    fn optimizer_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        with!(self, cell => {
            let (network, descent) = py.detach(|| (cell.read(), cell.descent()));
            let state = PyDict::new(py);
            state.set_item("steps", descent.steps())?;
            for (name, flat) in descent.moments() {
                for (tensor, array) in tensors(py, network.layout(), flat)? {
                    state.set_item(format!("{name}.{tensor}"), array)?;
                }
            }
            Ok(state)
        })
    }

    /// Goes on from what another one kept.
    fn load_optimizer_state(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        with!(self, cell => cell.load_descent(py, state))
    }

    /// Outputs `(N, L)`, or `(S, L)` with a readout of whole sequences.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let loss = self.objective.loss;
        with!(self, cell => {
            let columns = cell.config.shape.output;
            cell.rows(py, (features, &offsets), columns, self.threads(), |network, data, context| {
                network.predict(data, loss, context)
            })
        })
    }

    /// States of the last layer, `(N, D·H)`.
    fn hidden_states<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        with!(self, cell => {
            let columns = cell.config.directions() * cell.config.shape.hidden;
            cell.rows(py, (features, &offsets), columns, self.threads(), core::Network::hidden_states)
        })
    }

    /// The loss of the data as one batch, and the gradient of every tensor by name if it is asked
    /// for. `custom` computes a loss in Python.
    #[pyo3(signature = (features, labels, offsets, weights, *, gradients, dropout_seed, custom))]
    #[allow(clippy::too_many_arguments)]
    fn loss<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        weights: Option<&Bound<'py, PyAny>>,
        gradients: bool,
        dropout_seed: Option<u64>,
        custom: Option<Py<PyAny>>,
    ) -> PyResult<(f64, Option<Bound<'py, PyDict>>)> {
        with!(self, cell => {
            let arrays = Arrays::new(features, Some(labels), weights, &offsets)?;
            let data = cell.sequences(&arrays)?;
            let mut custom = custom.map(|object| cell.python_loss(object, &data));
            let (network, objective) = (py.detach(|| cell.read()), self.objective);
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
    /// the call before its time or None. `custom` computes a loss in Python, `optimizer` updates
    /// there.
    #[pyo3(signature = (features, labels, offsets, weights, plan, *, custom, optimizer))]
    #[allow(clippy::too_many_arguments)]
    fn train<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        weights: Option<&Bound<'py, PyAny>>,
        plan: Plan,
        custom: Option<Py<PyAny>>,
        optimizer: Option<Py<PyAny>>,
    ) -> PyResult<(Vec<f64>, Vec<f64>, Option<PyErr>)> {
        with!(self, cell => {
            let arrays = Arrays::new(features, Some(labels), weights, &offsets)?;
            let data = cell.sequences(&arrays)?;
            let mut custom = custom.map(|object| cell.python_loss(object, &data));
            let (mut records, mut raised) = (Vec::new(), None);
            let how = How { objective: self.objective, plan: &plan, optimizer: optimizer.as_ref() };
            let end = run(py, self.threads(), |context| {
                cell.train(&data, how, custom.as_mut(), (&mut records, &mut raised), context)
            });
            let losses = records.iter().map(|record| record.loss).collect();
            let seconds = records.iter().map(|record| record.seconds).collect();
            let raised = raised.or(custom.and_then(|custom| custom.raised));
            Ok((losses, seconds, raised.or(end.err())))
        })
    }
}

/// How a call trains.
#[derive(Clone, Copy)]
struct How<'a> {
    objective: Objective,
    plan: &'a Plan,
    /// One that is written in Python.
    optimizer: Option<&'a Py<PyAny>>,
}

/// The arrays of one data set, borrowed from Python for the length of a call.
struct Arrays<'a, 'py, T: Scalar> {
    features: PyReadonlyArray2<'py, T>,
    labels: Option<PyReadonlyArray2<'py, T>>,
    weights: Option<PyReadonlyArray2<'py, T>>,
    offsets: &'a PyReadonlyArray1<'py, i64>,
}

impl<'a, 'py, T: Scalar> Arrays<'a, 'py, T> {
    fn new(
        features: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        weights: Option<&Bound<'py, PyAny>>,
        offsets: &'a PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Self> {
        let labels = labels.map(|labels| labels.extract()).transpose()?;
        let weights = weights.map(|weights| weights.extract()).transpose()?;
        Ok(Self { features: features.extract()?, labels, weights, offsets })
    }
}

/// A network of one element type, shared between Python threads.
///
/// Training works on a copy and puts it in place at its end, so that others may predict meanwhile.
/// Nobody may wait for a lock while holding the interpreter: who holds the lock takes the
/// interpreter now and then to look at signals.
struct Cell<T: Scalar> {
    config: Config,
    network: RwLock<Arc<core::Network<T>>>,
    /// The optimiser at work; held by the one who trains or loads.
    descent: Mutex<Descent<T>>,
}

impl<T: Scalar> Cell<T> {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let config = settings.config()?;
        let mut network = core::Network::new(config, settings.init()?, settings.seed)?;
        network.add_to_forget_bias(settings.forget_bias);
        let descent = Mutex::new(Descent::new(Method::SGD, network.layout().len())?);
        Ok(Self { config, network: RwLock::new(Arc::new(network)), descent })
    }

    // A lock is poisoned only by a panic, which its caller has seen as an InternalError.

    /// The network as it is now; no lock is held.
    fn read(&self) -> Arc<core::Network<T>> {
        Arc::clone(&self.network.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, network: core::Network<T>) {
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(network);
    }

    /// The optimiser; as long as it is held, nobody else changes the network.
    fn alone(&self) -> MutexGuard<'_, Descent<T>> {
        self.descent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn descent(&self) -> Descent<T> {
        self.alone().clone()
    }

    fn set_method(&self, method: Method) -> Result<(), Error> {
        *self.alone() = Descent::new(method, self.read().layout().len())?;
        Ok(())
    }

    fn python_loss(&self, object: Py<PyAny>, data: &Sequences<'_, T>) -> PythonLoss {
        let columns = (self.config.shape.output, data.label_columns());
        PythonLoss { object, columns, raised: None }
    }

    fn sequences<'a>(&self, arrays: &'a Arrays<'_, '_, T>) -> PyResult<Sequences<'a, T>> {
        let columns = arrays.features.shape()[1];
        let label_columns = arrays.labels.as_ref().map_or(1, |labels| labels.shape()[1]);
        let labels = arrays.labels.as_ref().map(|labels| labels.as_slice()).transpose()?;
        let data = Sequences::new(
            arrays.features.as_slice()?,
            labels.unwrap_or_default(),
            arrays.offsets.as_slice()?,
            (columns, label_columns),
        );
        let weighted = match &arrays.weights {
            None => data,
            Some(weights) => {
                let weights = weights.as_slice()?;
                data.and_then(|data| data.with_weights(weights))
            }
        };
        weighted.map_err(|error| exception(&error))
    }

    /// Rows of results.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        (features, offsets): (&Bound<'py, PyAny>, &PyReadonlyArray1<'py, i64>),
        columns: usize,
        threads: Option<usize>,
        compute: impl Fn(
            &core::Network<T>,
            &Sequences<'_, T>,
            &mut core::Context<'_>,
        ) -> Result<Vec<T>, Error>
        + Send
        + Sync,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arrays = Arrays::new(features, None, None, offsets)?;
        let data = self.sequences(&arrays)?;
        let flat = run(py, threads, |context| compute(&self.read(), &data, context))?;
        let rows = flat.len() / columns;
        let array: Bound<'py, PyArray2<T>> =
            PyArray1::from_vec(py, flat).reshape([rows, columns])?;
        Ok(array.into_any())
    }

    fn train(
        &self,
        data: &Sequences<'_, T>,
        how: How<'_>,
        custom: Option<&mut PythonLoss>,
        (records, raised): (&mut Vec<EpochRecord>, &mut Option<PyErr>),
        context: &mut core::Context<'_>,
    ) -> Result<(), Error> {
        let mut descent = self.alone();
        let mut network = core::Network::clone(&self.read());
        if how.plan.begins {
            network.settle();
            descent.settle();
        }
        let (schedule, layout) = (how.plan.schedule(), network.layout().clone());
        let end = match how.optimizer {
            None => {
                let target = (&mut network, &mut *descent as &mut dyn Optimizer<T>);
                train(target, data, (how.objective, &schedule), custom, records, context)
            }
            Some(object) => {
                let mut optimizer = PythonOptimizer { object, layout: &layout, raised: None };
                let target = (&mut network, &mut optimizer as &mut dyn Optimizer<T>);
                let end =
                    train(target, data, (how.objective, &schedule), custom, records, context);
                *raised = optimizer.raised;
                end
            }
        };
        self.replace(network);
        end
    }

    fn load(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let layout = py.detach(|| self.read()).layout().clone();
        let given = given::<T>(&layout, "", state)?;
        py.detach(|| {
            let _alone = self.alone();
            let mut changed = core::Network::clone(&self.read());
            for (tensor, values) in given {
                changed.set_tensor(tensor, &values)?;
            }
            self.replace(changed);
            Ok(())
        })
        .map_err(|error: Error| exception(&error))
    }

    fn load_descent(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let layout = py.detach(|| self.read()).layout().clone();
        let steps: u64 = state.as_any().get_item("steps")?.extract()?;
        let names: Vec<&'static str> =
            py.detach(|| self.descent()).moments().iter().map(|(name, _)| *name).collect();
        let mut moments = Vec::new();
        for name in names {
            let mut flat = vec![T::ZERO; layout.len()];
            for (tensor, values) in given::<T>(&layout, &format!("{name}."), state)? {
                layout.pack(&mut flat, tensor, &values).map_err(|error| exception(&error))?;
            }
            moments.push((name, flat));
        }
        py.detach(|| {
            let moments: Vec<(&str, &[T])> =
                moments.iter().map(|(name, flat)| (*name, &flat[..])).collect();
            self.alone().restore(steps, &moments)
        })
        .map_err(|error| exception(&error))
    }
}

/// The tensors that a dict has, by number.
fn given<T: Scalar>(
    layout: &Layout,
    prefix: &str,
    state: &Bound<'_, PyDict>,
) -> PyResult<Vec<(usize, Vec<T>)>> {
    let mut given = Vec::new();
    for (number, tensor) in layout.tensors().iter().enumerate() {
        if let Some(value) = state.get_item(format!("{prefix}{}", tensor.name()))? {
            let array: PyReadonlyArrayDyn<'_, T> = value.extract()?;
            given.push((number, array.as_slice()?.to_vec()));
        }
    }
    Ok(given)
}

/// Trains by a loss of the engine, or by one in Python.
fn train<T: Scalar>(
    (network, optimizer): (&mut core::Network<T>, &mut dyn Optimizer<T>),
    data: &Sequences<'_, T>,
    (objective, schedule): (Objective, &Schedule<'_>),
    custom: Option<&mut PythonLoss>,
    records: &mut Vec<EpochRecord>,
    context: &mut core::Context<'_>,
) -> Result<(), Error> {
    match custom {
        None => network.train(data, objective, schedule, optimizer, records, context),
        Some(custom) => network.train_by(data, custom, schedule, optimizer, records, context),
    }
}
