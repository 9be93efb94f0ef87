"""Builds a graph node by node, and makes a model from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from rnn_rust import _core
from rnn_rust.errors import ParameterError

# Versions that runtimes from two years ago can read.
OPSET = 22
IR_VERSION = 10

_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


class GraphBuilder:
    """Collects the nodes, constants, inputs and outputs of a graph.

    Parameters
    ----------
    dtype
        ``"float32"`` or ``"float64"``: the type of features, weights and states.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.number = _TYPES[dtype]
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._names: set[str] = set()

    def add(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Append a node with one output; return the output's name."""
        return self.add_many(op, *inputs, names=(name or self._new_name(op),), **attributes)[0]

    def add_many(
        self, op: str, *inputs: str, names: tuple[str, ...], **attributes: Any
    ) -> tuple[str, ...]:
        """Append a node with outputs of these names; return the names."""
        self._names.update(names)
        node = helper.make_node(op, inputs, names, name=names[0] or names[-1], **attributes)
        self._nodes.append(node)
        return names

    def constant(self, name: str, values: ArrayLike, dtype: Any = None) -> str:
        """Add a constant, by default of the graph's dtype; return its name.

        Raises
        ------
        ParameterError
            A number is too large for the type.
        """
        with np.errstate(over="ignore"):
            array = np.asarray(values, dtype or self.dtype)
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise ParameterError(f"{name} has numbers too large for {array.dtype}")
        name = self._new_name(name)
        self._constants[name] = array
        return name

    def integers(self, *values: int) -> str:
        """Add a vector of integers, such as axes or a shape; equal vectors are shared."""
        name = "integers_" + "_".join(str(value).replace("-", "minus") for value in values)
        self._names.add(name)
        self._constants[name] = np.array(values, np.int64)
        return name

    def input(self, name: str, shape: tuple[int | str, ...], kind: int, about: str) -> str:
        """Declare an input of the graph; a name in its shape stands for any size."""
        self._names.add(name)
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape, about))
        return name

    def output(self, name: str, shape: tuple[int | str, ...], kind: int, about: str) -> None:
        """Declare an output of the graph; a node must have an output with this name."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape, about))

    def model(self, name: str, about: str, metadata: Mapping[str, Any]) -> ModelProto:
        """Return the finished model, which has passed onnx's checker.

        ``metadata`` has values for JSON.
        """
        constants = [numpy_helper.from_array(one, key) for key, one in self._constants.items()]
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
            producer_name="rnn_rust", producer_version=_core.__version__, doc_string=about,
        )  # fmt: skip
        helper.set_model_props(
            model, {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
        )
        checker.check_model(model, full_check=True)
        return model

    def _new_name(self, wanted: str) -> str:
        wanted = wanted.lower()
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name
