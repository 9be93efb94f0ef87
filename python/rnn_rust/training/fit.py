"""What ``fit`` and ``train`` do: training with validation, evaluations and log lines."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, NamedTuple

from rnn_rust.base.checks import fraction, path_text, positive_integer
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.sequences import require_dataset
from rnn_rust.data.single import of_one
from rnn_rust.data.summary import used_columns
from rnn_rust.errors import ParameterError
from rnn_rust.evaluate import Evaluator, Result, default_evaluator
from rnn_rust.learning.history import History, Record
from rnn_rust.model.inputs import inputs_of
from rnn_rust.model.network import Network
from rnn_rust.model.preparation import LabelledInputs
from rnn_rust.training.callbacks import checked_callbacks
from rnn_rust.training.loop import run
from rnn_rust.training.state import Training

_log = logging.getLogger("rnn_rust")

_OF_RECORDS = ("epoch", "loss", "seconds", "validation_loss")


class TrainResult(NamedTuple):
    """The result of :meth:`rnn_rust.RNN.train`: an evaluation of each part, and the history."""

    train: Result
    test: Result
    history: History


@contextmanager
def unbuilt_if_refused(model: Network) -> Iterator[None]:
    """Leave the sizes of a model as they were if its first training is refused."""
    before = model.architecture
    try:
        yield
    except BaseException:
        if model.epochs_trained == 0 and model.architecture != before:
            model.architecture = before
        raise


def fit(
    model: Network,
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
    resume: str | os.PathLike[str] | None,
) -> History:
    """Carry out :meth:`rnn_rust.RNN.fit`, where arguments, result and errors are described."""
    training = Training(
        model, train, epochs, batch_size, shuffle, progress, validation,
        checked_callbacks(callbacks),
    )  # fmt: skip
    eval_every = positive_integer("eval_every", eval_every)
    _check_evaluator(evaluator)
    if resume is not None:
        resume = path_text("resume", resume)
    if train.keys is not None:
        _log.info("Columns: %s", used_columns(train))
    records = _Records(training, evaluator, eval_every)
    # The engine stops for records only if there is a log, an evaluation or a validation loss.
    is_needed = evaluator is not None or validation is not None or _log.isEnabledFor(logging.INFO)
    return run(
        training, evaluate=lambda: records.evaluation()[1],
        complete_record=records.complete if is_needed else None,
        every=eval_every if validation is None else 1, resume=resume,
    )  # fmt: skip


def _check_evaluator(evaluator: object) -> None:
    """Raise ParameterError unless it is None or has ``evaluate``."""
    no_evaluator = isinstance(evaluator, type) or not hasattr(evaluator, "evaluate")
    if evaluator is not None and no_evaluator:
        raise ParameterError(f"evaluator must be an evaluator (an instance), got {evaluator!r}")


def _require(result: object, *attributes: str) -> None:
    """Raise ParameterError if an evaluator's result lacks an attribute."""
    for name in attributes:
        if not hasattr(result, name):
            raise ParameterError(
                f"what an evaluator returns needs {name} (see rnn_rust.evaluate.Result), and "
                f"{result!r} lacks it"
            )


def _metrics_of(result: Result) -> dict[str, float]:
    """Return the metrics of an evaluation; ParameterError if they do not fit in a record."""
    _require(result, "metrics", "primary_name")
    values = dict(result.metrics())
    for name, value in values.items():
        if name in _OF_RECORDS:
            raise ParameterError(
                f"the evaluator has a metric {name!r}, and records have one of that name; give "
                "it another"
            )
        if not isinstance(value, Real):
            raise ParameterError(f"the evaluator's metric {name!r} must be a number, got {value!r}")
    if result.primary_name not in values:
        raise ParameterError(
            f"the evaluator's primary metric {result.primary_name!r} is not among its metrics: "
            f"{', '.join(map(str, values))}"
        )
    return values


