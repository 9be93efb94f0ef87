//! `rnn_rust._core`: the engine as Python sees it. Arrays and offsets in, arrays out.
//!
//! There is one crossing per fit, prediction or batch; the interpreter is released while the engine
//! works. Python code prepares the arguments (types, contiguity, readable messages); the checks here
//! keep the engine safe whatever arrives.

mod boundary;
mod csv;
mod features;
mod network;
mod python;
mod scorer;
mod settings;
mod shared;
mod stepper;
mod tables;
mod zstd;

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: rnn_rust::HugePages = rnn_rust::HugePages;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // The first array makes NumPy's interface be looked up by Python code, in which Ctrl-C would cause
    // a panic: better during the import than in a call.
    PyArray1::<f64>::zeros(module.py(), 0, false).try_readonly()?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(csv::csv_rows, module)?)?;
    module.add_function(wrap_pyfunction!(csv::fill_from_csv, module)?)?;
    module.add_function(wrap_pyfunction!(zstd::decompress_zstd, module)?)?;
    module.add_function(wrap_pyfunction!(tables::prepare_rows, module)?)?;
    module.add_function(wrap_pyfunction!(tables::fill_rows, module)?)?;
    module.add_function(wrap_pyfunction!(tables::column_bounds, module)?)?;
    module.add_function(wrap_pyfunction!(tables::column_moments, module)?)?;
    module.add_class::<network::Network>()?;
    module.add_class::<stepper::Stepper>()?;
    module.add_class::<scorer::Scorer>()
}
