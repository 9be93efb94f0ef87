//! Rows of tables: column statistics for scalers, and the arrays that the engine reads.

use numpy::{
    PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use rnn_rust::interleave::interleave;
use rnn_rust::preparation::{Scaling, TableRows};

use crate::boundary::{Scalar, exception, run, shape_error};

/// A matrix of either type.
pub(crate) enum Matrix<'py> {
    Single(PyReadonlyArray2<'py, f32>),
    Double(PyReadonlyArray2<'py, f64>),
}

/// Not derived: a derived one would explain in Python why a float64 matrix is not float32, and lose a
/// Ctrl-C that arrives meanwhile.
impl<'py> FromPyObject<'_, 'py> for Matrix<'py> {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(matrix) = value.cast::<PyArray2<f32>>() {
            return Ok(Self::Single(matrix.try_readonly()?));
        }
        Ok(Self::Double(value.cast::<PyArray2<f64>>()?.try_readonly()?))
    }
}

type Ints<'py> = PyReadonlyArray1<'py, i64>;
type Doubles<'py> = PyReadonlyArray1<'py, f64>;
type TwoVectors<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// Evaluates an expression with `rows` bound to the [`TableRows`] of a matrix of either type.
macro_rules! with_rows {
    ($values:expr, $starts:expr, $offsets:expr, $rows:ident => $work:expr) => {
        match &$values {
            Matrix::Single(values) => {
                let $rows = table_rows(values, &$starts, &$offsets)?;
                $work
            }
            Matrix::Double(values) => {
                let $rows = table_rows(values, &$starts, &$offsets)?;
                $work
            }
        }
    };
}

fn table_rows<'a, T: Scalar>(
    values: &'a PyReadonlyArray2<'_, T>,
    starts: &'a Ints<'_>,
    offsets: &'a Ints<'_>,
) -> PyResult<TableRows<'a, T>> {
    if !values.is_c_contiguous() {
        return Err(shape_error("the matrix does not lie row after row".into()));
    }
    TableRows::new(values.as_slice()?, values.shape()[1], starts.as_slice()?, offsets.as_slice()?)
        .map_err(|error| exception(&error))
}

/// The rows, less `shift` and divided by `scale` where these are given; and whether none is infinite.
#[pyfunction]
#[pyo3(signature = (values, starts, offsets, shift, scale, dtype, threads))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn prepare_rows<'py>(
    py: Python<'py>,
    values: Matrix<'py>,
    starts: Ints<'py>,
    offsets: Ints<'py>,
    shift: Option<Doubles<'py>>,
    scale: Option<Doubles<'py>>,
    dtype: &str,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let scaling = match (&shift, &scale) {
        (Some(shift), Some(scale)) => Some(scaling(shift, scale)?),
        _ => None,
    };
    with_rows!(values, starts, offsets, rows => {
        if dtype == "float32" {
            prepared::<_, f32>(py, rows, scaling, threads)
        } else {
            prepared::<_, f64>(py, rows, scaling, threads)
        }
    })
}

fn prepared<'py, T: Scalar, U: Scalar>(
    py: Python<'py>,
    rows: TableRows<'_, T>,
    scaling: Option<Scaling<'_>>,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let out = PyArray2::<U>::zeros(py, [rows.len(), rows.columns()], false);
    let finite = {
        let mut guard = out.try_readwrite()?;
        let numbers = guard.as_slice_mut()?;
        run(py, threads, |context| rows.prepare(scaling, numbers, context.threads()))?
    };
    Ok((out.into_any(), finite))
}

/// Puts columns side by side, into a matrix. Returns whether all numbers are finite, and whether none
/// is infinite.
#[pyfunction]
pub(crate) fn fill_rows<'py>(
    py: Python<'py>,
    columns: Vec<Doubles<'py>>,
    matrix: &Bound<'py, PyAny>,
) -> PyResult<(bool, bool)> {
    let slices = columns.iter().map(|column| column.as_slice()).collect::<Result<Vec<_>, _>>()?;
    if let Ok(matrix) = matrix.cast::<PyArray2<f32>>() {
        fill(py, &slices, matrix)
    } else {
        fill(py, &slices, matrix.cast::<PyArray2<f64>>()?)
    }
}

fn fill<T: Scalar>(
    py: Python<'_>,
    columns: &[&[f64]],
    matrix: &Bound<'_, PyArray2<T>>,
) -> PyResult<(bool, bool)> {
    if matrix.shape()[1] != columns.len() {
        return Err(shape_error("the matrix has another number of columns".into()));
    }
    // Two empty arrays may share an address, and would seem to be borrowed twice.
    if matrix.len() == 0 {
        return Ok((true, true));
    }
    let mut guard = matrix.try_readwrite()?;
    let numbers = guard.as_slice_mut()?;
    run(py, Some(1), |_| interleave(columns, numbers))
}

/// The smallest and the largest number of each column, NaN aside.
#[pyfunction]
#[pyo3(signature = (values, starts, offsets, threads))]
pub(crate) fn column_bounds<'py>(
    py: Python<'py>,
    values: Matrix<'py>,
    starts: Ints<'py>,
    offsets: Ints<'py>,
    threads: Option<usize>,
) -> PyResult<TwoVectors<'py>> {
    with_rows!(values, starts, offsets, rows => {
        let bounds = run(py, threads, |context| Ok(rows.bounds(context.threads())))?;
        Ok(two_vectors(py, bounds))
    })
}

/// Mean and standard deviation of each column after scaling, NaN aside.
#[pyfunction]
#[pyo3(signature = (values, starts, offsets, shift, scale, threads))]
pub(crate) fn column_moments<'py>(
    py: Python<'py>,
    values: Matrix<'py>,
    starts: Ints<'py>,
    offsets: Ints<'py>,
    shift: Doubles<'py>,
    scale: Doubles<'py>,
    threads: Option<usize>,
) -> PyResult<TwoVectors<'py>> {
    let scaling = scaling(&shift, &scale)?;
    with_rows!(values, starts, offsets, rows => {
        let moments = run(py, threads, |context| rows.moments(scaling, context.threads()))?;
        Ok(two_vectors(py, moments))
    })
}

fn scaling<'a>(shift: &'a Doubles<'_>, scale: &'a Doubles<'_>) -> PyResult<Scaling<'a>> {
    Ok(Scaling { shift: shift.as_slice()?, scale: scale.as_slice()? })
}

fn two_vectors<'py>(py: Python<'py>, pairs: Vec<(f64, f64)>) -> TwoVectors<'py> {
    let (first, second): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    (PyArray1::from_vec(py, first), PyArray1::from_vec(py, second))
}
