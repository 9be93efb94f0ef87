"""The training loop around the engine: what happens between epochs, records, Ctrl-C.

The engine trains for as many epochs as pass until something else is to be done (an evaluation, a
callback, a new state of the progress bar), so that a million short epochs cost a few crossings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnn_rust.checks import open_share, truth, whole_number
from rnn_rust.errors import ParameterError
from rnn_rust.history import History, Record
from rnn_rust.inputs import LabelledInputs, check_dataset, check_labelled, labelled_inputs
from rnn_rust.progress import Progress

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.evaluate import Evaluator, Result
    from rnn_rust.model import RNN

_log = logging.getLogger("rnn_rust")

# Seconds of training between two states of the progress bar.
_REFRESH = 0.1


class Trained(NamedTuple):
    """What :meth:`rnn_rust.RNN.train` returns: an evaluation of either part, and the record."""

    train: Result
    test: Result
    history: History


def fit(
    model: RNN,
    train: Dataset,
    *,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    validation: Dataset | None,
    evaluator: Evaluator | None,
    eval_every: int,
    callbacks: Iterable[Callable[[Record], object]],
    progress: bool,
) -> History:
    """Carry out :meth:`rnn_rust.RNN.fit`, where arguments, result and errors are described."""
    loop = _Loop(model, train, epochs, batch_size, shuffle, eval_every, progress)
    callbacks = _checked_callbacks(callbacks)
    no_evaluator = isinstance(evaluator, type) or not hasattr(evaluator, "evaluate")
    if evaluator is not None and no_evaluator:
        raise ParameterError(f"evaluator must be an evaluator (an instance), got {evaluator!r}")
    if validation is not None:
        check_dataset("validation", validation)
        check_labelled(model, validation, "validation")

    def after(history: History) -> object:
        if validation is not None:
            history.add_to_last({"validation_loss": model.loss(validation)})
        if loop.is_due(len(history)):
            shown = ["loss"]
            if evaluator is not None:
                shown.append(_evaluate(history, model, evaluator, train, validation))
            _log.info(_line(history[-1], shown))
        answers = [callback(history[-1]) for callback in callbacks]
        return not any(isinstance(answer, bool | np.bool_) and not answer for answer in answers)

    def check() -> None:
        for data in (train, validation):
            if evaluator is not None and data is not None:
                evaluator.evaluate(model, data)

    if validation is not None or callbacks:
        return loop.run(after, 1, check)
    return loop.run(after if evaluator is not None else None, loop.eval_every, check)


def train(
    model: RNN,
    dataset: Dataset,
    *,
    epochs: int,
    train_ratio: float,
    eval_every: int,
    evaluator: Evaluator | None,
) -> Trained:
    """Carry out :meth:`rnn_rust.RNN.train`, where arguments, result and errors are described."""
    from rnn_rust.evaluate import default_evaluator

    check_dataset("training", dataset)
    judge = default_evaluator(dataset) if evaluator is None else evaluator
    parts = dataset.split(open_share("train_ratio", train_ratio), seed=model.settings["seed"])
    check_labelled(model, parts[1], "the test part")
    loop = _Loop(model, parts[0], epochs, 1, True, eval_every, progress=True)

    def after(history: History) -> None:
        shares = [judge.evaluate(model, part).primary for part in parts]
        history.add_to_last({"train_accuracy": shares[0], "test_accuracy": shares[1]})
        _log.info(
            "Epoch %d: Loss = %g | Train Accuracy: %.2f%% | Test Accuracy: %.2f%%",
            history[-1]["epoch"], history.loss[-1], 100 * shares[0], 100 * shares[1],
        )  # fmt: skip

    history = loop.run(
        after, loop.eval_every, check=lambda: [judge.evaluate(model, part) for part in parts]
    )
    results = [judge.evaluate(model, part) for part in parts]
    for name, result in zip(("Train", "Test"), results, strict=True):
        _log.info("%s evaluation:\n%s", name, result)
    return Trained(results[0], results[1], history)


@dataclass
class _Loop:
    """One call's passage over the data."""

    model: RNN
    data: Dataset
    epochs: int
    batch_size: int
    shuffle: bool
    eval_every: int
    progress: bool

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "eval_every"):
            setattr(self, name, whole_number(name, getattr(self, name), least=1))
        truth("shuffle", self.shuffle)
        check_dataset("training", self.data)
        check_labelled(self.model, self.data, "training")

    def is_due(self, epoch: int) -> bool:
        """Whether an evaluation follows this epoch of the call."""
        return epoch == 1 or epoch % self.eval_every == 0 or epoch == self.epochs

    def run(
        self,
        after: Callable[[History], object] | None,
        every: int,
        check: Callable[[], object] | None = None,
    ) -> History:
        """Train; call ``after`` every so many epochs, first and last, until it returns False.

        ``check`` is called before the first: what it refuses leaves the weights as they were.
        """
        arrays = self._prepare()
        if check:
            check()
        history = History(self.model.epochs_trained)
        try:
            with Progress(self.epochs, enabled=self.progress) as bar:
                while len(history) < self.epochs:
                    done = len(history)
                    stop_at = self._next_stop(done, every) if after else self.epochs
                    self._advance(arrays, history, stop_at)
                    if after and len(history) == stop_at and after(history) is False:
                        break
                    bar.update(len(history), history.loss[-1])
        except KeyboardInterrupt:
            history.interrupted = True
            _log.warning(
                "Interrupted after %d of %d epochs; the weights of the last finished update "
                "are kept", len(history), self.epochs,
            )  # fmt: skip
        return history

    def _next_stop(self, done: int, every: int) -> int:
        """Return the epoch at which the engine is to stop next."""
        return min(1 if done == 0 else self.epochs, (done // every + 1) * every, self.epochs)

    def _prepare(self) -> LabelledInputs:
        """Fit the scaler if that is still to be done; return what the engine takes."""
        model = self.model
        if model.scaler is not None and not model.scaler.is_fitted:
            model.scaler.fit(self.data)
        arrays = labelled_inputs(model, self.data, "training")
        model.feature_names, model.label_names = self.data.feature_names, self.data.label_names
        return arrays

    def _advance(self, arrays: LabelledInputs, history: History, stop_at: int) -> None:
        """Train up to epoch ``stop_at``, or until the bar is to be refreshed."""
        plan = self.model._plan(
            begins=len(history) == 0,
            epochs=stop_at - len(history),
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            time_budget=_REFRESH if self.progress else None,
        )
        losses, seconds, stop = self.model._core.train(*arrays, plan)
        history.extend(losses, seconds)
        self.model.epochs_trained += len(losses)
        if stop is not None:
            raise stop


def _checked_callbacks(
    callbacks: Iterable[Callable[[Record], object]],
) -> tuple[Callable[[Record], object], ...]:
    if not isinstance(callbacks, Iterable):
        raise ParameterError(f"callbacks must be a sequence of functions, got {callbacks!r}")
    given = tuple(callbacks)
    if strange := [callback for callback in given if not callable(callback)]:
        raise ParameterError(f"callbacks must be functions, got {strange[0]!r}")
    return given


def _evaluate(
    history: History,
    model: RNN,
    evaluator: Evaluator,
    train: Dataset,
    validation: Dataset | None,
) -> str:
    """Record all figures of the training data and, as ``validation_…``, of the validation data.

    Returns the name of the primary figure.
    """
    for prefix, data in (("", train), ("validation_", validation)):
        if data is not None:
            result = evaluator.evaluate(model, data)
            history.add_to_last({prefix + name: v for name, v in result.metrics().items()})
            name = result.primary_name
    return name


def _line(record: Record, names: list[str]) -> str:
    """Return one line for the log, each figure with that of the validation data if there is one."""
    shown = []
    for name in names:
        other = record.get(f"validation_{name}")
        validation = "" if other is None else f" (validation {other:.4g})"
        shown.append(f"{name} {record[name]:.4g}{validation}")
    return f"Epoch {record['epoch']:.0f}: {', '.join(shown)}"
