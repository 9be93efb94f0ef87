"""Reading CSV files and frames: what is accepted, and what each bad input is told."""

from __future__ import annotations

import csv
import datetime
import errno
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Write, read_error
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_rust import Dataset
from rnn_rust.errors import DataError, MissingFileError, ParameterError

HEADER = "id,t,x1,x2,y1\n"


def test_rows_are_grouped_by_first_appearance_and_ordered_by_time(write: Write) -> None:
    ds = Dataset.from_csv(write(HEADER + "b,2,1,2,0\na,5,3,4,1\nb,1,5,6,\na,7,7,8,nan\n"))
    assert [(s.id, s.times.tolist()) for s in ds] == [("b", [1, 2]), ("a", [5, 7])]
    np.testing.assert_array_equal(ds.features, [[5, 6], [1, 2], [3, 4], [7, 8]])
    np.testing.assert_array_equal(ds.labels, [[np.nan], [0], [1], [np.nan]])
    assert ds.features.flags.c_contiguous
    assert ds.offsets.tolist() == [0, 2, 4]
    assert ds.row_numbers.tolist() == [2, 0, 1, 3]
    assert (ds.feature_names, ds.label_names) == (("x1", "x2"), ("y1",))


def test_default_columns(write: Write) -> None:
    ds = Dataset.from_csv(
        write(
            "f2,label,name,note,t,x1,y3,target,x,y,year,latitude,features\n"
            "1,2,a,hello,0,3,4,5,6,7,8,9,0\n"
        )
    )
    assert (ds.id_name, ds.time_name) == ("name", "t")
    assert (ds.feature_names, ds.label_names) == (("f2", "x1"), ("label", "y3", "target"))
    assert ds.left_out == ("note", "x", "y", "year", "latitude", "features")
    assert "left out   note, x, y, year, latitude, features" in ds.summary()
    assert ds.features.tolist() == [[1, 3]]


def test_named_columns_leave_the_defaults_to_the_others(write: Write) -> None:
    path = write("id,t,x1,x2,card,when\n9,8,1,2,c,3\n")
    ds = Dataset.from_csv(path, id="card", time="when", labels="x2")
    assert (ds.ids.tolist(), ds.times.tolist()) == (["c"], [3])
    assert (ds.feature_names, ds.label_names) == (("x1",), ("x2",))
    ds = Dataset.from_csv(path, features=["t", "x1"], time="when", labels=["id"], id="card")
    assert (ds.features.tolist(), ds.labels.tolist()) == ([[8, 1]], [[9]])


def test_labels_may_be_declared_absent(write: Write) -> None:
    ds = Dataset.from_csv(write(HEADER + "a,1,1,1,1\n"), labels=[])
    assert ds.labels.shape == (1, 0)
    assert not ds.has_labels


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        (["3", "-1"], [3, -1]),
        (["007", "7"], ["007", "7"]),
        (["1", "9" * 30], ["1", "9" * 30]),
        (["é a", " b"], ["é a", " b"]),
        (['"a,1"', '"b\nc"'], ["a,1", "b\nc"]),
    ],
)
def test_ids(write: Write, ids: list[str], read: list[str | int]) -> None:
    ds = Dataset.from_csv(write(HEADER + "".join(f"{i},1,0,0,0\n" for i in ids)))
    assert [sequence.id for sequence in ds] == read


@pytest.mark.parametrize(
    ("times", "ordered"),
    [
        (["10", "9"], [9, 10]),
        (["1e1", "9.5"], [9.5, 10.0]),
        (["2024-01-02", "2023-12-31"], [datetime.date(2023, 12, 31), datetime.date(2024, 1, 2)]),
        (
            ["2010/01/01 01:00", "2010/01/01 00:00"],
            [datetime.datetime(2010, 1, 1, hour) for hour in (0, 1)],
        ),
        (
            ["2024-01-02T00:00:01Z", "2024-01-02T00:00:00Z"],
            [datetime.datetime(2024, 1, 2, 0, 0, second) for second in (0, 1)],
        ),
    ],
)
def test_times(write: Write, times: list[str], ordered: list[object]) -> None:
    ds = Dataset.from_csv(write(HEADER + "".join(f"a,{t},0,0,0\n" for t in times)))
    assert ds.times.tolist() == sorted(ordered)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + (HEADER + "a,1,1,2,3\na,2,4,5,6\n").encode(),
        (HEADER + "a,1,1,2,3\na,2,4,5,6\n").replace("\n", "\r\n"),
        HEADER + "a,1,1,2,3\na,2,4,5,6",
        HEADER + "\na,1,1,2,3\n\n,,,,\na,2,4,5,6\n\n\n",
        HEADER + '"a","1","1","2","3"\na, 2, 4,5 ,6\n',
    ],
    ids=["byte order mark", "CRLF", "no final newline", "blank lines", "quotes and blanks"],
)
def test_harmless_variants(write: Write, content: str | bytes) -> None:
    ds = Dataset.from_csv(write(content))
    assert ds.features.tolist() == [[1, 2], [4, 5]]
    assert ds.labels.tolist() == [[3], [6]]
    assert ds.row_numbers.tolist() == [0, 1]


