"""Splits at an instant, and what a split by time says of parts that overlap."""

from __future__ import annotations

import datetime
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import check_error, run, run_well
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust import Dataset
from rnn_rust.errors import DataError, OverlapWarning, ParameterError

ROOT = Path(__file__).parents[1]


def make(begins: list[int], lengths: list[int], **more: Any) -> Dataset:
    """Return sequences that begin at some time and go on in steps of 1."""
    times = np.concatenate([b + np.arange(n) for b, n in zip(begins, lengths, strict=True)])
    rows = np.arange(len(times), dtype=float)
    offsets = np.append(0, np.cumsum(lengths))
    ids = [f"card-{i}" for i in range(len(begins))]
    return Dataset.from_arrays(rows, -rows, offsets, ids=ids, times=times, **more)


def spans(part: Dataset) -> list[tuple[object, list[Any]]]:
    return [(s.id, s.times.tolist()) for s in part]


# split(at=...) -------------------------------------------------------------------------------


DATA = make([0, 3, 8, 5], [4, 4, 2, 1])  # 0-3, 3-6, 8-9, 5


def test_by_hand() -> None:
    train, test = DATA.split(at=5)
    assert spans(train) == [("card-0", [0, 1, 2, 3]), ("card-1", [3, 4])]
    assert spans(test) == [("card-1", [5, 6]), ("card-2", [8, 9]), ("card-3", [5])]
    train, test = DATA.split(at=5, across="drop")
    assert [part.ids.tolist() for part in (train, test)] == [["card-0"], ["card-2", "card-3"]]
    train, test = DATA.split(at=5, across="train")
    assert spans(train)[1] == ("card-1", [3, 4, 5, 6])
    assert test.ids.tolist() == ["card-2", "card-3"]
    train, test = DATA.split(at=5, across="test")
    assert train.ids.tolist() == ["card-0"]
    assert spans(test)[0] == ("card-1", [3, 4, 5, 6])


@settings(max_examples=150, deadline=None)
@given(
    shape=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), min_size=1, max_size=12),
    at=st.lists(st.integers(0, 25), min_size=1, max_size=3, unique=True).map(sorted),
    across=st.sampled_from(["cut", "drop", "train", "test"]),
    weighted=st.booleans(),
)
def test_no_row_is_lost_or_doubled(
    shape: list[tuple[int, int]], at: list[int], across: str, weighted: bool
) -> None:
    begins, lengths = map(list, zip(*shape, strict=True))
    weights = np.arange(sum(lengths)) + 1.0 if weighted else None
    whole = make(begins, lengths, weights=weights)
    wanted = {
        row: sum(t >= instant for instant in at) for row, t in enumerate(whole.times.tolist())
    }
    for start, end in zip(whole.offsets[:-1].tolist(), whole.offsets[1:].tolist(), strict=True):
        sides = {wanted[row] for row in range(start, end)}
        if len(sides) > 1 and across != "cut":
            side = {"drop": None, "train": min(sides), "test": max(sides)}[across]
            wanted |= dict.fromkeys(range(start, end), side)
    counts = [sum(side == k for side in wanted.values()) for k in range(len(at) + 1)]
    if 0 in counts:
        empty = counts.index(0) + 1
        with pytest.raises(DataError, match=f"part {empty} of {len(at) + 1} is empty"):
            whole.split(at=at, across=across)
        return
    parts = whole.split(at=at, across=across)
    for number, part in enumerate(parts):
        rows = part.row_numbers
        assert rows.tolist() == [row for row, side in wanted.items() if side == number]
        for name in ("features", "labels", "times"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])
        assert (part.weights is None) == (not weighted)
        if weighted:
            np.testing.assert_array_equal(part.weights, weights[rows])
        assert len(set(part.ids)) == len(part)
        owners = np.repeat(whole.ids, np.diff(whole.offsets))[rows]
        assert np.repeat(part.ids, np.diff(part.offsets)).tolist() == owners.tolist()
        if across in ("cut", "drop") and number < len(at):
            assert (part.times < at[number]).all()
        if across in ("cut", "drop") and number:
            assert (part.times >= at[number - 1]).all()


def test_one_long_series_is_split() -> None:
    series = make([0], [100])
    past, future = series.split(at=75)
    assert (len(past.features), len(future.features)) == (75, 25)
    assert past.ids.tolist() == future.ids.tolist() == ["card-0"]
    with pytest.raises(DataError, match=r"of 1 sequence; split\(at=...\) cuts a sequence"):
        series.split(0.75, by="time")
    with pytest.raises(DataError, match=r"of 1 sequence; split\(at=...\) cuts a sequence"):
        series.split(0.75)


UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ([1, 2, 3, 4], 3), ([1, 2, 3, 4], 2.5), ([1.5, 2.5, 3.5, 4.5], np.int64(3)),
        (["2014-12-30", "2014-12-31", "2015-01-01", "2015-01-02"], "2015-01-01"),
        (["2014-12-30", "2014-12-31", "2015-01-01", "2015-01-02"], "2015"),
        (["2014/12/30", "2014/12/31", "2015/01/01", "2015/01/02"], datetime.date(2015, 1, 1)),
        (["2014-12-30", "2014-12-31", "2015-01-01", "2015-01-02"], "2014-12-31T12:00"),
        (["2014-11", "2014-12", "2015-01", "2015-02"], np.datetime64("2015-01-01")),
        (["2015-01-01T10:00Z", "2015-01-01T11:00Z", "2015-01-01T12:00Z", "2015-01-01T13:00Z"],
         datetime.datetime(2015, 1, 1, 14, tzinfo=EAST)),
        (["2015-01-01 10:00+02:00", "2015-01-01 11:00+02:00", "2015-01-01 12:00+02:00",
          "2015-01-01 13:00+02:00"], datetime.datetime(2015, 1, 1, 10, tzinfo=UTC)),
        (["2015-01-01 10:00+02:00", "2015-01-01 11:00+02:00", "2015-01-01 12:00+02:00",
          "2015-01-01 13:00+02:00"], "2015-01-01T12:00+0200"),
        (np.array(["2014-12-30", "2014-12-31", "2015-01-01", "2015-01-02"], "M8[D]"), "2015-01"),
        (np.array(["2014-12-30", "2014-12-31", "2015-01-01", "2015-01-02"], "M8[us]"),
         datetime.datetime(2014, 12, 31, 0, 0, 1)),
        (np.array([1, 2, 3, 4], "m8[h]"), datetime.timedelta(hours=3)),
        (["2015-01-01 10:00+02:00", "2015-01-01 11:00+02:00", "2015-01-01 12:00+02:00",
          "2015-01-01 13:00+02:00"], "2015-01-01T10:00Z"),
        (["2015-01-01 10:00+02:00", "2015-01-01 11:00+02:00", "2015-01-01 12:00+02:00",
          "2015-01-01 13:00+02:00"], "2015-01-01 12:00"),
        (["1970 Q1", "1970 Q2", "1970 Q3", "1970 Q4"], "1970 Q3"),
        (["30/12/2014", "31/12/2014", "01/01/2015", "02/01/2015"], "01/01/2015"),
        (["04/30/2015", "05/01/2015", "05/02/2015", "05/03/2015"], "05/02/2015"),
        (["2015-04-30", "2015-05-01", "2015-05-13", "2015-06-01"], "05/13/2015"),
        (["2015-04-30", "2015-05-01", "2015-05-13", "2015-06-01"], "13/05/2015"),
        (["2015-04-30", "2015-05-01", "2015-05-05", "2015-06-01"], "5/5/2015"),
        (["2015-04-30", "2015-05-01", "2015-05-06", "2015-06-01"], "6.5.2015"),
        (["13/01/2015", "20/01/2015", "01/02/2015", "02/02/2015"], "01/02/2015"),
        (["2014-11-30", "2014-12-30", "2014-12-31", "2015-01-01"], "31/12/2014"),
        (np.array(["2014-12-30", "2014-12-31", "2015-01-31", "2015-02-01"], "M8[D]"), "31/01/2015"),
    ],
)  # fmt: skip
def test_an_instant_in_the_terms_of_the_times(times: Any, at: Any) -> None:
    data = Dataset.from_arrays(np.zeros(4), None, [0, 4], times=times)
    past, future = data.split(at=at)
    assert (len(past.features), len(future.features)) == (2, 2)


