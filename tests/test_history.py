"""The record of a training: history, callbacks, evaluations and log lines."""

from __future__ import annotations

import logging
import pickle
import re
from typing import Any

import polars as pl
import pytest
from conftest import RunPython
from oracle import make_data, refused

from rnn_rust import RNN, SGD, History, RegressionEvaluator
from rnn_rust.errors import DataError, ParameterError
from rnn_rust.learning.history import Record

DATA = make_data([4, 1, 6, 2, 3, 5, 2], 2, 2, missing=0.3)


@pytest.fixture
def model() -> RNN:
    return RNN(2, 4, 2, dtype="float64", optimizer=SGD(0.05))


def test_history_has_one_record_per_epoch(model: RNN) -> None:
    seen: list[Record] = []
    history = model.fit(DATA, epochs=3, validation=DATA, callbacks=[seen.append], progress=False)
    assert isinstance(history, History)
    assert len(history) == 3
    assert seen == history.records == list(history)
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert list(history[0]) == ["epoch", "loss", "seconds", "validation_loss"]
    assert history[-1]["validation_loss"] == model.loss(DATA)
    assert history.loss[0] > history.loss[-1]
    assert all(seconds > 0 for seconds in history.seconds)
    assert not history.interrupted
    again = model.fit(DATA, epochs=1, progress=False)
    assert again[0]["epoch"] == 4
    assert again[0]["loss"] == pytest.approx(history[-1]["validation_loss"])
    assert model.epochs_trained == 4
    with pytest.raises(IndexError):
        again[1]


def test_a_callback_that_returns_false_ends_training(model: RNN) -> None:
    history = model.fit(
        DATA, epochs=100, progress=False,
        callbacks=[lambda record: record["epoch"] < 4, lambda record: None, lambda record: 0],
    )  # fmt: skip
    assert len(history) == model.epochs_trained == 4
    assert not history.interrupted


def test_what_a_callback_raises_reaches_the_caller(model: RNN) -> None:
    def fail(record: Record) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        model.fit(DATA, epochs=5, callbacks=[fail], progress=False)
    assert model.epochs_trained == 1


# Epochs, eval_every, and the epochs that are evaluated.
Schedule = tuple[int, int, list[int]]
SCHEDULES: list[Schedule] = [
    (7, 3, [1, 3, 6, 7]),
    (4, 2, [1, 2, 4]),
    (3, 1, [1, 2, 3]),
    (5, 10, [1, 5]),
    (5, 5, [1, 5]),
    (1, 10, [1]),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("callbacks", [[], [bool]])
def test_evaluations_come_first_last_and_in_between(
    model: RNN, schedule: Schedule, callbacks: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    epochs, every, evaluated = schedule
    evaluator = RegressionEvaluator()
    model.fit(DATA, epochs=2, progress=False)
    with caplog.at_level(logging.INFO, logger="rnn_rust"):
        history = model.fit(
            DATA, epochs=epochs, eval_every=every, evaluator=evaluator, callbacks=callbacks,
            progress=False,
        )  # fmt: skip
    assert [at for at, record in enumerate(history, 1) if "mae" in record] == evaluated
    assert history[-1].items() >= evaluator.evaluate(model, DATA).metrics().items()
    heads = [line.split(": loss ")[0] for line in caplog.messages]
    assert heads == [f"Epoch {at + 2}" for at in evaluated]


def test_evaluations_of_the_validation_data(model: RNN, caplog: pytest.LogCaptureFixture) -> None:
    train, test = DATA.subset([0, 1, 2, 3]), DATA.subset([4, 5, 6])
    evaluator = RegressionEvaluator()
    with caplog.at_level(logging.INFO, logger="rnn_rust"):
        history = model.fit(
            train, epochs=4, validation=test, evaluator=evaluator, eval_every=3, progress=False
        )
    metrics = evaluator.evaluate(model, test).metrics()
    assert {name: history[-1]["validation_" + name] for name in metrics} == metrics
    number = r"[-+.e\d]+"
    both = rf"{number} \(validation {number}\)"
    assert len(caplog.messages) == 3
    for line in caplog.messages:
        assert re.fullmatch(rf"Epoch \d: loss {both}, within_threshold {both}", line)
    frame = history.to_frame()
    assert isinstance(frame, pl.DataFrame)
    assert frame["epoch"].to_list() == [1, 2, 3, 4]
    assert frame["validation_loss"].null_count() == 0
    assert frame["validation_mae"].is_null().to_list() == [False, True, False, False]
    assert frame["loss"].to_list() == history.loss


def test_the_library_is_silent_by_default(run_python: RunPython) -> None:
    done = run_python(
        "import rnn_rust as rnn\n"
        "data = rnn.Dataset.from_arrays([0.0, 1, 2, 3], [0.0, 1, 0, 1], [0, 1, 2, 3, 4])\n"
        "rnn.RNN(1, 2, 1).train(data, epochs=3, train_ratio=0.5)\n"
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_pickle_of_an_earlier_version_is_read() -> None:
    """Which kept the metrics of each record together."""
    old, now = History.__new__(History), History(first_epoch=2)
    old.__setstate__({
        "first_epoch": 2, "loss": [0.5, 0.25, 0.2], "seconds": [0.1] * 3, "interrupted": False,
        "_more": {0: {"mae": 3.0}, 2: {"mae": 1.0, "top": 2.0}},
    })  # fmt: skip
    now.extend([0.5], [0.1])
    now.add_to_last({"mae": 3.0})
    now.extend([0.25, 0.2], [0.1] * 2)
    now.add_to_last({"mae": 1.0, "top": 2.0})
    assert old.records == now.records == pickle.loads(pickle.dumps(now)).records
    assert vars(old) == vars(now)


@pytest.mark.parametrize("wrong", [None, "0.5", [1.0], object], ids=str)
def test_a_metric_that_is_no_number_is_refused(wrong: Any) -> None:
    history = History()
    history.extend([0.5], [0.1])
    values = {"mae": 0.25, "top": wrong}
    refused(lambda: history.add_to_last(values), DataError, "metric 'top' is", "give a number")
    assert history.records == [{"epoch": 1, "loss": 0.5, "seconds": 0.1}]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_train_evaluates_first_last_and_in_between(model: RNN, schedule: Schedule) -> None:
    epochs, every, evaluated = schedule
    history = model.train(DATA, epochs, eval_every=every).history
    assert [at for at, record in enumerate(history, 1) if "test_accuracy" in record] == evaluated


class Measures:
    """An evaluator whose metrics are given."""

    primary_name = "mad"

    def __init__(self, **metrics: Any) -> None:
        self._metrics = metrics

    def evaluate(self, model: Any, data: Any) -> Any:
        return self

    def metrics(self) -> dict[str, Any]:
        return self._metrics


def test_a_metric_with_the_name_of_one_of_the_validation_data_is_refused(model: RNN) -> None:
    options: dict[str, Any] = {"evaluator": Measures(mad=10, validation_mad=-1), "progress": False}
    refused(
        lambda: model.fit(DATA, epochs=1, validation=DATA, **options),
        ParameterError, "'validation_mad'", "'mad' of the validation data",
    )  # fmt: skip
    assert model.epochs_trained == 0
    assert model.fit(DATA, epochs=1, **options)[-1]["validation_mad"] == -1
