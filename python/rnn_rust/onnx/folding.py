"""Computes constants in a graph, which exporters often leave to be reordered, cut or joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from rnn_rust.onnx.nodes import Node
from rnn_rust.onnx.values import Constant, Filled

Fold = Callable[[Node, list[Any]], Any]


def as_constant(numbers: Any) -> Constant:
    """Return numbers as an array; types that NumPy does not have (bfloat16, ...) as float32."""
    array: Constant = np.asarray(numbers)
    return array if array.dtype.kind in "biufO" else array.astype(np.float32)


def constant(node: Node, _: list[Any]) -> Any:
    """Return the value of a node Constant."""
    (key, value), *_ = node.attributes.items()
    if key == "value":
        return as_constant(numpy_helper.to_array(value))
    kinds = {"float": np.float32, "int": np.int64}
    kind = key.removeprefix("value_").removesuffix("s")
    if kind not in kinds:
        raise node.refuse(f"a constant of {key!r} is none of numbers")
    return np.array(value, kinds[kind])


def constant_of_shape(node: Node, _: list[Any]) -> Filled:
    """Return the number that fills an array of any shape."""
    value = node.attributes.get("value")
    return Filled(0.0 if value is None else float(numpy_helper.to_array(value).item()))


def expand(node: Node, inputs: list[Any]) -> Filled:
    """Return the number that fills a shape; an array of several numbers is refused."""
    array = inputs[0]
    if isinstance(array, Filled):
        return array
    if array.size == 0 or (array != array.flat[0]).any():
        raise node.refuse("it expands an array of different numbers")
    return Filled(float(array.flat[0]))


def axes_of(node: Node, inputs: list[Any], rank: int, *, where: int = 1) -> list[int] | None:
    """Return axes from an attribute or an input, counted from 0; None if there are none."""
    axes = node.attributes.get("axes")
    if axes is None:
        given = inputs[where] if len(inputs) > where else None
        if given is None:
            return None
        axes = np.asarray(given).reshape(-1).tolist()
    return [place_of(node, int(axis), rank) for axis in axes]


def place_of(node: Node, axis: int, rank: int) -> int:
    """Return an axis counted from 0."""
    if not -rank <= axis < rank:
        raise node.refuse(f"it has no axis {axis} of {rank}")
    return axis % rank


def slices_of(node: Node, inputs: list[Any], rank: int) -> dict[int, slice]:
    """Return the slice that a node Slice takes from each axis that it cuts."""
    attributes = node.attributes
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes"), None
    else:
        given = [None if one is None else np.asarray(one).reshape(-1) for one in inputs[1:5]]
        if any(one is not None and one.dtype == object for one in given):
            raise node.refuse("it cuts where the sizes of the input say")
        rest: list[Any] = [None if one is None else one.tolist() for one in given]
        starts, ends, axes, steps = (*rest, None, None)[:4]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    places = [place_of(node, int(axis), rank) for axis in axes]
    cuts = {}
    for place, start, end, step in zip(places, starts, ends, steps, strict=True):
        if step != 1:
            raise node.refuse(f"it takes every {step}th element")
        cuts[place] = slice(int(start), int(end))
    return cuts


def _identity(_: Node, inputs: list[Any]) -> Any:
    return inputs[0]


def _cast(node: Node, inputs: list[Any]) -> Any:
    array = inputs[0]
    if isinstance(array, Filled) or array.dtype == object:
        return array
    kind = node.attributes["to"]
    known = kind in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64)
    if not known and kind != TensorProto.FLOAT16:
        raise node.refuse(f"constants are not converted to type {kind}")
    return array.astype(helper.tensor_dtype_to_np_dtype(kind))


def _transpose(node: Node, inputs: list[Any]) -> Any:
    return np.transpose(inputs[0], node.attributes.get("perm"))


def _reshape(node: Node, inputs: list[Any]) -> Any:
    array, target = inputs[0], [int(size) for size in np.asarray(inputs[1]).reshape(-1)]
    if not node.attributes.get("allowzero"):
        target = [array.shape[n] if size == 0 else size for n, size in enumerate(target)]
    return array.reshape(target)


def _squeeze(node: Node, inputs: list[Any]) -> Any:
    axes = axes_of(node, inputs, inputs[0].ndim)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _unsqueeze(node: Node, inputs: list[Any]) -> Any:
    count = len(node.attributes.get("axes", ())) or np.size(inputs[1])
    axes = axes_of(node, inputs, inputs[0].ndim + count)
    return np.expand_dims(inputs[0], tuple(axes or ()))


def _concat(node: Node, inputs: list[Any]) -> Any:
    return np.concatenate(inputs, node.attributes["axis"])


def _slice(node: Node, inputs: list[Any]) -> Any:
    array = inputs[0]
    cuts = slices_of(node, inputs, array.ndim)
    return array[tuple(cuts.get(axis, slice(None)) for axis in range(array.ndim))]


def _gather(node: Node, inputs: list[Any]) -> Any:
    return np.take(inputs[0], inputs[1].astype(np.int64), node.attributes.get("axis", 0))


def _split(node: Node, inputs: list[Any]) -> Any:
    array = inputs[0]
    axis = place_of(node, node.attributes.get("axis", 0), array.ndim)
    ends = np.cumsum(split_sizes(node, inputs, array.shape[axis]))
    return tuple(np.split(array, ends[:-1], axis))


def split_sizes(node: Node, inputs: list[Any], whole: int) -> list[int]:
    """Return how many elements each output of a node Split has."""
    sizes = node.attributes.get("split")
    if sizes is None and len(inputs) > 1 and inputs[1] is not None:
        sizes = inputs[1].tolist()
    count = len(node.outputs)
    if sizes is None:
        each = -(-whole // count)
        sizes = [min(each, max(whole - each * number, 0)) for number in range(count)]
    if sum(sizes) != whole or len(sizes) != count or min(sizes) < 0:
        raise node.refuse(f"parts of {list(sizes)} are not the whole of {whole}")
    return [int(size) for size in sizes]


def _product(node: Node, inputs: list[Any]) -> Any:
    array = inputs[0]
    axes = axes_of(node, inputs, array.ndim)
    keep = bool(node.attributes.get("keepdims", 1))
    return np.prod(array, axis=None if axes is None else tuple(axes), keepdims=keep)


def _binary(ufunc: Callable[[Any, Any], Any]) -> Fold:
    def fold(node: Node, inputs: list[Any]) -> Any:
        first, second = inputs
        with np.errstate(all="ignore"):
            return ufunc(first, second)

    return fold


def _divide(first: Any, second: Any) -> Any:
    if first.dtype.kind in "iu":
        return first // second
    return first / second


FOLDS: dict[str, Fold] = {
    "Constant": constant, "Identity": _identity, "Cast": _cast, "Transpose": _transpose,
    "Reshape": _reshape, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Concat": _concat,
    "Slice": _slice, "Gather": _gather, "Split": _split, "ReduceProd": _product,
    "Add": _binary(np.add), "Sub": _binary(np.subtract), "Mul": _binary(np.multiply),
    "Div": _binary(_divide), "Neg": lambda _, inputs: -inputs[0],
}  # fmt: skip
"""Functions that compute constants from constants, by operator."""

# Operators that keep an array filled with one number filled with the same number.
_KEEP_FILLED = {
    "Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Slice", "Gather", "Expand",
}  # fmt: skip


def elements_of(node: Node, inputs: list[Any]) -> int:
    """Return how many elements a result may have, unless it is a view of an input."""
    sizes = [one.size for one in inputs if isinstance(one, np.ndarray)]
    if node.op in ("Add", "Sub", "Mul", "Div"):
        shapes = [one.shape for one in inputs]
        return int(np.prod([int(one) for one in np.broadcast_shapes(*shapes)], dtype=object))
    if node.op == "Concat":
        return sum(sizes)
    if node.op == "Gather":
        array, places = inputs
        length = array.shape[node.attributes.get("axis", 0)]
        return int(array.size // max(length, 1) * places.size)
    return sizes[0] if node.op in ("Cast", "Reshape", "Neg") and sizes else 0


def fold(node: Node, inputs: list[Any]) -> Any:
    """Return a node's result on constants: a constant, or a tuple with one for each output."""
    if node.op == "ConstantOfShape":
        return constant_of_shape(node, inputs)
    if node.op == "Expand":
        return expand(node, inputs)
    filled = [one for one in inputs if isinstance(one, Filled)]
    if filled:
        if node.op == "Split":
            return (filled[0],) * len(node.outputs)
        same = len({one.number for one in filled}) == 1
        joins = node.op == "Concat" and len(filled) == len(inputs)
        if not (same and (joins or (node.op in _KEEP_FILLED and inputs[0] is filled[0]))):
            raise node.refuse("it computes with a constant of a size that is not known")
        return filled[0]
    if node.op not in FOLDS:
        raise node.refuse("constants of this operator are not computed")
    folded = FOLDS[node.op](node, inputs)
    # A single element of an array of objects is not an array.
    return folded if isinstance(folded, tuple) else np.asarray(folded)
