"""Times and digits: instants in their order, and characters that only look like digits."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_rust import Dataset
from rnn_rust.errors import DataError


def dataset(tmp_path: Path, times: list[str], ids: list[str] | None = None) -> Dataset:
    """Read a file of these times whose feature is the number of the row, from 1."""
    path = tmp_path / "data.csv"
    ids = ids or ["a"] * len(times)
    keys = zip(ids, times, strict=True)
    rows = (f'{key},"{time}",{n},0\n' for n, (key, time) in enumerate(keys, start=1))
    path.write_text("id,t,x1,y1\n" + "".join(rows), encoding="utf-8")
    return Dataset.from_csv(path)


def refused(tmp_path: Path, times: list[str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        dataset(tmp_path, times)
    assert message in str(caught.value)
    assert "polars" not in str(caught.value).lower()


@pytest.mark.parametrize(
    ("times", "order"),
    [
        # The hour that is there twice when clocks are put back: 00:30, 01:15 and 02:00 UTC.
        (
            ["2024-10-27T03:00:00+01:00", "2024-10-27T02:15:00+01:00", "2024-10-27T02:30:00+02:00"],
            [3, 2, 1],
        ),
        (["2024-01-01T00:30+01:00", "2024-01-01T00:00Z"], [1, 2]),
        (["2024-01-01 00:00-0330", "2024-01-01 03:00Z", "2024-01-01 03:15+0000"], [2, 3, 1]),
        (["2024/01/01 00:00:00.5", "2024/01/01 00:00:00.25", "2024/01/01 00:00:00"], [3, 2, 1]),
        (["2024-01-01T00:00:00,000000002", "2024-01-01T00:00:00,00000001"], [1, 2]),
        (["2024-01-01 00:00:00.000000012", "2024-01-01 00:00:00.000000011"], [2, 1]),
        (["2024-01-01 00:01", "2024-01-01 00:00:01"], [2, 1]),
    ],
)  # fmt: skip
def test_dates_are_ordered_as_instants(tmp_path: Path, times: list[str], order: list[int]) -> None:
    assert dataset(tmp_path, times).features[:, 0].tolist() == order


def test_instants_of_several_zones_are_in_utc(tmp_path: Path) -> None:
    times = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:15:00.5+01:00"]
    ds = dataset(tmp_path, times, ["a", "b"])
    expected = [datetime.datetime.fromisoformat(t).astimezone(datetime.UTC) for t in times]
    assert ds.times.dtype == np.dtype("datetime64[us]")
    assert ds.times.tolist() == [time.replace(tzinfo=None) for time in expected]
    earlier, later = ds.split(0.5, by="time")
    assert (earlier.ids.tolist(), later.ids.tolist()) == (["a"], ["b"])
    again = Dataset.from_frame(ds.to_frame(), features="x1", labels="y1")
    assert again.times.tolist() == ds.times.tolist()


INSTANTS = st.lists(
    st.tuples(
        st.datetimes(datetime.datetime(1700, 1, 2), datetime.datetime(2260, 1, 2)),
        st.integers(-47, 56).map(lambda quarters: quarters * 15),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda pair: pair[0],
)


@settings(max_examples=60, deadline=None)
@given(instants=INSTANTS)
def test_python_orders_instants_the_same(
    instants: list[tuple[datetime.datetime, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`isoformat` leaves a fraction of zero out."""
    texts = [
        moment.replace(tzinfo=datetime.UTC)
        .astimezone(datetime.timezone(datetime.timedelta(minutes=minutes)))
        .isoformat()
        for moment, minutes in instants
    ]
    ds = dataset(tmp_path_factory.mktemp("instants"), texts)
    order = sorted(range(len(instants)), key=lambda row: instants[row][0])
    assert ds.row_numbers.tolist() == order


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], "line 3, column 't': '2024-01-01T01:00' has"),
        (["2024-01-01 00:00", "2024-01-02"], "line 3, column 't': '2024-01-02' has another form"),
        (["2024-01-01T01:00+01:00", "2024-01-01T00:00Z"], "line 3: id 'a' has a row at time 2024"),
        (["2024-02-30T00:00Z", "2024-01-01T00:00+01:00"], "line 2, column 't': '2024-02-30T00"),
        (["2024-01-01 00:00:00.0000000001", "2024-01-01 00:00:00"], "line 2, column 't'"),
        (["1500-01-01 00:00:00.123456789", "1500-01-01 00:00:00"], "line 2, column 't'"),
        # Digits that are not ASCII, in numbers and dates.
        (["２０２３-01-01"], "line 2, column 't': '２０２３-01-01' is not a time"),
        (["2023-01-01", "2023-01-0٢"], "line 3, column 't': '2023-01-0٢' is not a time like"),
        (["1", "２"], "line 3, column 't': '２' is not a time"),
        (["1", "−2"], "line 3, column 't': '−2' is not a time"),
        (["1", "1_000"], "line 3, column 't': '1_000' is not a time"),
        (["1", "1 000"], "line 3, column 't': '1 000' is not a time"),
        (["1", "٢٢٢٢٢٢٢٢٢٢٢٢٢٢٢٢٢٢٢٢"], "line 3, column 't': '٢٢"),
        # Numbers that floats cannot tell apart.
        (
            ["63840000000000001", "63840000000000002", "63840000000000003.5"],
            "line 3: id 'a' has times 63840000000000002 and 63840000000000001, line 2, one number",
        ),
        (["0.1", "0.10000000000000000001"], "line 3: id 'a' has times 0.10000000000000000001 and"),
        (["1", "1.0"], "line 3: id 'a' has a row at time 1.0 already, line 2; keep one"),
    ],
)  # fmt: skip
def test_times_without_an_order_are_refused(tmp_path: Path, times: list[str], message: str) -> None:
    refused(tmp_path, times, message)


