"""From the output of a graph to the arguments, weights and scaler of a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.scale import Scaler
from rnn_rust.data.scalers import scaler_from_dict
from rnn_rust.errors import ModelFileError
from rnn_rust.learning.losses import Focal
from rnn_rust.onnx.layers import DIRECTIONS
from rnn_rust.onnx.read import Read
from rnn_rust.onnx.values import OUTPUT, PIECE, Features, Layer, Outputs, Piece, States

_log = logging.getLogger("rnn_rust")

# Losses that imply a sigmoid.
_BINARY = ("binary_cross_entropy", "focal")


@dataclass(frozen=True)
class Description:
    """Everything that is needed to build a model.

    Attributes
    ----------
    weights
        Its state dict.
    found
        The arguments that the graph determines, except sizes, loss and output activation.
    dtype
        The dtype of the weights.
    activation
        The activation of the outputs; ``"classes"`` for a sigmoid that a loss may imply.
    feature_names, label_names, label_levels, threshold
        The attributes of a model with these names, if the file has them.
    """

    weights: dict[str, FloatArray]
    found: dict[str, Any]
    dtype: str
    activation: str
    feature_names: tuple[str, ...] | None = None
    label_names: tuple[str, ...] | None = None
    label_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    threshold: float | None = None

    def arguments(self, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the arguments of the model that the graph determines, and all others."""
        found, others = dict(self.found), {"dtype": self.dtype} | dict(options)
        loss = options.get("loss", "binary_cross_entropy")
        if self.activation == "softmax":
            found["loss"] = "cross_entropy"
        elif self.activation != "classes":
            found["output_activation"] = self.activation
        elif loss in _BINARY or isinstance(loss, Focal):
            others["loss"] = loss
        else:
            found["output_activation"] = "sigmoid"
        return found, others


def describe(read: Read) -> Description:
    """Return the description of a model; ModelFileError if no model can represent the graph."""
    outputs = read.outputs
    layers, features = _layers(outputs.states)
    _check_axes(outputs, layers[0])
    _check_alike(layers, features)
    weights = _state_dict(layers, outputs)
    inputs, count = weights["weight_ih_l0"].shape[1], len(outputs.weight)
    activation = outputs.activation
    if activation == "softmax" and (outputs.is_scaled or count == 1):
        raise ModelFileError("after a softmax no model scales its outputs, of which it has two")
    scaler, affine = _scaler(features, outputs, (inputs, count))
    if affine is not None:
        _fold_features(weights, affine)
    found = {
        "readout": _readout(outputs.states, layers[0], read.metadata),
        "reverse": set(layers[0].weights) == set(DIRECTIONS[1:]), **layers[0].options,
    }  # fmt: skip
    if scaler is not None:
        found["scaler"] = scaler
    known_loss = read.metadata.get("loss")
    if activation == "sigmoid" and not outputs.is_scaled and known_loss in (None, *_BINARY):
        activation = "classes"
    return Description(
        weights=weights, found=found, dtype=_dtype(layers[0]), activation=activation,
        **_names(read.metadata, inputs, count, activation),
    )  # fmt: skip


# Layers ----------------------------------------------------------------------------------------


def _layers(states: States) -> tuple[list[Layer], Features]:
    """Return the layers that lead to states, from the first one, and the features it reads."""
    layers: list[Layer] = []
    below: States | Features = states
    while isinstance(below, States):
        layers.append(_layer_of(below.pieces))
        below = layers[-1].below
    return layers[::-1], below


def _layer_of(pieces: tuple[Piece, ...]) -> Layer:
    """Return the layer that has all these directions, which may come from two nodes."""
    first, last = pieces[0][0], pieces[-1][0]
    directions = tuple(direction for _, direction in pieces)
    if directions not in (DIRECTIONS, DIRECTIONS[:1], DIRECTIONS[1:]):
        raise ModelFileError(
            f"{last.node}: a layer has one direction, or both, the forward one first; the network "
            "uses them otherwise"
        )
    if len(pieces) == 1 or first is last:
        if len(first.weights) != len(pieces):
            raise ModelFileError(f"{first.node}: the network uses one of its directions")
        return first
    kind = (first.cell, first.options, first.hidden_size, first.lengths, first.time, first.batch)
    other = (last.cell, last.options, last.hidden_size, last.lengths, last.time, last.batch)
    single = len(first.weights) == len(last.weights) == 1
    if not single or kind != other or not first.below.same(last.below):
        raise ModelFileError(
            f"{last.node}: it is not the reverse direction of the layer of {first.node}"
        )
    return Layer(
        node=first.node, cell=first.cell, options=first.options, hidden_size=first.hidden_size,
        below=first.below, weights=first.weights | last.weights, lengths=first.lengths,
        initial=first.initial | last.initial, time=first.time, batch=first.batch,
    )  # fmt: skip


def _check_axes(outputs: Outputs, layer: Layer) -> None:
    """Check that there is an output for every step and sequence, or for every sequence."""
    states = outputs.states
    if states.readout == "sum":
        raise ModelFileError("the states of a sequence are summed, and not divided by its length")
    names = sorted(name for axis in outputs.axes for name in axis)
    wanted = [*layer.batch, *outputs.axis(OUTPUT)]
    if states.readout == "each_step":
        wanted += layer.time
    if names != sorted(wanted) and PIECE not in names:
        raise ModelFileError(
            f"the output of the graph has the axes {', '.join(names) or 'of one number'}, not "
            f"{', '.join(wanted)}"
        )


