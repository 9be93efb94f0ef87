"""The constant arrays of the source: scales, categories, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.device.design import Design

_ORDERS = {
    "RNN": "unit", "GRU": "gate in the order r z n", "LSTM": "gate in the order i f g o",
}  # fmt: skip


@dataclass(frozen=True)
class Array:
    """A constant array.

    Attributes
    ----------
    name
        Its name as in a state dict, with ``_`` for the dot.
    values
        Its values ``(n,)``.
    size
        Its length as an expression in C.
    about
        A comment.
    """

    name: str
    values: Any
    size: str
    about: str

    @property
    def is_weight(self) -> bool:
        """Whether it is a weight of the network, not a scale or a category."""
        return self.name.startswith(("weight", "bias", "head"))

    @property
    def c_type(self) -> str:
        """The type of its elements."""
        return {"float32": "float", "float64": "double"}.get(self.values.dtype.name, "int")

    @property
    def bytes(self) -> int:
        """Its size in bytes if an int has 4."""
        return int(4 if self.c_type == "int" else self.values.itemsize) * len(self.values)


def arrays(design: Design) -> list[Array]:
    """Return all constant arrays in the order of their use."""
    layers = [one for layer in range(design.layers) for one in _of_layer(design, layer)]
    return [
        *_of_features(design), *_of_categories(design), *layers, *_of_head(design),
        *_of_labels(design),
    ]  # fmt: skip


def _of_features(design: Design) -> list[Array]:
    found, up = [], design.prefix.upper()
    encoder, scaler = design.model.encoder, design.model.scaler
    if encoder is not None and design.fill != "error" and design.features:
        where = " where none came before it" if design.fill == "forward" else ""
        about = f"What a missing number becomes{where}: its mean."
        found.append(Array("feature_mean", design.rounded(encoder.means), f"{up}_FEATURES", about))
    if scaler is None or not design.inputs:
        return found
    size, used = f"{up}_INPUTS", slice(design.inputs)
    shift, scale = scaler.feature_shift_[used], scaler.feature_scale_[used]
    about = f"The {scaler.kind} scaler: (x - shift) / scale."
    found.append(Array("feature_shift", design.rounded(shift), size, about))
    if design.is_float:
        rest = design.rounded(shift - design.rounded(shift))
        about = "What float leaves of the shifts, so that large ones lose nothing."
        found.append(Array("feature_shift_rest", rest, size, about))
    return [*found, Array("feature_scale", design.rounded(scale), size, "Its scales.")]


def _of_categories(design: Design) -> list[Array]:
    if not design.levels:
        return []
    counts = np.array([len(own) for own in design.levels.values()])
    first = design.inputs + np.concatenate([[0], np.cumsum(counts + 1)[:-1]])
    size = f"{design.prefix.upper()}_CATEGORIES"
    known = "The known levels of each category; one more row is for all others."
    row = "The row of weight_ih_l0 of the first level of each category."
    return [Array("category_levels", counts, size, known), Array("category_row", first, size, row)]


def _of_layer(design: Design, layer: int) -> list[Array]:
    model, up = design.model, design.prefix.upper()
    state, gates, hidden = model.state_dict(), f"{up}_GATES", f"{up}_HIDDEN"
    rows, what = (f"{up}_INPUTS", "input") if layer == 0 else (hidden, f"unit of layer {layer - 1}")
    if layer == 0 and design.levels:
        rows = f"({up}_INPUTS + {sum(len(own) + 1 for own in design.levels.values())})"
    about = f"Layer {layer}: a row for each {what}, in it a column for each {_ORDERS[model.cell]}."
    size = f"{rows} * {gates}"
    found = [_transposed(f"weight_ih_l{layer}", state[f"weight_ih_l{layer}"], size, about)]
    weight_hh, about = state[f"weight_hh_l{layer}"], "A row for each unit of the layer."
    if model.cell == "GRU" and not model.settings["reset_after"]:
        # W_hn is multiplied by the state after the reset gate r.
        rz, n = np.split(weight_hh, [2 * design.hidden])
        size, about = f"{hidden} * 2 * {hidden}", "A row for each unit of the layer: gates r and z."
        found.append(_transposed(f"weight_hh_rz_l{layer}", rz, size, about))
        about = "The same for n."
        found.append(_transposed(f"weight_hh_n_l{layer}", n, f"{hidden} * {hidden}", about))
    else:
        found.append(_transposed(f"weight_hh_l{layer}", weight_hh, f"{hidden} * {gates}", about))
    found.append(Array(f"bias_l{layer}", state[f"bias_l{layer}"], gates, "Its biases."))
    if (bias := state.get(f"bias_hn_l{layer}")) is not None:
        about = "The recurrent bias of n, which r multiplies."
        found.append(Array(f"bias_hn_l{layer}", bias, hidden, about))
    return found


def _of_head(design: Design) -> list[Array]:
    state, up = design.model.state_dict(), design.prefix.upper()
    about = "Outputs: a row for each unit of the last layer."
    return [
        _transposed("head_weight", state["head.weight"], f"{up}_HIDDEN * {up}_OUTPUTS", about),
        Array("head_bias", state["head.bias"], f"{up}_OUTPUTS", "Their biases."),
    ]


def _of_labels(design: Design) -> list[Array]:
    scaler, size = design.model.scaler, f"{design.prefix.upper()}_OUTPUTS"
    if scaler is None or not design.scales_labels:
        return []
    about = "Labels in original units: y scale + shift."
    return [
        Array("label_shift", scaler.label_shift_, size, about),
        Array("label_scale", scaler.label_scale_, size, "Their scales."),
    ]


def _transposed(name: str, weights: FloatArray, size: str, about: str) -> Array:
    """Return weights ``(outputs, inputs)`` transposed: with a row for each input."""
    return Array(name, weights.T.ravel(), size, about)
