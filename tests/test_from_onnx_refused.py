"""What no model can represent is refused, and the node named that does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_runs import assert_close, session

import rnn_rust
from rnn_rust import GRU, LSTM
from rnn_rust.errors import ModelFileError

# The weights that graphs here may have, with 3 features and 4 units.
SHAPES: dict[str, tuple[int, ...]] = {
    "W": (1, 4, 3), "R": (1, 4, 4), "B": (1, 8), "W2": (2, 4, 3), "R2": (2, 4, 4),
    "Wl": (1, 16, 3), "Rl": (1, 16, 4), "P": (1, 12), "Wg": (1, 12, 3), "Rg": (1, 12, 4),
    "Up": (1, 4, 4), "Upg": (1, 12, 4), "V": (4, 2), "V2": (8, 2), "V3": (2, 2), "c": (2,),
    "h0": (1, 1, 4), "s": (3,), "t": (3,), "K": (1, 3, 2), "by_step": (5, 1, 2),
    "wide": (1, 1, 1, 1),
}  # fmt: skip
# What a graph does unless a test says otherwise.
LAYER = "Y, Yh = RNN <hidden_size = 4> (x, W, R, B)"
EACH = "axis = Constant <value_ints = [1]> () s0 = Squeeze (Y, axis)"
FINAL = "axis = Constant <value_ints = [0]> () s0 = Squeeze (Yh, axis)"
HEAD = "p = MatMul (s0, V) y = Add (p, c)"


def write(path: Path, body: str, inputs: str = "float[T,N,3] x") -> Path:
    """Write a graph in ONNX's own language; weights that it names are small random numbers."""
    header = '<ir_version: 9, opset_import: ["" : 20]>'
    model = onnx.parser.parse_model(f"{header} g ({inputs}) => (float y) {{ {body} }}")
    used = {name for node in model.graph.node for name in node.input}
    random = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        if name in used:
            values = random.uniform(0.1, 0.5, shape).astype(np.float32)
            model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}-{number}"
    onnx.save(model, path)
    return path


