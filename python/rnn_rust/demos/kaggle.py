"""Kaggle's card-fraud file (ULB, `creditcard.csv`) turned into sequences of this package's layout.

The file may not be redistributed; download it and use `convert`.
"""

import os

import numpy as np

from rnn_rust.base.checks import whole_number
from rnn_rust.base.polars import pl
from rnn_rust.data.columns import Columns, Roles, reject_repeats
from rnn_rust.data.csv_file import CsvFile
from rnn_rust.data.csv_table import load
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.grouping import Cells, group_rows
from rnn_rust.data.numbers import read_numbers
from rnn_rust.data.source import Source
from rnn_rust.demos.fraud import ANONYMOUS_FEATURES, write_csv
from rnn_rust.errors import DataError, ParameterError

FEATURES = [*(f"V{k}" for k in range(1, ANONYMOUS_FEATURES + 1)), "Amount"]
COLUMNS = ["Time", *FEATURES, "Class"]

_NEW_NAMES = {old: f"x{k}" for k, old in enumerate(FEATURES, start=1)} | {"Class": "y1"}


def convert(
    source_csv: str | os.PathLike[str], output_csv: str | os.PathLike[str], length: int = 10
) -> None:
    """Cut Kaggle's table into sequences of consecutive rows and write them as CSV.

    Kaggle's file has no card number, so the rows of a sequence are neighbours in time, not the
    purchases of one card: patterns that a model finds over time are not anybody's habits.

    Parameters
    ----------
    source_csv
        The downloaded file, with the columns Time, V1 to V28, Amount and Class.
    output_csv
        The file to write: `id` (1, 2, ...), `t` (1 to length, the position in the sequence, as
        Time has ties), `x1` to `x28` (V1 to V28), `x29` (Amount) and `y1` (Class). It is written
        completely or not at all.
    length
        Rows per sequence; the last one is shorter if the rows do not divide evenly.

    Raises
    ------
    rnn_rust.errors.MissingFileError
        If the source file or the folder of the output does not exist.
    rnn_rust.errors.DataError
        If the source lacks a column or has no row, a cell is not a number, or a class is neither 0
        nor 1; or if the output cannot be written.
    rnn_rust.errors.ParameterError
        If length is below 1, or the output is the source.
    """
    length = whole_number("length", length, least=1)
    file = CsvFile(source_csv)
    if os.path.exists(output_csv) and os.path.samefile(source_csv, output_csv):
        raise ParameterError(f"{output_csv} is the source itself; choose another name to write to")
    table = _read(file, length).to_frame().drop("Time").rename(_NEW_NAMES)
    write_csv(table.cast({"y1": pl.Int8}), output_csv)


def _read(file: CsvFile, length: int) -> Dataset:
    """Return the sequences, with every cell checked, and with Time as a feature."""
    _check_header(file)
    row = pl.int_range(pl.len())
    table = load(file, (), COLUMNS).with_columns(id=row // length + 1, t=row % length + 1)
    source = Source(file.name, file.place)
    columns = Columns("id", ("t",), features=tuple(COLUMNS[:-1]), labels=("Class",))
    numbers = read_numbers(table, columns, source, None)
    dataset = Dataset(**group_rows(Cells(table, numbers, source), columns, Roles()))
    unknown = ~np.isin(dataset.labels[:, 0], (0, 1))
    if unknown.any():
        at = int(np.argmax(unknown))
        seen = dataset.labels[at, 0]
        problem = "the class is missing" if np.isnan(seen) else f"{seen:g} is not a class"
        raise DataError(f"{source.at(at, 'Class')}: {problem}; give 1 for fraud, else 0")
    return dataset


def _check_header(file: CsvFile) -> None:
    """Raise a DataError naming the columns that the header lacks, or has twice."""
    reject_repeats(file.header, file.name)
    missing = [name for name in COLUMNS if name not in file.header]
    if missing:
        raise DataError(
            f"{file.name}, line 1: the header lacks {', '.join(missing)}; "
            "it must have Time, V1 to V28, Amount and Class, as Kaggle's creditcard.csv has"
        )
