//! CSV files: where their rows are, and the numbers of plain ones. Polars reads the rest.

mod numbers;
mod parts;
mod rows;

pub(crate) use numbers::fill_from_csv;
pub(crate) use parts::csv_rows;
