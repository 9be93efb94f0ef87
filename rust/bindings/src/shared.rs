//! A network of one element type, shared between Python threads, and the arrays it works on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, ThreadId};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust as core;
use rnn_rust::{
    Config, Context, EpochRecord, Error, GradientDescent, Layout, Method, Objective, Optimizer,
    Sequences,
};

use crate::boundary::{
    Scalar, data_error, exception, if_free, if_possible, run, shape_error, when_free,
};
use crate::python::{PythonLoss, PythonOptimizer};
use crate::settings::{EpochRun, Settings};

/// How a call trains.
#[derive(Clone, Copy)]
pub(crate) struct TrainRequest<'a> {
    pub(crate) objective: Objective,
    pub(crate) run: &'a EpochRun,
    /// An optimiser written in Python.
    pub(crate) optimizer: Option<&'a Py<PyAny>>,
}

/// The arrays of one data set, borrowed from Python for the length of a call.
pub(crate) struct Arrays<'a, 'py, T: Scalar> {
    features: PyReadonlyArray2<'py, T>,
    labels: Option<PyReadonlyArray2<'py, T>>,
    weights: Option<PyReadonlyArray2<'py, T>>,
    sequences: PerSequence<'py, T>,
    offsets: &'a PyReadonlyArray1<'py, i64>,
}

/// Per-sequence arrays, one row each: static features and initial states.
struct PerSequence<'py, T: Scalar> {
    statics: Option<PyReadonlyArray2<'py, T>>,
    initial: Option<PyReadonlyArray2<'py, T>>,
}

/// The same as passed from Python: `(statics, initial)`.
pub(crate) type PerSequenceArgs<'py> = (Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

impl<'a, 'py, T: Scalar> Arrays<'a, 'py, T> {
    pub(crate) fn new(
        features: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        weights: Option<&Bound<'py, PyAny>>,
        (statics, initial): &PerSequenceArgs<'py>,
        offsets: &'a PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Self> {
        let labels = labels.map(|labels| labels.extract()).transpose()?;
        let weights = weights.map(|weights| weights.extract()).transpose()?;
        let statics = statics.as_ref().map(|rows| rows.extract()).transpose()?;
        let initial = initial.as_ref().map(|rows| rows.extract()).transpose()?;
        let sequences = PerSequence { statics, initial };
        Ok(Self { features: features.extract()?, labels, weights, sequences, offsets })
    }
}

/// The moments of an optimiser by name.
type Moments<T> = Vec<(&'static str, Vec<T>)>;

/// A network of one element type, shared between Python threads.
///
/// Training works on a copy and swaps it in at the end, so that others can predict meanwhile. No thread
/// may wait for a lock while it holds the interpreter: the lock's holder attaches to the interpreter
/// now and then to check for signals.
pub(crate) struct SharedNetwork<T: Scalar> {
    pub(crate) config: Config,
    network: RwLock<Arc<core::Network<T>>>,
    /// The optimiser; locked while a thread trains or loads.
    optimizer: Mutex<GradientDescent<T>>,
    /// The thread that holds the optimiser.
    owner: Mutex<Option<ThreadId>>,
}

/// The exclusive right to change a network, until dropped.
struct Exclusive<'a, T: Scalar> {
    optimizer: MutexGuard<'a, GradientDescent<T>>,
    owner: &'a Mutex<Option<ThreadId>>,
}