REFUSED = {
    # Recurrent nodes.
    "clip": (f"Y, Yh = RNN <hidden_size = 4, clip = 3.0> (x, W, R, B) {EACH} {HEAD}",
             r"node 'RNN-0' \(RNN\): clip=3 cannot"),
    "input_forget": (f"Y, Yh = LSTM <hidden_size = 4, input_forget = 1> (x, Wl, Rl) {EACH} {HEAD}",
                     r"'LSTM-0' \(LSTM\): input_forget=1"),
    "peepholes": (f'Y, Yh = LSTM <hidden_size = 4> (x, Wl, Rl, "", "", "", "", P) {EACH} {HEAD}',
                  r"'LSTM-0' \(LSTM\): peepholes \(input P\)"),
    "initial state": (f'Y, Yh = RNN <hidden_size = 4> (x, W, R, B, "", h0) {EACH} {HEAD}',
                      r"'RNN-0' \(RNN\): initial_h is neither zero nor an input"),
    "features divided by 0": (
        "z = Constant <value_floats = [0.0, 1.0, 1.0]> () d = Div (x, z)"
        f" Y, Yh = RNN <hidden_size = 4> (d, W, R, B) {EACH} {HEAD}",
        "features are divided by 0"),
    "initial state of the data": (
        "a = Constant <value_ints = [0]> () b = Constant <value_ints = [1]> () f = Slice (x, a, b)"
        f' Y, Yh = RNN <hidden_size = 4> (x, W, R, B, "", f) {EACH} {HEAD}',
        r"'RNN-3' \(RNN\): its initial states are part of the features"),
    "activation": (f'Y, Yh = RNN <hidden_size = 4, activations = ["HardSigmoid"]> (x, W, R) {EACH}'
                   f" {HEAD}", r"'RNN-0' \(RNN\): activation HardSigmoid cannot"),
    "alpha": (f'Y, Yh = RNN <hidden_size = 4, activations = ["LeakyRelu"], '
              f"activation_alpha = [0.3]> (x, W, R) {EACH} {HEAD}",
              r"'RNN-0' \(RNN\): activation_alpha=0.3 of LeakyRelu"),
    "gates": (f'Y, Yh = GRU <hidden_size = 4, activations = ["Sigmoid", "Relu"]> (x, Wg, Rg) '
              f"{EACH} {HEAD}", r"'GRU-0' \(GRU\): activations Sigmoid, Relu; a GRU has"),
    "hidden_size": (f"Y, Yh = RNN <hidden_size = 5> (x, W, R) {EACH} {HEAD}",
                    r"'RNN-0' \(RNN\): hidden_size=5 is not that of the weights, 4"),
    "shapes": (f"Y, Yh = RNN <hidden_size = 4> (x, Wg, R) {EACH} {HEAD}",
               r"'RNN-0' \(RNN\): W has shape \(1, 12, 3\)"),
    "weights of the data": (f"Y, Yh = RNN <hidden_size = 4> (x, x, R) {EACH} {HEAD}",
                            r"'RNN-0' \(RNN\): its weights W are no constant"),
    "layers of two kinds": (
        f"{LAYER} {EACH} Z, Zh = GRU <hidden_size = 4> (s0, Upg, Rg) z = Squeeze (Z, axis)"
        " p = MatMul (z, V) y = Add (p, c)",
        r"'GRU-3' \(GRU\): all layers of a model are alike"),
    # Readouts.
    "last step of both directions": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " m = Transpose <perm = [0, 2, 1, 3]> (Y) k = Constant <value_ints = [0, 0, 8]> ()"
        " r = Reshape (m, k) e = Constant <value_int = -1> () s0 = Gather <axis = 0> (r, e)"
        " y = MatMul (s0, V2)", r"'Gather-5' \(Gather\): it takes the states of a step that is no"),
    "one of two directions": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " e = Constant <value_int = 0> () s0 = Gather <axis = 1> (Y, e) y = MatMul (s0, V)",
        r"'RNN-0' \(RNN\): the network uses one of its directions"),
    "directions swapped": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " e = Constant <value_ints = [1, 0]> () g = Gather <axis = 1> (Y, e)"
        " m = Transpose <perm = [0, 2, 1, 3]> (g) k = Constant <value_ints = [0, 0, 8]> ()"
        " s0 = Reshape (m, k) y = MatMul (s0, V2)", r"'RNN-0' \(RNN\): .* uses them otherwise"),
    "units in another order": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " m = Transpose <perm = [0, 2, 3, 1]> (Y) k = Constant <value_ints = [0, 0, 8]> ()"
        " s0 = Reshape (m, k) y = MatMul (s0, V2)",
        r"'MatMul-4' \(MatMul\): it does not read all units of a layer side by side"),
    "the step before the last": (
        f"{LAYER} {EACH} e = Constant <value_int = -2> () l = Gather <axis = 0> (s0, e)"
        " y = MatMul (l, V)", r"'Gather-4' \(Gather\): it takes the states of a step"),
    "the largest state": (f"{LAYER} {EACH} a = Constant <value_ints = [0]> ()"
                          " l = ReduceMax <keepdims = 0> (s0, a) y = MatMul (l, V)",
                          r"'ReduceMax-4' \(ReduceMax\): an operator that no model"),
    "the sum of states": (f"{LAYER} {EACH} a = Constant <value_ints = [0]> ()"
                          " l = ReduceSum <keepdims = 0> (s0, a) y = MatMul (l, V)",
                          "summed, and not divided"),
    "the mean of sequences": (f"{LAYER} {EACH} a = Constant <value_ints = [1]> ()"
                              " l = ReduceMean <keepdims = 0> (s0, a) y = MatMul (l, V)",
                              r"'ReduceMean-4' \(ReduceMean\): it reduces another axis than time"),
    # Heads.
    "two linear layers": (f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')} y = MatMul (q, V3)",
                          r"'MatMul-5' \(MatMul\): a linear layer reads something else"),
    "activation of states": (f"{LAYER} {EACH} r = Relu (s0) y = MatMul (r, V)",
                             r"'Relu-3' \(Relu\): an activation stands elsewhere"),
    "two activations": (f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')} r = Tanh (q) y = Relu (r)",
                        r"'Relu-6' \(Relu\): an activation stands elsewhere"),
    "softmax over time": (f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')}"
                          " y = Softmax <axis = 0> (q)", r"'Softmax-5' \(Softmax\): softmax is"),
    "another activation": (f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')} y = HardSwish (q)",
                           r"'HardSwish-5' \(HardSwish\): an operator that no model"),
    "a linear layer below": ("f = MatMul (x, V) y = Add (f, c)",
                             r"'MatMul-0' \(MatMul\): a linear layer reads the features"),
    "states added": (f"{LAYER} {EACH} a = Add (s0, s0) y = MatMul (a, V)",
                     r"'Add-3' \(Add\): it computes with two values of the network"),
    "features taken apart": (
        "a = Constant <value_ints = [0]> () b = Constant <value_ints = [2]> ()"
        f" f = Slice (x, a, b, b) {LAYER.replace('(x', '(f')} {EACH} {HEAD}",
        r"'RNN-3' \(RNN\): it reads neither .* it reads what node 'Slice-2' \(Slice\) makes"),
    "rounded outputs": (f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')} r = Cast <to = 7> (q)"
                        " y = Cast <to = 1> (r)", r"'Cast-5' \(Cast\): it rounds"),
    "a bias by step": (f"{LAYER} {EACH} p = MatMul (s0, V) y = Add (p, by_step)",
                       r"'Add-4' \(Add\): an array \(5, 1, 2\) is not one number for each output"),
    "a further axis": (f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')} y = Mul (q, wide)",
                       r"'Mul-5' \(Mul\): an array \(1, 1, 1, 1\) adds an axis"),
    "units after directions": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " m = Transpose <perm = [0, 2, 3, 1]> (Y) k = Constant <value_ints = [0, 0, 8]> ()"
        " y = Reshape (m, k)", "the units of a layer in another order"),
    "dropout in use": (
        f"{LAYER} t = Constant <value_int = 1> () d = Dropout (Y, s, t)"
        f" axis = Constant <value_ints = [1]> () s0 = Squeeze (d, axis) {HEAD}",
        r"'Dropout-2' \(Dropout\): it drops numbers at random"),
    # No network at all.
    "no layer": ("y = Add (x, s)", "output 'y' is not that of a recurrent network"),
    "convolution": (f"f = Conv (x, K) {LAYER.replace('(x', '(f')} {EACH} {HEAD}",
                    r"'Conv-0' \(Conv\): an operator that no model"),
    "another library's operator": (
        f"f = com.example.Magic (x) {LAYER.replace('(x', '(f')} {EACH} {HEAD}",
        r"'Magic-0' \(com\.example\.Magic\): an operator that no model"),
    "an input that is nowhere": (f"Y, Yh = RNN <hidden_size = 4> (x, lost, R) {EACH} {HEAD}",
                                 r"'RNN-0' \(RNN\): nothing before it makes its input 'lost'"),
    "a circle": (f"{LAYER} {EACH} p = MatMul (s0, V) q = Add (p, y) y = Add (q, c)",
                 r"'Add-4' \(Add\): nothing before it makes its input 'y'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_represented_is_named(name: str, tmp_path: Path) -> None:
    body, message = REFUSED[name]
    path = write(tmp_path / "model.onnx", body)
    with pytest.raises(ModelFileError, match=message) as raised:
        rnn_rust.from_onnx(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        ("e = Constant <value_int = -1> () s0 = Gather <axis = 0> (u, e)", "takes the last step"),
        ("e = Constant <value_ints = [0]> () s0 = ReduceMean <keepdims = 0> (u, e)",
         "it takes the mean of all steps"),
    ],
)  # fmt: skip
def test_with_lengths_the_end_of_the_batch_is_not_that_of_a_sequence(
    readout: str, message: str, tmp_path: Path
) -> None:
    body = (
        "Y, Yh = RNN <hidden_size = 4> (x, W, R, B, n) axis = Constant <value_ints = [1]> ()"
        f" u = Squeeze (Y, axis) {readout} {HEAD}"
    )
    path = write(tmp_path / "model.onnx", body, "float[T,N,3] x, int32[N] n")
    with pytest.raises(ModelFileError, match=message):
        rnn_rust.from_onnx(path)


