//! The class `Stepper`: a network that reads one sequence step by step.

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArrayDyn, PyReadwriteArray1};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rnn_rust as core;

use crate::boundary::{Scalar, data_error, exception, shape_error};

/// The columns' way into the model's units and back: `(value − shift) / scale`; empty without a
/// scaler.
pub(crate) struct Scaling {
    pub(crate) shift: Vec<f64>,
    pub(crate) scale: Vec<f64>,
}

impl Scaling {
    /// Sets `to` to values in the model's units, rounded to their own type first, as a data set's are.
    fn scale<N: core::Real, T: Scalar>(&self, values: &[N], to: &mut Vec<T>) {
        to.clear();
        // There is no scaler, or the values are too few or too many, which the stepper refuses.
        if self.shift.len() != values.len() {
            to.extend(values.iter().map(|&value| T::from_f64(value.to_f64())));
            return;
        }
        let columns = values.iter().zip(&self.shift).zip(&self.scale);
        to.extend(columns.map(|((value, shift), scale)| {
            T::from_f64(N::from_f64((value.to_f64() - shift) / scale).to_f64())
        }));
    }

    /// Sets `to` to values in original units, in which a number may need all digits of float64.
    fn restore<T: Scalar>(&self, values: &[T], to: &mut Vec<f64>) {
        to.clear();
        let columns = values.iter().zip(&self.shift).zip(&self.scale);
        to.extend(columns.map(|((value, shift), scale)| value.to_f64() * scale + shift));
    }

    fn is_empty(&self) -> bool {
        self.shift.is_empty()
    }
}

/// A stepper with what lies between it and its user.
struct Scaled<T: core::Real> {
    stepper: core::Stepper<T>,
    features: Scaling,
    labels: Scaling,
    /// Python's function `(what, values)` that makes values a contiguous array of float32 or float64;
    /// `what` they are stands in its errors.
    as_floats: Py<PyAny>,
    /// Features in the model's units and type.
    x: Vec<T>,
    /// Outputs where labels are not scaled.
    y: Vec<T>,
    /// Outputs in original units where they are.
    restored: Vec<f64>,
}

/// An array to write outputs to, of their type.
enum Target<'py, T: Scalar> {
    Plain(PyReadwriteArray1<'py, T>),
    Restored(PyReadwriteArray1<'py, f64>),
}

impl<T: Scalar> Scaled<T> {
    fn step<N: core::Real>(&mut self, features: &[N]) -> PyResult<()> {
        self.features.scale(features, &mut self.x);
        if let Some(i) = self.x.iter().position(|x| !x.is_finite()) {
            return Err(data_error(format!(
                "feature {i} is {}; every feature must be finite in the model's type",
                features[i],
            )));
        }
        let outputs = self.stepper.step(&self.x).map_err(|error| exception(&error))?;
        if self.labels.is_empty() {
            self.y.clear();
            self.y.extend_from_slice(outputs);
        } else {
            self.labels.restore(outputs, &mut self.restored);
        }
        Ok(())
    }

    /// Takes features of either type, or anything that NumPy makes an array of numbers of.
    fn step_any(&mut self, features: &Bound<'_, PyAny>) -> PyResult<()> {
        // A subclass may mean something else by its memory: a masked array hides some of it.
        if features.is_exact_instance_of::<PyUntypedArray>() {
            if let Ok(array) = features.extract::<PyReadonlyArray1<'_, f32>>()
                && let Ok(features) = array.as_slice()
            {
                return self.step(features);
            }
            if let Ok(array) = features.extract::<PyReadonlyArray1<'_, f64>>()
                && let Ok(features) = array.as_slice()
            {
                return self.step(features);
            }
        }
        let array = self.as_floats.bind(features.py()).call1(("features", features))?;
        let shape = array.cast::<PyUntypedArray>()?.shape();
        if shape.len() != 1 {
            return Err(shape_error(format!(
                "features have {} dimensions, shape {shape:?}; a step takes those of one row, \
                 shape ({},)",
                shape.len(),
                self.stepper.inputs(),
            )));
        }
        match array.extract::<PyReadonlyArray1<'_, f32>>() {
            Ok(features) => self.step(features.as_slice()?),
            Err(_) => self.step(array.extract::<PyReadonlyArray1<'_, f64>>()?.as_slice()?),
        }
    }

    /// `out` as an array to write the outputs to.
    fn target<'py>(&self, out: &Bound<'py, PyAny>) -> PyResult<Target<'py, T>> {
        let len = self.stepper.outputs();
        if self.labels.is_empty() {
            writable(out, len, "the model's dtype").map(Target::Plain)
        } else {
            writable(out, len, "dtype float64").map(Target::Restored)
        }
    }

    /// The outputs of the last step as a new array.
    fn outputs<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        if self.labels.is_empty() {
            PyArray1::from_slice(py, &self.y).into_any()
        } else {
            PyArray1::from_slice(py, &self.restored).into_any()
        }
    }

    fn write_outputs(&self, target: Target<'_, T>) -> PyResult<()> {
        match target {
            Target::Plain(mut array) => array.as_slice_mut()?.copy_from_slice(&self.y),
            Target::Restored(mut array) => array.as_slice_mut()?.copy_from_slice(&self.restored),
        }
        Ok(())
    }
}

