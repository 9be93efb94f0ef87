"""Exported C of models with categories, gaps and times: the outputs of ``predict`` on a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from c_code import Driver, begins, call, compiled, state_size, tool
from purchases import TIMES, frame, trained

import rnn_rust as rnn
from rnn_rust.errors import DataError


def events(model: Any, table: pl.DataFrame) -> np.ndarray[Any, Any]:
    """Return the rows of a table as the driver takes them."""
    ids = table["id"].to_numpy()
    first = begins(np.append(np.flatnonzero(np.diff(ids, prepend=-1)), len(ids)))
    columns = [first, *(table[name].to_numpy() for name in model.encoder.numbers)]
    for name, own in model.encoder.levels.items():
        # Levels that are not known have any number that no known one has.
        codes = {"größe": -7, "": 1000} | {level: code for code, level in enumerate(own)}
        columns.append(np.array([codes.get(str(level), len(own)) for level in table[name]]))
    if model.encoder.times:
        when = table["when"].to_numpy()
        is_date = when.dtype.kind == "M"
        columns.append(when.astype("M8[s]").astype(np.float64) if is_date else when)
    return np.column_stack(columns)


@pytest.mark.parametrize(
    ("options", "dates"),
    [
        ({"missing": "mean", "missing_indicator": True, "time_features": TIMES}, True),
        ({"missing": "forward", "missing_indicator": True, "time_features": "elapsed"}, False),
        ({"missing": "forward", "scaler": None, "time_features": TIMES, "dtype": "float64"}, True),
        ({"missing": "mean", "scaler": "robust", "dtype": "float64"}, True),
        ({"missing": "forward", "num_layers": 2, "time_features": "log_elapsed"}, False),
    ],
    ids=["mean", "forward", "float64", "no-times", "two-layers"],
)
def test_a_table_gives_the_predictions(
    options: dict[str, Any], dates: bool, tmp_path: Path
) -> None:
    table = frame(dates=dates)
    if options.get("scaler", "") is None:
        table = table.with_columns(pl.col("amount", "distance") / 100)
        table = table.with_columns(pl.col("when").dt.offset_by("1d")) if dates else table
    model = trained(table, **{"scaler": "standard"} | options)
    target = tmp_path / "exported"
    model.to_c(target)
    call([str(compiled(target))])
    given = Driver(model, target).outputs(events(model, table))
    wanted = model.predict(table)
    scale = model.scaler.label_scale_ if model.scaler is not None else 1.0
    tolerance = 1e-5 if model.settings["dtype"] == "float32" else 1e-12
    assert np.abs(given - wanted).max() <= tolerance * np.maximum(scale, np.abs(wanted).max())
    assert f" {state_size(target)} bytes\n" in (target / "model.h").read_text()


def test_categories_alone(tmp_path: Path) -> None:
    table = frame(dates=True).select("id", "when", "merchant", "y1")
    data = rnn.Dataset.from_frame(table, id="id", time="when", features="merchant", labels="y1")
    model = rnn.LSTM(hidden_size=4, scaler="standard", max_categories=3)
    model.fit(data, epochs=1, progress=False)
    target = tmp_path / "exported"
    model.to_c(target)
    call([str(compiled(target))])
    given = Driver(model, target).outputs(events(model, table))
    np.testing.assert_allclose(given, model.predict(table), atol=1e-5)


def test_what_is_no_event_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    table = frame(dates=False)
    model = trained(table, missing="forward", time_features="log_elapsed", scaler="standard")
    target = tmp_path / "exported"
    model.to_c(target)
    rows = events(model, table)
    assert model.encoder.numbers == ("amount", "distance")
    bad = np.repeat(rows[3:4], 5, axis=0)
    bad[:, 0] = 0
    bad[0, 1], bad[1, 2] = np.inf, -np.inf
    bad[2, -1], bad[3, -1] = np.nan, np.inf
    bad[4, -1] = rows[2, -1] - 5  # the logarithm of a time that goes back
    driver = Driver(model, target)
    good = driver.lines(rows)
    shown = driver.lines(np.concatenate([rows[:3], bad, rows[3:]]))
    assert shown[3:8] == ["refused -1"] * 5
    assert shown[:3] + shown[8:] == good
    assert "or the time is by 1 or more earlier than the one before." in " ".join(
        (target / "model.h").read_text().replace("*", " ").split()
    )
    # The model itself says so too, and goes on.
    stepper, scorer = model.stepper(), model.scorer()
    event = {"amount": 1.0, "distance": 2.0, "merchant": "fuel", "code": 1, "when": 100.0}
    expected = stepper.step(event), stepper.step(event | {"when": 99.5})
    stepper.reset()
    for step in (stepper.step, lambda one: scorer.score("a", one)):
        np.testing.assert_array_equal(step(event), expected[0])
        with pytest.raises(DataError, match="'log_elapsed': a time is 5 earlier than that of the"):
            step(event | {"when": 95.0})
        np.testing.assert_array_equal(step(event | {"when": 99.5}), expected[1])


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("dates", "seconds since 1 January 1970, UTC."),
        ("durations", "a duration in seconds."),
        ("numbers", "a number, in the unit of the training."),
        (None, "seconds since 1 January 1970, UTC (or the time as in training, if that was a num"),
    ],
)
def test_the_header_says_what_times_are(kind: str | None, unit: str, tmp_path: Path) -> None:
    table = frame(dates=kind == "dates")
    if kind == "durations":
        table = table.with_columns(when=(pl.col("when") * 1e6).cast(pl.Duration("us")))
    model = trained(table, missing="mean", time_features="log_elapsed")
    if kind is None:
        model.encoder = replace(model.encoder, time_kind=None)
    assert model.encoder.time_kind == kind
    model.to_c(tmp_path / "exported")
    assert f" * time:       {unit}" in (tmp_path / "exported" / "model.h").read_text()
    # Its vectors are what the model's stepper gives for times of this kind.
    call([str(compiled(tmp_path / "exported"))])


def test_a_gap_is_refused_by_a_model_without_them(tmp_path: Path) -> None:
    model = rnn.RNN(2, 3, 1)
    model.to_c(tmp_path / "exported")
    shown = Driver(model, tmp_path / "exported").lines(
        [[1, 0.5, 0.25], [0, np.nan, 1], [0, 1, np.inf], [1, 0.5, 0.25]]
    )
    assert shown[1:3] == ["refused -1"] * 2
    assert shown[0] == shown[3]


def test_each_level_has_a_constant(tmp_path: Path) -> None:
    model = trained(frame(dates=True), missing="mean")
    model.to_c(tmp_path / "exported")
    own = model.encoder.levels["merchant"]
    names = [f"MODEL_MERCHANT_{_ascii(level)}" for level in own]
    lines = [f"    assert({name} == {code});" for code, name in enumerate(names)]
    source = tmp_path / "levels.c"
    source.write_text(
        '#include <assert.h>\n#include "model.h"\nint main(void) {\n'
        + "\n".join([*lines, "    assert(MODEL_MERCHANT_OTHER == 3);"])
        + "\n    return MODEL_CATEGORY_MERCHANT;\n}\n"
    )
    program = tmp_path / "levels"
    call([tool("cc"), f"-I{tmp_path / 'exported'}", str(source), "-o", str(program)])
    call([str(program)])


def _ascii(level: str) -> str:
    return {"größe": "GROE", "": "EMPTY"}.get(level, level.upper())
