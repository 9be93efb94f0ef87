"""The initial and final states of networks, in the shapes that callers see."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.sequences import check_finite_states
from rnn_rust.data.time_features import ELAPSED, LOG_ELAPSED
from rnn_rust.errors import ShapeError, StateWarning


def state_shape(cell: str, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape of a network's state, as in ``stepper.state``.

    It is ``(W,)``, or ``(layers · D, W)`` for several layers or directions, where the directions of
    a layer follow one another. W is H, or in an LSTM 2 H: h followed by c.
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
        The state does not fit the network.
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
        The states do not fit the network.
    """
    if state.shape != (sequences, *shape):
        raise ShapeError(
            f"initial_state: shape {state.shape}; the network's states have {(sequences, *shape)}"
        )
    return np.ascontiguousarray(state.reshape(sequences, -1))


def warn_of_rows_before(encoder: FeatureEncoder, first_gaps: Iterable[str]) -> None:
    """Warn if inputs depend on rows before the first, which an initial state does not include.

    Parameters
    ----------
    encoder
        What the network has learnt about its features.
    first_gaps
        The numbers that are missing in the first row of a sequence.
    """
    lost = []
    if {ELAPSED, LOG_ELAPSED} & set(encoder.times):
        lost.append("the time since the row before it counts as 0")
    if encoder.fill == "forward" and (gaps := ", ".join(first_gaps)):
        lost.append(f"missing numbers ({gaps}) become the mean, not the last ones before it")
    if lost:
        warnings.warn(
            "an initial state is that of the network alone: in the first row "
            f"{' and '.join(lost)}; let one stepper or scorer read all rows to have the outputs of "
            "a whole sequence",
            StateWarning,
            stacklevel=_frames_of_ours(),
        )


def _frames_of_ours() -> int:
    """Return the stack level of the user's call of this package, for a warning."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and f"{frame.f_globals.get('__name__')}.".startswith("rnn_rust."):
        frame, level = frame.f_back, level + 1
    return level
