"""Reads nodes that compute with a network's values: scaling, readout, head, sequence ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from rnn_rust.base.arrays import FloatArray
from rnn_rust.errors import ModelFileError
from rnn_rust.onnx.folding import axes_of, place_of
from rnn_rust.onnx.nodes import Node
from rnn_rust.onnx.recurrent import recurrent
from rnn_rust.onnx.values import (
    FEATURE,
    OUTPUT,
    PIECE,
    SEQUENCE,
    UNIT,
    Axed,
    Features,
    Filled,
    Lengths,
    Mask,
    Outputs,
    Size,
    States,
    Steps,
)

_ACTIVATIONS = {
    "Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus",
    "Softsign": "softsign", "Elu": "elu", "LeakyRelu": "leaky_relu", "Softmax": "softmax",
}  # fmt: skip
# The values of alpha with which an activation node can be represented.
_ALPHA = {"elu": 1.0, "leaky_relu": 0.01}
_SLOPE = 0.01


def cast(node: Node, inputs: list[Any]) -> Any:
    """Return the value in another type; nodes after outputs become float64 only scale them."""
    value, kind = inputs[0], node.attributes["to"]
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE)
    whole = (TensorProto.INT32, TensorProto.INT64)
    if kind not in floats and not (isinstance(value, Lengths) and kind in whole):
        raise node.refuse(f"it rounds, by type {kind}")
    if isinstance(value, Outputs) and kind == TensorProto.DOUBLE:
        return replace(value, linear=False)
    return value


# Features, outputs and numbers -----------------------------------------------------------------


def arithmetic(node: Node, inputs: list[Any]) -> Any:
    """Add, subtract, multiply or divide by constants: scaled features, biases, scaled outputs."""
    first, second = inputs
    if isinstance(first, Axed) and isinstance(second, Axed):
        return _of_two(node, first, second)
    value, number = (first, second) if isinstance(first, Axed) else (second, first)
    if not isinstance(value, Features | Outputs):
        raise node.refuse("it computes with states, or with what is not a number of the file")
    vector = _by_column(node, value, number)
    if value is second and node.op in ("Sub", "Div"):
        raise node.refuse("it subtracts, or divides by, what the network makes")
    with np.errstate(all="ignore"):
        if node.op in ("Add", "Sub"):
            return _plus(value, vector if node.op == "Add" else -vector)
        if node.op == "Div" and isinstance(value, Features):
            return replace(value, scale=value.scale * vector)
        return _times(value, vector if node.op == "Mul" else 1.0 / vector)


def _plus(value: Features | Outputs, vector: FloatArray) -> Features | Outputs:
    if isinstance(value, Features):
        return replace(value, shift=value.shift - vector * value.scale)
    if value.linear:
        return replace(value, bias=value.bias + vector)
    return replace(value, shift=value.shift + vector)


def _times(value: Features | Outputs, vector: FloatArray) -> Features | Outputs:
    if isinstance(value, Features):
        return replace(value, scale=value.scale / vector)
    return replace(value, scale=value.scale * vector, shift=value.shift * vector, linear=False)


def _by_column(node: Node, value: Axed, number: Any) -> FloatArray:
    """Return a constant as one number for each column, or one for all."""
    if isinstance(number, Filled):
        return np.full(1, number.number)
    if not isinstance(number, np.ndarray) or number.dtype.kind not in "iuf":
        raise node.refuse("it computes with what is not a number of the file")
    if number.ndim > len(value.axes):
        raise node.refuse(f"an array {number.shape} adds an axis")
    vector: FloatArray = number.reshape(-1).astype(np.float64)
    name = FEATURE if isinstance(value, Features) else OUTPUT
    by_column = number.ndim > 0 and number.shape[-1] == len(vector)
    size = value.sizes[name]
    by_column = by_column and value.axes[-1] == value.axis(name)
    if len(vector) != 1 and not (by_column and (isinstance(size, Size) or size == len(vector))):
        raise node.refuse(f"an array {number.shape} is not one number for each {name}")
    return vector


def _of_two(node: Node, first: Axed, second: Axed) -> Any:
    """Return silu for ``y · sigmoid(y)``, or the mean of states for their sum over lengths."""
    if node.op == "Mul" and isinstance(first, Outputs) and isinstance(second, Outputs):
        linear, gate = (first, second) if first.linear else (second, first)
        alike = linear.weight is gate.weight and linear.bias is gate.bias
        if alike and not gate.is_scaled and linear.linear and gate.activation == "sigmoid":
            return replace(linear, activation="silu", linear=False)
    if isinstance(first, States) and isinstance(second, Lengths) and node.op == "Div":
        own = second.name == first.pieces[0][0].lengths and _aligned(second, first)
        if first.readout != "sum" or not own:
            raise node.refuse("it divides something else than the sums of sequences by lengths")
        return replace(first, readout="mean")
    raise node.refuse("it computes with two values of the network")


def _aligned(lengths: Lengths, states: States) -> bool:
    """Whether the axis of lengths matches the sequences in states."""
    axes = ((),) * (len(states.axes) - len(lengths.axes)) + lengths.axes
    batch = states.pieces[0][0].batch
    return len(axes) == len(states.axes) and all(
        not axis or own == batch for axis, own in zip(axes, states.axes, strict=True)
    )


def larger(node: Node, inputs: list[Any]) -> Outputs:
    """Return leaky_relu for the larger of y and y times the slope."""
    for whole, part in (inputs[:2], inputs[1::-1]):
        if isinstance(whole, Outputs) and isinstance(part, Outputs) and len(inputs) == 2:
            alike = whole.linear and part.weight is whole.weight and part.bias is whole.bias
            plain = part.activation == "identity" and not part.shift.any()
            if alike and plain and (part.scale == _SLOPE).all():
                return replace(whole, activation="leaky_relu", linear=False)
    raise node.refuse("it cannot be represented")


# The head --------------------------------------------------------------------------------------


def _head(node: Node, states: Any, weight: Any, bias: Any = None) -> Outputs:
    """Return the outputs of a linear layer ``weight (L, D·H)`` on states."""
    if isinstance(states, Features):
        raise node.refuse(
            "a linear layer reads the features; only nodes RNN, GRU and LSTM may, and exporters "
            "that write each step by itself leave none"
        )
    if not isinstance(states, States):
        raise node.refuse("a linear layer reads something else than the states of a layer")
    if not isinstance(weight, np.ndarray) or weight.ndim != 2 or weight.dtype.kind != "f":
        raise node.refuse("its weights are no matrix of the file")
    if not np.isfinite(weight).all():
        raise node.refuse("its weights have values that are NaN or infinite")
    if states.axes[-1:] != (states.axis(PIECE, UNIT),) or 0 in weight.shape:
        raise node.refuse("it does not read all units of a layer side by side")
    if weight.shape[1] != int(states.sizes[PIECE] * states.sizes[UNIT]):  # type: ignore[arg-type]
        raise node.refuse(f"it takes {weight.shape[1]} states, and a layer has others")
    outputs = Outputs(
        states=states, weight=weight.astype(np.float64), bias=np.zeros(len(weight)),
        sizes={**states.sizes, OUTPUT: len(weight)}, axes=(),
    )  # fmt: skip
    outputs = outputs.with_axes((*states.axes[:-1], outputs.axis(OUTPUT)))
    if bias is not None:
        outputs = replace(outputs, bias=outputs.bias + _by_column(node, outputs, bias))
    return outputs


def product(node: Node, inputs: list[Any]) -> Outputs:
    """Return the outputs of a linear layer without bias on states."""
    weight = inputs[1].T if isinstance(inputs[1], np.ndarray) else inputs[1]
    return _head(node, inputs[0], weight)


def gemm(node: Node, inputs: list[Any]) -> Outputs:
    """Return the outputs of a linear layer on final states."""
    attributes = node.attributes
    if attributes.get("transA"):
        raise node.refuse("transA=1 cannot be represented")
    weight = inputs[1]
    if isinstance(weight, np.ndarray):
        weight = weight if attributes.get("transB") else weight.T
        weight = weight * np.float32(attributes.get("alpha", 1.0))
    bias = inputs[2] if len(inputs) > 2 else None
    if isinstance(bias, np.ndarray):
        bias = bias * np.float32(attributes.get("beta", 1.0))
    return _head(node, inputs[0], weight, bias)


def whole_head(states: States) -> Outputs:
    """Return the states as outputs, through a head with the identity matrix."""
    width = int(states.sizes[PIECE] * states.sizes[UNIT])  # type: ignore[arg-type]
    outputs = Outputs(
        states=states, weight=np.eye(width), bias=np.zeros(width), axes=(),
        sizes={**states.sizes, OUTPUT: width},
    )  # fmt: skip
    merged = states.axis(PIECE, UNIT)
    names = [name for axis in states.axes for name in axis if name not in (PIECE, UNIT)]
    own = tuple(name for axis in states.axes for name in axis if name in (PIECE, UNIT))
    if own != merged:
        raise ModelFileError("the output of the graph has the units of a layer in another order")
    return outputs.with_axes((*((name,) for name in names), outputs.axis(OUTPUT)))


def activation(node: Node, inputs: list[Any]) -> Outputs:
    """Return outputs with their activation applied."""
    outputs = inputs[0]
    name = _ACTIVATIONS[node.op]
    if not isinstance(outputs, Outputs) or not outputs.linear:
        raise node.refuse("an activation stands elsewhere than after the linear head")
    if name == "softmax":
        usual_axis = -1 if node.opset >= 13 else 1
        place = place_of(node, node.attributes.get("axis", usual_axis), len(outputs.axes))
        if place != len(outputs.axes) - 1 or outputs.axes[-1] != (OUTPUT,):
            raise node.refuse("softmax is not taken over the outputs")
    usual = _ALPHA.get(name)
    alpha = node.attributes.get("alpha", usual)
    if usual is not None and np.float32(alpha) != np.float32(usual):
        raise node.refuse(f"alpha={alpha:g} cannot be represented; {name!r} has {usual:g}")
    return replace(outputs, activation=name, linear=False)


# Readouts and ends of sequences ----------------------------------------------------------------


def reduce(node: Node, inputs: list[Any]) -> States:
    """Return the mean of states over time, or their sum, to be divided by the lengths later."""
    states = inputs[0]
    if not isinstance(states, States) or states.readout != "each_step":
        raise node.refuse("it reduces something else than the states of all steps")
    places = axes_of(node, inputs, len(states.axes))
    time = states.pieces[0][0].time
    if not places or len(places) != 1 or states.axes[places[0]] != time:
        raise node.refuse("it reduces another axis than time")
    ends = states.pieces[0][0].lengths
    if ends and node.op == "ReduceMean":
        raise node.refuse("it takes the mean of all steps, and sequences end by their lengths")
    keep = node.attributes.get("keepdims", 1)
    axes = [*states.axes[: places[0]], *[()] * bool(keep), *states.axes[places[0] + 1 :]]
    readout: Any = "mean" if node.op == "ReduceMean" else "sum"
    return replace(states, readout=readout, axes=tuple(axes))


def count(node: Node, inputs: list[Any]) -> Steps:
    """Return the step numbers: a range from 0 to the size of an axis of the input."""
    begin, end, step = (np.asarray(one).reshape(-1) for one in inputs)
    size = end[0] if end.dtype == object else None
    if begin[0] != 0 or step[0] != 1 or not isinstance(size, Size) or len(size.names) != 1:
        raise node.refuse("it counts something else than steps")
    return Steps(axes=(size.names,), sizes={size.names[0]: size})


def less(node: Node, inputs: list[Any]) -> Mask:
    """Return which steps lie within the lengths."""
    steps, lengths = inputs
    if not isinstance(steps, Steps) or not isinstance(lengths, Lengths):
        raise node.refuse("it compares something else than steps with lengths")
    rank = max(len(steps.axes), len(lengths.axes))
    padded = [((),) * (rank - len(one.axes)) + one.axes for one in (steps, lengths)]
    if any(first and second for first, second in zip(*padded, strict=True)):
        raise node.refuse("it compares something else than steps with lengths")
    axes = tuple(first or second for first, second in zip(*padded, strict=True))
    return Mask(axes=axes, sizes={**lengths.sizes, **steps.sizes}, name=lengths.name)


def where(node: Node, inputs: list[Any]) -> Any:
    """Return a value that is set to 0 after the end of each sequence."""
    mask, value, other = inputs
    zero = isinstance(other, np.ndarray) and other.dtype != object and not other.any()
    if not isinstance(mask, Mask) or not isinstance(value, States | Outputs) or not zero:
        raise node.refuse("it chooses by something else than lengths")
    states = value.states if isinstance(value, Outputs) else value
    layer = states.pieces[0][0]
    own = all(
        not axis or axis == other or (axis == (SEQUENCE,) and other == layer.batch)
        for axis, other in zip(mask.axes, value.axes, strict=True)
    )
    if not own or layer.lengths != mask.name or states.readout != "each_step":
        raise node.refuse("it chooses by lengths that are not those of the layers")
    return value


COMPUTES = {
    "Cast": cast, "Add": arithmetic, "Sub": arithmetic, "Mul": arithmetic, "Div": arithmetic,
    "Max": larger, "MatMul": product, "Gemm": gemm, "ReduceMean": reduce, "ReduceSum": reduce,
    "Range": count, "Less": less, "Where": where, "RNN": recurrent, "GRU": recurrent,
    "LSTM": recurrent, **dict.fromkeys(_ACTIVATIONS, activation),
}  # fmt: skip
"""Functions for operators that compute with values of the network."""
