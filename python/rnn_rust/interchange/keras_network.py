"""From Keras layers to weights under PyTorch's names, and the arguments of a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.errors import ParameterError
from rnn_rust.interchange.keras_layers import Layer
from rnn_rust.learning.losses import Focal

_log = logging.getLogger("rnn_rust")

# Keras's names of activations that are the same here; its leaky_relu has another slope.
_ACTIVATIONS = {
    "linear": "identity", "tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "elu": "elu",
    "softplus": "softplus", "softsign": "softsign", "silu": "silu", "swish": "silu",
}  # fmt: skip
# The cell of each layer, and the positions in Keras of its gates, in this package's order:
# r z n here is z r h in Keras, and i f g o here is i f c o in Keras.
_CELLS = {"SimpleRNN": ("RNN", [0]), "GRU": ("GRU", [1, 0, 2]), "LSTM": ("LSTM", [0, 1, 2, 3])}
_IN_TRAINING_ALONE = {
    "Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise",
    "ActivityRegularization",
}  # fmt: skip


@dataclass
class Network:
    """The network formed by the layers read so far.

    Attributes
    ----------
    weights
        By PyTorch's names.
    found
        Arguments of the model.
    alike
        Arguments that must be the same in all recurrent layers.
    activation
        The activation of the outputs, by its name in Keras.
    recurrent
        The recurrent layers.
    head
        The last layer, once it has been read.
    """

    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    alike: dict[str, Any] = field(default_factory=dict)
    activation: str = "linear"
    recurrent: list[Layer] = field(default_factory=list)
    head: Layer | None = None

    def arguments(self, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the arguments of the model that the network determines, and all others."""
        found, loss = dict(self.found), options.get("loss", "binary_cross_entropy")
        if self.activation == "softmax":
            found["loss"] = "cross_entropy"
        elif self.activation == "sigmoid" and (
            loss in ("binary_cross_entropy", "focal") or isinstance(loss, Focal)
        ):
            return found, {"loss": loss} | dict(options)
        else:
            found["output_activation"] = _ACTIVATIONS[self.activation]
        return found, dict(options)


def network_of(layers: list[Layer]) -> Network:
    """Return the network that the layers form.

    Raises
    ------
    ParameterError
        Models here do not support a layer.
    ShapeError
        The weights of a layer do not fit its settings.
    """
    network = Network()
    for layer in layers:
        if layer.kind == "InputLayer" or layer.kind in _IN_TRAINING_ALONE:
            continue
        if layer.kind == "Masking":
            _log.warning(
                "Layer '%s' (Masking) is passed over: give sequences without padded rows",
                layer.name,
            )
        elif layer.kind in _CELLS or layer.kind == "Bidirectional":
            _add_recurrent(network, layer)
        elif layer.kind == "GlobalAveragePooling1D":
            _add_mean(network, layer)
        elif layer.kind == "Dense":
            _add_head(network, layer)
        elif layer.kind == "Activation":
            _add_activation(network, layer)
        else:
            raise layer.refused(
                "models here have no such layer; they are SimpleRNN, GRU or LSTM layers and a Dense"
            )
    if not network.recurrent:
        raise ParameterError("there is no SimpleRNN, GRU or LSTM among the layers of the model")
    return network


def _add_recurrent(network: Network, layer: Layer) -> None:
    if network.head is not None or network.found.get("readout", "each_step") != "each_step":
        before = network.head or network.recurrent[-1]
        raise layer.refused(f"a recurrent layer cannot follow '{before.name}' ({before.kind})")
    place = f"l{len(network.recurrent)}"
    directions = _directions(layer)
    settings = _settings(directions[0])
    alike = settings | {
        "cell": directions[0].kind, "units": directions[0].config["units"],
        "directions": len(directions),
    }  # fmt: skip
    if network.recurrent and alike != network.alike:
        raise layer.refused(
            f"it differs from '{network.recurrent[0].name}' in kind, units, activation or "
            "directions; all layers of a model are alike"
        )
    for part in directions:
        network.weights |= _recurrent_weights(part, place, settings)
    network.alike = alike
    network.recurrent.append(layer)
    sequences = directions[0].config.get("return_sequences", False)
    network.found |= settings | {"readout": "each_step" if sequences else "last"}


