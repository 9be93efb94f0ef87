"""Writes ONNX files in the shapes that exporters leave: `python tests/golden/onnx/make_files.py`.

Each is built node by node as an exporter writes it: weights in the order of the library that they
come from, cut and joined anew by nodes; shapes computed when the graph runs; initial states of
zeros made to measure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

HERE = Path(__file__).parent
INPUTS, HIDDEN, OUTPUTS = 3, 4, 2
Shape = tuple[Any, ...]


class File:
    """A graph in the making; nodes are named by numbers, as exporters do."""

    def __init__(self, opset: int, seed: int) -> None:
        self.opset, self.random = opset, np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.inputs: list[Any] = []

    def weight(self, name: str, *shape: int) -> str:
        """Add random weights, of few digits."""
        values = self.random.integers(-32, 33, shape) / np.float32(32)
        self.tensors.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def constant(self, values: Any, dtype: Any = np.int64) -> str:
        """Add a node Constant."""
        tensor = numpy_helper.from_array(np.array(values, dtype), "value")
        return self("Constant", value=tensor)

    def __call__(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        number = len(self.nodes)
        names = [f"v{number}_{place}" for place in range(outputs)]
        node = helper.make_node(op, inputs, names, f"/{op}_{number}", **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def input(self, name: str, shape: Shape, kind: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def squeeze(self, value: str, axis: int) -> str:
        """Squeeze as the opset has it: axes were an attribute before 13."""
        if self.opset < 13:
            return str(self("Squeeze", value, axes=[axis]))
        return str(self("Squeeze", value, self.constant([axis])))

    def unsqueeze(self, value: str, axis: int) -> str:
        if self.opset < 13:
            return str(self("Unsqueeze", value, axes=[axis]))
        return str(self("Unsqueeze", value, self.constant([axis])))

    def cut(self, value: str, begin: int, end: int, axis: int = 0) -> str:
        if self.opset < 10:
            return str(self("Slice", value, axes=[axis], starts=[begin], ends=[end]))
        places = (self.constant([one]) for one in (begin, end, axis))
        return str(self("Slice", value, *places))

    def save(self, name: str, output: str, shape: Shape) -> None:
        graph = helper.make_graph(
            self.nodes, name, self.inputs,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)], self.tensors,
        )  # fmt: skip
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=7 if self.opset < 15 else 9,
        )  # fmt: skip
        checker.check_model(model, full_check=True)
        save(model, HERE / f"{name}.onnx")


# As PyTorch writes them ------------------------------------------------------------------------


def torch_weights(f: File, layer: str, order: list[int], inputs: int) -> list[str]:
    """Return W, R and B made of PyTorch's weights: gates cut out, reordered and joined."""
    gates = len(order)
    made = []
    for kind, columns in (("weight_ih", (inputs,)), ("weight_hh", (HIDDEN,))):
        whole = f.weight(f"rnn.{kind}_{layer}", gates * HIDDEN, *columns)
        made.append(joined(f, whole, order))
    biases = []
    for kind in ("bias_ih", "bias_hh"):
        whole = f.weight(f"rnn.{kind}_{layer}", gates * HIDDEN)
        biases.append(joined(f, whole, order))
    bias = f("Concat", *biases, axis=0)
    return [f.unsqueeze(one, 0) for one in (*made, bias)]


def joined(f: File, whole: str, order: list[int]) -> str:
    parts = [f.cut(whole, HIDDEN * gate, HIDDEN * (gate + 1)) for gate in order]
    return parts[0] if len(parts) == 1 else str(f("Concat", *parts, axis=0))


def zero_states(f: File, x: str, count: int, batch_axis: int) -> str:
    """Return (count, batch, H) zeros, whose shape follows from that of the input."""
    batch = f("Gather", f("Shape", x), f.constant(batch_axis), axis=0)
    sizes = [f.constant([count]), f.unsqueeze(batch, 0), f.constant([HIDDEN])]
    zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    return str(f("ConstantOfShape", f("Concat", *sizes, axis=0), value=zero))


