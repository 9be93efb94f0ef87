"""Rows shared between data sets: a subset copies them only when they are accessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust import _core


@dataclass(frozen=True)
class SharedRows:
    """Arrays with one row per time step, shared by data sets, and the rows of one data set.

    Attributes
    ----------
    arrays
        By field name of the data set that they were made for.
    starts
        ``(S,)`` int64: the first row of each sequence in the arrays; its rows are consecutive.
    """

    arrays: dict[str, Any]
    starts: NDArray[np.int64]

    def take(self, name: str, offsets: NDArray[np.int64]) -> Any:
        """Return a copy of the rows in an array, with sequences back to back at ``offsets``."""
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
