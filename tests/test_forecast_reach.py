"""Forecasts that the data is too short for: of horizons, of seasons, and what is said of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import DATA, check_error, run

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError


def line(*lengths: int) -> rnn.Dataset:
    """Return sequences of a rising number with some noise."""
    rows = np.concatenate([np.arange(float(length)) for length in lengths])
    x = rows + np.random.default_rng(1).normal(size=len(rows))
    offsets = np.cumsum([0, *lengths])
    return rnn.Dataset.from_arrays(x[:, None], None, offsets, feature_names=["x1"])


@pytest.mark.parametrize(
    ("lengths", "horizon", "lags", "message"),
    [
        ((12,), 12, 0, "'x1\\+12' has none: no row has a value 12 rows later .* has 12 rows; "),
        ((12,), 30, 0, "'x1\\+12' has none: no row has a value 12 rows later .* has 12 rows; "),
        ((3, 5, 4), 7, 0, "'x1\\+5' has none: no row has a value 5 rows later .* has 5 rows; "),
        ((12,), 9, 4, "'x1\\+8' has none: no row has a value 8 rows later .* has 8 rows; "),
    ],
)
def test_a_horizon_that_no_row_reaches_is_not_trained(
    lengths: tuple[int, ...], horizon: int, lags: int, message: str
) -> None:
    data = line(*lengths)
    model = rnn.GRU(hidden_size=3)
    made = data.forecast("x1", horizon, lags=lags)
    with pytest.raises(DataError, match=f"training needs a value of every label, and {message}"):
        model.fit(made, epochs=1, progress=False)
    assert not model.is_built, "what is refused leaves a model as it was"
    reached = max(lengths) - lags - 1
    model.fit(data.forecast("x1", reached, lags=lags), epochs=1, progress=False)
    assert model.forecast(data).height == reached * sum(length > lags for length in lengths)


def test_the_horizon_counts_in_the_training_part() -> None:
    """The whole reaches it, the part that is trained on does not; a trained model may go on."""
    made = line(40).forecast("x1", 6)
    past, _ = made.split(at=6)
    model = rnn.GRU(hidden_size=3)
    with pytest.raises(DataError, match=r"'x1\+6' has none: .* has 6 rows; give longer"):
        model.fit(past, epochs=1, progress=False)
    with pytest.raises(DataError, match=r"'x1\+5' has none: .* has 5 rows; give longer"):
        model.train(line(5, 5).forecast("x1", 6), epochs=1, train_ratio=0.5)
    model.fit(made, epochs=1, progress=False)
    model.fit(past, epochs=1, progress=False, validation=past)


def test_a_label_column_without_a_value_is_refused() -> None:
    labels = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, np.nan], [0.0, np.nan]])
    features = np.arange(4.0)[:, None]
    empty = rnn.Dataset.from_arrays(features, labels, [0, 2, 4], label_names=["y1", "y2"])
    message = "every label, and 'y2' has none; fill in some, or leave the column out"
    for options in ({}, {"loss": "binary_cross_entropy"}, {"scaler": "standard"}):
        with pytest.raises(DataError, match=message):
            rnn.GRU(1, 3, 2, **options).fit(empty, epochs=1, progress=False)
    some = labels.copy()
    some[0, 1] = 1.0
    data = rnn.Dataset.from_arrays(features, some, [0, 2, 4], label_names=["y1", "y2"])
    rnn.GRU(1, 3, 2).fit(data, epochs=1, progress=False, validation=empty)
    with pytest.raises(DataError, match="'y2' has none in the last labelled row of any sequence"):
        rnn.GRU(1, 3, 2, readout="last").fit(data, epochs=1, progress=False)


def test_the_last_season_is_judged_where_there_is_one() -> None:
    """Each value by loops; the changes that are learnt early on are from the present value."""
    data = line(12, 3, 9)
    made = data.forecast("x1", 2, season=4)
    model = rnn.GRU(hidden_size=3, scaler="standard", seed=1)
    model.fit(made, epochs=2, progress=False)
    of_season, of_last = [], []
    for sequence, own in zip(data, made, strict=True):
        x = sequence.features[:, 0]
        assert own.known is not None
        for t in range(len(x)):
            for h in (1, 2):
                before = t + h - 4
                expected = x[before] if before >= 0 else x[t]
                assert own.known[t, h - 1] == expected
                if t + h < len(x):
                    of_last.append(abs(x[t + h] - x[t]))
                    if before >= 0:
                        of_season.append(abs(x[t + h] - x[before]))
    result: Any = model.evaluate(made)
    assert (result.steps, result.season.steps) == (len(of_last), len(of_season))
    assert result.baseline.mae == pytest.approx(np.mean(of_last))
    assert result.season.mae == pytest.approx(np.mean(of_season))
    assert (
        f"last season: the same time of the last season of 4 rows, for the {len(of_season)} labels "
        "that have one"
    ) in str(result)
    assert np.isfinite(model.predict(data)).all()
    short = model.forecast(data[1:2])
    x = data[1].features[:, 0]
    assert made.known is not None
    np.testing.assert_array_equal(made[1].known[-1], [x[2], x[0]])
    assert short["x1"].is_finite().all()
    # A table of a single row is forecast from the present value.
    alone = model.forecast(data[:1].split(at=1)[0])
    assert alone["x1"].is_finite().all()


def test_a_part_before_the_first_season_has_no_season_to_compare_with() -> None:
    made = line(30).forecast("x1", 1, season=12, relative_to="last")
    early, _ = made.split(at=8)
    model = rnn.GRU(hidden_size=3)
    model.fit(early, epochs=1, progress=False)
    result: Any = model.evaluate(early)
    assert result.season is None
    assert "no last season to compare with: no season has passed before a label" in str(result)
    changes = line(30).forecast("x1", 1, season=12).split(at=8)[0]
    with pytest.raises(DataError, match="no label has a value 12 rows or more before it"):
        rnn.GRU(hidden_size=3).fit(changes, epochs=1, progress=False)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_a_season_longer_than_every_sequence_is_refused() -> None:
    message = "forecast: no sequence is longer than a season of 9 rows, the longest has 9; give"
    with pytest.raises(DataError, match=message):
        line(9, 5).forecast("x1", season=9)
    assert np.isfinite(line(10, 5).forecast("x1", season=9).seasonal).sum() == 2
    airline = DATA / "airline-passengers.csv"
    options = ("--time", "month", "--forecast", "passengers", "--season", 144)
    check_error(run("train", airline, *options), "no sequence is longer than a season of 144 rows")
    # What a model of a season is asked about may be shorter than it.
    model = rnn.GRU(hidden_size=3)
    model.fit(line(30).forecast("x1", 2, season=9), epochs=1, progress=False)
    table = pl.DataFrame({"x1": [3.0, 4.0]})
    assert model.forecast(table).height == 2
    np.testing.assert_array_equal(model.predict(line(2)).shape, (2, 2))


def test_what_a_forecast_of_changes_does_not_go_with() -> None:
    made = line(30).forecast("x1", 2)
    for readout in ("last", "mean"):
        with pytest.raises(ParameterError, match="a forecast has one for each row"):
            rnn.GRU(hidden_size=3, readout=readout).fit(made, epochs=1, progress=False)
    with pytest.raises(ParameterError, match="give the scaler to the model"):
        made.normalize()
    assert made.normalizer is None
    model = rnn.GRU(hidden_size=3)
    model.fit(made, epochs=1, progress=False)
    values = line(30).forecast("x1", 2, relative_to=None)
    with pytest.raises(ParameterError, match="relative_to='last', and the data set was made to"):
        model.fit(values, epochs=1, progress=False)
    plain = rnn.Dataset.from_arrays(
        made.features, made.labels, made.offsets, feature_names=made.feature_names,
        label_names=made.label_names,
    )  # fmt: skip
    with pytest.raises(ParameterError, match="the data set was not made to forecast"):
        model.fit(plain, epochs=1, progress=False)
    rnn.GRU(hidden_size=3).fit(values.normalize(), epochs=1, progress=False)
