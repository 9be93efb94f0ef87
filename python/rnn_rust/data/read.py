"""Reading CSV files: Polars parses; the file's own text is looked at only to name a line."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from rnn_rust.data.columns import Names, choose_columns
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.frames import Source, group_rows
from rnn_rust.errors import DataError, MissingFileError

# Integers that text can be turned into and back without loss, and that fit 64 bits.
_PLAIN_INTEGER = r"^(0|-?[1-9]\d{0,17})$"


def read_csv(
    path: str | os.PathLike[str],
    *,
    id: str | None,
    time: str | None,
    features: Names,
    labels: Names,
    weights: str | None,
) -> Dataset:
    """See :meth:`rnn_rust.data.dataset.Dataset.from_csv`."""
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


class CsvFile:
    """A CSV file as text: its header, and the line on which each of its rows begins."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = str(path)
        try:
            mode = self.path.stat().st_mode
            if stat.S_ISREG(mode):
                self.path.open("rb").close()
        except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a NUL
            raise MissingFileError(f"{self.name}: there is no such file; check the path") from None
        except OSError as error:
            raise DataError(
                f"{self.name} cannot be read: {error.strerror or error}; check who may read it"
            ) from error
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise DataError(f"{self.name} is {kind}; give the path of a CSV file")

    @cached_property
    def header(self) -> list[str]:
        """The column names as they stand in the file."""
        for line, cells in self._records():
            if len(cells) == 1:
                raise DataError(
                    f"{self.name}, line {line}: the header is a single column, '{cells[0]}'; "
                    "separate columns by commas"
                )
            return cells
        raise DataError(f"{self.name} is empty; it needs a header line, then a line per time step")

    @cached_property
    def lines(self) -> list[int]:
        """The first line (from 1) of each row; DataError at a row of another width.

        This reads the whole file in Python, some five times slower than Polars does.
        """
        width = len(self.header)
        lines = []
        for line, cells in self._records():
            if len(cells) != width:
                problem = "short" if len(cells) < width else "long"
                raise DataError(
                    f"{self.name}, line {line}: the row is too {problem}: {len(cells)} cells where "
                    f"the header has {width}; correct the commas or quotes of this line"
                )
            lines.append(line)
        return lines[1:]

    @property
    def source(self) -> Path | bytes:
        """What Polars is to read: the absolute path, or the contents if its name is no text."""
        path = self.path.absolute()
        try:
            os.fspath(path).encode()
        except UnicodeEncodeError:
            return path.read_bytes()
        return path

    def place(self, row: int) -> str:
        """Return "line ..." for a row counted from 0 without header and blank lines."""
        return f"line {self.lines[row]}" if row < len(self.lines) else f"row {row + 1}"

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield first line and cells of every record, header included, that has any text."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            line = 1
            try:
                for cells in reader:
                    if file.newlines == "\r":
                        raise DataError(
                            f"{self.name}, line {line}: the line ends with a carriage return "
                            "alone, as on an old Mac; save the file with line feeds"
                        )
                    if any(cells):
                        yield line, cells
                    line = reader.line_num + 1
            except UnicodeDecodeError:
                raise DataError(
                    f"{self.name}, line {self._undecodable_line()}: not UTF-8 text; "
                    "save the file in UTF-8"
                ) from None
            except csv.Error as error:
                raise DataError(
                    f"{self.name}, line {line}: not CSV ({error}); is a quote left open?"
                ) from error

    def _undecodable_line(self) -> int:
        with self.path.open("rb") as file:
            return next(line for line, raw in enumerate(file, start=1) if not _is_utf8(raw))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def load(file: CsvFile, text: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
    """Return the rows of these columns, and of the last one of the file, less blank lines.

    If a cell of ``numbers`` is none, all of these columns come as text: converting them names it.
    """
    try:
        return _drop_blank_lines(_scan(file, (*text, *numbers), numbers), file)
    except pl.exceptions.PolarsError:
        # Polars does not say where. This raises if a row has another width or is not UTF-8.
        _ = file.lines
    try:
        return _drop_blank_lines(_scan(file, (*text, *numbers), ()), file)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{file.name}: not readable as CSV ({reason}); check its quotes and line ends"
        ) from error


def _scan(file: CsvFile, names: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
    """Read the columns needed, and the last one: a row that is too short lacks it."""
    # Without types Polars would guess: a literal nan makes a column text, and 007 becomes 7.
    schema: dict[str, pl.DataType] = {name: pl.String() for name in file.header}
    schema |= dict.fromkeys(numbers, pl.Float64())
    wanted = dict.fromkeys((*names, file.header[-1]))
    # An absolute path without globbing: Polars gives '~', '*' and '[' a meaning.
    return pl.scan_csv(file.source, schema=schema, glob=False).select(list(wanted)).collect()


def _drop_blank_lines(frame: pl.DataFrame, file: CsvFile) -> pl.DataFrame:
    """Drop rows without any text; raise DataError for rows that are too short.

    Polars fills up both with nulls. Either has a null in the last column of the file, so that the
    text is looked at only if there is one.
    """
    if not frame[file.header[-1]].null_count():
        return frame
    kept = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return kept if kept.height == len(file.lines) else frame
