"""The loop over epochs: what happens between them, and what happens when training ends.

One call of the engine trains until something else must be done (an evaluation, a callback, an
update of the progress bar), so that a million short epochs need only a few calls.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import filterfalse

from rnn_rust.base.checks import counted
from rnn_rust.learning.history import History, Record
from rnn_rust.model.epochs import (
    EpochRun,
    adapt,
    settle_other_levels,
    settled_for_now,
    train_epochs,
)
from rnn_rust.model.preparation import LabelledInputs
from rnn_rust.model.snapshot import restorer
from rnn_rust.training.callbacks import Checkpoint, EarlyStopping
from rnn_rust.training.checkpoint import restore, training_setup
from rnn_rust.training.progress import Progress
from rnn_rust.training.resuming import ResumedCallback, ends_training, name_of
from rnn_rust.training.state import Training

_log = logging.getLogger("rnn_rust")

# Seconds of training between two updates of the progress bar.
_REFRESH = 0.1


def run(
    training: Training,
    *,
    evaluate: Callable[[], Iterable[str]],
    complete_record: Callable[[], object] | None,
    every: int,
    resume: str | os.PathLike[str] | None = None,
) -> History:
    """Train, and return the record.

    Parameters
    ----------
    training
        The training to run; it is updated during the run.
    evaluate
        Returns the names of all metrics that ``complete_record`` adds. Called before the first
        epoch, so that an error leaves the weights unchanged.
    complete_record
        Adds metrics to the last record. Called after the first epoch, every ``every`` epochs, after
        the last, and after others at which the engine stops anyway.
    every
        Number of epochs between these calls.
    resume
        Path of a checkpoint to continue from, if the file exists.
    """
    restore_model = restorer(training.model)
    try:
        with ExitStack() as ends:
            # Again after the callbacks end, as they may restore earlier weights.
            ends.callback(_settle, training)
            training.model.build(training.data)
            training.encode()
            adapt(training.model, training.data)
            arrays = training.model.preparation.labelled_inputs(training.data, "training")
            training.metrics += evaluate()
            _begin(training, arrays, resume, ends)
            ends.callback(_settle, training)
            training.accepted = training.is_over
            try:
                _train(training, arrays, complete_record, every)
            except KeyboardInterrupt:
                if not training.accepted:
                    raise
                training.history.interrupted = True
                _log.warning(
                    "Interrupted after %s of %s; %s", f"{len(training.history):,}",
                    counted(training.epochs, "epoch"), _weights_kept(training),
                )  # fmt: skip
    except BaseException:
        # A refused training leaves the model as it was, whatever callbacks did in on_end.
        if not training.accepted:
            restore_model()
        raise
    return training.history


def _weights_kept(training: Training) -> str:
    """Return which weights the model will have if training ends now."""
    stopping = [each for each in training.callbacks if isinstance(each, EarlyStopping)]
    epochs = [each.epoch_to_restore for each in stopping]
    # Callbacks end in reverse order, so that the first one decides.
    best = next((epoch for epoch in epochs if epoch is not None), None)
    if best is None:
        return "the weights of the last finished update are kept"
    return f"the weights of epoch {best}, the best one, are restored"


def _settle(training: Training) -> None:
    """Set the weights of "other" levels, however training ends, unless it was refused."""
    if training.accepted:
        settle_other_levels(training.model)


def _begin(
    training: Training,
    arrays: LabelledInputs,
    resume: str | os.PathLike[str] | None,
    ends: ExitStack,
) -> None:
    """Restore the state of a checkpoint, if any, and call the callbacks' ``on_begin``."""
    plateau = training.model.optimizer_state.plateau
    if plateau is not None:
        plateau.monitor.check(training.metrics)
    kept: list[ResumedCallback] = []
    if resume is not None or any(isinstance(each, Checkpoint) for each in training.callbacks):
        training.setup = training_setup(training, arrays)
    if resume is not None and os.path.exists(resume):
        kept = restore(training, resume)
        _log.info("Continuing %s after %s", resume, counted(len(training.history), "epoch"))
    for callback in training.callbacks:
        if hasattr(callback, "on_begin"):
            callback.on_begin(training)
        if hasattr(callback, "on_end"):
            ends.callback(callback.on_end, training)
    for each in kept:
        if each.ends_training(training.history):
            training.stopped_by.append(each.callback)
    if training.stopped:
        names = " and ".join(name_of(callback) for callback in training.stopped_by)
        _log.info("This training is over: %s ended it", names)


def _train(
    training: Training,
    arrays: LabelledInputs,
    complete_record: Callable[[], object] | None,
    every: int,
) -> None:
    """Train until the last epoch, or until a callback ends the training."""
    history = training.history
    periods = [getattr(callback, "every", 1) for callback in training.callbacks]
    periods += [every] if complete_record else []
    periods += [1] if training.model.optimizer_state.plateau is not None else []
    with Progress(training.epochs, enabled=training.progress) as bar:
        while not training.is_over:
            done = len(history)
            first = [1] if complete_record and done == 0 else []
            stops = [(done // period + 1) * period for period in periods]
            stop_at = min([*first, *stops, training.epochs])
            _advance(training, arrays, stop_at)
            if periods and len(history) == stop_at:
                _between_epochs(training, complete_record)
            bar.update(len(history), history.loss[-1])


def _advance(training: Training, arrays: LabelledInputs, stop_at: int) -> None:
    """Train up to epoch ``stop_at``, or until the progress bar must be updated."""
    epoch_run = EpochRun(
        starts_training=not training.accepted,
        epochs=stop_at - len(training.history),
        batch_size=training.batch_size,
        shuffle=training.shuffle,
        seed=training.model.settings["seed"],
        time_budget=_REFRESH if training.progress else None,
    )
    losses, seconds, error = train_epochs(training.model, arrays, epoch_run)
    training.accepted = True
    training.history.extend(losses, seconds)
    training.model.epochs_trained += len(losses)
    if error is not None:
        raise error


def _between_epochs(training: Training, complete_record: Callable[[], object] | None) -> None:
    """Complete the record of the last epoch and call the callbacks with it."""
    done = len(training.history)

    def is_due(callback: object) -> bool:
        return done == training.epochs or done % getattr(callback, "every", 1) == 0

    checkpoints = [each for each in training.callbacks if isinstance(each, Checkpoint)]
    others = [each for each in training.callbacks if not isinstance(each, Checkpoint)]
    with settled_for_now(training.model):
        if complete_record is not None:
            complete_record()
        plateau = training.model.optimizer_state.plateau
        if plateau is not None:
            plateau.observe(training.history[-1])
        for callback in filter(is_due, others):
            _call(training, callback)
        if training.stopped:
            for callback in filterfalse(is_due, others):
                _call(training, callback)
    # Checkpoints come last, so that they save the state of the others. They save the weights that
    # training continues with; the weights of "other" levels are set when a model is loaded.
    for checkpoint in checkpoints:
        if training.stopped or is_due(checkpoint):
            _call(training, checkpoint)


def _call(training: Training, callback: Callable[[Record], object]) -> None:
    if ends_training(callback(training.history[-1])):
        training.stopped_by.append(callback)
