"""Training on the command line, from splitting to saving, for ``train`` and the demos."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rnn_rust.base.checks import counted
from rnn_rust.cli.defaults import columns_with_gaps
from rnn_rust.cli.errors import INTERRUPTED
from rnn_rust.data.order import with_label_levels
from rnn_rust.errors import DataError, WriteError
from rnn_rust.learning.labels import occurring_classes
from rnn_rust.training.callbacks import Checkpoint, EarlyStopping
from rnn_rust.training.loggers import CSVLogger, JSONLinesLogger

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.evaluate import Evaluator
    from rnn_rust.learning.history import History
    from rnn_rust.models import Model

_log = logging.getLogger("rnn_rust")

LOGGERS: dict[str, Callable[[Path], Any]] = {".csv": CSVLogger, ".jsonl": JSONLinesLogger}
"""Loggers by the suffix of the log file."""


class DataSplit(NamedTuple):
    """The data for training, for early stopping, and for the final evaluation.

    Attributes
    ----------
    train, validation, test
        The parts; ``validation`` is None without early stopping.
    past
        The training and the validation part together, used to choose a model's settings.
    obstacle
        Why there is no validation part although one was wanted.
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset
    past: Dataset
    obstacle: str | None = None

    @classmethod
    def of(cls, train: Dataset, test: Dataset, *, patience: int | None, **how: Any) -> DataSplit:
        """With ``patience``, split a fifth off the training part for validation, if it is enough.

        Raises
        ------
        DataError
            A part has no label.
        """
        if patience is None:
            return cls(train, None, test, past=train)._checked()
        if len(train) < _LEAST_TO_SPLIT:
            few = f"{counted(len(train), 'sequence spares', 'sequences spare')} none for it"
            return cls(train, None, test, past=train, obstacle=few)._checked()
        earlier, validation = train.split(0.8, **how)
        return cls(earlier, validation, test, past=train)._checked()

    @classmethod
    def cut(cls, dataset: Dataset, instants: Iterable[str], *, patience: int | None) -> DataSplit:
        """Cut at one instant, or at two with the validation part between them.

        With one instant, the validation part is about the last fifth of the earlier rows; rows with
        the same time stay together. If it would be more than half of them, there is none.

        Raises
        ------
        DataError
            A part is empty or has no label.
        ParameterError
            An instant is not of the same kind as the times, or instants do not increase.
        """
        at: Any = [_as_time(text.strip(), dataset) for text in instants]
        across = _across(dataset)
        train, *between, test = dataset.split(at=at, across=across)
        if between:
            past = dataset.split(at=at[-1], across=across)[0]
            return cls(train, between[0], test, past=past)._checked()
        if patience is None:
            return cls(train, None, test, past=train)._checked()
        first = _instant_nearest(train, 0.8)
        if first is None:
            ties = "too many rows before --split-at have the same time"
            return cls(train, None, test, past=train, obstacle=ties)._checked()
        earlier, validation, test = dataset.split(at=[first, *at], across=across)
        return cls(earlier, validation, test, past=train)._checked()

    @classmethod
    def in_time(cls, dataset: Dataset, share: float, *, patience: int | None) -> DataSplit:
        """Cut at the time when a share of the rows has passed; earlier rows are context for later.

        Raises
        ------
        DataError
            A part is empty or has no label.
        """
        shares = [share] if patience is None else [0.8 * share, share]
        at: Any = [_instant_after(dataset, one) for one in shares]
        first = dataset.times.min()
        if not all(earlier < later for earlier, later in pairwise([first, *at])):
            parts = "a training" if patience is None else "a training, a validation"
            raise DataError(
                f"{len(dataset.times)} row{'s are' if len(dataset.times) > 1 else ' is'} too few "
                f"for {parts} and a test part in the order of time; give more"
            )
        train, *between, test = dataset.split(at=at, across="context")
        past = dataset.split(at=at[-1], across="context")[0]
        return cls(train, between[0] if between else None, test, past=past)._checked()

    @classmethod
    def by_default(
        cls, dataset: Dataset, share: float, *, patience: int | None, seed: int
    ) -> DataSplit:
        """Split sequences at random, but a single series or a forecast in time order."""
        if _goes_by_time(dataset):
            return cls.in_time(dataset, share, patience=patience)
        try:
            train, test = dataset.split(share, seed=seed)
        except DataError as error:
            raise DataError(
                f"--train-ratio {share:g} of {counted(len(dataset), 'sequence')} leaves a part "
                "without any; "
                "choose another --train-ratio, or add sequences"
            ) from error
        return cls.of(train, test, patience=patience, seed=seed)

    def _checked(self) -> DataSplit:
        for name, part in self.named():
            part.require_labels(f"the {name} part")
        own = occurring_classes(self.past)
        validation = self.validation
        return DataSplit(
            with_label_levels(self.train, own),
            None if validation is None else with_label_levels(validation, own),
            self.test,
            past=with_label_levels(self.past, own),
            obstacle=self.obstacle,
        )

    def named(self) -> list[tuple[str, Dataset]]:
        """Return the existing parts with their names."""
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        return [(name, part) for name, part in parts.items() if part is not None]

    def check_evaluable(self, model: Model, advice: str) -> None:
        """Check before training that a model chosen from ``past`` can be evaluated on all parts.

        Raises
        ------
        DataError
            A part has missing numbers, which the model does not accept; or a label that does not
            fit the model (``advice`` then says what to do).
        """
        for name, part in self.named():
            gaps = columns_with_gaps(part)
            if gaps and model.settings["missing"] == "error":
                raise DataError(
                    f"the {name} part has missing numbers in {', '.join(gaps)}, and the training "
                    "part has none to choose by; say what becomes of them: --missing mean or "
                    "--missing forward"
                )
            preparation = model.preparation
            try:
                preparation.check_labelled(preparation.reordered(part), "an evaluation")
            except DataError as error:
                raise DataError(f"the {name} part: {error}; {advice}") from error


