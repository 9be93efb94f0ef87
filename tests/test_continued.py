"""A training that is continued with other callbacks: what counts on, what begins, what is refused.

The right result is that of an uninterrupted training: one with the callbacks as they are after the
break, where these only differ in how long they wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import make_learnable, refused, same_bits
from test_checkpoint import KilledError, fit, killed_after, make_model, path, untimed

import rnn_rust
from rnn_rust import Checkpoint, CSVLogger, EarlyStopping, RegressionEvaluator
from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.learning.history import Record

__all__ = ["path"]


def stopped(path: Path, *callbacks: Any, epochs: int = 60) -> int:
    """Train with a checkpoint until the callbacks end it; return after how many epochs."""
    length = len(fit(make_model(), *callbacks, Checkpoint(path), epochs=epochs))
    assert length < epochs
    return length


# Early stopping ------------------------------------------------------------------------------


@pytest.mark.parametrize("restore_best", [True, False])
def test_more_patience_goes_on_as_if_it_had_been_there_from_the_start(
    path: Path, restore_best: bool
) -> None:
    short = stopped(path, EarlyStopping(patience=2, restore_best=restore_best))
    whole, model = make_model(), make_model()
    expected = fit(whole, EarlyStopping(patience=5, restore_best=restore_best), epochs=90)
    assert short < len(expected) < 90
    stopping = EarlyStopping(patience=5, restore_best=restore_best)
    history = fit(model, stopping, Checkpoint(path), epochs=90, resume=path)
    assert untimed(history) == untimed(expected)
    assert same_bits(model, whole)
    assert stopping.best_epoch == expected.best["epoch"]


def test_less_patience_than_was_waited_ends_at_once(path: Path) -> None:
    long = stopped(path, EarlyStopping(patience=4))
    model, stopping = make_model(), EarlyStopping(patience=3)
    history = fit(model, stopping, epochs=60, resume=path)
    assert len(history) == long
    best = make_model()
    fit(best, epochs=long - 4)
    assert stopping.best_epoch == long - 4
    assert same_bits(model, best)


def test_unchanged_it_ends_at_once_with_the_best_weights(path: Path) -> None:
    first, again = make_model(), make_model()
    expected = fit(first, EarlyStopping(patience=2), Checkpoint(path), epochs=60)
    for _ in range(2):
        again = make_model()
        history = fit(again, EarlyStopping(patience=2), Checkpoint(path), epochs=90, resume=path)
        assert untimed(history) == untimed(expected)
        assert same_bits(again, first)


def test_without_early_stopping_training_goes_on(path: Path) -> None:
    short = stopped(path, EarlyStopping(patience=2))
    whole, model = make_model(), make_model()
    expected = fit(whole, epochs=short + 7)
    history = fit(model, epochs=short + 7, resume=path)
    assert untimed(history) == untimed(expected)
    assert same_bits(model, whole)


def test_early_stopping_that_is_added_begins_there(path: Path) -> None:
    fit(make_model(), Checkpoint(path), epochs=5)
    stopping = EarlyStopping("loss", patience=3, min_delta=1e9)
    history = fit(make_model(), stopping, epochs=60, resume=path)
    assert len(history) == 5 + 1 + 3
    assert stopping.best_epoch == 6


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (EarlyStopping("loss"), ["monitor='validation_loss'", "now EarlyStopping(monitor='loss'"]),
        (EarlyStopping(mode="max"), ["mode='min'", "now", "mode='max'"]),
    ],
)
def test_another_figure_or_direction_is_refused(
    other: EarlyStopping, words: list[str], path: Path
) -> None:
    stopped(path, EarlyStopping(patience=2))
    before, model = path.read_bytes(), make_model()
    refused(
        lambda: fit(model, other, Checkpoint(path), epochs=60, resume=path),
        ParameterError, str(path), "EarlyStopping", *words,
    )  # fmt: skip
    assert same_bits(model, make_model())
    assert model.epochs_trained == 0
    assert path.read_bytes() == before


def test_a_changed_min_delta_counts_from_there(path: Path) -> None:
    stopped(path, EarlyStopping("loss", patience=2, min_delta=1e9))
    stopping = EarlyStopping("loss", patience=3, min_delta=0.0)
    # The best value is still that of epoch 1, and any gain on it is one.
    history = fit(make_model(), stopping, epochs=9, resume=path)
    assert stopping.best_epoch == 1 + int(np.argmin(history.loss))


def test_best_weights_that_were_not_kept_cannot_be_restored(path: Path) -> None:
    short = stopped(path, EarlyStopping(patience=2, restore_best=False))
    model = make_model()
    refused(
        lambda: fit(model, EarlyStopping(patience=2), resume=path, epochs=60),
        ParameterError, str(path), "restore_best", f"epoch {short - 2}",
    )  # fmt: skip
    assert same_bits(model, make_model())


def test_best_weights_that_are_no_longer_wanted_stay_away(path: Path) -> None:
    short = stopped(path, EarlyStopping(patience=2))
    model, last = make_model(), make_model()
    fit(model, EarlyStopping(patience=2, restore_best=False), resume=path, epochs=60)
    fit(last, epochs=short)
    assert same_bits(model, last)


def test_of_two_each_goes_on_with_what_it_has_seen_itself(path: Path) -> None:
    def two(patience: int) -> list[EarlyStopping]:
        return [EarlyStopping("loss", patience=40), EarlyStopping(patience=patience)]

    whole, model, expected = make_model(), make_model(), two(9)
    fit(whole, *expected, epochs=60)
    stopped(path, *two(2))
    again = two(9)
    fit(model, *again[::-1], epochs=60, resume=path)
    assert [each.best_epoch for each in again] == [each.best_epoch for each in expected]
    assert model.epochs_trained == whole.epochs_trained
    # One of them alone: the other one's end is none.
    alone = make_model()
    assert len(fit(alone, EarlyStopping("loss", patience=40), epochs=30, resume=path)) == 30


# Functions and other callbacks ---------------------------------------------------------------


def until(epoch: int) -> Any:
    return lambda record: record["epoch"] < epoch


class Until:
    """Ends a training, and says nothing of it in its state."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __call__(self, record: Record) -> bool:
        return record["epoch"] < self.epoch

    def state_dict(self) -> dict[str, Any]:
        return {"seen": 1}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {"seen": 1}