def test_dates_of_a_frame() -> None:
    dates = pl.datetime_range(
        datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 4), "1d", eager=True
    )
    for column in (dates, dates.dt.date(), dates.dt.replace_time_zone("UTC")):
        frame = pl.DataFrame({"id": [1] * 4, "t": column, "x1": [0.0] * 4, "y1": [0.0] * 4})
        past, future = Dataset.from_frame(frame).split(at="2024-01-03")
        assert past.row_numbers.tolist() == [0, 1]
        assert future.row_numbers.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("times", "at", "message"),
    [
        ([1, 2], "2", "times are numbers"), ([1, 2], True, "times are numbers"),
        ([1, 2], np.nan, "must be finite"), ([1, 2], datetime.date(2015, 1, 1), "are numbers"),
        (["2015-01-01", "2015-01-02"], 3, "times are dates"),
        (["2015-01-01", "2015-01-02"], "soon", "times are dates"),
        (["2015-01-01", "2015-01-02"], "20150102", "times are dates; give one like 2024-01-31"),
        (["2015-01-01", "2015-01-02"], "01/02/2015", "this may be day and month or month and day"),
        (["2015-01-01", "2015-01-02"], "2015-02-31", "times are dates, and this is none"),
        (["2015-01-01", "2015-01-02"], np.datetime64("NaT", "s"), "this is none"),
        (["2015-01-01", "2015-01-02"], datetime.datetime(2015, 1, 2, tzinfo=UTC), "without a time"),
        (np.array([1, 2], "m8[h]"), 2, "durations"), (["Jan 2015", "Feb 2015"], 2, "dates"),
        ([1, 2], [2, 2], "must rise"), ([1, 2], [3, 2], "must rise"), ([1, 2], [], "at is empty"),
    ],
)  # fmt: skip
def test_instants_that_are_none(times: Any, at: Any, message: str) -> None:
    data = Dataset.from_arrays(np.zeros(2), None, [0, 2], times=times)
    with pytest.raises(ParameterError, match=message):
        data.split(at=at)


def test_arguments_that_do_not_go_together() -> None:
    for arguments in ({"stratify": True}, {"across": "half"}):
        with pytest.raises(ParameterError, match="split: "):
            DATA.split(at=5, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="neither fractions nor"):
        DATA.split(0.8, at=5)
    with pytest.raises(ParameterError, match="give at="):
        DATA.split(0.8, across="drop")
    with pytest.raises(
        DataError, match=r"part 2 of 2 is empty: no row lies at or after 10; the times run from 0"
    ):
        DATA.split(at=10)
    with pytest.raises(
        DataError, match=r"part 2 of 3 is empty: no sequence, .* after 6 and before 7"
    ):
        DATA.split(at=[6, 7], across="drop")


# split(by="time") ----------------------------------------------------------------------------


def test_overlap_in_time_is_warned_of_with_its_share() -> None:
    data = make([0, 1, 2, 6], [10, 3, 2, 4])  # the first test row is at 6
    words = r"26\.67% of the training rows .* test row, 6,"
    with pytest.warns(OverlapWarning, match=words) as caught:
        train, test = data.split(0.75, by="time")
    assert caught[0].filename == __file__
    late = np.mean(train.times >= test.times.min())
    assert late == pytest.approx(4 / 15)
    assert issubclass(OverlapWarning, UserWarning)


def test_the_share_for_generated_cards() -> None:
    data = rnn.Dataset.from_csv(ROOT / "data" / "fraud.csv")
    with pytest.warns(OverlapWarning) as caught:
        train, test = data.split(0.8, by="time")
    share = 100 * np.mean(train.times >= test.times.min())
    assert share > 50
    assert f"{share:.2f}% of the training rows" in str(caught[0].message)


def test_the_worst_of_several_parts_is_told() -> None:
    data = make([0, 10, 20, 30], [5, 15, 5, 5])  # the second runs to 24, and over the third
    with pytest.warns(OverlapWarning, match=r"25\.00% of the training rows .* row, 20,"):
        data.split(0.5, 0.25, 0.25, by="time")


def test_parts_that_follow_each_other_are_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make([0, 5, 10, 15], [5, 5, 5, 5]).split(0.5, 0.25, 0.25, by="time")
        rnn.Dataset.from_csv(ROOT / "data" / "weather.csv").split(0.75, by="time")
        # A hundred machines, five days each: first times are shared, but days do not overlap.
        days = make([day * 24 for day in range(5) for _ in range(100)], [24] * 500)
        assert [len(part) for part in days.split(0.4, 0.6, by="time")] == [200, 300]


@pytest.mark.parametrize(
    ("begins", "lengths"),
    [
        ([1] * 10, [5] * 10),
        ([1] * 9 + [2], [5] * 9 + [4]),  # one without its first row
        ([1] * 4 + [2] * 3 + [3] * 3, [5] * 10),
        ([0] * 10, list(range(3, 13))),
        ([1, 1, 2], [5, 5, 4]),
        ([1, 1], [2, 9]),
        ([0, 0, 0, 1, 2], [9] * 5),  # three of five first times are shared
        ([0] * 4 + [5], [5, 9, 9, 9, 9]),  # 9 of 10 pairs overlap
        ([0] * 9 + [5], [5] * 4 + [9] * 6),  # 41 of 45
    ],
)
def test_times_that_restart_in_every_sequence_are_refused(
    begins: list[int], lengths: list[int]
) -> None:
    with pytest.raises(DataError, match="as if times restarted in each"):
        make(begins, lengths).split(0.5, by="time")