def torch_gru_stack() -> None:
    """Two layers of GRU, the last step, Gemm; constants are not folded."""
    f = File(17, 1)
    x = f.input("input", ("batch", "time", INPUTS))
    zeros = zero_states(f, x, 2, 0)
    states = f("Transpose", x, perm=[1, 0, 2])
    for layer, inputs in enumerate((INPUTS, HIDDEN)):
        weights = torch_weights(f, f"l{layer}", [1, 0, 2], inputs)
        initial = f.cut(zeros, layer, layer + 1)
        every, _ = f(
            "GRU", states, *weights, "", initial, outputs=2, hidden_size=HIDDEN,
            linear_before_reset=1,
        )  # fmt: skip
        states = f.squeeze(every, 1)
    last = f("Gather", f("Transpose", states, perm=[1, 0, 2]), f.constant(-1), axis=1)
    head = f.weight("fc.weight", OUTPUTS, HIDDEN), f.weight("fc.bias", OUTPUTS)
    y = f("Gemm", last, *head, alpha=1.0, beta=1.0, transB=1)
    f.save("torch_gru_stack", y, ("batch", OUTPUTS))


def torch_lstm_both_directions() -> None:
    """Two layers of LSTM in both directions, a linear layer on each step; batches of size 1."""
    f = File(13, 2)
    x = f.input("input", (1, "time", INPUTS))
    zeros = zero_states(f, x, 4, 0)
    states = f("Transpose", x, perm=[1, 0, 2])
    for layer, inputs in enumerate((INPUTS, 2 * HIDDEN)):
        both = [
            torch_weights(f, f"l{layer}{direction}", [0, 3, 1, 2], inputs)
            for direction in ("", "_reverse")
        ]
        weights = [f("Concat", *pair, axis=0) for pair in zip(*both, strict=True)]
        initial = f.cut(zeros, 2 * layer, 2 * layer + 2)
        every, _, _ = f(
            "LSTM", states, *weights, "", initial, initial, outputs=3, hidden_size=HIDDEN,
            direction="bidirectional",
        )  # fmt: skip
        swapped = f("Transpose", every, perm=[0, 2, 1, 3])
        states = f("Reshape", swapped, f.constant([0, 0, -1]))
    by_batch = f("Transpose", states, perm=[1, 0, 2])
    product = f("MatMul", by_batch, f.weight("onnx::MatMul_1", 2 * HIDDEN, OUTPUTS))
    y = f("Add", f.weight("fc.bias", OUTPUTS), product)
    f.save("torch_lstm_both_directions", y, (1, "time", OUTPUTS))


def torch_lengths() -> None:
    """A packed sequence: lengths as an input, the final states of both directions side by side."""
    f = File(16, 3)
    x = f.input("input", ("time", "batch", INPUTS))
    lengths = f("Cast", f.input("lengths", ("batch",), TensorProto.INT64), to=TensorProto.INT32)
    zeros = zero_states(f, x, 2, 1)
    both = [torch_weights(f, f"l0{one}", [1, 0, 2], INPUTS) for one in ("", "_reverse")]
    weights = [f("Concat", *pair, axis=0) for pair in zip(*both, strict=True)]
    _, final = f(
        "GRU", x, *weights, lengths, zeros, outputs=2, hidden_size=HIDDEN,
        direction="bidirectional", linear_before_reset=1,
    )  # fmt: skip
    ends = [f("Gather", final, f.constant(place), axis=0) for place in (-2, -1)]
    head = f.weight("fc.weight", OUTPUTS, 2 * HIDDEN), f.weight("fc.bias", OUTPUTS)
    logits = f("Gemm", f("Concat", *ends, axis=1), *head, transB=1)
    f.save("torch_lengths", f("Softmax", logits, axis=1), ("batch", OUTPUTS))


