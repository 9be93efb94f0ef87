"""Every exception that this package raises on purpose, and its warnings.

All exceptions derive from :class:`RnnRustError` and from a suitable built-in class, so
``except ValueError`` works as well as ``except rnn_rust.errors.DataError``. Python's own exceptions
are raised where Python would raise them: IndexError for an index, and TypeError for an unknown
argument, for the key or the array ``out`` of a stream, and for objects that cannot be pickled.
"""

from __future__ import annotations

import os
from typing import Self


class OverlapWarning(UserWarning):
    """Parts of a split by time overlap: the training part is not entirely in the past."""


class StateWarning(UserWarning):
    """A network continues from a state, but its inputs depend on earlier rows not given here."""


class RnnRustError(Exception):
    """Base class of all errors of this package."""


class DataError(RnnRustError, ValueError):
    """The data cannot be used; the message names the file, line, column or array."""


class ShapeError(RnnRustError, ValueError):
    """An array, a data set or a set of weights does not have the shape that the model needs."""


class ParameterError(RnnRustError, ValueError):
    """An argument is outside its allowed values."""


class ModelFileError(RnnRustError, ValueError):
    """A file is not a model of this package, is damaged, or has a newer format."""


class WriteError(OSError, ModelFileError):
    """A file or folder cannot be written: a model, a log file, predictions, an export, a snapshot.

    It has ``errno``, ``strerror`` and ``filename``, like every OSError.
    """

    @classmethod
    def of(cls, error: OSError, path: str | os.PathLike[str]) -> Self:
        """Return the error for a file or folder, with the reason from another OSError."""
        return cls(error.errno, error.strerror or str(error), os.fspath(path))

    def __str__(self) -> str:
        """Return file and reason."""
        if self.filename is None:
            return super().__str__()
        return f"cannot write {self.filename}: {self.strerror}"


class MissingFileError(DataError, ModelFileError, FileNotFoundError):
    """There is no data or model file at the given path."""


class OutOfMemoryError(RnnRustError, MemoryError):
    """There is not enough memory for the result or for the work."""


class DivergedError(RnnRustError, RuntimeError):
    """The loss became NaN or infinite; the weights are the last finite ones."""


class BusyError(RnnRustError, RuntimeError):
    """A signal handler made a call that would have to wait for its own interrupted thread."""


class ForkError(RnnRustError, RuntimeError):
    """Polars lost its threads: the process was forked from one that had used it."""


class InternalError(RnnRustError, RuntimeError):
    """A bug in this package: the engine panicked. Please report the message."""
