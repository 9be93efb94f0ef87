"""Frames as data sets: types that are taken and kept, and what bad ones are told."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from rnn_rust import Dataset
from rnn_rust.errors import DataError, ParameterError

FRAME = pl.DataFrame({"id": ["b", "a", "b"], "t": [2, 1, 1], "x1": [1, 2, 3], "y1": [1, None, 0]})


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.cast({"id": pl.Categorical, "t": pl.Decimal(10, 2)}),
        FRAME.cast({"x1": pl.Decimal(10, 2), "y1": pl.Boolean, "t": pl.UInt8}),
        FRAME.cast({"x1": pl.String, "y1": pl.String}),
    ],
)
def test_frames_of_many_types(frame: pl.DataFrame) -> None:
    ds = Dataset.from_frame(frame)
    assert ds.ids.tolist() == ["b", "a"]
    assert ds.times.tolist() == [1, 2, 1]
    np.testing.assert_array_equal(ds.features, [[3.0], [1.0], [2.0]])
    np.testing.assert_array_equal(ds.labels, [[0.0], [1.0], [np.nan]])
    assert ds.features.dtype == np.float64


def test_frame_types_are_kept() -> None:
    days = [datetime.date(2024, 1, day) for day in (2, 1, 3)]
    frame = FRAME.with_columns(id=pl.Series(["1", "2", "1"]), t=pl.Series(days))
    ds = Dataset.from_frame(frame.cast({"x1": pl.Float32}))
    assert (ds.features.dtype, ds.labels.dtype) == (np.float32, np.float64)
    assert [sequence.id for sequence in ds] == ["1", "2"]
    assert ds.times.dtype == np.dtype("datetime64[D]")
    assert ds.to_frame().rows() == [
        ("1", datetime.date(2024, 1, 2), 1.0, 1.0),
        ("1", datetime.date(2024, 1, 3), 3.0, 0.0),
        ("2", datetime.date(2024, 1, 1), 2.0, None),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x1": [1, None, 2]},
            "frame, row 1 (counted from 0), id 'a', column 'x1': the cell is empty",
        ),
        (
            {"x1": [1.0, 2.0, float("nan")]},
            "frame, row 2 (counted from 0), id 'b', column 'x1': the value is nan",
        ),
        (
            {"x1": ["1", "b", "2"]},
            "frame, row 1 (counted from 0), id 'a', column 'x1': 'b' is not a number",
        ),
        (
            {
                "id": [datetime.datetime(2024, 1, 31, 10, 15, day) for day in (1, 1, 2)],
                "x1": [1, None, 2],
            },
            "frame, row 1 (counted from 0), id datetime.datetime(2024, 1, 31, 10, 15, 1), column",
        ),
        ({"x1": [[1], [2], [3]]}, "frame, column 'x1': type List(Int64) is not numeric"),
        (
            {"y1": [1.0, float("inf"), 2.0]},
            "frame, row 1 (counted from 0), id 'a', column 'y1': the value is inf",
        ),
        ({"id": ["a", None, "b"]}, "frame, row 1 (counted from 0), column 'id': the cell is empty"),
        ({"id": [1.0, 2.0, 3.0]}, "frame, column 'id': ids are Float64"),
        (
            {"t": [1, 2, None]},
            "frame, row 2 (counted from 0), id 'b', column 't': the cell is empty",
        ),
        ({"t": [True, True, True]}, "frame, column 't': times are Boolean"),
        (
            {"t": [1.0, float("inf"), 2.0]},
            "frame, row 1 (counted from 0), id 'a', column 't': inf is not usable",
        ),
        (
            {"t": [1, 1, 2**63]},
            "frame, row 2 (counted from 0), id 'b', column 't': 9223372036854775808 is not usable",
        ),
        (
            {"t": [1, 1, 1]},
            "frame, row 2 (counted from 0): id 'b' has a row at time 1 already, row 0 (counted",
        ),
        (
            {"t": ["2", "1", "x"]},
            "frame, row 2 (counted from 0), id 'b', column 't': 'x' is not a time",
        ),
    ],
)
def test_bad_frames(change: dict[str, list[object]], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.from_frame(FRAME.with_columns(**{k: pl.Series(v) for k, v in change.items()}))
    assert str(caught.value).startswith(message)


def test_frames_need_rows_columns_and_the_right_type() -> None:
    with pytest.raises(DataError, match="frame: there are no rows"):
        Dataset.from_frame(FRAME.clear())
    with pytest.raises(DataError, match="frame: no time column"):
        Dataset.from_frame(FRAME.drop("t"))
    for value in ("data.csv", [(1, 2)], FRAME["t"], None):
        with pytest.raises(ParameterError, match=r"a table is a Polars DataFrame .*, not a "):
            Dataset.from_frame(value)
