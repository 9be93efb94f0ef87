"""A table that every kind of source holds, and what is read of it."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl

from rnn_rust import Dataset

TABLE = pl.DataFrame(
    {
        "id": ["b", "a", "b", "a"],
        "t": [datetime.datetime(2024, 1, day, 12) for day in (2, 1, 1, 3)],
        "x1": [0.5, 1.5, 2.5, 3.5],
        "x2": [1, 2, 3, 4],
        "note": ["p", "q", None, "r"],
        "y1": [0.0, None, 1.0, 1.0],
    }
)


def assert_same(dataset: Dataset, *, dates: bool = True) -> None:
    """Compare with the rows of the table, sorted by Polars."""
    assert dataset.ids.tolist() == ["b", "a"]
    assert dataset.row_numbers.tolist() == [2, 0, 1, 3]
    ordered = TABLE[dataset.row_numbers.tolist()]
    np.testing.assert_array_equal(dataset.features, ordered.select("x1", "x2").to_numpy())
    labels = ordered["y1"].fill_null(np.nan).to_numpy()
    np.testing.assert_array_equal(dataset.labels[:, 0], labels)
    if dates:
        assert dataset.times.astype("M8[s]").tolist() == ordered["t"].to_list()
    assert dataset.left_out == ("note",)
