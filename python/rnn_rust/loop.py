"""The loop of a training: what happens between epochs, and what happens when it ends.

The engine trains for as many epochs as pass until something else is to be done (an evaluation, a
callback, a new state of the progress bar), so that a million short epochs cost a few crossings.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

from rnn_rust.callbacks import Checkpoint
from rnn_rust.checkpoint import restore, terms
from rnn_rust.checks import from_1, truth
from rnn_rust.continued import Continued, ends_training, name_of
from rnn_rust.data.order import arrange, known_names
from rnn_rust.descent import Passage
from rnn_rust.errors import ParameterError
from rnn_rust.history import History, Record
from rnn_rust.inputs import (
    LabelledInputs,
    arranged,
    check_dataset,
    check_labelled,
    labelled_inputs,
    learn_class_weights,
)
from rnn_rust.progress import Progress
from rnn_rust.whole import way_back

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.network import Network

_log = logging.getLogger("rnn_rust")

# Seconds of training between two states of the progress bar.
_REFRESH = 0.1


@dataclass
class Training:
    """One call of ``fit`` at work; callbacks get it at its beginning and end.

    Attributes
    ----------
    model
        The model that learns; its weights are those after the last finished epoch.
    data, validation
        What it learns from and is judged by, with columns in the model's order.
    history
        The records so far; all of them if a checkpoint is continued.
    epochs
        How many records there are to be.
    figures
        Names of everything that the record of an epoch may have.
    accepted
        Whether training has begun. If not, it was refused when ``on_end`` comes, and nothing is to
        be left of it.
    stopped_by
        The callbacks that have ended the training.
    terms
        What a checkpoint and the training that goes on from it have in common; empty where there
        is no checkpoint.
    """

    model: Network
    data: Dataset
    epochs: int
    batch_size: int
    shuffle: bool
    progress: bool = False
    validation: Dataset | None = None
    callbacks: Iterable[Callable[[Record], object]] = ()
    figures: list[str] = field(init=False, default_factory=lambda: ["loss"])
    accepted: bool = field(init=False, default=False)
    stopped_by: list[Callable[[Record], object]] = field(init=False, default_factory=list)
    terms: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.epochs = from_1("epochs", self.epochs)
        self.batch_size = from_1("batch_size", self.batch_size)
        truth("shuffle", self.shuffle)
        self.callbacks = _in_order(self.callbacks)
        check_dataset("training", self.data)
        self.data = arranged(self.model, self.data)
        check_labelled(self.model, self.data, "training")
        # A model without names takes over those of its training data.
        self._names = tuple(
            new if kept is None else kept
            for kept, new in zip(
                (self.model.feature_names, self.model.label_names), known_names(self.data),
                strict=True,
            )
        )  # fmt: skip
        if self.validation is not None:
            check_dataset("validation", self.validation)
            features, labels = self._names
            self.validation = arrange(self.validation, features=features, labels=labels)
            check_labelled(self.model, self.validation, "validation")
            self.figures.append("validation_loss")
        self.history = History(self.model.epochs_trained)

    def run(
        self,
        *,
        judge: Callable[[], Iterable[str]],
        measure: Callable[[], object] | None,
        measure_every: int,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train, and return the record.

        Parameters
        ----------
        judge
            Returns the names of all figures that ``measure`` adds to records. Called before the
            first epoch: what it refuses leaves the weights as they were.
        measure
            Called after the first, after every so many and after the last epoch, and after others
            at which the engine stops anyway.
        measure_every
            How many.
        resume
            A checkpoint to go on from, if there is one.
        """
        go_back = way_back(self.model)
        try:
            with ExitStack() as ends:
                arrays = self._prepare()
                self.figures += judge()
                self._begin(arrays, resume, ends)
                self.accepted = self._is_over
                try:
                    self._train(arrays, measure, measure_every)
                except KeyboardInterrupt:
                    if not self.accepted:
                        raise
                    self.history.interrupted = True
                    _log.warning(
                        "Interrupted after %d of %d epochs; the weights of the last finished "
                        "update are kept", len(self.history), self.epochs,
                    )  # fmt: skip
        except BaseException:
            # What is refused leaves the model as it was, whatever callbacks did to it at their end.
            if not self.accepted:
                go_back()
            raise
        return self.history

    def _prepare(self) -> LabelledInputs:
        """Fit the scaler if that is still to be done; return what the engine takes."""
        model = self.model
        if model.scaler is not None and not model.scaler.is_fitted:
            model.scaler = copy.copy(model.scaler).fit(self.data)
        if model.settings["class_weight"] == "balanced" and model.class_table is None:
            learn_class_weights(model, self.data)
        arrays = labelled_inputs(model, self.data, "training")
        model.feature_names, model.label_names = self._names
        return arrays

    def _begin(
        self, arrays: LabelledInputs, resume: str | os.PathLike[str] | None, ends: ExitStack
    ) -> None:
        """Go to where a checkpoint left off, and let the callbacks begin."""
        if self.model._descent.plateau is not None:
            self.model._descent.plateau.watch.check(self.figures)
        kept: list[Continued] = []
        if resume is not None or any(isinstance(each, Checkpoint) for each in self.callbacks):
            self.terms = terms(self, arrays)
        if resume is not None and os.path.exists(resume):
            kept = restore(self, resume)
            _log.info("Continuing %s after %d epochs", resume, len(self.history))
        for callback in self.callbacks:
            if hasattr(callback, "on_begin"):
                callback.on_begin(self)
            if hasattr(callback, "on_end"):
                ends.callback(callback.on_end, self)
        for each in kept:
            if each.ends_training(self.history):
                self.stopped_by.append(each.callback)
        if self.stopped_by:
            names = " and ".join(name_of(callback) for callback in self.stopped_by)
            _log.info("This training is over: %s ended it", names)

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self.stopped_by)

    @property
    def _is_over(self) -> bool:
        return self.stopped or len(self.history) >= self.epochs

    def _train(
        self, arrays: LabelledInputs, measure: Callable[[], object] | None, measure_every: int
    ) -> None:
        """Go through the epochs until the last one, or until a callback ends it."""
        history = self.history
        periods = [getattr(callback, "every", 1) for callback in self.callbacks]
        periods += [measure_every] if measure else []
        periods += [1] if self.model._descent.plateau is not None else []
        with Progress(self.epochs, enabled=self.progress) as bar:
            while not self._is_over:
                done = len(history)
                first = [1] if measure and done == 0 else []
                stops = [(done // period + 1) * period for period in periods]
                stop_at = min([*first, *stops, self.epochs])
                self._advance(arrays, stop_at)
                if len(history) == stop_at:
                    self._between_epochs(measure)
                bar.update(len(history), history.loss[-1])

    def _advance(self, arrays: LabelledInputs, stop_at: int) -> None:
        """Train up to epoch ``stop_at``, or until the bar is to be refreshed."""
        passage = Passage(
            begins=not self.accepted,
            epochs=stop_at - len(self.history),
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            seed=self.model.settings["seed"],
            time_budget=_REFRESH if self.progress else None,
        )
        losses, seconds, stop = self.model._descent.train(self.model, arrays, passage)
        self.accepted = True
        self.history.extend(losses, seconds)
        self.model.epochs_trained += len(losses)
        if stop is not None:
            raise stop

    def _between_epochs(self, measure: Callable[[], object] | None) -> None:
        """Complete the record of the last epoch and show it to everybody."""
        if measure is not None:
            measure()
        done = len(self.history)
        if self.model._descent.plateau is not None:
            self.model._descent.plateau.observe(self.history[-1])

        def is_due(callback: object) -> bool:
            return done == self.epochs or done % getattr(callback, "every", 1) == 0

        writers = [each for each in self.callbacks if isinstance(each, Checkpoint)]
        others = [each for each in self.callbacks if not isinstance(each, Checkpoint)]
        for callback in filter(is_due, others):
            self._call(callback)
        if self.stopped:
            for callback in filterfalse(is_due, others):
                self._call(callback)
        for writer in writers:
            if self.stopped or is_due(writer):
                self._call(writer)

    def _call(self, callback: Callable[[Record], object]) -> None:
        if ends_training(callback(self.history[-1])):
            self.stopped_by.append(callback)


def _in_order(
    callbacks: Iterable[Callable[[Record], object]],
) -> list[Callable[[Record], object]]:
    """Return the callbacks, checkpoints last: they are to hold what the others have seen."""
    if not isinstance(callbacks, Iterable):
        raise ParameterError(f"callbacks must be a sequence of functions, got {callbacks!r}")
    given = list(callbacks)
    if strange := [each for each in given if not callable(each) or _is_class(each)]:
        raise ParameterError(f"callbacks must be functions, got {strange[0]!r}")
    for callback in given:
        from_1(f"{type(callback).__name__}.every", getattr(callback, "every", 1))
    return sorted(given, key=lambda callback: isinstance(callback, Checkpoint))


def _is_class(callback: object) -> bool:
    """Whether the class of a callback is given in place of one: calling it would only make one."""
    return isinstance(callback, type) and hasattr(callback, "on_begin")
