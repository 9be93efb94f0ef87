//! The numbers of plain CSV text, read straight into the rows of matrices.
//!
//! Polars reads CSV files, but most of their text is plain: cells that are empty or a decimal number,
//! and no quotes. Such text is read here, with the same number parser as in Polars, and needs no
//! columns in between. The rest is left to Polars.

use memchr::{memchr, memchr3};
use numpy::{PyArray2, PyArrayMethods, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes};

use crate::boundary::{Scalar, run, shape_error};

/// What a column of the file is used for.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Numbers: which matrix, and which column of it.
    Number((usize, usize)),
    /// Text: whether the cells are wanted as they are, or ignored.
    Text(bool),
}

/// Not derived: a derived one would explain in Python why a bool is not a pair, and lose a Ctrl-C that
/// arrives meanwhile.
impl<'py> FromPyObject<'_, 'py> for Column {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.cast::<PyBool>() {
            Ok(wanted) => Ok(Self::Text(wanted.is_true())),
            Err(_) => Ok(Self::Number(value.extract()?)),
        }
    }
}

/// A matrix that is being filled row by row.
struct Filling<'a, T> {
    numbers: &'a mut [T],
    width: usize,
    /// Where the next row starts.
    row: usize,
    missing: bool,
}

impl<T: Scalar> Filling<'_, T> {
    /// `None` if there are too many rows, or the number is too large for the type.
    fn set(&mut self, column: usize, number: f64) -> Option<()> {
        let value = T::from_f64(number);
        self.missing |= number.is_nan();
        *self.numbers.get_mut(self.row + column)? = value;
        (value.is_finite() || number.is_nan()).then_some(())
    }
}

/// Fills rows of `matrices` with the numbers in `text`, the rows of a CSV file. `columns` says what
/// becomes of each column.
///
/// Returns the cells that are wanted as text, as CSV of their own, and for each matrix whether a
/// number is missing: NaN stands there. Blank rows are passed over. None if the text is not plain,
/// or has another number of rows than the matrices.
#[pyfunction]
pub(crate) fn fill_from_csv<'py>(
    py: Python<'py>,
    text: &Bound<'py, PyBytes>,
    separator: u8,
    columns: Vec<Column>,
    matrices: Vec<Bound<'py, PyAny>>,
) -> PyResult<Option<(Bound<'py, PyBytes>, Vec<bool>)>> {
    let text = text.as_bytes();
    let single = matrices.first().is_some_and(|matrix| matrix.cast::<PyArray2<f32>>().is_ok());
    let read = if single {
        fill::<f32>(py, text, separator, &columns, &matrices)?
    } else {
        fill::<f64>(py, text, separator, &columns, &matrices)?
    };
    Ok(read.map(|(cells, missing)| (PyBytes::new(py, &cells), missing)))
}

fn fill<T: Scalar>(
    py: Python<'_>,
    text: &[u8],
    separator: u8,
    columns: &[Column],
    matrices: &[Bound<'_, PyAny>],
) -> PyResult<Option<(Vec<u8>, Vec<bool>)>> {
    let arrays = matrices.iter().map(|matrix| Ok(matrix.cast::<PyArray2<T>>()?));
    let arrays = arrays.collect::<PyResult<Vec<_>>>()?;
    let widths: Vec<usize> = arrays.iter().map(|array| array.shape()[1]).collect();
    for column in columns {
        if let Column::Number((matrix, place)) = *column
            && widths.get(matrix).is_none_or(|&width| place >= width)
        {
            return Err(shape_error(format!("no column {place} in matrix {matrix}")));
        }
    }
    // Two empty arrays may share an address, and would seem to be borrowed twice.
    let guards =
        arrays.iter().map(|array| (array.len() > 0).then(|| array.try_readwrite()).transpose());
    let mut guards: Vec<Option<PyReadwriteArray2<'_, T>>> = guards.collect::<Result<_, _>>()?;
    let mut fillings = Vec::new();
    for (guard, &width) in guards.iter_mut().zip(&widths) {
        let rows = guard.as_mut().map(|guard| guard.as_slice_mut()).transpose()?;
        let numbers = rows.unwrap_or_default();
        fillings.push(Filling { numbers, width, row: 0, missing: false });
    }
    run(py, Some(1), move |_| {
        let cells = read_rows(text, separator, columns, &mut fillings);
        Ok(cells.map(|cells| (cells, fillings.iter().map(|filling| filling.missing).collect())))
    })
}

/// Returns the cells wanted as text; `None` if the text is not plain.
fn read_rows<T: Scalar>(
    text: &[u8],
    separator: u8,
    columns: &[Column],
    fillings: &mut [Filling<'_, T>],
) -> Option<Vec<u8>> {
    if memchr(b'"', text).is_some() || std::str::from_utf8(text).is_err() {
        return None;
    }
    let last_text = columns.iter().rposition(|column| matches!(column, Column::Text(true)));
    let (mut cells, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        if let Some(after) = after_blank_row(rest, separator) {
            rest = after;
            continue;
        }
        for (c, column) in columns.iter().enumerate() {
            if c > 0 {
                rest = rest.strip_prefix(&[separator])?;
            }
            rest = match *column {
                Column::Number((matrix, place)) => {
                    let (number, after) = number(rest, separator)?;
                    fillings[matrix].set(place, number)?;
                    after
                }
                Column::Text(wanted) => {
                    let end = memchr3(separator, b'\n', b'\r', rest).unwrap_or(rest.len());
                    let (cell, after) = rest.split_at(end);
                    if wanted {
                        cells.extend_from_slice(cell);
                        cells.push(if Some(c) == last_text { b'\n' } else { separator });
                    }
                    after
                }
            };
        }
        rest = after_line_end(rest)?;
        for filling in &mut *fillings {
            filling.row += filling.width;
        }
    }
    fillings.iter().all(|filling| filling.row == filling.numbers.len()).then_some(cells)
}

/// The number in the first cell, NaN if empty, and the rest; `None` if it is something else.
fn number(text: &[u8], separator: u8) -> Option<(f64, &[u8])> {
    match text.first() {
        Some(b'0'..=b'9' | b'-' | b'.') => {
            let (number, length) = fast_float2::parse_partial::<f64, _>(text).ok()?;
            number.is_finite().then(|| (number, &text[length..]))
        }
        Some(&byte) if byte != separator && byte != b'\n' && byte != b'\r' => None,
        _ => Some((f64::NAN, text)),
    }
}

/// The rest after this row, if all of its cells are empty.
fn after_blank_row(text: &[u8], separator: u8) -> Option<&[u8]> {
    let filled = text.iter().position(|&byte| byte != separator).unwrap_or(text.len());
    after_line_end(&text[filled..])
}

/// The rest after the end of the line or of the text.
fn after_line_end(text: &[u8]) -> Option<&[u8]> {
    match text {
        [] => Some(text),
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => Some(after),
        _ => None,
    }
}
