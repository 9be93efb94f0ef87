"""Optimisers: what a step against the gradient looks like. The engine carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_rust.checks import finite


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
        rate = finite("learning_rate", self.learning_rate, least=0)
        object.__setattr__(self, "learning_rate", rate)
