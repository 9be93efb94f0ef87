"""Checks and conversions of the arrays that a caller hands over.

Every array returned is a new C-contiguous copy of a known type: later changes to the caller's
arrays do not reach the data set, and the engine can read the memory directly.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.arrays import (
    FloatArray,
    as_array,
    float_dtype,
    has_mask,
    refuse_mask,
    row_at,
)
from rnn_rust.base.checks import counted, is_unicode
from rnn_rust.errors import DataError, ParameterError, ShapeError

if TYPE_CHECKING:
    from rnn_rust.data.dates import TimeForm


def check_arrays(
    features: ArrayLike,
    labels: ArrayLike | None,
    offsets: ArrayLike,
    *,
    ids: ArrayLike | None,
    times: ArrayLike | None,
    weights: ArrayLike | None,
    names: tuple[Iterable[str] | None, Iterable[str] | None],
    weights_name: str,
) -> dict[str, Any]:
    """Return the fields of a data set; see :meth:`rnn_rust.data.dataset.Dataset.from_arrays`."""
    x = as_matrix(features, "features")
    y = np.empty((len(x), 0), x.dtype) if labels is None else as_matrix(labels, "labels")
    if len(x) != len(y) or x.shape[1] == 0:
        raise ShapeError(
            f"features have shape {x.shape}, labels {y.shape}; give both one row per time step, "
            "and features at least one column"
        )
    x_names, y_names = (
        column_names(names[0], "x", x.shape[1]),
        column_names(names[1], "y", y.shape[1]),
    )
    others = ("id", "t") if weights is None else ("id", "t", weights_name)
    if len({*others, *x_names, *y_names}) < len(others) + len(x_names) + len(y_names):
        raise ParameterError(
            f"feature_names {x_names} and label_names {y_names} must all differ, "
            f"also from {' and '.join(map(repr, others))}"
        )
    check_finite(x, x_names, "features")
    if labels is not None:
        check_finite(np.where(np.isnan(y), 0, y), y_names, "labels")
    bounds = as_offsets(offsets, len(x))
    instants, time_form = as_times(times, bounds)
    return {
        "features": x,
        "labels": y,
        "offsets": bounds,
        "ids": as_ids(ids, len(bounds) - 1),
        "times": instants,
        "time_form": time_form,
        "weights": None if weights is None else as_weights(weights, len(x)),
        "row_numbers": np.arange(len(x), dtype=np.int64),
        "feature_names": x_names,
        "label_names": y_names,
        "has_feature_names": names[0] is not None,
        "has_label_names": names[1] is not None,
    }


def as_matrix(values: ArrayLike, what: str) -> FloatArray:
    """Return a C-contiguous copy of shape (N, columns) in float32 or float64.

    A 1-D array is one column; None and masked cells become NaN.

    Raises
    ------
    DataError
        The values are not numbers.
    ShapeError
        The values are not a matrix.
    """
    mask = np.ma.getmaskarray(values) if has_mask(values) else None
    array = _as_array(values, what) if mask is None else np.asarray(values)
    if array.dtype.kind not in "biufO":
        raise DataError(f"{what}: dtype {array.dtype} is not numeric; convert it to float first")
    try:
        # NumPy would parse strings as numbers.
        if array.dtype.kind == "O" and any(isinstance(cell, str | bytes) for cell in array.flat):
            raise TypeError("there are strings among them")
        matrix = np.array(array, dtype=float_dtype(array.dtype), order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{what}: not all values are numbers of 64 bits ({error}); convert them"
        ) from error
    if mask is not None:
        matrix[mask] = np.nan
    if matrix.ndim == 1:
        matrix = matrix.reshape(-1, 1)
    if matrix.ndim != 2:
        raise ShapeError(
            f"{what}: shape {matrix.shape} is not (rows, columns); give one row per time step, "
            "sequences back to back, and their boundaries in offsets"
        )
    return matrix


def check_finite(matrix: FloatArray, names: tuple[str, ...], what: str) -> None:
    """Raise DataError at the first NaN or infinity in a matrix of shape (N, columns)."""
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = divmod(int(np.argmin(finite)), matrix.shape[1])
        advice = "correct it or leave the row out"
        if np.isnan(matrix[row, column]):
            advice = (
                "fill the gap or leave the row out; a table read with missing='keep' may have "
                "gaps, which a model can fill"
            )
        raise DataError(
            f"{what}, {row_at(row)}, column '{names[column]}': {matrix[row, column]} is not a "
            f"finite number; {advice}"
        )


def is_weight(values: FloatArray) -> NDArray[np.bool_]:
    """Return for each value whether it can be a weight: finite, and at least 0."""
    return np.isfinite(values) & (values >= 0)


def as_weights(values: ArrayLike, rows: int) -> FloatArray:
    """Return weights of shape (N,) in float32 or float64.

    Raises
    ------
    DataError
        A weight is missing, infinite, below 0 or not a number.
    ShapeError
        There is not one weight per row.
    """
    matrix = as_matrix(values, "weights")
    if matrix.shape != (rows, 1):
        raise ShapeError(f"weights: shape {np.shape(values)}; the features need ({rows},)")
    weights: FloatArray = matrix[:, 0]
    good = is_weight(weights)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            f"weights, {row_at(row)}: {weights[row]} is not a weight; give a finite number of at "
            "least 0"
        )
    return weights


def as_offsets(values: ArrayLike, rows: int) -> NDArray[np.int64]:
    """Return sequence boundaries of shape (S + 1,): 0, strictly increasing, ending at ``rows``.

    Raises
    ------
    DataError
        The boundaries are not whole numbers, leave rows out, overlap, or make a sequence empty.
    """
    array = _as_array(values, "offsets")
    are_integers = array.ndim == 1 and array.size > 1 and array.dtype == np.int64
    # Nearly all offsets are valid: return early without searching for an error.
    if are_integers and (array[0], array[-1]) == (0, rows) and (array[1:] > array[:-1]).all():
        return array.copy()
    if array.ndim != 1 or array.dtype.kind not in "iufO" or array.size < 2:
        raise DataError(
            f"offsets: dtype {array.dtype}, shape {array.shape}; give integers (S + 1,) that begin "
            f"with 0 and end with the number of rows, {rows}"
        )
    # Floats hold any number of rows exactly, and values that are too large do not wrap around.
    offsets = as_matrix(array, "offsets")[:, 0].astype(np.float64)
    parts = np.flatnonzero(offsets != np.rint(offsets))
    if parts.size:
        at = int(parts[0])
        raise DataError(
            f"offsets: {array[at]} at position {at} (counted from 0) is not a whole number; give "
            "integers"
        )
    if offsets[0] != 0 or offsets[-1] != rows:
        raise DataError(
            f"offsets: they run from {array[0]} to {array[-1]}; begin with 0 and end with the "
            f"number of rows, {rows}"
        )
    falls = np.flatnonzero(np.diff(offsets) <= 0)
    if falls.size:
        at = int(falls[0])
        raise DataError(
            f"offsets: {array[at + 1]} at position {at + 1} (counted from 0) follows "
            f"{array[at]}; they must increase, and a sequence without rows must be left out"
        )
    return offsets.astype(np.int64)


def as_ids(values: ArrayLike | None, sequences: int) -> NDArray[Any]:
    """Return ids of shape (S,), integers or (as objects) strings; by default 0, 1, ...

    Raises
    ------
    DataError
        The ids are neither strings nor integers, or one occurs twice.
    ShapeError
        There is not one id per sequence.
    """
    if values is None:
        return np.arange(sequences, dtype=np.int64)
    ids = _keys(values, "ids", sequences, kinds="iuO")
    distinct, counts = np.unique(ids, return_counts=True)
    if distinct.size < sequences:
        repeated = distinct[np.argmax(counts)]
        raise DataError(
            f"ids: {repeated!s} stands for {counts.max()} sequences; give each sequence its own id"
        )
    return ids


def as_times(
    values: ArrayLike | None, offsets: NDArray[np.int64]
) -> tuple[NDArray[Any], TimeForm | None]:
    """Return times of shape (N,) that increase in each sequence; by default 0, 1, ... in each.

    Text is parsed as numbers or dates; the second value is then the format of the dates. Python's
    dates become NumPy's.

    Raises
    ------
    DataError
        The times are not numbers, dates or strings, do not increase within a sequence, or are
        Python datetimes with a time zone.
    ShapeError
        There is not one time per row.
    """
    rows = int(offsets[-1])
    if values is None:
        return np.arange(rows, dtype=np.int64) - np.repeat(offsets[:-1], np.diff(offsets)), None
    times = _keys(_as_numpy_dates(values), "times", rows, kinds="iufMmO")
    form = None
    if times.dtype.kind == "O":
        times, form = _times_of_text(times)
    known = np.isfinite(times)
    if not known.all():
        row = int(np.argmin(known))
        raise DataError(
            f"times, {row_at(row)}: {times[row]} is not a time; fill it or leave the row out"
        )
    rises = np.append(True, times[1:] > times[:-1])
    rises[offsets[:-1]] = True
    if not rises.all():
        row = int(np.argmin(rises))
        raise DataError(
            f"times, {row_at(row)}: {times[row]} does not come after {times[row - 1]}, "
            "the time of the row before in the same sequence; put the rows of each sequence in "
            "time order"
        )
    return times, form


def _times_of_text(texts: NDArray[Any]) -> tuple[NDArray[Any], TimeForm | None]:
    from rnn_rust.base.forks import require_polars
    from rnn_rust.base.polars import pl
    from rnn_rust.data.source import Source
    from rnn_rust.data.times import read_times

    require_polars()
    times, form = read_times(pl.Series("times", texts.tolist()), Source("times", row_at))
    return times.to_numpy(), form


def as_positions(values: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return distinct positions from 0 to ``count - 1``, given as integers or a boolean mask.

    Raises
    ------
    ParameterError
        There is no position, one is given twice, or one is out of range.
    """
    array = _as_array(values, "positions")
    if array.dtype == np.bool_ and array.shape == (count,):
        array = np.flatnonzero(array)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ParameterError(
            f"positions of dtype {array.dtype}, shape {array.shape}; give at least one integer "
            f"from 0 to {count - 1}, or a boolean mask of shape ({count},)"
        )
    distinct = np.unique(array)
    if distinct[0] < 0 or distinct[-1] >= count or distinct.size < array.size:
        raise ParameterError(
            f"{array.size} positions, {distinct.size} of them distinct, from {distinct[0]} to "
            f"{distinct[-1]}; give each once, from 0 to {count - 1}"
        )
    return array.astype(np.int64)


