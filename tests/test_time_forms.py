"""Times as people write them: each form read as its date, ordered as such, and written again."""

from __future__ import annotations

import datetime
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import run
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust import Dataset
from rnn_rust.errors import DataError, ParameterError

D = datetime.date


def read(times: Any, **options: Any) -> Dataset:
    """Read one series whose feature is the number of the row."""
    frame = {"t": list(times), "x1": list(range(len(times)))}
    return Dataset.from_frame(frame, **{"features": "x1", "labels": [], **options})


def quarter(day: D) -> int:
    return (day.month + 2) // 3


MONTHS = "January February March April May June July August September October November December"

# The form of a day, and the first day of what it stands for.
WRITTEN = {
    "iso": (lambda d: f"{d:%Y-%m-%d}", lambda d: d),
    "slashes": (lambda d: f"{d:%Y/%m/%d}", lambda d: d),
    "month": (lambda d: f"{d:%Y-%m}", lambda d: d.replace(day=1)),
    "year month": (lambda d: f"{d.year} {d:%b}", lambda d: d.replace(day=1)),
    "month year": (lambda d: f"{d:%b}-{d.year}", lambda d: d.replace(day=1)),
    "full month": (lambda d: f"{MONTHS.split()[d.month - 1]} {d.year}", lambda d: d.replace(day=1)),
    "quarter": (lambda d: f"{d.year} Q{quarter(d)}", lambda d: D(d.year, 3 * quarter(d) - 2, 1)),
    "joined": (lambda d: f"{d.year}Q{quarter(d)}", lambda d: D(d.year, 3 * quarter(d) - 2, 1)),
    "first": (lambda d: f"Q{quarter(d)} {d.year}", lambda d: D(d.year, 3 * quarter(d) - 2, 1)),
    "day name": (lambda d: f"{d:%b} {d.day} {d.year}", lambda d: d),
    "hyphens": (lambda d: f"{d:%b}-{d.day}-{d.year}", lambda d: d),
    "comma": (lambda d: f"{MONTHS.split()[d.month - 1]} {d.day}, {d.year}", lambda d: d),
    "british": (lambda d: f"{d.day} {d:%b} {d.year}", lambda d: d),
    "oracle": (lambda d: f"{d:%d-%b-%Y}".upper(), lambda d: d),
    "european": (lambda d: f"{d:%d/%m/%Y}", lambda d: d),
    "american": (lambda d: f"{d:%m/%d/%Y}", lambda d: d),
    "german": (lambda d: f"{d.day}.{d.month}.{d.year}", lambda d: d),
    "week": (
        lambda d: f"{d:%G-W%V}",
        lambda d: d - datetime.timedelta(days=d.weekday()),
    ),
    "week day": (lambda d: f"{d:%G-W%V-%u}", lambda d: d),
}


