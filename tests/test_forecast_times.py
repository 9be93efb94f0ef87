"""Times of forecasts: each sequence goes on at its own pace, a single row at that of others."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import run_well

import rnn_rust as rnn
from rnn_rust.data.steps import pace_of
from rnn_rust.errors import DataError
from rnn_rust.storage.model_file import pack, unpack

DAY = datetime.date


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1, 3, 5], [7, 9]),
        ([0.5, 1.0, 1.5], [2.0, 2.5]),
        (["2024-01-31", "2024-02-01"], ["2024-02-02", "2024-02-03"]),
        (["2024-11-01", "2024-12-01"], ["2025-01-01", "2025-02-01"]),
        (["2024-07-15", "2024-10-15"], ["2025-01-15", "2025-04-15"]),
        (["2020-01-01", "2021-01-01"], ["2022-01-01", "2023-01-01"]),
        (["2024-01-01T00:00", "2024-01-01T06:00"], ["2024-01-01T12:00", "2024-01-01T18:00"]),
        (["2024-01-31", "2024-03-31", "2024-05-31"], ["2024-07-31", "2024-09-30"]),
        (["2023-12-31", "2024-01-31", "2024-02-29"], ["2024-03-31", "2024-04-30"]),
        (["2023-02-28", "2024-02-29"], ["2025-02-28", "2026-02-28"]),
        (["2023-06-30T12:00", "2023-09-30T12:00"], ["2023-12-31T12:00", "2024-03-31T12:00"]),
        # A month is left out.
        (["2024-01-01", "2024-02-01", "2024-04-01", "2024-05-01"], ["2024-06-01", "2024-07-01"]),
        # Days that not every month has go on by their median distance.
        (["2024-03-30", "2024-04-30"], ["2024-05-31", "2024-07-01"]),
    ],
)
def test_times_go_on(times: list[Any], expected: list[Any]) -> None:
    kind = "M8[m]" if "T" in str(times[0]) else "M8[D]" if isinstance(times[0], str) else None
    given = np.array(times, kind)
    pace = pace_of(given, np.array([0, len(given)]))
    assert pace is not None
    following = pace.after(given, 2)
    assert following.tolist() == np.array(expected, kind).tolist()


def trained(times: list[Any], **options: Any) -> rnn.GRU:
    """Return a model that forecasts two rows of a series at these times."""
    table = pl.DataFrame({"t": times, "x1": np.arange(float(len(times))) % 5})
    made = rnn.Dataset.from_frame(table, features="x1", labels=[]).forecast("x1", 2, **options)
    model = rnn.GRU(hidden_size=3)
    model.fit(made, epochs=1, progress=False)
    return model


MONTHS = [f"2020-{month:02}" for month in range(1, 13)]
QUARTERS = [f"{year} Q{quarter}" for year in (2020, 2021, 2022) for quarter in range(1, 5)]
WEEKS = [f"2020-W{week:02}" for week in range(1, 13)]
HOURS = [f"2020-01-01T{hour:02}:00" for hour in range(12)]
ENDS = ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31", "2020-06-30"]


@pytest.mark.parametrize(
    ("times", "one", "expected"),
    [
        (MONTHS, "2020-01", [DAY(2020, 2, 1), DAY(2020, 3, 1)]),
        (MONTHS, "2020-12", [DAY(2021, 1, 1), DAY(2021, 2, 1)]),
        (QUARTERS, "2020 Q4", [DAY(2021, 1, 1), DAY(2021, 4, 1)]),
        (WEEKS, "2020-W53", [DAY(2021, 1, 4), DAY(2021, 1, 11)]),
        (HOURS, "2020-02-01T23:00",
         [datetime.datetime(2020, 2, 2, 0), datetime.datetime(2020, 2, 2, 1)]),
        (ENDS, "2021-01-31", [DAY(2021, 2, 28), DAY(2021, 3, 31)]),
        (MONTHS, "2023-12-31", [DAY(2024, 1, 31), DAY(2024, 2, 29)]),
        (list(range(0, 1200, 100)), 700, [800, 900]),
        ([0.0, 0.5, 1.0, 1.5], 3.0, [3.5, 4.0]),
    ],
)  # fmt: skip
def test_a_single_row_goes_on_at_the_pace_of_the_training(
    times: list[Any], one: Any, expected: list[Any], tmp_path: Path
) -> None:
    model = trained(times)
    table = pl.DataFrame({"t": [one], "x1": [2.0]})
    found = model.forecast(table)
    assert found["t"].to_list() == expected
    model.save(tmp_path / "model.safetensors")
    assert rnn.load(tmp_path / "model.safetensors").forecast(table).equals(found)


def test_a_short_sequence_goes_on_at_the_pace_of_the_others() -> None:
    """The training went by days, the table by months: each id has its own, the short one theirs."""
    model = trained([f"2020-01-{day:02}" for day in range(1, 20)])
    rows = [("long", time, 1.0) for time in MONTHS[:4]] + [("half", MONTHS[0], 1.0)]
    rows += [("half", MONTHS[6], 1.0), ("short", "2020-11", 1.0)]
    table = pl.DataFrame(rows, schema=["id", "t", "x1"], orient="row")
    found = model.forecast(rnn.Dataset.from_frame(table, features="x1", labels=[]))
    assert {key: own["t"].to_list() for (key,), own in found.group_by("id")} == {
        "long": [DAY(2020, 5, 1), DAY(2020, 6, 1)],
        "half": [DAY(2021, 1, 1), DAY(2021, 7, 1)],
        "short": [DAY(2020, 12, 1), DAY(2021, 1, 1)],
    }


def test_without_any_pace_a_single_row_is_refused(tmp_path: Path) -> None:
    """A model file of before models kept the pace; and times of another kind than in training."""
    model, path = trained(MONTHS), tmp_path / "model.safetensors"
    model.save(path)
    description, tensors = unpack(path.read_bytes(), path)
    del description["pace"]
    path.write_bytes(pack(description, tensors))
    old = rnn.load(path)
    table = pl.DataFrame({"t": MONTHS[:3], "x1": [1.0, 2.0, 3.0]})
    assert old.forecast(table)["t"].to_list() == [DAY(2020, 4, 1), DAY(2020, 5, 1)]
    with pytest.raises(DataError, match=r"the series has one row, and neither .* two or more rows"):
        old.forecast(table[:1])
    ids = table[:2].with_columns(id=pl.Series(["a", "b"]))
    data = rnn.Dataset.from_frame(ids, features="x1", labels=[])
    with pytest.raises(DataError, match="id 'a' has one row, and neither"):
        old.forecast(data)
    assert model.forecast(data)["t"].to_list()[2:] == [DAY(2020, 3, 1), DAY(2020, 4, 1)]
    with pytest.raises(DataError, match="the series has one row"):
        model.forecast(pl.DataFrame({"t": [7], "x1": [1.0]}))


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_goes_on_from_a_single_row() -> None:
    values = np.sin(np.arange(48)) + 5
    months = [f"{2016 + at // 12}-{at % 12 + 1:02}" for at in range(48)]
    table = pl.DataFrame({"month": months, "x1": values})
    table.write_csv("series.csv")
    table[:1].write_csv("first.csv")
    options = ("--time", "month", "--forecast", "x1", "--horizon", 2, "--epochs", 1)
    run_well("train", "series.csv", *options)
    written = run_well("predict", "model.safetensors", "first.csv").stdout.splitlines()
    assert [line.split(",")[0] for line in written] == ["month", "2016-02", "2016-03"]
