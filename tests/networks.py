"""Networks of every kind, and labels for every loss, that several test files draw from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from oracle import Array, make_data

from rnn_rust import GRU, LSTM, RNN, Dataset
from rnn_rust.learning.losses import Focal, Huber, Quantile
from rnn_rust.model.description import build, describe
from rnn_rust.model.network import Network
from rnn_rust.models import MODELS
from rnn_rust.storage.model_file import pack, unpack

ACTIVATIONS = [
    "tanh", "relu", "sigmoid", "identity", "elu", "leaky_relu", "softplus", "softsign", "silu",
]  # fmt: skip
# Every cell: its class and the arguments that other cells have not.
CELLS: dict[str, tuple[type[Network], dict[str, Any]]] = {
    **{f"RNN {name}": (RNN, {"activation": name}) for name in ACTIVATIONS},
    "GRU": (GRU, {}),
    "GRU reset before": (GRU, {"reset_after": False}),
    "LSTM": (LSTM, {}),
}
# Every loss, with labels of which kind.
REGRESSION: list[Any] = ["mse", "mae", Huber(0.3), Quantile(0.2)]
BINARY: list[Any] = ["binary_cross_entropy", Focal(), Focal(0.5)]
LOSSES = [*REGRESSION, *BINARY, "cross_entropy"]
READOUTS = ["each_step", "last", "mean"]
ARCHITECTURES: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True},
]


def make_labelled(
    lengths: Iterable[int],
    loss: Any = "mse",
    sizes: tuple[int, int] = (2, 2),
    *,
    seed: int = 0,
    missing: float = 0.0,
    weighted: bool = False,
) -> Dataset:
    """Return ragged sequences of I features, with what the loss takes as labels of L outputs.

    Parameters
    ----------
    sizes
        ``(I, L)``; ``cross_entropy`` has one column with L classes.
    weighted
        Whether rows have weights from 0 to 3.
    """
    inputs, outputs = sizes
    columns = 1 if loss == "cross_entropy" else outputs
    data = make_data(lengths, inputs, columns, seed=seed, missing=missing)
    classes = outputs if loss == "cross_entropy" else 2
    labels = data.labels
    if loss not in REGRESSION:
        drawn = np.random.default_rng(seed).integers(0, classes, labels.shape)
        labels = np.where(np.isnan(labels), np.nan, drawn)
    weights = row_weights(labels, seed) if weighted else None
    return Dataset.from_arrays(data.features, labels, data.offsets, weights=weights)


def row_weights(labels: Array, seed: int) -> Array:
    """Return weights from 0 to 3, some of which are 0; some label weighs something."""
    weights = np.maximum(np.random.default_rng(seed).uniform(-0.5, 3, len(labels)), 0)
    weights[~np.isnan(labels).all(axis=1)] += 1e-3
    return np.asarray(np.where(np.arange(len(weights)) % 5 == 4, 0, weights))


def to_bytes(model: Network) -> bytes:
    """The contents of the file that a model is saved to."""
    return pack(describe(model), model.state_dict())


def from_bytes(data: bytes) -> Network:
    """The model of the contents of a file."""
    return build(MODELS, *unpack(data, "a file"))


CLASSES = {"fast": ["no", "yes"], "plain": ["off", "on"], "slow": ["crawl", "zoom"]}


def several_labels(named: Iterable[str]) -> Dataset:
    """Return rows with three labels of two classes each: by name where named, else numbers."""
    x = np.random.default_rng(0).normal(size=24)
    above = {"fast": x > 0.5, "plain": x > 0, "slow": x > -0.5}
    columns = {
        label: np.where(high, *CLASSES[label][::-1]) if label in set(named) else high.astype(float)
        for label, high in above.items()
    }
    table = pl.DataFrame({"id": np.arange(24) // 6, "x": x, **columns})
    return Dataset.from_frame(table, time=None, features="x", labels=[*CLASSES])
