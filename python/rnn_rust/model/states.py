"""States that networks start from and end with, as callers see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.sequences import check_finite_states
from rnn_rust.errors import ShapeError


def state_shape(cell: str, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape of a network's state: that of ``stepper.state``.

    ``(W,)``, of several layers and directions ``(layers · D, W)``, a layer's directions after one
    another. W is H, in an LSTM 2 H: h followed by c.
    """
    width = settings["hidden_size"] * (2 if cell == "LSTM" else 1)
    rows = settings["num_layers"] * (2 if settings["bidirectional"] else 1)
    return (width,) if rows == 1 else (rows, width)


def of_one(state: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the initial state of a single sequence.

    Raises
    ------
    DataError
        A number is not finite.
    ShapeError
        It is the state of another network.
    """
    if state.shape != shape:
        raise ShapeError(
            f"initial_state: shape {state.shape}; the state of a single sequence has {shape}"
        )
    check_finite_states(state)
    return state


def rows_of(state: FloatArray, shape: tuple[int, ...], sequences: int) -> FloatArray:
    """Return initial states ``(S, numbers)``, one row for each sequence.

    Raises
    ------
    ShapeError
        The states are those of another network.
    """
    if state.shape != (sequences, *shape):
        raise ShapeError(
            f"initial_state: shape {state.shape}; the network's states have {(sequences, *shape)}"
        )
    return np.ascontiguousarray(state.reshape(sequences, -1))
