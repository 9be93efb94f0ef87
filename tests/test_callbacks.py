"""Callbacks: early stopping and its best weights, loggers, and what a callback may have."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import make_learnable, refused, same_bits

from rnn_rust import (
    RNN,
    SGD,
    Checkpoint,
    CSVLogger,
    Dataset,
    EarlyStopping,
    History,
    JSONLinesLogger,
    RegressionEvaluator,
)
from rnn_rust.errors import DataError, DivergedError, ParameterError
from rnn_rust.learning.history import Record

DATA, OTHER = make_learnable([4, 1, 6, 2, 3, 5, 2], seed=1), make_learnable([3, 3, 5], seed=5)


def make_model(**options: Any) -> RNN:
    return RNN(2, 4, 2, dtype="float64", **{"optimizer": SGD(0.3), "seed": 3} | options)


def fit(model: RNN, *callbacks: Any, epochs: int = 60, **options: Any) -> History:
    return model.fit(
        DATA, epochs=epochs, batch_size=2, callbacks=callbacks, progress=False,
        **{"validation": OTHER} | options,
    )  # fmt: skip


class Snapshots:
    """Keeps the weights after every epoch."""

    def on_begin(self, training: Any) -> None:
        self.model, self.after = training.model, {}

    def __call__(self, record: Record) -> None:
        self.after[record["epoch"]] = RNN(2, 4, 2, dtype="float64").load_state_dict(
            self.model.state_dict()
        )


# Early stopping ------------------------------------------------------------------------------


def test_training_stops_when_nothing_improves_and_the_best_weights_return() -> None:
    model, snapshots, stopping = make_model(), Snapshots(), EarlyStopping(patience=4)
    history = fit(model, snapshots, stopping)
    best = history.best["epoch"]
    assert 1 < best < len(history) == best + 4 < 60
    assert stopping.best_epoch == best
    assert same_bits(model, snapshots.after[best])
    assert model.loss(OTHER) == history.best["validation_loss"] == min(history.to_frame()[:, -1])
    assert model.epochs_trained == len(history)


def test_the_last_weights_stay_where_that_is_wanted() -> None:
    model, snapshots = make_model(), Snapshots()
    history = fit(model, EarlyStopping(patience=4, restore_best=False), snapshots)
    assert len(history) < 60
    assert same_bits(model, snapshots.after[len(history)])


def interrupt(record: Record) -> None:
    if record["epoch"] == 12:
        raise KeyboardInterrupt


def fail(record: Record) -> None:
    if record["epoch"] == 12:
        raise OSError("full")


@pytest.mark.parametrize("end", [interrupt, fail, lambda record: record["epoch"] < 12, None])
def test_the_best_weights_return_however_training_ends(end: Callable[[Record], Any] | None) -> None:
    model, snapshots, stopping = make_model(), Snapshots(), EarlyStopping(patience=50)
    callbacks = [snapshots, stopping] + ([] if end is None else [end])
    if end is fail:
        with pytest.raises(OSError, match="full"):
            fit(model, *callbacks)
    else:
        history = fit(model, *callbacks, epochs=12)
        assert history.interrupted == (end is interrupt)
    assert stopping.best_epoch is not None
    assert stopping.best_epoch < 12
    assert same_bits(model, snapshots.after[stopping.best_epoch])


@pytest.mark.parametrize("restores", [True, False])
def test_an_interruption_says_which_weights_there_are(
    restores: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = EarlyStopping(patience=50, restore_best=restores)
    fit(make_model(), stopping, interrupt)
    kept = "the weights of the last finished update are kept"
    if restores:
        kept = f"the weights of epoch {stopping.best_epoch}, the best one, are restored"
    assert caplog.messages[-1] == f"Interrupted after 12 of 60 epochs; {kept}"


def test_the_best_weights_return_after_divergence() -> None:
    snapshots = Snapshots()
    model = make_model(optimizer=SGD(lambda epoch: 0.3 if epoch < 12 else 1e300))
    with pytest.raises(DivergedError):
        fit(model, snapshots, EarlyStopping(patience=50))
    best = min(snapshots.after.values(), key=lambda snapshot: snapshot.loss(OTHER))
    assert same_bits(model, best)


def test_patience_counts_evaluations() -> None:
    evaluator = RegressionEvaluator()
    stopping = EarlyStopping("validation_r2", patience=3, min_delta=1e9, mode="max")
    history = fit(make_model(), stopping, evaluator=evaluator, eval_every=5)
    assert len(history) == 15  # the first, and 3 more after 5, 10 and 15 epochs
    assert stopping.best_epoch == 1


def test_one_object_serves_one_training_after_the_other() -> None:
    stopping = EarlyStopping(patience=4)
    lengths = [len(fit(make_model(), stopping)) for _ in range(2)]
    assert lengths[0] == lengths[1] < 60


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: EarlyStopping("r2"), "mode='max'"),
        (lambda: EarlyStopping(mode="up"), "mode"),
        (lambda: EarlyStopping(None), "monitor"),  # type: ignore[arg-type]
        (lambda: EarlyStopping(patience=0), "patience"),
        (lambda: EarlyStopping(min_delta=-1), "min_delta"),
        (lambda: EarlyStopping(restore_best=1), "restore_best"),  # type: ignore[arg-type]
        (lambda: Checkpoint("x", every=0), "every"),
        (lambda: Checkpoint(""), "path"),
        (lambda: Checkpoint("/"), "path"),
        (lambda: Checkpoint("x", keep_best="recall"), "mode='max'"),
        (lambda: Checkpoint("x", mode="max"), "keep_best"),
    ],
)
def test_a_setting_outside_its_values_is_refused_by_name(make: Any, word: str) -> None:
    refused(make, ParameterError, word)


def test_what_cannot_be_monitored_is_refused_before_training(tmp_path: Path) -> None:
    model = make_model()
    for callback in (EarlyStopping(), Checkpoint(tmp_path / "c", keep_best="validation_loss")):
        refused(lambda c=callback: fit(model, c, validation=None), ParameterError, "has loss;")  # type: ignore[misc]
    wrong = EarlyStopping("mse", mode="min")
    refused(lambda: fit(model, wrong), ParameterError, "'mse'", "loss, validation_loss")
    evaluator = RegressionEvaluator()
    refused(lambda: fit(model, wrong, evaluator=evaluator), ParameterError, "rmse", "validation_r2")
    assert model.epochs_trained == 0
    assert list(tmp_path.iterdir()) == []


# What a callback may have --------------------------------------------------------------------


class Calls:
    def __init__(self, every: int) -> None:
        self.every = every
        self.seen: list[Any] = []

    def on_begin(self, training: Any) -> None:
        self.seen.append(("begin", len(training.history), training.epochs, training.metrics))

    def __call__(self, record: Record) -> None:
        self.seen.append(record["epoch"])

    def on_end(self, training: Any) -> None:
        self.seen.append(("end", len(training.history)))


@pytest.mark.parametrize("every", [0, -1, 2.5, "2", None])
def test_a_period_that_is_none_is_refused(every: Any) -> None:
    model = make_model()
    refused(lambda: fit(model, Calls(every)), ParameterError, "Calls.every")
    assert model.epochs_trained == 0


@pytest.mark.parametrize("evaluator", [None, RegressionEvaluator()])
@pytest.mark.parametrize("validation", [None, OTHER])
def test_a_callback_is_called_every_so_often_and_last(evaluator: Any, validation: Any) -> None:
    some, few = Calls(3), Calls(5)
    options = {"evaluator": evaluator, "validation": validation, "eval_every": 4}
    fit(make_model(), some, few, epochs=11, **options)
    figures = some.seen[0][3]
    assert ("validation_loss" in figures, "mae" in figures) == (bool(validation), bool(evaluator))
    assert some.seen == [("begin", 0, 11, figures), 3, 6, 9, 11, ("end", 11)]
    assert few.seen == [("begin", 0, 11, figures), 5, 10, 11, ("end", 11)]


def test_the_last_epoch_has_a_call_also_when_training_is_stopped() -> None:
    often, rarely = Calls(1), Calls(5)
    fit(make_model(), rarely, lambda record: record["epoch"] < 7, often)
    assert rarely.seen[1:] == [5, 7, ("end", 7)]
    assert often.seen[1:] == [1, 2, 3, 4, 5, 6, 7, ("end", 7)]


def test_the_end_comes_for_those_that_began() -> None:
    def refuse(training: Any) -> None:
        raise OSError("no")

    first, second, third = Calls(1), Calls(1), Calls(1)
    second.on_begin = refuse  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no"):
        fit(make_model(), first, second, third)
    assert [len(calls.seen) for calls in (first, second, third)] == [2, 0, 0]


def test_a_class_in_place_of_a_callback_is_refused() -> None:
    refused(lambda: fit(make_model(), EarlyStopping), ParameterError, "callbacks", "EarlyStopping")


def test_a_checkpoint_stays_where_it_was_when_training_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    keeps = Checkpoint("kept", keep_best="loss")
    fit(make_model(), keeps, lambda record: os.chdir(elsewhere), epochs=3)
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "kept", "kept.best"]
    assert os.listdir(elsewhere) == []


# History.best --------------------------------------------------------------------------------


def test_the_best_record() -> None:
    refused(lambda: History().best, DataError, "epoch")
    history = History(first_epoch=10)
    history.extend([3.0, np.nan, 1.0, 1.0], [0.1] * 4)
    assert history.best == history[2]
    assert history.best["epoch"] == 13
    history.add_to_last({"validation_loss": 5.0})
    assert history.best == history[3]


def test_the_best_record_of_many_epochs_is_found_fast() -> None:
    data = Dataset.from_arrays(np.ones((1, 1)), np.ones((1, 1)), [0, 1])
    history = RNN(1, 1, 1).fit(data, epochs=200_000, progress=False)
    assert history.best["loss"] == min(history.loss)


# After the training ---------------------------------------------------------------------------


def test_a_callback_lets_go_of_its_training(tmp_path: Path) -> None:
    """One that is kept keeps neither data nor model alive, and can be copied and pickled."""
    callbacks = [
        EarlyStopping(patience=4),
        Checkpoint(tmp_path / "training.checkpoint", keep_best="loss"),
        CSVLogger(tmp_path / "log.csv"),
        JSONLinesLogger(tmp_path / "log.jsonl"),
    ]
    data = make_learnable([4, 2], seed=7)
    model, seen = make_model(), weakref.ref(data)
    kept = weakref.ref(model)
    model.fit(data, epochs=2, callbacks=callbacks, validation=OTHER, progress=False)
    with pytest.raises(ParameterError):
        model.fit(
            data, epochs=2, progress=False,
            callbacks=[*callbacks, Checkpoint(tmp_path / "other", keep_best="validation_loss")],
        )  # fmt: skip
    for callback in callbacks:
        assert type(copy.deepcopy(callback)) is type(callback)
        assert type(pickle.loads(pickle.dumps(callback))) is type(callback)
    del data, model
    gc.collect()
    assert seen() is None
    assert kept() is None


def test_a_callback_with_a_state_is_not_given_twice(tmp_path: Path) -> None:
    """It would count every epoch twice."""
    for callback in (EarlyStopping(), Checkpoint(tmp_path / "a"), CSVLogger(tmp_path / "b")):
        with pytest.raises(ParameterError, match=f"the same {type(callback).__name__} twice"):
            fit(make_model(), callback, callback)
    seen: list[float] = []
    fit(make_model(), *[lambda record: seen.append(record["epoch"])] * 2, epochs=2)
    assert seen == [1, 1, 2, 2]
