"""How a pickled stepper becomes one again."""

from __future__ import annotations

from typing import Any

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray, as_floats

_Columns = tuple[list[float], list[float]]


def make_stepper(
    settings: _core.Settings,
    tensors: dict[str, FloatArray],
    features: _Columns,
    labels: _Columns,
    names: list[str] | None,
    state: FloatArray,
) -> Any:
    """Return the stepper of a network with such settings and weights, in such a state."""
    network = _core.Network(settings)
    network.load_state_dict(tensors)
    stepper = network.stepper(features, labels, as_floats, names, settings)
    if state.any():
        stepper.state = state
    return stepper
