//! The class `Scorer`: a network with the states of many entities.
//!
//! `keyed.rs`: a scorer of one type and its locks, with `single.rs`, its single events, and `batch.rs`,
//! its batches; `arguments.rs` and `keys.rs`: what comes from Python; `priority_lock.rs`: the lock;
//! `batch_lock.rs`: what keeps a swap between batches;
//! `running_batch.rs`: what a signal handler would wait for; `states.rs`: all states as arrays, and back.

mod arguments;
mod batch;
mod batch_lock;
mod keyed;
mod keys;
mod priority_lock;
mod running_batch;
mod single;
mod states;

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use rnn_rust as core;

use crate::boundary::{exception, run, shape_error};
use crate::features::RowReader;
use crate::network::{Inner as NetworkInner, Network};
use crate::python::tensors;
use arguments::{ReturnNew, Time};
use batch::Batch;
use keyed::{Columns, Keyed, Scalers};
use keys::{Keys, key_of};

enum Inner {
    F32(Keyed<f32>),
    F64(Keyed<f64>),
}

/// Runs `$body` with `$keyed` bound to the scorer of whichever type it is.
macro_rules! with {
    ($self:ident, $keyed:ident => $body:expr) => {
        match &$self.inner {
            Inner::F32($keyed) => $body,
            Inner::F64($keyed) => $body,
        }
    };
}

/// A network with the states of many entities, each known by its key.
#[pyclass(subclass, frozen, module = "rnn_rust._core")]
pub(crate) struct Scorer {
    inner: Inner,
}

#[pymethods]
impl Scorer {
    /// `model` is Python's, with this network. `scalers` are those of features and labels, each as
    /// shift and scale by column, empty without.
    /// `as_floats(what, values)` makes an array of other values; `names` are those of the features;
    /// `limits` are `max_entities` and `expire_after`.
    #[new]
    fn new(
        py: Python<'_>,
        model: Py<PyAny>,
        network: &Network,
        scalers: (Columns, Columns),
        as_floats: Py<PyAny>,
        names: Option<Vec<String>>,
        limits: (Option<usize>, Option<f64>),
    ) -> PyResult<Self> {
        let limits = core::Limits { max_entities: limits.0, expire_after: limits.1 };
        let scalers = Scalers::from(scalers);
        let (rows, loss) = (RowReader { as_floats, names }, network.objective.loss);
        macro_rules! made {
            ($shared:ident, $Variant:ident) => {{
                let scorer = run(py, None, |context| {
                    core::Scorer::new($shared.read(), loss, context.level(), limits)
                })?;
                Inner::$Variant(Keyed::new(model, scorer, (scalers, rows)))
            }};
        }
        let inner = match &network.inner {
            NetworkInner::F32(shared) => made!(shared, F32),
            NetworkInner::F64(shared) => made!(shared, F64),
        };
        Ok(Self { inner })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        with!(self, keyed => keyed.traverse(&visit))
    }

