"""Callbacks that write the record of a training to a text file, epoch by epoch."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rnn_rust.base.checks import path_text
from rnn_rust.errors import ParameterError, WriteError
from rnn_rust.learning.history import History, Record

if TYPE_CHECKING:
    from rnn_rust.training.state import Training


class _Logger(ABC):
    """Keeps a file open while a training lasts; what is written is in the file at once."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path_text("path", path))

    def on_begin(self, training: Training) -> None:
        """Open the file. What is in it stays until there is a record: training may be refused."""
        self._history: History = training.history
        self._is_new, self._is_replaced = not self.path.exists(), False
        try:
            self._file: TextIO = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115
        except OSError as error:
            name = type(self).__name__
            raise ParameterError(f"{name} cannot write {self.path}: {error.strerror}") from error

    def __call__(self, record: Record) -> None:
        """Write a record, the first time after those that a continued training has already."""
        with self._named():
            if self._is_replaced:
                self._write(record)
            else:
                self._replace()
            self._file.flush()

    def _replace(self) -> None:
        """Write the file anew with all records."""
        self._file.truncate(0)
        self._is_replaced = True
        for record in self._history:
            self._write(record)

    def on_end(self, training: Training) -> None:
        """Close the file, and let go of the training."""
        is_accepted = getattr(training, "accepted", True)
        with self._named():
            if is_accepted and self._history and not self._is_replaced:
                self._replace()
            self._file.close()
        del self._file, self._history
        if self._is_new and not is_accepted:
            self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors, as of a full disk, name the file."""
        try:
            yield
        except OSError as error:
            raise WriteError(error.errno, error.strerror, os.fspath(self.path)) from error

    @abstractmethod
    def _write(self, record: Record) -> None:
        """Write a record to the file."""


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
        ``path`` is not a path; in ``fit``, there can be no such file.
    WriteError
        In ``fit``, a record cannot be written, as on a full disk.
    """

    def on_begin(self, training: Training) -> None:
        """Open the file."""
        self._columns: dict[str, None] = {}
        self._writer: csv.DictWriter[str]
        super().on_begin(training)

    def on_end(self, training: Training) -> None:
        """Close the file, and let go of the training."""
        super().on_end(training)
        vars(self).pop("_writer", None)  # There is none before the first record.

    def _write(self, record: Record) -> None:
        if record.keys() <= self._columns.keys():
            self._writer.writerow(record)
            return
        self._columns |= dict.fromkeys(record)
        self._writer = csv.DictWriter(self._file, list(self._columns), lineterminator="\n")
        self._file.seek(0)
        self._file.truncate()
        self._writer.writeheader()
        for earlier in self._history:
            self._writer.writerow(earlier)
            if earlier["epoch"] == record["epoch"]:
                break


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
        ``path`` is not a path; in ``fit``, there can be no such file.
    WriteError
        In ``fit``, a record cannot be written, as on a full disk.
    """

    def _write(self, record: Record) -> None:
        line = {name: value if math.isfinite(value) else None for name, value in record.items()}
        self._file.write(json.dumps(line) + "\n")
