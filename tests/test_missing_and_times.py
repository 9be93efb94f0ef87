"""Missing numbers that are filled in, and features that follow from the times of rows."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.data import encoder
from rnn_rust.data.missing import fill_missing
from rnn_rust.errors import DataError, ParameterError, ShapeError

START = datetime.datetime(2026, 3, 1, 6)


def table(rows: int = 60, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    hours = np.cumsum(random.integers(1, 30, rows))
    x = [None if random.random() < 0.3 else float(v) for v in random.normal(3, 2, rows)]
    return pl.DataFrame(
        {
            "id": np.arange(rows) // 6,
            "when": [START + datetime.timedelta(hours=int(h)) for h in hours],
            "x": x,
            "z": random.normal(size=rows),
            "y": random.normal(size=rows),
        }
    )


def read(frame: pl.DataFrame, **options: Any) -> rnn.Dataset:
    return rnn.Dataset.from_frame(
        frame, time="when", features=["x", "z"], labels="y", missing="keep", **options
    )


def filled(frame: pl.DataFrame, how: str, mean: float) -> list[float]:
    """Fill in by a loop."""
    result, last, before = [], None, None
    for key, value in zip(frame["id"], frame["x"], strict=True):
        if key != before:
            last = None
        before = key
        if value is not None:
            last = value
        usual = mean if how == "mean" or last is None else last
        result.append(value if value is not None else usual)
    return result


@pytest.mark.parametrize("how", ["mean", "forward"])
@pytest.mark.parametrize("indicator", [False, True])
def test_missing_numbers_are_those_of_the_training_part(how: str, indicator: bool) -> None:
    frame, new = table(), table(30, seed=1)
    model = rnn.GRU(hidden_size=4, missing=how, missing_indicator=indicator, scaler="standard")
    model.fit(read(frame), epochs=2, progress=False)
    mean = float(np.mean([x for x in frame["x"] if x is not None]))
    names = ("x", "z", "x missing") if indicator else ("x", "z")
    assert model.input_names == names
    plain = rnn.GRU(len(names), 4, 1, scaler="standard")
    columns = {"id": new["id"], "t": new["when"], "x": filled(new, how, mean), "z": new["z"]}
    if indicator:
        columns["x missing"] = new["x"].is_null().cast(pl.Float64)
    dense = {**columns, "id": frame["id"], "t": frame["when"], "z": frame["z"], "y": frame["y"]}
    dense["x"] = filled(frame, how, mean)
    if indicator:
        dense["x missing"] = frame["x"].is_null().cast(pl.Float64)
    plain.fit(
        rnn.Dataset.from_frame(dense, features=list(names), labels="y"), epochs=2, progress=False
    )
    np.testing.assert_array_equal(
        model.predict(new), plain.predict(rnn.Dataset.from_frame(columns, features=list(names)))
    )


def test_a_missing_number_is_refused_unless_it_may_be() -> None:
    with pytest.raises(DataError, match=r"row \d+ .*, column 'x': the cell is empty"):
        rnn.Dataset.from_frame(table(), time="when", features=["x", "z"], labels="y")
    model = rnn.GRU(hidden_size=4)
    with pytest.raises(DataError, match=r"column 'x' is missing in row .* missing='mean' or"):
        model.fit(read(table()), epochs=1, progress=False)
    assert not model.is_built
    words = table().with_columns(k=pl.Series(["a", "b"] * 30))
    of_words = {"time": "when", "features": ["x", "k"], "labels": "y", "missing": "keep"}
    known = rnn.Dataset.from_frame(words.drop_nulls(), **of_words)
    with pytest.raises(DataError, match=r"column 'x' is missing in row .* missing='mean' or"):
        rnn.GRU(hidden_size=4).build(known).predict(rnn.Dataset.from_frame(words, **of_words))
    empty = table().with_columns(x=pl.lit(None, pl.Float64))
    with pytest.raises(DataError, match="column 'x' has no number in the training part"):
        rnn.GRU(hidden_size=4, missing="mean").fit(read(empty), epochs=1, progress=False)
    for arguments, message in (
        ({"missing": "zero"}, "missing='zero' is not known"),
        ({"missing_indicator": True}, "missing_indicator has no effect"),
        ({"time_features": ["minute"]}, "'minute' is not known"),
        ({"time_features": ["hour", "hour"]}, "has one twice"),
        ({"time_features": "weekdays"}, "did you mean 'weekday'"),
        ({"time_features": 5}, "time_features must be some of elapsed, .*; got 5"),
    ):
        with pytest.raises(ParameterError, match=message):
            rnn.GRU(hidden_size=4, **arguments)
    with pytest.raises(ParameterError, match="missing='drop' is not known"):
        rnn.Dataset.from_frame(table(), time="when", features="z", missing="drop")


ALL = ("elapsed", "log_elapsed", "hour", "weekday", "yearday")


def expected_times(moment: datetime.datetime, passed: float) -> list[float]:
    """The features of one row, by Python's own calendar."""
    day = (moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    week = (moment.weekday() * 86_400 + day) / (7 * 86_400)
    begin = datetime.datetime(moment.year, 1, 1)
    year = (moment - begin) / (datetime.datetime(moment.year + 1, 1, 1) - begin)
    row = [passed, math.log1p(passed)]
    for phase in (day / 86_400, week, year):
        row += [math.sin(2 * math.pi * phase), math.cos(2 * math.pi * phase)]
    return row


@pytest.mark.parametrize("static", [(), ["x missing"]])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_column_with_the_name_of_a_derived_feature_is_refused(
    static: list[str], as_text: bool
) -> None:
    values = ["a", "b"] if as_text else [1.0, 2.0]
    frame = {"id": [0, 0, 1], "t": [0.0, 1, 0], "x": [1.0, None, 2.0], "y": [0.0, 1.0, 0.0],
             "x missing": [*values[:1] * 2, values[1]], "hour": [1.0, 2.0, 3.0]}  # fmt: skip
    features = ["x", "hour", *({"x missing"} - set(static))]
    data = rnn.Dataset.from_frame(
        frame, features=features, static=static or None, labels="y", missing="keep"
    )
    model = rnn.GRU(hidden_size=3, missing="mean", missing_indicator=True)
    wanted = r"column 'x missing' has the name .* comes of missing_indicator for 'x'; rename"
    with pytest.raises(DataError, match=wanted):
        model.fit(data, epochs=1, progress=False)
    assert not model.is_built
    with pytest.raises(DataError, match=wanted):
        rnn.Preprocessor(missing="mean", missing_indicator=True).fit(data)
    # Neither in the way of features of other names, nor of models that add none.
    without = rnn.GRU(hidden_size=3, missing="mean", time_features="elapsed").build(data)
    assert without.input_names is not None
    assert len(set(without.input_names)) == len(without.input_names)
    renamed = {{"hour": "elapsed"}.get(name, name): column for name, column in frame.items()}
    data = rnn.Dataset.from_frame(renamed, features=["x", "elapsed"], labels="y", missing="keep")
    with pytest.raises(
        DataError, match=r"'elapsed' has the name .* comes of time_features; rename"
    ):
        rnn.GRU(hidden_size=3, missing="mean", time_features="elapsed").build(data)


def test_features_of_time() -> None:
    frame = table().with_columns(x=pl.col("z"))
    model = rnn.GRU(hidden_size=4, time_features=ALL, dtype="float64")
    model.fit(read(frame), epochs=1, progress=False)
    assert model.input_names is not None
    assert model.input_names[2:6] == ("elapsed", "log_elapsed", "hour sine", "hour cosine")
    data = read(frame)
    encoded = model.preparation.encoded(data)
    for sequence, whole in zip(data, encoded, strict=True):
        moments = sequence.times.astype("M8[us]").tolist()
        for number, moment in enumerate(moments):
            passed = (moment - moments[max(number - 1, 0)]).total_seconds()
            np.testing.assert_allclose(
                whole.features[number, 2:], expected_times(moment, passed), atol=1e-9
            )
    numbers = frame.with_columns(when=pl.int_range(pl.len()) * 3)
    steps = rnn.GRU(hidden_size=4, time_features="elapsed")
    steps.fit(read(numbers), epochs=1, progress=False)
    assert set(steps.preparation.encoded(read(numbers)).features[:, 2]) == {0, 3}
    with pytest.raises(DataError, match="time feature 'hour' needs dates"):
        rnn.GRU(hidden_size=4, time_features="hour").fit(read(numbers), epochs=1, progress=False)


def test_a_single_sequence_is_encoded_as_in_its_data_set() -> None:
    data = read(table())
    model = rnn.GRU(hidden_size=4, missing="forward", time_features="elapsed").build(data)
    encoded = model.preparation.encoded(data)
    for one, whole in zip(data, encoded, strict=True):
        np.testing.assert_array_equal(model.preparation.encoded(one).features, whole.features)
    wide = rnn.Dataset.from_arrays(np.ones((5, 3)), None, [0, 5])
    with pytest.raises(ShapeError, match="3 feature columns"):
        rnn.GRU(hidden_size=4, missing="mean").build(data).predict(wide)


def test_a_logarithm_needs_times_that_hardly_go_back() -> None:
    frame = {"t": [0.0, 1, 3], "x": [1.0, 2, 3], "y": [0.0] * 3}
    data = rnn.Dataset.from_frame(frame, features="x", labels="y")
    model = rnn.GRU(hidden_size=2, time_features="log_elapsed", dtype="float64").build(data)
    for back in (1.0, 2.5):
        stepper = model.stepper()
        stepper.step({"t": 5.0, "x": 1.0})
        with pytest.raises(DataError, match=f"is {back:g} earlier than that of the row before"):
            stepper.step({"t": 5 - back, "x": 1.0})
        assert np.isfinite(stepper.step({"t": 4.5, "x": 1.0})).all()


def test_means_are_summed_in_double_precision() -> None:
    """In float32 2**24 + 1 is 2**24."""
    frame = {"t": range(4), "x": [2.0**24, 1, 1, None], "y": [0.0] * 4}
    data = rnn.Dataset.from_frame(frame, features="x", labels="y", missing="keep", dtype="float32")
    model = rnn.GRU(hidden_size=2, missing="mean").build(data)
    assert model.encoder is not None
    assert model.encoder.means == ((2**24 + 2) / 3,)


def test_means_are_exact_of_equal_numbers_and_close_of_others() -> None:
    """Sums of a thousand roundings would make a constant column with gaps one that varies."""
    random = np.random.default_rng(0)
    columns = np.stack([np.full(5000, 0.1), random.normal(1e6, 1, 5000)], axis=1)
    columns[random.random(columns.shape) < 0.4] = np.nan
    frame = pl.DataFrame(columns, schema=["equal", "far"]).with_columns(y=1.0 * np.arange(5000))
    data = rnn.Dataset.from_frame(
        frame.fill_nan(None), features=["equal", "far"], labels="y", missing="keep", time=None
    )
    for scaler in ("standard", "minmax", "robust"):
        model = rnn.GRU(hidden_size=2, missing="mean", scaler=scaler)
        model.fit(data, epochs=1, progress=False)
        assert model.encoder is not None
        assert model.scaler is not None
        equal, far = model.encoder.means
        assert equal == 0.1
        known = columns[:, 1][~np.isnan(columns[:, 1])]
        assert far == pytest.approx(math.fsum(known) / len(known), rel=3e-16)
        assert model.scaler.feature_scale_[0] == 1


@pytest.mark.parametrize("how", ["mean", "forward"])
def test_streams_files_and_tables_agree_to_the_bit(tmp_path: Path, how: str) -> None:
    model = rnn.LSTM(
        hidden_size=4, missing=how, missing_indicator=True, time_features=ALL, scaler="standard"
    )
    model.fit(read(table()), epochs=2, progress=False)
    new = table(30, seed=2)
    outputs = model.predict(new)
    stepper, before = model.stepper(), None
    for number, row in enumerate(new.iter_rows(named=True)):
        if row["id"] != before:
            stepper.reset()
        before = row["id"]
        np.testing.assert_array_equal(stepper.step(row), outputs[number])
    model.save(tmp_path / "model.safetensors")
    again = rnn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(new.to_pandas()), outputs)
    new.write_csv(tmp_path / "new.csv")
    np.testing.assert_array_equal(again.predict(tmp_path / "new.csv"), outputs)
    shuffled = new.sample(fraction=1, shuffle=True, seed=0)
    place = {moment: number for number, moment in enumerate(new["when"])}
    np.testing.assert_array_equal(
        model.predict(shuffled), outputs[[place[moment] for moment in shuffled["when"]]]
    )


