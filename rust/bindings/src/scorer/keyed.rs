//! A scorer of one element type, shared between Python threads.

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::thread::yield_now;

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1};
use numpy::{PyReadwriteArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rnn_rust as core;
use rnn_rust::{Error, HashedKey, Key, KeyHasher, ScorerCopy};

use super::batches::{Open, has_open};
use super::keys::KeyView;
use super::states::{Arrays, Given};
use super::turns::Turns;
use crate::boundary::{Scalar, busy_error, exception, run, shape_error};
use crate::features::{RowReader, Scaling, not_finite, with_row, writable};

/// Events of a slice: a single call waits no longer than a slice takes.
const SLICE: usize = 32;
/// Outputs of one event that need no allocation.
const FEW: usize = 8;
/// Events after which signals are checked: some milliseconds.
const UNCHECKED: usize = 1 << 14;

/// What lies between a network and its users.
pub(super) struct Units {
    pub(super) features: Scaling,
    pub(super) labels: Scaling,
}

/// A scorer, and room for the features of an event.
struct Held<T: Scalar> {
    scorer: core::Scorer<T>,
    x: Vec<T>,
}

/// No thread may wait for a lock while it holds the interpreter, but for a few microseconds: the
/// holder may want the interpreter to check for signals.
pub(super) struct Keyed<T: Scalar> {
    held: Turns<Held<T>>,
    /// Read while a call scores, written when the network is swapped.
    units: RwLock<Units>,
    hasher: KeyHasher,
    rows: RowReader,
    /// Features and outputs of an event.
    sizes: (usize, usize),
}

/// Events of a batch, without the interpreter.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) keys: KeyView<'a>,
    pub(super) times: Option<&'a [f64]>,
}

impl Batch<'_> {
    /// The number of events, which have a time each if they have any.
    pub(super) fn check(&self) -> PyResult<usize> {
        let count = self.keys.len();
        match self.times {
            Some(times) if times.len() != count => {
                Err(shape_error(format!("{count} keys, {} times; give as many", times.len())))
            }
            _ => Ok(count),
        }
    }
}

impl<T: Scalar> Keyed<T> {
    pub(super) fn new(scorer: core::Scorer<T>, units: Units, rows: RowReader) -> Self {
        let config = scorer.network().config();
        let (columns, outputs) = (config.features(), config.shape.output);
        let x = Vec::with_capacity(columns);
        Self {
            hasher: scorer.hasher().clone(),
            held: Turns::new(Held { scorer, x }),
            units: RwLock::new(units),
            rows,
            sizes: (columns, outputs),
        }
    }