    /// Process one event of an entity and return the outputs ``(L,)``.
    ///
    /// Parameters
    /// ----------
    /// key
    ///     The entity's key: an int of 64 bits, a str or bytes.
    /// features
    ///     ``(I,)`` in original units; or, if the model's features have names, by name: a dict,
    ///     a named tuple, or a Series with names as its index. Other names are ignored.
    /// out
    ///     An array of shape ``(L,)`` and the dtype of the outputs, to write them into; nothing
    ///     is allocated then.
    /// time
    ///     The time of the event; required with ``expire_after``.
    /// return_new
    ///     Whether to also return if the entity started from a zero state, because it was unknown
    ///     or had been removed.
    ///
    /// Raises
    /// ------
    /// ShapeError
    ///     The number of features is not the model's, or there is more than one row.
    /// DataError
    ///     A feature's name is missing; a feature is NaN, infinite, masked or not a real number;
    ///     or ``key`` is a str that cannot be encoded in UTF-8.
    /// ParameterError
    ///     ``time`` is not a number, or not finite with ``expire_after``.
    /// TypeError
    ///     ``out`` is not such an array, or ``key`` is of another type.
    #[pyo3(
        signature = (key, features, out = None, *, time = None, return_new = ReturnNew(false)),
        text_signature = "($self, key, features, out=None, *, time=None, return_new=False)"
    )]
    fn score<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        features: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
        time: Option<Time>,
        return_new: ReturnNew,
    ) -> PyResult<Bound<'py, PyAny>> {
        with!(self, keyed => {
            let key = keyed.hashed(key_of(key)?);
            let (outputs, new) = keyed.score((key, time.map(|time| time.0)), features, out)?;
            if !return_new.0 {
                return Ok(outputs);
            }
            (outputs, new).into_pyobject(py).map(Bound::into_any)
        })
    }

    /// Process events of any entities and return the outputs ``(N, L)``.
    ///
    /// Several events of one entity are processed in order. If an argument is refused, no state
    /// changes.
    ///
    /// Parameters
    /// ----------
    /// keys
    ///     ``(N,)``, the key of each event's entity: integers, or a list of ints, strs and bytes.
    /// features
    ///     ``(N, I)`` in original units; or by name: a table as in :meth:`rnn_rust.RNN.predict`, or
    ///     a list of rows as in :meth:`score`.
    /// out
    ///     An array of shape ``(N, L)`` and the dtype of the outputs, to write them into.
    /// times
    ///     ``(N,)``, the times of the events; required with ``expire_after``.
    /// return_new
    ///     Whether to also return which events started from a zero state.
    ///
    /// Raises
    /// ------
    /// ShapeError, DataError, ParameterError, TypeError
    ///     As in :meth:`score`.
    #[pyo3(
        signature = (keys, features, out = None, *, times = None, return_new = ReturnNew(false)),
        text_signature = "($self, keys, features, out=None, *, times=None, return_new=False)"
    )]
    fn score_batch<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        features: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
        times: Option<&Bound<'py, PyAny>>,
        return_new: ReturnNew,
    ) -> PyResult<Bound<'py, PyAny>> {
        with!(self, keyed => {
            let keys = Keys::of(keys)?;
            let times = times.map(|times| keyed.times(times)).transpose()?;
            let times = times.as_ref().map(|times| times.as_slice()).transpose()?;
            let batch = Batch { keys: keys.view()?, times };
            let count = batch.check()?;
            let mut new = vec![false; count];
            let outputs = keyed.score_batch(batch, features, (out.as_ref(), &mut new))?;
            let outputs = outputs.into_array(py, keyed.outputs(), out)?;
            if !return_new.0 {
                return Ok(outputs);
            }
            (outputs, PyArray1::from_vec(py, new)).into_pyobject(py).map(Bound::into_any)
        })
    }

    /// Return the row of each event's entity, and whether it starts from the state 0.
    ///
    /// The first half of ``score_batch``.
    #[pyo3(name = "_admit")]
    #[pyo3(signature = (keys, times = None))]
    fn admit<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        times: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        with!(self, keyed => {
            let keys = Keys::of(keys)?;
            let times = times.map(|times| keyed.times(times)).transpose()?;
            let times = times.as_ref().map(|times| times.as_slice()).transpose()?;
            let batch = Batch { keys: keys.view()?, times };
            let count = batch.check()?;
            let (mut rows, mut new) = (vec![0; count], vec![false; count]);
            keyed.admit(py, batch, (&mut rows, &mut new))?;
            (PyArray1::from_vec(py, rows), PyArray1::from_vec(py, new)).into_pyobject(py)
        })
    }

    /// Return the outputs after events of such rows: the second half.
    #[pyo3(name = "_step")]
    fn step<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray1<'py, u32>,
        new: PyReadonlyArray1<'py, bool>,
        features: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (rows, new) = (rows.as_slice()?, new.as_slice()?);
        if rows.len() != new.len() {
            return Err(shape_error(format!("{} rows, {} new", rows.len(), new.len())));
        }
        with!(self, keyed => {
            let outputs = keyed.in_slices(rows.len(), features, None, |scorer, events, x, y| {
                scorer.step((&rows[events.clone()], &new[events]), x, y)
            })?;
            outputs.into_array(py, keyed.outputs(), None)
        })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        with!(self, keyed => keyed.with(py, |scorer| scorer.len()))
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        with!(self, keyed => {
            let key = keyed.hashed(key_of(key)?);
            keyed.with(py, |scorer| scorer.row(key).is_some())
        })
    }

    /// How many entities were removed to make room for others, at ``max_entities``.
    #[getter]
    fn evicted(&self, py: Python<'_>) -> PyResult<u64> {
        with!(self, keyed => keyed.with(py, |scorer| scorer.given_up().0))
    }

    /// How many entities were removed because ``expire_after`` had passed.
    #[getter]
    fn expired(&self, py: Python<'_>) -> PyResult<u64> {
        with!(self, keyed => keyed.with(py, |scorer| scorer.given_up().1))
    }

    /// Return the row of an entity; None if it is not known.
    #[pyo3(name = "_row")]
    fn row(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        with!(self, keyed => {
            let key = keyed.hashed(key_of(key)?);
            keyed.with(py, |scorer| scorer.row(key))
        })
    }

    /// Return the state of an entity, as a stepper has it; None if it is not known.
    fn state<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        with!(self, keyed => {
            let key = keyed.hashed(key_of(key)?);
            let state = keyed.with(py, |scorer| scorer.state(key).map(<[_]>::to_vec))?;
            let Some(state) = state else { return Ok(None) };
            let (layers, len) = (keyed.network(py)?.config().layers, state.len());
            let flat = PyArray1::from_vec(py, state);
            if layers == 1 {
                return Ok(Some(flat.into_any()));
            }
            Ok(Some(flat.reshape([layers, len / layers])?.into_any()))
        })
    }

    /// Set an entity's state to 0; return whether it is known.
    fn reset(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        with!(self, keyed => {
            let key = keyed.hashed(key_of(key)?);
            keyed.with(py, |scorer| scorer.reset(key))
        })
    }

    /// Forget an entity; return whether it was known.
    fn forget(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        with!(self, keyed => {
            let key = keyed.hashed(key_of(key)?);
            keyed.with(py, |scorer| scorer.forget(key))
        })
    }

    /// Forget all entities.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        with!(self, keyed => keyed.with(py, core::Scorer::clear))
    }

    /// The model whose network it is.
    #[getter(_model)]
    fn model(&self, py: Python<'_>) -> Py<PyAny> {
        with!(self, keyed => keyed.model(py))
    }

    /// Return every tensor of the network by name.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        with!(self, keyed => {
            let network = keyed.network(py)?;
            tensors(py, network.layout(), network.parameters())
        })
    }

    /// Go on with another model, whose network is of the same sizes and type.
    #[pyo3(name = "_replace_network")]
    fn replace_network(
        &self,
        py: Python<'_>,
        model: Py<PyAny>,
        network: &Network,
        scalers: (Columns, Columns),
        keep_states: bool,
    ) -> PyResult<()> {
        let scalers = Scalers::from(scalers);
        let loss = network.objective.loss;
        match (&self.inner, &network.inner) {
            (Inner::F32(keyed), NetworkInner::F32(shared)) => {
                keyed.swap(py, (model, py.detach(|| shared.read())), (loss, scalers, keep_states))
            }
            (Inner::F64(keyed), NetworkInner::F64(shared)) => {
                keyed.swap(py, (model, py.detach(|| shared.read())), (loss, scalers, keep_states))
            }
            _ => {
                let (what, expected) = ("model", "one of the same dtype");
                let got = "the other".into();
                Err(exception(&core::Error::Parameter { what, expected, got }))
            }
        }
    }

    /// Return model, entities and their rows at one moment, the least recently used first.
    #[pyo3(name = "_snapshot")]
    fn snapshot<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Py<PyAny>, Bound<'py, PyDict>, Bound<'py, PyAny>)> {
        with!(self, keyed => {
            let (model, copy) = keyed.copy(py)?;
            let (entities, rows) = states::to_arrays(py, copy)?;
            Ok((model, entities, rows))
        })
    }

    /// Take entities from such arrays.
    #[pyo3(name = "_restore")]
    fn restore(&self, py: Python<'_>, arrays: &Bound<'_, PyDict>) -> PyResult<()> {
        with!(self, keyed => keyed.restore(py, &states::Arrays::of(arrays)?))
    }
}
