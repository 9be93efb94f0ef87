"""Reading CSV files: Polars reads the cells, once the boundaries of all rows are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import counted
from rnn_rust.base.forks import require_polars
from rnn_rust.base.polars import FAILURES, pl
from rnn_rust.data.arrays import is_weight
from rnn_rust.data.columns import Columns
from rnn_rust.data.csv_file import Block, CsvFile
from rnn_rust.data.grouping import Cells
from rnn_rust.data.numbers import Numbers, are_classes, as_numbers, read_numbers
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
        # A category may look like a number, and 007 differs from 7.
        found = None
        if not columns.categories:
            found = _read_blocks(self._file, columns, dtype or "float64")
        if found is not None and not self._has_classes(columns, found[1].labels):
            return Cells(*found, source, is_text=True)
        text = load(self._file, (*columns.keys, *columns.numbers), ())
        numbers = read_numbers(
            text, columns, source, dtype or "float64", from_text=True,
            decimal_comma=self._file.separator != ",",
        )  # fmt: skip
        return Cells(text.select(columns.keys), numbers, source, is_text=True)

    def _has_classes(self, columns: Columns, labels: FloatArray) -> bool:
        """Whether a named label without any number has classes; that class can only be ``None``."""
        empty = [
            name for name, column in zip(columns.labels, labels.T, strict=True)
            if columns.labels_named and np.isnan(column).all()
        ]  # fmt: skip
        text = load(self._file, empty, ()) if empty else pl.DataFrame()
        return any(are_classes(text[name], from_text=True) for name in empty)

    def keys(self, names: Sequence[str]) -> pl.DataFrame:
        """See the base class."""
        return load(self._file, names, ())


def _read_blocks(
    file: CsvFile, columns: Columns, dtype: str
) -> tuple[pl.DataFrame, Numbers] | None:
    """Return id and time as text, and the numbers; None if a cell cannot be used.

    Only errors in rows are raised here. For errors in cells, the caller reads the file as text.
    """
    reader = _BlockReader(file, columns, dtype)
    keys = _in_parallel(reader.read, file.blocks())
    if keys is None or not is_weight(reader.weights).all():
        return None
    weight = reader.weights[:, 0] if columns.weights is not None else None
    return pl.concat(keys), Numbers(reader.features, reader.labels, weight)


class _BlockReader:
    """Reads a block of rows at a time, straight into the matrices of the whole file.

    A frame of the whole file would need the same memory again.
    """

    def __init__(self, file: CsvFile, columns: Columns, dtype: str) -> None:
        self._file, self._columns = file, columns
        weights = () if columns.weights is None else (columns.weights,)
        self._names = (columns.features, columns.labels, weights)
        self._may_miss = (columns.keeps_missing, True, False)
        count = int(np.count_nonzero(~file.rows[1]))
        self._matrices = [np.empty((count, len(names)), dtype) for names in self._names]
        self.features, self.labels, self.weights = self._matrices
        # For each column, its matrix and position there; or True if it is a key.
        targets: dict[str, tuple[int, int] | bool] = dict.fromkeys(columns.keys, True)
        for matrix, names in enumerate(self._names):
            targets |= {name: (matrix, at) for at, name in enumerate(names)}
        self._targets = [targets.get(name, False) for name in file.header]

    def read(self, block: Block) -> pl.DataFrame | None:
        """Store the numbers of a block and return its keys; None if a cell cannot be used."""
        text = self._file.text(block)
        count = int(np.count_nonzero(~block.blank))
        rows = slice(block.first_row, block.first_row + count)
        places = [matrix[rows] for matrix in self._matrices]
        plain = self._read_plain(text, places, count)
        return self._read_any(text, places, block) if plain is None else plain

    def _read_plain(self, text: bytes, places: list[FloatArray], count: int) -> pl.DataFrame | None:
        """Read numbers without quotes; None if the text contains anything else."""
        file = self._file
        if file.comment is not None or not count:
            return None
        found = _core.fill_from_csv(text, ord(file.separator), self._targets, places)
        if found is None:
            return None
        key_text, misses = found
        if any(miss and not may for miss, may in zip(misses, self._may_miss, strict=True)):
            return None
        keys = [name for name in file.header if name in self._columns.keys]
        if not keys:
            return pl.DataFrame()
        frame = _scan(key_text, file, keys, self._columns.keys, ())
        return frame if frame.height == count else None

    def _read_any(self, text: bytes, places: list[FloatArray], block: Block) -> pl.DataFrame | None:
        frame = _block_cells(self._file, text, self._columns)
        if frame is None or frame.height != len(block.blank):
            return None
        if block.blank.any():
            frame = frame.filter(~block.blank)
        for names, place, may_miss in zip(self._names, places, self._may_miss, strict=True):
            values = [frame[name].to_numpy() for name in names]
            finite, bounded = _core.fill_rows(values, place)
            if not (bounded if may_miss else finite):
                return None
        return frame.select(self._columns.keys)


def _block_cells(file: CsvFile, text: bytes, columns: Columns) -> pl.DataFrame | None:
    """Return the cells of a block, numbers as float64; None if a cell is not a number."""
    wanted = (*columns.keys, *columns.numbers)
    try:
        return _scan(text, file, file.header, wanted, columns.numbers)
    except FAILURES:
        if file.separator != ",":  # Commas may be decimal, which only all cells together show.
            return None
    frame = _scan(text, file, file.header, wanted, ())
    source = Source(file.name, str)
    try:
        return frame.with_columns(as_numbers(frame[name], source) for name in columns.numbers)
    except DataError:
        return None


def _in_parallel(
    read_block: Callable[[Block], pl.DataFrame | None], blocks: Iterable[Block]
) -> list[pl.DataFrame] | None:
    """Return the result for each block, or None as soon as one cannot be read."""
    done: list[pl.DataFrame] = []
    # One block is parsed while another is read from the file.
    with ThreadPoolExecutor(min(4, pl.thread_pool_size())) as executor:
        try:
            for frame in executor.map(read_block, blocks):
                if frame is None:
                    return None
                done.append(frame)
        except FAILURES:
            return None
        finally:
            executor.shutdown(cancel_futures=True)
    return done


def load(file: CsvFile, text: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
    """Return these columns without blank rows.

    If a cell of ``numbers`` is not a number, all columns are text; converting them finds the cell.
    """
    require_polars()
    if not file.has_rows:
        return pl.DataFrame(schema=dict.fromkeys((*text, *numbers), pl.String))
    names = (*text, *numbers)
    frame = _scan_checked(file, names, numbers)
    if frame is not None:
        return _drop_blank_rows(frame, file)
    file.require_utf8()  # Polars does not name the line.
    try:
        return _drop_blank_rows(
            _scan(file.source, file, file.header, names, (), skip=file.lines_before_rows), file
        )
    except FAILURES as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{file.name}: not readable as CSV ({reason}); check its quotes and line ends"
        ) from error


def _scan_checked(
    file: CsvFile, names: Sequence[str], numbers: Sequence[str]
) -> pl.DataFrame | None:
    """Read the columns while the rows are counted; None if a cell of ``numbers`` is not a number.

    Polars guesses at misplaced quotes and ignores extra commas, so an error from the count takes
    precedence over anything Polars reports.
    """
    with ThreadPoolExecutor(1) as executor:
        count = executor.submit(lambda: file.rows)
        try:
            return _scan(
                file.source, file, file.header, names, numbers, skip=file.lines_before_rows
            )
        except FAILURES:
            return None
        finally:
            count.result()


def _scan(
    source: Path | bytes,
    file: CsvFile,
    header: Sequence[str],
    names: Sequence[str],
    numbers: Sequence[str],
    *,
    skip: int = 0,
) -> pl.DataFrame:
    """Return the columns ``names`` of text without a header; columns in ``numbers`` are float64.

    ``header`` names all columns.
    """
    # Without a schema, Polars would guess: a literal nan makes a column text, 007 becomes 7.
    schema: dict[str, pl.DataType] = {name: pl.String() for name in header}
    schema |= dict.fromkeys(numbers, pl.Float64())
    # An absolute path without globbing, because Polars expands '~', '*' and '['.
    rows = pl.scan_csv(
        source, schema=schema, glob=False, has_header=False, skip_lines=skip,
        separator=file.separator, comment_prefix=file.comment,
    )  # fmt: skip
    return rows.select(list(names)).collect()


def _drop_blank_rows(frame: pl.DataFrame, file: CsvFile) -> pl.DataFrame:
    _, blank, _ = file.rows
    if frame.height != len(blank):
        raise DataError(
            f"{file.name}: the file has {counted(len(blank), 'row')}, of which Polars reads "
            f"{frame.height}; write it again without line breaks inside cells"
        )
    return frame.filter(~blank) if blank.any() else frame
