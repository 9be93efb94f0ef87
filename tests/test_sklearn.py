"""The estimators keep scikit-learn's rules; frames with ids and times go through its tools."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cards import CARDS, KEYS, STEPS, purchases
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.inspection import permutation_importance
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import rnn_rust
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.sklearn import (
    SequenceClassifier,
    SequenceKFold,
    SequenceRegressor,
    SequenceTransformer,
)

ROOT = Path(__file__).parent.parent
ESTIMATORS = [SequenceClassifier, SequenceRegressor, SequenceTransformer]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_scikit_learns_own_checks_pass(estimator: Any) -> None:
    # Mini-batches make other updates of repeated rows than of weighted ones.
    excused = {"check_sample_weight_equivalence_on_dense_data": "mini-batches"}
    results = check_estimator(estimator(), expected_failed_checks=excused, on_skip=None)
    assert len(results) > 45
    full_batch = estimator(
        batch_size=None, dtype="float64", scaler=None, epochs=100, learning_rate=0.05
    )
    check_estimator(full_batch, on_skip=None)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_in_any_order(library: str) -> None:
    frame, classes, count = purchases()
    X = frame if library == "pandas" else pl.from_pandas(frame)
    model = SequenceClassifier(**KEYS).fit(X, classes)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.feature_names_in_.tolist() == ["x", "kind"]
    assert model.n_features_in_ == 2
    assert model.score(X, classes) > 0.97
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    # The network inside answers the same rows in the same order.
    inside = np.asarray(model.model_.predict(X))[:, 0]
    np.testing.assert_allclose(proba[:, 1], inside, rtol=1e-6)
    regressor = SequenceRegressor(**KEYS).fit(X, count)
    assert regressor.score(X, count) > 0.97
    states = SequenceTransformer(**KEYS, hidden_size=5).fit(X, classes).transform(X)
    assert states.shape == (CARDS * STEPS, 5)


def test_purchases_with_text_dates_and_gaps() -> None:
    """The columns' names are all that a mixed table needs."""
    table = pd.read_csv(ROOT / "data/purchases-rich.csv")
    assert table["amount"].isna().any()
    held_out = table["card"] > "card-0110"
    X, y = table.drop(columns="fraud"), table["fraud"]
    model = SequenceClassifier(id="card", time="when", random_state=0)
    proba = model.fit(X[~held_out], y[~held_out]).predict_proba(X[held_out])[:, 1]
    assert y[held_out].mean() < 0.05
    assert average_precision_score(y[held_out], proba) > 0.3
    clocked = clone(model).set_params(time_features=("hour",))
    proba = clocked.fit(X[~held_out], y[~held_out]).predict_proba(X[held_out])[:, 1]
    assert average_precision_score(y[held_out], proba) > 0.7


def test_an_index_of_id_and_time() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS).fit(frame, classes)
    indexed = SequenceClassifier(**KEYS).fit(frame.set_index(["card", "t"]), classes)
    np.testing.assert_array_equal(model.predict(frame), indexed.predict(frame))
    # Then a tool that permutes every column permutes features alone.
    X = frame.set_index(["card", "t"])
    found = permutation_importance(indexed, X, classes, n_repeats=1, random_state=0)
    assert found.importances_mean.argmax() == X.columns.get_loc("kind")