impl<T: Scalar> Drop for Exclusive<'_, T> {
    fn drop(&mut self) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<T: Scalar> SharedNetwork<T> {
    pub(crate) fn new(
        settings: &Settings,
        zeros: bool,
        context: &mut Context<'_>,
    ) -> Result<Self, Error> {
        let (config, init) = (settings.config()?, settings.init()?);
        let mut network = if zeros {
            core::Network::zeros(config)?
        } else {
            core::Network::new_in(config, init, settings.seed, context)?
        };
        network.add_to_forget_bias(settings.forget_bias)?;
        let optimizer = Mutex::new(GradientDescent::new(Method::SGD, network.layout().len())?);
        let (network, owner) = (RwLock::new(Arc::new(network)), Mutex::new(None));
        Ok(Self { config, network, optimizer, owner })
    }

    // A lock is poisoned only by a panic, which its caller has seen as an InternalError.

    /// The current network; no lock stays held.
    pub(crate) fn read(&self) -> Arc<core::Network<T>> {
        Arc::clone(&self.network.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, network: core::Network<T>) {
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(network);
    }

    /// The optimiser; while one thread holds it, no other changes the network.
    ///
    /// Python code called by training (a loss, an optimiser, a signal handler) may try to lock it
    /// again, which would deadlock. While another thread holds it, signals are checked.
    fn exclusive(&self, context: &mut Context<'_>) -> Result<Exclusive<'_, T>, Error> {
        let owner = || self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let me = thread::current().id();
        if *owner() == Some(me) {
            return Err(Error::Parameter {
                what: "a model that trains",
                expected: "left as it is until the call returns",
                got: "a change from within its own training".into(),
            });
        }
        let optimizer = when_free(context, || if_free(self.optimizer.try_lock()))?;
        *owner() = Some(me);
        Ok(Exclusive { optimizer, owner: &self.owner })
    }

    /// The optimiser's step count, and a copy of its moments.
    pub(crate) fn moments(&self, context: &mut Context<'_>) -> Result<(u64, Moments<T>), Error> {
        let optimizer = &self.exclusive(context)?.optimizer;
        let moments = optimizer.moments();
        let copies = moments.into_iter().map(|(name, flat)| (name, flat.to_vec())).collect();
        Ok((optimizer.steps(), copies))
    }

    pub(crate) fn set_method(
        &self,
        method: Method,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let len = self.read().layout().len();
        *self.exclusive(context)?.optimizer = GradientDescent::new(method, len)?;
        Ok(())
    }

    pub(crate) fn python_loss(&self, object: Py<PyAny>, data: &Sequences<'_, T>) -> PythonLoss {
        let columns = (self.config.shape.output, data.label_columns());
        PythonLoss { object, columns, raised: None }
    }

    pub(crate) fn sequences<'a>(
        &self,
        arrays: &'a Arrays<'_, '_, T>,
    ) -> PyResult<Sequences<'a, T>> {
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
                data.and_then(|data| data.with_label_weights(weights))
            }
        };
        let mut data = weighted.map_err(|error| exception(&error))?;
        let PerSequence { statics, initial } = &arrays.sequences;
        if let Some(statics) = statics {
            let (numbers, size) = (statics.as_slice()?, statics.shape()[1]);
            data = data.with_statics(numbers, size).map_err(|error| exception(&error))?;
        }
        if let Some(initial) = initial {
            let (numbers, size) = (initial.as_slice()?, initial.shape()[1]);
            data = data.with_initial_states(numbers, size).map_err(|error| exception(&error))?;
        }
        Ok(data)
    }

    /// Computes results; `columns` gives the number of columns of each.
    pub(crate) fn rows<'py>(
        &self,
        py: Python<'py>,
        (features, offsets, per_sequence): (
            &Bound<'py, PyAny>,
            &PyReadonlyArray1<'py, i64>,
            &PerSequenceArgs<'py>,
        ),
        columns: &[usize],
        threads: Option<usize>,
        compute: impl Fn(
            &core::Network<T>,
            &Sequences<'_, T>,
            &mut Context<'_>,
        ) -> Result<Vec<Vec<T>>, Error>
        + Send
        + Sync,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let arrays = Arrays::new(features, None, None, per_sequence, offsets)?;
        let data = self.sequences(&arrays)?;
        let found = run(py, threads, |context| compute(&self.read(), &data, context))?;
        let as_rows = |(flat, &columns): (Vec<T>, &usize)| {
            let rows = flat.len() / columns;
            let array: Bound<'py, PyArray2<T>> =
                PyArray1::from_vec(py, flat).reshape([rows, columns])?;
            Ok(array.into_any())
        };
        found.into_iter().zip(columns).map(as_rows).collect()
    }

    pub(crate) fn train(
        &self,
        data: &Sequences<'_, T>,
        request: TrainRequest<'_>,
        custom: Option<&mut PythonLoss>,
        (records, raised): (&mut Vec<EpochRecord>, &mut Option<PyErr>),
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let mut exclusive = self.exclusive(context)?;
        let own = &mut *exclusive.optimizer;
        if request.optimizer.is_none() {
            own.take_memory()?;
        }
        let mut network = self.read().copy()?;
        if request.run.starts_training {
            network.settle();
            own.settle();
        }
        let (run, layout) = (request.run.of_engine(), network.layout().clone());
        let end = match request.optimizer {
            None => {
                let target = (&mut network, own as &mut dyn Optimizer<T>);
                train(target, data, (request.objective, &run), custom, records, context)
            }
            Some(object) => {
                let mut optimizer = PythonOptimizer { object, layout: &layout, raised: None };
                let target = (&mut network, &mut optimizer as &mut dyn Optimizer<T>);
                let end = train(target, data, (request.objective, &run), custom, records, context);
                *raised = optimizer.raised;
                end
            }
        };
        self.replace(network);
        end
    }

    pub(crate) fn load(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let layout = py.detach(|| self.read()).layout().clone();
        let given = given::<T>(&layout, ("the state dict", ""), state)?;
        run(py, None, |context| {
            let _exclusive = self.exclusive(context)?;
            let mut changed = self.read().copy()?;
            for (tensor, values) in given {
                changed.set_tensor(tensor, &values)?;
            }
            self.replace(changed);
            Ok(())
        })
    }

    pub(crate) fn load_optimizer(&self, py: Python<'_>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let layout = py.detach(|| self.read()).layout().clone();
        let what = "the state of the optimizer";
        let steps = match state.get_item("steps")? {
            Some(steps) => if_possible(py, steps.extract::<u64>())?,
            None => None,
        };
        let steps = steps.ok_or_else(|| data_error(format!("{what} has no number of steps")))?;
        let method = run(py, None, |context| Ok(self.exclusive(context)?.optimizer.method()))?;
        let names = method.moments();
        let mut moments = Vec::new();
        for &name in names {
            let mut flat = vec![T::ZERO; layout.len()];
            for (tensor, values) in given::<T>(&layout, (what, &format!("{name}.")), state)? {
                layout.pack(&mut flat, tensor, &values).map_err(|error| exception(&error))?;
            }
            moments.push((name, flat));
        }
        let expected = 1 + names.len() * layout.tensors().len();
        if state.len() != expected {
            return Err(shape_error(format!(
                "{what} has {} entries, and this one has {expected}: {}",
                state.len(),
                [&["steps"], names].concat().join(", "),
            )));
        }
        run(py, None, |context| {
            let moments: Vec<(&str, &[T])> =
                moments.iter().map(|(name, flat)| (*name, &flat[..])).collect();
            self.exclusive(context)?.optimizer.restore(steps, &moments)
        })
    }
}

