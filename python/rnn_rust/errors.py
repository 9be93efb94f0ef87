"""Every exception that this package raises on purpose, and its warnings.

All exceptions derive from :class:`RnnRustError`, and from the built-in class that fits, so that
``except ValueError`` works as well as ``except rnn_rust.errors.DataError``. Beside them stand
Python's own where Python has them: IndexError of what is indexed, and TypeError of a call with an
argument that there is not, of the key or the array ``out`` of a stream, and of what cannot be
pickled.
"""

from __future__ import annotations

import os
from typing import Self


class OverlapWarning(UserWarning):
    """Parts of a split by time overlap in time: the training part does not lie in the past."""


class StateWarning(UserWarning):
    """A network goes on from a state, and its inputs depend on rows before, which are not given."""


class RnnRustError(Exception):
    """Base class of all errors of this package."""


class DataError(RnnRustError, ValueError):
    """The data cannot be used; the message names the file, line, column or array."""


class ShapeError(RnnRustError, ValueError):
    """An array, a data set or a set of weights has another shape than the model needs."""


class ParameterError(RnnRustError, ValueError):
    """An argument is outside its allowed values."""


class ModelFileError(RnnRustError, ValueError):
    """A file is not a model of this package, is damaged, or is of a newer format."""


class WriteError(OSError, ModelFileError):
    """A file or folder cannot be written: a model, a log file, predictions, an export, a snapshot.

    It has ``errno``, ``strerror`` and ``filename``, as every OSError.
    """

    @classmethod
    def of(cls, error: OSError, path: str | os.PathLike[str]) -> Self:
        """Return the error of a file or folder that cannot be written for the reason of another."""
        return cls(error.errno, error.strerror or str(error), os.fspath(path))

    def __str__(self) -> str:
        """Return file and reason."""
        if self.filename is None:
            return super().__str__()
        return f"cannot write {self.filename}: {self.strerror}"


class MissingFileError(DataError, ModelFileError, FileNotFoundError):
    """There is no file, of data or of a model, at the given path."""


class OutOfMemoryError(RnnRustError, MemoryError):
    """There is not enough memory for the result or for the work."""


class DivergedError(RnnRustError, RuntimeError):
    """The loss became NaN or infinite; the weights are the last finite ones."""


class BusyError(RnnRustError, RuntimeError):
    """A signal handler called what its own thread was in a call of, which would wait for itself."""


class ForkError(RnnRustError, RuntimeError):
    """Polars lost its threads: the process was forked from one that had used it."""


class InternalError(RnnRustError, RuntimeError):
    """A bug in this package: the engine panicked. Please report the message."""