def test_nothing_is_learnt_from_test_rows() -> None:
    frame = table()
    train, test = read(frame).split(0.7, seed=0)
    held = np.isin(frame["id"].to_numpy(), test.ids)
    changed = frame.with_columns(
        x=pl.when(pl.Series(held)).then(pl.lit(1e6)).otherwise(pl.col("x")),
        z=pl.when(pl.Series(held)).then(pl.lit(-1e6)).otherwise(pl.col("z")),
    )
    other = read(changed).subset(np.flatnonzero(np.isin(read(changed).ids, train.ids)))
    states = []
    for data in (train, other):
        model = rnn.GRU(hidden_size=4, missing="mean", missing_indicator=True, scaler="robust")
        model.fit(data, epochs=2, progress=False)
        states.append((model.state_dict(), model.encoder, model.scaler.to_dict()))
    assert states[0][1:] == states[1][1:]
    for name, tensor in states[0][0].items():
        np.testing.assert_array_equal(tensor, states[1][0][name])


def test_arrays_without_names_are_taken_by_position() -> None:
    data = read(table())
    model = rnn.GRU(hidden_size=4, missing="mean", missing_indicator=True, scaler="standard")
    model.fit(data, epochs=2, progress=False)
    rows = np.arange(8.0).reshape(4, 2)
    expected = model.predict(
        pl.DataFrame({"id": 0, "when": START, "x": rows[:1, 0], "z": rows[:1, 1]})
    )
    np.testing.assert_array_equal(model.predict(rows)[:1], expected)
    named = rnn.Dataset.from_arrays(rows[:, ::-1], None, [0, 4], feature_names=["z", "x"])
    np.testing.assert_array_equal(model.predict(rows), model.predict(named))
    unnamed = rnn.Dataset.from_arrays(rows, None, [0, 4])
    np.testing.assert_array_equal(model.predict(unnamed[0]), model.predict(named[0]))
    with pytest.raises(rnn.errors.ShapeError, match="feature columns"):
        model.predict(np.ones((4, 3)))
    # Steps that are counted are no dates.
    timed = rnn.GRU(hidden_size=4, missing="mean", time_features=["weekday"]).build(data)
    with pytest.raises(rnn.errors.ShapeError, match="trained on x, z"):
        timed.predict(rows)


def test_durations_are_no_dates() -> None:
    frame = pl.DataFrame({"t": [datetime.timedelta(1), datetime.timedelta(2)], "x1": [1.0, 2.0]})
    data = rnn.Dataset.from_frame(frame, labels=[])
    with pytest.raises(DataError, match="'hour' needs dates, and the times are durations"):
        rnn.Preprocessor(time_features="hour").fit(data)


@pytest.mark.parametrize("scaler", [None, "standard"])
def test_a_fit_fills_in_each_data_set_once(
    scaler: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, sizes = read(table()), []
    monkeypatch.setattr(
        encoder, "fill_missing", lambda numbers, *a, **k: (
            sizes.append(len(numbers)), fill_missing(numbers, *a, **k)
        )[1],
    )  # fmt: skip
    train, validation = data.subset(range(8)), data.subset([8, 9])
    model = rnn.GRU(hidden_size=2, missing="mean", scaler=scaler)
    model.fit(train, epochs=3, validation=validation, progress=False)
    assert sizes == [48, 12]
