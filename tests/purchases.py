"""Purchases with categories, gaps and times of every kind, and models of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

import rnn_rust as rnn

FEATURES = ["merchant", "amount", "code", "distance"]
TIMES = ("elapsed", "log_elapsed", "hour", "weekday", "yearday")


def frame(*, dates: bool, rows: int = 160) -> pl.DataFrame:
    """Return purchases over some years, before 1970 too, with gaps in both numbers."""
    random = np.random.default_rng(0)
    steps = np.arange(rows)
    passed = random.integers(0, 40 * 86_400, rows).cumsum() - 4 * 365 * 86_400
    numbers = random.normal(size=(rows, 2)) * [20, 3] + [100, 5]
    numbers[random.random(numbers.shape) < 0.2] = np.nan
    return pl.DataFrame(
        {
            "id": steps // 16,
            "when": passed.astype("M8[s]").astype("M8[us]") if dates else passed / 7,
            "merchant": random.choice(["fuel", "food", "zoo", "", "größe"], rows),
            "amount": np.float32(numbers[:, 0]),
            "code": random.choice([100, 200, 300], rows),
            "distance": np.float32(numbers[:, 1]),
            "y1": random.normal(size=rows),
        }
    )


def trained(table: pl.DataFrame, **options: Any) -> Any:
    """Return a model that has learnt three of the levels of a category."""
    data = rnn.Dataset.from_frame(
        table, id="id", time="when", features=FEATURES, categories="code", labels="y1",
        missing="keep",
    )  # fmt: skip
    model = rnn.GRU(hidden_size=6, max_categories=3, **options)
    model.fit(data, epochs=1, progress=False)
    return model
