"""Scorers of models with categories, gaps and features of time: the bits of predictions too."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust.errors import DataError, ModelFileError, ParameterError, ShapeError
from rnn_rust.model.scorer import STATES
from rnn_rust.storage.model_file import pack, unpack

START = datetime.datetime(2026, 3, 1, 6)
TIMES = ("elapsed", "log_elapsed", "hour", "weekday", "yearday")
MODELS: dict[str, dict[str, Any]] = {
    "categories": {},
    "mean": {"missing": "mean", "missing_indicator": True},
    "forward": {"missing": "forward"},
    "times": {"time_features": TIMES},
    "all": {"missing": "forward", "missing_indicator": True, "time_features": TIMES},
}


def table(rows: int = 90, seed: int = 0, *, gaps: bool = True) -> pl.DataFrame:
    """Events of a few cards, in the order of time; some numbers are missing, some shops unknown."""
    random = np.random.default_rng(seed)
    minutes = np.cumsum(random.integers(0, 900, rows))
    gap = random.random(rows) < (0.35 if gaps else 0)
    return pl.DataFrame(
        {
            "card": random.integers(0, 8, rows),
            "when": [START + datetime.timedelta(minutes=int(m)) for m in minutes],
            "x": pl.Series(random.normal(3, 2, rows)).set(pl.Series(gap), None),
            "shop": [f"shop {n}" for n in random.integers(0, 5 + seed, rows)],
            "z": random.normal(size=rows),
            "y": random.normal(size=rows),
        }
    )  # fmt: skip


def fitted(kind: str, dtype: str = "float32") -> Any:
    model = rnn.GRU(hidden_size=4, scaler="standard", dtype=dtype, **MODELS[kind])
    missing = "error" if MODELS[kind].get("missing") is None else "keep"
    data = rnn.Dataset.from_frame(
        frame_for(kind, 90, 0), id="card", time="when", features=["x", "shop", "z"], labels="y",
        missing=missing, ties="keep",
    )  # fmt: skip
    model.fit(data, epochs=1, progress=False)
    return model


def frame_for(kind: str, rows: int, seed: int) -> pl.DataFrame:
    return table(rows, seed, gaps=MODELS[kind].get("missing") is not None)


FITTED = {(kind, dtype): fitted(kind, dtype) for kind in MODELS for dtype in ("float32", "float64")}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frames_in_parts_are_scored_as_a_whole(kind: str, dtype: str, tmp_path: Path) -> None:
    model, frame = FITTED[kind, dtype], frame_for(kind, 120, 3)
    whole = model.score_frame(frame)
    scorer, path = model.scorer(), tmp_path / "states"
    parts = []
    for start in range(0, 120, 11):
        parts.append(scorer.score_frame(frame[start : start + 11]))
        scorer.save(path)
        scorer = rnn.load_scorer(path)
    assert pl.concat(parts).equals(whole)
    assert len(scorer) == 8


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(list(MODELS)), seed=st.integers(1, 20), data=st.data(),
    limit=st.none() | st.integers(1, 8),
)  # fmt: skip
def test_events_one_by_one_and_in_batches(
    kind: str, seed: int, limit: int | None, data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    model, frame = FITTED[kind, "float32"], frame_for(kind, 80, seed)
    scorer = model.scorer(max_entities=limit)
    names, keys = list(scorer.feature_names), frame["card"].to_list()
    outputs, new = [], []
    start = 0
    while start < len(frame):
        part = frame[start : start + data.draw(st.integers(1, 30))]
        own, way = keys[start : start + len(part)], data.draw(st.integers(0, 4))
        if way == 0:
            for key, row in zip(own, part.iter_rows(named=True), strict=True):
                answer, is_new = scorer.score(key, row, return_new=True)
                outputs.append(answer[np.newaxis])
                new.append(is_new)
        else:
            features: Any = (
                part, part.select(names).rows(), part.to_dicts(), part.select(names).to_dict()
            )[way - 1]  # fmt: skip
            answer, is_new = scorer.score_batch(own, features, return_new=True)
            outputs.append(answer)
            new += is_new.tolist()
        if data.draw(st.integers(0, 5)) == 0:
            path = tmp_path_factory.mktemp("scorer") / "states"
            scorer.save(path)
            scorer = rnn.load_scorer(path)
        start += len(part)
    # A run of events that begins with a new one is a card of its own.
    runs, current = [], {}
    for number, (key, is_new) in enumerate(zip(keys, new, strict=True)):
        if is_new:
            current[key] = number
        runs.append(current[key])
    expected = model.predict(frame.with_columns(card=pl.Series(runs)))
    assert np.concatenate(outputs).tobytes() == expected.tobytes()
    used: list[int] = []
    for key, is_new in zip(keys, new, strict=True):
        assert is_new == (key not in used[-(limit or 8) :])
        used = [*(other for other in used if other != key), key]


def test_series_go_by_the_names_of_their_index() -> None:
    model, frame = FITTED["all", "float32"], frame_for("all", 12, 4)
    keys = frame["card"].to_list()
    expected = model.scorer().score_batch(keys, frame)
    given_rows = frame.with_columns(pl.col("x").fill_null(np.nan)).select(
        "z", "y", "when", "shop", "x"
    )
    series = [row for _, row in given_rows.to_pandas().iterrows()]
    np.testing.assert_array_equal(model.scorer().score_batch(keys, series), expected)
    scorer = model.scorer()
    outputs = [scorer.score(key, row) for key, row in zip(keys, series, strict=True)]
    np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("dtype", [object, "Float64"])
def test_what_is_missing_in_pandas_is_missing(dtype: Any) -> None:
    frame = {"t": [0, 1, 2], "a": [1, None, 3], "b": [3, 5, 2], "y": [0.0, 1.0, 0.0]}
    data = rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y", missing="keep")
    model = rnn.GRU(hidden_size=3, missing="forward").build(data)
    expected = model.scorer().score_batch([1] * 3, [[1, 3], [None, 5], [3, 2]])
    rows: list[Any] = [
        pd.Series({"b": 3.0, "a": 1.0}, dtype=dtype),
        pd.Series({"b": 5.0, "a": pd.NA}, dtype=dtype),
        pd.Series({"b": 2, "a": 3}),
    ]
    scorer, stepper = model.scorer(), model.stepper()
    np.testing.assert_array_equal(model.scorer().score_batch([1] * 3, rows), expected)
    np.testing.assert_array_equal([scorer.score(1, row) for row in rows], expected)
    np.testing.assert_array_equal([stepper.step(row) for row in rows], expected)


def test_entities_are_reset_forgotten_and_expire() -> None:
    model, frame = FITTED["all", "float32"], frame_for("all", 40, 5)
    row, later = frame.row(0, named=True), frame.row(1, named=True)
    gap = {**later, "x": None}
    scorer = model.scorer(expire_after=10.0)
    first = scorer.score("card", row, time=0)
    filled = scorer.score("card", gap, time=1)
    assert scorer.reset("card")
    again = scorer.score("card", row, time=2)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(scorer.score("card", gap, time=3), filled)
    # After a reset nothing is known of the rows before.
    scorer.reset("card")
    fresh = model.scorer().score("card", gap)
    np.testing.assert_array_equal(scorer.score("card", gap, time=4), fresh)
    output, new = scorer.score("card", gap, time=100, return_new=True)
    assert new
    np.testing.assert_array_equal(output, fresh)
    assert scorer.forget("card")
    np.testing.assert_array_equal(scorer.score("card", gap, time=101), fresh)
    scorer.clear()
    assert len(scorer) == 0


def test_what_cannot_be_scored_changes_nothing() -> None:
    model, frame = FITTED["categories", "float32"], frame_for("categories", 20, 1)
    scorer, row = model.scorer(), frame.row(0, named=True)
    with pytest.raises(DataError, match="there is no 'shop'"):
        scorer.score(1, {"x": 1.0, "z": 1.0})
    with pytest.raises(DataError, match="'x' is missing"):
        scorer.score(1, {**row, "x": None})
    with pytest.raises(ShapeError, match="2 values for x, z, shop"):
        scorer.score(1, [1.0, "shop 1"])
    with pytest.raises(DataError, match="finite"):
        scorer.score(1, {**row, "x": 1e300})
    with pytest.raises(TypeError, match="a key is"):
        scorer.score(None, row)
    with pytest.raises(ShapeError, match="3 keys, features of 20 events"):
        scorer.score_batch([1, 2, 3], frame)
    with pytest.raises(DataError, match="event 1: there is no 'shop'"):
        scorer.score_batch([1, 2], [row, {"x": 1.0, "z": 1.0}])
    with pytest.raises(DataError, match="finite"):
        scorer.score_batch([1, 2], [row, {**row, "x": 1e300}])
    assert len(scorer) == 0
    assert scorer.score_batch([], []).shape == (0, 1)
    out = np.zeros(1, np.float64)
    assert scorer.score(1, row, out) is out
    np.testing.assert_array_equal(out, model.scorer().score(1, row))


def test_whole_numbers_stand_beside_others() -> None:
    model, frame = FITTED["mean", "float32"], frame_for("mean", 20, 1)
    rows = [{**frame.row(n, named=True), "x": x} for n, x in enumerate((2, 2.5, None, True))]
    one, other = model.scorer(), model.scorer()
    outputs = np.stack([one.score(1, row) for row in rows])
    np.testing.assert_array_equal(other.score_batch([1] * 4, rows), outputs)
    with pytest.raises(DataError, match=r"event 1: 'x' is '2\.5', which is not a number"):
        other.score_batch([1, 1], [rows[0], {**rows[1], "x": "2.5"}])


def test_models_are_swapped_if_they_fill_gaps_alike() -> None:
    model = FITTED["forward", "float32"]
    scorer, row = model.scorer(), frame_for("forward", 3, 1).row(0, named=True)
    scorer.score(1, row)
    scorer.swap(model)
    np.testing.assert_array_equal(
        scorer.score(1, row), model.predict(pl.DataFrame([row, row]).with_columns(
            when=pl.Series([START, START + datetime.timedelta(1)])))[1]
    )  # fmt: skip
    for kind in ("mean", "all", "categories"):
        with pytest.raises(ParameterError, match="model"):
            scorer.swap(FITTED[kind, "float32"])
    with pytest.raises(ParameterError, match="other features"):
        scorer.swap(rnn.GRU(3, 4, 1))


@pytest.mark.parametrize("name", ["last_numbers", "last_times", "carried"])
def test_what_entities_carry_is_checked(tmp_path: Path, name: str) -> None:
    model, path = FITTED["all", "float32"], tmp_path / "states"
    scorer = model.scorer()
    scorer.score_frame(frame_for("all", 40, 5))
    scorer.save(path)
    description, tensors = unpack(path.read_bytes(), path)
    whole = tensors[STATES + name]
    for change in (whole[:-1], None):
        given = {**tensors, STATES + name: change}
        path.write_bytes(pack(description, {k: v for k, v in given.items() if v is not None}))
        with pytest.raises(ModelFileError, match="the states are damaged"):
            rnn.load_scorer(path)
    description["scorer"]["times"] = "U5"
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match="the states are damaged"):
        rnn.load_scorer(path)