@pytest.mark.parametrize("make", [until, Until])
def test_what_ended_a_training_ends_it_again(make: Any, path: Path) -> None:
    first, again = make_model(), make_model()
    fit(first, make(5), EarlyStopping(), Checkpoint(path, every=9))
    assert len(fit(again, make(5), EarlyStopping(), epochs=60, resume=path)) == 5
    assert same_bits(first, again)


def test_a_function_is_asked_again_and_others_are_not(path: Path) -> None:
    stopped(path, until(5))
    model, whole, calls = make_model(), make_model(), []
    history = fit(model, until(8), lambda record: calls.append(record["epoch"]), resume=path)
    fit(whole, epochs=8)
    assert len(history) == 8
    assert calls == [6, 7, 8]
    assert same_bits(model, whole)


def test_of_two_functions_of_one_name_the_right_one_is_asked(path: Path) -> None:
    calls: list[float] = []

    def callbacks(epoch: int) -> list[Any]:
        return [lambda r: calls.append(r["epoch"]), lambda r: r["epoch"] < epoch]

    stopped(path, *callbacks(5))
    assert len(fit(make_model(), *callbacks(5), resume=path)) == 5
    assert len(fit(make_model(), *callbacks(7), resume=path)) == 7
    assert calls == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("make", [until, Until])
def test_without_what_ended_it_a_training_goes_on(make: Any, path: Path) -> None:
    stopped(path, make(5), EarlyStopping())
    assert len(fit(make_model(), EarlyStopping(patience=50), resume=path)) == 12


def test_an_end_says_who_caused_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stopped(path, EarlyStopping(patience=2))
    with caplog.at_level("INFO", "rnn_rust"):
        fit(make_model(), EarlyStopping(patience=2), epochs=60, resume=path)
    assert "This training is over: EarlyStopping ended it" in caplog.messages