def test_characters_that_mean_something_to_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "~a[1]*.csv"
    path.write_text(HEADER + "a,1,1,2,3\n")
    assert len(Dataset.from_csv(path)) == 1


GOOD = "a,1,1,2,3\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,2,3,4\n", "line 3: the row is too short: 4 cells where the header has 5"),
        ("a,2,3,4", "line 3: the row is too short"),
        ("a,2,3,4,\na,5,6\n", "line 4: the row is too short"),
        ("a,2,3,4,5,6\n", "line 3: the row is too long: 6 cells"),
        ("a,2,3,4,5,\n", "line 3: the row is too long"),
        ("\n\na,2,abc,4,5\n", "line 5, column 'x1': 'abc' is not a number"),
        ('"b\nc",2,1,2,3\na,2,1,abc,5\n', "line 5, column 'x2': 'abc' is not a number"),
        ("a,2,3,4,fraud\n", "line 3, column 'y1': 'fraud' is not a number"),
        ("a,2,3,,5\n", "line 3, column 'x2': the cell is empty"),
        ('a,2,3,"",5\n', "line 3, column 'x2': the cell is empty"),
        ("a,2,3,nan,5\n", "line 3, column 'x2': the value is nan"),
        ("a,2,-inf,4,5\n", "line 3, column 'x1': the value is -inf"),
        ("a,2,1e999,4,5\n", "line 3, column 'x1': the value is inf"),
        ("a,2,3,4,inf\n", "line 3, column 'y1': the value is inf"),
        (",2,3,4,5\n", "line 3, column 'id': the cell is empty"),
        ('"",2,3,4,5\n', "line 3, column 'id': the cell is empty"),
        ("a,,3,4,5\n", "line 3, column 't': the cell is empty"),
        ("a,nan,3,4,5\n", "line 3, column 't': nan is not usable as a time"),
        (f"a,{10**19},3,4,5\n", f"line 3, column 't': {10**19} is not usable as a time"),
        ("a,noon,3,4,5\n", "line 3, column 't': 'noon' is not a time"),
        ("a,2024-01-31,3,4,5\n", "line 3, column 't': '2024-01-31' is not a time like '1', line 2"),
        ("b,1,3,4,5\na,1,3,4,5\n", "line 4: id 'a' has a row at time 1 already, line 2"),
        ('a,2,3,4,5\n"a,3,4,5,6\n', "line 4: the quote that opens a cell here is never closed"),
        ('"' + "a" * 200_000 + "\n", "line 3: the quote that opens a cell here is never closed"),
    ],
)
def test_bad_rows(write: Write, rows: str, message: str) -> None:
    assert read_error(write(HEADER + GOOD + rows)).startswith(message)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["1/2/2024"], "line 2, column 't': '1/2/2024' is 1 February 2024 or 2 January 2024"),
        (["2024-31-01"], "line 2, column 't': '2024-31-01' is not a time"),
        (["2024-01-31", "7"], "line 3, column 't': '7' is not a time"),
        (["2024-01-31", "2024-02-01T00:00"], "line 3, column 't': '2024-02-01T00:00' has another"),
        (
            ["2024-01-01T00:00Z", "2024-02-01T00:00"],
            "line 3, column 't': '2024-02-01T00:00' has an",
        ),
    ],
)
def test_dates_that_have_no_order(write: Write, times: list[str], message: str) -> None:
    path = write(HEADER + "".join(f"a,{t},0,0,0\n" for t in times))
    assert read_error(path).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs a header line"),
        ("\n\r\n", "is empty; it needs a header line"),
        (HEADER, "there are no rows"),
        (HEADER.strip() + "\n\n\n", "there are no rows"),
        ("id|t|x1|y1\na|1|2|3\n", "no time column ('t'); columns seen: 'id|t|x1|y1'"),
        ("id,t,x1,x1,y1\na,1,2,3,4\n", "columns 3 and 4 of the header are both named 'x1'"),
        ("card,t,x1,y1\na,1,2,3\nb,1,4,5\n", "line 3: the series has a row at time 1 already, "),
        ("id,time,x1,y1\na,1,2,3\n", "no time column ('t'); columns seen: 'id', 'time', 'x1'"),
        ("id,t,a,y1\na,1,2,3\n", "no feature column ('x' or 'f' and a number); columns seen: "),
        (
            "id,t,x1,a\na,1,2,3\n",
            "no label column ('y' or 'l' and a number, 'label' or 'target'); columns",
        ),
        ((HEADER + "b,1,1,2,3\nä,1,1,2,3\n").encode("latin-1"), "line 3: not UTF-8 text"),
        ((HEADER + GOOD).encode("utf-16"), "the text is UTF-16; save the file in UTF-8"),
        ((HEADER + GOOD).replace("\n", "\r"), "line 1: the line ends with a carriage return alone"),
        (HEADER + GOOD.replace("\n", "\r") * 3, "line 2: the line ends with a carriage"),
    ],
)
def test_bad_files(write: Write, content: str | bytes, message: str) -> None:
    assert read_error(write(content)).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": "card"}, "no column 'card', asked for as id; columns seen: 'id', 't', 'x1'"),
        ({"features": ["x1", "x9"]}, "no column 'x9', asked for as features;"),
        ({"features": []}, "no feature column"),
        ({"features": ["x1", "y1"], "labels": "y1"}, "column 'y1' is asked for as features, and"),
        ({"features": ["x1", "x1"]}, "column 'x1' is asked for as features, and again as feat"),
        ({"id": "x1", "time": "x1"}, "column 'x1' is asked for as id, and again as time"),
    ],
)
def test_bad_choices_of_columns(write: Write, columns: dict[str, object], message: str) -> None:
    assert read_error(write(HEADER + GOOD), **columns).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": 1}, "id must be the name of a column, got 1"),
        ({"time": ["t", 1]}, r"time must be column names, got \['t', 1\]"),
        ({"features": 7}, "features must be column names, got 7"),
        ({"labels": ["y1", 2]}, r"labels must be column names, got \['y1', 2\]"),
    ],
)
def test_column_names_are_text(write: Write, columns: dict[str, Any], message: str) -> None:
    path = write(HEADER + GOOD)
    with pytest.raises(ParameterError, match=message):
        Dataset.from_csv(path, **columns)
    with pytest.raises(ParameterError, match=message):
        Dataset.from_frame(pl.read_csv(path), **columns)