def test_dates_that_do_not_say_themselves_are_read_by_a_format() -> None:
    frame, classes, _ = purchases()
    # 01/02 to 06/02: of days and months either could come first.
    dated = frame.assign(t=[f"{step + 1:02d}/02/2024" for step in frame["t"]])
    model = SequenceClassifier(**KEYS, epochs=2)
    expected = model.fit(frame, classes).predict_proba(frame)
    with pytest.raises(DataError, match=r"give time_format='%d/%m/%Y' or"):
        model.fit(dated, classes)
    model.set_params(time_format="%d/%m/%Y").fit(dated, classes)
    np.testing.assert_array_equal(model.predict_proba(dated), expected)
    np.testing.assert_array_equal(
        np.asarray(model.model_.predict(pl.from_pandas(dated)))[:, 0].astype(float), expected[:, 1]
    )
    # What a fit has found out of dates holds for those that do not say it.
    known = dated.assign(t=[f"{28 + s}/01/2024" if s < 4 else f"0{s}/02/2024" for s in frame["t"]])
    known, few = known.reset_index(drop=True), (frame["t"] > 3).to_numpy()
    days = known.assign(t=pd.to_datetime(known["t"], format="%d/%m/%Y"))
    learnt, expected = (
        clone(model).set_params(time_format=None).fit(X, classes, X_val=X[few], y_val=classes[few])
        for X in (known, days)
    )
    for each, X in ((learnt, known), (expected, days)):
        each.partial_fit(X[few], classes[few])
    np.testing.assert_array_equal(learnt.predict_proba(known), expected.predict_proba(days))
    # A later part may say it too, or the format that is left out then.
    parts = clone(model).set_params(time_format=None)
    as_days = dated.assign(t=pd.to_datetime(dated["t"], format="%d/%m/%Y"))
    parts.partial_fit(days, classes).partial_fit(known, classes)
    np.testing.assert_array_equal(parts.predict_proba(dated), parts.predict_proba(as_days))
    model.set_params(time_format=None)
    np.testing.assert_array_equal(model.predict_proba(dated), model.predict_proba(as_days))
    later = dated.assign(t=[f"{c % 9 + 1:02d}/02/{2020 + c}" for c in frame["card"]], x=1.0)
    folds = SequenceKFold(3, id="card", time="t", by="time", time_format="%d/%m/%Y")
    with pytest.raises(DataError, match="no row decides"):
        next(clone(folds).set_params(time_format=None).split(later))
    assert len(list(folds.split(later))) == 3


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("prefixed", [False, True])
def test_pipelines_searches_and_folds(library: Any, prefixed: bool) -> None:
    frame, classes, _ = purchases()
    X = frame if library == "pandas" else pl.from_pandas(frame)
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["x"])],
        remainder="passthrough", verbose_feature_names_out=prefixed,
    ).set_output(transform=library)  # fmt: skip
    model = make_pipeline(columns, SequenceClassifier(**KEYS, scaler=None, epochs=20))
    grid = {"sequenceclassifier__hidden_size": [2, 12]}
    search = GridSearchCV(model, grid, cv=SequenceKFold(3, id="card", time="t"), n_jobs=2)
    search.fit(X, classes)
    assert search.best_params_ == {"sequenceclassifier__hidden_size": 12}
    folds = SequenceKFold(3, id="card", stratify=True)
    truth = classes == "yes"
    assert cross_val_score(model, X, truth, cv=folds, scoring="average_precision").mean() > 0.7


def test_folds_cut_no_sequence_and_test_every_row_once() -> None:
    frame, classes, _ = purchases()
    tested = []
    for train, test in SequenceKFold(4, id="card", time="t", stratify=True).split(frame, classes):
        cards = frame["card"].to_numpy()
        assert not set(cards[train]) & set(cards[test])
        assert len(train) + len(test) == len(frame)
        tested += test.tolist()
    assert sorted(tested) == list(range(len(frame)))
    later = frame.assign(t=frame["t"] + 10 * frame["card"])
    for train, test in SequenceKFold(3, id="card", time="t", by="time", gap=5).split(later):
        times = later["t"].to_numpy()
        assert times[train].max() + 5 < times[test].min()