def _check_alike(layers: list[Layer], features: Features) -> None:
    first = layers[0]
    for layer in layers:
        kind = (layer.cell, layer.hidden_size, set(layer.weights), layer.options, layer.lengths)
        wanted = (first.cell, first.hidden_size, set(first.weights), first.options, first.lengths)
        if kind != wanted:
            raise ModelFileError(
                f"{layer.node}: all layers of a model are alike, and this one is not as that of "
                f"{first.node}"
            )
        if features.name in layer.initial:
            raise ModelFileError(f"{layer.node}: its initial states are part of the features")
        if layer.initial:
            _log.warning(
                "%s: its initial states are inputs of the graph; the model begins with zeros "
                "unless predict is given initial_state=", layer.node,
            )  # fmt: skip


def _readout(states: States, layer: Layer, metadata: dict[str, Any]) -> str:
    """Return the readout; for a graph of one step, it may be in the metadata."""
    known = metadata.get("readout")
    return "last" if known == "last" and not layer.time else states.readout


def _dtype(layer: Layer) -> str:
    weights = next(iter(layer.weights.values()))["weight_ih"]
    return "float64" if weights.dtype == np.float64 else "float32"


def _state_dict(layers: list[Layer], outputs: Outputs) -> dict[str, FloatArray]:
    weights = {"head.weight": outputs.weight, "head.bias": outputs.bias}
    for number, layer in enumerate(layers):
        for direction, tensors in layer.weights.items():
            # If a network only reads backwards, its tensors have names without a direction.
            own = direction if len(layer.weights) == 2 else ""
            for name, tensor in tensors.items():
                weights[f"{name}_l{number}{own}"] = tensor
    return weights


# The head and the scaler -----------------------------------------------------------------------


def _scaler(
    features: Features, outputs: Outputs, columns: tuple[int, int]
) -> tuple[Scaler | None, tuple[FloatArray, FloatArray] | None]:
    """Return the scaler; or shift and scale of features if a scaler cannot have them."""
    shift, scale = (_wide(one, columns[0]) for one in (features.shift, features.scale))
    label_scale, label_shift = (_wide(one, columns[1]) for one in (outputs.scale, outputs.shift))
    of_features, affine = features.is_scaled, None
    if not scale.all():
        raise ModelFileError("features are divided by 0")
    if not (scale > 0).all():
        of_features, affine = False, (shift, scale)
        shift, scale = np.zeros(columns[0]), np.ones(columns[0])
    if not (label_scale > 0).all():
        raise ModelFileError("outputs are multiplied by a number that is not above 0")
    if not (of_features or outputs.is_scaled):
        return None, affine
    count = 1 if outputs.activation == "softmax" else columns[1]
    values = {
        "kind": "standard", "labels": outputs.is_scaled,
        "feature_shift": shift.tolist(), "feature_scale": scale.tolist(),
        "label_shift": label_shift[:count].tolist(), "label_scale": label_scale[:count].tolist(),
    }  # fmt: skip
    return scaler_from_dict(values), affine


def _wide(numbers: FloatArray, count: int) -> FloatArray:
    if len(numbers) not in (1, count):
        raise ModelFileError(f"{len(numbers)} numbers scale {count} columns")
    return np.broadcast_to(numbers, (count,))


def _fold_features(weights: dict[str, FloatArray], affine: tuple[FloatArray, FloatArray]) -> None:
    """Fold the scaling of features into the weights of the first layer."""
    shift, scale = affine
    for direction in DIRECTIONS:
        name = f"weight_ih_l0{direction}"
        if name in weights:
            tensor = weights[name].astype(np.float64)
            weights[f"bias_l0{direction}"] = (
                weights[f"bias_l0{direction}"] + (tensor / scale) @ -shift
            )
            weights[name] = tensor / scale


# Names -----------------------------------------------------------------------------------------


def _texts(value: Any, count: int) -> tuple[str, ...] | None:
    """Return a list of ``count`` strings; None if it is something else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    return tuple(value) if all(isinstance(one, str) for one in value) else None


def _names(metadata: dict[str, Any], inputs: int, outputs: int, activation: str) -> dict[str, Any]:
    """Return names of columns and classes, and the threshold, if they fit the model."""
    found: dict[str, Any] = {}
    columns = 1 if activation == "softmax" else outputs
    for name, count in (("feature_names", inputs), ("label_names", columns)):
        if (names := _texts(metadata.get(name), count)) is not None:
            found[name] = names
    labels = found.get("label_names", ("y1",) if columns == 1 else ())
    named = metadata.get("label_classes")
    if columns == 1:
        named = {labels[0]: metadata.get("classes")}
    count = {"softmax": outputs, "classes": 2}.get(activation, 0)
    if isinstance(named, dict):
        read = {label: _texts(named.get(label), count) for label in labels}
        found["label_levels"] = {label: own for label, own in read.items() if own is not None}
    threshold = metadata.get("threshold")
    if isinstance(threshold, float) and np.isfinite(threshold):
        found["threshold"] = threshold
    return found
