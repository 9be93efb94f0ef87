"""Times of events as pandas, NumPy and Python have them, with and without zones: the same bits."""

from __future__ import annotations

import datetime
import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.data import time_features
from rnn_rust.data.columns import Keys
from rnn_rust.model.row_encoder import Carried, RowEncoder

START = np.datetime64("2026-03-01T06:00:00", "ns")
GAPS = np.array([1, 999, 1_000, 123_456_789, 86_400_000_000_001, 2_077])
"""Nanoseconds between events."""
TIMES = START + np.cumsum(GAPS).astype("m8[ns]")
CYCLES = ("hour", "weekday", "yearday")


def frame(times: Any = TIMES) -> pl.DataFrame:
    x = np.linspace(-1, 1, len(times))
    return pl.DataFrame({"id": np.zeros(len(times), int), "when": times, "x": x, "y": x[::-1]})


def trained(wanted: Any, times: Any = TIMES) -> Any:
    data = rnn.Dataset.from_frame(frame(times), id="id", time="when", features="x", labels="y")
    model = rnn.GRU(hidden_size=3, time_features=wanted, dtype="float64", scaler="standard")
    model.fit(data, epochs=1, progress=False)
    return model


def stepped(model: Any, times: Any) -> Any:
    stepper = model.stepper()
    return np.array([
        stepper.step({"x": x, "when": time})
        for x, time in zip(np.linspace(-1, 1, len(times)), times, strict=True)
    ])  # fmt: skip


def scored(model: Any, times: Any) -> Any:
    scorer = model.scorer()
    return np.array([
        scorer.score("card", {"x": x, "when": time})
        for x, time in zip(np.linspace(-1, 1, len(times)), times, strict=True)
    ])  # fmt: skip


def scored_together(model: Any, times: Any) -> Any:
    rows = [
        {"x": x, "when": time}
        for x, time in zip(np.linspace(-1, 1, len(times)), times, strict=True)
    ]
    return model.scorer().score_batch(["card"] * len(rows), rows)


def predicted(model: Any, times: Any) -> Any:
    table = {"id": [0] * len(times), "when": list(times), "x": np.linspace(-1, 1, len(times))}
    return model.predict(table)


DOORS = [stepped, scored, scored_together, predicted]


@pytest.mark.parametrize("door", DOORS)
def test_nanoseconds_of_a_timestamp_count(door: Any) -> None:
    model = trained("elapsed")
    expected = model.predict(frame())
    assert (expected != model.predict(frame(TIMES.astype("M8[us]")))).any()
    np.testing.assert_array_equal(door(model, [pd.Timestamp(time) for time in TIMES]), expected)
    np.testing.assert_array_equal(door(model, list(TIMES)), expected)


@pytest.mark.parametrize("door", DOORS)
def test_nanoseconds_of_a_timedelta_count(door: Any) -> None:
    lasting = TIMES - START
    model = trained("elapsed", lasting)
    expected = model.predict(frame(lasting))
    assert (expected != model.predict(frame(lasting.astype("m8[us]")))).any()
    np.testing.assert_array_equal(door(model, [pd.Timedelta(time) for time in lasting]), expected)


def test_the_time_since_the_event_before_has_its_nanoseconds() -> None:
    model = trained("elapsed")
    keys, carried = Keys(None, ("when",)), Carried()
    rows = RowEncoder(model.encoder, keys, ([], []), np.dtype(float))
    found = []
    for time in TIMES:
        row, carried = rows.encode({"x": 0.0, "when": pd.Timestamp(time)}, carried)
        found.append(float(row[1]))
    exact = [Fraction(int(gap), 10**9) for gap in GAPS[1:]]
    np.testing.assert_allclose(found, [0.0, *map(float, exact)], rtol=1e-15)


def exact_phase(name: str, microseconds: int) -> Fraction:
    """The share of a period that has passed, as a fraction of whole numbers."""
    period = {"hour": 86_400, "weekday": 7 * 86_400}[name] * 10**6
    monday = int(np.datetime64("2026-03-02T00:00:00", "us").astype(np.int64))
    return Fraction((microseconds - monday) % period, period)


@pytest.mark.parametrize("name", ["hour", "weekday"])
def test_features_of_dates_do_not_depend_on_the_unit(name: str) -> None:
    random = np.random.default_rng(0)
    micro = random.integers(1_600_000_000_000_000, 1_900_000_000_000_000, 500)
    own = micro.astype("M8[us]")
    in_micro = time_features.columns((name,), own, own)
    in_nano = time_features.columns((name,), own.astype("M8[ns]"), own.astype("M8[ns]"))
    np.testing.assert_array_equal(in_nano, in_micro)
    angles = [2 * math.pi * float(exact_phase(name, int(one))) for one in micro]
    np.testing.assert_allclose(in_nano[0], np.sin(angles), atol=1e-10)


@pytest.mark.parametrize("door", DOORS)
def test_whole_microseconds_are_the_same_bits_in_any_unit(door: Any) -> None:
    random = np.random.default_rng(1)
    micro = START.astype("M8[us]") + np.cumsum(random.integers(1, 2 * 10**12, 400)).astype("m8[us]")
    model = trained((*CYCLES, "elapsed"), micro.astype("M8[ns]"))
    expected = model.predict(frame(micro.astype("M8[ns]")))
    np.testing.assert_array_equal(model.predict(frame(micro)), expected)
    for unit in ("us", "ns"):
        events = [pd.Timestamp(time).as_unit(unit) for time in micro]
        np.testing.assert_array_equal(door(model, events), expected)
    np.testing.assert_array_equal(door(model, micro.tolist()), expected)


def test_data_is_split_at_a_timestamp_with_its_nanoseconds() -> None:
    data = rnn.Dataset.from_frame(frame(), id="id", time="when", features="x", labels="y")
    # The first row is a nanosecond after the start, the second 1000.
    before, after = data.split(at=pd.Timestamp(START + np.timedelta64(500, "ns")))
    assert (len(before.features), len(after.features)) == (1, len(TIMES) - 1)


BERLIN = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize("door", DOORS)
def test_times_with_a_zone_are_those_of_utc(door: Any) -> None:
    own = datetime.datetime(2026, 3, 1, 6)
    times = [own + datetime.timedelta(minutes=7 * n) for n in range(6)]
    model = trained((*CYCLES, "elapsed"), np.array(times, "M8[us]"))
    expected = model.predict(frame(np.array(times, "M8[us]")))
    zoned = [time.replace(tzinfo=datetime.UTC).astimezone(BERLIN) for time in times]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(door(model, zoned), expected)
        stamps = [pd.Timestamp(time) for time in zoned]
        np.testing.assert_array_equal(door(model, stamps), expected)
        local = [time.replace(tzinfo=None) for time in zoned]
        assert (door(model, local) != expected).any()
