"""The engine. Arguments are checked and prepared by the classes that use it."""

from typing import Any, TypedDict, final, type_check_only

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float32] | NDArray[np.float64]
_Offsets = NDArray[np.int64]

__all__ = ["Network", "__version__"]

__version__: str

@type_check_only
class Settings(TypedDict):
    input_size: int
    hidden_size: int
    output_size: int
    activation: str
    output_activation: str
    loss: str
    reduction: str
    dtype: str
    init: str
    seed: int

@type_check_only
class Plan(TypedDict):
    learning_rate: float
    begins: bool
    batch_size: int
    shuffle: bool
    seed: int
    first_epoch: int
    epochs: int
    time_budget: float | None

@final
class Network:
    """A network, its weights, and the computations on them."""

    def __new__(cls, settings: Settings) -> Network: ...
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return every tensor by name, in the shape that users see."""
    def load_state_dict(self, state: dict[str, NDArray[Any]]) -> None:
        """Replace every tensor, or none if one does not fit."""
    def predict(self, features: _Array, offsets: _Offsets) -> NDArray[Any]:
        """Return outputs ``(N, L)``."""
    def hidden_states(self, features: _Array, offsets: _Offsets) -> NDArray[Any]:
        """Return states ``(N, H)``."""
    def loss(self, features: _Array, labels: _Array, offsets: _Offsets) -> float:
        """Return the loss of the data as one batch."""
    def gradients(
        self, features: _Array, labels: _Array, offsets: _Offsets
    ) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return the loss of the data as one batch, and every tensor's gradient by name."""
    def train(
        self, features: _Array, labels: _Array, offsets: _Offsets, plan: Plan
    ) -> tuple[list[float], list[float], BaseException | None]:
        """Train; return losses and seconds of the finished epochs, and what ended the call early.

        The last is an exception, or None if all epochs or the time budget were used.
        """