def torch_computed_shapes() -> None:
    """As the newer exporter merges directions: a shape is taken apart, multiplied and joined."""
    f = File(20, 4)
    x = f.input("x", ("s0", "s1", INPUTS))
    batch = f("Shape", x, start=0, end=1)
    shape = f("Concat", f.constant([1]), batch, f.constant([HIDDEN]), axis=0)
    zeros = f("Expand", f.constant(0.0, np.float32), shape)
    weights = torch_weights(f, "l0", [0], INPUTS)
    states = f("Transpose", x, perm=[1, 0, 2])
    every, _ = f(
        "RNN", states, *weights, "", zeros, outputs=2, hidden_size=HIDDEN, activations=["Relu"],
        layout=0,
    )  # fmt: skip
    swapped = f("Transpose", every, perm=[0, 2, 1, 3])
    sizes = f("Shape", swapped, start=0)
    parts = [f.cut(sizes, place, place + 1) for place in range(4)]
    width = f("Reshape", f("Mul", parts[2], parts[3]), f.constant([-1]))
    merged = f("Reshape", swapped, f("Concat", *parts[:2], width, axis=0), allowzero=0)
    mean = f("ReduceMean", f("Transpose", merged, perm=[1, 0, 2]), f.constant([1]), keepdims=0)
    head = f.weight("fc.weight", OUTPUTS, HIDDEN), f.weight("fc.bias", OUTPUTS)
    f.save("torch_computed_shapes", f("Gemm", mean, *head, transB=1), ("s0", OUTPUTS))


# As converters for Keras write them ------------------------------------------------------------


def keras_weights(f: File, name: str, order: list[int], inputs: int, biases: int) -> list[str]:
    """Return W, R and B made of Keras's kernels (I, G·H), whose gates are split and joined."""
    gates = len(order)
    made = []
    for kind, rows in (("kernel", inputs), ("recurrent_kernel", HIDDEN)):
        kernel = f.weight(f"{name}/{kind}", rows, gates * HIDDEN)
        made.append(f.unsqueeze(regrouped(f, f("Transpose", kernel, perm=[1, 0]), order), 0))
    halves = []
    for place in range(biases):
        row = f.weight(f"{name}/bias_{place}", gates * HIDDEN)
        halves.append(regrouped(f, row, order))
    if biases == 1:
        halves.append(f.constant(np.zeros(gates * HIDDEN), np.float32))
    return [*made, f.unsqueeze(f("Concat", *halves, axis=0), 0)]


def regrouped(f: File, whole: str, order: list[int]) -> str:
    if len(order) == 1:
        return whole
    attributes = {} if f.opset < 18 else {"num_outputs": len(order)}
    parts = f("Split", whole, outputs=len(order), axis=0, **attributes)
    return str(f("Concat", *(parts[gate] for gate in order), axis=0))


def keras_lstm_by_step() -> None:
    """Normalization, an LSTM of all steps, and a Dense layer on rows of all sequences at once."""
    f = File(13, 5)
    x = f.input("lstm_input", ("unk__1", "unk__2", INPUTS))
    mean, deviation = f.weight("normalization/Sub/y", 1, 1, INPUTS), np.array([[[0.5, 2.0, 1.5]]])
    scaled = f("Div", f("Sub", x, mean), f.constant(deviation, np.float32))
    zero = f("Expand", f.constant([[0.0]], np.float32), sizes_of_states(f, x))
    initial = f.unsqueeze(zero, 0)
    weights = keras_weights(f, "lstm", [0, 3, 1, 2], INPUTS, 1)
    every, _, _ = f(
        "LSTM", f("Transpose", scaled, perm=[1, 0, 2]), *weights, "", initial, initial,
        outputs=3, hidden_size=HIDDEN, direction="forward",
    )  # fmt: skip
    states = f("Transpose", f.squeeze(every, 1), perm=[1, 0, 2])
    rows = f("Reshape", states, f.constant([-1, HIDDEN]))
    product = f("MatMul", rows, f.weight("dense/kernel", HIDDEN, 1))
    shape = f("Shape", states)
    back = f("Concat", f.cut(shape, 0, 2), f.constant([1]), axis=0)
    y = f("Add", f("Reshape", product, back), f.weight("dense/bias", 1))
    f.save("keras_lstm_by_step", f("Sigmoid", y), ("unk__1", "unk__2", 1))


