"""Everything that a model is: what its copies hold, and what a refused training goes back to.

A model file keeps what predictions need; this also has what training goes on with: the optimiser's
moments, the rate of a schedule that follows the record, the number of updates, and whatever
attributes a subclass or a user has added.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rnn_rust import _core
from rnn_rust.settings import engine_settings

if TYPE_CHECKING:
    from rnn_rust.network import Network

# The attributes that hold on to the engine, which is described by settings and arrays instead.
_OF_THE_ENGINE = ("_core", "_descent")


def state_of(model: Network) -> dict[str, Any]:
    """Return the whole state; what is in Python (an optimiser, a loss) is there as it is."""
    attributes = {name: each for name, each in vars(model).items() if name not in _OF_THE_ENGINE}
    return {
        "attributes": attributes,
        "weights": model.state_dict(),
        "n_threads": model.n_threads,
        "optimizer": model.optimizer,
        "descent": model._descent.progress(),
    }


def set_state(model: Network, state: dict[str, Any]) -> None:
    """Make a model, which may be empty, what another was in :func:`state_of`."""
    vars(model).update(state["attributes"])
    if not hasattr(model, "_core"):
        model._core = _core.Network(engine_settings(model._cell, model._settings))
    model._core.load_state_dict(state["weights"])
    model.n_threads = state["n_threads"]
    model.optimizer = state["optimizer"]
    model._descent.load_progress(state["descent"])


def way_back(model: Network) -> Callable[[], None]:
    """Return what makes the model again what it is at the moment."""
    state, descent = state_of(model), model._descent
    in_python = descent.can_be_kept and not descent.is_of_engine
    # The optimiser may go on changing what it hands out.
    moments = copy.deepcopy(descent.moments()) if in_python else None

    def go_back() -> None:
        set_state(model, state)
        if moments is not None:
            model._descent.load_moments(moments)

    return go_back
