"""Keyed streams as one would write them without this package: a dict of states by key.

Each is made from a one-layer GRU and the keys of its entities. It scores a single event or a batch,
with the events of each key in order. The class method ``made`` returns None if a package is
missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Self

import numpy as np


def sigmoid(z: Any) -> Any:
    """Return σ(z)."""
    return 1 / (1 + np.exp(-z))


class NumpyStates:
    """A dict of NumPy states; a batch is scored in rounds with at most one event per key."""

    name = "a dict of NumPy states"

    def __init__(self, model: Any, entities: Any) -> None:
        weights = model.state_dict()
        self.units = len(weights["bias_hn_l0"])
        self.w_ih, self.w_hh = weights["weight_ih_l0"].T.copy(), weights["weight_hh_l0"].T.copy()
        self.bias, self.bias_hn = weights["bias_l0"], weights["bias_hn_l0"]
        self.w_hy, self.b_y = weights["head.weight"].T.copy(), weights["head.bias"]
        self.zero = np.zeros(self.units, np.float32)
        self.states = dict.fromkeys(entities.tolist(), self.zero)

    @classmethod
    def made(cls, model: Any, entities: Any) -> Self | None:
        """Return one."""
        return cls(model, entities)

    def step(self, x: Any, h: Any) -> tuple[Any, Any]:
        """Return outputs and states after a step of one sequence, or of several at once."""
        n = self.units
        a, b = x @ self.w_ih + self.bias, h @ self.w_hh
        r, z = sigmoid(a[..., :n] + b[..., :n]), sigmoid(a[..., n : 2 * n] + b[..., n : 2 * n])
        new = np.tanh(a[..., 2 * n :] + r * (b[..., 2 * n :] + self.bias_hn))
        h = (1 - z) * new + z * h
        return h @ self.w_hy + self.b_y, h

    def single(self, key: Any, x: Any) -> Any:
        """Score one event."""
        y, self.states[key] = self.step(x, self.states.get(key, self.zero))
        return y

    def batch(self, keys: Any, x: Any) -> Any:
        """Score a batch."""
        outputs, left = np.empty((len(keys), 1), np.float32), np.arange(len(keys))
        while len(left):
            own, first = np.unique(keys[left], return_index=True)
            events, names = left[first], own.tolist()
            h = np.stack([self.states.get(key, self.zero) for key in names])
            outputs[events], h = self.step(x[events], h)
            self.states.update(zip(names, h, strict=True))
            left = np.delete(left, first)
        return outputs


class EventByEvent(NumpyStates):
    """A dict of features by name for each event, as in libraries for online learning."""

    name = "a dict of features for each event"

    def __init__(self, model: Any, entities: Any) -> None:
        super().__init__(model, entities)
        self.names = [f"x{number}" for number in range(len(self.w_ih))]

    def predict_one(self, key: Any, x: dict[str, float]) -> float:
        """Score one event."""
        row = np.fromiter((x[name] for name in self.names), np.float32, len(self.names))
        return float(super().single(key, row)[0])

    def single(self, key: Any, x: Any) -> Any:
        """Score one event; the features become a dict, as a reader would provide it."""
        return self.predict_one(key, dict(zip(self.names, x.tolist(), strict=True)))

    def batch(self, keys: Any, x: Any) -> Any:
        """Score events one by one."""
        return [self.single(key, row) for key, row in zip(keys.tolist(), x, strict=True)]


class OnnxStates(NumpyStates):
    """A dict of states, and steps in ONNX Runtime with states in and out."""

    name = "ONNX Runtime, states in a dict"

    def __init__(self, model: Any, entities: Any) -> None:
        super().__init__(model, entities)
        self.run = _session(model).run

    @classmethod
    def made(cls, model: Any, entities: Any) -> Self | None:
        """Return one if ONNX Runtime is installed."""
        try:
            import_module("onnx")
            import_module("onnxruntime")
        except ImportError:
            return None
        return cls(model, entities)

    def step(self, x: Any, h: Any) -> tuple[Any, Any]:
        """Return outputs and states after a step."""
        rows, states = np.atleast_2d(x)[np.newaxis], np.atleast_2d(h)[np.newaxis]
        y, states = self.run(["y", "states"], {"x": rows, "h": states})
        return (y, states[0]) if np.ndim(x) == 2 else (y[0], states[0, 0])


def _session(model: Any) -> Any:
    onnx, runtime = import_module("onnx"), import_module("onnxruntime")
    node, weights = onnx.helper.make_node, model.state_dict()
    units = len(weights["bias_hn_l0"])

    def gates(name: str) -> Any:
        # ONNX has z before r.
        r, z, n = np.split(weights[name], 3)
        return np.concatenate([z, r, n])

    candidate = np.concatenate([np.zeros(2 * units, np.float32), weights["bias_hn_l0"]])
    constants = {
        "w": gates("weight_ih_l0")[None], "r": gates("weight_hh_l0")[None],
        "b": np.concatenate([gates("bias_l0"), candidate])[None],
        "w_hy": weights["head.weight"].T, "b_y": weights["head.bias"], "axis": np.array([0]),
    }  # fmt: skip
    nodes = [
        node("GRU", ["x", "w", "r", "b", "", "h"], ["", "states"], hidden_size=units,
             linear_before_reset=1),
        node("Squeeze", ["states", "axis"], ["last"]),
        node("MatMul", ["last", "w_hy"], ["product"]),
        node("Add", ["product", "b_y"], ["y"]),
    ]  # fmt: skip
    shapes: tuple[dict[str, list[Any]], ...] = (
        {"x": [1, None, weights["weight_ih_l0"].shape[1]], "h": [1, None, units]},
        {"y": [None, 1], "states": [1, None, units]},
    )
    infos = [
        [onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in each.items()]
        for each in shapes
    ]
    arrays = [
        onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in constants.items()
    ]
    graph = onnx.helper.make_graph(nodes, "step", *infos, arrays)
    made = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


RIVALS = (NumpyStates.made, OnnxStates.made, EventByEvent.made)
