"""Following one figure of the record: its best value, and how long it has not become better.

Early stopping, checkpoints of the best model and rates that fall on a plateau all ask this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from rnn_rust.base.checks import from_0
from rnn_rust.errors import ParameterError
from rnn_rust.learning.history import Record

# Figures that are better the smaller they are, of the training or the validation data.
_SMALLER_IS_BETTER = ("loss", "mae", "rmse", "mape")


def checked_mode(monitor: str, mode: str | None) -> str:
    """Return ``"min"`` or ``"max"``: as given, or as the name of the figure says.

    Raises
    ------
    ParameterError
        The mode is neither, or none is given for a figure that is not an error.
    """
    if not isinstance(monitor, str):
        raise ParameterError(f"monitor must be the name of a figure, got {monitor!r}")
    if mode in ("min", "max"):
        return str(mode)
    if mode is not None:
        raise ParameterError(f"mode must be 'min' or 'max', got {mode!r}")
    if monitor.removeprefix("validation_") in _SMALLER_IS_BETTER:
        return "min"
    raise ParameterError(
        f"monitor {monitor!r}: say whether more is better (mode='max') or less (mode='min')"
    )


class Watch:
    """Follows one figure.

    Parameters
    ----------
    monitor
        Its name in the record.
    mode
        Whether it is better when smaller (``"min"``) or larger (``"max"``); by default ``"min"``
        for losses and errors, and there is no default for others.
    min_delta
        A value is better if it is better by more than this.

    Attributes
    ----------
    best
        The best value seen, None before the first. What is not finite is never the best.
    waited
        Records since then that had the figure.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.
    """

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0) -> None:
        self.mode = checked_mode(monitor, mode)
        self.monitor = monitor
        self.min_delta = from_0("min_delta", min_delta)
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self.best: float | None = None
        self.waited = 0

    def check(self, figures: Iterable[str]) -> None:
        """Check that the record of a training will have the figure.

        Raises
        ------
        ParameterError
            It will not; the message lists what there is.
        """
        if self.monitor not in (known := list(figures)):
            raise ParameterError(
                f"monitor {self.monitor!r} is not in the record of this training, which has "
                f"{', '.join(known)}; give fit() validation=… or evaluator=… for more"
            )

    def sees_best(self, record: Record) -> bool:
        """Whether the record has the best value so far; one without the figure changes nothing."""
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
        """Return what was seen."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what another has seen.

        Raises
        ------
        ValueError, KeyError
            The state is that of no watch.
        """
        best, waited = state["best"], state["waited"]
        if not (best is None or (isinstance(best, int | float) and math.isfinite(best))):
            raise ValueError(f"best must be a finite number or None, got {best!r}")
        if isinstance(waited, bool) or not isinstance(waited, int) or waited < 0:
            raise ValueError(f"waited must be a number of records, got {waited!r}")
        self.best, self.waited = best, waited
