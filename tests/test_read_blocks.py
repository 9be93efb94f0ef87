"""Reading CSV files block by block, into numbers of either dtype."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Write, read_error

from rnn_rust import Dataset
from rnn_rust.data import csv_file
from rnn_rust.errors import DataError, ParameterError

HEADER = "id,t,x1,x2,y1\n"


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype(np.float64)])
def test_numbers_are_kept_in_the_dtype_asked_for(write: Write, dtype: Any) -> None:
    path = write("id,t,x,y,w\n1,0,0.1,1e-3,0.7\n1,1,-3e38,,0.2\n")
    columns: dict[str, Any] = {"features": ["x"], "labels": "y", "weights": "w", "dtype": dtype}
    frame = pl.read_csv(path)
    for ds in (Dataset.from_csv(path, **columns), Dataset.from_frame(frame, **columns)):
        assert ds.weights is not None
        assert {ds.features.dtype, ds.labels.dtype, ds.weights.dtype} == {np.dtype(dtype)}
        np.testing.assert_array_equal(ds.features, np.array([[0.1], [-3e38]], dtype))
        np.testing.assert_array_equal(ds.labels, np.array([[1e-3], [np.nan]], dtype))
        np.testing.assert_array_equal(ds.weights, np.array([0.7, 0.2], dtype))
        assert ds.subset([0]).features.dtype == np.dtype(dtype)


@pytest.mark.parametrize("column", ["x", "y", "w"])
def test_numbers_too_large_for_float32_are_named(write: Write, column: str) -> None:
    cells = {"x": "1", "y": "1", "w": "1"} | {column: "1e39"}
    path = write("id,t,x,y,w\n1,0,1,1,1\n1,1," + ",".join(cells.values()) + "\n")
    columns: dict[str, Any] = {"features": ["x"], "labels": "y", "weights": "w"}
    message = read_error(path, **columns, dtype="float32")
    assert message.startswith("line 3")
    assert f"column '{column}'" in message
    assert "1e39 is too large for float32" in message
    assert len(Dataset.from_csv(path, **columns).features) == 2
    with pytest.raises(DataError, match=r"row 1.*too large for float32"):
        Dataset.from_frame(pl.read_csv(path), **columns, dtype="float32")


@pytest.mark.parametrize("dtype", ["float16", "int64", "double precision", 32, int])
def test_other_dtypes_are_refused(write: Write, dtype: Any) -> None:
    path = write(HEADER + "a,0,1,2,0\n")
    with pytest.raises(ParameterError, match="dtype must be 'float32' or 'float64', got"):
        Dataset.from_csv(path, dtype=dtype)
    with pytest.raises(ParameterError, match="dtype must be 'float32' or 'float64', got"):
        Dataset.from_frame(pl.read_csv(path), dtype=dtype)


BLANK_ROWS = ("\n", ",,,,\n", '"",,"",,\n')


@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_a_file_of_many_blocks(write: Write, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Blank rows and quoted line feeds stand at the boundaries of blocks of every size."""
    generator = random.Random(7)
    rows, values = [], []
    for number in range(60):
        rows.append(f'"id\n{number // 4}",{number},{number},"{number / 3}",{-number}\n')
        values.append([number, number / 3])
        rows += generator.choices(BLANK_ROWS, k=generator.randrange(3))
    path = write(HEADER + "".join(rows).rstrip("\n") + ending)
    for size in (1, 30, 100, 1000, 1 << 20):
        monkeypatch.setattr(csv_file, "_BLOCK_BYTES", size)
        ds = Dataset.from_csv(path)
        np.testing.assert_array_equal(ds.features, values)
        np.testing.assert_array_equal(ds.labels[:, 0], [-row[0] for row in values])
        assert ds.ids.tolist() == [f"id\n{number}" for number in range(15)]
        assert ds.times.tolist() == list(range(60))


def test_a_bad_cell_of_a_late_block_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK_BYTES", 50)
    rows = [f"a,{number},1,2,3\n" for number in range(40)]
    for cell, problem in (("oops", "'oops'"), ("inf", "inf"), ("", "empty")):
        rows[33] = f"a,33,1,{cell},3\n"
        message = read_error(write(HEADER + "\n" + "".join(rows)))
        assert message.startswith("line 36, column 'x2'")
        assert problem in message