@pytest.mark.parametrize("form", WRITTEN)
@settings(max_examples=25, deadline=None)
@given(days=st.lists(st.dates(D(1900, 1, 1), D(2100, 1, 1)), min_size=1, max_size=9))
def test_forms_are_read_as_their_dates_and_written_again(form: str, days: list[D]) -> None:
    write, stands_for = WRITTEN[form]
    # A thirteenth day, and one beyond it, tell days from months.
    days = sorted({stands_for(day) for day in [*days, D(2000, 1, 13), D(2000, 12, 31)]})
    shuffled = random.Random(0).sample(days, len(days))
    data = read([write(day) for day in shuffled])
    assert data.times.tolist() == days
    assert data.features[:, 0].tolist() == [shuffled.index(day) for day in days]
    if form not in {"german", "day name", "hyphens", "comma", "british"}:  # zeros are as in row 1
        assert [data.written_time(time) for time in data.times] == [write(day) for day in days]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-31 13:05", datetime.datetime(2024, 1, 31, 13, 5)),
        ("2024-01-31T13:05:06.5", datetime.datetime(2024, 1, 31, 13, 5, 6, 500_000)),
        ("2024-01-31 13:05+00", datetime.datetime(2024, 1, 31, 13, 5)),
        ("2024-01-31 13:05:00-0330", datetime.datetime(2024, 1, 31, 16, 35)),
        ("2024-01-31 13:05:00 UTC", datetime.datetime(2024, 1, 31, 13, 5)),
        ("31/01/2024 1:05 PM", datetime.datetime(2024, 1, 31, 13, 5)),
        ("01/31/2024 12:05:00 am", datetime.datetime(2024, 1, 31, 0, 5)),
        ("Jan 31 2024 13:05", datetime.datetime(2024, 1, 31, 13, 5)),
        ("31.1.2024 13:05", datetime.datetime(2024, 1, 31, 13, 5)),
        ("2024-01-31 13:05:00.25", datetime.datetime(2024, 1, 31, 13, 5, 0, 250_000)),
    ],
)
def test_times_of_day(text: str, moment: datetime.datetime) -> None:
    data = read([text])
    assert data.times.tolist() == [moment]
    assert data.written_time(data.times[0]) == text
    frame = data.to_frame()
    assert Dataset.from_frame(frame, features="x1", labels=[]).times.tolist() == [moment]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["01/02/2020", "02/02/2020"], "1 February 2020 or 2 January 2020, and no row decides; "
         "give time_format='%d/%m/%Y' or time_format='%m/%d/%Y'"),
        (["13/02/2020", "02/13/2020"], "row 1 .*day and month in another order than '13/02/2020'"),
        (["Jan 1 2000", "2000-01-02"], "row 1 .*'2000-01-02' is not a time like 'Jan 1 2000', row"),
        (["Feb 30 2000"], "'Feb 30 2000' is not a date of the calendar"),
        (["00/02/2024"], "'00/02/2024' is not a date of the calendar"),
        (["2021-W53"], "'2021-W53' is not a date of the calendar"),
        (["2000 Q5"], "'2000 Q5' is not a time"),
        (["1/1/99"], "'1/1/99' is not a time; .*; time_format= reads others"),
        (["2024-01-01 13:05 PM"], "is not a date of the calendar"),
        (["2024-01-01 24:30"], "is not a date of the calendar"),
        (["2024-01-01 23:59:59", "2024-01-01 23:59:60"], "row 1 .*:60' is not a date of the cal"),
        (["5/1/2024 23:59:60"], "5 January 2024 or 1 May 2024, and no row decides"),
        (["5/1/0000"], "5 January 0000 or 1 May 0000, and no row decides"),
        (["2024-01-01T12:00+25:00"], r"'2024-01-01T12:00\+25:00' is not a time"),
        (["2024-01-01T12:00Z", "2024-01-01T12:00+12:60"], r"row 1 .*\+12:60' is not a time like"),
    ],
)  # fmt: skip
def test_times_that_are_refused(times: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(times)


CLOCKS = [
    "T%H:%M", " %H:%M", " %H:%M:%S", "T%H:%M:%S.%f", " %H:%M:%S,%f", " %I:%M %p", " %I:%M:%S%p",
]  # fmt: skip
DAYS = ["%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%b %d %Y", "%d-%B-%Y"]


@pytest.mark.parametrize("zone", ["", "Z", " UTC", "+01:30", "-0800", "+05"])
@pytest.mark.parametrize("clock", CLOCKS)
@settings(max_examples=10, deadline=None)
@given(
    moments=st.lists(
        st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)), max_size=5
    ),
    day=st.sampled_from(DAYS),
    other=st.sampled_from(["", "Z", "-12:00"]),
)
def test_days_with_times_of_day_are_instants_in_utc(
    clock: str, zone: str, moments: list[datetime.datetime], day: str, other: str
) -> None:
    digits = datetime.timedelta(microseconds=1 if "%f" in clock else 10**6 * (60, 1)["%S" in clock])
    known = [datetime.datetime(2000, 1, 13), datetime.datetime(2000, 12, 31, 12)]
    written = sorted({moment - (moment - moment.min) % digits for moment in [*known, *moments]})
    texts = [f"{moment:{day}{clock}}{zone}" for moment in written]
    sign, clock_of_zone = -1 if "-" in zone else 1, zone.strip("+-ZUTC ").replace(":", "").ljust(4)
    hours, minutes = (int(part.strip() or 0) for part in (clock_of_zone[:2], clock_of_zone[2:]))
    ahead = sign * datetime.timedelta(hours=hours, minutes=minutes)
    data = read(texts)
    assert data.times.dtype == "M8[us]"
    assert data.times.tolist() == [moment - ahead for moment in written]
    assert [data.written_time(time) for time in data.times] == texts
    if zone and other:  # of several zones each cell has its own
        later = [*texts, f"{datetime.datetime(2205, 1, 31, 10):{day}{clock}}{other}"]
        moved = datetime.datetime(2205, 1, 31, 22 if other == "-12:00" else 10)
        assert read(later).times.tolist() == [*data.times.tolist(), moved]


