"""Taking a network back to what it was, after a training that is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable

from rnn_rust.model.network import Network


def restorer(network: Network) -> Callable[[], None]:
    """Return a function that restores the network to its present state."""
    state, optimizer_state = network.__getstate__(), network.optimizer_state
    in_python = optimizer_state.in_python is not None and optimizer_state.can_be_saved
    # An optimiser in Python may later change the arrays that it returns.
    moments = copy.deepcopy(optimizer_state.moments()) if in_python else None

    def restore() -> None:
        network.__setstate__(state)
        if moments is not None:
            network.optimizer_state.load_moments(moments)

    return restore
