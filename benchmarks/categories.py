"""What a column of categories costs per step, beside four numeric features.

python benchmarks/categories.py

Three networks take turns: of 8 numeric features, of these and 10 columns of 100 levels, and of
these and 40 more numeric features. A cost is what the columns add to the first one's time, per
step; a ratio below 1 says that a column costs less than four numeric features do.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import polars as pl

import rnn_rust as rnn

SEQUENCES, STEPS, LEVELS, REPEATS = 2000, 20, 100, 15
NUMERIC, COLUMNS = 8, 10
WIDTHS = ((NUMERIC, 0), (NUMERIC, COLUMNS), (NUMERIC + 4 * COLUMNS, 0))
NETWORKS = ((rnn.RNN, 10), (rnn.GRU, 32), (rnn.LSTM, 64))
BATCH_SIZES = (32, 256)


def data(numeric: int, columns: int) -> rnn.Dataset:
    """Return sequences of that many numbers and categories."""
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


class Network:
    """A network and its data, coded once."""

    def __init__(
        self, model: type[rnn.RNN | rnn.GRU | rnn.LSTM], units: int, width: tuple[int, int]
    ) -> None:
        dataset = data(*width)
        self._model = model(hidden_size=units, n_threads=1).build(dataset)
        self._data = self._model.preparation.encoded(dataset)

    def train(self, batch_size: int) -> float:
        """Return the seconds of an epoch."""
        fitted = self._model.fit(self._data, epochs=2, batch_size=batch_size, progress=False)
        return min(fitted.seconds[-2:])

    def predict(self) -> float:
        """Return the seconds of a prediction of all rows."""
        start = time.perf_counter()
        self._model.predict(self._data)
        return time.perf_counter() - start


def row(name: str, rounds: list[list[float]]) -> str:
    """Return the medians, in nanoseconds per step, and the ratio of what is added."""
    scale = 1e9 / (SEQUENCES * STEPS)
    plain, coded, wide = (scale * statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = (coded - plain) / (wide - plain)
    return f"{name:<28}{plain:10.0f}{coded:12.0f}{wide:12.0f}{ratio:8.2f}"


def main() -> None:
    """Print a row for each network, training at each batch size, and prediction."""
    heads = ("8 numbers", f"+ {COLUMNS} columns", f"+ {4 * COLUMNS} numbers", "ratio")
    print(f"{'ns per step':<28}{heads[0]:>10}{heads[1]:>12}{heads[2]:>12}{heads[3]:>8}")
    for model, units in NETWORKS:
        networks = [Network(model, units, width) for width in WIDTHS]
        name = f"{model.__name__}-{units}"
        for batch_size in BATCH_SIZES:
            rounds = [[one.train(batch_size) for one in networks] for _ in range(REPEATS)]
            print(row(f"{name}, train, batch {batch_size}", rounds))
        print(
            row(f"{name}, predict", [[one.predict() for one in networks] for _ in range(REPEATS)])
        )


if __name__ == "__main__":
    main()
