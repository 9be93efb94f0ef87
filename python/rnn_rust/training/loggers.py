"""Callbacks that write the record of a training to a text file, epoch by epoch."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_rust.base.checks import path_text
from rnn_rust.base.log_files import LogFile
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.learning.history import History, Record

if TYPE_CHECKING:
    from rnn_rust.training.state import Training


class _Logger(ABC):
    """Keeps a file open during training; lines are in the file as soon as they are written.

    In a pipe, a device or the program's own output, nothing is replaced: lines are only added.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path_text("path", path))

    def on_begin(self, training: Training) -> None:
        """Open the file; keep its text until the first record, as training may be refused."""
        self._file = LogFile(self.path)
        self._history: History = training.history
        self._has_begun = False

    def __call__(self, record: Record) -> None:
        """Write a record; the first time, write the records of a continued training before it."""
        if not self._has_begun:
            self._begin()
        elif self._has_place_for(record):
            self._file.add(self._line(record))
        elif self._file.is_replaceable:
            self._begin()
        else:
            self._file.add(self._head(self._history) + self._line(record))

    def _begin(self) -> None:
        """Write all records, replacing the text in the file if possible."""
        text = self._head(self._history) + "".join(map(self._line, self._history))
        file = self._file
        # If this fails, on_end tries again, except for a pipe, which may already have the text.
        self._has_begun = not file.is_replaceable
        (file.replace if file.is_replaceable else file.add)(text)
        self._has_begun = True

    def on_end(self, training: Training) -> None:
        """Close the file and release the training."""
        is_accepted = getattr(training, "accepted", True)
        try:
            if is_accepted and self._history and not self._has_begun:
                self._begin()
        finally:
            self._file.close()
            del self._history, self._file

    def _has_place_for(self, record: Record) -> bool:
        """Whether the record can be added without rewriting the file."""
        return True

    def _head(self, records: Iterable[Record]) -> str:
        """Return the text before the records."""
        return ""

    @abstractmethod
    def _line(self, record: Record) -> str:
        """Return a record as a line of the file."""


@suggests_settings
class CSVLogger(_Logger):
    """Writes every record to a CSV file, as soon as its epoch is over.

    The header has the metrics of the first record; if a later record has more, the file is
    rewritten with more columns. Metrics that a record lacks are left empty. An existing file is
    replaced; when a checkpoint is continued, the file starts with the earlier records. To a pipe, a
    device or the program's own output, lines are only added, with a new header if there are more
    columns.

    Parameters
    ----------
    path
        Path of the file.

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

    Values that are not finite become null. An existing file is replaced; when a checkpoint is
    continued, the file starts with the earlier records. To a pipe, a device or the program's own
    output, lines are only added.

    Parameters
    ----------
    path
        Path of the file.

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
