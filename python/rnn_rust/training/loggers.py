"""Callbacks that write the record of a training to a text file, epoch by epoch."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rnn_rust.base.checks import path_text
from rnn_rust.base.files import check_replaceable, remove_leftovers, replacing
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import WriteError
from rnn_rust.learning.history import History, Record

if TYPE_CHECKING:
    from rnn_rust.training.state import Training


class _Logger(ABC):
    """Keeps a file open while a training lasts; what is written is in the file at once."""

    _file: TextIO | None = None
    """None until there is a record: what is in the file stays, as training may be refused."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path_text("path", path))

    def on_begin(self, training: Training) -> None:
        """Check that the file can be written, and remove what a killed process left beside it."""
        check_replaceable(self.path)
        remove_leftovers(self.path)
        self._history: History = training.history

    def __call__(self, record: Record) -> None:
        """Write a record, the first time after those that a continued training has already."""
        if self._file is None or not self._has_place_for(record):
            self._replace()
            return
        with self._named():
            self._file.write(self._line(record))
            self._file.flush()

    def _replace(self) -> None:
        """Write the file anew with all records, in one step."""
        text = self._head(self._history) + "".join(map(self._line, self._history))
        self._close()
        with replacing(self.path) as file:
            file.write(text.encode("utf-8"))
        with self._named():
            self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with self._named():
                file.close()

    def on_end(self, training: Training) -> None:
        """Close the file, and let go of the training."""
        is_accepted = getattr(training, "accepted", True)
        if is_accepted and self._history and self._file is None:
            self._replace()
        self._close()
        del self._history

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors, as of a full disk, name the file."""
        try:
            yield
        except OSError as error:
            raise WriteError(error.errno, error.strerror, os.fspath(self.path)) from error

    def _has_place_for(self, record: Record) -> bool:
        """Whether the record can be added to the file as it is."""
        return True

    def _head(self, records: Iterable[Record]) -> str:
        """Return what stands before the records in the file."""
        return ""

    @abstractmethod
    def _line(self, record: Record) -> str:
        """Return a record as a line of the file."""


@suggests_settings
class CSVLogger(_Logger):
    """Writes every record to a CSV file, as soon as its epoch is over.

    The header has what the first record has; where a later one has more, the file is written
    anew with more columns. What a record has not is left empty. An existing file is replaced; when
    a checkpoint is continued, it begins with the records from before.

    Parameters
    ----------
    path
        Of the file.

    Raises
    ------
    ParameterError
        ``path`` is not a path.
    WriteError
        In ``fit``: the file cannot be written.
    """

    _columns: tuple[str, ...] = ()

    def _has_place_for(self, record: Record) -> bool:
        return record.keys() <= set(self._columns)

    def _head(self, records: Iterable[Record]) -> str:
        self._columns = tuple(dict.fromkeys(name for record in records for name in record))
        return _as_csv(self._columns)

    def _line(self, record: Record) -> str:
        return _as_csv(record.get(name) for name in self._columns)


def _as_csv(cells: Iterable[object]) -> str:
    """Return a line of CSV; None is an empty cell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


@suggests_settings
class JSONLinesLogger(_Logger):
    """Writes every record to a file as one JSON object per line, as soon as its epoch is over.

    What is not finite is null. An existing file is replaced; when a checkpoint is continued, it
    begins with the records from before.

    Parameters
    ----------
    path
        Of the file.

    Raises
    ------
    ParameterError
        ``path`` is not a path.
    WriteError
        In ``fit``: the file cannot be written.
    """

    def _line(self, record: Record) -> str:
        values = {name: value if math.isfinite(value) else None for name, value in record.items()}
        return json.dumps(values) + "\n"
