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
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.sklearn import (
    SequenceClassifier,
    SequenceKFold,
    SequenceRegressor,
    SequenceTransformer,
)

ROOT = Path(__file__).parent.parent
ESTIMATORS = [SequenceClassifier, SequenceRegressor, SequenceTransformer]
CARDS, STEPS = 60, 6
KEYS: dict[str, Any] = {"id": "card", "time": "t", "random_state": 0}


def purchases() -> tuple[pd.DataFrame, Any, Any]:
    """Return shuffled rows; a class that needs all rows so far of the card; and their number."""
    random = np.random.default_rng(0)
    rows = CARDS * STEPS
    card, t = np.repeat(np.arange(CARDS), STEPS), np.tile(np.arange(STEPS), CARDS)
    kind = random.choice(["fuel", "food", "other"], rows)
    count = np.cumsum(np.reshape(kind == "fuel", (CARDS, STEPS)), axis=1).ravel()
    x = random.normal(size=rows)
    frame = pd.DataFrame({"card": card, "t": t, "x": x, "kind": kind})
    order = random.permutation(rows)
    return frame.iloc[order], np.where(count > 1, "yes", "no")[order], count[order].astype(float)


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


def test_one_s_own_validation_part_and_early_stopping() -> None:
    frame, classes, _ = purchases()
    classes = np.where(np.random.default_rng(1).random(len(classes)) < 0.2, "no", classes)
    late = frame["card"] >= 50
    model = SequenceClassifier(**KEYS, epochs=300, n_iter_no_change=3, learning_rate=0.05)
    model.fit(frame[~late], classes[~late], X_val=frame[late], y_val=classes[late])
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_) < 300
    best = int(np.argmax(model.validation_scores_))
    assert best == model.n_iter_ - 4  # Three epochs were no better.
    held_out = SequenceClassifier(**KEYS, early_stopping=True, validation="time", epochs=9)
    by_time = frame.assign(t=frame["t"] + 10 * frame["card"])
    assert len(held_out.fit(by_time, classes).validation_scores_) == 9
    assert SequenceClassifier(**KEYS, epochs=2).fit(frame, classes).validation_scores_ is None


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


def test_a_pickle_is_small_and_predicts_the_same(tmp_path: Path) -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, hidden_size=64, epochs=2).fit(frame, classes)
    model.model_.save(tmp_path / "model.safetensors")
    pickled = pickle.dumps(model)
    assert len(pickled) <= 2 * os.path.getsize(tmp_path / "model.safetensors")
    same = pickle.loads(pickled)
    np.testing.assert_array_equal(same.predict_proba(frame), model.predict_proba(frame))


def test_callbacks_of_scikit_learn_see_every_epoch() -> None:
    callback = pytest.importorskip("sklearn.callback", reason="it came with scikit-learn 1.9")
    frame, classes, _ = purchases()

    class Watch:
        """Counts, scores after each epoch, and stops the fourth."""

        def __init__(self) -> None:
            self.begun, self.scores, self.ended = 0, [], False

        def setup(self, estimator: Any, context: Any) -> None: ...

        def teardown(self, estimator: Any, context: Any) -> None:
            self.ended = True

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            self.begun += context.task_name == "epoch"

        def on_fit_task_end(
            self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any
        ) -> bool:
            if context.task_name == "epoch":
                self.scores.append(fitted_estimator.score(X, y))
            return len(self.scores) == 4

    watch = Watch()
    assert isinstance(watch, callback.FitCallback)
    model = SequenceClassifier(**KEYS).set_callbacks(watch).fit(frame, classes)
    assert watch.ended
    assert (watch.begun, len(watch.scores), model.n_iter_) == (4, 4, 4)
    assert watch.scores[-1] == model.score(frame, classes)
    bar = SequenceClassifier(**KEYS, epochs=3).set_callbacks(callback.ProgressBar())
    assert bar.fit(frame, classes).n_iter_ == 3


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import rnn_rust.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        'ModuleNotFoundError: rnn_rust.sklearn needs scikit-learn: pip install "rnn-rust[sklearn]"'
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
        ({"early_stopping": True, "validation_fraction": 2}, "validation_fraction must be between"),
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
    with pytest.raises(DataError, match=r"y has the class 'maybe', which is none of those learnt"):
        model.partial_fit(frame, np.where(classes == "yes", "maybe", "no"))
    with pytest.raises(DataError, match="no column 'kind', which the estimator was fitted on"):
        model.predict(frame.drop(columns="kind"))
    with pytest.raises(ShapeError, match="y has 10 labels for 360 rows"):
        model.fit(frame, classes[:10])
    with pytest.raises(ParameterError, match="y_val= goes with X_val="):
        model.fit(frame, classes, y_val=classes)
    with pytest.raises(ParameterError, match="stratify=True needs y"):
        next(SequenceKFold(3, id="card", stratify=True).split(frame))