    /// Runs `work` with the scorer, for a moment.
    pub(super) fn with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut core::Scorer<T>) -> R + Send,
    ) -> R {
        match self.held.soon() {
            Some(mut held) => work(&mut held.scorer),
            None => py.detach(|| work(&mut self.held.lock().scorer)),
        }
    }

    pub(super) fn hashed<'a>(&self, key: Key<'a>) -> HashedKey<'a> {
        self.hasher.hashed(key)
    }

    /// The units; None if they are wanted for a swap that waits for a batch of this very thread.
    fn units_now(&self) -> Option<RwLockReadGuard<'_, Units>> {
        match self.units.try_read() {
            Ok(units) => Some(units),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn units(&self, py: Python<'_>) -> PyResult<RwLockReadGuard<'_, Units>> {
        loop {
            match self.units_now() {
                Some(units) => return Ok(units),
                None if has_open(self) => return Err(busy()),
                None => py.detach(yield_now),
            }
        }
    }

    /// Outputs after one event, in `out` or as a new array, and whether the entity is new.
    pub(super) fn score<'py>(
        &self,
        (key, time): (HashedKey<'_>, Option<f64>),
        features: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, bool)> {
        let py = features.py();
        let row = self.rows.row(features, self.sizes.0)?;
        let units = self.units(py)?;
        let event = (key, time.as_ref().map(std::slice::from_ref));
        // Without an allocation where there are few.
        let (mut few, mut many) = ([T::ZERO; FEW], Vec::new());
        let y = if self.sizes.1 <= FEW {
            &mut few[..self.sizes.1]
        } else {
            many.resize(self.sizes.1, T::ZERO);
            &mut many[..]
        };
        if units.labels.is_empty() {
            let target = self.target::<T>(out, "the model's dtype")?;
            let new = with_row!(row, values => self.one(py, &units, event, values, y))?;
            return Ok((place(py, y, target)?, new));
        }
        let target = self.target::<f64>(out, "dtype float64")?;
        let new = with_row!(row, values => self.one(py, &units, event, values, y))?;
        let mut restored = vec![0.0; y.len()];
        units.labels.restore(y, &mut restored);
        Ok((place(py, &restored, target)?, new))
    }

    /// `out` as an array for the outputs of an event, if there is one.
    fn target<'py, N: Scalar>(
        &self,
        out: Option<Bound<'py, PyAny>>,
        dtype: &str,
    ) -> PyResult<Option<Target<'py, N>>> {
        out.map(|out| Ok((writable(&out, self.sizes.1, dtype)?, out))).transpose()
    }

    /// Sets the outputs of one event; returns whether its entity is new.
    fn one<N: core::Real>(
        &self,
        py: Python<'_>,
        units: &Units,
        (key, times): (HashedKey<'_>, Option<&[f64]>),
        values: &[N],
        y: &mut [T],
    ) -> PyResult<bool> {
        let mut new = [false];
        let mut work = |held: &mut Held<T>| {
            if let Some(at) = units.features.scale(values, &mut held.x) {
                return Err(Refused::NotFinite(at));
            }
            let keys = (std::slice::from_ref(&key), times);
            held.scorer.score(keys, &held.x, (&mut *y, &mut new)).map_err(Refused::Engine)
        };
        let outcome = match self.held.soon() {
            Some(mut held) => work(&mut held),
            None => py.detach(|| work(&mut self.held.lock())),
        };
        match outcome {
            Ok(()) => Ok(new[0]),
            Err(refused) => Err(refused.exception(values, values.len())),
        }
    }

    /// Scores many events slice by slice: `work` is given a slice of events, their features, and room
    /// for their outputs. Returns the outputs in original units.
    pub(super) fn in_slices<'py>(
        &self,
        count: usize,
        features: &Bound<'py, PyAny>,
        mut work: impl FnMut(&mut core::Scorer<T>, Range<usize>, &[T], &mut [T]) -> Result<(), Error>
        + Send,
    ) -> PyResult<Outputs<T>> {
        let array = self.rows.as_floats.bind(features.py()).call1(("features", features))?;
        self.check_shape(array.cast::<PyUntypedArray>()?.shape(), count)?;
        match array.extract::<PyReadonlyArray2<'py, f32>>() {
            Ok(array) => self.scaled(features.py(), (count, array.as_slice()?), &mut work),
            Err(_) => {
                let array: PyReadonlyArray2<'py, f64> = array.extract()?;
                self.scaled(features.py(), (count, array.as_slice()?), &mut work)
            }
        }
    }

    fn check_shape(&self, shape: &[usize], count: usize) -> PyResult<()> {
        if shape == [count, self.sizes.0] {
            return Ok(());
        }
        Err(shape_error(format!(
            "features have shape {shape:?}; of {count} events they have ({count}, {})",
            self.sizes.0,
        )))
    }

    fn scaled<N: core::Real>(
        &self,
        py: Python<'_>,
        (count, values): (usize, &[N]),
        work: &mut (
                 impl FnMut(&mut core::Scorer<T>, Range<usize>, &[T], &mut [T]) -> Result<(), Error>
                 + Send
             ),
    ) -> PyResult<Outputs<T>> {
        let (columns, outputs) = self.sizes;
        let outcome = run(py, None, |context| {
            let units = if has_open(self) {
                let Some(units) = self.units_now() else { return Ok(Err(Refused::Busy)) };
                units
            } else {
                self.units.read().unwrap_or_else(PoisonError::into_inner)
            };
            let _open = Open::of(self);
            let mut x = Vec::new();
            if let Some(at) = units.features.scale(values, &mut x) {
                return Ok(Err(Refused::NotFinite(at)));
            }
            let mut y = vec![T::ZERO; count * outputs];
            self.held.slice().scorer.check(&x, count, y.len())?;
            for start in (0..count).step_by(SLICE) {
                let events = start..(start + SLICE).min(count);
                let x = &x[events.start * columns..events.end * columns];
                let y = &mut y[events.start * outputs..events.end * outputs];
                work(&mut self.held.slice().scorer, events, x, y)?;
                if start % UNCHECKED == UNCHECKED - SLICE {
                    context.check()?;
                }
            }
            if units.labels.is_empty() {
                return Ok(Ok(Outputs::Plain(y)));
            }
            let mut restored = vec![0.0; y.len()];
            units.labels.restore(&y, &mut restored);
            Ok(Ok(Outputs::Restored(restored)))
        })?;
        outcome.map_err(|refused| refused.exception(values, columns))
    }

    /// Scores many events; sets whether their entities are new.
    pub(super) fn score_batch(
        &self,
        batch: Batch<'_>,
        features: &Bound<'_, PyAny>,
        new: &mut [bool],
    ) -> PyResult<Outputs<T>> {
        let count = batch.keys.len();
        let checked = self.with(features.py(), |scorer| scorer.check_times(batch.times, count));
        checked.map_err(|error| exception(&error))?;
        let mut hashed = Vec::with_capacity(SLICE);
        self.in_slices(count, features, |scorer, events, x, y| {
            batch.keys.hashed(events.clone(), scorer.hasher(), &mut hashed);
            let times = batch.times.map(|times| &times[events.clone()]);
            scorer.score((&hashed, times), x, (y, &mut new[events]))
        })
    }

    /// That `out` has room for the outputs of so many events.
    pub(super) fn check_out(
        &self,
        py: Python<'_>,
        out: &Bound<'_, PyAny>,
        count: usize,
    ) -> PyResult<()> {
        let columns = self.sizes.1;
        let fits = if self.units(py)?.labels.is_empty() {
            has_room::<T>(out, [count, columns])
        } else {
            has_room::<f64>(out, [count, columns])
        };
        if fits {
            return Ok(());
        }
        Err(PyTypeError::new_err(format!(
            "out must be a writable array of shape ({count}, {columns}) and the dtype of the outputs"
        )))
    }

    pub(super) fn admit(
        &self,
        py: Python<'_>,
        batch: Batch<'_>,
        (rows, new): (&mut [u32], &mut [bool]),
    ) -> PyResult<()> {
        let admitted = self.with(py, |scorer| {
            let mut hashed = Vec::new();
            batch.keys.hashed(0..rows.len(), scorer.hasher(), &mut hashed);
            scorer.admit((&hashed, batch.times), (rows, new))
        });
        admitted.map_err(|error| exception(&error))
    }

    /// Times of events as an array of float64.
    pub(super) fn times<'py>(
        &self,
        times: &Bound<'py, PyAny>,
    ) -> PyResult<PyReadonlyArray1<'py, f64>> {
        let array = self.rows.as_floats.bind(times.py()).call1(("times", times))?;
        let array = array.call_method1("astype", ("float64",))?;
        let shape = array.cast::<PyUntypedArray>()?.shape().to_vec();
        array
            .extract()
            .map_err(|_| shape_error(format!("times: shape {shape:?}; give one for each event")))
    }

    /// The number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.sizes.1
    }

    pub(super) fn network(&self, py: Python<'_>) -> Arc<core::Network<T>> {
        self.with(py, |scorer| Arc::clone(scorer.network()))
    }

    /// A copy of all entities at one moment, between two slices.
    pub(super) fn copy(&self, py: Python<'_>) -> PyResult<ScorerCopy<T>> {
        py.detach(|| self.held.lock().scorer.copy()).map_err(|error| exception(&error))
    }

    pub(super) fn restore(&self, py: Python<'_>, arrays: &Arrays<'_, T>) -> PyResult<()> {
        let config = *self.network(py).config();
        let parts = 1 + usize::from(config.cell.has_cell_state());
        let given = arrays.read(config.layers * parts * config.shape.hidden)?;
        let Given { entities, states, given_up } = given;
        let restored =
            py.detach(|| self.held.lock().scorer.restore(entities.into_iter(), states, given_up));
        restored.map_err(|error| exception(&error))
    }

    /// Goes on with another network, between two batches.
    pub(super) fn swap(
        &self,
        py: Python<'_>,
        network: Arc<core::Network<T>>,
        (loss, units, keep_states): (core::Loss, Units, bool),
    ) -> PyResult<()> {
        if has_open(self) {
            return Err(busy());
        }
        let swapped = py.detach(|| {
            let mut own = self.units.write().unwrap_or_else(PoisonError::into_inner);
            let outcome = self.held.lock().scorer.swap(network, loss, keep_states);
            if outcome.is_ok() {
                *own = units;
            }
            outcome
        });
        swapped.map_err(|error| exception(&error))
    }
}

