"""Writes a network's head: readout, linear layer, activation, original units, sequence ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from rnn_rust.model.network import Network
from rnn_rust.onnx.graph import GraphBuilder

# Operators by the package's names of activations; silu needs two operators.
_OPERATORS = {
    "tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "elu": "Elu", "leaky_relu": "LeakyRelu",
    "softplus": "Softplus", "softsign": "Softsign", "softmax": "Softmax",
}  # fmt: skip
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "elu": {"alpha": 1.0}, "leaky_relu": {"alpha": 0.01}, "softmax": {"axis": -1},
}  # fmt: skip


def output_type(graph: GraphBuilder, model: Network) -> int:
    """Return the type of the outputs, as in `predict`: float64 if labels are scaled."""
    scaled = model.scaler is not None and model.scaler.labels
    return TensorProto.DOUBLE if scaled else graph.number


def add_head(graph: GraphBuilder, model: Network, states: str, name: str) -> str:
    """Add nodes from states ``(..., D·H)`` to outputs ``(..., L)`` in original units."""
    state = model.state_dict()
    product = graph.add("MatMul", states, graph.constant("head_weight", state["head.weight"].T))
    outputs = graph.add("Add", product, graph.constant("head_bias", state["head.bias"]))
    activation = model.applied_activation
    if activation == "silu":
        outputs = graph.add("Mul", outputs, graph.add("Sigmoid", outputs))
    elif activation == "leaky_relu" and graph.dtype == "float64":
        # The slope of the operator LeakyRelu is float32.
        slope = graph.constant("slope", 0.01)
        outputs = graph.add("Max", outputs, graph.add("Mul", outputs, slope))
    elif activation != "identity":
        attributes = _ATTRIBUTES.get(activation, {})
        outputs = graph.add(_OPERATORS[activation], outputs, **attributes)
    scaler = model.scaler
    if scaler is not None and scaler.labels:
        if graph.dtype != "float64":
            outputs = graph.add("Cast", outputs, to=TensorProto.DOUBLE)
        scale = graph.constant("label_scale", scaler.label_scale_, np.float64)
        shift = graph.constant("label_shift", scaler.label_shift_, np.float64)
        outputs = graph.add("Add", graph.add("Mul", outputs, scale), shift)
    return graph.add("Identity", outputs, name=name) if name else outputs


def add_mask(graph: GraphBuilder, features: str, lengths: str) -> str:
    """Return ``(batch, time, 1)``: whether a step belongs to its sequence."""
    shape = graph.add("Shape", features, start=1, end=2)
    steps = graph.add("Squeeze", shape, graph.integers(0))
    zero, one = graph.constant("zero", 0, np.int64), graph.constant("one_step", 1, np.int64)
    numbers = graph.add("Range", zero, steps, one)
    wide = graph.add("Cast", lengths, to=TensorProto.INT64)
    column = graph.add("Unsqueeze", wide, graph.integers(1))
    inside = graph.add("Less", numbers, column)
    return graph.add("Unsqueeze", inside, graph.integers(2))


def add_mean(graph: GraphBuilder, states: str, mask: str, lengths: str) -> str:
    """Return the mean ``(batch, D·H)`` of the states ``(time, batch, D·H)`` of each sequence."""
    by_sequence = graph.add("Transpose", states, perm=(1, 0, 2))
    zero = graph.constant("no_state", 0.0)
    own = graph.add("Where", mask, by_sequence, zero)
    # In double precision: runtimes add up step by step, and float32 would lose digits.
    wide = graph.add("Cast", own, to=TensorProto.DOUBLE)
    total = graph.add("ReduceSum", wide, graph.integers(1), keepdims=0)
    steps = graph.add("Cast", lengths, to=TensorProto.DOUBLE)
    mean = graph.add("Div", total, graph.add("Unsqueeze", steps, graph.integers(1)))
    return graph.add("Cast", mean, to=graph.number)
