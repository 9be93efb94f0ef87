"""Validation of arguments that should be arrays of numbers, before computing with them.

NumPy silently converts with loss of information: it drops masks and the imaginary parts of complex
numbers, and parses strings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from numbers import Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.checks import shown
from rnn_rust.base.tensors import is_tensor, without_tensors
from rnn_rust.errors import DataError

FloatArray = NDArray[np.floating[Any]]
Offsets = NDArray[np.int64]


def row_at(row: int) -> str:
    """Return what messages call a row of an array or a frame; lines of files count from 1."""
    return f"row {row} (counted from 0)"


def positions(names: Iterable[str], wanted: Iterable[str]) -> list[int]:
    """Return the position in ``names`` of each wanted name."""
    # Not by .index, which takes quadratic time with thousands of columns.
    place = {name: at for at, name in enumerate(names)}
    return [place[name] for name in wanted]


def float_dtype(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """Return float32 for float32 in any byte order, float64 for everything else."""
    return np.float32 if dtype.kind == "f" and dtype.itemsize == 4 else np.float64


def as_number(value: Any) -> float:
    """Return a number as a float; errors as in ``float``, and TypeError for text."""
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("text is no number")
    return float(value)


def as_floats(name: str, values: ArrayLike) -> FloatArray:
    """Return `values` as a C-contiguous array: float32 stays float32, the rest becomes float64.

    Raises
    ------
    DataError
        The values are objects, strings, complex numbers or dates, some are masked, rows have
        different lengths, or a tensor cannot be converted.
    """
    array = as_numbers(name, values)
    if array.dtype.char in "fd" and array.dtype.isnative and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):
        # ascontiguousarray would turn 0 dimensions into 1.
        return np.asarray(array, dtype=float_dtype(array.dtype), order="C")


def as_numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `values` as an array of booleans, integers or floats; errors as in `as_floats`.

    The array is aligned in memory, as the engine needs; a field of a packed record is not.
    """
    refuse_mask(name, values)
    try:
        array = as_array(name, values)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{name}: rows of different lengths; make all equally long") from error
    if array.dtype.kind not in "biuf":
        seen = ""
        if array.size:
            others = (one for one in array.flat if not isinstance(one, Real))
            seen = f", which has {shown(next(others, array.flat[0]))}"
        raise DataError(
            f"{name} must be an array of real numbers, got dtype {array.dtype}{seen}; convert it "
            "to float"
        )
    return array if array.flags.aligned else array.copy()


def as_array(name: str, values: Any) -> NDArray[Any]:
    """Return `values` as an array of any type, including tensors that NumPy cannot read.

    Raises
    ------
    DataError
        A tensor cannot be converted.
    ValueError
        Rows have different lengths.
    """
    if type(values) is np.ndarray:
        return values
    if is_tensor(values):
        return np.asarray(without_tensors(name, values))
    try:
        return np.asarray(values)
    except (TypeError, RuntimeError):
        # PyTorch raises these for tensors in a list.
        return np.asarray(without_tensors(name, values))


def has_mask(values: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Whether `values` are a masked array."""
    # Do not import `numpy.ma`, without which there are no masked arrays: importing takes longer
    # than many calls, and a signal handler during it would find an incomplete module.
    kind = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return kind is not None and isinstance(values, kind)


def refuse_mask(name: str, values: object) -> None:
    """Raise DataError if `values`, or an array in a list of them, has a masked cell."""
    if type(values) is np.ndarray:
        return
    # NumPy's own check would look at each number in a list.
    parts = values if isinstance(values, list | tuple) else [values]
    if any(has_mask(part) and np.ma.is_masked(part) for part in parts):
        raise DataError(
            f"{name}: masked values are not finite numbers; fill the gaps with .filled(...), or "
            "leave those rows out"
        )