enum Inner {
    F32(Scaled<f32>),
    F64(Scaled<f64>),
}

/// Reads one sequence step by step and carries the state; made by ``model.stepper()``.
#[pyclass(module = "rnn_rust._core")]
pub(crate) struct Stepper {
    inner: Inner,
}

macro_rules! with {
    ($self:ident, $scaled:ident => $body:expr) => {
        match &mut $self.inner {
            Inner::F32($scaled) => $body,
            Inner::F64($scaled) => $body,
        }
    };
}

/// How a network of one type becomes a [`Stepper`].
pub(crate) trait IntoStepper: Scalar {
    fn wrap(stepper: core::Stepper<Self>, scalings: [Scaling; 2], as_floats: Py<PyAny>) -> Stepper;
}

macro_rules! into_stepper {
    ($float:ident, $Variant:ident) => {
        impl IntoStepper for $float {
            fn wrap(
                stepper: core::Stepper<Self>,
                [features, labels]: [Scaling; 2],
                as_floats: Py<PyAny>,
            ) -> Stepper {
                let (x, y, restored) = (Vec::new(), Vec::new(), Vec::new());
                let scaled = Scaled { stepper, features, labels, as_floats, x, y, restored };
                Stepper { inner: Inner::$Variant(scaled) }
            }
        }
    };
}
into_stepper!(f32, F32);
into_stepper!(f64, F64);

#[pymethods]
impl Stepper {
    /// Outputs ``(L,)`` after one more step with ``features (I,)``, in original units.
    #[pyo3(signature = (features, out = None))]
    fn step<'py>(
        &mut self,
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
            scaled.write_outputs(target)?;
            Ok(out)
        })
    }

    /// Sets the static features of the sequence, as the engine takes them.
    fn set_statics(&mut self, statics: Vec<f64>) -> PyResult<()> {
        with!(self, scaled => {
            let statics: Vec<_> = statics.iter().map(|&s| core::Real::from_f64(s)).collect();
            scaled.stepper.set_statics(&statics).map_err(|error| exception(&error))
        })
    }

    /// Begins another sequence: the state becomes 0.
    fn reset(&mut self) {
        with!(self, scaled => scaled.stepper.reset());
    }

    /// The state after the last step: ``(H,)``, of several layers ``(layers, H)``; an LSTM's rows
    /// are h followed by c.
    #[getter]
    fn state<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        with!(self, scaled => {
            let flat = PyArray1::from_vec(py, scaled.stepper.state());
            match scaled.stepper.state_shape() {
                (1, _) => Ok(flat.into_any()),
                (layers, row) => Ok(flat.reshape([layers, row])?.into_any()),
            }
        })
    }

    #[setter]
    fn set_state(&mut self, state: &Bound<'_, PyAny>) -> PyResult<()> {
        with!(self, scaled => {
            let array = scaled.as_floats.bind(state.py()).call1(("state", state))?;
            take_state(&mut scaled.stepper, &array)
        })
    }
}

/// `out` as a contiguous array to write `len` outputs to, of a type that has a name for users.
fn writable<'py, T: Scalar>(
    out: &Bound<'py, PyAny>,
    len: usize,
    dtype: &str,
) -> PyResult<PyReadwriteArray1<'py, T>> {
    let masked = !out.is_exact_instance_of::<PyUntypedArray>() && out.hasattr("mask")?;
    let array: Option<PyReadwriteArray1<'py, T>> = out.extract().ok().filter(|_| !masked);
    array.filter(|array| array.as_slice().is_ok_and(|slice| slice.len() == len)).ok_or_else(|| {
        PyTypeError::new_err(format!(
            "out must be a writable array of shape ({len},) and {dtype}, without a mask"
        ))
    })
}

fn take_state<T: Scalar>(stepper: &mut core::Stepper<T>, state: &Bound<'_, PyAny>) -> PyResult<()> {
    let array = state.call_method1("astype", ("float64",))?;
    let array: PyReadonlyArrayDyn<'_, f64> = array.extract()?;
    let state: Vec<T> = array.as_slice()?.iter().map(|&h| T::from_f64(h)).collect();
    if let Some(i) = state.iter().position(|h| !h.is_finite()) {
        return Err(data_error(format!("state {i} is not finite in the model's type")));
    }
    stepper.set_state(&state).map_err(|error| exception(&error))
}