def test_whole_sequences_have_one_label_and_count_once() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 9, 80)
    card = np.repeat(np.arange(80), lengths)
    t = np.concatenate([np.arange(length) for length in lengths])
    x = random.normal(size=len(card))
    label = np.array([x[card == c].sum() > 0 for c in range(80)])
    frame = pl.DataFrame({"card": card, "t": t, "x": x})
    # Of a sequence the last labelled row counts.
    y = np.where(t == (lengths - 1)[card], label[card], ~label[card])
    model = SequenceClassifier(**KEYS, readout="last", epochs=100).fit(frame, y)
    predicted = model.predict(frame)
    per_card = np.array([predicted[card == c][0] for c in range(80)])
    np.testing.assert_array_equal(predicted, per_card[card])
    assert model.score(frame, label[card]) == pytest.approx((per_card == label).mean())
    # The same sequences as arrays.
    arrays = [x[card == c][:, None] for c in range(80)]
    same = SequenceClassifier(readout="last", epochs=100, random_state=0).fit(arrays, label)
    np.testing.assert_array_equal(same.predict(arrays), per_card)
    assert same.predict_proba(arrays).shape == (80, 2)


def test_arrays_of_sequences_with_a_label_per_step() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 7, 2))
    y = X[:, :, 0].cumsum(axis=1)
    model = SequenceRegressor(random_state=0, epochs=150).fit(X, y)
    assert model.predict(X).shape == (280,)
    assert model.score(X, y) > 0.9
    with pytest.raises(ShapeError, match="X has 3 features, but SequenceRegressor is expecting 2"):
        model.predict([np.zeros((4, 3))])
    with pytest.raises(ShapeError, match="arrays of 2 and of 3 columns"):
        model.fit([np.zeros((4, 3)), np.zeros((4, 2))], [np.zeros(4), np.zeros(4)])


def test_weights_classes_and_training_that_goes_on() -> None:
    frame, classes, _ = purchases()
    none = SequenceClassifier(**KEYS, epochs=5)
    heavy = clone(none).set_params(class_weight={"yes": 50.0})
    share = [(m.fit(frame, classes).predict(frame) == "yes").mean() for m in (none, heavy)]
    assert share[1] > share[0]
    weighted = clone(none).fit(frame, classes, sample_weight=np.where(classes == "yes", 50.0, 1.0))
    assert (weighted.predict(frame) == "yes").mean() > share[0]
    going_on = clone(none).set_params(warm_start=True).fit(frame, classes)
    assert going_on.fit(frame, classes).n_iter_ == 10
    step = SequenceClassifier(**KEYS).partial_fit(frame[:100], classes[:100], classes=["yes", "no"])
    assert step.partial_fit(frame, classes).n_iter_ == 2


