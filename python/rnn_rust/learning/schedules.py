"""Learning rates that change from epoch to epoch; :mod:`rnn_rust.schedules` introduces them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from rnn_rust.base.checks import (
    check_fields,
    fraction,
    non_negative,
    positive_integer,
    whole_number,
)
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import ParameterError
from rnn_rust.learning.history import Record
from rnn_rust.learning.monitor import MetricMonitor, checked_mode

__all__ = [
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "Plateau",
    "ReduceOnPlateau",
    "StepDecay",
]


@suggests_settings
@dataclass(frozen=True)
class Constant:
    """The same rate in every epoch; a plain number means the same.

    >>> Constant(0.1)(epoch=7)
    0.1

    Parameters
    ----------
    rate
        Rate of every epoch, at least 0.

    Raises
    ------
    ParameterError
        The rate is not a finite number of at least 0.
    """

    rate: float

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self, rate=non_negative)

    def __call__(self, epoch: int) -> float:
        """Return the rate of an epoch."""
        return self.rate


@suggests_settings
@dataclass(frozen=True)
class StepDecay:
    """rate · factor^⌊epoch / every⌋.

    >>> [StepDecay(0.8, every=2, factor=0.5)(epoch) for epoch in range(5)]
    [0.8, 0.8, 0.4, 0.4, 0.2]

    Parameters
    ----------
    rate
        Rate of the first epoch, at least 0.
    every
        Number of epochs between reductions, at least 1.
    factor
        Factor of each reduction, between 0 and 1.

    Raises
    ------
    ParameterError
        ``rate`` is below 0, ``every`` below 1, or ``factor`` not between 0 and 1.
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self, rate=non_negative, every=positive_integer, factor=fraction)

    def __call__(self, epoch: int) -> float:
        """Return the rate of an epoch."""
        return self.rate * self.factor ** (epoch // self.every)


@suggests_settings
@dataclass(frozen=True)
class ExponentialDecay:
    """rate · factor^epoch.

    >>> [ExponentialDecay(0.8, factor=0.5)(epoch) for epoch in range(3)]
    [0.8, 0.4, 0.2]

    Parameters
    ----------
    rate
        Rate of the first epoch, at least 0.
    factor
        Factor from each epoch to the next, between 0 and 1.

    Raises
    ------
    ParameterError
        ``rate`` is below 0, or ``factor`` not between 0 and 1.
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self, rate=non_negative, factor=fraction)

    def __call__(self, epoch: int) -> float:
        """Return the rate of an epoch."""
        return self.rate * self.factor**epoch


@suggests_settings
@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine wave from ``rate`` down to ``final_rate``, after a linear warm-up.

    With w = ``warmup_epochs``: rate · (epoch + 1) / (w + 1) before epoch w; then
    final_rate + (rate − final_rate) (1 + cos(π (epoch − w) / (epochs − w))) / 2 up to epoch
    ``epochs``, and ``final_rate`` from there (Loshchilov and Hutter, 2017, equation 5, without
    restarts).

    >>> [round(CosineDecay(1.0, epochs=5, warmup_epochs=1)(epoch), 3) for epoch in range(6)]
    [0.5, 1.0, 0.854, 0.5, 0.146, 0.0]

    Parameters
    ----------
    rate
        The highest rate, at least 0.
    epochs
        The epoch from which the rate is ``final_rate``.
    warmup_epochs
        Number of warm-up epochs, less than ``epochs``.
    final_rate
        The lowest rate, at most ``rate``.

    Raises
    ------
    ParameterError
        A rate is below 0, ``final_rate`` is above ``rate``, or ``epochs`` is not above
        ``warmup_epochs``.
    """

    rate: float
    epochs: int
    warmup_epochs: int = 0
    final_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(
            self, rate=non_negative, epochs=positive_integer, final_rate=non_negative,
            warmup_epochs=partial(whole_number, least=0),
        )  # fmt: skip
        if self.epochs <= self.warmup_epochs:
            raise ParameterError(
                f"epochs must be above warmup_epochs={self.warmup_epochs}, got {self.epochs}"
            )
        _check_order("final_rate", self.final_rate, self.rate)

    def __call__(self, epoch: int) -> float:
        """Return the rate of an epoch."""
        if epoch < self.warmup_epochs:
            return self.rate * (epoch + 1) / (self.warmup_epochs + 1)
        if epoch >= self.epochs:
            return self.final_rate
        share = (epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        height = (1 + math.cos(math.pi * share)) / 2
        return self.final_rate + (self.rate - self.final_rate) * height


@suggests_settings
@dataclass(frozen=True)
class ReduceOnPlateau:
    """``rate``, multiplied by ``factor`` whenever a metric has stopped improving.

    These are only the settings. The current rate is kept by the model that trains with them, until
    its optimiser is replaced; it is saved in checkpoints but not in model files.

    Parameters
    ----------
    rate
        Rate of the first epochs.
    monitor
        The metric's name in the record. Records without it are skipped.
    mode
        ``"min"`` or ``"max"``; by default ``"min"`` for losses and errors.
    factor
        Factor of each reduction, between 0 and 1.
    patience
        Number of records without improvement after which the rate is reduced, each time.
    min_delta
        Smallest change that counts as an improvement.
    min_rate
        The rate is never reduced below this.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or the mode cannot be inferred.
    """

    rate: float
    monitor: str = "loss"
    mode: str | None = None
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 0.0
    min_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        object.__setattr__(self, "mode", checked_mode(self.monitor, self.mode))
        check_fields(
            self, rate=non_negative, factor=fraction, patience=positive_integer,
            min_delta=non_negative, min_rate=non_negative,
        )  # fmt: skip
        _check_order("min_rate", self.min_rate, self.rate)


class Plateau:
    """The current rate of one model that trains with :class:`ReduceOnPlateau`.

    >>> plateau = Plateau(ReduceOnPlateau(0.1, patience=2, factor=0.5))
    >>> for loss in (3.0, 2.0, 2.0, 2.5):
    ...     plateau.observe({"loss": loss})
    >>> plateau(epoch=4)
    0.05
    """

    def __init__(self, settings: ReduceOnPlateau) -> None:
        self._settings = settings
        self.monitor = MetricMonitor(settings.monitor, settings.mode, settings.min_delta)
        self.rate = settings.rate

    def __call__(self, epoch: int) -> float:
        """Return the current rate, whatever the epoch."""
        return self.rate

    def observe(self, record: Record) -> None:
        """Look at the record of an epoch; reduce the rate if patience has run out."""
        if not self.monitor.is_best(record) and self.monitor.waited >= self._settings.patience:
            self.rate = max(self.rate * self._settings.factor, self._settings.min_rate)
            self.monitor.waited = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the current rate and the state of the monitor."""
        return {"rate": self.rate} | self.monitor.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.rate = non_negative("rate", state["rate"])
        self.monitor.load_state_dict(state)


def _check_order(name: str, lowest: float, rate: float) -> None:
    if lowest > rate:
        raise ParameterError(f"{name} must not be above rate={rate:g}, got {lowest:g}")