@pytest.mark.parametrize(
    "times",
    [
        ["63840000000000001", "63840000000000002", "63840000000000003"],
        ["-9223372036854775808", "9223372036854775806", "9223372036854775807"],
        ["1700000000.1234567", "1700000000.1234570", "1700000000.1234573"],
    ],
)
def test_times_of_many_digits_are_told_apart(tmp_path: Path, times: list[str]) -> None:
    ds = dataset(tmp_path, times[::-1])
    assert ds.features[:, 0].tolist() == [3, 2, 1]
    assert ds.times.tolist() == [float(t) if "." in t else int(t) for t in times]


LARGE = 2**53


@pytest.mark.parametrize(
    "times",
    [
        pl.Series([LARGE + 1, LARGE], dtype=pl.Int64),
        pl.Series([LARGE + 1, LARGE], dtype=pl.UInt64),
        pl.Series([Decimal(LARGE + 1), Decimal(LARGE)], dtype=pl.Decimal(38, 0)),
        pl.Series([Decimal(LARGE + 1), Decimal(LARGE)], dtype=pl.Decimal(38, 4)),
        pl.Series([str(LARGE + 1), str(LARGE)]),
    ],
)
def test_large_times_of_a_frame_are_told_apart(times: pl.Series) -> None:
    frame = pl.DataFrame({"id": ["a", "a"], "t": times, "x1": [1, 2], "y1": [0, 0]})
    ds = Dataset.from_frame(frame)
    assert ds.times.tolist() == [LARGE, LARGE + 1]
    assert ds.features[:, 0].tolist() == [2, 1]


def test_large_decimals_of_a_frame_that_floats_cannot_tell_apart() -> None:
    times = pl.Series([Decimal(LARGE), Decimal(LARGE) + Decimal("0.5")], dtype=pl.Decimal(38, 1))
    frame = pl.DataFrame({"id": ["a", "a"], "t": times, "x1": [1, 2], "y1": [0, 0]})
    with pytest.raises(
        DataError, match=r"frame, row 1 .*: id 'a' has times 90\d+\.5 and 90\d+\.0, row"
    ):
        Dataset.from_frame(frame)


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        (["1２", "12"], ["1２", "12"]),
        (["１２", "12"], ["１２", "12"]),
        (["٣", "3"], ["٣", "3"]),
        (["1_000", "1000"], ["1_000", "1000"]),
        (["-1", "−1"], ["-1", "−1"]),
        (["63840000000000001", "63840000000000002"], [63840000000000001, 63840000000000002]),
        ([str(2**63), str(2**63 + 1)], [str(2**63), str(2**63 + 1)]),
    ],
)
def test_ids_that_differ_are_two_ids(tmp_path: Path, ids: list[str], read: list[Any]) -> None:
    assert dataset(tmp_path, ["1", "1"], ids).ids.tolist() == read


@pytest.mark.parametrize(
    "cell", ["１", "٣", "1_000", "−1", "1 000", "1,5", "½", "0x10", "1e", "--1"]
)
@pytest.mark.parametrize("column", ["x1", "y1", "w"])
def test_numbers_have_ascii_digits(tmp_path: Path, column: str, cell: str) -> None:
    values = {"id": "a", "t": "1", "x1": "1", "y1": "1", "w": "1"}
    quoted = {**values, "t": "2", column: f'"{cell}"'}
    path = tmp_path / "data.csv"
    lines = (values.keys(), values.values(), quoted.values())
    path.write_text("".join(",".join(cells) + "\n" for cells in lines), encoding="utf-8")
    with pytest.raises(DataError, match=f"line 3, column '{column}': '{cell}' is not a number"):
        Dataset.from_csv(path, weights="w")
    frame = pl.read_csv(path, infer_schema=False)
    with pytest.raises(DataError, match=f"row 1 .*, column '{column}': '{cell}' is not a number"):
        Dataset.from_frame(frame, weights="w")
