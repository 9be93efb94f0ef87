"""The state of an optimiser for one network: learning rate, moments, number of updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_rust.base.checks import whole_number
from rnn_rust.errors import ParameterError
from rnn_rust.learning.optimizers import (
    CustomOptimizer,
    Optimizer,
    checked_optimizer,
    engine_settings,
    rate_at,
)
from rnn_rust.learning.schedules import Plateau, ReduceOnPlateau

if TYPE_CHECKING:
    from rnn_rust import _core


class OptimizerState:
    """What an optimiser remembers about one network.

    Parameters
    ----------
    core
        The engine's network, which keeps the moments of the engine's optimisers.
    optimizer
        The optimiser: its settings, or a Python object.

    Attributes
    ----------
    updates
        Number of calls of ``update``, which are outside epochs; each has its own dropout masks.

    Raises
    ------
    ParameterError
        ``optimizer`` is not an optimiser.
    """

    def __init__(self, core: _core.Network, optimizer: Optimizer | CustomOptimizer) -> None:
        self.optimizer = checked_optimizer(optimizer)
        optimizer = self.optimizer
        if isinstance(optimizer, Optimizer):
            core.set_optimizer(engine_settings(optimizer))
        self._core = core
        self.updates = 0
        # An optimiser in Python has its own learning rate.
        rate = optimizer.learning_rate if isinstance(optimizer, Optimizer) else 0.0
        self._rate = Plateau(rate) if isinstance(rate, ReduceOnPlateau) else rate

    @property
    def plateau(self) -> Plateau | None:
        """The object that must see every record, if the learning rate depends on records."""
        return self._rate if isinstance(self._rate, Plateau) else None

    @property
    def in_python(self) -> CustomOptimizer | None:
        """The optimiser if it is written in Python; None if the engine implements it."""
        return None if isinstance(self.optimizer, Optimizer) else self.optimizer

    @property
    def can_be_saved(self) -> bool:
        """Whether a checkpoint can store the state: an optimiser in Python must provide it."""
        return self.in_python is None or all(
            callable(getattr(self.optimizer, name, None))
            for name in ("state_dict", "load_state_dict")
        )

    def learning_rates(self, epochs: range, dtype: str) -> list[float]:
        """Return the learning rate of each epoch, counted from 0 over the life of the network.

        Raises
        ------
        ParameterError
            A rate is not a finite number of at least 0, or is infinite in the network's dtype.
        """
        rates = [rate_at(self._rate, epoch) for epoch in epochs]
        if max(rates) > (largest := float(np.finfo(dtype).max)):
            raise ParameterError(f"learning_rate must not be above {largest:g}, got {max(rates):g}")
        return rates

    # For checkpoints --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint: schedule, moments, and the count of updates."""
        return {
            "plateau": self._plateau_state(),
            "optimizer": self.moments(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state with the same settings."""
        # An earlier version did not keep the count.
        updates = whole_number("updates", state.get("updates", self.updates), least=0)
        self._load_plateau_state(state["plateau"])
        self.load_moments(state["optimizer"])
        self.updates = updates

    # For copies -------------------------------------------------------------------------------

    def progress(self) -> dict[str, Any]:
        """Return the state that a copied optimiser lacks; one in Python has its own moments."""
        moments = self.moments() if self.in_python is None else None
        if moments is not None and not moments["steps"]:
            moments = None  # All are 0, as in any optimiser before its first step.
        return {"plateau": self._plateau_state(), "moments": moments, "updates": self.updates}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Continue from the progress of another state with the same optimiser."""
        self._load_plateau_state(progress["plateau"])
        if progress["moments"] is not None:
            self.load_moments(progress["moments"])
        self.updates = progress["updates"]

    def moments(self) -> dict[str, Any]:
        """Return what the optimiser keeps between steps."""
        if self.in_python is None:
            return self._core.optimizer_state()
        state: dict[str, Any] = self.in_python.state_dict()  # type: ignore[attr-defined]
        return state

    def load_moments(self, state: dict[str, Any]) -> None:
        """Continue from the moments of an optimiser with the same settings.

        Raises
        ------
        ShapeError, DataError
            A moment is missing, or does not fit this optimiser.
        """
        if self.in_python is None:
            self._core.load_optimizer_state(state)
        else:
            self.in_python.load_state_dict(state)  # type: ignore[attr-defined]

    def _plateau_state(self) -> dict[str, Any] | None:
        return None if self.plateau is None else self.plateau.state_dict()

    def _load_plateau_state(self, state: Any) -> None:
        if self.plateau is not None:
            self.plateau.load_state_dict(state)
