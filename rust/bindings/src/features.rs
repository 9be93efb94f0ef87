//! Converts rows of features and outputs between the user's form and the engine's: arrays, names,
//! units.

use numpy::{PyArray1, PyArrayMethods, PyReadwriteArray1};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust as core;
use rnn_rust::preparation::scaled;

use crate::boundary::{Scalar, as_tuple, data_error, if_possible, shape_error, shown};

/// Shift and scale of each column, for `(value − shift) / scale`; empty without a scaler.
#[derive(Clone)]
pub(crate) struct Scaling {
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl From<(Vec<f64>, Vec<f64>)> for Scaling {
    fn from((shift, scale): (Vec<f64>, Vec<f64>)) -> Self {
        Self { shift, scale }
    }
}

impl Scaling {
    /// Sets `to` to rows of values in the model's units, scaled as data sets are. Returns the position
    /// of a value that is not finite, if there is one.
    pub(crate) fn scale<N: core::Real, T: Scalar>(
        &self,
        values: &[N],
        to: &mut Vec<T>,
    ) -> Option<usize> {
        to.clear();
        let columns = self.shift.len();
        // There is no scaler, or the number of values is wrong, which the engine refuses.
        if columns == 0 || !values.len().is_multiple_of(columns) {
            to.extend(values.iter().map(|&value| T::from_f64(value.to_f64())));
        } else {
            to.resize(values.len(), T::ZERO);
            for (row, own) in values.chunks_exact(columns).zip(to.chunks_exact_mut(columns)) {
                for (c, own) in own.iter_mut().enumerate() {
                    *own = scaled(row[c], self.shift[c], self.scale[c]);
                }
            }
        }
        // No branch per number, so that several are checked at once.
        if to.iter().fold(true, |all, x| all & x.is_finite()) {
            return None;
        }
        to.iter().position(|x| !x.is_finite())
    }

    /// Sets `to` to values in original units, which may need the full precision of float64.
    pub(crate) fn restore<T: Scalar>(&self, values: &[T], to: &mut [f64]) {
        let columns = self.shift.len();
        for (row, own) in values.chunks_exact(columns).zip(to.chunks_exact_mut(columns)) {
            for (c, own) in own.iter_mut().enumerate() {
                *own = row[c].to_f64() * self.scale[c] + self.shift[c];
            }
        }
    }

    /// Shift and scale by column.
    pub(crate) fn columns(&self) -> (Vec<f64>, Vec<f64>) {
        (self.shift.clone(), self.scale.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shift.is_empty()
    }
}

/// Reads the features of a row as users pass them.
pub(crate) struct RowReader {
    /// The Python function `(what, values)` that converts values to a contiguous array of float32 or
    /// float64, ordering named columns; its error messages call the values `what`.
    pub(crate) as_floats: Py<PyAny>,
    /// The names of the features, if they have any.
    pub(crate) names: Option<Vec<String>>,
}

/// The features of one row, of either type: copied, which is faster than borrowing for so few numbers.
pub(crate) enum Row {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Evaluates `$body` with `$values` bound to the numbers of a row.
macro_rules! with_row {
    ($row:expr, $values:ident => $body:expr) => {
        match &$row {
            $crate::features::Row::F32($values) => $body,
            $crate::features::Row::F64($values) => $body,
        }
    };
}
pub(crate) use with_row;

impl RowReader {
    pub(crate) fn copy(&self, py: Python<'_>) -> Self {
        Self { as_floats: self.as_floats.clone_ref(py), names: self.names.clone() }
    }

