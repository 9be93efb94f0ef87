//! Arguments of single events, checked as they are read.

use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::boundary::{if_possible, parameter_error, shown};

/// The time of an event.
pub(super) struct Time(pub(super) f64);

impl<'py> FromPyObject<'_, 'py> for Time {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match if_possible(value.py(), value.extract())? {
            Some(time) => Ok(Self(time)),
            None => Err(parameter_error(format!(
                "time must be a number, of a date its seconds, got {}",
                shown(&value)?,
            ))),
        }
    }
}

/// Whether to return what is new too.
pub(super) struct ReturnNew(pub(super) bool);

impl<'py> FromPyObject<'_, 'py> for ReturnNew {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.cast::<PyBool>() {
            Ok(value) => Ok(Self(value.is_true())),
            Err(_) => Err(parameter_error(format!(
                "return_new must be True or False, got {}",
                shown(&value)?,
            ))),
        }
    }
}
