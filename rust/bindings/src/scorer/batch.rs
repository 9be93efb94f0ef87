//! Batches of events of a scorer, processed in slices.

use std::ops::Range;
use std::sync::Arc;

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rnn_rust as core;
use rnn_rust::Error;

use super::keyed::{Keyed, Refused};
use super::keys::KeyView;
use super::running_batch::{RunningBatch, is_scoring_batch};
use crate::boundary::{Scalar, as_tuple, counted, exception, run, shape_error};

/// Events per slice: a single call waits no longer than a slice takes.
const SLICE: usize = 32;
/// Events between checks for signals: some milliseconds.
const UNCHECKED: usize = 1 << 14;

/// Events of a batch, usable without the interpreter.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) keys: KeyView<'a>,
    pub(super) times: Option<&'a [f64]>,
}

impl Batch<'_> {
    /// The number of events; if there are times, checks that there is one for each.
    pub(super) fn check(&self) -> PyResult<usize> {
        let count = self.keys.len();
        match self.times {
            Some(times) if times.len() != count => {
                let (keys, times) = (counted(count, "key"), counted(times.len(), "time"));
                Err(shape_error(format!("{keys}, {times}; give as many")))
            }
            _ => Ok(count),
        }
    }
}

impl<T: Scalar> Keyed<T> {
    /// Scores many events slice by slice: `work` gets a slice of events, their features, and room for
    /// their outputs. Returns the outputs in original units; `out` must have room for these.
    pub(super) fn in_slices<'py>(
        &self,
        count: usize,
        features: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
        mut work: impl FnMut(&mut core::Scorer<T>, Range<usize>, &[T], &mut [T]) -> Result<(), Error>
        + Send,
    ) -> PyResult<Outputs<T>> {
        let mut array = self.rows.as_floats.bind(features.py()).call1(("features", features))?;
        // An empty list does not tell how many features its events would have.
        if count == 0 && array.cast::<PyUntypedArray>()?.shape() == [0] {
            array = array.call_method1("reshape", ((0, self.sizes.0),))?;
        }
        self.check_shape(array.cast::<PyUntypedArray>()?.shape(), count)?;
        let room = out.map_or(Room::WITHOUT_OUT, |out| Room::of::<T>(out, [count, self.sizes.1]));
        match array.extract::<PyReadonlyArray2<'py, f32>>() {
            Ok(array) => self.scaled(features.py(), (count, array.as_slice()?), room, &mut work),
            Err(_) => {
                let array: PyReadonlyArray2<'py, f64> = array.extract()?;
                self.scaled(features.py(), (count, array.as_slice()?), room, &mut work)
            }
        }
    }

    fn check_shape(&self, shape: &[usize], count: usize) -> PyResult<()> {
        if shape == [count, self.sizes.0] {
            return Ok(());
        }
        Err(shape_error(format!(
            "features have shape {}; those of {} have {}",
            as_tuple(shape),
            counted(count, "event"),
            as_tuple(&[count, self.sizes.0]),
        )))
    }

    fn scaled<N: core::Real>(
        &self,
        py: Python<'_>,
        (count, values): (usize, &[N]),
        room: Room,
        work: &mut (
                 impl FnMut(&mut core::Scorer<T>, Range<usize>, &[T], &mut [T]) -> Result<(), Error>
                 + Send
             ),
    ) -> PyResult<Outputs<T>> {
        let (columns, outputs) = self.sizes;
        let outcome = run(py, None, |context| {
            let _no_swap = self.batches.for_batch(is_scoring_batch(self), context)?;
            let _running = RunningBatch::of(self);
            let scalers = Arc::clone(&self.held.lock_for_slice().scalers);
            // Checked first, so that no event is scored whose output cannot be written.
            if !room.is_for(scalers.restore()) {
                return Ok(Err(Refused::NoRoom([count, outputs])));
            }
            let mut x = Vec::new();
            if let Some(at) = scalers.features.scale(values, &mut x) {
                return Ok(Err(Refused::NotFinite(at)));
            }
            let mut y = vec![T::ZERO; count * outputs];
            self.held.lock_for_slice().scorer.check(&x, count, y.len())?;
            for start in (0..count).step_by(SLICE) {
                let events = start..(start + SLICE).min(count);
                let x = &x[events.start * columns..events.end * columns];
                let y = &mut y[events.start * outputs..events.end * outputs];
                work(&mut self.held.lock_for_slice().scorer, events, x, y)?;
                if start % UNCHECKED == UNCHECKED - SLICE {
                    context.check()?;
                }
            }
            if !scalers.restore() {
                return Ok(Ok(Outputs::Plain(y)));
            }
            let mut restored = vec![0.0; y.len()];
            scalers.labels.restore(&y, &mut restored);
            Ok(Ok(Outputs::Restored(restored)))
        })?;
        outcome.map_err(|refused| refused.exception(&self.rows, values, columns))
    }

    /// Scores many events; records whether their entities are new.
    pub(super) fn score_batch(
        &self,
        batch: Batch<'_>,
        features: &Bound<'_, PyAny>,
        (out, new): (Option<&Bound<'_, PyAny>>, &mut [bool]),
    ) -> PyResult<Outputs<T>> {
        let count = batch.keys.len();
        let checked = self.with(features.py(), |scorer| scorer.check_times(batch.times, count));
        checked?.map_err(|error| exception(&error))?;
        let mut hashed = Vec::with_capacity(SLICE);
        self.in_slices(count, features, out, |scorer, events, x, y| {
            batch.keys.hashed(events.clone(), scorer.hasher(), &mut hashed);
            let times = batch.times.map(|times| &times[events.clone()]);
            scorer.score((&hashed, times), x, (y, &mut new[events]))
        })
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
        admitted?.map_err(|error| exception(&error))
    }

    /// Event times as an array of float64.
    pub(super) fn times<'py>(
        &self,
        times: &Bound<'py, PyAny>,
    ) -> PyResult<PyReadonlyArray1<'py, f64>> {
        let array = self.rows.as_floats.bind(times.py()).call1(("times", times))?;
        let array = array.call_method1("astype", ("float64",))?;
        let shape = as_tuple(array.cast::<PyUntypedArray>()?.shape());
        array
            .extract()
            .map_err(|_| shape_error(format!("times: shape {shape}; give one for each event")))
    }
}

/// Outputs of many events.
pub(super) enum Outputs<T> {
    Plain(Vec<T>),
    /// In original units, if labels are scaled.
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

/// Whether a user's array has room for plain outputs of the network, and for restored ones.
#[derive(Clone, Copy)]
struct Room {
    plain: bool,
    restored: bool,
}

impl Room {
    /// Without `out`, outputs become a new array.
    const WITHOUT_OUT: Self = Self { plain: true, restored: true };

    fn of<T: Scalar>(out: &Bound<'_, PyAny>, shape: [usize; 2]) -> Self {
        Self { plain: has_room::<T>(out, shape), restored: has_room::<f64>(out, shape) }
    }

    fn is_for(self, restored: bool) -> bool {
        if restored { self.restored } else { self.plain }
    }
}

fn has_room<N: Scalar>(out: &Bound<'_, PyAny>, shape: [usize; 2]) -> bool {
    let array: Option<PyReadwriteArray2<'_, N>> =
        out.is_exact_instance_of::<PyUntypedArray>().then(|| out.extract().ok()).flatten();
    // A slice may also be in column-major order.
    array.is_some_and(|array| {
        array.shape() == shape && array.is_c_contiguous() && array.as_slice().is_ok()
    })
}
