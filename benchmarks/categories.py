"""The time that a column of categories takes per step, compared with four numeric features.

python benchmarks/categories.py

Three networks take turns: with 8 numeric features; with these and 10 columns of 100 levels; and
with the 8 and 40 more numeric features. A cost is the time per step that the columns add to the
first network's; a ratio below 1 means that a column costs less than four numeric features.

A fourth network has the columns one-hot, as 1,000 numeric features. NumPy, without a network, adds
up the same rows of weights, and in training adds the gradient to them (``np.add.at``).
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import polars as pl
from numpy.typing import NDArray

import rnn_rust as rnn

SEQUENCES, STEPS, LEVELS, REPEATS = 2000, 20, 100, 15
NUMERIC, COLUMNS = 8, 10
NETWORKS = ((rnn.RNN, 10), (rnn.GRU, 16), (rnn.GRU, 32), (rnn.LSTM, 64))
GATES = {rnn.RNN: 1, rnn.GRU: 3, rnn.LSTM: 4}
BATCH_SIZES = (32, 256)

IntArray = NDArray[np.int64]


def data(numeric: int, columns: int) -> rnn.Dataset:
    """Return sequences with this many numeric and category columns."""
    random = np.random.default_rng(0)
    rows = SEQUENCES * STEPS
    names = np.array([f"level {number:02}" for number in range(LEVELS)])
    table = {"id": np.arange(rows) // STEPS, "t": np.arange(rows) % STEPS}
    table |= {f"x{number}": random.normal(size=rows) for number in range(numeric)}
    table |= {f"c{number}": names[random.integers(0, LEVELS, rows)] for number in range(columns)}
    features = list(table)[2:]
    table["y"] = random.normal(size=rows)
    return rnn.Dataset.from_frame(
        pl.DataFrame(table), features=features, labels="y", dtype="float32"
    )


def codes() -> IntArray:
    """Return the row of the weights for each row of the data and each column."""
    levels = np.random.default_rng(1).integers(0, LEVELS, (SEQUENCES * STEPS, COLUMNS))
    return levels + LEVELS * np.arange(COLUMNS)


def one_hot() -> rnn.Dataset:
    """Return the numbers, and the columns of categories one-hot."""
    random, rows = np.random.default_rng(0), SEQUENCES * STEPS
    features = np.zeros((rows, NUMERIC + COLUMNS * LEVELS), np.float32)
    features[:, :NUMERIC] = random.normal(size=(rows, NUMERIC))
    np.put_along_axis(features, NUMERIC + codes(), 1.0, axis=1)
    labels = random.normal(size=rows).astype(np.float32)
    offsets = np.arange(0, rows + 1, STEPS)
    return rnn.Dataset.from_arrays(features=features, labels=labels, offsets=offsets)


def numpy_sum(width: int, training: bool) -> float:
    """Return the seconds that NumPy takes to add up rows of ``width`` weights, in short blocks."""
    random, rows, block = np.random.default_rng(0), codes(), 1024
    table = random.normal(size=(COLUMNS * LEVELS, width)).astype(np.float32)
    gradient, seconds = np.zeros_like(table), []
    for _ in range(5):
        start = time.perf_counter()
        for first in range(0, len(rows), block):
            own = rows[first : first + block]
            total = table[own[:, 0]]
            for column in range(1, COLUMNS):
                total += table[own[:, column]]
            for column in range(COLUMNS if training else 0):
                np.add.at(gradient, own[:, column], total)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class Network:
    """A network and its data, encoded once."""

    def __init__(
        self, model: type[rnn.RNN | rnn.GRU | rnn.LSTM], units: int, dataset: rnn.Dataset
    ) -> None:
        self._model = model(hidden_size=units, n_threads=1).build(dataset)
        self._data = self._model.preparation.encoded(dataset)

    def train(self, batch_size: int) -> float:
        """Return the seconds per epoch."""
        fitted = self._model.fit(self._data, epochs=2, batch_size=batch_size, progress=False)
        return min(fitted.seconds[-2:])

    def predict(self) -> float:
        """Return the seconds to predict all rows."""
        start = time.perf_counter()
        self._model.predict(self._data)
        return time.perf_counter() - start


def row(name: str, rounds: list[list[float]], one_hot: float, by_numpy: float) -> str:
    """Return the medians, in nanoseconds per step, and the ratio of the added times."""
    scale = 1e9 / (SEQUENCES * STEPS)
    plain, coded, wide = (scale * statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = (coded - plain) / (wide - plain)
    others = f"{scale * one_hot:12.0f}{scale * by_numpy:12.0f}"
    return f"{name:<28}{plain:10.0f}{coded:12.0f}{wide:12.0f}{ratio:8.2f}{others}"


def main() -> None:
    """Print a row for each network, training at each batch size, and prediction."""
    heads = ("8 numbers", f"+ {COLUMNS} columns", f"+ {4 * COLUMNS} numbers", "ratio")
    print(f"{'ns per step':<28}{heads[0]:>10}{heads[1]:>12}{heads[2]:>12}{heads[3]:>8}", end="")
    print(f"{'one-hot':>12}{'NumPy sum':>12}")
    tables = [data(NUMERIC, 0), data(NUMERIC, COLUMNS), data(NUMERIC + 4 * COLUMNS, 0)]
    hot = one_hot()
    for model, units in NETWORKS:
        networks = [Network(model, units, dataset) for dataset in tables]
        encoded, name = Network(model, units, hot), f"{model.__name__}-{units}"
        width = units * GATES[model]
        by_numpy = [numpy_sum(width, training=training) for training in (True, False)]
        for batch_size in BATCH_SIZES:
            rounds = [[one.train(batch_size) for one in networks] for _ in range(REPEATS)]
            others = encoded.train(batch_size), by_numpy[0]
            print(row(f"{name}, train, batch {batch_size}", rounds, *others))
        rounds = [[one.predict() for one in networks] for _ in range(REPEATS)]
        others = min(encoded.predict() for _ in range(3)), by_numpy[1]
        print(row(f"{name}, predict", rounds, *others))


if __name__ == "__main__":
    main()
