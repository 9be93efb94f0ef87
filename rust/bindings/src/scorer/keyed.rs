//! A scorer of one element type, shared between Python threads.

use std::mem::replace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use rnn_rust as core;
use rnn_rust::{Error, HashedKey, Key, KeyHasher, ScorerCopy};

use super::batch_lock::BatchLock;
use super::priority_lock::PriorityLock;
use super::running_batch::is_scoring_batch;
use super::states::{Arrays, Given};
use crate::boundary::{Scalar, as_tuple, busy_error, caught, detached, exception, run};
use crate::features::{RowReader, Scaling};

/// The shift and the scale of each column, empty without a scaler.
pub(super) type Columns = (Vec<f64>, Vec<f64>);

/// The scalers of features and labels.
pub(super) struct Scalers {
    pub(super) features: Scaling,
    pub(super) labels: Scaling,
}

impl Scalers {
    /// Whether outputs are restored to original units.
    pub(super) fn restore(&self) -> bool {
        !self.labels.is_empty()
    }
}

impl From<(Columns, Columns)> for Scalers {
    fn from((features, labels): (Columns, Columns)) -> Self {
        Self { features: features.into(), labels: labels.into() }
    }
}

/// What changes under the lock.
pub(super) struct Held<T: Scalar> {
    pub(super) scorer: core::Scorer<T>,
    /// Those of the scorer's network.
    pub(super) scalers: Arc<Scalers>,
    /// Room for the features of an event.
    pub(super) x: Vec<T>,
}

/// No thread may wait for a lock while it holds the interpreter, but for a few microseconds: the
/// holder may want the interpreter to check for signals.
pub(super) struct Keyed<T: Scalar> {
    pub(super) held: PriorityLock<Held<T>>,
    /// Python's model, that of the scorer's network: a copy has both of one moment, as it changes
    /// under the other lock alone. Its own is for the garbage collector, which cannot wait for a
    /// slice, and must not miss the model in one pass and find it in another: who holds it does
    /// nothing else.
    model: Mutex<Arc<Py<PyAny>>>,
    /// Single events never wait for it.
    pub(super) batches: BatchLock,
    /// Whether the scalers restore outputs to original units: for an event that has to know it
    /// before it has the lock, under which it may turn out to be otherwise.
    restores: AtomicBool,
    hasher: KeyHasher,
    pub(super) rows: RowReader,
    /// Features and outputs of an event.
    pub(super) sizes: (usize, usize),
}

impl<T: Scalar> Keyed<T> {
    pub(super) fn new(
        model: Py<PyAny>,
        scorer: core::Scorer<T>,
        (scalers, rows): (Scalers, RowReader),
    ) -> Self {
        let config = scorer.network().config();
        let (columns, outputs) = (config.features(), config.shape.output);
        let x = Vec::with_capacity(columns);
        Self {
            hasher: scorer.hasher().clone(),
            batches: BatchLock::new(),
            restores: AtomicBool::new(scalers.restore()),
            held: PriorityLock::new(Held { scorer, scalers: Arc::new(scalers), x }),
            model: Mutex::new(Arc::new(model)),
            rows,
            sizes: (columns, outputs),
        }
    }

    /// Runs `work` under the lock, for a moment; its panics are left to the caller to catch.
    pub(super) fn with_held<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Held<T>) -> R + Send,
    ) -> R {
        match self.held.lock_if_soon_free() {
            Some(mut held) => work(&mut held),
            None => py.detach(|| work(&mut self.held.lock())),
        }
    }

    /// Runs `work` with the scorer, for a moment.
    pub(super) fn with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut core::Scorer<T>) -> R + Send,
    ) -> PyResult<R> {
        caught(|| self.with_held(py, |held| work(&mut held.scorer)))
    }

    pub(super) fn hashed<'a>(&self, key: Key<'a>) -> HashedKey<'a> {
        self.hasher.hashed(key)
    }

    /// Whether outputs are restored to original units, unless the network is being swapped.
    pub(super) fn restores(&self) -> bool {
        self.restores.load(Ordering::Relaxed)
    }

    /// The number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.sizes.1
    }

    pub(super) fn network(&self, py: Python<'_>) -> PyResult<Arc<core::Network<T>>> {
        self.with(py, |scorer| Arc::clone(scorer.network()))
    }

    fn model_now(&self) -> MutexGuard<'_, Arc<Py<PyAny>>> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Python's model.
    pub(super) fn model(&self, py: Python<'_>) -> Py<PyAny> {
        let model = Arc::clone(&self.model_now());
        model.clone_ref(py)
    }

    /// Shows the garbage collector what refers to Python. A cycle is broken by the model.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.rows.as_floats)?;
        visit.call(&**self.model_now())
    }

    /// Python's model and a copy of all entities at one moment, between two slices.
    pub(super) fn copy(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, ScorerCopy<T>)> {
        let (model, copy) = detached(py, || {
            let held = self.held.lock();
            Ok((Arc::clone(&self.model_now()), held.scorer.copy()?))
        })?;
        Ok((model.clone_ref(py), copy))
    }

    pub(super) fn restore(&self, py: Python<'_>, arrays: &Arrays<'_, T>) -> PyResult<()> {
        let given = arrays.read(self.network(py)?.config().state_len())?;
        let Given { entities, states, given_up } = given;
        detached(py, || self.held.lock().scorer.restore(entities.into_iter(), states, given_up))
    }

    /// Goes on with another network, between two batches.
    pub(super) fn swap(
        &self,
        py: Python<'_>,
        (model, network): (Py<PyAny>, Arc<core::Network<T>>),
        (loss, scalers, keep_states): (core::Loss, Scalers, bool),
    ) -> PyResult<()> {
        if is_scoring_batch(self) {
            return Err(busy());
        }
        let (model, scalers) = (Arc::new(model), Arc::new(scalers));
        let before = run(py, None, |context| {
            let _between_batches = self.batches.for_swap(context)?;
            let mut held = self.held.lock();
            held.scorer.swap(network, loss, keep_states)?;
            self.restores.store(scalers.restore(), Ordering::Relaxed);
            held.scalers = scalers;
            Ok(replace(&mut *self.model_now(), model))
        })?;
        // Where no lock is held: Python code may run as it goes.
        drop(before);
        Ok(())
    }
}

/// Why events were refused.
pub(super) enum Refused {
    NotFinite(usize),
    /// In `out`, for outputs of this shape.
    NoRoom([usize; 2]),
    Engine(Error),
    /// By an exception: the engine panicked.
    Panicked(PyErr),
}

impl Refused {
    /// The exception of events with these features in so many columns.
    pub(super) fn exception<N: core::Real>(
        self,
        rows: &RowReader,
        values: &[N],
        columns: usize,
    ) -> PyErr {
        match self {
            Self::NotFinite(at) => rows.not_finite(values, at, columns),
            Self::NoRoom(shape) => PyTypeError::new_err(format!(
                "out must be a writable array of shape {} and the dtype of the outputs",
                as_tuple(&shape),
            )),
            Self::Engine(error) => exception(&error),
            Self::Panicked(error) => error,
        }
    }
}

/// The exception of a signal handler that would wait for the batch it interrupted.
fn busy() -> PyErr {
    busy_error(
        "swap was called by a signal handler while the same thread was scoring a batch of the \
         scorer; let the handler set a flag, and call it once that has returned"
            .into(),
    )
}
