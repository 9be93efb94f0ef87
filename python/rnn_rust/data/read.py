"""Reading CSV files: Polars reads the cells, once the boundaries of all rows are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl

from rnn_rust.base.forks import require_polars
from rnn_rust.data.columns import Names, choose_columns
from rnn_rust.data.csv_file import CsvFile
from rnn_rust.data.frames import group_rows
from rnn_rust.data.source import Source
from rnn_rust.errors import DataError

# Integers that text can be turned into and back without loss, and that fit 64 bits.
_PLAIN_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"


def read_csv(
    path: str | os.PathLike[str],
    *,
    id: str | None,
    time: str | None,
    features: Names,
    labels: Names,
    weights: str | None,
) -> dict[str, Any]:
    """Return the fields of the data set of :meth:`rnn_rust.Dataset.from_csv`."""
    file = CsvFile(path)
    columns = choose_columns(
        file.header, id=id, time=time, features=features, labels=labels, weights=weights,
        where=file.name,
    )  # fmt: skip
    frame = load(file, (columns.id, columns.time), columns.numbers)
    ids = frame[columns.id]
    if ids.str.contains(_PLAIN_INTEGER).all():
        frame = frame.with_columns(ids.cast(pl.Int64))
    return group_rows(frame, columns, Source(file.name, file.place))


def load(file: CsvFile, text: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
    """Return the rows of these columns, less blank ones.

    If a cell of ``numbers`` is none, all of these columns come as text: converting them names it.
    """
    require_polars()
    if not file.has_rows:
        return pl.DataFrame(schema=dict.fromkeys((*text, *numbers), pl.String))
    frame = _scan_checked(file, (*text, *numbers), numbers)
    if frame is not None:
        return _drop_blank_rows(frame, file)
    file.require_utf8()  # Polars does not say where.
    try:
        return _drop_blank_rows(_scan(file, (*text, *numbers), ()), file)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{file.name}: not readable as CSV ({reason}); check its quotes and line ends"
        ) from error


def _scan_checked(
    file: CsvFile, names: Sequence[str], numbers: Sequence[str]
) -> pl.DataFrame | None:
    """Read the columns while the rows are counted; None if a cell of ``numbers`` is not a number.

    Polars guesses at quotes in odd places and passes over commas too many, so that an error of the
    count goes first, whatever Polars says.
    """
    with ThreadPoolExecutor(1) as executor:
        count = executor.submit(lambda: file.rows)
        try:
            return _scan(file, names, numbers)
        except pl.exceptions.PolarsError:
            return None
        finally:
            count.result()


def _scan(file: CsvFile, names: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
    # Without types Polars would guess: a literal nan makes a column text, and 007 becomes 7.
    schema: dict[str, pl.DataType] = {name: pl.String() for name in file.header}
    schema |= dict.fromkeys(numbers, pl.Float64())
    # An absolute path without globbing: Polars gives '~', '*' and '[' a meaning.
    rows = pl.scan_csv(
        file.source, schema=schema, glob=False,
        has_header=False, skip_lines=file.lines_before_rows,
    )  # fmt: skip
    return rows.select(list(names)).collect()


def _drop_blank_rows(frame: pl.DataFrame, file: CsvFile) -> pl.DataFrame:
    _, blank = file.rows
    if frame.height != len(blank):
        raise DataError(
            f"{file.name}: the file has {len(blank)} rows, of which Polars reads {frame.height}; "
            "write it again without line breaks inside cells"
        )
    return frame.filter(~blank) if blank.any() else frame
