//! The class `Network`: a network of either element type behind one Python type.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use numpy::{PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust as core;
use rnn_rust::{Config, Error, Init, Objective, Sequences, Tensor};

use crate::boundary::{exception, run};
use crate::settings::{Dtype, Plan, Settings};
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
            let (config, init, seed) = (settings.config()?, settings.init()?, settings.seed);
            let inner = match settings.dtype()? {
                Dtype::F32 => Inner::F32(Cell::new(config, init, seed)?),
                Dtype::F64 => Inner::F64(Cell::new(config, init, seed)?),
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
                Ok(core::Stepper::new(&cell.read(), context.level()))
            })?;
            Ok(IntoStepper::wrap(stepper, features, labels))
        })
    }

    /// Every tensor by name, in the shape that users see.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        with!(self, cell => {
            let values = py.detach(|| Tensor::ALL.map(|tensor| cell.read().tensor(tensor)));
            cell.tensors(py, values)
        })
    }

    /// Replaces every tensor, or none if one does not fit.
    fn load_state_dict(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        with!(self, cell => cell.load(py, state))
    }

    /// Outputs `(N, L)`.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        with!(self, cell => cell.rows(py, (features, &offsets), self.threads(), core::Network::predict))
    }

    /// States `(N, H)`.
    fn hidden_states<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        with!(self, cell => cell.rows(py, (features, &offsets), self.threads(), core::Network::hidden_states))
    }

    /// The loss of the data as one batch.
    fn loss(
        &self,
        py: Python<'_>,
        features: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
        offsets: PyReadonlyArray1<'_, i64>,
    ) -> PyResult<f64> {
        with!(self, cell => {
            let arrays = Arrays::new(features, Some(labels), &offsets)?;
            let data = cell.sequences(&arrays)?;
            run(py, self.threads(), |context| cell.read().loss(&data, self.objective, context))
        })
    }

    /// The loss of the data as one batch, and the gradient of every tensor by name.
    fn gradients<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<(f64, Bound<'py, PyDict>)> {
        with!(self, cell => {
            let arrays = Arrays::new(features, Some(labels), &offsets)?;
            let data = cell.sequences(&arrays)?;
            let (loss, gradients) = run(py, self.threads(), |context| {
                let network = cell.read();
                let (loss, flat) = network.gradient(&data, self.objective, context)?;
                Ok((loss, Tensor::ALL.map(|tensor| network.layout().unpack(&flat, tensor))))
            })?;
            Ok((loss, cell.tensors(py, gradients)?))
        })
    }

    /// Trains; returns the losses and seconds of the finished epochs, and the exception that ended
    /// the call before its time or None.
    fn train<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        offsets: PyReadonlyArray1<'py, i64>,
        plan: Plan,
    ) -> PyResult<(Vec<f64>, Vec<f64>, Option<PyErr>)> {
        let schedule = plan.schedule();
        with!(self, cell => {
            let arrays = Arrays::new(features, Some(labels), &offsets)?;
            let data = cell.sequences(&arrays)?;
            let mut sgd = core::Sgd::new(plan.learning_rate).map_err(|error| exception(&error))?;
            let mut records = Vec::new();
            let end = run(py, self.threads(), |context| {
                let _alone = cell.alone();
                let mut network = core::Network::clone(&cell.read());
                if plan.begins {
                    network.settle();
                }
                let objective = self.objective;
                let end = network
                    .train(&data, objective, &schedule, &mut sgd, &mut records, context);
                cell.replace(network);
                end
            });
            let losses = records.iter().map(|record| record.loss).collect();
            let seconds = records.iter().map(|record| record.seconds).collect();
            Ok((losses, seconds, end.err()))
        })
    }
}

/// The arrays of one data set, borrowed from Python for the length of a call.
struct Arrays<'a, 'py, T: Scalar> {
    features: PyReadonlyArray2<'py, T>,
    labels: Option<PyReadonlyArray2<'py, T>>,
    offsets: &'a PyReadonlyArray1<'py, i64>,
}

impl<'a, 'py, T: Scalar> Arrays<'a, 'py, T> {
    fn new(
        features: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        offsets: &'a PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Self> {
        let labels = labels.map(|labels| labels.extract()).transpose()?;
        Ok(Self { features: features.extract()?, labels, offsets })
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
    /// Held by the one who trains or loads.
    training: Mutex<()>,
}

impl<T: Scalar> Cell<T> {
    fn new(config: Config, init: Init, seed: u64) -> Result<Self, Error> {
        let network = RwLock::new(Arc::new(core::Network::new(config, init, seed)?));
        Ok(Self { config, network, training: Mutex::new(()) })
    }

    // A lock is poisoned only by a panic, which its caller has seen as an InternalError.

    /// The network as it is now; no lock is held.
    fn read(&self) -> Arc<core::Network<T>> {
        Arc::clone(&self.network.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, network: core::Network<T>) {
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(network);
    }

    /// Keeps others from changing the network meanwhile.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.training.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sequences<'a>(&self, arrays: &'a Arrays<'_, '_, T>) -> PyResult<Sequences<'a, T>> {
        let columns = arrays.features.shape()[1];
        let outputs = match &arrays.labels {
            Some(labels) => labels.shape()[1],
            None => self.config.shape.output,
        };
        let labels = arrays.labels.as_ref().map(|labels| labels.as_slice()).transpose()?;
        Sequences::new(
            arrays.features.as_slice()?,
            labels.unwrap_or_default(),
            arrays.offsets.as_slice()?,
            (columns, outputs),
        )
        .map_err(|error| exception(&error))
    }

    /// One row of results per row of `features`.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        (features, offsets): (&Bound<'py, PyAny>, &PyReadonlyArray1<'py, i64>),
        threads: Option<usize>,
        compute: impl Fn(
            &core::Network<T>,
            &Sequences<'_, T>,
            &mut core::Context<'_>,
        ) -> Result<Vec<T>, Error>
        + Send
        + Sync,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arrays = Arrays::new(features, None, offsets)?;
        let data = self.sequences(&arrays)?;
        let rows = data.rows();
        let flat = run(py, threads, |context| compute(&self.read(), &data, context))?;
        let columns = flat.len() / rows.max(1);
        let array: Bound<'py, PyArray2<T>> =
            PyArray1::from_vec(py, flat).reshape([rows, columns])?;
        Ok(array.into_any())
    }

    /// A dict with an array for every tensor, from values in the order of [`Tensor::ALL`].
    fn tensors<'py>(&self, py: Python<'py>, values: [Vec<T>; 5]) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (tensor, values) in Tensor::ALL.into_iter().zip(values) {
            let flat = PyArray1::from_vec(py, values);
            let array: Bound<'py, PyArrayDyn<T>> =
                flat.reshape(tensor.dimensions(self.config.shape))?;
            dict.set_item(tensor.name(), array)?;
        }
        Ok(dict)
    }

    fn load(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut given = Vec::new();
        for tensor in Tensor::ALL {
            if let Some(value) = state.get_item(tensor.name())? {
                let array: PyReadonlyArrayDyn<'_, T> = value.extract()?;
                given.push((tensor, array.as_slice()?.to_vec()));
            }
        }
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
}
