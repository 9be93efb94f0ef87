"""ONNX files run by programs that are not ours: onnxruntime, and onnx.reference for float64."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops.op_rnn import RNN_14

Array = NDArray[Any]


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def padded(rows: Array, lengths: Iterable[int], beyond: float = 7.0) -> dict[str, Array]:
    """Return the inputs of a graph of whole sequences; ``beyond`` stands where there is no row."""
    lengths = np.array(list(lengths), np.int32)
    features = np.full((len(lengths), lengths.max(), rows.shape[1]), beyond, rows.dtype)
    for number, (end, length) in enumerate(zip(np.cumsum(lengths), lengths, strict=True)):
        features[number, :length] = rows[end - length : end]
    return {"features": features, "lengths": lengths}


def rows_of(outputs: Array, lengths: Iterable[int]) -> Array:
    """Return the outputs of all rows, from which it has checked that all others are 0."""
    own = []
    for of_sequence, length in zip(outputs, lengths, strict=True):
        assert not of_sequence[length:].any()
        own.append(of_sequence[:length])
    return np.concatenate(own)


def run(path: Path, rows: Array, lengths: Iterable[int]) -> Array:
    """Return what onnxruntime answers, as `predict` has it: a row for each step or sequence."""
    lengths = list(lengths)
    (outputs,) = session(path).run(None, padded(rows, lengths))
    return rows_of(outputs, lengths) if outputs.ndim == 3 else outputs


def metadata(path: Path) -> dict[str, Any]:
    return {one.key: json.loads(one.value) for one in onnx.load(path).metadata_props}


class RNN(RNN_14):  # type: ignore[misc]
    """The reference's RNN, which knows tanh and affine functions, with further activations."""

    op_domain = ""

    def choose_act(self, name: str, alpha: float, beta: float) -> Any:
        further = {
            "Relu": lambda z: np.maximum(z, 0),
            "Sigmoid": lambda z: 1 / (1 + np.exp(-z)),
            "Elu": lambda z: np.where(z > 0, z, alpha * np.expm1(z)),
            "LeakyRelu": lambda z: np.where(z > 0, z, alpha * z),
            "Softplus": lambda z: np.log1p(np.exp(z)),
            "Softsign": lambda z: z / (1 + np.abs(z)),
        }
        return further.get(name) or super().choose_act(name, alpha, beta)


def run_reference(path: Path, rows: Array, lengths: Iterable[int]) -> Array:
    """Return what onnx.reference answers; it takes all sequences to be equally long."""
    lengths = list(lengths)
    assert len(set(lengths)) == 1
    (outputs,) = ReferenceEvaluator(onnx.load(path), new_ops=[RNN]).run(None, padded(rows, lengths))
    return rows_of(outputs, lengths) if outputs.ndim == 3 else outputs


def assert_close(got: Array, expected: Array, tolerance: float) -> None:
    """Check a difference relative to the largest number, or absolute if that is below 1."""
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    error = np.abs(got - expected).max(initial=0.0)
    assert error <= tolerance * max(1.0, np.abs(expected).max(initial=0.0))