def test_advice_is_for_python_and_the_command_line(write: Write) -> None:
    message = read_error(write("card,t,x1\na,1,2\n"), id="card")
    advice = "name at least one with labels (--labels on the command line); labels=[] in Python"
    assert advice in message
    assert "time (--time on the command line)" in read_error(write("id,when,x1\na,1,2\n"))


def test_a_long_header_is_not_printed_in_full(write: Write) -> None:
    message = read_error(write(",".join(f"c{i}" for i in range(500)) + "\n"))
    assert "'c11', ... (500 in all)" in message


def test_a_row_short_of_an_unused_column_is_reported(write: Write) -> None:
    path = write("id,t,x1,y1,note\na,1,2,3,\na,2,3,4\n")
    assert read_error(path).startswith("line 3: the row is too short")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.csv: there is no such file"):
        Dataset.from_csv(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError):
        Dataset.from_csv("nowhere.csv")
    for path in (Path(__file__) / "below_a_file.csv", "with\0nul.csv"):
        with pytest.raises(MissingFileError):
            Dataset.from_csv(path)
    assert read_error(tmp_path).startswith("is a directory")
    assert read_error(Path(os.devnull)).startswith("is not a regular file")


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = write(HEADER + GOOD)
    monkeypatch.setattr(Path, "open", refuse)
    assert read_error(path).startswith("cannot be read: Permission denied; ")


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


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "7", "", " x"]).map(lambda text: "id" + text),
        st.integers(-50, 50),
        st.floats(-1e6, 1e6),
        st.none() | st.floats(-1e6, 1e6),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 9))
def test_grouping_equals_a_plain_python_oracle(
    rows: list[tuple[str, int, float, float | None]],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    random.Random(seed).shuffle(rows)
    path = tmp_path_factory.mktemp("oracle", numbered=True) / "data.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "t", "x1", "y1"), *rows])

    groups: dict[str, list[tuple[int, int]]] = {}
    for number, (key, time, _, _) in enumerate(rows):
        groups.setdefault(key, []).append((time, number))
    order = [number for group in groups.values() for _, number in sorted(group)]

    ds = Dataset.from_csv(path)
    assert ds.ids.tolist() == list(groups)
    assert np.diff(ds.offsets).tolist() == [len(group) for group in groups.values()]
    assert ds.row_numbers.tolist() == order
    assert ds.times.tolist() == [rows[number][1] for number in order]
    assert ds.features[:, 0].tolist() == [rows[number][2] for number in order]
    labels = [None if np.isnan(label) else label for label in ds.labels[:, 0].tolist()]
    assert labels == [rows[number][3] for number in order]


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_csv_round_trip(
    rows: list[tuple[str, int, float, float | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    schema = {"id": pl.String, "t": pl.Int64, "x1": pl.Float64, "y1": pl.Float64}
    ds = Dataset.from_frame(pl.DataFrame(rows, schema=schema, orient="row"))
    path = tmp_path_factory.mktemp("round_trip", numbered=True) / "data.csv"
    ds.to_frame().write_csv(path)
    again = Dataset.from_csv(path)
    for name in ("features", "labels", "offsets", "ids", "times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(ds, name), err_msg=name)
    assert again.row_numbers.tolist() == list(range(len(rows)))
