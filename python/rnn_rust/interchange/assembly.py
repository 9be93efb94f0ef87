"""From weights under PyTorch's names to a model: the last step of reading other formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import counted
from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.models import MODELS, Model

Weights = Mapping[str, NDArray[Any]]

# Cells by the number of rows of weight_ih per hidden unit.
CELLS = {1: "RNN", 3: "GRU", 4: "LSTM"}


def assembled(weights: Weights, found: Mapping[str, Any], options: Mapping[str, Any]) -> Model:
    """Return the model that has these weights.

    Parameters
    ----------
    weights
        By the names of :meth:`rnn_rust.RNN.state_dict`, or with PyTorch's two biases. If biases are
        missing, they are 0; if the head is missing, the outputs are the states.
    found
        Arguments of the model that the source determines.
    options
        Arguments that the caller chose.

    Raises
    ------
    ParameterError
        ``options`` contradict what was found, or one is outside its allowed values.
    ShapeError, DataError
        The weights do not fit such a network.
    """
    cell, sizes = _described(weights)
    width = sizes["hidden_size"] * (1 + sizes["bidirectional"])
    head = weights.get("head.weight", np.eye(width))
    if head.ndim != 2 or head.shape[1] != width:
        raise ShapeError(
            f"the head's weight has shape {head.shape}; the last layer has {width} states, so it "
            f"must be (L, {width})"
        )
    known: dict[str, Any] = sizes | {"output_size": len(head)} | dict(found)
    for name, value in known.items():
        if options.get(name, value) != value:
            raise ParameterError(
                f"{name}={options[name]!r}: the network that is read has {value!r}"
            )
    model = MODELS[cell](**({"dtype": _dtype(weights)} | dict(options) | known))
    zeros = {
        name: np.zeros_like(array)
        for name, array in model.state_dict().items()
        if "bias" in name and not _has_bias(weights, name)
    }
    return model.load_state_dict(zeros | {"head.weight": head} | dict(weights))


def cell_of(weights: Weights) -> str:
    """Return the name of the cell, inferred from the rows of its weights."""
    return _described(weights)[0]


def _described(weights: Weights) -> tuple[str, dict[str, Any]]:
    """Return the cell and the sizes."""
    for name in ("weight_ih_l0", "weight_hh_l0"):
        if name not in weights:
            raise ShapeError(f"the weights lack {name}")
        if weights[name].ndim != 2 or weights[name].size == 0:
            raise ShapeError(f"weight {name} has shape {weights[name].shape}, which is no matrix")
    hidden = weights["weight_hh_l0"].shape[1]
    rows, inputs = weights["weight_ih_l0"].shape
    if rows % hidden or rows // hidden not in CELLS:
        raise ShapeError(
            f"weight_ih_l0 has {counted(rows, 'row')} for "
            f"{counted(hidden, 'hidden unit')}; an RNN has 1 for each unit, a GRU 3, an LSTM 4"
        )
    layers = {int(found[1]) for name in weights if (found := re.match(r"weight_ih_l(\d+)", name))}
    if lacking := set(range(len(layers))) - layers:
        raise ShapeError(f"the weights lack weight_ih_l{min(lacking)}")
    return CELLS[rows // hidden], {
        "input_size": inputs, "hidden_size": hidden, "num_layers": len(layers),
        "bidirectional": "weight_ih_l0_reverse" in weights,
    }  # fmt: skip


def _has_bias(weights: Weights, name: str) -> bool:
    """Return whether the weights have this bias, or one of PyTorch's pair."""
    place = name.removeprefix("bias_hn_").removeprefix("bias_")
    return any(own in weights for own in (name, f"bias_ih_{place}", f"bias_hh_{place}"))


def _dtype(weights: Weights) -> str:
    wide = any(array.dtype.kind == "f" and array.dtype.itemsize > 4 for array in weights.values())
    return "float64" if wide else "float32"
