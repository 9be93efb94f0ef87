"""What else a scorer does: refusals, entities by themselves, other models, tables."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from oracle import misaligned

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

DATA = np.random.default_rng(0).normal(size=(200, 3))


def test_what_is_no_event_is_refused_and_changes_nothing() -> None:
    scorer = rnn.GRU(3, 4, 2, scaler=None).scorer(expire_after=1.0)
    x = DATA[0]
    for key in (1.5, None, 2**64, -(2**63) - 1, (1, 2), np.float64(1)):
        with pytest.raises(TypeError, match="a key is an int of 64 bits, a str or bytes"):
            scorer.score(key, x, time=0)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="keys are floats"):
        scorer.score_batch(np.array([1.0]), DATA[:1], times=[0])
    with pytest.raises(ShapeError, match="one by one, or use predict"):
        scorer.score(1, DATA, time=0)
    with pytest.raises(ShapeError, match="features: expected 3, got 2"):
        scorer.score(1, x[:2], time=0)
    with pytest.raises(DataError, match="feature 1 is NaN"):
        scorer.score(1, [0.0, np.nan, 0.0], time=0)
    with pytest.raises(ParameterError, match="time must be a finite number for each event"):
        scorer.score(1, x)
    with pytest.raises(ParameterError, match="time must be a finite number for each event"):
        scorer.score(1, x, time=np.nan)
    for time in (np.inf, -np.inf):
        with pytest.raises(ParameterError, match=f"time must be a finite number.*, got {time}"):
            scorer.score(1, x, time=time)
        with pytest.raises(ParameterError, match=f"time must be a finite number.*, got {time}"):
            scorer.score_batch([1, 2, 3], DATA[:3], times=[0.0, 1.0, time])
    bad = DATA[:70].copy()
    bad[66, 2] = np.inf
    with pytest.raises(DataError, match="row 66: feature 2 is inf"):
        scorer.score_batch(np.arange(70), bad, times=np.zeros(70))
    with pytest.raises(ShapeError, match="70 keys, 2 times"):
        scorer.score_batch(np.arange(70), DATA[:70], times=[0, 0])
    with pytest.raises(ParameterError, match="time"):
        scorer.score_batch(np.arange(70), DATA[:70], times=np.append(np.zeros(69), np.nan))
    with pytest.raises(ShapeError, match=r"those of 70 events have \(70, 3\)"):
        scorer.score_batch(np.arange(70), DATA[:69], times=np.zeros(70))
    with pytest.raises(ShapeError, match="give one for each event"):
        scorer.score_batch(np.zeros((2, 2), int), DATA[:4], times=np.zeros(4))
    fits = np.zeros((70, 2), np.float32)
    for out in (fits.astype(float), fits.reshape(2, 70).T, fits[:, 0], misaligned(fits), []):
        with pytest.raises(TypeError, match=r"shape \(70, 2\)"):
            scorer.score_batch(np.arange(70), DATA[:70], out, times=np.zeros(70))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"shape \(2,\)"):
        scorer.score(1, x, np.zeros(2), time=0)
    assert len(scorer) == 0
    assert scorer.score_batch([], np.zeros((0, 3)), times=[]).shape == (0, 2)
    assert scorer.score_batch([], [], times=[]).shape == (0, 2)


def encoded() -> Any:
    """Return a scorer that fills gaps."""
    frame = {"t": [0, 1], "a": [1.0, None], "b": [3.0, 5.0], "c": [0.5, 2.0], "y": [0.0, 1.0]}
    model = rnn.GRU(hidden_size=3, missing="forward")
    model.build(rnn.Dataset.from_frame(frame, features=["a", "b", "c"], labels="y", missing="keep"))
    return model.scorer(expire_after=1.0)


REFUSED: dict[str, tuple[type[Exception], str, Any]] = {
    "half a character": (
        DataError, r"the key '\\ud800' has half of a surrogate pair.*; give a str without, or by",
        lambda scorer: scorer.score("\ud800", DATA[0], time=0)),
    "half a character to look up": (
        DataError, r"the key 'a\\udfff' has half", lambda scorer: scorer.state("a\udfff")),
    "half a character among keys": (
        DataError, r"the key '\\ud800' has half",
        lambda scorer: scorer.score_batch(["a", "\ud800"], DATA[:2], times=[0, 0])),
    "a choice": (
        ParameterError, "return_new must be True or False, got 1",
        lambda scorer: scorer.score(1, DATA[0], time=0, return_new=1)),
    "a choice of a batch": (
        ParameterError, "return_new must be True or False, got 'no'",
        lambda scorer: scorer.score_batch([1], DATA[:1], times=[0], return_new="no")),
    "no keys": (
        ShapeError, "keys: None; give a list or an array, one key for each event",
        lambda scorer: scorer.score_batch(None, DATA[:1], times=[0])),
    "one number as keys": (
        ShapeError, "keys: 7; give a list",
        lambda scorer: scorer.score_batch(7, DATA[:1], times=[0])),
    "one text as keys": (
        TypeError, "keys are several", lambda scorer: scorer.score_batch("a", DATA[:1], times=[0])),
    "an infinite time": (
        ParameterError, "time must be a finite number for each event, as entities expire, got inf",
        lambda scorer: scorer.score(1, DATA[0], time=np.inf)),
    "a text as times": (
        DataError, "times must be an array of real numbers, .*, which has .*'x'.*; convert it",
        lambda scorer: scorer.score_batch([1], DATA[:1], times="x")),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("kind", ["numbers", "encoded"])
def test_arguments_that_cannot_be_used_are_named(kind: str, what: str) -> None:
    scorer: Any = encoded() if kind == "encoded" else rnn.GRU(3, 4, 2).scorer(expire_after=1.0)
    error, message, call = REFUSED[what]
    with pytest.raises(error, match=message):
        call(scorer)
    assert len(scorer) == 0


@pytest.mark.parametrize(
    ("time", "shown"),
    [("x", "'x'"), (pd.Timestamp("2024-05-06"), r"Timestamp\('2024-05-06 00:00:00'\)"),
     (10**400, "10000"), ([1.0], r"\[1\.0\]")],
)  # fmt: skip
def test_a_time_that_is_no_number_is_named(time: Any, shown: str) -> None:
    scorer = rnn.GRU(3, 4, 2).scorer(expire_after=1.0)
    with pytest.raises(ParameterError, match=f"time must be a number, .*, got {shown}") as refused:
        scorer.score(1, DATA[0], time=time)
    assert len(str(refused.value)) < 200
    for number in (1, 1.5, np.float32(2.5), np.int64(3), True):
        scorer.score(1, DATA[0], time=number)


@pytest.mark.parametrize("value", [1e300, -1e300, 1e39])
def test_a_number_too_large_for_the_model_is_shown_in_short(value: float) -> None:
    row = [0.0, 0.0, value]
    shown = f"feature 2 is {value:.0e}".replace("e+", "e")
    model = rnn.GRU(3, 4, 1)
    for call in (lambda: model.scorer().score(1, row), lambda: model.stepper().step(row)):
        with pytest.raises(DataError, match=rf"{shown}; every feature must be finite"):
            call()


def test_limits_that_make_no_sense_are_refused() -> None:
    model = rnn.RNN(3, 4, 1)
    for limits in ({"max_entities": 0}, {"max_entities": 1.5}, {"expire_after": -1.0},
                   {"expire_after": np.nan}, {"expire_after": "1d"}):  # fmt: skip
        with pytest.raises(ParameterError, match=next(iter(limits))):
            model.scorer(**limits)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="bidirectional"):
        rnn.RNN(3, 4, 1, bidirectional=True).scorer()
    with pytest.raises(ParameterError, match="readout"):
        rnn.RNN(3, 4, 1, readout="mean").scorer()
    with pytest.raises(ParameterError, match="not fitted"):
        rnn.RNN(3, 4, 1, scaler="minmax").scorer()
    with pytest.raises(ParameterError, match="no sizes yet"):
        rnn.RNN(hidden_size=4).scorer()


def test_entities_are_reset_and_forgotten() -> None:
    model = rnn.LSTM(3, 4, 1, num_layers=2)
    scorer = model.scorer()
    x = DATA[0]
    first, second = scorer.score("card", x), scorer.score("card", x)
    stepper = model.stepper()
    stepper.step(x)
    stepper.step(x)
    np.testing.assert_array_equal(scorer.state("card"), stepper.state)
    assert scorer.reset("card")
    assert not scorer.state("card").any()
    output, new = scorer.score("card", x, return_new=True)
    assert (output, new) == (first, False)
    assert scorer.score("card", x) == second
    assert scorer.forget("card")
    assert "card" not in scorer
    assert scorer.state("card") is None
    assert not scorer.forget("card")
    assert not scorer.reset("card")
    assert scorer.score("card", x, return_new=True) == (first, True)
    scorer.clear()
    assert len(scorer) == 0
    assert scorer.score("card", x) == first


def test_a_model_is_swapped_between_events() -> None:
    model, other = rnn.GRU(3, 4, 1, seed=1), rnn.GRU(3, 4, 1, seed=2)
    scorer, x = model.scorer(), DATA[0]
    first = scorer.score("card", x)
    scorer.swap(other)
    stepper = other.stepper()
    state = model.stepper()
    state.step(x)
    stepper.state = state.state
    np.testing.assert_array_equal(scorer.score("card", x), stepper.step(x))
    scorer.swap(model, keep_states=False)
    assert len(scorer) == 0
    assert scorer.score("card", x) == first
    for wrong in (rnn.GRU(3, 5, 1), rnn.LSTM(3, 4, 1), rnn.GRU(3, 4, 1, dtype="float64"),
                  rnn.GRU(3, 4, 1, reset_after=False), rnn.GRU(3, 4, 1, num_layers=2)):  # fmt: skip
        with pytest.raises(ParameterError, match="model"):
            scorer.swap(wrong)
    with pytest.raises(ParameterError, match="reverse=True"):
        scorer.swap(rnn.GRU(3, 4, 1, reverse=True))
    with pytest.raises(ParameterError, match="no sizes yet"):
        scorer.swap(rnn.GRU(hidden_size=4))
    assert "card" in scorer


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (rnn.GRU(3, 4, 1), ["hidden_size is 4, the scorer's model has 2"]),
        (rnn.GRU(5, 2, 1), ["input_size is 5, the scorer's model has 3"]),
        (rnn.GRU(3, 2, 2), ["output_size is 2, the scorer's model has 1"]),
        (rnn.GRU(3, 2, 1, num_layers=3), ["num_layers is 3, the scorer's model has 1"]),
        (rnn.GRU(3, 2, 1, dtype="float64"), ["dtype is 'float64', the scorer's .* 'float32'"]),
        (rnn.GRU(3, 2, 1, reset_after=False), ["reset_after is False, the scorer's .* has True"]),
        (rnn.LSTM(3, 2, 1), ["cell is LSTM, that of the scorer's model GRU"]),
        (rnn.GRU(4, 8, 1), ["input_size is 4", "hidden_size is 8, the scorer's model has 2"]),
    ],
)
def test_a_swap_says_in_what_the_models_differ(other: Any, differs: list[str]) -> None:
    with pytest.raises(ParameterError) as raised:
        rnn.GRU(3, 2, 1).scorer().swap(other)
    for each in differs:
        assert re.search(each, str(raised.value)), raised.value
    assert "{" not in str(raised.value)


def test_a_swap_of_another_activation_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match=r"activation is 'relu', the scorer's .* 'tanh'"):
        rnn.RNN(3, 2, 1).scorer().swap(rnn.RNN(3, 2, 1, activation="relu"))


def test_a_scorer_keeps_the_weights_it_was_made_with() -> None:
    model = rnn.GRU(3, 4, 1)
    scorer = model.scorer()
    before = model.predict(DATA[:1])
    model.fit(rnn.Dataset.from_arrays(DATA, DATA[:, :1], [0, 200]), epochs=3, progress=False)
    np.testing.assert_array_equal(scorer.score_batch([1], DATA[:1]), before)


def frame_of_events(rows: int = 60) -> pl.DataFrame:
    random = np.random.default_rng(3)
    return pl.DataFrame(
        {
            "card": [f"card {n}" for n in random.integers(0, 9, rows)],
            "t": np.arange(rows) * 10,
            "a": random.normal(size=rows),
            "b": random.normal(size=rows),
            "y": random.integers(0, 2, rows),
        }
    )


def fitted(frame: pl.DataFrame, **options: Any) -> rnn.GRU:
    model = rnn.GRU(
        hidden_size=5, loss="binary_cross_entropy", scaler="standard",
        **options,
    )  # fmt: skip
    data = rnn.Dataset.from_frame(frame, id="card", features=["a", "b"], labels="y")
    model.fit(data, epochs=1, progress=False)
    return model


def test_frames_are_scored_as_by_score_frame() -> None:
    frame = frame_of_events()
    model = fitted(frame)
    whole = model.score_frame(frame)
    scorer = model.scorer()
    parts = [scorer.score_frame(frame[start : start + 7]) for start in range(0, 60, 7)]
    assert pl.concat(parts).equals(whole)
    again = model.scorer()
    assert again.score_frame(frame.to_pandas()).equals(model.score_frame(frame.to_pandas()))
    assert "card 3" in again
    assert len(again) == frame["card"].n_unique()
    # Rows of an entity that are not in the order of time are taken in it.
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert model.scorer().score_frame(shuffled).equals(model.score_frame(shuffled))
    timed = model.scorer(expire_after=25.0)
    timed.score_frame(frame)
    direct = model.scorer(expire_after=25.0)
    direct.score_batch(frame["card"], frame[["a", "b"]].to_numpy(), times=frame["t"])
    assert (timed.expired, len(timed)) == (direct.expired, len(direct))
    assert timed.expired > 0
    with pytest.raises(DataError, match="no column 'b'"):
        scorer.score_frame(frame.drop("b"))


def test_rows_without_times_do_not_expire() -> None:
    frame = frame_of_events().drop("t")
    data = rnn.Dataset.from_frame(frame, id="card", time=None, features=["a", "b"], labels="y")
    model = rnn.GRU(hidden_size=5, loss="binary_cross_entropy")
    model.fit(data, epochs=1, progress=False)
    model.scorer().score_frame(frame)
    with pytest.raises(ParameterError, match="without a time column"):
        model.scorer(expire_after=5.0).score_frame(frame)


def test_a_scorer_shows_itself() -> None:
    scorer = rnn.GRU(3, 4, 1).scorer(max_entities=5)
    scorer.score(1, DATA[0])
    assert repr(scorer).startswith("Scorer(GRU(3, 4, 1")
    assert "max_entities=5" in repr(scorer)
    assert repr(scorer).endswith(": 1 entity")
    scorer.score(2, DATA[0])
    assert repr(scorer).endswith(": 2 entities")
    scorer.clear()
    assert repr(scorer).endswith(": 0 entities")
    assert rnn.Scorer is type(scorer)
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"use save\(path\)"):
            way(scorer)
        with pytest.raises(TypeError, match=r"snapshot .* use save\(path\)"):
            way(scorer.snapshot())


def test_limits_stay_as_given() -> None:
    scorer = rnn.GRU(3, 4, 1).scorer(max_entities=3, expire_after=2.0)
    assert (scorer.max_entities, scorer.expire_after) == (3, 2.0)
    with pytest.raises(AttributeError):
        scorer.max_entities = 5
