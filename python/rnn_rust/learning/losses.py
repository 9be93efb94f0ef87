"""Losses: their names and parameters, and losses in Python; :mod:`rnn_rust.losses` lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rnn_rust.base.arrays import FloatArray, as_numbers
from rnn_rust.base.checks import check_fields, fraction, non_negative, positive
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import DataError, ParameterError, ShapeError

# The name for a loss in Python, which cannot be stored in a file.
CUSTOM = "custom"


@suggests_settings
@dataclass(frozen=True)
class Huber:
    """Squared error near 0, absolute error beyond ``delta`` (Huber, 1964): as in PyTorch.

    Parameters
    ----------
    delta
        Size of an error, in the (scaled) units of training, above which the loss is linear.

    Raises
    ------
    ParameterError
        ``delta`` is not above 0.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_fields(self, delta=positive)


@suggests_settings
@dataclass(frozen=True)
class Quantile:
    """The pinball loss, which is minimised by the ``q``-quantile (Koenker and Bassett, 1978).

    Parameters
    ----------
    q
        Share of the labels that should lie below the predictions, between 0 and 1.

    Raises
    ------
    ParameterError
        ``q`` is not above 0 and below 1.
    """

    q: float = 0.5

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_fields(self, q=fraction)


@suggests_settings
@dataclass(frozen=True)
class Focal:
    """Binary cross entropy in which well-predicted labels count less (Lin et al., 2017).

    Parameters
    ----------
    gamma
        How fast the loss falls as a prediction gets better; 0 is binary cross entropy.

    Raises
    ------
    ParameterError
        ``gamma`` is below 0.
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_fields(self, gamma=non_negative)


@runtime_checkable
class CustomLoss(Protocol):
    """A loss in Python: called once per batch."""

    def value_and_gradient(
        self, predictions: FloatArray, labels: FloatArray
    ) -> tuple[float, FloatArray]:
        """Return the loss of a batch, and its derivative with respect to the predictions.

        Parameters
        ----------
        predictions
            ``(R, L)``: the outputs for the batch's rows, or for its sequences if there is one per
            sequence, in the (scaled) units of training.
        labels
            ``(R, L)``, NaN where missing: missing labels must add nothing to loss or derivative.
        """
        ...


_CLASSES = {"huber": Huber, "quantile": Quantile, "focal": Focal}
Loss = str | Huber | Quantile | Focal | CustomLoss


def engine_loss(loss: object, pos_weight: float | None) -> tuple[str, dict[str, float]]:
    """Return the name and parameters of a loss for the engine.

    Raises
    ------
    ParameterError
        It is not a loss, or ``pos_weight`` has no effect on it. (The engine checks names.)
    """
    kind = next((name for name, kind in _CLASSES.items() if type(loss) is kind), None)
    parameters: dict[str, float] = {}
    if isinstance(loss, str) and loss != CUSTOM:
        name = loss
    elif kind is not None:
        name, parameters = kind, asdict(loss)  # type: ignore[call-overload]
    elif isinstance(loss, CustomLoss) and not isinstance(loss, type):
        name = CUSTOM
    else:
        raise ParameterError(
            "loss must be a name, one of rnn_rust.losses, or an object with "
            f"value_and_gradient(predictions, labels), got {loss!r}"
        )
    if pos_weight is not None:
        if name not in ("binary_cross_entropy", "focal"):
            raise ParameterError(
                f"pos_weight has no effect on loss {name!r}; it is for binary_cross_entropy and "
                "focal"
            )
        parameters["pos_weight"] = positive("pos_weight", pos_weight)
    return name, parameters


def to_dict(loss: Loss) -> dict[str, Any] | str:
    """Return what a file can store of a loss: for one in Python, only that there was one."""
    name, parameters = engine_loss(loss, None)
    return {"name": name} | parameters if parameters else name


def from_dict(description: object) -> Loss:
    """Return the loss that :func:`to_dict` described; ``"mse"`` in place of one in Python.

    Raises
    ------
    ParameterError, TypeError, KeyError
        The description is not valid.
    """
    if isinstance(description, Mapping):
        parameters = dict(description)
        kind: Any = _CLASSES[parameters.pop("name")]
        return kind(**parameters)  # type: ignore[no-any-return]
    return "mse" if description == CUSTOM else str(description)


class CheckedLoss:
    """Wraps a loss in Python for the engine: checks and converts its result."""

    def __init__(self, loss: CustomLoss) -> None:
        self._loss = loss

    def value_and_gradient(
        self, predictions: FloatArray, labels: FloatArray
    ) -> tuple[float, FloatArray]:
        """Return the loss of a batch, NaN if its gradient is not finite, and the gradient.

        Raises
        ------
        DataError
            The value is not a number, or the gradient is not an array of numbers.
        ShapeError
            The gradient does not have the shape of the predictions.
        """
        answer = self._loss.value_and_gradient(predictions, labels)
        name = f"value_and_gradient of {type(self._loss).__name__}"
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise DataError(f"{name} must return (value, gradient), got {type(answer).__name__}")
        value = as_numbers(f"{name}, the value", answer[0])
        if value.size != 1:
            raise ShapeError(f"{name}, the value: expected one number, got shape {value.shape}")
        with np.errstate(over="ignore"):
            gradient = np.ascontiguousarray(
                as_numbers(f"{name}, the gradient", answer[1]), dtype=predictions.dtype
            )
        if gradient.shape != predictions.shape:
            raise ShapeError(
                f"the gradient of {type(self._loss).__name__}: expected {predictions.shape}, the "
                f"shape of the predictions, got {gradient.shape}"
            )
        # The engine treats NaN in a gradient as a missing label; a NaN loss ends training.
        return (float(value.item()) if np.isfinite(gradient).all() else math.nan), gradient
