"""Forecasts: labels that lie ahead, what is known of them, and values with their times."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import DATA, check_error, run, run_well
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.evaluate import default_evaluator

AIRLINE = DATA / "airline-passengers.csv"


def series(*lengths: int) -> rnn.Dataset:
    """Return sequences of distinct numbers, with a second feature."""
    offsets = np.cumsum([0, *lengths])
    x = np.random.default_rng(0).permutation(offsets[-1]).astype(float)
    return rnn.Dataset.from_arrays(
        np.stack([x, -x], 1), None, offsets, feature_names=["load", "heat"]
    )


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), horizon=st.integers(1, 5),
    season=st.none() | st.integers(1, 6), lags=st.integers(0, 3),
)  # fmt: skip
def test_labels_features_and_what_is_known(
    lengths: list[int], horizon: int, season: int | None, lags: int
) -> None:
    """Each value, computed by loops from the sequences themselves."""
    data = series(*lengths)
    if season is not None and max(lengths) <= season:
        with pytest.raises(DataError, match=f"no sequence is longer than a season of {season} row"):
            data.forecast("load", horizon, season=season, lags=lags)
        return
    if max(lengths) <= lags:
        with pytest.raises(DataError, match="the largest lag"):
            data.forecast("load", horizon, season=season, lags=lags)
        return
    made = data.forecast("load", horizon, season=season, lags=lags)
    assert made.label_names == tuple(f"load+{h}" for h in range(1, horizon + 1))
    back = 1 if season is None else season
    lagged = tuple(f"load lag {lag}" for lag in range(1, lags + 1))
    assert made.feature_names == ("heat", f"load change {back}", *lagged)
    kept = [sequence for sequence in data if len(sequence) > lags]
    for own, whole in zip(made, kept, strict=True):
        x = whole.features[:, 0]
        for row in range(len(own)):
            t = row + lags
            for h in range(1, horizon + 1):
                label = x[t + h] if t + h < len(x) else np.nan
                np.testing.assert_equal(own.labels[row, h - 1], label)
                known = x[t]
                if season is not None:
                    before = t + h - season * -(-h // season)
                    known = x[before] if before >= 0 else x[t]
                    assert own.seasonal is not None
                    last = x[before] if before >= 0 else np.nan
                    np.testing.assert_equal(own.seasonal[row, h - 1], last)
                assert own.known is not None
                assert own.known[row, h - 1] == known
            assert own.features[row, 0] == -x[t]
            assert own.features[row, 1] == (x[t] - x[t - back] if t >= back else 0)
            for lag in range(1, lags + 1):
                assert own.features[row, 1 + lag] == x[t - lag]


def test_no_label_of_a_part_lies_in_a_later_one() -> None:
    made = series(30, 30).forecast("load", 4)
    train, middle, test = made.split(at=[10, 20])
    context = made.split(at=[10, 20], across="context")
    for sequence in train:
        assert np.isnan(sequence.labels[-4:]).sum() == 4 + 3 + 2 + 1
    for cut, whole in zip((train, middle, test), context, strict=True):
        for short, long in zip(cut, whole, strict=True):
            np.testing.assert_array_equal(long.labels[-len(short) :], short.labels)
            assert np.isnan(long.labels[: -len(short)]).all()
            assert len(long) == int(short.times[-1]) + 1
    assert int(np.isfinite(train.labels).sum()) == 2 * (9 + 8 + 7 + 6)


def test_a_model_learns_changes_and_answers_with_values() -> None:
    """Loss, gradient and prediction are those of a model of the differences, plus what is known."""
    data = series(20, 15)
    made = data.forecast("load", 2, season=3)
    known = made.known
    assert known is not None
    plain = rnn.Dataset.from_arrays(
        made.features, made.labels - known, made.offsets, feature_names=made.feature_names,
        label_names=made.label_names,
    )  # fmt: skip
    models = [rnn.GRU(2, 4, 2, scaler="standard", dtype="float64", seed=3) for _ in range(2)]
    histories = [
        model.fit(d, epochs=4, progress=False)
        for model, d in zip(models, (made, plain), strict=True)
    ]
    assert histories[0].loss == histories[1].loss
    assert models[0].loss(made) == models[1].loss(plain)
    np.testing.assert_array_equal(models[0].predict(made), models[1].predict(plain) + known)
    np.testing.assert_array_equal(models[0].predict(data), models[0].predict(made))
    np.testing.assert_array_equal(models[0].predict(made[1]), models[0].predict(made)[20:])
    values = rnn.GRU(2, 4, 2, scaler="standard").fit
    values(data.forecast("load", 2, relative_to=None), epochs=1, progress=False)


def test_airline_passengers_from_file_to_forecast(tmp_path: Path) -> None:
    data = rnn.Dataset.from_file(AIRLINE, time="month", features="passengers")
    made = data.forecast("passengers", horizon=12, season=12)
    past, future = made.split(at="1958-08", across="context")
    model = rnn.GRU(1, 16, 12, scaler="standard", optimizer=rnn.Adam(0.01))
    model.fit(past, epochs=300, progress=False)
    result = model.evaluate(future)
    x = data.features[:, 0]
    pairs = [(t, h) for t in range(115, 144) for h in range(1, 13) if t + h < 144]
    last = np.mean([abs(x[t + h] - x[t]) for t, h in pairs])
    season = np.mean([abs(x[t + h] - x[t + h - 12]) for t, h in pairs])
    assert result.steps == len(pairs)
    assert result.baseline.mae == pytest.approx(last)
    assert result.season.mae == pytest.approx(season)
    assert result.mae < 0.6 * season < last
    assert "last season" in str(result)
    ahead = model.forecast(AIRLINE)
    assert ahead["month"].to_list() == [datetime.date(1961, month, 1) for month in range(1, 13)]
    np.testing.assert_allclose(ahead["passengers"], model.predict(made)[-1])
    model.save(tmp_path / "model.safetensors")
    again = rnn.load(tmp_path / "model.safetensors")
    assert again.ahead == model.ahead
    assert again.forecast(pl.read_csv(AIRLINE)).equals(ahead)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_forecasts() -> None:
    options = ("--time", "month", "--forecast", "passengers", "--horizon", 12, "--season", 12)
    shown = run_well("train", AIRLINE, *options)
    test = shown.stdout.split("Test part")[1]
    mae = [float(word) for word in test.split("MAE")[1].split()[:3]]
    assert mae[0] < 0.7 * mae[2] < mae[1]
    written = run_well("predict", "model.safetensors", AIRLINE).stdout.splitlines()
    assert written[0] == "month,passengers"
    assert [line.split(",")[0] for line in written[1:]] == [f"1961-{n:02}" for n in range(1, 13)]
    assert "last season" in run_well("evaluate", "model.safetensors", AIRLINE).stdout
    for words, message in (
        (("--labels", "passengers"), "--forecast makes the labels"),
        (("--horizon", "1,2"), "one --horizon"),
        (("--forecast", "people"), "no column 'people'"),
    ):
        check_error(run("train", AIRLINE, *options, *words), message)
    check_error(run("train", AIRLINE, "--season", 12), "go with --forecast")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"column": "lod"}, DataError, "no column 'lod' was read"),
        ({"column": 1}, ParameterError, "column must be the name"),
        ({"horizon": 0}, ParameterError, "horizon must be at least 1"),
        ({"season": 0}, ParameterError, "season must be at least 1"),
        ({"lags": [0]}, ParameterError, "lags must be at least 1"),
        ({"lags": -1}, ParameterError, "lags must be at least 0, got -1"),
        ({"lags": 1.5}, ParameterError, "lags must be an integer of at least 0"),
        ({"lags": [1, 1]}, ParameterError, r"forecast: lags=\[1, 1\] has one twice; drop it"),
        ({"features": ["heat", "heat"]}, ParameterError, "has one twice; drop it"),
        ({"features": [1]}, ParameterError, r"features must be column names, got \[1\]"),
        ({"lags": 9}, DataError, "no sequence is longer than the largest lag, 9; give more rows"),
        ({"relative_to": "season"}, ParameterError, "relative_to='season' is not known"),
        ({"features": ["cold"]}, DataError, "'cold' is no feature"),
        ({"features": []}, ParameterError, "there is no feature"),
    ],
)
def test_forecasts_that_are_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        series(9).forecast(**{"column": "load", **arguments})


def test_data_a_forecast_does_not_suit() -> None:
    made = series(20).forecast("load", 2)
    with pytest.raises(ParameterError, match="as it was read"):
        made.forecast("load", 2)
    missing = rnn.Dataset.from_arrays([[1.0], [2.0]], [np.nan, 1], [0, 2], label_names=["load"])
    with pytest.raises(DataError, match="'load' is missing in row 0"):
        missing.forecast("load")
    model = rnn.GRU(2, 3, 2)
    with pytest.raises(ParameterError, match="not trained to forecast"):
        model.forecast(series(5))
    model.fit(made, epochs=1, progress=False)
    with pytest.raises(ParameterError, match="give a table with that column"):
        model.predict(np.zeros((4, 2)))
    with pytest.raises(DataError, match="no column 'heat'"):
        model.predict({"t": [1, 2], "load": [1.0, 2.0]})


def test_text_is_no_series_and_the_labels_of_before_are_none() -> None:
    """What was a label, or a category that is no feature any more, leaves no levels behind."""
    table = pl.DataFrame({"t": range(30), "load": np.arange(30.0), "day": ["a", "b", "a"] * 10})
    table = table.with_columns(state=pl.Series(["on", "off"] * 15))
    data = rnn.Dataset.from_frame(table, features=["load", "day"], labels="state")
    for name in ("day", "state"):
        with pytest.raises(DataError, match=f"forecast: '{name}' is text; a series is numbers"):
            data.forecast(name)
    made = data.forecast("load", 2)
    assert (made.label_levels, made.levels) == ({}, {"day": ("a", "b")})
    assert data.forecast("load", features="load").levels == {}
    model = rnn.GRU(hidden_size=3, scaler="standard")
    model.fit(made, epochs=1, progress=False)
    assert model.forecast(table)["t"].to_list() == [30, 31]


def test_seasons_are_matched_with_labels_by_name() -> None:
    made = series(20).forecast("load", 2, season=3)

    class Zeros:
        label_names = ("load+2", "load+1")

        def predict(self, data: rnn.Dataset) -> np.ndarray:
            return np.zeros_like(data.labels)

    season = rnn.RegressionEvaluator().evaluate(Zeros(), made).season
    assert season is not None
    assert season.mae == pytest.approx(np.nanmean(np.abs(made.labels - made.seasonal)))


def test_a_series_of_zeros_and_ones_is_of_numbers() -> None:
    switched = rnn.Dataset.from_arrays([0.0, 1, 1, 0, 1, 0], None, [0, 6]).forecast("x1")
    assert isinstance(default_evaluator(switched), rnn.RegressionEvaluator)


def test_a_part_without_a_value_ahead_says_so() -> None:
    with pytest.raises(DataError, match=r"no row is followed by another .* longer sequences"):
        series(1).forecast("load").require_labels("training")


@pytest.mark.parametrize("lags", [0, 3])
@pytest.mark.parametrize("relative_to", ["last", "season", None])
def test_one_sequence_as_it_was_read(lags: int, relative_to: str | None) -> None:
    """It is answered as a data set of itself, and evaluated so."""
    data = series(20, 15)
    made = data.forecast("load", 2, season=4, lags=lags, relative_to=relative_to)
    model = rnn.GRU(hidden_size=3, scaler="standard")
    model.fit(made, epochs=1, progress=False)
    whole = model.predict(data)
    for sequence, answer in zip(data, np.split(whole, [20 - lags]), strict=True):
        np.testing.assert_array_equal(model.predict(sequence), answer)
    one, state = model.predict(data[1], return_state=True)
    assert (one.shape, state.shape) == ((15 - lags, 2), (3,))
    known = made[1].known
    changes = np.asarray(model.predict(made[1])) - (0 if known is None else known)
    assert np.abs(one - changes).max() > 1 or relative_to is None
    assert model.evaluate(data[1]).mae == pytest.approx(
        np.nanmean(np.abs(made[1].labels - whole[20 - lags :]))
    )


def test_hidden_states_need_no_value_that_changes_are_from() -> None:
    data = series(20, 15)
    made = data.forecast("load", 2)
    model = rnn.GRU(hidden_size=3, scaler="standard")
    model.fit(made, epochs=1, progress=False)
    expected = model.hidden_states(made)
    np.testing.assert_array_equal(model.hidden_states(data), expected)
    np.testing.assert_array_equal(model.hidden_states(made[0].features), expected[:20])
    np.testing.assert_array_equal(model.hidden_states(data[1]), expected[20:])
    named = rnn.Dataset.from_arrays(
        made.features, None, made.offsets, feature_names=made.feature_names
    )
    np.testing.assert_array_equal(model.hidden_states(named), expected)
    np.testing.assert_array_equal(model.hidden_states(named[1]), expected[20:])
    for without in (named, named[1]):
        with pytest.raises(ShapeError, match="changes of 'load', which is not among the columns"):
            model.predict(without)


def test_data_made_for_another_forecast_is_refused() -> None:
    """What its labels are relative to is not what the outputs of the model are relative to."""
    data = series(20)
    model = rnn.GRU(hidden_size=3)
    model.fit(data.forecast("load", 2), epochs=1, progress=False)
    others: list[dict[str, Any]] = [
        {"horizon": 3}, {"relative_to": None}, {"season": 1, "relative_to": "season"}
    ]  # fmt: skip
    for arguments in others:
        with pytest.raises(ParameterError, match=r"horizon=2, relative_to='last', and the data"):
            model.predict(data.forecast("load", **({"horizon": 2} | arguments)))
    same = data.forecast("load", 2, season=4, relative_to="last")
    np.testing.assert_array_equal(model.predict(same), model.predict(data))


def test_numbers_of_numpy_are_saved(tmp_path: Path) -> None:
    learning = series(20).forecast("load", horizon=np.int64(2), season=np.int64(5))
    model = rnn.RNN(hidden_size=2)
    model.fit(learning, epochs=1)
    model.save(tmp_path / "model.safetensors")
    again = rnn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(learning), model.predict(learning))


@pytest.mark.parametrize("season", [None, 1, 3, 10])
def test_values_ahead_and_before_are_those_of_the_same_sequence(season: int | None) -> None:
    random = np.random.default_rng(0)
    lengths, names = [1, 9, 4, 12], [f"c{at}" for at in range(40)]
    matrix = random.normal(size=(sum(lengths), 40))
    table = pl.DataFrame(matrix, schema=names).with_columns(
        id=np.repeat(np.arange(4), lengths), y=random.normal(size=len(matrix))
    )
    data = rnn.Dataset.from_frame(table, id="id", time=None, features=names, labels="y")
    chosen = [*reversed(names), "y"]
    made = data.forecast("y", 5, season=season, lags=[2], features=chosen, relative_to=None)
    row = 0
    for own in table.partition_by("id", maintain_order=True):
        y = own["y"].to_list()
        for at in range(2, len(y)):
            expected = [*own.select(chosen).row(at), y[at - 2]]
            assert made.features[row].tolist() == expected
            ahead = [y[at + h] if at + h < len(y) else None for h in range(1, 6)]
            assert [None if np.isnan(v) else v for v in made.labels[row]] == ahead
            for h in range(1, 6) if season else ():
                back = at + h
                while back > at:
                    back -= season
                known = made.seasonal[row, h - 1]
                assert known == y[back] if back >= 0 else np.isnan(known)
            row += 1
    assert row == len(made.features)
