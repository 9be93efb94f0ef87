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

/// The shift and scale of each column; empty without a scaler.
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

/// The state that the lock protects.
pub(super) struct Held<T: Scalar> {
    pub(super) scorer: core::Scorer<T>,
    /// The scalers of the scorer's network.
    pub(super) scalers: Arc<Scalers>,
    /// Space for the features of an event.
    pub(super) x: Vec<T>,
}

/// No thread may wait for a lock for more than a few microseconds while it holds the interpreter: the
/// lock's holder may need the interpreter to check for signals.
pub(super) struct Keyed<T: Scalar> {
    pub(super) held: PriorityLock<Held<T>>,
    /// The Python model of the scorer's network. It changes only under `held`'s lock too, so a copy
    /// gets a matching pair. Its own lock is for the garbage collector, which cannot wait for a slice,
    /// and must not miss the model in one pass and find it in another: it is only ever held for a
    /// moment.
    model: Mutex<Arc<Py<PyAny>>>,
    /// Single events never wait for this lock.
    pub(super) batches: BatchLock,
    /// Whether outputs are restored to original units: for events that need to know before they have
    /// the lock, by which time it may have changed.
    restores: AtomicBool,
    hasher: KeyHasher,
    pub(super) rows: RowReader,
    /// The number of features and of outputs per event.
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

    /// Runs `work` briefly under the lock; the caller must catch its panics.
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

    /// Runs `work` briefly with the scorer.
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

    /// Whether outputs are restored to original units; may be outdated while the network is swapped.
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

    /// The Python model.
    pub(super) fn model(&self, py: Python<'_>) -> Py<PyAny> {
        let model = Arc::clone(&self.model_now());
        model.clone_ref(py)
    }

    /// Shows the garbage collector the references to Python objects. The model breaks reference cycles.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.rows.as_floats)?;
        visit.call(&**self.model_now())
    }

    /// The Python model and a copy of all entities from the same moment, between two slices.
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

    /// Switches to another network, between two batches.
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
        // Dropped when no lock is held, as this may run Python code.
        drop(before);
        Ok(())
    }
}

/// Why events were refused.
pub(super) enum Refused {
    NotFinite(usize),
    /// `out` has no room for outputs of this shape.
    NoRoom([usize; 2]),
    Engine(Error),
    /// With an exception: the engine panicked.
    Panicked(PyErr),
}

impl Refused {
    /// The exception for events with these features, in this many columns.
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

/// The exception for a signal handler that would wait for the batch it interrupted.
fn busy() -> PyErr {
    busy_error(
        "swap was called by a signal handler while the same thread was scoring a batch of the \
         scorer; let the handler set a flag, and call it once that has returned"
            .into(),
    )
}
