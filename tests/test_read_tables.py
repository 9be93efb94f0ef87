"""Tables in memory of every library: the same values, whatever holds them."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sources import TABLE, assert_same

import rnn_rust as rnn
from rnn_rust import Dataset
from rnn_rust.errors import DataError, ParameterError


def duckdb_relation() -> Any:
    table = TABLE.to_arrow()
    return duckdb.connect().from_arrow(table)


IN_MEMORY: dict[str, Callable[[], Any]] = {
    "polars": lambda: TABLE,
    "lazy": TABLE.lazy,
    "pandas": TABLE.to_pandas,
    "pandas of pyarrow": lambda: TABLE.to_pandas(use_pyarrow_extension_array=True),
    "pandas, nullable": lambda: TABLE.to_pandas().convert_dtypes(),
    "pandas, categories": lambda: TABLE.to_pandas().astype({"id": "category"}),
    "pandas, index": lambda: TABLE.to_pandas().set_index(["id", "t"]),
    "pyarrow": TABLE.to_arrow,
    "reader": lambda: TABLE.to_arrow().to_reader(),
    "duckdb": duckdb_relation,
    "dict": lambda: TABLE.to_dict(as_series=False),
    "dict of arrays": lambda: {
        name: np.array(column.to_list()) if name != "y1" else [0.0, np.nan, 1.0, 1.0]
        for name, column in TABLE.to_dict().items()
    },
}


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_tables_in_memory(kind: str) -> None:
    assert_same(Dataset.from_frame(IN_MEMORY[kind]()))


def test_pandas_without_pyarrow(run_python: Callable[..., Any]) -> None:
    code = """
import sys
sys.modules["pyarrow"] = None  # an import of it fails
import datetime, pandas as pd, rnn_rust as rnn
frame = pd.DataFrame({
    "id": ["a", "a", "b"], "kind": pd.Categorical(["u", "v", "u"]),
    "t": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01"]).tz_localize("Europe/Paris"),
    "x1": pd.array([1, None, 3], dtype="Int64").fillna(2), "x2": pd.array([0.5, 1.5, 2.5]),
    "x3": [True, False, True], "y1": pd.array([1, None, 0], dtype="Int64"),
})
for table in (frame, frame.set_index(["id", "t"]), frame.astype({"id": "category"}),
              frame.astype({"id": "string"}), frame.astype({"id": object})):
    data = rnn.Dataset.from_frame(table)
    assert data.features.tolist() == [[1, 0.5, 1], [2, 1.5, 0], [3, 2.5, 1]], data.features
    assert data.ids.tolist() == ["a", "b"]
    assert data.labels.tolist()[0] == [1] and data.labels.tolist()[2] == [0]
    assert data.times[0].item() == datetime.datetime(2023, 12, 31, 23), data.times