class _Records:
    """Adds the validation loss to the record of an epoch, and metrics if a log line is due."""

    def __init__(self, training: Training, evaluator: Evaluator | None, eval_every: int) -> None:
        self._training, self._evaluator, self._every = training, evaluator, eval_every
        self._parts = {"": training.data}
        if training.validation is not None:
            self._parts["validation_"] = training.validation
        self._held_out: LabelledInputs | None = None

    def evaluation(self) -> tuple[list[str], dict[str, float]]:
        """Return the name of the primary metric, and the metrics of each part with its prefix.

        Both are empty if there is no evaluator.
        """
        if self._evaluator is None:
            return [], {}
        values: dict[str, float] = {}
        for prefix, data in self._parts.items():
            result = self._evaluator.evaluate(self._training.model, data)
            metrics = {prefix + name: value for name, value in _metrics_of(result).items()}
            if clash := metrics.keys() & values.keys():
                name = min(clash)
                raise ParameterError(
                    f"the evaluator has a metric {name!r}, and records have one of that name, "
                    f"{name.removeprefix(prefix)!r} of the validation data; give it another"
                )
            values |= metrics
        return [result.primary_name], values

    def complete(self) -> None:
        """Complete the last record, and log a line if one is due."""
        training, history = self._training, self._training.history
        if training.validation is not None:
            # Prepared only once, after the scaler is fitted.
            self._held_out = self._held_out or training.model.preparation.labelled_inputs(
                training.validation, "the loss"
            )
            loss = training.model.loss_of_arrays(self._held_out)
            history.add_to_last({"validation_loss": loss})
        if _is_due(len(history), self._every, training.epochs):
            primary, values = self.evaluation()
            if values:
                history.add_to_last(values)
            _log.info(_line(history[-1], ["loss", *primary]))


def evaluate(model: Network, data: Any, evaluator: Evaluator | None) -> Result:
    """Carry out :meth:`rnn_rust.RNN.evaluate`."""
    _check_evaluator(evaluator)
    given = inputs_of(model, data, labelled=True).data
    if not isinstance(given, Dataset):
        given = of_one(given)
    if evaluator is None:
        evaluator = default_evaluator(given, loss=model.loss_name)
    return evaluator.evaluate(model, given)


def train(
    model: Network,
    dataset: Dataset,
    *,
    epochs: int,
    train_ratio: float,
    eval_every: int,
    evaluator: Evaluator | None,
) -> TrainResult:
    """Carry out :meth:`rnn_rust.RNN.train`, where arguments, result and errors are described."""
    require_dataset(dataset, "training")
    _check_evaluator(evaluator)
    if evaluator is None:
        evaluator = default_evaluator(dataset, loss=model.loss_name)
    parts = dataset.split(fraction("train_ratio", train_ratio), seed=model.settings["seed"])
    model.build(parts[0])
    parts = tuple(model.preparation.reordered(part) for part in parts)
    model.preparation.check_labelled(parts[1], "the test part")
    training = Training(model, parts[0], epochs, batch_size=1, shuffle=True, progress=True)
    eval_every = positive_integer("eval_every", eval_every)

    def evaluate() -> list[Result]:
        results = [evaluator.evaluate(model, part) for part in parts]
        for result in results:
            _require(result, "primary")
        return results

    def metric_names() -> list[str]:
        evaluate()
        return ["train_accuracy", "test_accuracy"]

    def complete_record() -> None:
        history = training.history
        if not _is_due(len(history), eval_every, training.epochs):
            return
        shares = [result.primary for result in evaluate()]
        history.add_to_last({"train_accuracy": shares[0], "test_accuracy": shares[1]})
        _log.info(
            "Epoch %d: Loss = %g | Train Accuracy: %.2f%% | Test Accuracy: %.2f%%",
            history[-1]["epoch"], history.loss[-1], 100 * shares[0], 100 * shares[1],
        )  # fmt: skip

    history = run(
        training, evaluate=metric_names, complete_record=complete_record, every=eval_every
    )
    results = evaluate()
    for name, result in zip(("Train", "Test"), results, strict=True):
        _log.info("%s evaluation:\n%s", name, result)
    return TrainResult(results[0], results[1], history)


def _is_due(epoch: int, every: int, epochs: int) -> bool:
    """Whether an evaluation follows this epoch: the first, the last, and every ``every``-th."""
    return epoch in (1, epochs) or epoch % every == 0


def _line(record: Record, names: list[str]) -> str:
    """Return one line for the log; each metric with its value on validation data, if any."""
    shown = []
    for name in names:
        other = record.get(f"validation_{name}")
        validation = "" if other is None else f" (validation {other:.4g})"
        shown.append(f"{name} {record[name]:.4g}{validation}")
    return f"Epoch {record['epoch']:.0f}: {', '.join(shown)}"
