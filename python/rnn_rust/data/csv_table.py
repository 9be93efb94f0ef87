"""Reading CSV files: Polars reads the cells, once the boundaries of all rows are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from rnn_rust import _core
from rnn_rust.base.forks import require_polars
from rnn_rust.data.arrays import is_weight
from rnn_rust.data.columns import Columns
from rnn_rust.data.csv_file import Block, CsvFile
from rnn_rust.data.grouping import Cells
from rnn_rust.data.numbers import Numbers, as_numbers, read_numbers
from rnn_rust.data.source import Source
from rnn_rust.data.tables import Table
from rnn_rust.errors import DataError


class CsvTable(Table):
    """The table of a CSV file."""

    def __init__(self, file: CsvFile) -> None:
        self.name, self.names, self._file = file.name, file.header, file

    def read(self, columns: Columns, dtype: str | None) -> Cells:
        """See the base class."""
        source = Source(self.name, self._file.place)
        if not self._file.has_rows:
            raise DataError(f"{self.name}: there are no rows; give one row per time step")
        found = _read_blocks(self._file, columns, dtype or "float64")
        if found is not None:
            return Cells(*found, source, is_text=True)
        text = load(self._file, (*columns.keys, *columns.numbers), ())
        numbers = read_numbers(
            text, columns, source, dtype or "float64", decimal_comma=self._file.separator != ","
        )
        return Cells(text.select(columns.keys), numbers, source, is_text=True)

    def keys(self, names: Sequence[str]) -> pl.DataFrame:
        """See the base class."""
        return load(self._file, names, ())


def _read_blocks(
    file: CsvFile, columns: Columns, dtype: str
) -> tuple[pl.DataFrame, Numbers] | None:
    """Return id and time as text, and the numbers; None if a cell cannot be used.

    The numbers of some rows at a time go where they belong: a frame of the whole file would be as
    large again. No message comes from here but those about rows: the file is read as text for them.
    """
    weights = () if columns.weights is None else (columns.weights,)
    names = {"features": columns.features, "labels": columns.labels, "weights": weights}
    count = int(np.count_nonzero(~file.rows[1]))
    matrices = {part: np.empty((count, len(names[part])), dtype) for part in names}

    def read_block(block: Block) -> pl.DataFrame | None:
        frame = _block_cells(file, block, columns)
        if frame is None or frame.height != len(block.blank):
            return None
        if block.blank.any():
            frame = frame.filter(~block.blank)
        for part, matrix in matrices.items():
            values = [frame[name].to_numpy() for name in names[part]]
            place = matrix[block.first_row : block.first_row + frame.height]
            finite, bounded = _core.fill_rows(values, place)
            may_miss = part == "labels" or (part == "features" and columns.keeps_missing)
            if not (bounded if may_miss else finite):
                return None
        return frame.select(columns.keys)

    keys = _in_parallel(read_block, file.blocks())
    if keys is None or not is_weight(matrices["weights"]).all():
        return None
    weight = matrices["weights"][:, 0] if weights else None
    return pl.concat(keys), Numbers(matrices["features"], matrices["labels"], weight)


def _block_cells(file: CsvFile, block: Block, columns: Columns) -> pl.DataFrame | None:
    """Return the cells of some rows, numbers as float64; None if one is to be reported."""
    wanted, text = (*columns.keys, *columns.numbers), file.text(block)
    try:
        return _scan(text, file, wanted, columns.numbers)
    except pl.exceptions.PolarsError:
        if file.separator != ",":  # Commas may be decimal signs, of which all cells decide.
            return None
    frame = _scan(text, file, wanted, ())
    source = Source(file.name, str)
    try:
        return frame.with_columns(as_numbers(frame[name], source) for name in columns.numbers)
    except DataError:
        return None


def _in_parallel(
    read_block: Callable[[Block], pl.DataFrame | None], blocks: Iterable[Block]
) -> list[pl.DataFrame] | None:
    """Return what comes of each block, or None as soon as one cannot be read."""
    done: list[pl.DataFrame] = []
    # One block is parsed while the numbers of another are put in place.
    with ThreadPoolExecutor(min(4, pl.thread_pool_size())) as executor:
        try:
            for frame in executor.map(read_block, blocks):
                if frame is None:
                    return None
                done.append(frame)
        except pl.exceptions.PolarsError:
            return None
        finally:
            executor.shutdown(cancel_futures=True)
    return done


def load(file: CsvFile, text: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
    """Return the rows of these columns, less blank ones.

    If a cell of ``numbers`` is none, all of these columns come as text: converting them names it.
    """
    require_polars()
    if not file.has_rows:
        return pl.DataFrame(schema=dict.fromkeys((*text, *numbers), pl.String))
    names = (*text, *numbers)
    frame = _scan_checked(file, names, numbers)
    if frame is not None:
        return _drop_blank_rows(frame, file)
    file.require_utf8()  # Polars does not say where.
    try:
        return _drop_blank_rows(
            _scan(file.source, file, names, (), skip=file.lines_before_rows), file
        )
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
            return _scan(file.source, file, names, numbers, skip=file.lines_before_rows)
        except pl.exceptions.PolarsError:
            return None
        finally:
            count.result()


def _scan(
    source: Path | bytes,
    file: CsvFile,
    names: Sequence[str],
    numbers: Sequence[str],
    skip: int = 0,
) -> pl.DataFrame:
    """Return the columns ``names`` of rows without a header, those of ``numbers`` as float64."""
    # Without types Polars would guess: a literal nan makes a column text, and 007 becomes 7.
    schema: dict[str, pl.DataType] = {name: pl.String() for name in file.header}
    schema |= dict.fromkeys(numbers, pl.Float64())
    # An absolute path without globbing: Polars gives '~', '*' and '[' a meaning.
    rows = pl.scan_csv(
        source, schema=schema, glob=False, has_header=False, skip_lines=skip,
        separator=file.separator, comment_prefix=file.comment,
    )  # fmt: skip
    return rows.select(list(names)).collect()


def _drop_blank_rows(frame: pl.DataFrame, file: CsvFile) -> pl.DataFrame:
    _, blank, _ = file.rows
    if frame.height != len(blank):
        raise DataError(
            f"{file.name}: the file has {len(blank)} rows, of which Polars reads {frame.height}; "
            "write it again without line breaks inside cells"
        )
    return frame.filter(~blank) if blank.any() else frame