months = pd.DataFrame({"x1": [1.0, 2.0]}, index=pd.period_range("2024-01", periods=2, freq="M"))
data = rnn.Dataset.from_frame(months, time="index", labels=[])
assert data.times.tolist() == [datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)]
print("fine")
"""
    result: subprocess.CompletedProcess[str] = run_python(code)
    assert result.stdout.strip().endswith("fine"), result.stderr


def test_an_index_that_counts_rows_is_no_column() -> None:
    frame = pd.DataFrame({"t": [1, 2], "x1": [1.0, 2.0]})
    assert Dataset.from_frame(frame, features="x1").left_out == ()
    named = frame.set_index(pd.DatetimeIndex(["2024-01-01", "2024-01-02"]))
    data = Dataset.from_frame(named, time="index", features="x1")
    assert data.times.astype("M8[D]").tolist() == [
        datetime.date(2024, 1, 1),
        datetime.date(2024, 1, 2),
    ]


def busy_relation() -> Any:
    connection = duckdb.connect()
    relation = connection.from_arrow(TABLE.to_arrow())
    connection.close()
    return relation


def consumed_reader() -> Any:
    reader = TABLE.to_arrow().to_reader()
    reader.read_all()
    return reader


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (busy_relation, DataError, "frame: the DuckDBPyRelation cannot be read"),
        (consumed_reader, DataError, "has no rows, or was read before"),
        (lambda: {"x": [1, 2], "t": [1]}, DataError, "columns of different lengths"),
        (lambda: {"x": np.zeros((2, 2))}, ParameterError, r"column 'x' has shape \(2, 2\)"),
        (
            lambda: pd.DataFrame([[1, 2]], columns=["x1", "x1"]),
            DataError,
            "columns 1 and 2 are both named 'x1'",
        ),
        (
            lambda: pd.DataFrame([[1, 2]], columns=["x1", "x1"], index=pd.Index([3], name="id")),
            DataError,
            "columns 1 and 2 are both named 'x1'",
        ),
        (
            lambda: pd.DataFrame({"x1": [1.0], "y1": [2]}, index=pd.Index([3], name="y1")),
            DataError,
            "frame: a column and a level of the index are both named 'y1'; rename one of them",
        ),
        (
            lambda: pd.DataFrame({"t": [1, 2], "x1": [1, "b"], "y1": [0, 1]}),
            DataError,
            "column 'x1'.*'b' is not a number|cannot be converted",
        ),
        (lambda: pd.Series([1.0]), ParameterError, r"not a pandas.*\.Series"),
        (
            lambda: TABLE.lazy().with_columns(pl.col("none")),
            DataError,
            'frame: it cannot be read .*"none"',
        ),
        (lambda: pl.scan_csv("none.csv"), DataError, "frame: it cannot be read .*none.csv"),
        (
            lambda: {"t": [1, 2], 5: [1.0, 2.0], "5": [3.0, 4.0]},
            DataError,
            "frame: two columns are named '5'; rename one",
        ),
        (
            lambda: {"t": [1, 2], "x1": [1, "b"]},
            DataError,
            "frame, column 'x1': the cells cannot be converted .*; give all cells one type",
        ),
        (lambda: {"t": [1, 2], "x1": [[1], [1, 2]]}, DataError, "'x1': the cells cannot be con"),
        (
            lambda: {"t": np.array([1, 2], "M8[ps]"), "x1": [1, 2]},
            DataError,
            r"'t': type datetime64\[ps\] cannot be converted without loss",
        ),
        (
            lambda: {"t": np.array([1, 2], "m8[M]"), "x1": [1, 2]},
            DataError,
            r"'t': type timedelta64\[M\] cannot be converted without loss",
        ),
        (
            lambda: pa.table([[1], [2.0], [3.0]], names=["t", "x1", "x1"]),
            DataError,
            "frame: the Table cannot be read .*; check the table",
        ),
        (lambda: "data.csv", ParameterError, r"a table is .*, not a builtins\.str"),
        (lambda: [("a", 1)], ParameterError, r"not a builtins\.list"),
        (
            lambda: TABLE.with_columns(x1=pl.Series([1.0, None, 2.0, 3.0])),
            DataError,
            r"frame, row 1 \(counted from 0\), id 'a', column 'x1': the cell is empty",
        ),
    ],
)
def test_tables_that_cannot_be_read(
    table: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Dataset.from_frame(table())


def test_dicts_of_columns_of_many_kinds() -> None:
    """Masked cells are missing; lists may lack numbers, and mix whole ones with others."""
    columns: dict[str, Any] = {
        "masked": np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]),
        "list": [1, float("nan"), 2.5],
        "gap": [1, None, pd.NA],
        "arrow": pa.array([1, None, 3]),
        "chunks": pa.chunked_array([[1.5], [2.5, None]]),
        "nullable": pd.array([None, 2, 3], dtype="Int64"),
        "series": pd.Series([1, 2, 3], index=[2, 1, 0]),
        "index": pd.Index([4, 5, 6]),
    }
    table = {"t": np.array(["2024", "2025", "2026"], "M8[Y]"), **columns}
    data = Dataset.from_frame(table, features=list(columns), labels=[], missing="keep")
    nan = np.nan
    expected = [
        [1, nan, 3], [1, nan, 2.5], [1, nan, nan], [1, nan, 3], [1.5, 2.5, nan], [nan, 2, 3],
        [1, 2, 3], [4, 5, 6],
    ]  # fmt: skip
    np.testing.assert_array_equal(data.features.T, expected)
    assert data.times.astype("M8[Y]").astype(str).tolist() == ["2024", "2025", "2026"]
    hours = {"t": np.array(["2024-01-01T05", "2024-01-01T07"], "M8[h]"), "x1": [1, 2]}
    assert np.diff(Dataset.from_frame(hours, labels=[]).times) == np.timedelta64(2, "h")
    with pytest.raises(DataError, match=r"row 1 .*, column 'masked': the cell is empty"):
        Dataset.from_frame(table, features="masked", labels=[])


def test_columns_of_pandas_that_are_not_needed_may_hold_anything() -> None:
    frame = TABLE.to_pandas().assign(mixed=[1, "a", None, object()])
    data = Dataset.from_frame(frame)
    assert data.left_out == ("note", "mixed")
    np.testing.assert_array_equal(data.features, Dataset.from_frame(TABLE).features)
    with pytest.raises(DataError, match="frame, column 'mixed': cells of type object cannot be"):
        Dataset.from_frame(frame, features=["x1", "mixed"])


def test_a_column_may_have_an_empty_name() -> None:
    frame = pl.DataFrame({"t": [1, 2], "": [1.5, 2.5], "y1": [0.0, 1.0]})
    data = Dataset.from_frame(frame, features=[""], labels="y1")
    assert data.feature_names == ("",)
    assert data.features.tolist() == [[1.5], [2.5]]
    assert data.to_frame().equals(frame)


@pytest.mark.parametrize("column", [[[1], [2]], [b"\xff", b"a"], [datetime.timedelta(1)] * 2])
def test_lists_bytes_and_durations_are_neither_categories_nor_parts_of_a_time(
    column: list[Any],
) -> None:
    table = pl.DataFrame({"date": column, "time": ["10:00", "11:00"], "t": [1, 2]})
    with pytest.raises(DataError, match=r"frame, column 'date': type .* is no category"):
        Dataset.from_frame(table, features="date", labels=[], categories="date")
    with pytest.raises(DataError, match=r"frame, column 'date': type .* is no part of a time"):
        Dataset.from_frame(table, features="t", labels=[], time=["date", "time"])


def test_columns_of_pandas_of_many_types() -> None:
    """Numbers of objects may be of several types; sparse ones, seconds and periods are read."""
    columns = {
        "mixed": pd.Series([1, 2.5, None], dtype=object),
        "scalars": pd.Series([np.float32(1), np.int64(2), 3], dtype=object),
        "sparse": pd.arrays.SparseArray([5, 5, 1], fill_value=5),
        "flags": pd.arrays.SparseArray([True, False, True]),
    }
    seconds = np.array(["0001-01-01", "2020-01-01", "9999-12-31"], "M8[s]")
    frame = pd.DataFrame({"t": seconds, **columns})
    data = Dataset.from_frame(frame, features=list(columns), labels=[], missing="keep")
    expected = [[1, 2.5, np.nan], [1, 2, 3], [5, 5, 1], [1, 0, 1]]
    np.testing.assert_array_equal(data.features.T, expected)
    assert data.times.astype("M8[s]").tolist() == seconds.tolist()


@pytest.mark.parametrize("cells", [["b", "a", "é"], ["b", None, ""], [None, None, "b"]])
@pytest.mark.parametrize("storage", ["pyarrow", "python"])
@pytest.mark.parametrize("gone", [np.nan, pd.NA])
def test_text_of_pandas_however_it_is_held(cells: list[Any], storage: str, gone: Any) -> None:
    column = pd.Series([*cells, None], dtype=pd.StringDtype(storage, na_value=gone))
    frame = pd.DataFrame({"t": range(4), "x1": 0, "y": column, "z": column.astype(object)}).iloc[:3]
    data = Dataset.from_frame(frame, labels=["y", "z"])
    levels = tuple(sorted({cell for cell in cells if cell}))
    assert data.label_levels == {"y": levels, "z": levels}
    wanted = [levels.index(cell) if cell else np.nan for cell in cells]
    np.testing.assert_array_equal(data.labels.T, [wanted, wanted])
    empty = Dataset.from_frame(frame.assign(y=column[3:].repeat(3).array), labels="y")
    assert (np.isnan(empty.labels).all(), empty.label_levels) == (True, {})


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pd.period_range("2024-01-08", periods=2, freq="W"), ["2024-01-08", "2024-01-15"]),
        (pd.period_range("2024-01", periods=2, freq="M"), ["2024-01-01", "2024-02-01"]),
        (
            pd.date_range("2024-06-01", periods=2, tz="dateutil/Europe/Vienna"),
            ["2024-05-31T22:00", "2024-06-01T22:00"],
        ),
        (
            pd.date_range("2024-06-01", periods=2, tz="Europe/Vienna", unit="s"),
            ["2024-05-31T22:00", "2024-06-01T22:00"],
        ),
    ],
)
def test_times_of_pandas(times: Any, expected: list[str]) -> None:
    data = Dataset.from_frame(pd.DataFrame({"t": times, "x1": [1, 2]}), labels=[])
    assert data.times.tolist() == np.array(expected, data.times.dtype).tolist()
    gap = pd.Series(times).where([True, False])
    with pytest.raises(DataError, match=r"row 1 .*, column 't': the cell is empty"):
        Dataset.from_frame(pd.DataFrame({"t": gap, "x1": [1, 2]}), labels=[])


@pytest.mark.parametrize("part", ["features", "labels", "static", "time", "weights"])
@pytest.mark.parametrize("name", ["id", "name"])
def test_a_column_is_not_the_id_and_something_else_without_saying_so(name: str, part: str) -> None:
    frame = pl.DataFrame(
        {name: [1, 1, 2], "t": [1, 2, 1], "x1": [1.0, 2.0, 3.0], "y1": [0, 1, 0]}
    )  # fmt: skip
    columns: dict[str, Any] = {part: ["x1", name] if part == "features" else name}
    message = f"frame: column '{name}' is asked for as {part}, and is the id by default; give id=N"
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(frame, **columns)
    if part != "static":
        ordered = frame.sort("t") if part != "time" else frame
        series = Dataset.from_frame(ordered, id=None, ties="keep", **columns)
        assert (len(series), series.offsets.tolist()) == (1, [0, 3])
    # Where another column says the sequence, it is meant.
    for option in ({"id": "card"}, {}):
        other = {"id": "name", "name": "id"}[name]
        renamed = frame.with_columns(pl.Series("card" if option else other, ["a", "a", "b"]))
        if part == "time":
            renamed = renamed.with_columns(pl.Series(name, [1, 2, 1]))
        data = Dataset.from_frame(renamed, **columns, **option)
        assert data.ids.tolist() == ["a", "b"]


def test_a_model_without_names_of_keys_takes_its_columns_from_a_table() -> None:
    rows = np.array([[5.0, 1.0], [6.0, 2.0], [7.0, 3.0]])
    names = ["name", "x1"]
    data = Dataset.from_arrays(rows, rows[:, :1], [0, 3], feature_names=names)
    model = rnn.GRU(2, 3, 1)
    model.fit(data, epochs=1, progress=False)
    frame = pl.DataFrame(dict(zip(names, rows.T, strict=True)))
    np.testing.assert_array_equal(model.predict(frame), model.predict(rows))
