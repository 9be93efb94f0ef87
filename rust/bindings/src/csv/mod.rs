//! CSV files: where their rows are, and the numbers of plain ones. Polars reads all else.

mod numbers;
mod parts;
mod rows;

pub(crate) use numbers::fill_from_csv;
pub(crate) use parts::csv_rows;
