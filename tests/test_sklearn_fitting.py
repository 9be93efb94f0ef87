"""Fits of estimators that go on, fail or are watched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cards import KEYS, purchases

from rnn_rust.errors import DivergedError, ParameterError
from rnn_rust.sklearn import SequenceClassifier, SequenceRegressor


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
