//! The class `Stepper`: a network that reads one sequence step by step.

use std::sync::{Mutex, MutexGuard, TryLockError};

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArrayDyn};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rnn_rust as core;

use crate::boundary::{
    Scalar, as_tuple, busy_error, caught, counted, data_error, exception, shape_error,
};
use crate::features::{RowReader, Scaling, Target, with_row};
use crate::python::tensors;

/// A stepper with what lies between it and its user.
struct Scaled<T: core::Real> {
    stepper: core::Stepper<T>,
    features: Scaling,
    labels: Scaling,
    rows: RowReader,
    /// Features in the model's units and type.
    x: Vec<T>,
    /// Outputs where labels are not scaled.
    y: Vec<T>,
    /// Outputs in original units where they are.
    restored: Vec<f64>,
}

impl<T: Scalar> Scaled<T> {
    fn copy(&self, py: Python<'_>) -> Self {
        Self {
            stepper: self.stepper.clone(),
            features: self.features.clone(),
            labels: self.labels.clone(),
            rows: self.rows.copy(py),
            x: Vec::new(),
            y: Vec::new(),
            restored: Vec::new(),
        }
    }

    fn step<N: core::Real>(&mut self, features: &[N]) -> PyResult<()> {
        if let Some(at) = self.features.scale(features, &mut self.x) {
            return Err(self.rows.not_finite(features, at, features.len()));
        }
        let outputs = self.stepper.step(&self.x).map_err(|error| exception(&error))?;
        if self.labels.is_empty() {
            self.y.clear();
            self.y.extend_from_slice(outputs);
        } else {
            self.restored.resize(outputs.len(), 0.0);
            self.labels.restore(outputs, &mut self.restored);
        }
        Ok(())
    }

    fn step_any(&mut self, features: &Bound<'_, PyAny>) -> PyResult<()> {
        let row = self.rows.row(features, self.stepper.inputs())?;
        with_row!(row, values => caught(|| self.step(values))?)
    }

    /// `out` as an array to write the outputs to.
    fn target<'py>(&self, out: &Bound<'py, PyAny>) -> PyResult<Target<'py, T>> {
        Target::of(out, self.stepper.outputs(), !self.labels.is_empty())
    }

    /// The outputs of the last step as a new array.
    fn outputs<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        if self.labels.is_empty() {
            PyArray1::from_slice(py, &self.y).into_any()
        } else {
            PyArray1::from_slice(py, &self.restored).into_any()
        }
    }
}

enum Inner {
    F32(Scaled<f32>),
    F64(Scaled<f64>),
}

/// Reads one sequence step by step and carries the state; made by ``model.stepper()``.
#[pyclass(frozen, module = "rnn_rust._core")]
pub(crate) struct Stepper {
    inner: Mutex<Inner>,
    /// Python's function of tensors, scalers, names and state that makes one again.
    remake: Py<PyAny>,
}

/// Runs `$body` with `$scaled` bound to the stepper of whichever type it is.
macro_rules! with {
    ($self:ident, $scaled:ident => $body:expr) => {
        match &mut *$self.held()? {
            Inner::F32($scaled) => $body,
            Inner::F64($scaled) => $body,
        }
    };
}

impl Stepper {
    /// What no other call may use meanwhile.
    fn held(&self) -> PyResult<MutexGuard<'_, Inner>> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(inner),
            // By a panic, which its caller has seen.
            Err(TryLockError::Poisoned(error)) => Ok(error.into_inner()),
            Err(TryLockError::WouldBlock) => Err(busy_error(
                "a stepper was called by another thread, or by a signal handler, in the middle of a \
                 call; give each thread a stepper of its own, and let a handler set a flag"
                    .into(),
            )),
        }
    }
}

/// How a network of one type becomes a [`Stepper`].
pub(crate) trait IntoStepper: Scalar {
    fn wrap(
        stepper: core::Stepper<Self>,
        scalings: [Scaling; 2],
        rows: RowReader,
        remake: Py<PyAny>,
    ) -> Stepper;
}

macro_rules! into_stepper {
    ($float:ident, $Variant:ident) => {
        impl IntoStepper for $float {
            fn wrap(
                stepper: core::Stepper<Self>,
                [features, labels]: [Scaling; 2],
                rows: RowReader,
                remake: Py<PyAny>,
            ) -> Stepper {
                let (x, y, restored) = (Vec::new(), Vec::new(), Vec::new());
                let scaled = Scaled { stepper, features, labels, rows, x, y, restored };
                Stepper { inner: Mutex::new(Inner::$Variant(scaled)), remake }
            }
        }
    };
}
into_stepper!(f32, F32);
into_stepper!(f64, F64);