@pytest.mark.parametrize("cell", ["2024- 1-31", "+2024-1-31", "2024-01- 1", "2024-1-031"])
def test_a_cell_is_refused_wherever_it_stands(cell: str) -> None:
    for times in ([cell], ["2024-01-30", cell], ["2024-01-30", cell, "2024-01-31 10:00"]):
        with pytest.raises(DataError, match=f"{re.escape(repr(cell))} is not a time"):
            read(times)


@pytest.mark.parametrize(
    ("times", "pattern"),
    [
        (["31.12.19 10:00:59", "31.12.19 10:00:60"], "%d.%m.%y %H:%M:%S"),
        (["10:00:00 2019-12-31", "10:00:60 2019-12-31"], "%T %Y-%m-%d"),
        (["20191231 100059.5", "20191231 100060.5"], "%Y%m%d %H%M%S%.f"),
        (["2019-12 606060"], "%Y-%m %H%M%S"),
        (["2019-12-31 10:00:60"], "%Y-%m-%d %X"),
        (["12/31/19 10:00:60 PM"], "%D %r"),
        (["2019-12-31T10:00:60+00:00"], "%+"),
        (["2019-12-31 10:0:60"], "%F %-H:%-M:%-S"),
    ],
)
def test_a_format_takes_no_second_60(times: list[str], pattern: str) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"{times[-1]!r} is not a time of the format '{pattern}'")
    ):
        read(times, time_format=pattern)
    assert len(read(["19600601 160600", "19600601 160601"], time_format="%Y%m%d %H%M%S").times) == 2


@pytest.mark.parametrize(
    ("times", "pattern", "expected"),
    [
        (["01/02/2020"], "%d/%m/%Y", D(2020, 2, 1)),
        (["01/02/2020"], "%m/%d/%Y", D(2020, 1, 2)),
        (["1/2/99"], "%d/%m/%y", D(1999, 2, 1)),
        (["201912"], "%Y%m", D(2019, 12, 1)),
        ([20191231], "%Y%m%d", D(2019, 12, 31)),
        (["31|12|2019 23h05"], "%d|%m|%Y %Hh%M", datetime.datetime(2019, 12, 31, 23, 5)),
        (["2019-12-31 9:05"], "%Y-%m-%d %-H:%M", datetime.datetime(2019, 12, 31, 9, 5)),
        (["2019-12-31 9:05 PM"], "%F %l:%M %p", datetime.datetime(2019, 12, 31, 21, 5)),
        (["12/31/19 09:05:06 PM"], "%D %r", datetime.datetime(2019, 12, 31, 21, 5, 6)),
        (["2019-12-31 23:05:06"], "%F %X", datetime.datetime(2019, 12, 31, 23, 5, 6)),
        (["Tue Dec 31 23:05:06 2019"], "%c", datetime.datetime(2019, 12, 31, 23, 5, 6)),
        (["2019-12-31T23:05:06.5+01:00"], "%+", datetime.datetime(2019, 12, 31, 22, 5, 6, 500000)),
        (["2019-12-31T23:05:06Z"], "%+", datetime.datetime(2019, 12, 31, 23, 5, 6)),
        (["2019-12-31 23:05:06.25"], "%F %T.%f", datetime.datetime(2019, 12, 31, 23, 5, 6, 250000)),
        (["100 % 2019-12-31T23:05"], "100 %% %FT%R", datetime.datetime(2019, 12, 31, 23, 5)),
        (["2019-12-31 23:00 +0200"], "%Y-%m-%d %H:%M %z", datetime.datetime(2019, 12, 31, 21)),
    ],
)
def test_a_format_of_ones_own(times: list[Any], pattern: str, expected: D) -> None:
    assert read(times, time_format=pattern).times.tolist() == [expected]
    with pytest.raises(DataError, match=f"'7' is not a time of the format '{re.escape(pattern)}'"):
        read([*map(str, times), "7"], time_format=pattern)
    with pytest.raises(ParameterError, match="time_format must be a text"):
        read(times, time_format=1)


