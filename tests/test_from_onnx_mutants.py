"""Files of other exporters, changed: what is still read is what onnx.reference computes.

A runtime may crash on such files; the reference is Python.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_runs import RNN
from test_from_onnx import FOREIGN, GOLDEN

import rnn_rust
from rnn_rust.errors import ModelFileError
from rnn_rust.onnx.read import read_graph
from rnn_rust.onnx.values import OUTPUT

# Of each file.
MUTANTS = 40
BATCH, TIME, INPUTS = 2, 5, 3
# Operators that take each other's place.
ALIKE = [
    ("Add", "Sub", "Mul", "Div"), ("Tanh", "Relu", "Sigmoid", "Softplus", "Softmax", "Neg"),
    ("ReduceMean", "ReduceSum", "ReduceMax"),
]  # fmt: skip


def change(model: Any, random: np.random.Generator) -> None:
    """Change one thing in a graph."""
    graph = model.graph
    node = graph.node[random.integers(len(graph.node))]
    kind = random.integers(6)
    if kind == 0:
        change_attribute(node, random)
    elif kind == 1:
        constants = [one for one in graph.node if one.op_type == "Constant"]
        tensor = constants[random.integers(len(constants))].attribute[0].t
        values = numpy_helper.to_array(tensor).copy()
        if values.dtype.kind == "i":
            values.flat[random.integers(values.size)] = random.integers(-3, 6)
            tensor.CopyFrom(numpy_helper.from_array(values))
    elif kind == 2 and node.input:
        leave_out(graph, node)
    elif kind == 3 and len(node.input) > 1:
        first, second = random.integers(0, len(node.input), 2)
        node.input[first], node.input[second] = node.input[second], node.input[first]
    elif kind == 4:
        for group in ALIKE:
            if node.op_type in group:
                node.op_type = group[random.integers(len(group))]
    elif len(node.output) > 1:
        # One output where the other was read.
        first, second = node.output[:2]
        for other in graph.node:
            for place, name in enumerate(other.input):
                if name in (first, second):
                    other.input[place] = second if name == first else first


def change_attribute(node: Any, random: np.random.Generator) -> None:
    if not node.attribute:
        return
    attribute = node.attribute[random.integers(len(node.attribute))]
    if attribute.type == onnx.AttributeProto.INTS:
        order = random.permutation(list(attribute.ints)).tolist()
        attribute.ClearField("ints")
        attribute.ints.extend(order)
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = int(random.integers(-3, 4))
    elif attribute.name == "direction":
        attribute.s = [b"forward", b"reverse", b"bidirectional"][random.integers(3)]


def leave_out(graph: Any, node: Any) -> None:
    """Let what reads a node's first output read its first input."""
    for other in graph.node:
        for place, name in enumerate(other.input):
            if name == node.output[0]:
                other.input[place] = node.input[0]
    if graph.output[0].name == node.output[0]:
        graph.output[0].name = node.input[0]


def predicted(path: Path, inputs: dict[str, Any], shape: tuple[int, ...]) -> Any:
    """Return a model's predictions in the shape of the graph's output, as the reader sees axes."""
    model = rnn_rust.from_onnx(path)
    outputs = read_graph(path).outputs
    layer = outputs.states.pieces[0][0]
    x = next(iter(inputs.values()))
    places = [int(one[0].split()[1]) if one else None for one in (layer.batch, layer.time)]
    rest = [place for place in (0, 1) if place not in places]
    order = [place if place is not None else rest.pop() for place in places]
    sequences = list(x.transpose(*order, 2))
    if "lengths" in inputs:
        sequences = [one[:length] for one, length in zip(sequences, inputs["lengths"], strict=True)]
    found = np.asarray(model.predict(sequences))
    names = [layer.batch, layer.time, outputs.axis(OUTPUT)]
    if found.ndim == 2:
        del names[1]
    wanted = [name for axis in outputs.axes for name in axis]
    found = found.reshape([size for size, name in zip(found.shape, names, strict=True) if name])
    names = [name for name in names if name]
    return found.transpose([names.index((one,)) for one in wanted]).reshape(shape)


def both(path: Path, random: np.random.Generator) -> tuple[str, Any, Any]:
    """Return what became of a file; and what onnx.reference and we say, if both do."""
    try:
        model = onnx.load(path)
        runs = ReferenceEvaluator(model, new_ops=[RNN])
        first, *further = [one.name for one in model.graph.input]
        sizes = [BATCH, TIME, INPUTS]
        if path.stem == "torch_lengths":
            sizes = [TIME, BATCH, INPUTS]
        elif model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1:
            sizes[0] = 1
        # The reference takes all sequences to be equally long.
        inputs = {first: random.normal(size=sizes).astype(np.float32)}
        inputs |= {name: np.full(BATCH, TIME) for name in further}
        (outputs,) = runs.run(None, inputs)
    except Exception:
        return "does not run", None, None
    try:
        return "both", outputs, predicted(path, inputs, outputs.shape)
    except ModelFileError:
        return "refused", None, None


def test_nothing_is_read_as_something_else(tmp_path: Path) -> None:
    counts = Counter[str]()
    for name in FOREIGN:
        path = tmp_path / f"{name}.onnx"
        for seed in range(MUTANTS):
            random = np.random.default_rng(seed)
            model = onnx.load(GOLDEN / f"{name}.onnx")
            change(model, random)
            onnx.save(model, path)
            found, outputs, own = both(path, random)
            counts[found] += 1
            if outputs is not None and np.isfinite(outputs).all():
                np.testing.assert_allclose(
                    own, outputs, rtol=1e-4, atol=1e-5, err_msg=f"{name}, {seed}"
                )
    assert counts["both"] > MUTANTS
