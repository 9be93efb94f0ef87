"""Optimisers: what a step against the gradient looks like. The engine carries it out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnn_rust.errors import ParameterError


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: w ← w − learning_rate · dloss/dw.

    Raises
    ------
    ParameterError
        The learning rate is not a finite number of at least 0.
    """

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        """Refuse rates that are none."""
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise ParameterError(f"learning_rate must be a number, got {rate!r}")
        if not (math.isfinite(rate) and rate >= 0):
            raise ParameterError(f"learning_rate must be finite and at least 0, got {rate}")