def _directions(layer: Layer) -> list[Layer]:
    """Return the layer itself, or the two layers in a Bidirectional."""
    if layer.kind != "Bidirectional":
        _check_recurrent(layer, backwards=False)
        return [layer]
    layer.requires("merge_mode", "concat")
    inner = layer.config["layer"]
    # If the other direction has no layer of its own, it has the same settings.
    other = layer.config.get("backward_layer") or {
        "class_name": inner["class_name"], "config": inner["config"] | {"go_backwards": True}
    }  # fmt: skip
    half = len(layer.weights) // 2
    both = [
        Layer(inner["class_name"], layer.name, inner["config"], layer.weights[:half]),
        Layer(other["class_name"], layer.name, other["config"], layer.weights[half:]),
    ]
    for part, backwards in zip(both, (False, True), strict=True):
        if part.kind not in _CELLS:
            raise layer.refused(f"it wraps {part.kind}; SimpleRNN, GRU and LSTM are supported")
        _check_recurrent(part, backwards=backwards)
    if (both[0].kind, _settings(both[0])) != (both[1].kind, _settings(both[1])):
        raise layer.refused("its two directions have different settings")
    return both


def _check_recurrent(layer: Layer, *, backwards: bool) -> None:
    """Check the settings that all recurrent layers have."""
    layer.requires("go_backwards", backwards)
    layer.requires("return_state", False)
    if layer.config.get("stateful", False):
        _log.warning(
            "Layer '%s' (%s) is stateful in Keras; here each sequence begins with states of 0, and "
            "a stepper carries them on", layer.name, layer.kind,
        )  # fmt: skip


def _settings(layer: Layer) -> dict[str, Any]:
    """Return the arguments of the model that a recurrent layer determines."""
    cell, _ = _CELLS[layer.kind]
    if cell == "RNN":
        activation = layer.requires("activation", "tanh", *_ACTIVATIONS)
        return {"activation": _ACTIVATIONS[activation]}
    layer.requires("activation", "tanh")
    layer.requires("recurrent_activation", "sigmoid")
    if cell == "GRU":
        return {"reset_after": layer.requires("reset_after", True, False)}
    return {}


def _recurrent_weights(
    layer: Layer, place: str, settings: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Return the weights of a layer and direction; ``place`` is the end of their names."""
    _, gates = _CELLS[layer.kind]
    units = layer.config["units"]
    rows = len(gates) * units
    pair = settings.get("reset_after", False)
    biases: list[tuple[int | None, ...]] = [(2, rows) if pair else (rows,)]
    has_bias = layer.config.get("use_bias", True)
    arrays = layer.arrays((None, rows), (units, rows), *(biases if has_bias else []))
    place += "_reverse" if layer.config.get("go_backwards") else ""
    kernel, recurrent, *bias = (_gates(array, gates) for array in arrays)
    weights = {f"weight_ih_{place}": kernel.T, f"weight_hh_{place}": recurrent.T}
    if bias and pair:
        return weights | {f"bias_ih_{place}": bias[0][0], f"bias_hh_{place}": bias[0][1]}
    return weights | ({f"bias_{place}": bias[0]} if bias else {})


def _gates(array: NDArray[Any], order: list[int]) -> NDArray[Any]:
    """Return an array with the gates in its last axis in another order."""
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[place] for place in order], axis=-1)


def _add_mean(network: Network, layer: Layer) -> None:
    if network.head is not None or network.found.get("readout") != "each_step":
        raise layer.refused("it must follow a recurrent layer with return_sequences=True")
    layer.requires("data_format", "channels_last")
    layer.requires("keepdims", False)
    network.found["readout"] = "mean"


def _add_head(network: Network, layer: Layer) -> None:
    if not network.recurrent:
        raise layer.refused("it stands before the recurrent layers, which read the features here")
    if network.head is not None:
        raise layer.refused(f"it follows '{network.head.name}'; the head is one Dense")
    network.head = layer
    network.activation = layer.requires("activation", "linear", "softmax", *_ACTIVATIONS)
    units = layer.config["units"]
    has_bias = layer.config.get("use_bias", True)
    kernel, *bias = layer.arrays((None, units), *([(units,)] if has_bias else []))
    network.weights["head.weight"] = kernel.T
    if bias:
        network.weights["head.bias"] = bias[0]


def _add_activation(network: Network, layer: Layer) -> None:
    if network.head is None or network.activation != "linear":
        raise layer.refused("an activation of the outputs must follow a Dense without one")
    network.activation = layer.requires("activation", "linear", "softmax", *_ACTIVATIONS)