def test_a_clock_in_common_is_not_refused() -> None:
    for begins, lengths in (
        ([0, 1, 2, 3], [9, 9, 9, 9]),  # side by side, but each with its own beginning
        ([0, 0, 5, 5, 10, 10], [5] * 6),  # two cities by month
        ([0, 7], [9, 9]),
        ([0, 0, 1, 2], [9] * 4),  # half of the first times are shared
        ([0] * 4 + [5], [5, 5, 9, 9, 9]),  # 8 of 10 pairs overlap
        ([0] * 9 + [5], [5] * 5 + [9] * 5),  # 40 of 45
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OverlapWarning)
            assert len(make(begins, lengths).split(0.5, by="time")) == 2


# the command line ----------------------------------------------------------------------------


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_splits_at_an_instant() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    frame = pl.DataFrame({"id": ["s"] * 60, "t": range(60), "x1": x, "y1": np.roll(x, 1)})
    frame.write_csv("series.csv")
    shown = run_well("train", "series.csv", "--epochs", 2, "--split-at", "40").stdout
    steps = re.findall(r"^(\w+) part: (\d+) sequences?\nRegression on (\d+)", shown, re.M)
    assert steps == [("Training", "1", "32"), ("Validation", "1", "8"), ("Test", "1", "20")]
    shown = run_well(
        "train", "series.csv", "--epochs", 2, "--split-at", "30,40", "--patience", 2
    ).stdout
    steps = re.findall(r"^(\w+) part: (\d+) sequences?\nRegression on (\d+)", shown, re.M)
    assert steps == [("Training", "1", "30"), ("Validation", "1", "10"), ("Test", "1", "20")]
    for words, message in (
        (("--split-at", "40", "--train-ratio", 0.5), "give one"),
        (("--split-at", "10,20,30"), "one time, or two"),
        (("--split-at", "soon"), "the times are numbers"),
        (("--split-at", "99"), "part 2 of 2 is empty"),
    ):
        check_error(run("train", "series.csv", *words), message)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_validation_part_of_the_command_line_lies_before_the_instant_in_time() -> None:
    # Ten times, 0 to 9, of three cards; the last fifth before 5 is the time 4.
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"id": list("abc") * 10, "t": np.repeat(np.arange(10), 3)})
    frame = frame.with_columns(x1=pl.Series(random.normal(size=30)), y1=pl.Series([0.5, 1, 2] * 10))
    frame.write_csv("cards.csv")
    shown = run_well("train", "cards.csv", "--epochs", 2, "--split-at", "5").stdout
    parts = re.findall(r"^(\w+) part: (\d+) sequences?\nRegression on (\d+)", shown, re.M)
    assert parts == [("Training", "3", "12"), ("Validation", "3", "3"), ("Test", "3", "15")]


@pytest.mark.usefixtures("folder", "logger_as_before")
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Rows at the times 0, 1, ... before the cut; those of the training and validation part.
        ([2, 88], [90]),
        ([45, 45], [45, 45]),
        ([44, 46], [90]),
        ([88, 2], [88, 2]),
        ([2, 76, 12], [78, 12]),
        ([60, 11, 19], [71, 19]),
        ([40, 30, 10, 10], [70, 20]),
        ([90], [90]),
    ],
)
def test_the_validation_part_is_about_a_fifth_however_many_rows_share_a_time(
    counts: list[int], expected: list[int]
) -> None:
    times = np.repeat(np.arange(len(counts) + 1), [*counts, 10])
    x = np.random.default_rng(0).normal(size=100)
    pl.DataFrame({"id": range(100), "t": times, "x1": x, "y1": -x}).write_csv("ties.csv")
    result = run_well(
        "train", "ties.csv", "--epochs", 1, "--split-at", len(counts), "--verbosity", "info"
    )
    sizes = re.findall(r"^\w+ part: (\d+) sequences$", result.stdout, re.M)
    assert sizes == [str(each) for each in (*expected, 10)]
    alone = "No early stopping: too many rows before --split-at have the same time"
    assert (alone in result.stderr) == (len(expected) == 1)
