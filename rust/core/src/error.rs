//! The error type of the crate: which argument was wrong, what was expected, what was given.

use std::fmt;

/// Why a call was refused or stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A slice or size does not fit the network or the other arguments.
    Shape {
        /// The argument, for example `features`.
        what: String,
        /// What would have fit.
        expected: String,
        /// What was given.
        got: String,
    },
    /// An argument is outside its allowed values.
    Parameter {
        /// The argument, for example `learning_rate`.
        what: &'static str,
        /// The allowed values.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// The loss or the weights stopped being finite; the update that led there was taken back.
    Diverged {
        /// Epoch, counted from 1 over the life of the model.
        epoch: usize,
        /// Batch within the epoch, counted from 1.
        batch: usize,
    },
    /// There is not enough memory; nothing has been changed.
    Memory {
        /// What the call would have needed.
        bytes: usize,
    },
    /// The caller asked to stop; the weights are those of the last finished update.
    Cancelled,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { what, expected, got } => {
                write!(f, "{what}: expected {expected}, got {got}")
            }
            Self::Parameter { what, expected, got } => {
                write!(f, "{what} must be {expected}, got {got}")
            }
            Self::Diverged { epoch, batch } => write!(
                f,
                "the loss or the weights stopped being finite in epoch {epoch}, batch {batch}; the \
                 last update was taken back. Lower the learning rate or scale the data"
            ),
            Self::Memory { bytes } => {
                write!(f, "this needs {:.1} GB of memory, more than there is", *bytes as f64 / 1e9)
            }
            Self::Cancelled => write!(f, "cancelled"),
        }
    }
}

impl std::error::Error for Error {}

/// The result of every function of this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A number as error messages show it: `1e300`, not 300 digits.
pub fn shortest(number: impl fmt::Display + fmt::LowerExp) -> String {
    let plain = number.to_string();
    if plain.len() > LONG { format!("{number:e}") } else { plain }
}

/// Numbers this long are shorter, or easier to read, with an exponent.
const LONG: usize = 20;

/// `Ok` when `holds`, else the shape error that the other arguments describe.
pub(crate) fn check_shape(
    holds: bool,
    what: &str,
    expected: impl fmt::Display,
    got: impl fmt::Display,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Shape {
        what: what.to_owned(),
        expected: expected.to_string(),
        got: got.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_in_messages() {
        let shown = [0.1, -3.0, 1e6, 1e300, -2.5e-200, f64::NAN, f64::INFINITY].map(shortest);
        assert_eq!(shown, ["0.1", "-3", "1000000", "1e300", "-2.5e-200", "NaN", "inf"]);
        assert_eq!(shortest(f32::MAX), "3.4028235e38");
        assert_eq!(shortest(-1.0 / 3.0), "-0.3333333333333333");
    }
}
