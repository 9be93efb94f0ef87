"""An optimiser at work on one model: its rates, its state, and the calls that train.

The one place that knows what the engine wants to be told about optimisers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_rust.errors import ParameterError
from rnn_rust.optim import (
    CustomOptimizer,
    Optimizer,
    checked_optimizer,
    engine_settings,
    rate_of,
)
from rnn_rust.schedules import Plateau, ReduceOnPlateau

if TYPE_CHECKING:
    from rnn_rust import _core
    from rnn_rust.inputs import LabelledInputs
    from rnn_rust.network import Network

# Epochs whose rates are worked out ahead: many enough for a crossing to cost nothing beside them.
_AHEAD = 1000


@dataclass(frozen=True)
class Passage:
    """How some epochs go through the data.

    ``begins`` marks the first of the calls that make up one training: what was learnt before it is
    not taken back if it diverges. ``seed`` is that of the orders and of dropout. ``time_budget`` in
    seconds ends a call early, after an epoch.
    """

    begins: bool
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    time_budget: float | None = None


class Descent:
    """An optimiser and what it has come to on one model.

    Parameters
    ----------
    core
        The engine of the model.
    optimizer
        Its settings.

    Attributes
    ----------
    updates
        Calls of ``update`` so far. They are of no epoch, and each has dropout of its own.

    Raises
    ------
    ParameterError
        ``optimizer`` is none.
    """

    def __init__(self, core: _core.Network, optimizer: Optimizer | CustomOptimizer) -> None:
        self.optimizer = checked_optimizer(optimizer)
        if isinstance(optimizer, Optimizer):
            core.set_optimizer(engine_settings(optimizer))
        self._core = core
        self.updates = 0
        # An optimiser in Python has its own.
        rate = optimizer.learning_rate if isinstance(optimizer, Optimizer) else 0.0
        self._rate = Plateau(rate) if isinstance(rate, ReduceOnPlateau) else rate

    @property
    def plateau(self) -> Plateau | None:
        """What is to observe every record, where the rate depends on them."""
        return self._rate if isinstance(self._rate, Plateau) else None

    def train(
        self, model: Network, arrays: LabelledInputs, passage: Passage
    ) -> tuple[list[float], list[float], BaseException | None]:
        """Train; return losses and seconds of the finished epochs, and what ended the call early.

        There may be fewer epochs than asked for without an error: call again for the others.
        """
        first = model.epochs_trained
        ahead = range(first, first + min(passage.epochs, _AHEAD))
        settings = model.settings
        return self._core.train(
            *arrays,
            {
                "begins": passage.begins,
                "learning_rates": self._rates(ahead, settings["dtype"]),
                "clip_norm": settings["clip_norm"],
                "clip_value": settings["clip_value"],
                "bptt_steps": settings["bptt_steps"],
                "batch_size": passage.batch_size,
                "shuffle": passage.shuffle,
                "seed": passage.seed,
                "first_epoch": first,
                "epochs": len(ahead),
                "time_budget": passage.time_budget,
            },
            custom=model.custom_loss,
            optimizer=None if isinstance(self.optimizer, Optimizer) else self.optimizer,
        )

    def _rates(self, epochs: range, dtype: str) -> list[float]:
        """Return the rate of each epoch; none that is infinite in the network's type."""
        rates = [rate_of(self._rate, epoch) for epoch in epochs]
        if max(rates) > (largest := float(np.finfo(dtype).max)):
            raise ParameterError(f"learning_rate must not be above {largest:g}, got {max(rates):g}")
        return rates

    # State ------------------------------------------------------------------------------------

    @property
    def is_of_engine(self) -> bool:
        """Whether the engine carries the optimiser out; otherwise it is in Python."""
        return isinstance(self.optimizer, Optimizer)

    @property
    def can_be_kept(self) -> bool:
        """Whether a checkpoint can hold the state: an optimiser in Python must hand it out."""
        return self.is_of_engine or all(
            callable(getattr(self.optimizer, name, None))
            for name in ("state_dict", "load_state_dict")
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule and the optimiser's moments, for a checkpoint."""
        plateau = None if self.plateau is None else self.plateau.state_dict()
        return {"plateau": plateau, "optimizer": self.moments()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the state of another with the same settings."""
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])
        self.load_moments(state["optimizer"])

    def progress(self) -> dict[str, Any]:
        """Return what the optimiser itself does not hold, for a copy that has the same optimiser.

        One in Python holds its moments.
        """
        plateau = None if self.plateau is None else self.plateau.state_dict()
        moments = self.moments() if self.is_of_engine else None
        return {"plateau": plateau, "moments": moments, "updates": self.updates}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Go on from the progress of another with the same optimiser."""
        if self.plateau is not None:
            self.plateau.load_state_dict(progress["plateau"])
        if self.is_of_engine:
            self.load_moments(progress["moments"])
        self.updates = progress["updates"]

    def moments(self) -> dict[str, Any]:
        """Return what the optimiser keeps from step to step."""
        if self.is_of_engine:
            return self._core.optimizer_state()
        state: dict[str, Any] = self.optimizer.state_dict()  # type: ignore[union-attr]
        return state

    def load_moments(self, state: dict[str, Any]) -> None:
        """Go on from the moments of another with the same settings."""
        if self.is_of_engine:
            self._core.load_optimizer_state(state)
        else:
            self.optimizer.load_state_dict(state)  # type: ignore[union-attr]