/// Outputs of many events.
pub(super) enum Outputs<T> {
    Plain(Vec<T>),
    /// In original units, where labels are scaled.
    Restored(Vec<f64>),
}

impl<T: Scalar> Outputs<T> {
    /// The outputs as rows of a new array, or in `out`.
    pub(super) fn into_array<'py>(
        self,
        py: Python<'py>,
        columns: usize,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Plain(values) => into_array(py, (values, columns), out),
            Self::Restored(values) => into_array(py, (values, columns), out),
        }
    }
}

fn into_array<'py, N: Scalar>(
    py: Python<'py>,
    (values, columns): (Vec<N>, usize),
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(out) = out else {
        let rows = values.len() / columns;
        return Ok(PyArray1::from_vec(py, values).reshape([rows, columns])?.into_any());
    };
    let mut array: PyReadwriteArray2<'py, N> = out.extract()?;
    array.as_slice_mut()?.copy_from_slice(&values);
    Ok(out)
}

/// An array to write outputs to, and the same as Python has it.
type Target<'py, N> = (PyReadwriteArray1<'py, N>, Bound<'py, PyAny>);

/// Outputs in an array: in `target`, or a new one.
fn place<'py, N: Scalar>(
    py: Python<'py>,
    values: &[N],
    target: Option<Target<'py, N>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some((mut array, out)) = target else {
        return Ok(PyArray1::from_slice(py, values).into_any());
    };
    array.as_slice_mut()?.copy_from_slice(values);
    Ok(out)
}

/// Why events were refused.
enum Refused {
    NotFinite(usize),
    Busy,
    Engine(Error),
}

impl Refused {
    fn exception<N: core::Real>(&self, values: &[N], columns: usize) -> PyErr {
        match self {
            Self::NotFinite(at) => not_finite(values, *at, columns),
            Self::Busy => busy(),
            Self::Engine(error) => exception(error),
        }
    }
}

/// The exception of a signal handler that would wait for the batch it interrupted.
fn busy() -> PyErr {
    busy_error(
        "a scorer was called by a signal handler while the same thread was scoring a batch of it; \
         let the handler set a flag, and call it once that has returned"
            .into(),
    )
}

fn has_room<N: Scalar>(out: &Bound<'_, PyAny>, shape: [usize; 2]) -> bool {
    let array: Option<PyReadwriteArray2<'_, N>> =
        out.is_exact_instance_of::<PyUntypedArray>().then(|| out.extract().ok()).flatten();
    array.is_some_and(|array| array.shape() == shape && array.is_c_contiguous())
}
