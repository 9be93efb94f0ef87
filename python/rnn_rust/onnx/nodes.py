"""A node of a graph to read: its attributes, and errors that name it."""

from __future__ import annotations

from typing import Any

from onnx import NodeProto, helper

from rnn_rust.errors import ModelFileError


class Node:
    """A node with attributes as a dict.

    Attributes
    ----------
    op
        The operator, with its domain if that is not ONNX's own.
    inputs, outputs
        Names of values; empty if one is left out.
    attributes
        Values by name; text as str.
    opset
        The file's version of ONNX's operators.
    """

    def __init__(self, proto: NodeProto, opset: int) -> None:
        own = proto.domain in ("", "ai.onnx")
        self.op = proto.op_type if own else f"{proto.domain}.{proto.op_type}"
        self.inputs = list(proto.input)
        self.outputs = list(proto.output)
        self.name = f"node '{proto.name or ', '.join(proto.output)}' ({self.op})"
        self.opset = opset
        self._proto = proto

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        found = {}
        for attribute in self._proto.attribute:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, bytes):
                value = value.decode()
            elif isinstance(value, list) and value and isinstance(value[0], bytes):
                value = [one.decode() for one in value]
            found[attribute.name] = value
        return found

    def refuse(self, why: str) -> ModelFileError:
        """Return an error: no model of this package can represent the node."""
        return ModelFileError(f"{self.name}: {why}")
