"""What happens after an epoch: callbacks of ``fit``.

A callback is any function that takes the record of an epoch, ``callback(record)``; training ends if
it returns False. An object may have more, all of it optional (:class:`Callback` lists it). Those
here end training early and write checkpoints; :mod:`rnn_rust.training.loggers` writes
the record to a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import boolean, path_text, positive_integer
from rnn_rust.base.files import check_replaceable, remove_leftovers
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import ParameterError
from rnn_rust.learning.history import Record
from rnn_rust.learning.monitor import MetricMonitor
from rnn_rust.model.state_dict import checked_state
from rnn_rust.storage.model_file import write
from rnn_rust.training import checkpoint
from rnn_rust.training.state import Training


class Callback(Protocol):
    """Everything that a callback may have; only ``__call__`` is needed.

    The attribute ``every`` is the number of epochs between calls (by default 1); the last epoch
    always has a call. ``on_begin`` is called before the first epoch, and ``on_end`` after the last,
    however training ends; there, ``training.accepted`` is False if training was refused before any
    epoch.

    With ``state_dict`` and ``load_state_dict``, a checkpoint saves what the callback remembers:
    arrays, numbers and strings in dicts. The attribute ``fixed_settings`` has, by name, the
    settings on which the state depends: if their values differ, training does not continue from
    the checkpoint. If a callback without a state ended the training, it is called again with the
    last record when training is continued.
    """

    every: int
    fixed_settings: dict[str, Any]

    def on_begin(self, training: Training) -> None:
        """Prepare for a training: its model, history, and the metrics that records will have."""

    def __call__(self, record: Record) -> object:
        """Look at the record of an epoch; return False to stop training."""

    def on_end(self, training: Training) -> None:
        """Clean up."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save."""

    def load_state_dict(self, state: dict[str, Any]) -> object:
        """Continue from a saved state; called after ``on_begin``.

        May return whether training continues. If it returns None, a callback that had ended the
        training will end it again.
        """


@suggests_settings
class EarlyStopping:
    """Stops training when a monitored metric has not improved for a while.

    Parameters
    ----------
    monitor
        The metric's name in the record. Records without it are skipped.
    patience
        Number of records without improvement after which training stops.
    min_delta
        Smallest change that counts as an improvement.
    restore_best
        Whether the weights of the best epoch are restored when training ends for any reason,
        including Ctrl-C or an error. The optimiser's moments and ``epochs_trained`` are not
        restored.
    mode
        ``"min"`` or ``"max"``: whether smaller or larger values are better. By default ``"min"``
        for losses and errors (loss, mae, rmse, mape); other metrics need it.

    Attributes
    ----------
    best_epoch
        The epoch with the best value, numbered as in the record; None before the first.

    Notes
    -----
    A checkpoint keeps the best value and the number of records since then. ``patience``,
    ``min_delta`` and ``restore_best`` may change when training is resumed: a larger patience
    continues a training that a smaller one had stopped, and a smaller one may stop it at once.
    Another metric or mode is refused. If early stopping is added on resuming, it counts from there.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values; in ``fit``, the record will not have the metric,
        or a checkpoint does not have the weights that ``restore_best`` needs.

    Examples
    --------
    >>> stopping = EarlyStopping("loss", patience=2)
    >>> [stopping({"epoch": at, "loss": loss}) for at, loss in enumerate([3.0, 2.0, 2.5, 2.0], 1)]
    [True, True, True, False]
    >>> stopping.best_epoch
    2
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        *,
        mode: str | None = None,
    ) -> None:
        self._monitor = MetricMonitor(monitor, mode, min_delta)
        self._patience = positive_integer("patience", patience)
        self._restore_best = boolean("restore_best", restore_best)
        self._training: Training | None = None
        self._best_weights: dict[str, FloatArray] = {}
        self.best_epoch: int | None = None

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """The monitored metric, and its mode."""
        return {"monitor": self._monitor.monitor, "mode": self._monitor.mode}

    def on_begin(self, training: Training) -> None:
        """Start from the beginning: forget an earlier training."""
        self._monitor.check(training.metrics)
        self._before = self._monitor.state_dict(), self.best_epoch
        self._monitor.reset()
        self._training, self._best_weights, self.best_epoch = training, {}, None

    def __call__(self, record: Record) -> bool:
        """Return whether training continues."""
        if self._monitor.is_best(record):
            self.best_epoch = int(record["epoch"])
            if self._restore_best and self._training is not None:
                self._best_weights = self._training.model.state_dict()
        return self._has_patience

    @property
    def _has_patience(self) -> bool:
        return self._monitor.waited < self._patience

    def on_end(self, training: Training) -> None:
        """Restore the best weights."""
        if not training.accepted:
            seen, self.best_epoch = self._before
            self._monitor.load_state_dict(seen)
        elif self._best_weights:
            training.model.load_state_dict(self._best_weights)
        self._training, self._best_weights = None, {}

    @property
    def epoch_to_restore(self) -> int | None:
        """The epoch whose weights the model will have when training ends; None for the last."""
        return self.best_epoch if self._best_weights else None

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, how long ago it was, and its weights."""
        seen = {"best_epoch": self.best_epoch, "weights": self._best_weights}
        return self._monitor.state_dict() | seen

    def load_state_dict(self, state: dict[str, Any]) -> bool:
        """Continue from a saved state; return whether there is patience left."""
        self._monitor.load_state_dict(state)
        self.best_epoch, weights = state["best_epoch"], state["weights"]
        if self._restore_best and self.best_epoch is not None:
            if not weights:
                raise ParameterError(
                    f"EarlyStopping(restore_best=True) needs the weights of epoch "
                    f"{self.best_epoch}, and the checkpoint was made with restore_best=False"
                )
            if self._training is not None:
                weights = checked_state(weights, like=self._training.model.state_dict())
            self._best_weights = dict(weights)
        return self._has_patience