def sizes_of_states(f: File, x: str) -> str:
    """Return (batch, H) as it is computed when the graph runs."""
    batch = f("Cast", f.cut(f("Shape", x), 0, 1), to=TensorProto.INT32)
    sizes = f("Concat", batch, f.constant([HIDDEN], np.int32), axis=0)
    return str(f("Cast", sizes, to=TensorProto.INT64))


def keras_gru_reset_before() -> None:
    """A GRU whose reset gate acts before the product, its final state, and a Dense layer."""
    f = File(11, 6)
    x = f.input("gru_input", ("N", "T", INPUTS))
    weights = keras_weights(f, "gru", [0, 1, 2], INPUTS, 1)
    _, final = f(
        "GRU", f("Transpose", x, perm=[1, 0, 2]), *weights, outputs=2, hidden_size=HIDDEN,
        activations=["Sigmoid", "Tanh"], linear_before_reset=0,
    )  # fmt: skip
    product = f("MatMul", f.squeeze(final, 0), f.weight("dense/kernel", HIDDEN, OUTPUTS))
    y = f("Softmax", f("Add", product, f.weight("dense/bias", OUTPUTS)), axis=1)
    f.save("keras_gru_reset_before", y, ("N", OUTPUTS))


def keras_both_directions() -> None:
    """Bidirectional as two nodes, whose states are joined; on these a second such layer."""
    f = File(18, 7)
    x = f.input("input", ("N", "T", INPUTS))
    states = f("Transpose", x, perm=[1, 0, 2])
    for layer, inputs in enumerate((INPUTS, 2 * HIDDEN)):
        parts = []
        for direction in ("forward", "reverse"):
            weights = keras_weights(f, f"gru_{layer}/{direction}", [0, 1, 2], inputs, 2)
            every, _ = f(
                "GRU", states, *weights, outputs=2, hidden_size=HIDDEN, direction=direction,
                linear_before_reset=1,
            )  # fmt: skip
            parts.append(f.squeeze(every, 1))
        states = f("Concat", *parts, axis=-1)
    by_batch = f("Transpose", states, perm=[1, 0, 2])
    product = f("MatMul", by_batch, f.weight("dense/kernel", 2 * HIDDEN, OUTPUTS))
    y = f("Add", product, f.weight("dense/bias", OUTPUTS))
    f.save("keras_both_directions", y, ("N", "T", OUTPUTS))


def keras_simple_rnn() -> None:
    """SimpleRNN of old operators, both final states split by direction, outputs rescaled."""
    f = File(9, 8)
    x = f.input("input", ("N", 5, INPUTS))
    both = [keras_weights(f, f"rnn/{one}", [0], INPUTS, 1) for one in ("forward", "backward")]
    weights = [f("Concat", *pair, axis=0) for pair in zip(*both, strict=True)]
    _, final = f(
        "RNN", f("Transpose", x, perm=[1, 0, 2]), *weights, outputs=2, hidden_size=HIDDEN,
        direction="bidirectional", activations=["Tanh", "Tanh"],
    )  # fmt: skip
    ends = [f.squeeze(one, 0) for one in f("Split", final, outputs=2, axis=0)]
    product = f("MatMul", f("Concat", *ends, axis=1), f.weight("dense/kernel", 2 * HIDDEN, 1))
    y = f("Tanh", f("Add", product, f.weight("dense/bias", 1)))
    y = f("Add", f("Mul", y, f.constant(250.0, np.float32)), f.constant([1000.0], np.float32))
    f.save("keras_simple_rnn", y, ("N", 1))


def main() -> None:
    """Write all files."""
    for write in (
        torch_gru_stack, torch_lstm_both_directions, torch_lengths, torch_computed_shapes,
        keras_lstm_by_step, keras_gru_reset_before, keras_both_directions, keras_simple_rnn,
    ):  # fmt: skip
        write()


if __name__ == "__main__":
    main()