def test_a_checkpoint_has_what_everybody_saw_at_an_early_end(path: Path) -> None:
    class Rarely:
        every = 50

        def __init__(self) -> None:
            self.seen: list[float] = []

        def __call__(self, record: Record) -> None:
            self.seen.append(record["epoch"])

        def state_dict(self) -> dict[str, Any]:
            return {"seen": np.array(self.seen)}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.seen = state["seen"].tolist()

    stopped(path, Rarely(), until(5))
    rarely = Rarely()
    fit(make_model(), rarely, until(5), resume=path)
    assert rarely.seen == [5]


# Checkpoints and logs ------------------------------------------------------------------------


def test_a_checkpoint_of_another_best_figure_is_refused(path: Path) -> None:
    fit(make_model(), Checkpoint(path, keep_best="validation_loss"), epochs=5)
    best = Checkpoint(path).best_path.read_bytes()
    other = Checkpoint(path, keep_best="loss")
    refused(
        lambda: fit(make_model(), other, resume=path), ParameterError,
        "Checkpoint(keep_best='validation_loss', mode='min') (now Checkpoint(keep_best='loss'",
    )  # fmt: skip
    assert Checkpoint(path).best_path.read_bytes() == best
    assert len(fit(make_model(), Checkpoint(path), resume=path)) == 12
    evaluator = RegressionEvaluator()
    added = Checkpoint(path, keep_best="validation_r2", mode="max")
    history = fit(make_model(), added, epochs=20, eval_every=1, evaluator=evaluator, resume=path)
    values = [record["validation_r2"] for record in history.records[12:]]
    loaded = rnn_rust.load(added.best_path)
    assert loaded.epochs_trained == 13 + int(np.argmax(values))


def test_a_log_is_whole_after_a_training_that_was_over(path: Path) -> None:
    log = path.with_name("log.csv")
    short = stopped(path, EarlyStopping(patience=2))
    fit(make_model(), EarlyStopping(patience=2), CSVLogger(log), epochs=60, resume=path)
    assert len(log.read_text().splitlines()) == 1 + short


# Damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        {}, {"best": "0.1"}, {"best": float("nan")}, {"waited": -1}, {"waited": None},
        {"weights": {"head.bias": np.zeros(2)}}, {"weights": 3},
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused_before_training(damage: dict[str, Any], path: Path) -> None:
    class Damaged(EarlyStopping):
        def state_dict(self) -> dict[str, Any]:
            return super().state_dict() | damage if damage else {"best": 1.0}

    Damaged.__name__ = "EarlyStopping"
    if damage.get("best") != damage.get("best"):
        refused(
            lambda: fit(make_model(), Damaged(), Checkpoint(path)), ParameterError, "finite numbers"
        )
        return
    fit(make_model(), Damaged(), Checkpoint(path), epochs=3)
    model = make_model()
    refused(
        lambda: fit(model, EarlyStopping(), resume=path),
        ModelFileError, str(path), "EarlyStopping", "damaged",
    )  # fmt: skip
    assert same_bits(model, make_model())
    assert model.epochs_trained == 0


def test_a_state_without_a_way_back_is_refused(path: Path) -> None:
    class Half(EarlyStopping):
        load_state_dict = property()  # type: ignore[assignment]

    Half.__name__ = "EarlyStopping"
    fit(make_model(), EarlyStopping(), Checkpoint(path), epochs=3)
    refused(lambda: fit(make_model(), Half(), resume=path), ParameterError, "load_state_dict")


def test_killed_often_with_all_callbacks_it_ends_with_the_same_bits(path: Path) -> None:
    data = make_learnable([3, 2, 5], seed=9)

    def train(*more: Any, **options: Any) -> Any:
        model = make_model("plateau")
        callbacks = [EarlyStopping("loss", patience=30), EarlyStopping(patience=20), until(25)]
        return model, fit(model, *callbacks, *more, train=data, epochs=40, **options)

    whole, expected = train()
    for epoch in (3, 4, 11, 24):
        with pytest.raises(KilledError):
            train(Checkpoint(path, keep_best="loss"), killed_after(epoch), resume=path)
    model, history = train(Checkpoint(path, keep_best="loss"), resume=path)
    assert untimed(history) == untimed(expected)
    assert same_bits(model, whole)
