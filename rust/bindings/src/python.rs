//! Losses and optimisers that are written in Python.

use numpy::{PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust::simd::Level;
use rnn_rust::{BatchLoss, Layout, Optimizer};

use crate::boundary::Scalar;

/// A dict with an array for every tensor, copied from the engine's buffer.
pub(crate) fn tensors<'py, T: Scalar>(
    py: Python<'py>,
    layout: &Layout,
    flat: &[T],
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    add_tensors(&dict, "", layout, flat)?;
    Ok(dict)
}

/// Adds an array for every tensor to a dict, under its name with `prefix`.
pub(crate) fn add_tensors<T: Scalar>(
    dict: &Bound<'_, PyDict>,
    prefix: &str,
    layout: &Layout,
    flat: &[T],
) -> PyResult<()> {
    for (number, tensor) in layout.tensors().iter().enumerate() {
        let values = PyArray1::from_vec(dict.py(), layout.unpack(flat, number));
        let array: Bound<'_, PyArrayDyn<T>> = values.reshape(tensor.dimensions())?;
        dict.set_item(format!("{prefix}{}", tensor.name()), array)?;
    }
    Ok(())
}

/// An object with `value_and_gradient(predictions, labels) -> (float, gradient)`, whose results Python
/// code has checked. For R rows: predictions `(R, L)`, labels `(R, C)`, and the gradient of the loss by
/// the predictions, `(R, L)`.
pub(crate) struct PythonLoss {
    pub(crate) object: Py<PyAny>,
    /// Columns of outputs and of labels.
    pub(crate) columns: (usize, usize),
    /// The exception that it raised.
    pub(crate) raised: Option<PyErr>,
}

impl PythonLoss {
    fn call<T: Scalar>(
        &self,
        py: Python<'_>,
        outputs: &[T],
        labels: &[T],
    ) -> PyResult<(f64, Vec<T>)> {
        let array = |values: &[T], columns: usize| -> PyResult<Bound<'_, PyArray2<T>>> {
            PyArray1::from_slice(py, values).reshape([values.len() / columns, columns])
        };
        let (y, labels) = (array(outputs, self.columns.0)?, array(labels, self.columns.1)?);
        let answer = self.object.bind(py).call_method1("value_and_gradient", (y, labels))?;
        let (value, gradient) = answer.extract()?;
        let gradient: PyReadonlyArrayDyn<'_, T> = gradient;
        Ok((value, gradient.as_slice()?.to_vec()))
    }
}

impl<T: Scalar> BatchLoss<T> for PythonLoss {
    fn value_and_gradient(&mut self, outputs: &[T], labels: &[T]) -> Option<(f64, Vec<T>)> {
        let answer = Python::attach(|py| self.call(py, outputs, labels));
        answer.map_err(|error| self.raised = Some(error)).ok()
    }
}

/// An object with `update(parameters, gradients) -> parameters`, whose results Python code has checked:
/// dicts with an array for each tensor by name, in the shape that users see.
pub(crate) struct PythonOptimizer<'a> {
    pub(crate) object: &'a Py<PyAny>,
    pub(crate) layout: &'a Layout,
    /// The exception that it raised.
    pub(crate) raised: Option<PyErr>,
}

impl PythonOptimizer<'_> {
    fn call<T: Scalar>(&self, before: &[T], gradient: &[T], after: &mut [T]) -> PyResult<()> {
        Python::attach(|py| {
            let parameters = tensors(py, self.layout, before)?;
            let gradients = tensors(py, self.layout, gradient)?;
            let updated = self.object.bind(py).call_method1("update", (parameters, gradients))?;
            after.copy_from_slice(before);
            for (number, tensor) in self.layout.tensors().iter().enumerate() {
                let values: PyReadonlyArrayDyn<'_, T> =
                    updated.get_item(tensor.name())?.extract()?;
                self.layout
                    .pack(after, number, values.as_slice()?)
                    .map_err(|error| crate::boundary::exception(&error))?;
            }
            Ok(())
        })
    }
}

impl<T: Scalar> Optimizer<T> for PythonOptimizer<'_> {
    fn step(
        &mut self,
        _: Level,
        _: f64,
        before: &[T],
        gradient: &mut [T],
        after: &mut [T],
    ) -> bool {
        match self.call(before, gradient, after) {
            Ok(()) => {
                gradient.fill(T::ZERO);
                after.iter().all(|w| w.is_finite())
            }
            Err(error) => {
                self.raised = Some(error);
                false
            }
        }
    }

    /// The state of a Python object is its own business.
    fn undo(&mut self) {}
}