def test_a_transformer_without_labels_learns_what_comes_next() -> None:
    frame, _, _ = purchases()
    states = SequenceTransformer(**KEYS, hidden_size=3).set_output(transform="pandas")
    found = states.fit_transform(frame)
    assert list(found.columns) == [f"sequencetransformer{at}" for at in range(3)]
    assert found.index.equals(frame.index)
    assert states.loss_curve_[-1] < states.loss_curve_[0]
    with pytest.raises(ParameterError, match="give a y"):
        SequenceTransformer(**KEYS).fit(frame[["card", "t", "kind"]])
    static = frame.assign(age=frame["card"] % 7)[["card", "t", "age"]]
    with pytest.raises(ParameterError, match="no numbers to learn among the features of rows"):
        SequenceTransformer(**KEYS, static="age").fit(static)
    # What has read the next row before is not asked to tell it.
    for ahead in (
        {"readout": "last"},
        {"readout": "mean"},
        {"bidirectional": True},
        {"reverse": True},
    ):
        with pytest.raises(ParameterError, match=f"{next(iter(ahead))}=.* needs a y"):
            SequenceTransformer(**KEYS, **ahead).fit(frame)
    alone = SequenceTransformer(readout="last", epochs=2).fit(frame[["x", "t"]].to_numpy())
    assert alone.n_iter_ == 2


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"reverse": True}])
def test_a_transformer_returns_the_states_that_the_head_reads(
    readout: str, options: dict[str, Any]
) -> None:
    random = np.random.default_rng(0)
    X = [random.normal(size=(length, 2)) for length in (1, 2, 5, 9)]
    states = SequenceTransformer(
        cell="rnn", num_layers=2, hidden_size=3, readout=readout, scaler=None, epochs=2,
        dtype="float64", random_state=0, **options,
    ).fit(X, np.arange(4.0))  # fmt: skip
    weights = states.model_.state_dict()

    def read(rows: Any, place: str) -> Any:
        """Return the states after each row, by the equations."""
        h, found = np.zeros(3), []
        for row in rows:
            h = np.tanh(
                weights[f"weight_ih_{place}"] @ row + weights[f"weight_hh_{place}"] @ h
                + weights[f"bias_{place}"]
            )  # fmt: skip
            found.append(h)
        return np.array(found)

    directions = [False, True] if "bidirectional" in options else ["reverse" in options]
    for inputs, found in zip(X, states.transform(X), strict=True):
        rows = inputs
        for layer in range(2):
            parts, ends = [], []
            for backwards in directions:
                place = f"l{layer}_reverse" if backwards and len(directions) == 2 else f"l{layer}"
                steps = read(rows[::-1] if backwards else rows, place)
                ends.append(steps[-1])
                parts.append(steps[::-1] if backwards else steps)
            rows = np.hstack(parts)
        expected = np.hstack(ends) if readout == "last" else rows.mean(axis=0)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_pickle_is_small_and_predicts_the_same(tmp_path: Path) -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, hidden_size=64, epochs=2).fit(frame, classes)
    model.model_.save(tmp_path / "model.safetensors")
    pickled = pickle.dumps(model)
    assert len(pickled) <= 2 * os.path.getsize(tmp_path / "model.safetensors")
    same = pickle.loads(pickled)
    np.testing.assert_array_equal(same.predict_proba(frame), model.predict_proba(frame))


@pytest.mark.parametrize("labels", ["yes or no", "kinds"])
def test_the_network_knows_the_names_of_classes(labels: str, tmp_path: Path) -> None:
    frame, classes, _ = purchases()
    y = classes if labels == "yes or no" else frame["kind"].to_numpy()
    model = SequenceClassifier(**KEYS, epochs=3)
    # The first part may lack a class.
    few = y != "no"
    model.partial_fit(frame[few], y[few], classes=np.unique(y)).partial_fit(frame, y)
    assert model.model_.classes == tuple(np.unique(y))
    model.model_.save(tmp_path / "model.safetensors")
    loaded = rnn_rust.load(tmp_path / "model.safetensors")
    predicted = loaded.predict_classes(frame)
    np.testing.assert_array_equal(np.ravel(predicted), model.predict(frame))
    # Labels of other data are matched by name, whatever comes first there.
    turned = frame.assign(label0=y).iloc[::-1]
    data = rnn_rust.Dataset.from_frame(
        turned, id="card", time="t", features=["x", "kind"], labels="label0"
    )
    assert loaded.evaluate(data).accuracy == pytest.approx(model.score(frame, y))
    model.model_.to_c(tmp_path / "c")
    header = (tmp_path / "c" / "model.h").read_text()
    assert ("the probability of yes" if labels == "yes or no" else "MODEL_CLASS_FOOD") in header
    numbers = SequenceClassifier(**KEYS, epochs=1).fit(frame, y == y[0])
    assert numbers.model_.classes is None


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import rnn_rust.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        'ModuleNotFoundError: rnn_rust.sklearn needs scikit-learn: pip install "rnn-rust[sklearn]"'
    )


@pytest.mark.timing
def test_a_fit_takes_one_core() -> None:
    """Searches have a process for each core: more threads in each would be in each other's way."""
    random = np.random.default_rng(0)
    X = random.normal(size=(256, 60, 8))
    model = SequenceRegressor(readout="last", hidden_size=64, epochs=20)
    model.fit(X[:32], X[:32, 0, 0])
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(X, X[:, 0, 0])
    model.predict(X)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert wall > 0.2
    assert cpu < 1.3 * wall