def _goes_by_time(dataset: Dataset) -> bool:
    return dataset.ahead is not None or len(dataset) == 1


def _across(dataset: Dataset) -> str:
    return "context" if _goes_by_time(dataset) else "cut"


def _instant_after(dataset: Dataset, share: float) -> Any:
    """Return the time before which this share of the rows lies."""
    import numpy as np

    return np.sort(dataset.times)[int(share * len(dataset.times))]


def _instant_nearest(dataset: Dataset, share: float) -> Any:
    """Return the time that splits rows nearest to this share, if at least half are before it.

    If two times are equally near, return the earlier one.
    """
    import numpy as np

    count = len(dataset.times)
    instants, before = np.unique(np.sort(dataset.times), return_index=True)
    nearest = np.abs(before - int(share * count)).argmin()
    return instants[nearest] if 2 * before[nearest] >= count else None


def _as_time(text: str, dataset: Dataset) -> float | str:
    """Return a typed instant as a number if the time column has numbers, else as text."""
    if dataset.times.dtype.kind not in "iuf":
        return text
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


# Minimum number of sequences for splitting off a fifth for validation.
_LEAST_TO_SPLIT = 5


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a model is trained, and the files that training writes."""

    epochs: int
    batch_size: int
    eval_every: int
    patience: int | None = None
    checkpoint: Path | None = None
    resume: bool = False
    log_file: Path | None = None

    def fit_and_save(
        self, model: Model, parts: DataSplit, evaluator: Evaluator, output: Path
    ) -> None:
        """Train and save; after Ctrl-C, save the model so far and exit with code 130.

        Raises
        ------
        click.exceptions.Exit
            Ctrl-C ended the training.
        WriteError
            A file cannot be written; if it is the log file or the checkpoint, the model is saved.
        """
        sizes = ", ".join(f"{len(part):,} for {name}" for name, part in parts.named())
        _log.info("Sequences: %s", sizes)
        _log.debug("%r, %r, %s", model, model.optimizer, self)
        stopping = []
        if self.patience is not None and parts.validation is not None:
            stopping = [EarlyStopping(patience=self.patience)]
        if parts.obstacle is not None:
            _log.info("No early stopping: %s", parts.obstacle)
        try:
            history = self._fit(model, parts, evaluator, stopping)
        except WriteError:
            if model.epochs_trained:
                _save_early(model, output)
            raise
        if history.interrupted:
            _save_early(model, output)
            if self.checkpoint is not None:
                _log.warning("The same command with --resume continues from %s", self.checkpoint)
            raise click.exceptions.Exit(INTERRUPTED)
        model.save(output)
        epochs, seconds = counted(len(history), "epoch"), sum(history.seconds)
        _log.info("Trained for %s in %.3f s", epochs, seconds)
        for callback in stopping:
            _log.info("The weights are those of epoch %s, the best one", callback.best_epoch)

    def _fit(
        self, model: Model, parts: DataSplit, evaluator: Evaluator, stopping: list[EarlyStopping]
    ) -> History:
        return model.fit(
            parts.train, epochs=self.epochs, batch_size=self.batch_size,
            validation=parts.validation or parts.test, evaluator=evaluator,
            eval_every=self.eval_every, callbacks=[*stopping, *self._writers()],
            progress=_log.isEnabledFor(logging.INFO),
            resume=self.checkpoint if self.resume else None,
        )  # fmt: skip

    def _writers(self) -> Iterable[Any]:
        if self.log_file is not None:
            yield LOGGERS[self.log_file.suffix.lower()](self.log_file)
        if self.checkpoint is not None:
            yield Checkpoint(self.checkpoint)


def _save_early(model: Model, output: Path) -> None:
    """Save the model of a training that was interrupted or failed."""
    model.save(output)
    epochs = counted(model.epochs_trained, "epoch")
    _log.warning("Saved the model, trained for %s, to %s", epochs, output)


def show_evaluations(model: Model, parts: DataSplit, evaluator: Evaluator) -> None:
    """Print the evaluation of the model on each part."""
    from rnn_rust.cli import show

    for name, part in parts.named():
        title = f"{name.capitalize()} part: {counted(len(part), 'sequence')}"
        show.section(title, str(evaluator.evaluate(model, part)))


def show_saved(
    model: Model,
    output: Path,
    data: Path,
    column_options: Iterable[object] = (),
    *,
    first: Iterable[tuple[object, ...]] = (),
    horizon: tuple[int, ...] | None = None,
) -> None:
    """Print where the model is, and what to type next: ``first``, then its use on ``data``."""
    from rnn_rust.cli import show

    ahead = () if horizon is None else ("--horizon", ",".join(map(str, horizon)))
    show.section("Model", f"{model}\nsaved to {output}")
    show.next_steps(
        *first,
        ("predict", output, data, *column_options, "--output", "predictions.csv"),
        ("evaluate", output, data, *column_options, *ahead),
        note=f"{data} holds the training part too, which flatters: evaluate on new data.",
    )