    /// The features of a row: an array of either type, anything that NumPy can convert to an array of
    /// numbers, or a dict by name. There should be `count`.
    pub(crate) fn row(&self, features: &Bound<'_, PyAny>, count: usize) -> PyResult<Row> {
        // A subclass may give its memory another meaning: a masked array hides parts of it.
        if features.is_exact_instance_of::<PyUntypedArray>() {
            if let Some(row) = copied(features) {
                return Ok(row);
            }
        } else if let Ok(named) = features.cast::<PyDict>() {
            return self.named(named).map(Row::F64);
        }
        let array = self.as_floats.bind(features.py()).call1(("features", features))?;
        let shape = array.cast::<PyUntypedArray>()?.shape();
        if shape.len() != 1 {
            let hint = if shape.len() == 2 {
                ": step through the rows one by one, or use predict (score_batch) for many"
            } else {
                ""
            };
            return Err(shape_error(format!(
                "features have {} dimensions, shape {}; a step takes those of one row, shape \
                 ({count},){hint}",
                shape.len(),
                as_tuple(shape),
            )));
        }
        copied(&array).ok_or_else(|| data_error("features are no floats".into()))
    }

    fn named(&self, features: &Bound<'_, PyDict>) -> PyResult<Vec<f64>> {
        let Some(names) = &self.names else {
            return Err(data_error(
                "features by name, but those of the model have none; give them in order".into(),
            ));
        };
        let mut row = Vec::with_capacity(names.len());
        for name in names {
            let Some(value) = features.get_item(name)? else {
                return Err(data_error(format!("features: '{name}' is missing")));
            };
            let Some(number) = if_possible(value.py(), value.extract())? else {
                let value = shown(&value)?;
                return Err(data_error(format!(
                    "features: '{name}' is {value}, which is not a number"
                )));
            };
            row.push(number);
        }
        Ok(row)
    }

    /// The error for a feature that is not finite, or would not be, in rows of `columns` columns.
    pub(crate) fn not_finite<N: core::Real>(
        &self,
        values: &[N],
        at: usize,
        columns: usize,
    ) -> PyErr {
        let (row, column) = (at / columns.max(1), at % columns.max(1));
        let row = if values.len() > columns { format!("row {row}: ") } else { String::new() };
        let names = self.names.as_ref();
        let feature = match names.and_then(|names| names.get(column)) {
            Some(name) => format!("'{name}'"),
            None => column.to_string(),
        };
        data_error(format!(
            "{row}feature {feature} is {}; every feature must be finite in the model's type",
            core::shortest(values[at]),
        ))
    }
}

/// The numbers of a contiguous one-dimensional array of either type.
fn copied(array: &Bound<'_, PyAny>) -> Option<Row> {
    if let Ok(array) = array.cast::<PyArray1<f32>>() {
        return array.to_vec().ok().map(Row::F32);
    }
    array.cast::<PyArray1<f64>>().ok()?.to_vec().ok().map(Row::F64)
}

/// A user's array for the outputs of a step.
pub(crate) enum Target<'py, T: Scalar> {
    /// For plain outputs of the network.
    Plain(PyReadwriteArray1<'py, T>),
    /// For outputs in original units, if labels are scaled.
    Restored(PyReadwriteArray1<'py, f64>),
}

impl<'py, T: Scalar> Target<'py, T> {
    /// `out` as a target for `len` outputs.
    pub(crate) fn of(out: &Bound<'py, PyAny>, len: usize, restored: bool) -> PyResult<Self> {
        if restored {
            writable(out, len, "dtype float64").map(Self::Restored)
        } else {
            writable(out, len, "the model's dtype").map(Self::Plain)
        }
    }

    /// Whether it takes outputs in original units.
    pub(crate) fn is_restored(&self) -> bool {
        matches!(self, Self::Restored(_))
    }

    /// Writes the outputs of the kind that it takes.
    pub(crate) fn write(self, plain: &[T], restored: &[f64]) -> PyResult<()> {
        match self {
            Self::Plain(mut array) => array.as_slice_mut()?.copy_from_slice(plain),
            Self::Restored(mut array) => array.as_slice_mut()?.copy_from_slice(restored),
        }
        Ok(())
    }
}

/// `out` as a contiguous writable array of `len` outputs; errors call its type `dtype`.
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
