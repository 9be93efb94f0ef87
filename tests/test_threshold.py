"""The model's threshold: evaluators without one of their own use it, wherever it comes from."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_well
from oracle import refused

import rnn_rust
from rnn_rust import (
    GRU,
    RNN,
    BinaryClassificationEvaluator,
    Checkpoint,
    Dataset,
    RegressionEvaluator,
)
from rnn_rust.errors import ParameterError
from rnn_rust.evaluate import default_evaluator
from rnn_rust.model.network import Network

X = np.linspace(-2, 2, 24)
BINARY = Dataset.from_arrays(X, np.float64(X > 0.8), [0, 6, 12, 18, 24])
NUMBERS = Dataset.from_arrays(X, X + 3, [0, 6, 12, 18, 24])


def make_model(threshold: float | None = 0.9, **options: Any) -> Network:
    """Return a model whose output is its input."""
    model = RNN(1, 1, 1, activation="identity", **options)
    state = {name: np.zeros_like(array) for name, array in model.state_dict().items()}
    state["weight_ih_l0"] += 1
    state["head.weight"] += 1
    model.load_state_dict(state)
    model.threshold = threshold
    return model


def true_positives(threshold: float) -> int:
    return int(((threshold < X) & (X > 0.8)).sum())


@pytest.mark.parametrize(
    ("own", "kept", "used"),
    [(None, None, 0.5), (None, 0.9, 0.9), (None, 0.0, 0.0), (1.3, 0.9, 1.3), (1.3, None, 1.3)],
)
def test_the_evaluators_own_comes_before_the_models(
    own: float | None, kept: float | None, used: float
) -> None:
    result = BinaryClassificationEvaluator(own).evaluate(make_model(kept), BINARY)
    assert result.threshold == used
    assert result.tp == true_positives(used)
    assert f"positive above {used:g}" in str(result)
    assert default_evaluator(BINARY, own).evaluate(make_model(kept), BINARY) == result
    assert result.baseline is not None
    assert result.baseline.threshold == used


@pytest.mark.parametrize(
    ("own", "kept", "used"), [(None, None, 0.1), (None, 1.5, 1.5), (0.2, 1.5, 0.2)]
)
def test_so_it_is_with_relative_errors(own: float | None, kept: float | None, used: float) -> None:
    result = RegressionEvaluator(own).evaluate(make_model(kept), NUMBERS)
    assert result.threshold == used
    assert result.within_threshold == np.mean(used * (X + 3) >= 3)
    assert default_evaluator(NUMBERS, own).evaluate(make_model(kept), NUMBERS) == result


def test_a_threshold_of_probabilities_is_no_relative_error() -> None:
    model = make_model(0.9, loss="binary_cross_entropy")
    assert RegressionEvaluator().evaluate(model, BINARY).threshold == 0.1
    assert RegressionEvaluator(0.3).evaluate(model, BINARY).threshold == 0.3
    assert BinaryClassificationEvaluator().evaluate(model, BINARY).threshold == 0.9
    negative = make_model(-2)
    refused(
        lambda: RegressionEvaluator().evaluate(negative, NUMBERS),
        ParameterError,
        "model.threshold",
        "-2",
    )


def test_an_output_equal_to_it_is_of_the_first_class() -> None:
    model = make_model(None, loss="binary_cross_entropy")
    model.load_state_dict({name: 0 * value for name, value in model.state_dict().items()})
    assert set(model.predict(BINARY).ravel().tolist()) == {0.5}
    assert set(model.predict_classes(BINARY).tolist()) == {0}
    model.threshold = 0.4
    assert set(model.predict_classes(BINARY).tolist()) == {1}


def test_arrays_have_no_model() -> None:
    assert BinaryClassificationEvaluator().score([0, 1], [0.4, 0.6]).threshold == 0.5
    assert RegressionEvaluator().score([1.0, 2.0], [1.0, 2.0]).threshold == 0.1


def test_training_is_judged_by_it() -> None:
    judged = {}
    for threshold in (0.9, 0.0):
        model = make_model(threshold, optimizer=rnn_rust.SGD(0.0))
        history = model.fit(
            BINARY, epochs=1, validation=BINARY, evaluator=BinaryClassificationEvaluator(),
            progress=False,
        )  # fmt: skip
        judged[threshold] = [history[-1]["tp"], history[-1]["validation_tp"]]
        trained = model.train(BINARY, epochs=1)
        assert (trained.train.threshold, trained.test.threshold) == (threshold, threshold)
    assert judged == {0.9: [true_positives(0.9)] * 2, 0.0: [true_positives(0.0)] * 2}


@pytest.mark.parametrize(
    "way",
    [
        lambda model, path: (model.save(path), rnn_rust.load(path))[1],
        lambda model, path: pickle.loads(pickle.dumps(model)),
        lambda model, path: copy.copy(model),
        lambda model, path: copy.deepcopy(model),
        lambda model, path: (
            model.fit(BINARY, epochs=1, callbacks=[Checkpoint(path)], progress=False),
            rnn_rust.load(path),
        )[1],
    ],
)
def test_files_and_copies_keep_it(way: Callable[[Network, Path], Network], tmp_path: Path) -> None:
    for threshold in (0.9, 0.0, None):
        other = way(make_model(threshold), tmp_path / "model")
        assert other.threshold == threshold
        result = BinaryClassificationEvaluator().evaluate(other, BINARY)
        assert result.threshold == (0.5 if threshold is None else threshold)


@pytest.mark.parametrize("value", ["high", np.nan, np.inf, True, [0.5], 10**400])
def test_nonsense_is_refused(value: Any) -> None:
    model = GRU(1, 2, 1)
    model.threshold = np.float32(0.25)  # type: ignore[assignment]

    def set_it() -> None:
        model.threshold = value

    refused(set_it, ParameterError, "threshold")
    assert model.threshold == 0.25
    assert isinstance(model.threshold, float)


@pytest.mark.usefixtures("logger_as_before")
def test_the_command_line_and_python_agree(data: Path) -> None:
    run_well("train", data, "--epochs", 2, "--threshold", 0.3)
    model, dataset = rnn_rust.load("model.safetensors"), Dataset.from_csv(data)
    result = BinaryClassificationEvaluator().evaluate(model, dataset)
    assert result.threshold == 0.3
    assert str(result) in run_well("evaluate", "model.safetensors", data).stdout
    other = BinaryClassificationEvaluator(0.7).evaluate(model, dataset)
    assert str(other) in run_well("evaluate", "model.safetensors", data, "--threshold", 0.7).stdout