def test_before_opset_13_softmax_is_over_the_second_axis(tmp_path: Path) -> None:
    path = write(
        tmp_path / "model.onnx", f"{LAYER} {FINAL} {HEAD.replace('y =', 'q =')} y = Softmax (q)"
    )
    model = onnx.load(path)
    model.opset_import[0].version = 11
    squeeze = model.graph.node[2]
    del squeeze.input[1]
    squeeze.attribute.append(onnx.helper.make_attribute("axes", [0]))
    onnx.save(model, path)
    assert rnn_rust.from_onnx(path).loss_name == "cross_entropy"
    del model.graph.node[3:]
    squeeze.input[0], squeeze.attribute[0].ints[0] = "Y", 1
    rest = onnx.parser.parse_graph(
        "g (float s0) => (float y) { p = MatMul (s0, V) q = Add (p, c) y = Softmax (q) }"
    )
    model.graph.node.extend(rest.node)
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match="softmax is not taken over the outputs"):
        rnn_rust.from_onnx(path)


# What looks odd and is not refused -------------------------------------------------------------

ACCEPTED = {
    "as usual": f"{LAYER} {EACH} {HEAD}",
    "final states": f"{LAYER} {FINAL} {HEAD}",
    "no bias, no head": f"Y, Yh = RNN <hidden_size = 4> (x, W, R) {EACH} y = Identity (s0)",
    "scaled by a negative number": f"f = Neg (s) g = Mul (x, f) {LAYER.replace('(x', '(g')} {EACH}"
                                   f" {HEAD}",
    "scaled twice": f"a = Sub (x, s) f = Div (a, t) g = Add (f, t) {LAYER.replace('(x', '(g')}"
                    f" {EACH} {HEAD}",
    "silu": f"{LAYER} {EACH} {HEAD.replace('y =', 'q =')} r = Sigmoid (q) y = Mul (r, q)",
    "bias from the left": f"{LAYER} {EACH} p = MatMul (s0, V) y = Add (c, p)",
    "dropout": f"{LAYER} d = Dropout (Y) axis = Constant <value_ints = [1]> ()"
               f" s0 = Squeeze (d, axis) {HEAD}",
    "activation by its own numbers": 'Y, Yh = RNN <hidden_size = 4, activations = ["LeakyRelu"], '
                                     f"activation_alpha = [0.01]> (x, W, R) {EACH} {HEAD}",
    "nodes that lead nowhere": f"{LAYER} {EACH} f = Cos (Yh) {HEAD}",
    "directions cut apart and joined": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " zero = Constant <value_ints = [0]> () one = Constant <value_ints = [1]> ()"
        " two = Constant <value_ints = [2]> () a = Slice (Y, zero, one, one)"
        " b = Slice (Y, one, two, one) f = Squeeze (a, one) r = Squeeze (b, one)"
        " s0 = Concat <axis = 2> (f, r) y = MatMul (s0, V2)"),
    "the final step of each direction": (
        'Y, Yh = RNN <hidden_size = 4, direction = "bidirectional"> (x, W2, R2)'
        " a, b = Split <axis = 1, num_outputs = 2> (Y) one = Constant <value_ints = [1]> ()"
        " f = Squeeze (a, one) r = Squeeze (b, one) e = Constant <value_int = -1> ()"
        " k = Constant <value_int = 0> () l = Gather <axis = 0> (f, e) m = Gather <axis = 0> (r, k)"
        " s0 = Concat <axis = 1> (l, m) y = MatMul (s0, V2)"),
    "a single unit of time": f"{LAYER} e = Constant <value_ints = [-1]> ()"
                             " g = Gather <axis = 0> (Y, e) a = Constant <value_ints = [0, 1]> ()"
                             f" s0 = Squeeze (g, a) {HEAD}",
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_can_be_represented_is_what_onnxruntime_says(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", ACCEPTED[name])
    model = rnn_rust.from_onnx(path)
    x = np.random.default_rng(1).normal(size=(5, 2, 3)).astype(np.float32)
    (outputs,) = session(path).run(None, {"x": x})
    if outputs.ndim == 3:
        outputs = outputs.transpose(1, 0, 2)
    predicted: Any = np.asarray(model.predict(list(x.transpose(1, 0, 2))))
    assert_close(predicted.astype(np.float32), outputs, 1e-6)


def test_states_that_are_inputs_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "step.onnx"
    model = LSTM(3, 4, 2, num_layers=2, readout="last")
    model.to_onnx(path, step=True)
    loaded = rnn_rust.from_onnx(path)
    assert loaded.settings == model.settings
    assert "its initial states are inputs of the graph" in caplog.text
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()


INITIAL = {
    "RNN": 'Y, Yh = RNN <hidden_size = 4> (x, W, R, B, "", h)',
    "GRU": 'Y, Yh = GRU <hidden_size = 4, linear_before_reset = 1> (x, Wg, Rg, "", "", h)',
    "LSTM": 'Y, Yh = LSTM <hidden_size = 4> (x, Wl, Rl, "", "", h, c0)',
    "reverse": 'Y, Yh = GRU <hidden_size = 4, direction = "reverse"> (x, Wg, Rg, "", "", h)',
}  # fmt: skip


@pytest.mark.parametrize("cell", INITIAL)
def test_initial_states_are_given_to_predict(cell: str, tmp_path: Path) -> None:
    inputs = "float[T,N,3] x, float[1,N,4] h" + ", float[1,N,4] c0" * (cell == "LSTM")
    path = write(tmp_path / "model.onnx", f"{INITIAL[cell]} {EACH} {HEAD}", inputs)
    random = np.random.default_rng(2)
    shapes = {"x": (5, 2, 3), "h": (1, 2, 4), "c0": (1, 2, 4)}
    values = {name: random.normal(size=one).astype(np.float32) for name, one in shapes.items()}
    if cell != "LSTM":
        del values["c0"]
    (outputs,) = session(path).run(None, values)
    state = np.concatenate([values[name][0] for name in values if name != "x"], axis=1)
    model: Any = rnn_rust.from_onnx(path)
    predicted = model.predict(values["x"].transpose(1, 0, 2), initial_state=state)
    assert_close(predicted, outputs.transpose(1, 0, 2), 1e-6)


def test_names_classes_and_the_threshold_come_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    data = rnn_rust.Dataset.from_arrays(
        random.normal(size=(9, 2)), random.integers(0, 2, (9, 1)).astype(float), [0, 4, 9],
        feature_names=["größe", "age"], label_names=["fraud"],
    )  # fmt: skip
    model = GRU(loss="binary_cross_entropy", scaler="standard")
    model.fit(data, epochs=1, progress=False)
    model.threshold = 0.3
    model.to_onnx(tmp_path / "model.onnx")
    loaded = rnn_rust.from_onnx(tmp_path / "model.onnx")
    assert loaded.feature_names == ("größe", "age")
    assert (loaded.label_names, loaded.threshold) == (("fraud",), 0.3)
    assert loaded.loss_name == "binary_cross_entropy"
    assert (loaded.predict_classes(data) == model.predict_classes(data)).all()
