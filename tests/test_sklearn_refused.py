"""What estimators are given that does not fit or is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cards import KEYS, purchases
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.sklearn import (
    SequenceClassifier,
    SequenceKFold,
    SequenceRegressor,
    SequenceTransformer,
)


def scaled(names: list[str], **options: Any) -> Any:
    columns = ColumnTransformer([("scale", StandardScaler(), names)], **options)
    return columns.set_output(transform="pandas")


def test_what_a_transformer_has_done_to_the_id_is_said() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS)
    eaten = make_pipeline(scaled(["x", "card"], remainder="passthrough"), model)
    with pytest.raises(DataError, match=r"scale__card.* is no id; a transformer has scaled"):
        eaten.fit(frame, classes)
    dropped = make_pipeline(scaled(["x"], remainder="drop"), model)
    with pytest.raises(DataError, match=r"no column 'card'.*verbose_feature_names_out=False"):
        dropped.fit(frame, classes)
    nameless = make_pipeline(ColumnTransformer([("x", StandardScaler(), ["x"])]), model)
    with pytest.raises(ParameterError, match="set_output"):
        nameless.fit(frame, classes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cell": "elman"}, "cell='elman' is not known; use 'rnn', 'gru' or 'lstm'"),
        ({"optimizer": "adm"}, "optimizer='adm' is not known; use 'sgd'"),
        ({"early_stopping": "yes"}, "early_stopping must be True, False or 'auto'"),
        ({"early_stopping": True, "validation_fraction": 2}, "validation_fraction must be above 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer or None"),
        ({"class_weight": {"maybe": 2}}, "class_weight has .*maybe"),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any], message: str) -> None:
    frame, classes, _ = purchases()
    with pytest.raises(ParameterError, match=message):
        SequenceClassifier(**KEYS | wrong).fit(frame, classes)


def test_wrong_data_is_named() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=1).fit(frame, classes)
    with pytest.raises(
        DataError,
        match=r"y has the class 'maybe', which is none of those learnt.*; all .* classes= of",
    ):
        model.partial_fit(frame, np.where(classes == "yes", "maybe", "no"))
    with pytest.raises(DataError, match="no column 'kind', which the estimator was fitted on"):
        model.predict(frame.drop(columns="kind"))
    with pytest.raises(ShapeError, match="y has 10 labels for 360 rows"):
        model.fit(frame, classes[:10])
    with pytest.raises(ParameterError, match="y_val= goes with X_val="):
        model.fit(frame, classes, y_val=classes)
    with pytest.raises(ParameterError, match="stratify=True needs y"):
        next(SequenceKFold(3, id="card", stratify=True).split(frame))


def test_text_without_a_known_level_and_numbers_as_categories() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=2).fit(frame, classes)
    for value in (None, "", "24h", "true"):
        assert len(model.predict(frame[:30].assign(kind=value))) == 30
    coded = frame.assign(kind=frame["kind"].map({"fuel": 1, "food": 2, "other": 3}))
    model = SequenceClassifier(**KEYS, epochs=2, categories=["kind"]).fit(coded, classes)
    floats = coded.assign(kind=coded["kind"].astype(float))
    np.testing.assert_array_equal(model.predict_proba(floats), model.predict_proba(coded))
    with pytest.raises(DataError, match=r"column 'kind': [1-3]\.5 is no category"):
        model.fit(coded.assign(kind=coded["kind"] + 0.5), classes)
    prefixed = make_pipeline(scaled(["x"], remainder="passthrough"), clone(model))
    assert prefixed.fit(coded, classes).score(coded, classes) > 0.5


def test_columns_that_are_not_needed_may_be_of_any_kind() -> None:
    frame, classes, _ = purchases()
    odd = frame.assign(odd=[1, "a"] * (len(frame) // 2))
    assert len(list(SequenceKFold(3, id="card").split(odd))) == 3
    model = SequenceClassifier(**KEYS, epochs=2).fit(frame, classes)
    np.testing.assert_array_equal(model.predict(odd), model.predict(frame))
    kept = frame.set_index("card", drop=False)
    np.testing.assert_array_equal(model.predict(kept), model.predict(frame))
    deep = frame.set_index(["card", pd.RangeIndex(len(frame), name="row")])
    assert clone(model).fit(deep, classes).n_features_in_ == 2


def test_what_is_refused_leaves_an_estimator_as_it_was() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=2)
    with pytest.raises(ValueError, match="only one class"):
        model.fit(frame, ["a"] * len(frame))
    assert not hasattr(model, "n_features_in_")
    model.fit(frame, classes)
    proba = model.predict_proba(frame)
    with pytest.raises(DataError):
        model.fit(frame.assign(t=0), np.where(classes == "yes", "b", "a"))
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(model.predict_proba(frame), proba)


def test_more_that_is_named() -> None:
    frame, classes, _ = purchases()
    for wrong in ({"id": 0}, {"id": ""}, {"time": 0}, {"id": ["card"]}):
        with pytest.raises(ParameterError, match="are names of columns"):
            SequenceClassifier(**KEYS | wrong).fit(frame, classes)
    with pytest.raises(ParameterError, match="loss='mse' is not one of classes"):
        SequenceClassifier(**KEYS, loss="mse").fit(frame, classes)
    with pytest.raises(ParameterError, match="is for two classes, and y has 3"):
        SequenceClassifier(**KEYS, loss="focal").fit(frame, frame["kind"])
    with pytest.raises(ShapeError, match="a label for each row"):
        SequenceRegressor(**KEYS).fit(frame, 1.0)
    with pytest.raises(ParameterError, match="y_val= is missing: X_val= needs labels"):
        SequenceTransformer(**KEYS).fit(frame, classes, X_val=frame)
    with pytest.raises(ParameterError, match="y_val= is given without y; give both, or leave both"):
        SequenceTransformer(**KEYS).fit(frame, X_val=frame, y_val=classes)
    weights = {"class_weight": {"yes": 3.0}}
    transformer = SequenceTransformer(**KEYS, **weights, epochs=1).fit(frame, classes)
    with pytest.raises(DataError, match="y has the class 'maybe'"):
        transformer.partial_fit(frame, np.where(classes == "yes", "maybe", "no"))
    with pytest.raises(DataError, match="an id is missing"):
        transformer.transform(frame.assign(card=frame["card"].where(frame["t"] > 0)))
    with pytest.raises(ParameterError, match="needs id="):
        next(SequenceKFold(3, id=None).split(frame))  # type: ignore[arg-type]


def test_what_is_no_table_is_named() -> None:
    frame, classes, count = purchases()
    polars = pl.from_pandas(frame)
    for table in (
        polars.lazy(),
        frame.to_dict("list"),
        polars.to_arrow(),
        np.zeros((len(frame), 2)),
    ):
        kind = type(table).__name__
        with pytest.raises(ParameterError, match=kind):
            SequenceClassifier(**KEYS).fit(table, classes, sample_weight=np.ones(len(frame)))
        with pytest.raises(ParameterError, match=kind):
            next(SequenceKFold(3, id="card", stratify=True).split(table, classes))
    with pytest.raises(ParameterError, match=r"LazyFrame.*collect"):
        SequenceRegressor().fit(polars.select("x").lazy(), count)
    # Columns of a frame go by name, those of an array by their order.
    parts = [frame[["x", "t"]], frame[["t", "x"]]]
    for frames in (parts, [pl.from_pandas(part) for part in parts]):
        with pytest.raises(ParameterError, match="a list of frames"):
            SequenceRegressor(readout="last").fit(frames, [1.0, 2.0])
    with pytest.raises(ParameterError, match="categories= names columns of a frame"):
        SequenceRegressor(categories=["x"]).fit(np.zeros((3, 2)), [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="complex"):
        SequenceRegressor(readout="last").fit(np.full((2, 3, 1), 1j), [1.0, 2.0])
    with pytest.raises(DataError, match="array of real numbers"):
        SequenceRegressor(readout="last").fit([np.array([["a"]])], [1.0])


def test_sequences_in_an_array_of_objects() -> None:
    parts = [np.arange(2.0)[:, None], np.arange(3.0)[:, None]]
    packed = np.empty(2, dtype=object)
    packed[:] = parts
    model = SequenceRegressor(readout="last", epochs=2, random_state=0).fit(parts, [1.0, 2.0])
    again = clone(model).fit(packed, [1.0, 2.0])
    np.testing.assert_array_equal(again.predict(packed), model.predict(parts))
    as_objects = [part.astype(object) for part in parts]
    np.testing.assert_array_equal(model.predict(as_objects), model.predict(parts))


def test_the_argument_that_is_wrong_is_named_as_the_estimator_has_it() -> None:
    frame, classes, count = purchases()
    for wrong, message in (
        ({"n_iter_no_change": 0}, "n_iter_no_change must be at least 1"),
        ({"validation": "late"}, "validation='late' is not known; use 'random' or 'time'"),
        ({"validation": "time", "time": None, "ties": "keep"}, "validation='time' needs time="),
        ({"validation_fraction": True}, "validation_fraction must be above 0 and below 1"),
        ({"batch_size": True}, "batch_size must be an integer or None"),
        ({"class_weight": {"yes": -1}}, "class_weight of 'yes' must be finite and at least 0"),
    ):
        with pytest.raises(ParameterError, match=message):
            SequenceClassifier(**KEYS | {"early_stopping": True} | wrong).fit(frame, classes)
    share = SequenceClassifier(**KEYS, epochs=1, early_stopping=True).set_params(
        validation_fraction=np.float32(0.25)
    )
    assert share.fit(frame, classes).validation_scores_ is not None
    for estimator in (SequenceRegressor, SequenceTransformer):
        with pytest.raises(ParameterError, match="loss='cross_entropy' learns classes"):
            estimator(**KEYS, loss="cross_entropy").fit(frame, count)
    with pytest.raises(ParameterError, match="random_state must be an integer"):
        next(SequenceKFold(3, id="card", random_state=None).split(frame))  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="by='time' needs time="):
        next(SequenceKFold(3, id="card", by="time").split(frame))


def test_classes_are_told_once_and_no_weights_in_their_place() -> None:
    frame, classes, count = purchases()
    with pytest.raises(ParameterError, match="sample_weight="):
        SequenceRegressor(**KEYS).partial_fit(frame, count, np.ones(len(frame)))
    for estimator in (SequenceClassifier, SequenceTransformer):
        model = estimator(**KEYS).partial_fit(frame, classes, classes=["yes", "no"])
        model.partial_fit(frame, classes, classes=["no", "yes"])
        with pytest.raises(ParameterError, match="has learnt 'no', 'yes'"):
            model.partial_fit(frame, classes, classes=["no", "yes", "maybe"])
        assert model.n_iter_ == 2


def test_training_that_goes_on_heeds_new_arguments_or_refuses_them() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=2, warm_start=True).fit(frame, classes)
    before = model.predict_proba(frame)
    for wrong in ({"hidden_size": 3}, {"readout": "last"}, {"class_weight": {"yes": 2.0}}):
        changed = {name: getattr(model, name) for name in wrong}
        model.set_params(**wrong)
        for train in (model.fit, model.partial_fit):
            with pytest.raises(ParameterError, match=f"{next(iter(wrong))}=.*set it back"):
                train(frame, classes)
        model.set_params(**changed)
    # A rate of 0 changes nothing, unlike the first.
    model.set_params(learning_rate=0.0, epochs=1, n_threads=2).fit(frame, classes)
    np.testing.assert_array_equal(model.predict_proba(frame), before)
    assert model.model_.n_threads == 2
    model.set_params(learning_rate=0.01).fit(frame, classes)
    assert (model.predict_proba(frame) != before).any()