def test_a_format_that_cannot_be() -> None:
    with pytest.raises(ParameterError, match=r"time_format '%Y-%m-%d %H': .* both hour and minute"):
        read(["2019-12-31 23"], time_format="%Y-%m-%d %H")
    with pytest.raises(ParameterError, match="'%F %T,%f': %f is read only after a point"):
        read(["2019-12-31 23:05:06,25"], time_format="%F %T,%f")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"year": [2020, 2019], "quarter": [1, 4]}, [D(2019, 10, 1), D(2020, 1, 1)]),
        ({"Year": [2020, 2019], "Qtr": ["Q1", "Q4"]}, [D(2019, 10, 1), D(2020, 1, 1)]),
        ({"year": [2020, 2019], "month": ["Jan", "Dec"]}, [D(2019, 12, 1), D(2020, 1, 1)]),
        ({"year": [2020, 2020], "month": [12, 2]}, [D(2020, 2, 1), D(2020, 12, 1)]),
        ({"year": [2020, 2020], "week": [2, 1]}, [D(2019, 12, 30), D(2020, 1, 6)]),
        ({"year": [2020] * 2, "month": [2, 1], "day": [1, 31]}, [D(2020, 1, 31), D(2020, 2, 1)]),
        (
            {"date": ["2020-01-01"] * 2, "time": ["13:00", "09:30:15"]},
            [datetime.datetime(2020, 1, 1, 9, 30, 15), datetime.datetime(2020, 1, 1, 13)],
        ),
        (
            {"year": [2020] * 2, "month": [1, 1], "day": [1, 1], "hour": [13, 2]},
            [datetime.datetime(2020, 1, 1, 2), datetime.datetime(2020, 1, 1, 13)],
        ),
    ],
)
def test_times_in_several_columns(columns: dict[str, Any], expected: list[D]) -> None:
    frame = columns | {"x1": [1.0, 0.0]}
    data = Dataset.from_frame(frame, time=list(columns), features="x1")
    assert data.times.tolist() == expected
    assert data.features[:, 0].tolist() == [0, 1]
    assert data.time_name == ", ".join(columns)
    with pytest.raises(ParameterError, match="columns that say a time together have these names"):
        Dataset.from_frame(frame, time=list(columns)[::-1], features="x1")
    broken = frame | {next(iter(columns)): [None, 1]}
    with pytest.raises(DataError, match="the cell is empty; every row needs a time"):
        Dataset.from_frame(broken, time=list(columns), features="x1")


def test_rows_in_their_order() -> None:
    frame = pl.DataFrame({"id": ["b", "a", "b"], "x1": [1.0, 2.0, 3.0], "t": [2, 1, 1]})
    data = Dataset.from_frame(frame, time=None, features="x1")
    assert [(s.id, s.times.tolist()) for s in data] == [("b", [0, 1]), ("a", [0])]
    assert data.features[:, 0].tolist() == [1, 3, 2]
    assert (data.time_name, data.left_out) == (None, ("t",))
    assert data.to_frame().columns == ["id", "x1"]
    series = Dataset.from_frame(frame, id=None, time=None, features="x1")
    assert (len(series), series.features[:, 0].tolist()) == (1, [1, 2, 3])
    assert series.to_frame().columns == ["x1"]
    assert "sequences  1 (one series)" in series.summary()


def test_rows_at_the_same_time() -> None:
    times = [3, 1, 3, 2, 3, 1]
    with pytest.raises(DataError, match=r"row 5 .*: the series has a row at time 1 already, row 1"):
        read(times)
    data = read(times, ties="keep")
    assert data.times.tolist() == sorted(times)
    assert data.features[:, 0].tolist() == [1, 5, 3, 0, 2, 4]
    with pytest.raises(ParameterError, match="ties='first' is not known"):
        read(times, ties="first")


def test_a_million_dates_are_read_quickly_and_right() -> None:
    start = np.datetime64("2000-01-01T00:00")
    moments = start + np.arange(100_000) * np.timedelta64(7, "m")
    texts = pl.Series(moments.astype("M8[us]")).dt.to_string("%Y-%m-%d %H:%M")
    assert (read(texts.to_list()).times == moments).all()


def test_nanoseconds_are_written_as_they_were_read() -> None:
    texts = ["1969-12-31 23:59:59.123456789", "2024-01-31 13:05:00.000000001"]
    data = read(texts)
    assert [data.written_time(time) for time in data.times] == texts


