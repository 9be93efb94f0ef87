"""Reads ONNX files: follows a graph node by node from its input to its output."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, ValueInfoProto, numpy_helper

from rnn_rust.errors import ModelFileError
from rnn_rust.onnx.folding import as_constant, elements_of, fold
from rnn_rust.onnx.heads import COMPUTES, whole_head
from rnn_rust.onnx.layers import GATES
from rnn_rust.onnx.moves import MOVES
from rnn_rust.onnx.nodes import Node
from rnn_rust.onnx.values import (
    FEATURE,
    SEQUENCE,
    Axed,
    Features,
    Lengths,
    Outputs,
    Part,
    Size,
    States,
)
from rnn_rust.storage.model_file import check_readable

_log = logging.getLogger("rnn_rust")

# Exceptions that the libraries raise for damaged files.
_DAMAGE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RuntimeError,
    MemoryError, OSError, ArithmeticError,
)  # fmt: skip


@dataclass(frozen=True)
class Read:
    """The contents of a file.

    Attributes
    ----------
    outputs
        The output of the graph, with everything that leads to it.
    metadata
        The metadata entries, which are JSON.
    """

    outputs: Outputs
    metadata: dict[str, Any]


def read_graph(path: str | os.PathLike[str]) -> Read:
    """Return the contents of a file.

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It cannot be read, is not an ONNX file or is damaged, or a node cannot be represented.
    """
    check_readable(path)
    try:
        model = onnx.load(path)
    except OSError as error:
        raise ModelFileError(f"cannot read the model {path}: {error}") from error
    except (DecodeError, onnx.checker.ValidationError, *_DAMAGE) as error:
        raise ModelFileError(
            f"{path}: this is not an ONNX file, or it is damaged ({error})"
        ) from error
    try:
        return _read(model, Path(path).stat().st_size)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise ModelFileError(f"{path}: the file is damaged ({error})") from error


def _read(model: ModelProto, size: int) -> Read:
    opset = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")),
                default=0)  # fmt: skip
    if not opset or not model.graph.node:
        raise ModelFileError("this is not an ONNX file, or it is damaged (it has no graph)")
    reader, metadata = _Reader(model.graph, opset, size), _metadata(model)
    try:
        return Read(reader.outputs(), metadata)
    except ModelFileError as error:
        if encoded := _encoded(model, metadata):
            raise ModelFileError(
                f"this file of rnn_rust {' and '.join(encoded)}, which cannot be read back from "
                "ONNX; load the model's own file, which save() writes"
            ) from error
        raise


def _encoded(model: ModelProto, metadata: dict[str, Any]) -> list[str]:
    """Return what a graph written by this package does with features besides scaling."""
    operators = {node.op_type for node in model.graph.node}
    found = {
        "fills gaps": model.producer_name == "rnn_rust" and bool(operators & {"IsNaN", "Scan"}),
        "has categories": "categories" in metadata,
        "has static features": "static_names" in metadata,
    }
    return [what for what, there in found.items() if there]


class _Reader:
    """Computes the values of a graph that its output needs."""

    def __init__(self, graph: GraphProto, opset: int, size: int) -> None:
        self._graph, self._opset = graph, opset
        # How much memory constants that the graph computes may still take.
        self._left = 2 * size + 2**16
        names = {one.name for one in graph.initializer}
        self._values: dict[str, Any] = {"": None}
        for info in graph.input:
            if info.name not in names:
                self._values[info.name] = _input(info)
        self._tensors = {one.name: one for one in graph.initializer}

    def outputs(self) -> Outputs:
        """Return the first output of the graph."""
        name = self._graph.output[0].name
        for proto in self._needed(name):
            self._take(Node(proto, self._opset))
        value = self._values.get(name)
        if isinstance(value, States):
            value = whole_head(value)
        if not isinstance(value, Outputs):
            raise ModelFileError(f"output '{name}' is not that of a recurrent network")
        return value

    def _needed(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that an output depends on, in the graph's order."""
        wanted, found = {name}, []
        for proto in reversed(self._graph.node):
            if wanted.intersection(proto.output):
                wanted.update(proto.input)
                found.append(proto)
        return found[::-1]

    def _take(self, node: Node) -> None:
        try:
            results = self._results(node, [self._value(node, name) for name in node.inputs])
        except ModelFileError:
            raise
        except _DAMAGE as error:
            raise node.refuse(f"it cannot be read ({error})") from error
        results = results if isinstance(results, tuple) else (results,)
        self._values.update(zip(node.outputs, results, strict=False))
        self._values[""] = None

    def _value(self, node: Node, name: str) -> Any:
        if name not in self._values:
            if name not in self._tensors:
                raise node.refuse(f"nothing before it makes its input '{name}'")
            self._values[name] = as_constant(numpy_helper.to_array(self._tensors[name]))
        return self._values[name]

    def _results(self, node: Node, inputs: list[Any]) -> Any:
        if node.op in ("ConstantOfShape", "Expand") and not isinstance(inputs[0], Axed):
            return fold(node, inputs)
        rule: Callable[[Node, list[Any]], Any] | None
        if node.op in (*GATES, "Range"):
            rule = COMPUTES[node.op]
        elif any(isinstance(one, Axed) for one in inputs):
            rule = MOVES.get(node.op) or COMPUTES.get(node.op)
        elif any(isinstance(one, Part) for one in inputs):
            rule = _of_part if node.op in MOVES else None
        else:
            self._left -= 8 * elements_of(node, inputs)
            if self._left < 0:
                raise node.refuse("the constants it computes are larger than the file explains")
            return fold(node, inputs)
        if rule is None:
            raise node.refuse("an operator that no model of this package has")
        return rule(node, inputs)


def _of_part(node: Node, inputs: list[Any]) -> Any:
    """Return the part itself, as its shape does not matter."""
    if not isinstance(inputs[0], Part):
        raise node.refuse("it joins an input with something else")
    names = [one.inputs for one in inputs if isinstance(one, Part)]
    return (Part(node.name, frozenset().union(*names)),) * len(node.outputs)


def _input(info: ValueInfoProto) -> Any:
    """Return what an input is, inferred from its type and shape."""
    tensor = info.type.tensor_type
    sizes: dict[str, int | Size] = {}
    names = []
    dims = tensor.shape.dim
    for place, dim in enumerate(dims):
        last = place == len(dims) - 1
        name = f"axis {place} of {info.name}"
        if tensor.elem_type not in _FLOATS:
            name = SEQUENCE
        elif last:
            name = FEATURE
        known = dim.dim_value > 0
        sizes[name] = dim.dim_value if known else Size((name,))
        names.append(() if sizes[name] == 1 else (name,))
    if tensor.elem_type in _FLOATS and names:
        return Features(name=info.name, axes=tuple(names), sizes=sizes)
    if tensor.elem_type in (onnx.TensorProto.INT32, onnx.TensorProto.INT64) and len(names) == 1:
        return Lengths(name=info.name, axes=tuple(names), sizes=sizes)
    return Part(f"the input '{info.name}'", frozenset({info.name}))


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)


def _metadata(model: ModelProto) -> dict[str, Any]:
    """Return the metadata, if this package wrote the file."""
    if model.producer_name != "rnn_rust":
        return {}
    found = {}
    for entry in model.metadata_props:
        try:
            found[entry.key] = json.loads(entry.value)
        except (ValueError, RecursionError) as error:
            raise ModelFileError(f"metadata '{entry.key}' is damaged: {error}") from error
    return found
