"""Events that cannot be used, by each way of giving them: what is refused, and what is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

ROW = {"x": 1.0, "z": 2.0, "shop": "p"}


def trained(**options: Any) -> Any:
    random = np.random.default_rng(0)
    frame = pl.DataFrame({
        "id": np.arange(40) // 5, "t": np.arange(40.0), "x": random.normal(size=40),
        "z": random.normal(size=40), "shop": random.choice(["p", "q"], 40),
        "code": random.choice([1, 2], 40), "y": random.normal(size=40),
    })  # fmt: skip
    model = rnn.GRU(hidden_size=3, scaler="standard", **options)
    data = rnn.Dataset.from_frame(frame, id="id", time="t", features=["x", "z", "shop"], labels="y")
    model.fit(data, epochs=1, progress=False)
    return model


MODEL = trained()
DOORS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "step": lambda model, row: model.stepper().step(row),
    "score": lambda model, row: model.scorer().score("eve", row),
    "score in order": lambda model, row: model.scorer().score("eve", list(row.values())),
    "rows": lambda model, row: model.scorer().score_batch(["bob", "eve"], [ROW, row])[1],
    "columns": lambda model, row: model.scorer().score_batch(
        ["eve"], {name: [value] for name, value in row.items()}
    ),
}


# What is named -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["eve", 3, b"eve", -1])
@pytest.mark.parametrize("make", [list, pl.DataFrame, pd.DataFrame])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_batch_names_the_key_and_the_event(key: Any, make: Any, value: Any) -> None:
    scorer = MODEL.scorer()
    rows = make([ROW, ROW | {"z": 1.0}, ROW | {"z": value}])
    with pytest.raises(DataError) as raised:
        scorer.score_batch(["bob", "bob", key], rows)
    message = str(raised.value)
    assert message.startswith(f"event 2 (counted from 0), key {key!r}, feature 'z': "), message
    assert "frame" not in message
    assert len(scorer) == 0


def test_columns_of_a_batch_are_those_of_features() -> None:
    with pytest.raises(DataError, match=r"^features, column 'x'"):
        MODEL.scorer().score_batch([1], {"x": [10**400], "z": [1.0], "shop": ["p"]})
    with pytest.raises(DataError, match=r"^features, column 'shop': type Binary is no category"):
        MODEL.scorer().score_batch([1], {"x": [1.0], "z": [1.0], "shop": [b"p"]})
    with pytest.raises(DataError, match=r"^features of event 1: 'x' is 1000+\.\.\.0+, which"):
        MODEL.scorer().score_batch([1, 1], [ROW, ROW | {"x": 10**400}])
    with pytest.raises(DataError, match=r"^features of event 1: category 'shop' is b'p'; "):
        MODEL.scorer().score_batch([1, 1], [ROW, ROW | {"shop": b"p"}])


@pytest.mark.parametrize("door", ["step", "score", "score in order"])
@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e300])
def test_a_number_that_is_too_large_is_named(door: str, value: float) -> None:
    assert abs(value) > float(np.finfo(np.float32).max)
    with pytest.raises(DataError, match=r"feature 'z' is (-?inf|1e\+300)"):
        DOORS[door](MODEL, ROW | {"z": value})


def test_what_follows_from_times_is_named_too() -> None:
    stepper = trained(time_features="elapsed").stepper()
    first = stepper.step(ROW | {"t": 0.0})
    with pytest.raises(DataError, match="feature 'elapsed' is 1e\\+300"):
        stepper.step(ROW | {"t": 1e300})
    scorer = trained(time_features="elapsed").scorer()
    scorer.score("eve", ROW | {"t": 0.0})
    with pytest.raises(DataError, match=r"^feature 'elapsed' is 1e\+300"):
        scorer.score("eve", ROW | {"t": 1e300})
    with pytest.raises(DataError, match=r"^row 1: feature 'elapsed' is 1e\+300"):
        scorer.score_batch(["bob", "eve"], [ROW | {"t": 0.0}, ROW | {"t": 1e300}])
    stepper.reset()
    np.testing.assert_array_equal(stepper.step(ROW | {"t": 0.0}), first)


# What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", [b"p", ["p"], ("p",), {"p"}, 0.5, float("inf"), object()])
def test_what_is_no_category_is_refused(door: str, value: Any) -> None:
    with pytest.raises((DataError, ParameterError), match=r"'shop'.*(categor|shape|converted)"):
        DOORS[door](MODEL, ROW | {"shop": value})


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", ["1", " 1.5", "nan", "", "one", b"1", np.str_("1")])
def test_text_is_no_number_of_an_event(door: str, value: Any) -> None:
    with pytest.raises(DataError, match=r"'x'.*not (a number|numeric)"):
        DOORS[door](MODEL, ROW | {"x": value})


def test_text_is_no_number_of_an_event_of_plain_models_either() -> None:
    scorer = rnn.GRU(2, 3, 1).scorer()
    for features in (["1", 2.0], [["1", 2.0]]):
        with pytest.raises(DataError):
            scorer.score(1, features) if len(features) == 2 else scorer.score_batch([1], features)


@pytest.mark.parametrize("value", ["1", b"1", [1.0]])
def test_text_is_no_static_number(value: Any) -> None:
    frame = pl.DataFrame({"id": [0, 0, 1, 1], "t": [0, 1, 0, 1], "x": [1.0, 2, 3, 4],
                          "age": [30.0, 30, 40, 40], "kind": ["a", "a", "b", "b"],
                          "y": [0.0, 1, 2, 3]})  # fmt: skip
    data = rnn.Dataset.from_frame(
        frame, id="id", time="t", features="x", labels="y", static=["age", "kind"]
    )
    model = rnn.GRU(hidden_size=2)
    model.fit(data, epochs=1, progress=False)
    with pytest.raises(DataError, match="static feature 'age'"):
        model.stepper(static={"age": value, "kind": "a"})
    with pytest.raises(DataError, match="'kind' is"):
        model.stepper(static={"age": 30, "kind": b"a"})


@pytest.mark.parametrize("value", ["p", " p ", "never seen", None, np.str_("q"), 1, True, 2.0])
def test_categories_are_the_same_by_every_door(value: Any) -> None:
    row = ROW | {"shop": value}
    answers = [np.ravel(door(MODEL, row)) for name, door in DOORS.items() if name != "rows"]
    known = {"p": "p", "q": "q"}.get(str(value).strip(), "never seen")
    frame = pl.DataFrame({name: [ROW[name]] for name in ("x", "z")}).with_columns(
        shop=pl.lit(known), id=0, t=0.0
    )
    for answer in answers:
        np.testing.assert_array_equal(answer, np.ravel(MODEL.predict(frame)))


@pytest.mark.parametrize(
    "features", [[ROW], "garbage", "", b"", None, 3, pl.DataFrame([ROW]), np.zeros((0, 5)),
                 np.zeros((2, 3))],
)  # fmt: skip
def test_a_batch_without_keys_has_no_events(features: Any) -> None:
    for model in (MODEL, rnn.GRU(3, 2, 1)):
        with pytest.raises((ShapeError, DataError)):
            model.scorer().score_batch([], features)


@pytest.mark.parametrize("features", [[], pl.DataFrame([ROW])[:0], np.zeros((0, 3))])
def test_a_batch_without_events_has_no_outputs(features: Any) -> None:
    assert MODEL.scorer().score_batch([], features).shape == (0, 1)


def test_one_is_counted_as_one() -> None:
    with pytest.raises(ShapeError, match=r"^1 key, features of 2 events; give as many"):
        MODEL.scorer().score_batch([1], [ROW, ROW])
    with pytest.raises(ShapeError, match=r"^2 keys, features of 1 event; give as many"):
        MODEL.scorer().score_batch([1, 2], [ROW])


def test_a_number_of_many_digits_is_shown_in_short() -> None:
    for door in ("step", "score", "rows"):
        for number, shown in ((10**400, r"'x' is 1000+\.\.\.0+,"), (10**5000, "an int of 16610")):
            with pytest.raises(DataError, match=shown) as raised:
                DOORS[door](MODEL, ROW | {"x": number})
            assert len(str(raised.value)) < 200
