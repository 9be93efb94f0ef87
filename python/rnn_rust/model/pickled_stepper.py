"""How a stepper is unpickled."""

from __future__ import annotations

from functools import partial
from typing import Any

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray
from rnn_rust.model.rows import rows_by_name

_Columns = tuple[list[float], list[float]]


def make_stepper(
    settings: _core.Settings,
    tensors: dict[str, FloatArray],
    scalers: tuple[_Columns, _Columns],
    names: list[str] | None,
    state: FloatArray,
) -> Any:
    """Return a stepper with these settings and weights, in this state.

    ``scalers`` are the shifts and scales of features and of labels.
    """
    network = _core.Network(settings, zeros=True)
    network.load_state_dict(tensors)
    remake = partial(make_stepper, settings)
    stepper = network.stepper(*scalers, rows_by_name(names), names, remake)
    if state.any():
        stepper.state = state
    return stepper
