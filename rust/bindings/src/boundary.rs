//! The boundary between Python and the engine: element types, errors, panics, signals.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{TryLockError, TryLockResult};
use std::thread;
use std::time::Duration;

use pyo3::PyErr;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::marker::Ungil;
use pyo3::prelude::*;
use rnn_rust::{Context, Error};

/// An element type known to both Python and the engine.
pub(crate) trait Scalar: rnn_rust::Compiled + numpy::Element {}
impl Scalar for f32 {}
impl Scalar for f64 {}

mod exceptions {
    pyo3::import_exception!(rnn_rust.errors, BusyError);
    pyo3::import_exception!(rnn_rust.errors, DataError);
    pyo3::import_exception!(rnn_rust.errors, DivergedError);
    pyo3::import_exception!(rnn_rust.errors, InternalError);
    pyo3::import_exception!(rnn_rust.errors, OutOfMemoryError);
    pyo3::import_exception!(rnn_rust.errors, ParameterError);
    pyo3::import_exception!(rnn_rust.errors, ShapeError);
}

/// The exception for an error of the engine.
pub(crate) fn exception(error: &Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Shape { .. } => exceptions::ShapeError::new_err(message),
        Error::Parameter { .. } => exceptions::ParameterError::new_err(message),
        Error::Diverged { .. } => exceptions::DivergedError::new_err(message),
        Error::Memory { .. } => exceptions::OutOfMemoryError::new_err(message),
        Error::Cancelled => exceptions::InternalError::new_err("cancelled without a signal"),
    }
}

/// The exception for a call by a signal handler that would wait for the call it interrupted.
pub(crate) fn busy_error(message: String) -> PyErr {
    exceptions::BusyError::new_err(message)
}

/// The exception for values that cannot be used.
pub(crate) fn data_error(message: String) -> PyErr {
    exceptions::DataError::new_err(message)
}

/// The exception for an argument outside its allowed values.
pub(crate) fn parameter_error(message: String) -> PyErr {
    exceptions::ParameterError::new_err(message)
}

/// The exception for an array whose shape cannot be used.
pub(crate) fn shape_error(message: String) -> PyErr {
    exceptions::ShapeError::new_err(message)
}

/// A count with its noun, formatted as in the Python messages: `1 key`, `1,200 keys`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    let mut text = count.to_string();
    let mut end = text.len();
    while end > 3 {
        end -= 3;
        text.insert(end, ',');
    }
    format!("{text} {one}{}", if count == 1 { "" } else { "s" })
}

/// A shape as NumPy shows it: `(3,)`, `(2, 3)`.
pub(crate) fn as_tuple(shape: &[usize]) -> String {
    match shape {
        [len] => format!("({len},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The most characters of a value that a message shows.
const SHOWN: usize = 80;

/// A value as messages show it.
///
/// Formatting a Python object with `{}` or `{:?}` runs signal handlers and drops what they raise, so
/// messages must never format such objects directly.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.repr()?;
    let text = text.to_string_lossy();
    Ok(match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    })
}

/// The converted value; `None` if it cannot be converted. Other exceptions, such as
/// `KeyboardInterrupt`, are passed on.
pub(crate) fn if_possible<R>(py: Python<'_>, converted: PyResult<R>) -> PyResult<Option<R>> {
    match converted {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error.is_instance_of::<PyTypeError>(py)
                || error.is_instance_of::<PyValueError>(py)
                || error.is_instance_of::<PyOverflowError>(py) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The result of `work`; a panic becomes an `InternalError`.
#[inline(always)]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(internal_error)
}

/// Like [`caught`], detached from the interpreter; for work too short to check for signals.
pub(crate) fn detached<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    caught(|| py.detach(work))?.map_err(|error| exception(&error))
}

/// Runs `work` detached from the interpreter. Signals are checked every few milliseconds, and an
/// exception raised by a handler (such as `KeyboardInterrupt`) cancels the work. A panic becomes an
/// `InternalError`. `threads` limits the threads; by default the environment decides.
pub(crate) fn run<R: Ungil + Send>(
    py: Python<'_>,
    threads: Option<usize>,
    work: impl FnOnce(&mut Context<'_>) -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(|| {
        let mut raised = None;
        let mut go_on = || {
            // Keep what a handler raised: a second check would find no signal any more.
            if raised.is_none() {
                raised = Python::attach(|py| py.check_signals()).err();
            }
            raised.is_none()
        };
        let with_context = || {
            let context = Context::new(&mut go_on)?;
            work(&mut match threads {
                Some(threads) => context.with_threads(threads),
                None => context,
            })
        };
        let outcome = caught(with_context)?;
        outcome.map_err(|error| raised.unwrap_or_else(|| exception(&error)))
    })
}

/// How long a thread sleeps between checks on another.
pub(crate) const WAIT: Duration = Duration::from_millis(1);

/// Repeats `attempt` until it returns something; checks for signals meanwhile.
pub(crate) fn when_free<R>(
    context: &mut Context<'_>,
    mut attempt: impl FnMut() -> Option<R>,
) -> Result<R, Error> {
    loop {
        if let Some(found) = attempt() {
            return Ok(found);
        }
        thread::sleep(WAIT);
        context.check()?;
    }
}

/// The guard of a lock, if it is free. A lock is poisoned only by a panic, which its caller has seen as
/// an `InternalError`.
pub(crate) fn if_free<G>(attempt: TryLockResult<G>) -> Option<G> {
    match attempt {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A separate function, to keep the calls that may panic short.
#[cold]
#[inline(never)]
fn internal_error(panic: Box<dyn Any + Send>) -> PyErr {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    exceptions::InternalError::new_err(format!("the engine failed, please report this: {text}"))
}
