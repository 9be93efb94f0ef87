"""The network in plain NumPy, one loop over time as a textbook has it: what the engine must equal.

``h_t = f(W_ih x_t + W_hh h_{t-1} + b)`` with ``h_0 = 0``, and ``y_t = g(W_hy h_t + b_y)``
(Elman, 1990); gradients by backpropagation through time (Werbos, 1990). Beside it stand the random
data and the comparisons that tests of the engine share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from rnn_rust import RNN, Dataset
from rnn_rust.errors import RnnRustError
from rnn_rust.model.network import Network

Array = NDArray[Any]
Weights = dict[str, Array]


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": sigmoid,
    "identity": lambda z: z,
}
SLOPES: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "sigmoid": lambda z: sigmoid(z) * (1 - sigmoid(z)),
    "identity": np.ones_like,
}


def misaligned(values: Array) -> Array:
    """Return a copy that begins at an odd address, as a field of a packed record may."""
    bytes_ = np.frombuffer(bytearray(values.nbytes + 2), np.uint8)
    start = 1 - bytes_.ctypes.data % 2
    copy = bytes_[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


class Oracle:
    """Copies settings and weights of a model, and computes with them in float64."""

    def __init__(self, model: RNN) -> None:
        self.weights: Weights = {k: v.astype(np.float64) for k, v in model.state_dict().items()}
        self.f: str = model.settings["activation"]
        self.g: str = model.settings["output_activation"]
        self.reduction: str = model.settings["reduction"]

    def forward(self, x: Array, start: Any = 0.0) -> tuple[Array, Array, Array]:
        """Return pre-activations z (T, H), states h (T, H) and output pre-activations (T, L).

        ``start`` is the state before the first step.
        """
        w = self.weights
        z = np.empty((len(x), len(w["bias_l0"])))
        h = np.zeros_like(z)
        before = np.zeros(z.shape[1]) + start
        for t in range(len(x)):
            z[t] = w["weight_ih_l0"] @ x[t] + w["weight_hh_l0"] @ before + w["bias_l0"]
            before = h[t] = ACTIVATIONS[self.f](z[t])
        return z, h, h @ w["head.weight"].T + w["head.bias"]

    def backward(self, x: Array, z: Array, h: Array, du: Array, start: Any = 0.0) -> Weights:
        """Return the gradient of a sequence from ``du (T, L)``, that of its output's pre-acts.

        The state ``start`` before the first step is a constant.
        """
        w = self.weights
        d = {name: np.zeros_like(value) for name, value in w.items()}
        dz = np.zeros(z.shape[1])
        for t in reversed(range(len(x))):
            dh = w["head.weight"].T @ du[t] + w["weight_hh_l0"].T @ dz
            dz = dh * SLOPES[self.f](z[t])
            d["weight_ih_l0"] += np.outer(dz, x[t])
            d["weight_hh_l0"] += np.outer(dz, h[t - 1] if t > 0 else np.zeros_like(dz) + start)
            d["bias_l0"] += dz
            d["head.weight"] += np.outer(du[t], h[t])
            d["head.bias"] += du[t]
        return d

    def loss_and_gradients(self, data: Dataset) -> tuple[float, Weights]:
        """Return the mean squared error of the data as one batch, and its gradient."""
        total = 0.0
        sums = {name: np.zeros_like(value) for name, value in self.weights.items()}
        for sequence in data:
            x, labels = sequence.features, sequence.labels
            z, h, u = self.forward(x)
            error = np.where(np.isnan(labels), 0, ACTIVATIONS[self.g](u) - labels)
            total += float((error**2).sum())
            for name, d in self.backward(x, z, h, 2 * error * SLOPES[self.g](u)).items():
                sums[name] += d
        divisor = self._divisor(data)
        return total / divisor, {name: d / divisor for name, d in sums.items()}

    def _divisor(self, data: Dataset) -> int:
        present = ~np.isnan(data.labels)
        if self.reduction == "mean":
            return int(np.count_nonzero(present))
        return sum(not np.isnan(s.labels).all() for s in data) * len(data.label_names)

    def step(self, data: Dataset, learning_rate: float) -> float:
        """Take one step against the gradient; return the loss before it."""
        loss, gradients = self.loss_and_gradients(data)
        for name, d in gradients.items():
            self.weights[name] -= learning_rate * d
        return loss

    def states(self, data: Dataset) -> Array:
        return np.concatenate([self.forward(s.features)[1] for s in data])

    def outputs(self, data: Dataset) -> Array:
        u = [self.forward(s.features)[2] for s in data]
        return ACTIVATIONS[self.g](np.concatenate(u))

    def distance_from_kinks(self, data: Dataset) -> float:
        """Return the smallest |pre-activation| of a relu, where its slope jumps."""
        passes = [self.forward(s.features) for s in data]
        chosen = [z for z, _, _ in passes if self.f == "relu"]
        chosen += [u for _, _, u in passes if self.g == "relu"]
        return min((float(np.abs(z).min()) for z in chosen), default=np.inf)


def make_data(
    lengths: Iterable[int],
    inputs: int = 3,
    outputs: int = 1,
    *,
    seed: int = 0,
    missing: float = 0.0,
    dtype: DTypeLike = np.float64,
) -> Dataset:
    """Return standard normal sequences of these lengths; a share of the labels is missing."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    features = rng.normal(size=(offsets[-1], inputs)).astype(dtype)
    labels = rng.normal(size=(offsets[-1], outputs)).astype(dtype)
    lost = rng.random(labels.shape) < missing
    lost[rng.integers(len(lost))] = False  # without a single label there is no loss
    labels[lost] = np.nan
    return Dataset.from_arrays(features, labels, offsets)


