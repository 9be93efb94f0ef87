"""How much levels that training has not seen add to errors, by how the input "other" is set.

python benchmarks/unknown_levels.py

A label is the effect of a row's level plus noise; a fifth of the test rows have levels that
training lacks. The weights of their input "other" are left at their random initial values, or set
to the mean of the known levels' weights (as the package does), or learnt from a share of the
training rows that are changed to "other". Errors are relative to predicting the training mean;
medians over seeds.
"""

from __future__ import annotations

import statistics
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl

import rnn_rust as rnn

SEEDS, SEQUENCES, STEPS, KNOWN, UNKNOWN = range(5), 400, 10, 60, 40
SHARES = (0.02, 0.1)


class Unsettled(rnn.GRU):
    """A model that keeps the initial weights of "other" if training has no such row."""

    def fit(self, *arguments: Any, **options: Any) -> rnn.History:
        """Train without setting the weights of "other"."""
        with patch("rnn_rust.training.loop.settle_other_levels"):
            return super().fit(*arguments, **options)


def tables(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a training and a test part; the latter has unknown levels."""
    random = np.random.default_rng(seed)
    effects = random.normal(size=KNOWN + UNKNOWN)
    weights = 1 / np.arange(1, KNOWN + 1)

    def part(unknown: float) -> pl.DataFrame:
        rows = SEQUENCES * STEPS
        level = random.choice(KNOWN, rows, p=weights / weights.sum())
        strange = random.random(rows) < unknown
        level[strange] = KNOWN + random.integers(0, UNKNOWN, int(strange.sum()))
        x = random.normal(size=rows)
        return pl.DataFrame(
            {
                "id": np.arange(rows) // STEPS, "t": np.arange(rows) % STEPS, "x": x,
                "level": [f"level {number:02}" for number in level],
                "y": 0.3 * x + effects[level] + 0.1 * random.normal(size=rows),
                "known": ~strange,
            }
        )  # fmt: skip

    return part(0.0), part(0.2)


def errors(kind: type[rnn.GRU], train: pl.DataFrame, test: pl.DataFrame, seed: int) -> list[float]:
    """Return the mean squared error of known and of unknown levels, relative to a constant."""
    data = rnn.Dataset.from_frame(train, features=["x", "level"], labels="y")
    model = kind(hidden_size=16, scaler="standard", max_categories=KNOWN, seed=seed)
    model.fit(data, epochs=40, batch_size=16, progress=False)
    squared = (model.predict(test)[:, 0] - test["y"].to_numpy()) ** 2
    known = test["known"].to_numpy()
    constant = (train["y"].mean() - test["y"].to_numpy()) ** 2
    return [float(squared[rows].mean() / constant[rows].mean()) for rows in (known, ~known)]


def converted(train: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Return training rows; in this share of them, the level occurs only once: it is "other"."""
    chosen = np.random.default_rng(seed).random(train.height) < share
    level = [
        f"row {row}" if change else level
        for row, (change, level) in enumerate(zip(chosen, train["level"], strict=True))
    ]
    return train.with_columns(level=pl.Series(level))


def main() -> None:
    """Print a row for each way of setting "other"."""
    found: dict[str, list[list[float]]] = {}
    for seed in SEEDS:
        train, test = tables(seed)
        ways = {"as it was drawn": (Unsettled, train), "mean of the known ones": (rnn.GRU, train)}
        for share in SHARES:
            rows = converted(train, share, seed)
            ways[f"learnt from {share:.0%} of the rows"] = (Unsettled, rows)
        for name, (kind, rows) in ways.items():
            found.setdefault(name, []).append(errors(kind, rows, test, seed))
    print(f"{'the input of unknown levels is':34}{'known':>8}{'unknown':>9}{'worst':>8}")
    for name, both in found.items():
        known, unknown = zip(*both, strict=True)
        print(
            f"{name:34}{statistics.median(known):8.3f}{statistics.median(unknown):9.3f}"
            f"{max(unknown):8.3f}"
        )


if __name__ == "__main__":
    main()
