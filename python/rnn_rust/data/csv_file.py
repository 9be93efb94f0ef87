"""A CSV file as text: its header, and where its rows begin. Polars reads the cells."""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rnn_rust import _core
from rnn_rust.errors import DataError, MissingFileError

# A line of empty cells, before the first row that has text.
_BLANK_LINE = re.compile(rb'(?:"")?(?:,(?:"")?)*(?:\r?\n)?')

# Of rows that are read at a time: many for the reader's threads, and small beside the table.
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class _Head:
    """The header, and where the first row with any text begins: after bytes, after lines."""

    names: list[str]
    bytes: int
    lines: int
    rows_follow: bool


@dataclass(frozen=True)
class Block:
    """Some rows, and where they stand in the file.

    Attributes
    ----------
    first_byte, end_byte
        Where their text begins and ends; ``end_byte`` is None at the end of the file.
    first_row
        The number of the first one, blank rows not counted.
    blank
        Whether each is blank: all of its cells are empty.
    """

    first_byte: int
    end_byte: int | None
    first_row: int
    blank: NDArray[np.bool_]


class CsvFile:
    """A CSV file: its header, and the line on which each of its rows begins."""

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

    @property
    def header(self) -> list[str]:
        """The column names as they stand in the file, without blanks around them."""
        return self._head.names

    @property
    def source(self) -> Path | bytes:
        """What Polars is to read: the absolute path, or the contents if its name is not a text."""
        path = self.path.absolute()
        try:
            os.fspath(path).encode()
        except UnicodeEncodeError:
            return path.read_bytes()
        return path

    @property
    def lines_before_rows(self) -> int:
        """The number of lines before the first row that has any text."""
        return self._head.lines

    @property
    def has_rows(self) -> bool:
        """Whether there is a row after the header that has any text."""
        return self._head.rows_follow

    @cached_property
    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[tuple[int, int]]]:
        """The line (from 1) of each row, whether all of its cells are empty, and blocks of rows.

        A block is where it begins in the file, in bytes, and the number of its first row.
        DataError at a row of another width than the header, and at a quote or a carriage return
        in an odd place.
        """
        head = self._head
        try:
            return _core.csv_rows(
                self.path, head.bytes, head.lines + 1, len(head.names), _BLOCK_BYTES
            )
        except DataError as error:
            raise DataError(f"{self.name}, {error}") from None

    @cached_property
    def _lines(self) -> NDArray[np.int64]:
        lines, blank, _ = self.rows
        return lines[~blank]

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in which the rows can be read, one at a time."""
        _, blank, begins = self.rows
        ends = [*begins[1:], (None, len(blank))]
        first_row = 0
        for (first_byte, first), (end_byte, end) in zip(begins, ends, strict=True):
            block = Block(first_byte, end_byte, first_row, blank[first:end])
            yield block
            first_row += int(np.count_nonzero(~block.blank))

    def text(self, block: Block) -> bytes:
        """Return the rows of a block as they stand in the file."""
        with self.path.open("rb") as file:
            file.seek(block.first_byte)
            return file.read(-1 if block.end_byte is None else block.end_byte - block.first_byte)

    def place(self, row: int) -> str:
        """Return "line ..." for a row counted from 0 without header and blank lines."""
        return f"line {self._lines[row]}"

    def require_utf8(self) -> None:
        """Raise DataError at the first line that is not UTF-8 text."""
        with self.path.open("rb") as file:
            for _ in self._decoded(file):
                pass

    def _decoded(self, file: BinaryIO) -> Iterator[str]:
        for line, raw in enumerate(file, start=1):
            try:
                yield raw.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError:
                raise DataError(
                    f"{self.name}, line {line}: not UTF-8 text; save the file in UTF-8"
                ) from None

    @cached_property
    def _head(self) -> _Head:
        with self.path.open("rb") as file:
            # Blanks after a comma are common in headers, also before a name in quotes.
            reader = csv.reader(self._decoded(file), strict=True, skipinitialspace=True)
            line = 1
            try:
                for cells in reader:
                    if any(cells):
                        break
                    line = reader.line_num + 1
                else:
                    raise DataError(
                        f"{self.name} is empty; it needs a header line, then a line per time step"
                    )
            except csv.Error as error:
                raise DataError(f"{self.name}, line {line}: {_not_csv(error)}") from error
            if len(cells) == 1:
                raise DataError(
                    f"{self.name}, line {line}: the header is a single column, '{cells[0]}'; "
                    "separate columns by commas"
                )
            names = [cell.strip() for cell in cells]
            size, lines = file.tell(), reader.line_num
            for raw in file:
                if not _BLANK_LINE.fullmatch(raw):
                    return _Head(names, size, lines, rows_follow=True)
                size, lines = size + len(raw), lines + 1
        return _Head(names, size, lines, rows_follow=False)


def _not_csv(error: csv.Error) -> str:
    if str(error).startswith("new-line character"):
        return (
            "the line ends with a carriage return alone, as on an old Mac; save the file with "
            "line feeds"
        )
    return f"not CSV ({error}); is a quote left open?"
