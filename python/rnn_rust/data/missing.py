"""Filling missing numbers in the features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.errors import DataError

FILLS = ("error", "mean", "forward")
"""What to do with missing numbers."""


def missing_number(name: object, row: int) -> DataError:
    """Return the error for a number that is missing and must not be."""
    return DataError(
        f"column '{name}' is missing in row {row} (counted from 0); fill it, or give the model "
        "missing='mean' or 'forward'"
    )


def missing_static(name: str, where: str = "") -> DataError:
    """Return the error for a static feature that is missing and must not be."""
    return DataError(
        f"static feature '{name}'{where} is missing; fill it, or give the model missing='mean'"
    )


def fill_missing(
    numbers: NDArray[Any],
    out: NDArray[Any],
    *,
    names: Sequence[str],
    means: Sequence[float],
    fill: str,
    offsets: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Copy numbers, with missing ones filled in, and return which were missing, ``(N, F)``.

    Parameters
    ----------
    numbers
        ``(N, F)``, NaN where missing.
    out
        ``(N, F)``, the array to copy to.
    names, means
        The name and the mean of each column.
    fill
        One of `FILLS`.
    offsets
        ``(S + 1,)``, the first row of each sequence, and N.

    Raises
    ------
    DataError
        A number is missing and ``fill`` is ``"error"``.
    """
    out[...] = numbers
    missing: NDArray[np.bool_] = np.isnan(numbers)
    for at in np.flatnonzero(missing.any(axis=0)).tolist():
        gaps = missing[:, at]
        if fill == "error":
            raise missing_number(names[at], int(np.argmax(gaps)))
        out[gaps, at] = means[at]
        if fill == "forward":
            # The last row with a number, if it is in the same sequence.
            last = np.maximum.accumulate(np.where(gaps, -1, np.arange(len(gaps))))
            begins = np.repeat(offsets[:-1], np.diff(offsets))
            found = gaps & (last >= begins)
            out[found, at] = numbers[last[found], at]
    return missing