/// All tensors by number, from a dict, described by `what`, whose names start with `prefix`.
fn given<T: Scalar>(
    layout: &Layout,
    (what, prefix): (&str, &str),
    state: &Bound<'_, PyDict>,
) -> PyResult<Vec<(usize, Vec<T>)>> {
    let tensors = layout.tensors().iter().enumerate();
    let read = |(number, tensor): (usize, &core::Tensor)| {
        let name = format!("{prefix}{}", tensor.name());
        let value = state.get_item(&name)?;
        let value = value.ok_or_else(|| shape_error(format!("{what} lacks {name}")))?;
        let array: Option<PyReadonlyArrayDyn<'_, T>> = if_possible(value.py(), value.extract())?;
        let values = array.as_ref().and_then(|array| array.as_slice().ok());
        let values = values.ok_or_else(|| {
            data_error(format!("{what}: {name} is no contiguous array of the network's dtype"))
        })?;
        Ok((number, values.to_vec()))
    };
    tensors.map(read).collect()
}

/// Trains with a loss of the engine, or with one in Python.
fn train<T: Scalar>(
    (network, optimizer): (&mut core::Network<T>, &mut dyn Optimizer<T>),
    data: &Sequences<'_, T>,
    (objective, run): (Objective, &core::EpochRun<'_>),
    custom: Option<&mut PythonLoss>,
    records: &mut Vec<EpochRecord>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    match custom {
        None => network.train(data, objective, run, optimizer, records, context),
        Some(custom) => network.train_by(data, custom, run, optimizer, records, context),
    }
}
