"""The engine. Arguments are checked and prepared by the classes that use it."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32] | NDArray[np.float64]
Offsets = NDArray[np.int64]

__version__: str

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

class Plan(TypedDict):
    learning_rate: float
    batch_size: int
    shuffle: bool
    seed: int
    first_epoch: int
    epochs: int
    time_budget: float | None

class Network:
    """A network, its weights, and the computations on them."""

    def __new__(cls, settings: Settings) -> Network: ...
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return every tensor by name, in the shape that users see."""
    def load_state_dict(self, state: dict[str, NDArray[Any]]) -> None:
        """Replace every tensor, or none if one does not fit."""
    def predict(self, features: Array, offsets: Offsets) -> NDArray[Any]:
        """Return outputs ``(N, L)``."""
    def hidden_states(self, features: Array, offsets: Offsets) -> NDArray[Any]:
        """Return states ``(N, H)``."""
    def loss(self, features: Array, labels: Array, offsets: Offsets) -> float:
        """Return the loss of the data as one batch."""
    def gradients(
        self, features: Array, labels: Array, offsets: Offsets
    ) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return the loss of the data as one batch, and every tensor's gradient by name."""
    def train(
        self, features: Array, labels: Array, offsets: Offsets, plan: Plan
    ) -> tuple[list[float], list[float], BaseException | None]:
        """Train; return losses and seconds of the finished epochs, and what ended the call early.

        The last is an exception, or None if all epochs or the time budget were used.
        """
