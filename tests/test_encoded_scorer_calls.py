"""Scorers of models with an encoder: arguments, swaps of models, snapshots."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_encoded_scorer import FITTED, MODELS, START, frame_for, table

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.model import row_encoder
from rnn_rust.model.row_encoder import number_of

ROW: dict[str, Any] = {"x": 1.0, "shop": "shop 1", "z": 0.5}


@pytest.mark.parametrize(
    "keys", [(1, np.int64(1)), (True, 1), ("a", np.str_("a")), (np.int8(1), np.uint64(1))]
)
def test_a_key_of_another_type_is_the_same_entity(keys: tuple[Any, Any]) -> None:
    model = FITTED["all", "float32"]
    rows = [
        ROW | {"when": START, "x": 4.0},
        ROW | {"when": START + datetime.timedelta(1), "x": None},
    ]
    one, other = model.scorer(), model.scorer()
    outputs = [one.score(key, row) for key, row in zip(keys, rows, strict=True)]
    assert other.score_batch(list(keys), rows).tobytes() == np.stack(outputs).tobytes()
    assert len(other) == 1


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 1)), np.zeros((4, 2, 1)), np.zeros((2, 2)), np.zeros((2, 1), np.float32),
        np.zeros((2, 1), int), np.ma.zeros((2, 1)), [[0.0], [0.0]],
    ],
)  # fmt: skip
def test_outputs_that_cannot_be_written_are_not_computed(out: Any) -> None:
    scorer = FITTED["categories", "float32"].scorer()
    scorer.score("a", ROW)
    state = scorer.state("a")
    with pytest.raises(TypeError, match=r"shape \(2, 1\) and dtype float64"):
        scorer.score_batch(["a", "b"], [ROW, ROW], out)
    with pytest.raises(TypeError, match=r"shape \(1,\) and dtype float64"):
        scorer.score("a", ROW, out)
    np.testing.assert_array_equal(scorer.state("a"), state)
    assert len(scorer) == 1


def test_arguments_of_other_shapes_are_refused() -> None:
    scorer = FITTED["categories", "float32"].scorer(expire_after=5.0)
    for times in ([1.0], [1.0, 2.0, 3.0], 1.0, [[1.0], [2.0]]):
        with pytest.raises(ShapeError, match="2 keys, times"):
            scorer.score_batch(["a", "b"], [ROW, ROW], times=times)
    with pytest.raises(DataError, match="masked"):
        scorer.score_batch(["a", "b"], [ROW, ROW], times=np.ma.array([1.0, 2.0], mask=[0, 1]))
    for keys in (np.array([["a"]]), np.array("a")):
        with pytest.raises(ShapeError, match="give one for each event"):
            scorer.score_batch(keys, [ROW], times=[1.0])
    with pytest.raises(TypeError, match="a key is an int of 64 bits"):
        scorer.score_batch([["a"]], [ROW], times=[1.0])
    for row in ([1.0, 0.5], [1.0, 0.5, "shop 1", 2.0], "abc"):
        with pytest.raises(ShapeError, match=r"(for|in the order) x, z, shop"):
            scorer.score_batch(["a"], [row], times=[1.0])
    assert len(scorer) == 0
    out = np.zeros((0, 1))
    assert scorer.score_batch([], [], out, times=[]) is out


def test_an_event_that_is_refused_evicts_nobody() -> None:
    model, bad = FITTED["forward", "float32"], ROW | {"x": 1e300}
    scorer = model.scorer(max_entities=1)
    scorer.score("a", ROW)
    with pytest.raises(DataError, match="feature 'x' is 1e"):
        scorer.score("b", bad)
    with pytest.raises(DataError, match="row 1: feature 'x'"):
        scorer.score_batch(["c", "b", "c"], [ROW, bad, ROW])
    assert "a" in scorer
    assert scorer.evicted == 0
    scorer = model.scorer(expire_after=1.0)
    scorer.score("a", ROW, time=0)
    with pytest.raises(DataError, match="feature 'x' is 1e"):
        scorer.score("b", bad, time=100)
    assert "a" in scorer
    assert scorer.expired == 0


def test_snapshots_and_swaps_do_not_wait_for_each_other() -> None:
    model = FITTED["all", "float32"]
    scorer = model.scorer()
    rows = [ROW | {"when": START + datetime.timedelta(n)} for n in range(20)]
    end = time.monotonic() + 1

    def repeat(work: Callable[[], object]) -> None:
        while time.monotonic() < end:
            work()

    works: list[Callable[[], object]] = [
        lambda: scorer.forget("a") and scorer.score_batch(["a"] * 20, rows),
        scorer.snapshot,
        lambda: scorer.swap(model),
    ]
    scorer.score_batch(["a"] * 20, rows)
    workers = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=10)
    assert not any(worker.is_alive() for worker in workers)


def test_a_model_of_another_time_column_is_swapped() -> None:
    frame = frame_for("all", 90, 0).rename({"when": "moment"})
    other = rnn.GRU(hidden_size=4, scaler="standard", **MODELS["all"])
    data = rnn.Dataset.from_frame(
        frame, id="card", time="moment", features=["x", "shop", "z"], labels="y", missing="keep",
        ties="keep",
    )  # fmt: skip
    other.fit(data, epochs=1, progress=False)
    scorer = FITTED["all", "float32"].scorer()
    scorer.swap(other)
    assert scorer.feature_names == ("x", "z", "shop", "moment")
    row = ROW | {"moment": START}
    np.testing.assert_array_equal(scorer.score_batch([1], [row])[0], other.scorer().score(1, row))


def test_a_model_with_other_levels_of_a_category_is_not_swapped() -> None:
    other = rnn.GRU(hidden_size=4, scaler="standard")
    fewer = pl.col("shop").replace("shop 0", "shop 1")
    data = rnn.Dataset.from_frame(
        frame_for("categories", 90, 0).with_columns(shop=fewer),
        id="card", time="when", features=["x", "shop", "z"], labels="y", ties="keep",
    )  # fmt: skip
    other.fit(data, epochs=1, progress=False)
    scorer = FITTED["categories", "float32"].scorer()
    with pytest.raises(ParameterError, match="'shop' has 4 levels, in the scorer's model 5"):
        scorer.swap(other)


def test_models_of_numbers_and_of_gaps_are_not_swapped() -> None:
    models = []
    for missing in ({}, {"missing": "forward"}):
        frame = table(gaps=bool(missing)).drop("shop")
        data = rnn.Dataset.from_frame(
            frame, id="card", time="when", features=["x", "z"], labels="y", ties="keep",
            missing="keep" if missing else "error",
        )  # fmt: skip
        model = rnn.GRU(hidden_size=4, scaler="standard", **missing)
        model.fit(data, epochs=1, progress=False)
        models.append(model)
    for one, other in (models, models[::-1]):
        with pytest.raises(ParameterError, match="gaps"):
            one.scorer().swap(other)


def test_an_event_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []

    def counted(where: str, name: str, value: Any) -> float:
        reads.append(name)
        return number_of(where, name, value)

    scorer = FITTED["forward", "float32"].scorer()
    monkeypatch.setattr(row_encoder, "number_of", counted)
    for _ in range(2):  # The second one goes on from the first.
        scorer.score("card", ROW)
    assert reads == ["x", "z"] * 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_refused_that_overflow_once_they_are_scaled(dtype: Any) -> None:
    scaler = rnn.StandardScaler()
    scaler.feature_shift_, scaler.feature_scale_ = np.array([5.0, -2.0, 0.0]), np.ones(3)
    scaler.label_shift_, scaler.label_scale_ = np.zeros(1), np.ones(1)
    frame = frame_for("mean", 90, 0)
    data = rnn.Dataset.from_frame(
        frame, id="card", time="when", features=["x", "shop", "z"], labels="y", missing="keep",
        ties="keep",
    )  # fmt: skip
    largest = float(np.finfo(dtype).max)
    for scale in (1e-3, 1.0, 1e3):
        scaler.feature_scale_[:2] = scale
        model = rnn.GRU(hidden_size=4, scaler=scaler, dtype=dtype, missing="mean").build(data)
        for share in (1e-9, 0.1, 0.24, 0.26, 0.9, 1.1):
            for number in (share * largest, -share * largest * scale):
                with np.errstate(over="ignore"):
                    fits = np.isfinite(((np.float64(number) - 5.0) / scale).astype(dtype))
                scorer, row = model.scorer(), ROW | {"x": float(number)}
                if fits:
                    scorer.score("card", row)
                else:
                    with pytest.raises(DataError, match="finite"):
                        scorer.score("card", row)
                assert len(scorer) == fits


def test_a_batch_reads_times_as_the_table_of_the_training() -> None:
    days = [f"{day:02}/02/2026" for day in range(1, 29)] * 2
    frame = pl.DataFrame(
        {"card": [n // 28 for n in range(56)], "day": days, "x": np.arange(56.0) % 5, "y": 1.0}
    )
    data = rnn.Dataset.from_frame(
        frame, id="card", time="day", features="x", labels="y", time_format="%d/%m/%Y"
    )
    model = rnn.GRU(hidden_size=3, time_features=["elapsed", "weekday"]).build(data)
    model.fit(data, epochs=1, progress=False)
    # 4 March, 2 March and 3 March: of one key they are taken in the order of time.
    rows = [(3.0, "04/03/2026"), (1.0, "02/03/2026"), (2.0, "03/03/2026")]
    expected = model.predict(
        pl.DataFrame({"card": [7] * 3, "x": [x for x, _ in rows], "day": [day for _, day in rows]})
    )
    outputs = model.scorer().score_batch([7] * 3, rows)
    np.testing.assert_array_equal(outputs, expected)
    scorer = model.scorer()
    one_by_one = {row: scorer.score(7, row) for row in sorted(rows)}
    np.testing.assert_array_equal(outputs, [one_by_one[row] for row in rows])


def test_a_batch_needs_no_times_in_the_form_of_training() -> None:
    """Of a model without features of time, whose training table had a form of times."""
    frame = pl.DataFrame(
        {"card": np.arange(8), "day": ["20260301"] * 8, "key of the event": np.arange(8.0),
         "shop": ["a", "b"] * 4, "y": np.ones(8)}
    )  # fmt: skip
    data = rnn.Dataset.from_frame(
        frame, id="card", time="day", features=["key of the event", "shop"], labels="y",
        time_format="%Y%m%d",
    )  # fmt: skip
    model = rnn.GRU(hidden_size=2).build(data)
    rows = [{"key of the event": 2.0, "shop": "a"}, {"key of the event": 5.0, "shop": "b"}]
    one = [model.scorer().score(0, row) for row in rows]
    assert model.scorer().score_batch([0, 1], rows).tobytes() == np.stack(one).tobytes()
