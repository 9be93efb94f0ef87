"""Fits of estimators that go on, fail or are watched."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
from cards import KEYS, purchases
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from rnn_rust import Dataset
from rnn_rust.errors import DivergedError, ParameterError
from rnn_rust.losses import Huber
from rnn_rust.sklearn import SequenceClassifier, SequenceRegressor, SequenceTransformer


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"learning_rate": 0.9, "epochs": "3"}, ParameterError),
        ({"learning_rate": 0.9, "early_stopping": True, "n_iter_no_change": 0}, ParameterError),
        ({"learning_rate": 1e30, "optimizer": "sgd", "clip_norm": None}, DivergedError),
    ],
)
def test_a_fit_that_goes_on_and_fails_changes_nothing(wrong: dict[str, Any], error: type) -> None:
    frame, _, count = purchases()
    options: dict[str, Any] = {"epochs": 2, "warm_start": True, "scaler": None, "clip_norm": None}
    model = SequenceRegressor(**KEYS, **options).fit(frame, count)
    same = SequenceRegressor(**KEYS, **options).fit(frame, count)
    before, arguments = model.predict(frame), model.get_params()
    with pytest.raises(error):
        model.set_params(**wrong).fit(frame, count)
    np.testing.assert_array_equal(model.predict(frame), before)
    assert (model.n_iter_, len(model.loss_curve_), model.model_.epochs_trained) == (2, 2, 2)
    assert repr(model.model_.optimizer) == repr(same.model_.optimizer)
    # Training goes on as if there had been no such call, by the moments as well.
    model.set_params(**arguments).fit(frame, count)
    np.testing.assert_array_equal(model.predict(frame), same.fit(frame, count).predict(frame))


def test_a_callback_that_raises_amid_a_fit_that_goes_on_changes_nothing() -> None:
    pytest.importorskip("sklearn.callback", reason="it came with scikit-learn 1.9")
    frame, classes, _ = purchases()

    class Broken:
        def setup(self, estimator: Any, context: Any) -> None: ...

        def teardown(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_end(self, estimator: Any, context: Any) -> None:
            if context.task_id == 1:
                raise RuntimeError("no")

    model = SequenceClassifier(**KEYS, epochs=3, warm_start=True).fit(frame, classes)
    before = model.predict_proba(frame)
    with pytest.raises(RuntimeError, match="no"):
        model.set_callbacks(Broken()).fit(frame, classes)
    np.testing.assert_array_equal(model.predict_proba(frame), before)
    assert model.n_iter_ == model.model_.epochs_trained == 3


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


def test_callbacks_get_estimators_as_if_the_fit_ended_there() -> None:
    callback = pytest.importorskip("sklearn.callback", reason="it came with scikit-learn 1.9")
    frame, classes, _ = purchases()

    class Keep:
        """Keeps the estimator of each epoch, and what there is beside X and y."""

        def __init__(self) -> None:
            self.kept: list[Any] = []
            self.metadata: list[Any] = []

        def setup(self, estimator: Any, context: Any) -> None: ...

        def teardown(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_end(
            self, estimator: Any, context: Any, *, fitted_estimator: Any, metadata: Any
        ) -> None:
            self.kept.append(fitted_estimator)
            self.metadata.append(metadata)

    weights = np.where(classes == "yes", 5.0, 1.0)
    keep = Keep()
    options: dict[str, Any] = {**KEYS, "early_stopping": True, "warm_start": True}
    model = SequenceClassifier(**options, epochs=2).set_callbacks(keep)
    model.fit(frame, classes, sample_weight=weights)
    model.fit(frame, classes, sample_weight=weights)
    # An end of each fit beside those of its epochs.
    assert [each.n_iter_ for each in keep.kept] == [1, 2, 2, 3, 4, 4]
    for each in keep.kept:
        assert len(each.loss_curve_) == len(each.validation_scores_) == each.n_iter_
    first = SequenceClassifier(**options, epochs=1).fit(frame, classes, sample_weight=weights)
    np.testing.assert_array_equal(keep.kept[0].predict_proba(frame), first.predict_proba(frame))
    assert all(each["sample_weight"] is weights for each in keep.metadata)
    # A scorer weighs with the weights of the fit.
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = SequenceClassifier(**KEYS, epochs=2).set_callbacks(monitor)
    model.fit(frame, classes, sample_weight=weights)
    logged = monitor.get_logs().data[0]["accuracy"]
    assert logged == pytest.approx(model.score(frame, classes, sample_weight=weights))
    assert logged != pytest.approx(model.score(frame, classes))


def test_wrong_epochs_are_named_before_a_bar_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    callback = pytest.importorskip("sklearn.callback", reason="it came with scikit-learn 1.9")
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs="a").set_callbacks(callback.ProgressBar())
    with pytest.raises(ParameterError, match="epochs must be an integer of at least 1, got 'a'"):
        model.fit(frame, classes)
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""


def test_balanced_weights_are_those_of_the_labels_at_hand() -> None:
    frame, classes, _ = purchases()
    options: dict[str, Any] = {**KEYS, "epochs": 1, "class_weight": "balanced"}
    for estimator in (SequenceClassifier, SequenceTransformer):
        with pytest.raises(ParameterError, match="partial_fit has those of a part; give a dict"):
            estimator(**options).partial_fit(frame, classes)
    with pytest.raises(ParameterError, match="warm_start must be True or False, got 'yes'"):
        SequenceClassifier(**options, warm_start="yes").fit(frame, classes)
    model = SequenceClassifier(**options, warm_start=True).fit(frame, classes)
    for y in (classes, frame["x"].where(frame["x"] > 1, -1).map({-1: "no"}).fillna("yes")):
        shares = np.array([np.mean(y == name) for name in ("no", "yes")])
        found = model.fit(frame, y).model_.class_table
        np.testing.assert_allclose(found, [1 / (2 * shares)])
    # A part goes on with the weights of all.
    part = model.partial_fit(frame[:50], classes[:50])
    np.testing.assert_array_equal(part.model_.class_table, found)
    assert part.n_iter_ == 4


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
    by_time = frame.assign(t=frame["t"] - 10 * frame["card"])
    assert len(held_out.fit(by_time, classes).validation_scores_) == 9
    last = frame["card"] < 6  # a tenth of 60
    by_hand = clone(held_out).set_params(early_stopping="auto")
    by_hand.fit(by_time[~last], classes[~last], X_val=by_time[last], y_val=classes[last])
    assert by_hand.loss_curve_ == held_out.loss_curve_
    assert by_hand.validation_scores_ == held_out.validation_scores_
    assert SequenceClassifier(**KEYS, epochs=2).fit(frame, classes).validation_scores_ is None


def test_the_name_of_an_optimizer_may_have_capitals() -> None:
    frame, _, count = purchases()
    curves = [
        SequenceRegressor(**KEYS, epochs=2, optimizer=name).fit(frame, count).loss_curve_
        for name in ("AdamW", "adamw")
    ]
    assert curves[0] == curves[1]


def test_fits_that_go_on_are_one_of_all_epochs() -> None:
    frame, _, count = purchases()
    whole = SequenceRegressor(**KEYS, epochs=4).fit(frame, count)
    parts = SequenceRegressor(**KEYS, epochs=2, warm_start=True).fit(frame, count)
    assert parts.fit(frame, count).loss_curve_ == whole.loss_curve_


def test_the_network_has_the_loss_and_the_weights_that_were_given() -> None:
    frame, classes, count = purchases()
    for loss, name in ((None, "mse"), ("mae", "mae"), (Huber(0.5), "huber")):
        model = SequenceRegressor(**KEYS, epochs=1, loss=loss).fit(frame, count).model_
        assert model.loss_name == name
    curves = [
        SequenceClassifier(**KEYS, epochs=1, class_weight=weights).fit(frame, classes).loss_curve_
        for weights in ({"yes": 3.0}, {"yes": 3.0, "no": 1.0}, None)
    ]
    assert curves[0] == curves[1] != curves[2]


def test_an_interrupted_fit_warns_and_keeps_its_epochs() -> None:
    class Interrupted:
        calls = 0

        def value_and_gradient(self, outputs: Any, labels: Any) -> tuple[float, Any]:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return 1.0, np.zeros_like(outputs)

    frame, _, count = purchases()
    model = SequenceRegressor(**KEYS, epochs=9, loss=Interrupted(), batch_size=None)
    with pytest.warns(ConvergenceWarning, match="training was interrupted"):
        model.fit(frame, count)
    assert model.n_iter_ == 2


def test_another_seed_holds_out_other_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, classes, _ = purchases()
    seen, split = [], Dataset.split

    def recorded(data: Dataset, *shares: float, **how: Any) -> tuple[Dataset, ...]:
        parts = split(data, *shares, **how)
        seen.append(parts[1].ids.tolist())
        return parts

    monkeypatch.setattr(Dataset, "split", recorded)
    for seed in (0, 0, 1):
        options = KEYS | {"random_state": seed, "early_stopping": True, "epochs": 1}
        SequenceClassifier(**options).fit(frame, classes)
    assert seen[0] == seen[1] != seen[2]
    assert [len(ids) for ids in seen] == [6, 6, 6]


@pytest.mark.parametrize("goes_on_by", ["fit", "partial_fit"])
def test_training_goes_on_after_a_pickle_as_without(goes_on_by: str) -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=2, warm_start=goes_on_by == "fit")
    getattr(model, goes_on_by)(frame, classes)
    same = pickle.loads(pickle.dumps(model))
    for each in (model, same):
        getattr(each, goes_on_by)(frame, classes)
    np.testing.assert_array_equal(same.predict_proba(frame), model.predict_proba(frame))


def test_a_pickle_of_an_earlier_version_goes_on() -> None:
    """It has neither the arguments that came later nor what they have learnt."""
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=2).fit(frame, classes)
    old = SequenceClassifier.__new__(SequenceClassifier)
    left_out = ("time_format", "_day_first")
    old.__setstate__({name: own for name, own in vars(model).items() if name not in left_out})
    np.testing.assert_array_equal(old.predict(frame), model.predict(frame))
    assert old.get_params() == model.get_params()
    assert clone(old).fit(frame, classes).n_iter_ == 2


def test_text_classes_with_early_stopping_are_learnt_as_their_numbers_are() -> None:
    """Labels of an estimator are numbers of classes by then, and none of other names."""
    random = np.random.default_rng(0)
    steps = np.arange(600)
    frame = pl.DataFrame({"id": steps // 6, "t": steps % 6, "x": random.normal(size=600)})
    numbers = (frame["x"] > 0).to_numpy().astype(int)
    # In the order of the alphabet too.
    words = np.array(["down", "up"])[numbers]
    fitted = []
    for y in (numbers, words):
        estimator = SequenceClassifier(
            id="id", time="t", epochs=4, early_stopping=True, random_state=0
        )
        estimator.fit(frame, y).partial_fit(frame, y)
        fitted.append(estimator)
    assert fitted[1].model_.label_levels == {"label0": ("down", "up")}
    assert fitted[0].loss_curve_ == fitted[1].loss_curve_
    assert fitted[0].validation_scores_ == fitted[1].validation_scores_
    np.testing.assert_array_equal(
        fitted[1].predict(frame), np.array(["down", "up"])[fitted[0].predict(frame)]
    )
