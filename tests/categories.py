"""Purchases with two categories: a merchant as text, and a code as a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

import rnn_rust as rnn

FEATURES = ["merchant", "amount", "code"]


def frame(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """Purchases: a merchant as text, a code as a number."""
    random = np.random.default_rng(seed)
    steps = np.arange(rows)
    return pl.DataFrame(
        {
            "id": steps // 8,
            "t": steps % 8,
            "merchant": random.choice(["fuel", "food", "zoo", ""], rows, p=[0.5, 0.3, 0.1, 0.1]),
            "amount": random.normal(size=rows),
            "code": random.choice([100, 200, 300], rows),
            "y1": random.normal(size=rows),
        }
    )


def dataset(table: Any = None, **options: Any) -> rnn.Dataset:
    given_options = {"features": FEATURES, "categories": "code", **options}
    return rnn.Dataset.from_frame(frame() if table is None else table, **given_options)