@suggests_settings
class Checkpoint:
    """Saves the state of a training to a file from which ``fit(..., resume=path)`` continues.

    The file is a model file with additional entries: :func:`rnn_rust.load` returns the model as it
    was then. It is replaced atomically: whenever the process is killed, either the old or the new
    file is there. It is written every ``every`` epochs and after the last one, once all other
    callbacks have seen the record. After Ctrl-C, the last checkpoint written is kept.

    Parameters
    ----------
    path
        Path of the file. Only one training at a time may write to it.
    every
        Number of epochs between checkpoints.
    keep_best
        A metric of the record. Whenever a checkpoint has the best value so far, it is also written
        to a second file, whose name has ``.best`` before the suffix:
        ``model.best.safetensors`` next to ``model.safetensors``.
    mode
        ``"min"`` or ``"max"``: whether smaller or larger values of ``keep_best`` are better. By
        default ``"min"`` for losses and errors (loss, mae, rmse, mape); other metrics need it.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values; in ``fit``, the record will not have the metric.
    WriteError
        In ``fit``: the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        keep_best: str | None = None,
        *,
        mode: str | None = None,
    ) -> None:
        self.path = Path(path_text("path", path))
        if not self.path.name:
            raise ParameterError(f"path must be that of a file, got {str(path)!r}")
        self.every = positive_integer("every", every)
        if mode is not None and keep_best is None:
            raise ParameterError("mode has no effect without keep_best; name the metric to keep")
        self._monitor = None if keep_best is None else MetricMonitor(keep_best, mode)

    @property
    def best_path(self) -> Path:
        """The file of the best checkpoint."""
        return self.path.with_name(f"{self.path.stem}.best{self.path.suffix}")

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """The metric of ``keep_best``, and its mode."""
        watch = self._monitor
        return {} if watch is None else {"keep_best": watch.monitor, "mode": watch.mode}

    def on_begin(self, training: Training) -> None:
        """Start from the beginning, and remove temporary files left by a killed process."""
        check_replaceable(self.path)
        if self._monitor is not None:
            self._monitor.check(training.metrics)
            self._before = self._monitor.state_dict()
            self._monitor.reset()
        # Relative paths would follow a change of the working directory.
        self._places = self.path.absolute(), self.best_path.absolute()
        for path in self._places:
            remove_leftovers(path)
        self._training = training

    def __call__(self, record: Record) -> None:
        """Write the files."""
        is_best = self._monitor is not None and self._monitor.is_best(record)
        data, (path, best_path) = checkpoint.to_bytes(self._training), self._places
        # The file to resume from is written last: its state says that the best one is written.
        if is_best:
            write(best_path, data)
        write(path, data)

    def on_end(self, training: Training) -> None:
        """Release the training, its model and data; if it was refused, forget it."""
        del self._training, self._places
        if self._monitor is not None and not training.accepted:
            self._monitor.load_state_dict(self._before)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {} if self._monitor is None else self._monitor.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        if self._monitor is not None and state:
            self._monitor.load_state_dict(state)


def checked_callbacks(
    callbacks: Iterable[Callable[[Record], object]],
) -> list[Callable[[Record], object]]:
    """Return the callbacks, checkpoints last, so that they save the state of all others.

    Raises
    ------
    ParameterError
        One is not a function, its ``every`` is not a number of epochs, or one with ``on_begin`` is
        there twice.
    """
    if not isinstance(callbacks, Iterable):
        raise ParameterError(f"callbacks must be a sequence of functions, got {callbacks!r}")
    given = list(callbacks)
    if invalid := [each for each in given if not callable(each) or _is_class(each)]:
        raise ParameterError(f"callbacks must be functions, got {invalid[0]!r}")
    for at, callback in enumerate(given):
        if hasattr(callback, "on_begin") and any(callback is other for other in given[:at]):
            raise ParameterError(f"callbacks has the same {type(callback).__name__} twice")
        positive_integer(f"{type(callback).__name__}.every", getattr(callback, "every", 1))
    return sorted(given, key=lambda callback: isinstance(callback, Checkpoint))


def _is_class(callback: object) -> bool:
    """Whether it is a callback's class instead of an instance; calling it would only make one."""
    return isinstance(callback, type) and hasattr(callback, "on_begin")
