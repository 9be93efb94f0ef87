"""Monitoring one metric of the record: its best value, and the records since it last improved.

Shared by early stopping, checkpoints of the best model and learning rates reduced on a plateau.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any

from rnn_rust.base.checks import non_negative
from rnn_rust.base.suggest import suggestion
from rnn_rust.errors import ParameterError
from rnn_rust.learning.history import Record

# Metrics for which smaller is better, on training or validation data.
_SMALLER_IS_BETTER = ("loss", "mae", "rmse", "mape")


def checked_mode(monitor: str, mode: str | None) -> str:
    """Return ``"min"`` or ``"max"``: as given, or inferred from the name of the metric.

    Raises
    ------
    ParameterError
        The mode is something else, or is missing for a metric that is not a loss or an error.
    """
    if not isinstance(monitor, str):
        raise ParameterError(f"monitor must be the name of a metric, got {monitor!r}")
    if isinstance(mode, str) and mode in ("min", "max"):
        return str(mode)
    if mode is not None:
        raise ParameterError(f"mode must be 'min' or 'max', got {mode!r}")
    if monitor.removeprefix("validation_") in _SMALLER_IS_BETTER:
        return "min"
    if monitor.startswith("val_"):
        raise ParameterError(
            f"monitor {monitor!r} is not known; did you mean "
            f"'validation_{monitor.removeprefix('val_')}'?"
        )
    raise ParameterError(
        f"monitor {monitor!r}: say whether larger values are better (mode='max') or "
        "smaller ones (mode='min')"
    )


class MetricMonitor:
    """Monitors one metric.

    Parameters
    ----------
    monitor
        Its name in the record.
    mode
        Whether it is better when smaller (``"min"``) or larger (``"max"``); by default ``"min"``
        for losses and errors, and there is no default for others.
    min_delta
        Smallest change that counts as an improvement.

    Attributes
    ----------
    best
        The best value so far; None before the first. Only finite values count.
    waited
        Number of records since then that had the metric.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.
    """

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0) -> None:
        self.mode = checked_mode(monitor, mode)
        self.monitor = monitor
        self.min_delta = non_negative("min_delta", min_delta)
        self.reset()

    def reset(self) -> None:
        """Forget all records."""
        self.best: float | None = None
        self.waited = 0

    def check(self, metrics: Iterable[str]) -> None:
        """Check that the record of a training will have the metric.

        Raises
        ------
        ParameterError
            It will not; the message lists the metrics that it will have.
        """
        if self.monitor not in (known := list(metrics)):
            raise ParameterError(
                f"monitor {self.monitor!r} is not in the record of this training, which has "
                f"{', '.join(known)}; give fit() validation=… or evaluator=… for more"
                f"{suggestion(self.monitor, known)}"
            )

    def is_best(self, record: Record) -> bool:
        """Whether the record has the best value so far; one without the metric changes nothing."""
        value = record.get(self.monitor)
        if value is None:
            return False
        if math.isfinite(value) and self._is_better(value):
            self.best, self.waited = float(value), 0
            return True
        self.waited += 1
        return False

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return True
        gain = self.best - value if self.mode == "min" else value - self.best
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the records since then."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state.

        Raises
        ------
        ValueError, KeyError
            The state is not a monitor's.
        """
        best, waited = state["best"], state["waited"]
        # An int may be too large for a float.
        largest = sys.float_info.max
        if not (best is None or (isinstance(best, int | float) and -largest <= best <= largest)):
            raise ValueError(f"best must be a finite number or None, got {best!r}")
        if isinstance(waited, bool) or not isinstance(waited, int) or waited < 0:
            raise ValueError(f"waited must be a number of records, got {waited!r}")
        self.best, self.waited = best, waited
