"""Rows that data sets share: a part of one copies none of them before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust import _core


@dataclass(frozen=True)
class SharedRows:
    """Arrays with a row per time step that data sets share, and which rows are those of one.

    Attributes
    ----------
    arrays
        By the names of the fields that they are of the data set they were made for.
    starts
        ``(S,)`` int64: the first row of each sequence in them; its rows follow one another.
    """

    arrays: dict[str, Any]
    starts: NDArray[np.int64]

    def take(self, name: str, offsets: NDArray[np.int64]) -> Any:
        """Return a copy of the rows of an array, sequences back to back at ``offsets``."""
        array = self.arrays[name]
        if array is None:
            return None
        if array.dtype.kind == "f" and array.ndim == 2 and array.shape[1]:
            array = np.ascontiguousarray(array)
            return _core.prepare_rows(
                array, self.starts, offsets, None, None, array.dtype.name, None
            )[0]
        shifts = np.repeat(self.starts - offsets[:-1], np.diff(offsets))
        return array[shifts + np.arange(offsets[-1])]
