//! The crossing itself: errors, panics, signals.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::PyErr;
use pyo3::marker::Ungil;
use pyo3::prelude::*;
use rnn_rust::{Error, Pulse};

mod exceptions {
    pyo3::import_exception!(rnn_rust.errors, DivergedError);
    pyo3::import_exception!(rnn_rust.errors, InternalError);
    pyo3::import_exception!(rnn_rust.errors, ParameterError);
    pyo3::import_exception!(rnn_rust.errors, ShapeError);
}

/// The exception of an error of the engine.
pub(crate) fn exception(error: &Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Shape { .. } => exceptions::ShapeError::new_err(message),
        Error::Parameter { .. } => exceptions::ParameterError::new_err(message),
        Error::Diverged { .. } => exceptions::DivergedError::new_err(message),
        Error::Cancelled => exceptions::InternalError::new_err("cancelled without a signal"),
    }
}

/// Runs `work` with the interpreter released. Signals are looked at every few milliseconds, and
/// the exception that a handler raises (`KeyboardInterrupt`, say) ends the work. A panic becomes
/// an `InternalError`.
pub(crate) fn run<R: Ungil + Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut Pulse<'_>) -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(|| {
        let mut raised = None;
        let mut go_on = || {
            raised = Python::attach(|py| py.check_signals()).err();
            raised.is_none()
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut Pulse::new(&mut go_on))));
        match outcome {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(raised.unwrap_or_else(|| exception(&error))),
            Err(panic) => Err(exceptions::InternalError::new_err(panic_message(panic.as_ref()))),
        }
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("the engine failed, please report this: {text}")
}
