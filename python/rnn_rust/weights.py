"""Checking weights that come from outside before they enter a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust.errors import DataError, ShapeError
from rnn_rust.inputs import FloatArray


def checked_state(
    state: Mapping[str, ArrayLike], *, like: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Return ``state`` with the names, shapes and dtype of ``like``, each array C-contiguous.

    PyTorch's two biases, ``bias_ih_l0`` and ``bias_hh_l0``, become ``bias_l0``, their sum.

    Raises
    ------
    ShapeError
        A name is missing or unknown, or an array has another shape.
    DataError
        A value is NaN, infinite or not a number.
    """
    if not isinstance(state, Mapping):
        raise ShapeError(f"a state dict maps names to arrays, got {type(state).__name__}")
    given = _fold_biases(dict(state))
    if missing := [name for name in like if name not in given]:
        raise ShapeError(f"the state dict lacks {', '.join(missing)}")
    if unknown := [name for name in given if name not in like]:
        raise ShapeError(
            f"the state dict has {', '.join(unknown)}, which this model has not; its weights are "
            f"{', '.join(like)}"
        )
    return {name: _as_weight(name, given[name], array) for name, array in like.items()}


def _fold_biases(state: dict[str, ArrayLike]) -> dict[str, ArrayLike]:
    pair = [state.pop(name) for name in ("bias_ih_l0", "bias_hh_l0") if name in state]
    if not pair:
        return state
    if len(pair) == 1 or "bias_l0" in state:
        raise ShapeError("give either bias_l0, or bias_ih_l0 and bias_hh_l0 together")
    first, second = (_numbers("bias_ih_l0 and bias_hh_l0", bias) for bias in pair)
    if first.shape != second.shape:
        raise ShapeError(f"bias_ih_l0 {first.shape} and bias_hh_l0 {second.shape} differ in shape")
    return state | {"bias_l0": first + second}


def _numbers(name: str, values: ArrayLike) -> FloatArray:
    try:
        with np.errstate(invalid="ignore"):
            return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"weight {name} is not an array of numbers: {error}") from error


def _as_weight(name: str, values: ArrayLike, like: FloatArray) -> FloatArray:
    numbers = _numbers(name, values)
    if numbers.shape != like.shape:
        raise ShapeError(f"weight {name}: expected shape {like.shape}, got {numbers.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        array: FloatArray = np.ascontiguousarray(numbers, dtype=like.dtype)
    if not np.isfinite(array).all():
        raise DataError(f"weight {name} has values that are NaN or infinite in {like.dtype}")
    return array
