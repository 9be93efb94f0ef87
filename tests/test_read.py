"""Reading CSV files: groups, columns, ids and times in all forms that are accepted."""

from __future__ import annotations

import csv
import datetime
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import Write
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_rust import Dataset

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
    for dtype in ("float32", "float64"):
        again = Dataset.from_frame(ds.to_frame(), labels=[], dtype=dtype)
        assert again.labels.dtype == again.features.dtype == dtype


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
