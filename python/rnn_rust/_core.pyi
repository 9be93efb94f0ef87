"""The engine. Arguments are checked and prepared by the classes that use it."""

from typing import Any, TypedDict, final, type_check_only

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array = NDArray[np.float32] | NDArray[np.float64]
_Offsets = NDArray[np.int64]

__all__ = ["Network", "Stepper", "__version__"]

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
    @property
    def n_threads(self) -> int | None:
        """How many threads a call may use; None leaves it to the environment."""
    @n_threads.setter
    def n_threads(self, value: int | None) -> None: ...
    def stepper(
        self, features: tuple[list[float], list[float]], labels: tuple[list[float], list[float]]
    ) -> Stepper:
        """Return a stepper with these weights.

        The scalers of features and labels are given as shift and scale by column, empty without.
        """
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

@final
class Stepper:
    """Reads one sequence step by step and carries the state; made by ``model.stepper()``.

    It has a copy of the model's weights and scaler, and gives the bits that ``predict`` gives for
    the whole sequence. Not for several threads at once; each sequence wants a stepper of its own,
    or its state set and taken.
    """

    def step(self, features: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the outputs ``(L,)`` after one more step with ``features (I,)``.

        Both in original units. With ``out``, an array of shape ``(L,)`` and the model's dtype, the
        outputs go there, and nothing is allocated.

        Raises
        ------
        ShapeError
            Another number of features than the model's.
        DataError
            A feature is NaN or infinite.
        """
    def reset(self) -> None:
        """Begin another sequence: the state becomes 0."""
    @property
    def state(self) -> NDArray[Any]:
        """The state h ``(H,)`` after the last step; set it to go on from another."""
    @state.setter
    def state(self, value: ArrayLike) -> None: ...