def make_learnable(lengths: Iterable[int], *, seed: int, missing: float = 0.0) -> Dataset:
    """Labels ``(N, 2)`` that follow from the features, and noise that can be learnt by heart."""
    data = make_data(lengths, 2, 2, missing=missing, seed=seed)
    return data.with_values(data.features, data.features + 0.5 * data.labels)


def taken(data: Dataset, sequences: Iterable[int]) -> Dataset:
    """Return a data set of these sequences, each as often as it is named."""
    rows = [np.arange(data.offsets[s], data.offsets[s + 1]) for s in sequences]
    chosen, offsets = np.concatenate(rows), np.cumsum([0, *map(len, rows)])
    weights = None if data.weights is None else data.weights[chosen]
    return Dataset.from_arrays(data.features[chosen], data.labels[chosen], offsets, weights=weights)


def assert_close(actual: Any, expected: Any, tolerance: float) -> None:
    """Compare arrays; ``tolerance`` is relative to the largest expected value, or to 1.

    A difference of numbers around 1 may be tiny, and has the rounding of what it came from.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    limit = tolerance * np.abs(expected).max(initial=1)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)


def assert_all_close(actual: Mapping[str, Array], expected: Weights, tolerance: float) -> None:
    """Compare tensors by name; ``tolerance`` is relative to the largest of them all, or to 1."""
    assert [(k, v.shape) for k, v in actual.items()] == [(k, v.shape) for k, v in expected.items()]
    limit = tolerance * max(1, *(np.abs(array).max() for array in expected.values()))
    for name, array in expected.items():
        np.testing.assert_allclose(actual[name], array, rtol=0, atol=limit, err_msg=name)


def same_bits(one: Network, other: Network) -> bool:
    """Whether every weight of two models is equal to the last bit."""
    return {k: (v.dtype, v.tobytes()) for k, v in one.state_dict().items()} == {
        k: (v.dtype, v.tobytes()) for k, v in other.state_dict().items()
    }


def refused(call: Callable[[], object], kind: type[RnnRustError], *words: str) -> None:
    """Check that a call raises an error of ours that is a ValueError and has these words."""
    assert issubclass(kind, ValueError)
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