@pytest.mark.usefixtures("logger_as_before")
@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y"])
def test_a_model_reads_later_dates_as_those_of_its_training(written: str, tmp_path: Path) -> None:
    days = [D(2024, 1, 29) + datetime.timedelta(days=at) for at in range(8)]
    x = np.random.default_rng(0).normal(size=8)
    frame = pl.DataFrame({"t": days, "x1": x, "y1": x})
    text = frame.with_columns(pl.col("t").dt.to_string(written))
    model = rnn.GRU(1, 3, 1, seed=0)
    model.fit(Dataset.from_frame(text, id=None, time="t"), epochs=1, progress=False)
    model.save(tmp_path / "model.safetensors")
    # The first of February to the fifth, the later rows first: no row says which number is the day.
    late, expected = text[3:].reverse(), model.predict(frame[3:].reverse())
    with pytest.raises(DataError, match="no row decides"):
        Dataset.from_frame(late, id=None, time="t")
    for each in (model, rnn.load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(each.predict(late), expected)
    late.write_csv(tmp_path / "late.csv")
    shown = run("predict", tmp_path / "model.safetensors", tmp_path / "late.csv")
    predicted = pl.read_csv(shown.stdout.encode())["prediction"]
    np.testing.assert_allclose(predicted, expected[:, 0], rtol=1e-6)
    # Days that are their months do not say it either, and nothing is guessed later.
    same = Dataset.from_frame(text[3:4].with_columns(t=pl.lit("02/02/2024")), id=None, time="t")
    unsure = rnn.GRU(1, 3, 1, seed=0)
    unsure.fit(same, epochs=1, progress=False)
    with pytest.raises(DataError, match="no row decides"):
        unsure.predict(late)


def timed_model(times: list[str], **options: Any) -> rnn.GRU:
    data = Dataset.from_frame(
        {"t": times, "x1": range(len(times)), "y1": range(len(times))}, id=None, time="t", **options
    )
    model = rnn.GRU(1, 3, 1, seed=0, time_features="yearday")
    model.fit(data, epochs=1, progress=False)
    return model


@pytest.mark.parametrize(
    ("times", "options", "later"),
    [
        (["29/01/2026", "01/02/2026"], {}, ["03/02/2026", "07/02/2026"]),
        (["01/29/2026", "02/01/2026"], {}, ["02/03/2026", "02/07/2026"]),
        (["01#02#2026", "02#02#2026"], {"time_format": "%d#%m#%Y"}, ["03#02#2026", "07#02#2026"]),
        ([20260102, 20260202], {"time_format": "%Y%d%m"}, [20260302, 20260702]),
    ],
)
def test_single_rows_are_read_as_the_table_of_the_training(
    times: list[Any], options: dict[str, Any], later: list[Any]
) -> None:
    model = timed_model(times, **options)
    table = pl.DataFrame({"t": later, "x1": [1.0, 2.0]})
    rows = table.to_dicts()
    dates = pl.DataFrame({"t": [D(2026, 2, 3), D(2026, 2, 7)], "x1": [1.0, 2.0]})
    expected = model.predict(dates)
    np.testing.assert_array_equal(model.predict(table), expected)
    stepper, scorer, batches = model.stepper(), model.scorer(), model.scorer()
    np.testing.assert_array_equal([stepper.step(row) for row in rows], expected)
    np.testing.assert_array_equal([scorer.score("a", row) for row in rows], expected)
    np.testing.assert_array_equal(batches.score_batch(["a", "a"], rows), expected)


def test_a_later_training_may_decide_what_the_first_left_open() -> None:
    model = timed_model(["2026-01-30", "2026-01-31"])
    undecided = pl.DataFrame({"t": ["03/02/2026", "04/02/2026"], "x1": [0.0, 1.0]})
    with pytest.raises(DataError, match="no row decides"):
        model.predict(undecided)
    dates = undecided.with_columns(t=pl.Series([D(2026, 2, 3), D(2026, 2, 4)]))
    # The third contradicts the second, which stays.
    for times in (["31/01/2026", "01/02/2026"], ["01/30/2026", "01/31/2026"]):
        later = {"t": times, "x1": [0.0, 1.0], "y1": [0.0, 1.0]}
        model.fit(Dataset.from_frame(later, id=None, time="t"), epochs=1, progress=False)
        np.testing.assert_array_equal(model.predict(undecided), model.predict(dates))


def test_dots_say_nothing_of_slashes() -> None:
    model = timed_model(["01.01.2026", "08.01.2026"])
    slashed = pl.DataFrame({"t": ["03/02/2026", "04/02/2026"], "x1": [0.0, 1.0]})
    with pytest.raises(DataError, match="no row decides"):
        model.predict(slashed)
    data = read(["01.01.2026", "03.02.2026"])
    assert data.times.tolist() == [D(2026, 1, 1), D(2026, 2, 3)]
    assert data.written_time(data.times[1]) == "03.02.2026"
    assert timed_model(["01.01.2026", "31.01.2026"]).table.day_first is True
    with pytest.raises(ParameterError, match="may be day and month"):
        data.split(at="03/02/2026")
    assert len(data.split(at="03.02.2026")[1]) == 1