#[pymethods]
impl Stepper {
    /// Take one step and return the outputs ``(L,)``.
    ///
    /// Parameters
    /// ----------
    /// features
    ///     ``(I,)`` in original units; or, if the model's features have names, by name: a dict, a
    ///     named tuple, or a Series with names as its index. Other names are ignored.
    /// out
    ///     An array of shape ``(L,)`` and the dtype of the outputs, to write them into; nothing is
    ///     allocated then. Outputs are float64 if the scaler scales labels, otherwise of the
    ///     model's dtype.
    ///
    /// Raises
    /// ------
    /// ShapeError
    ///     The number of features is not the model's, or there is more than one row.
    /// DataError
    ///     A feature's name is missing; or a feature is NaN, infinite, masked or not a real number.
    /// TypeError
    ///     ``out`` is not such an array.
    #[pyo3(signature = (features, out = None))]
    fn step<'py>(
        &self,
        py: Python<'py>,
        features: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        with!(self, scaled => {
            let Some(out) = out else {
                scaled.step_any(features)?;
                return Ok(scaled.outputs(py));
            };
            // First, so that no step is taken whose output cannot be written.
            let target = scaled.target(&out)?;
            scaled.step_any(features)?;
            target.write(&scaled.y, &scaled.restored)?;
            Ok(out)
        })
    }

    /// Set the static features of the sequence, encoded for the engine.
    fn set_statics(&self, py: Python<'_>, statics: &Bound<'_, PyAny>) -> PyResult<()> {
        with!(self, scaled => {
            let array = scaled.rows.as_floats.bind(py).call1(("statics", statics))?;
            let shape = array.cast::<PyUntypedArray>()?.shape();
            if shape.len() != 1 {
                return Err(shape_error(format!(
                    "statics: shape {}; give a number for each static feature",
                    as_tuple(shape),
                )));
            }
            let statics = doubles(&array)?;
            let own: Vec<_> = statics.iter().map(|&s| core::Real::from_f64(s)).collect();
            if let Some(i) = own.iter().position(|s| !core::Real::is_finite(*s)) {
                return Err(data_error(format!(
                    "static feature {i} is {} as the network takes it; it must be finite in the \
                     model's type",
                    core::shortest(statics[i]),
                )));
            }
            caught(|| scaled.stepper.set_statics(&own))?.map_err(|error| exception(&error))
        })
    }

    fn __repr__(&self) -> PyResult<String> {
        let dtype = match &*self.held()? {
            Inner::F32(_) => "float32",
            Inner::F64(_) => "float64",
        };
        with!(self, scaled => {
            let config = scaled.stepper.network().config();
            let cell = match config.cell {
                core::Cell::Elman(_) => "RNN",
                core::Cell::Gru { .. } => "GRU",
                core::Cell::Lstm => "LSTM",
            };
            let layers = if config.layers > 1 {
                format!("{} layers of ", config.layers)
            } else {
                String::new()
            };
            Ok(format!(
                "Stepper({cell}, {}, {layers}{}, {}, {dtype})",
                counted(config.features(), "feature"),
                counted(config.shape.hidden, "unit"),
                counted(config.shape.output, "output"),
            ))
        })
    }

    /// One with a state of its own, and the same weights.
    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        let inner = match &*self.held()? {
            Inner::F32(scaled) => Inner::F32(scaled.copy(py)),
            Inner::F64(scaled) => Inner::F64(scaled.copy(py)),
        };
        Ok(Self { inner: Mutex::new(inner), remake: self.remake.clone_ref(py) })
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.__copy__(py)
    }

    /// How Python makes one again: from a network with these weights.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let arguments = with!(self, scaled => {
            let network = scaled.stepper.network();
            (
                tensors(py, network.layout(), network.parameters())?,
                (scaled.features.columns(), scaled.labels.columns()),
                scaled.rows.names.clone(),
                PyArray1::from_vec(py, scaled.stepper.state()).into_any(),
            )
                .into_pyobject(py)?
        });
        (self.remake.clone_ref(py), arguments).into_pyobject(py)
    }

    /// Start another sequence: the state becomes 0.
    fn reset(&self) -> PyResult<()> {
        with!(self, scaled => scaled.stepper.reset());
        Ok(())
    }

    /// The state after the last step; set it to continue from another one.
    ///
    /// ``(H,)``, with several layers ``(layers, H)``; in an LSTM 2 H numbers, h followed by c.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        with!(self, scaled => {
            let flat = PyArray1::from_vec(py, scaled.stepper.state());
            match scaled.stepper.state_shape() {
                (1, _) => Ok(flat.into_any()),
                (layers, row) => Ok(flat.reshape([layers, row])?.into_any()),
            }
        })
    }

    #[setter]
    fn set_state(&self, state: &Bound<'_, PyAny>) -> PyResult<()> {
        with!(self, scaled => {
            let array = scaled.rows.as_floats.bind(state.py()).call1(("state", state))?;
            take_state(&mut scaled.stepper, &array)
        })
    }
}

fn take_state<T: Scalar>(stepper: &mut core::Stepper<T>, state: &Bound<'_, PyAny>) -> PyResult<()> {
    let state: Vec<T> = doubles(state)?.into_iter().map(T::from_f64).collect();
    if let Some(i) = state.iter().position(|h| !h.is_finite()) {
        return Err(data_error(format!("state {i} is not finite in the model's type")));
    }
    caught(|| stepper.set_state(&state))?.map_err(|error| exception(&error))
}

/// The numbers of an array of floats.
fn doubles(array: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let array = array.call_method1("astype", ("float64",))?;
    let array: PyReadonlyArrayDyn<'_, f64> = array.extract()?;
    Ok(array.as_slice()?.to_vec())
}
