"""Recurrent layers: their weights with gates in ONNX's order and back, and the nodes of a stack.

A node RNN, GRU or LSTM takes the input weights ``W (D, G·H, I)``, the recurrent weights
``R (D, G·H, H)`` and ``B (D, 2·G·H)``, the biases of both one after the other. Its gates have the
order z r h for a GRU, where the package has r z n; and i o f c for an LSTM, where it has i f g o.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.errors import ParameterError
from rnn_rust.model.network import Network
from rnn_rust.onnx.graph import GraphBuilder

Weights = dict[str, FloatArray]

# For each gate of a node: its position in the package's order.
GATES = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}

# A node's activations by the package's names, each with its parameters (alpha, beta).
ACTIVATIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "tanh": ("Tanh", ()),
    "relu": ("Relu", ()),
    "sigmoid": ("Sigmoid", ()),
    "identity": ("Affine", (1.0, 0.0)),
    "elu": ("Elu", (1.0,)),
    "leaky_relu": ("LeakyRelu", (0.01,)),
    "softplus": ("Softplus", ()),
    "softsign": ("Softsign", ()),
}

DIRECTIONS = ("", "_reverse")


def reordered(gates: FloatArray, order: tuple[int, ...]) -> FloatArray:
    """Return rows with their blocks, one per gate, in another order."""
    blocks = np.split(gates, len(order))
    return np.concatenate([blocks[place] for place in order])


def activation_attributes(model: Network) -> dict[str, Any]:
    """Return the attributes of a node for its activation and the kind of its reset gate.

    Raises
    ------
    ParameterError
        The activation has no name in ONNX.
    """
    directions = 2 if model.settings["bidirectional"] else 1
    if model.cell == "GRU":
        return {"linear_before_reset": int(model.settings["reset_after"])}
    if model.cell == "LSTM":
        return {}
    name = model.settings["activation"]
    if name not in ACTIVATIONS:
        raise ParameterError(
            f"activation={name!r} cannot be exported: no activation of ONNX's operator RNN is it; "
            f"use one of {', '.join(ACTIVATIONS)}"
        )
    onnx_name, numbers = ACTIVATIONS[name]
    attributes: dict[str, Any] = {"activations": [onnx_name] * directions}
    for key, number in zip(("activation_alpha", "activation_beta"), numbers, strict=False):
        attributes[key] = [number] * directions
    return attributes


def node_weights(
    model: Network, state: Weights, layer: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ``W``, ``R`` and ``B`` of a layer's node."""
    order = GATES[model.cell]
    directions = DIRECTIONS if model.settings["bidirectional"] else DIRECTIONS[:1]
    inputs, recurrent, biases = [], [], []
    for direction in directions:
        place = f"l{layer}{direction}"
        inputs.append(reordered(state[f"weight_ih_{place}"], order))
        recurrent.append(reordered(state[f"weight_hh_{place}"], order))
        bias = reordered(state[f"bias_{place}"], order)
        second = np.zeros_like(bias)
        if f"bias_hn_{place}" in state:
            candidate = state[f"bias_hn_{place}"]
            second[-len(candidate) :] = candidate
        biases.append(np.concatenate([bias, second]))
    return np.stack(inputs), np.stack(recurrent), np.stack(biases)


def add_layer(
    graph: GraphBuilder,
    model: Network,
    layer: int,
    inputs: str,
    *,
    lengths: str = "",
    initial: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Add the node of a layer that reads ``inputs (time, batch, I)``.

    Parameters
    ----------
    lengths
        The input with the lengths of the sequences; if empty, all are as long as the input.
    initial
        The states before the first step, ``(D, batch, H)`` each: h, and c for an LSTM.

    Returns
    -------
    tuple
        The names of the states of all steps ``(time, D, batch, H)``, and of the final h and c,
        ``(D, batch, H)``.
    """
    weights = node_weights(model, model.state_dict(), layer)
    names = [
        graph.constant(f"{key}_l{layer}", one) for key, one in zip("WRB", weights, strict=True)
    ]
    outputs: tuple[str, ...] = (f"states_l{layer}", f"final_h_l{layer}")
    if model.cell == "LSTM":
        outputs = (*outputs, f"final_c_l{layer}")
    return graph.add_many(
        model.cell, inputs, *names, lengths, *initial, names=outputs,
        hidden_size=model.settings["hidden_size"],
        direction=_direction(model),
        **activation_attributes(model),
    )  # fmt: skip


def _direction(model: Network) -> str:
    if model.settings["bidirectional"]:
        return "bidirectional"
    return "reverse" if model.settings["reverse"] else "forward"


def add_stack(graph: GraphBuilder, model: Network, inputs: str, lengths: str) -> tuple[str, str]:
    """Add all layers for whole sequences with the features ``inputs (time, batch, I)``.

    Returns
    -------
    (states, final)
        The last layer's states ``(time, batch, D·H)``, and its final states ``(batch, D·H)``, with
        directions side by side.
    """
    final = ""
    for layer in range(model.settings["num_layers"]):
        states, final, *_ = add_layer(graph, model, layer, inputs, lengths=lengths)
        inputs = _side_by_side(graph, model, states, (0, 2, 1, 3), (0, 0, -1))
    return inputs, _side_by_side(graph, model, final, (1, 0, 2), (0, -1))


def _side_by_side(
    graph: GraphBuilder,
    model: Network,
    states: str,
    order: tuple[int, ...],
    shape: tuple[int, ...],
) -> str:
    """Return states with both directions in the last axis."""
    if not model.settings["bidirectional"]:
        return graph.add("Squeeze", states, graph.integers(len(order) - 3))
    swapped = graph.add("Transpose", states, perm=order)
    return graph.add("Reshape", swapped, graph.integers(*shape))


def add_step(
    graph: GraphBuilder, model: Network, inputs: str, states: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Add all layers for one step with the features ``inputs (batch, I)``.

    Parameters
    ----------
    states
        The states before the step, ``(K, batch, H)`` each: h, and c for an LSTM.

    Returns
    -------
    (states, after)
        The last layer's states ``(batch, H)``, and all states after the step, shaped as before.
    """
    layers = model.settings["num_layers"]
    of_layer = [
        graph.add_many(
            "Split", name, names=tuple(f"{name}_l{layer}" for layer in range(layers)), axis=0,
            num_outputs=layers,
        )
        for name in states
    ]  # fmt: skip
    inputs = graph.add("Unsqueeze", inputs, graph.integers(0))
    after: list[tuple[str, ...]] = []
    for layer in range(layers):
        initial = tuple(parts[layer] for parts in of_layer)
        after.append(add_layer(graph, model, layer, inputs, initial=initial)[1:])
        inputs = after[-1][0]
    joined = tuple(
        graph.add("Concat", *parts, name=f"{name}_out", axis=0)
        for name, parts in zip(states, zip(*after, strict=True), strict=True)
    )
    return graph.add("Squeeze", inputs, graph.integers(0)), joined
