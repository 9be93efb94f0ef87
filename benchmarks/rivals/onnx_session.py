"""ONNX Runtime: only prediction, with a graph as most users would export it."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from rivals.job import Array, Job, Variant, data, events, timed, timed_calls, weights

onnx: Any = import_module("onnx")
runtime: Any = import_module("onnxruntime")
OPSET, IR_VERSION = 17, 8


def variants(job: Job) -> Iterator[Variant]:
    """Yield prediction with the operator ``RNN``, and streaming with plain products."""
    if job.kind == "predict":
        for chunk in (256, 4096):
            yield predict(job, chunk)
    elif job.kind == "stream":
        yield Variant("Gemm and Tanh", 1, timed_calls(stream(job)))


def session(
    nodes: list[Any], constants: dict[str, Array], shapes: tuple[dict[str, Any], dict[str, Any]]
) -> Any:
    """Return a session on one thread; ``shapes`` has the shapes of inputs and of outputs."""
    helper = onnx.helper
    arrays = [
        onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in constants.items()
    ]
    infos = [
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, s) for name, s in each.items()]
        for each in shapes
    ]
    graph = helper.make_graph(nodes, "network", *infos, arrays)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def predict(job: Job, chunk: int) -> Variant:
    """Return prediction of all sequences, in chunks of this many."""
    w_ih, w_hh, b, w_hy, b_y = weights(job)
    node = onnx.helper.make_node
    nodes = [
        node("RNN", ["x", "w", "r", "b"], ["states", ""], hidden_size=job.hidden),
        node("Squeeze", ["states", "axis"], ["h"]),
        node("MatMul", ["h", "w_hy"], ["product"]),
        node("Add", ["product", "b_y"], ["y"]),
    ]
    constants = {
        "w": w_ih[None], "r": w_hh[None], "b": np.concatenate([b, 0 * b])[None],
        "axis": np.array([1]), "w_hy": w_hy.T, "b_y": b_y,
    }  # fmt: skip
    shapes = {"x": [job.steps, None, job.inputs]}, {"y": [job.steps, None, 1]}
    run = session(nodes, constants, shapes).run
    x = data(job)[0].swapaxes(0, 1)
    parts = [np.ascontiguousarray(x[:, i : i + chunk]) for i in range(0, job.sequences, chunk)]

    def every() -> None:
        for part in parts:
            run(["y"], {"x": part})

    return Variant(f"{chunk} at a time", job.sequences * job.steps, timed(every))


def stream(job: Job) -> Callable[[], Any]:
    """Return one streaming step."""
    w_ih, w_hh, b, w_hy, b_y = weights(job)
    node = onnx.helper.make_node
    nodes = [
        node("Concat", ["x", "h"], ["xh"], axis=1),
        node("Gemm", ["xh", "w", "b"], ["z"]),
        node("Tanh", ["z"], ["new_h"]),
        node("Gemm", ["new_h", "w_hy", "b_y"], ["y"]),
    ]
    constants = {"w": np.vstack([w_ih.T, w_hh.T]), "b": b, "w_hy": w_hy.T, "b_y": b_y}
    shapes = (
        {"x": [1, job.inputs], "h": [1, job.hidden]}, {"y": [1, 1], "new_h": [1, job.hidden]},
    )  # fmt: skip
    run, names = session(nodes, constants, shapes).run, ["y", "new_h"]
    rows = [row[None] for row in events(job)]
    state, position = np.zeros((1, job.hidden), job.dtype), 0

    def call() -> Array:
        nonlocal state, position
        position = (position + 1) & 63
        output, state = run(names, {"x": rows[position], "h": state})
        return np.asarray(output)

    return call