def column_names(given: Iterable[str] | None, prefix: str, count: int) -> tuple[str, ...]:
    """Return the column names; by default the prefix followed by a number.

    Raises
    ------
    ParameterError
        The names are not strings.
    ShapeError
        There is not one name per column.
    """
    if given is None:
        return tuple(f"{prefix}{column}" for column in range(1, count + 1))
    names = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"names of columns must be a list of strings, got {given!r}")
    if halves := [name for name in names if not is_unicode(name)]:
        raise ParameterError(f"the name {halves[0]!r} has half of a character; correct it")
    if len(names) != count:
        raise ShapeError(
            f"{counted(len(names), 'name')} {names} for {counted(count, 'column')}; "
            "give one per column"
        )
    return names


def _keys(values: ArrayLike, what: str, size: int, kinds: str) -> NDArray[Any]:
    array = np.array(_as_array(values, what))
    if array.shape != (size,):
        raise ShapeError(f"{what}: shape {array.shape}; the features and offsets need ({size},)")
    if array.dtype.kind in "UT":
        # NumPy strings drop trailing NULs, and in a mixed list NumPy turns 1 into "1".
        array = np.array(values, dtype=object)
    is_text = array.dtype.kind != "O" or all(isinstance(value, str) for value in array)
    if array.dtype.kind not in kinds or not is_text:
        wanted = "strings or integers" if what == "ids" else "numbers, dates or strings"
        raise DataError(
            f"{what}: dtype {array.dtype}; give {wanted}, all of one kind (integers of 64 bits)"
        )
    return array


def _as_numpy_dates(values: ArrayLike) -> ArrayLike:
    """Return Python dates and datetimes as datetime64, anything else unchanged."""
    array = _as_array(values, "times")
    if array.dtype != object or not all(isinstance(time, datetime.date) for time in array.flat):
        return values
    if any(getattr(time, "tzinfo", None) is not None for time in array.flat):
        raise DataError("times: they have a time zone; convert them to UTC and drop it")
    return array.astype("datetime64")


def _as_array(values: ArrayLike, what: str) -> NDArray[Any]:
    refuse_mask(what, values)
    try:
        return as_array(what, values)
    except DataError:
        raise
    except ValueError as error:
        raise ShapeError(
            f"{what}: rows of different lengths; make all equally long, and give the boundaries of "
            "sequences in offsets"
        ) from error
