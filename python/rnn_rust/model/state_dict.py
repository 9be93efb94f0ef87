"""Checks of weights given by users before they enter a network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust.base.arrays import FloatArray, as_numbers
from rnn_rust.errors import DataError, ShapeError
from rnn_rust.learning.optimizers import CustomOptimizer


def checked_state(
    state: Mapping[str, ArrayLike], *, like: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Return ``state`` with the names, shapes and dtype of ``like``, each array C-contiguous.

    PyTorch's two biases, ``bias_ih_l0`` and ``bias_hh_l0``, become their sum, ``bias_l0``, and
    ``bias_hn_l0`` if a GRU has it. Other layers are treated in the same way.

    Raises
    ------
    ShapeError
        A name is missing, unknown or not a string, or an array has another shape.
    DataError
        A value is NaN, infinite or not a number.
    """
    if not isinstance(state, Mapping):
        raise ShapeError(f"a state dict maps names to arrays, got {type(state).__name__}")
    if nameless := [name for name in state if not isinstance(name, str)]:
        raise ShapeError(f"the names of a state dict are strings, and it has {nameless[0]!r}")
    given = _fold_biases(dict(state), like)
    _check_names(given, like)
    weights = {name: _as_weight(name, given[name], array) for name, array in like.items()}
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise DataError(f"weight {name} has values that are NaN or infinite in {array.dtype}")
    return weights


class CheckedOptimizer:
    """Wraps an optimiser in Python for the engine: checks and converts its results."""

    def __init__(self, optimizer: CustomOptimizer) -> None:
        self._optimizer = optimizer

    def update(
        self, parameters: dict[str, FloatArray], gradients: dict[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Return the parameters after an update, finite or not.

        Raises
        ------
        ShapeError, DataError
            As :func:`checked_state`, except that values may be NaN or infinite.
        """
        like = {name: np.empty_like(array) for name, array in parameters.items()}
        self._optimizer.update(parameters, gradients)
        _check_names(parameters, like)
        return {name: _as_weight(name, parameters[name], array) for name, array in like.items()}


def _check_names(state: Mapping[str, ArrayLike], like: Mapping[str, FloatArray]) -> None:
    if missing := [name for name in like if name not in state]:
        raise ShapeError(f"the state dict lacks {', '.join(missing)}")
    if unknown := [name for name in state if name not in like]:
        raise ShapeError(
            f"the state dict has {', '.join(unknown)}, which this model has not; its weights are "
            f"{', '.join(like)}"
        )


def _fold_biases(
    state: dict[str, ArrayLike], like: Mapping[str, FloatArray]
) -> dict[str, ArrayLike]:
    """Replace PyTorch's two biases of each layer and direction with the engine's."""
    places = [name.removeprefix("bias_ih_") for name in state if name.startswith("bias_ih_l")]
    places += [name.removeprefix("bias_hh_") for name in state if name.startswith("bias_hh_l")]
    for place in dict.fromkeys(places):
        names = f"bias_ih_{place}", f"bias_hh_{place}"
        pair = [state.pop(name) for name in names if name in state]
        if len(pair) == 1 or f"bias_{place}" in state:
            raise ShapeError(f"give either bias_{place}, or {names[0]} and {names[1]} together")
        first, second = (_numbers(f"{names[0]} and {names[1]}", bias) for bias in pair)
        if first.shape != second.shape:
            raise ShapeError(
                f"{names[0]} {first.shape} and {names[1]} {second.shape} differ in shape"
            )
        candidate = like.get(f"bias_hn_{place}")
        if candidate is not None:
            # The recurrent bias of a GRU's candidate is multiplied by the reset gate.
            state[f"bias_hn_{place}"] = second[-len(candidate) :].copy()
            second = np.concatenate([second[: -len(candidate)], np.zeros(len(candidate))])
        state[f"bias_{place}"] = first + second
    return state


def _numbers(name: str, values: ArrayLike) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return as_numbers(f"weight {name}", values).astype(np.float64, copy=False)


def _as_weight(name: str, values: ArrayLike, like: FloatArray) -> FloatArray:
    numbers = _numbers(name, values)
    if numbers.shape != like.shape:
        raise ShapeError(f"weight {name}: expected shape {like.shape}, got {numbers.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        array: FloatArray = np.ascontiguousarray(numbers, dtype=like.dtype)
    return array