def test_labels_may_be_missing_and_then_do_not_count() -> None:
    frame, classes, count = purchases()
    last = frame["t"].to_numpy() == STEPS - 1
    whole = SequenceClassifier(**KEYS, readout="last", epochs=30)
    text = pd.Series(np.where(last, classes, None), index=frame.index)
    expected = whole.fit(frame, text).predict(frame)
    accuracy = (expected == classes)[last].mean()
    known = [label if is_last else None for label, is_last in zip(classes, last, strict=True)]
    for labels in (text, text.astype("string"), text.tolist(), known, pl.Series(known)):
        assert clone(whole).fit(frame, labels).score(frame, labels) == pytest.approx(accuracy)
    # Labels before the last one do not count either.
    others = np.where(last, classes, "no")
    assert whole.fit(frame, others).score(frame, others) == pytest.approx(accuracy)
    numbers = np.where(last, count, np.nan)
    regressor = SequenceRegressor(**KEYS, readout="last", epochs=30).fit(frame, numbers)
    assert regressor.score(frame, numbers) <= 1
    states = SequenceTransformer(**KEYS, readout="last").fit(frame, text).transform(frame)
    assert len(np.unique(states, axis=0)) == CARDS
    with pytest.raises(DataError, match="all are missing"):
        whole.fit(frame, np.full(len(frame), np.nan))
    for _, test in SequenceKFold(3, id="card", stratify=True).split(frame, text):
        shares = (text.to_numpy()[test] == "yes").sum() / (CARDS / 3)
        assert abs(shares - (classes[last] == "yes").mean()) < 0.06


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


def test_lists_need_a_label_for_each_sequence_or_step() -> None:
    X = [np.zeros((2, 1)), np.ones((3, 1))]
    with pytest.raises(ShapeError, match="y has 1 labels for 2 sequences"):
        SequenceRegressor(readout="last").fit(X, [1.0])
    for y in ([np.zeros(3), np.zeros(2)], np.zeros(5), [1.0, 2.0]):
        with pytest.raises(ShapeError, match="an array for each of the 2 sequences"):
            SequenceRegressor().fit(X, y)
    with pytest.raises(ShapeError, match="without steps"):
        SequenceRegressor().fit(np.empty((0, 4, 2)), np.empty((0, 4)))
    with pytest.raises(DataError, match="masked"):
        SequenceRegressor().fit(np.ma.masked_less(np.zeros((2, 3, 1)), 1), np.zeros((2, 3)))
    each = SequenceRegressor(epochs=2).fit(X, [np.arange(2), np.arange(3)], sample_weight=[1, 2])
    assert each.score(X, [np.arange(2), np.arange(3)], sample_weight=[1, 2]) <= 1
    with pytest.raises(ShapeError, match="fitted on arrays"):
        SequenceRegressor(**KEYS, epochs=1).fit(X, [np.arange(2), np.arange(3)]).predict(
            purchases()[0]
        )


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
    with pytest.raises(ParameterError, match="X_val= needs y_val="):
        SequenceTransformer(**KEYS).fit(frame, classes, X_val=frame)
    weights = {"class_weight": {"yes": 3.0}}
    transformer = SequenceTransformer(**KEYS, **weights, epochs=1).fit(frame, classes)
    with pytest.raises(DataError, match="y has the class 'maybe'"):
        transformer.partial_fit(frame, np.where(classes == "yes", "maybe", "no"))
    with pytest.raises(DataError, match="an id is missing"):
        transformer.transform(frame.assign(card=frame["card"].where(frame["t"] > 0)))
    with pytest.raises(ParameterError, match="needs id="):
        next(SequenceKFold(3, id=None).split(frame))  # type: ignore[arg-type]


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
