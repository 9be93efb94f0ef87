"""A CSV file as text: its header, and where its rows begin. Polars reads the cells."""

from __future__ import annotations

import codecs
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
from rnn_rust.base.checks import named
from rnn_rust.errors import DataError, MissingFileError, ParameterError

SEPARATORS = (",", ";", "\t")
"""The separators recognised in a header; the first is the default."""

_WIDE_MARKS = (
    ("UTF-32", codecs.BOM_UTF32_LE), ("UTF-32", codecs.BOM_UTF32_BE),
    ("UTF-16", codecs.BOM_UTF16_LE), ("UTF-16", codecs.BOM_UTF16_BE),
)  # fmt: skip

# Size of a block of rows: large enough for the reader's threads, small compared to the table.
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class _Head:
    """The header, and the bytes and lines before the first row that has any text."""

    names: list[str]
    separator: str
    bytes: int
    lines: int
    rows_follow: bool


@dataclass(frozen=True)
class Block:
    """A block of rows, and its position in the file.

    Attributes
    ----------
    first_byte, end_byte
        Where the text begins and ends; ``end_byte`` is None at the end of the file.
    first_row
        The number of its first row, not counting blank rows.
    blank
        Whether each row is blank, that is, all of its cells are empty.
    """

    first_byte: int
    end_byte: int | None
    first_row: int
    blank: NDArray[np.bool_]


class CsvFile:
    """A CSV file: its header, and the line on which each of its rows begins.

    Parameters
    ----------
    path
        The file.
    name
        What messages call it; by default the path.
    separator
        The character between cells; None to find ``,``, ``;`` or tab in the header.
    comment
        The character that starts comment lines; None if there are no comments.

    Raises
    ------
    MissingFileError, DataError
        There is no such file, or it cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        separator: str | None = None,
        comment: str | None = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            advice = "; from_file takes open files" if hasattr(path, "read") else ""
            raise ParameterError(f"a CSV file is given by its path, not {named(path)}{advice}")
        self.path = Path(path)
        self.name = str(path) if name is None else name
        self._separator = _character("separator", separator)
        self.comment = _character("comment", comment)
        require_file(self.path, self.name)

    @property
    def header(self) -> list[str]:
        """The column names as written in the file, without surrounding blanks.

        A column without a name is named by its position: ``column_1``.
        """
        return self._head.names

    @property
    def separator(self) -> str:
        """The character between cells."""
        return self._head.separator

    @property
    def source(self) -> Path | bytes:
        """What Polars reads: the absolute path, or the contents if the path is not valid text."""
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

        A block is the byte where it begins and the number of its first row. Raises DataError at a
        row whose width differs from the header's, or a misplaced quote or carriage return.
        """
        head = self._head
        try:
            return _core.csv_rows(
                self.path, head.bytes, head.lines + 1, len(head.names), _BLOCK_BYTES,
                ord(head.separator), None if self.comment is None else ord(self.comment),
            )  # fmt: skip
        except DataError as error:
            raise DataError(f"{self.name}, {error}") from None

    @cached_property
    def _lines(self) -> NDArray[np.int64]:
        lines, blank, _ = self.rows
        return lines[~blank]

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of rows, which can be read one at a time."""
        _, blank, begins = self.rows
        ends = [*begins[1:], (None, len(blank))]
        first_row = 0
        for (first_byte, first), (end_byte, end) in zip(begins, ends, strict=True):
            block = Block(first_byte, end_byte, first_row, blank[first:end])
            yield block
            first_row += int(np.count_nonzero(~block.blank))

    def text(self, block: Block) -> bytes:
        """Return the text of a block, unchanged."""
        with self.path.open("rb") as file:
            file.seek(block.first_byte)
            return file.read(-1 if block.end_byte is None else block.end_byte - block.first_byte)

    def place(self, row: int) -> str:
        """Return "line ..." for a row, counted from 0 without the header and blank lines."""
        return f"line {self._lines[row]}"

    def require_utf8(self) -> None:
        """Raise DataError at the first line that is not UTF-8 text."""
        with self.path.open("rb") as file:
            for _ in self._decoded(file):
                pass

    def _decoded(self, file: BinaryIO) -> Iterator[str]:
        for line, raw in enumerate(file, start=1):
            if line == 1:
                refuse_wide(raw, self.name)
            try:
                yield raw.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError:
                raise DataError(
                    f"{self.name}, line {line}: not UTF-8 text; save the file in UTF-8"
                ) from None

    @cached_property
    def _head(self) -> _Head:
        with self.path.open("rb") as file:
            separator, line = self._find_header(file)
            file.seek(0)
            lines = self._decoded(file)
            for _ in range(line - 1):
                next(lines)
            # Blanks after a separator are common in headers, also before a name in quotes.
            reader = csv.reader(lines, strict=True, skipinitialspace=True, delimiter=separator)
            try:
                cells = next(reader)
            except csv.Error as error:
                raise DataError(f"{self.name}, line {line}: {_not_csv(error)}") from error
            names = [cell.strip() or f"column_{at}" for at, cell in enumerate(cells, start=1)]
            size, passed = file.tell(), line - 1 + reader.line_num
            for raw in file:
                if not self._is_blank(raw, separator):
                    return _Head(names, separator, size, passed, rows_follow=True)
                size, passed = size + len(raw), passed + 1
        return _Head(names, separator, size, passed, rows_follow=False)

    def _find_header(self, file: BinaryIO) -> tuple[str, int]:
        """Return the separator, and the number of the first line that has text."""
        for line, text in enumerate(self._decoded(file), start=1):
            bare = re.sub('"[^"]*"', "", text)
            found = max(SEPARATORS, key=bare.count)
            separator = self._separator or found
            raw = text.encode()
            if not self._is_blank(raw, separator):
                return separator, line
        raise DataError(f"{self.name} is empty; it needs a header line, then a line per time step")

    def _is_blank(self, raw: bytes, separator: str) -> bool:
        """Whether a line has no text, or is a comment."""
        if self.comment is not None and raw.startswith(self.comment.encode()):
            return True
        return not raw.replace(b'""', b"").strip(separator.encode() + b"\r\n")


def require_file(path: Path, name: str) -> None:
    """Raise MissingFileError or DataError if there is no regular file to read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        raise MissingFileError(f"{name}: there is no such file; check the path") from None
    except OSError as error:
        raise DataError(
            f"{name} cannot be read: {error.strerror or error}; check who may read it"
        ) from error
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise DataError(f"{name} is {kind}; give the path of a file")


def refuse_wide(begin: bytes, name: str) -> None:
    """Raise DataError if a file begins with characters of two or four bytes."""
    # In this order, because the UTF-32 LE mark begins with the UTF-16 LE mark.
    for code, mark in _WIDE_MARKS:
        if begin.startswith(mark):
            raise DataError(f"{name}: the text is {code}; save the file in UTF-8")
    if b"\0" in begin:
        raise DataError(
            f"{name}, line 1: there are null characters, as in UTF-16 or UTF-32 without a byte "
            "order mark, or in files that are no text; save the file in UTF-8"
        )


def _character(what: str, value: str | None) -> str | None:
    usable = value is None or (
        isinstance(value, str) and len(value) == 1 and value.isascii() and value not in '"\r\n'
    )
    if not usable:
        raise ParameterError(f"{what} must be one ASCII character, not {value!r}")
    return value


def _not_csv(error: csv.Error) -> str:
    if str(error).startswith("new-line character"):
        return (
            "the line ends with a carriage return alone, as on an old Mac; save the file with "
            "line feeds"
        )
    return f"not CSV ({error}); is a quote left open?"
