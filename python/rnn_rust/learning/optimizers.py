"""Settings of optimisers, which the engine implements; :mod:`rnn_rust.optim` has the notation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Set
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import boolean, check_fields, decay_rate, finite, non_negative, positive
from rnn_rust.base.suggest import suggestion, suggests_settings
from rnn_rust.errors import ParameterError
from rnn_rust.learning import schedules

LearningRate = float | Callable[[int], float] | schedules.ReduceOnPlateau


def _learning_rate(name: str, value: Any) -> LearningRate:
    is_schedule = isinstance(value, schedules.ReduceOnPlateau) or (
        callable(value) and not isinstance(value, type)
    )
    rate: LearningRate = value if is_schedule else non_negative(name, value)
    return rate


def _betas(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ParameterError(f"{name} must be two numbers, got {value!r}")
    return decay_rate(f"{name}[0]", value[0]), decay_rate(f"{name}[1]", value[1])


# The check of each setting, the same in all optimisers.
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "learning_rate": _learning_rate,
    "momentum": decay_rate,
    "nesterov": boolean,
    "weight_decay": non_negative,
    "alpha": decay_rate,
    "eps": positive,
    "centered": boolean,
    "lr_decay": non_negative,
    "initial_accumulator_value": non_negative,
    "betas": _betas,
}


@dataclass(frozen=True)
class Optimizer:
    """Base class of the optimisers that the engine implements: frozen settings, without state."""

    learning_rate: LearningRate = 0.01

    def __post_init__(self) -> None:
        """Check every setting."""
        check_fields(self, **{field.name: _CHECKS[field.name] for field in fields(self)})


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: w ← w − η g.

    With ``weight_decay``, g ← g + λ w first. With ``momentum`` μ, b ← μ b + g is used instead of g
    (Polyak, 1964); with ``nesterov``, g + μ b (Sutskever et al., 2013).

    Parameters
    ----------
    learning_rate
        A number of at least 0, one of :mod:`rnn_rust.schedules`, or a function of the epoch (from 0
        over the life of the model) that returns one.
    momentum
        Fraction of the previous step that is added again: at least 0 and below 1.
    nesterov
        Whether the step looks ahead along the momentum, which must be above 0.
    weight_decay
        Coefficient of the L2 penalty, added to the gradient, at least 0.

    Raises
    ------
    ParameterError
        A setting is outside its allowed values: ``learning_rate`` and ``weight_decay`` at least 0,
        ``momentum`` at least 0 and below 1, ``nesterov`` only with momentum.
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ParameterError("nesterov=True needs a momentum above 0, for example momentum=0.9")


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Steps divided by a running root mean square (Hinton, 2012).

    v ← α v + (1 − α) g², w ← w − η g / (√v + eps).

    With ``weight_decay``, g ← g + λ w first. With ``centered``, m ← α m + (1 − α) g and √(v − m²)
    in place of √v (Graves, 2013). With ``momentum`` μ, b ← μ b + g / (√v + eps) and w ← w − η b.

    Parameters
    ----------
    learning_rate
        A number of at least 0, one of :mod:`rnn_rust.schedules`, or a function of the epoch (from 0
        over the life of the model) that returns one.
    alpha
        Decay rate of the running mean square: at least 0 and below 1.
    eps
        Added to the denominator for numerical stability, above 0.
    weight_decay
        Coefficient of the L2 penalty, added to the gradient, at least 0.
    momentum
        Fraction of the previous step that is added again: at least 0 and below 1.
    centered
        Whether to use the variance of the gradient instead of its mean square.

    Raises
    ------
    ParameterError
        A setting is outside its allowed values: ``learning_rate`` and ``weight_decay`` at least 0,
        ``alpha`` and ``momentum`` at least 0 and below 1, ``eps`` above 0.
    """

    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squares (Duchi, Hazan and Singer, 2011).

    s ← s + g², w ← w − η / (1 + (t − 1) lr_decay) · g / (√s + eps), where s begins at
    ``initial_accumulator_value``. With ``weight_decay``, g ← g + λ w first.

    Parameters
    ----------
    learning_rate
        A number of at least 0, one of :mod:`rnn_rust.schedules`, or a function of the epoch (from 0
        over the life of the model) that returns one.
    lr_decay
        How fast the learning rate decreases with the step number, at least 0.
    weight_decay
        Coefficient of the L2 penalty, added to the gradient, at least 0.
    initial_accumulator_value
        Initial value of the sum of squares, at least 0.
    eps
        Added to the denominator for numerical stability, above 0.

    Raises
    ------
    ParameterError
        A setting is outside its allowed values: all at least 0, ``eps`` above 0.
    """

    lr_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moment estimation (Kingma and Ba, 2015).

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
    w ← w − η · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + eps). With ``weight_decay``, g ← g + λ w first;
    in :class:`AdamW`, the decay does not enter the moments.

    Parameters
    ----------
    learning_rate
        A number of at least 0, one of :mod:`rnn_rust.schedules`, or a function of the epoch (from 0
        over the life of the model) that returns one.
    betas
        Decay rates of the two moments: each at least 0 and below 1.
    eps
        Added to the denominator for numerical stability, above 0.
    weight_decay
        Coefficient of the L2 penalty, added to the gradient, at least 0.

    Raises
    ------
    ParameterError
        A setting is outside its allowed values: ``learning_rate`` and ``weight_decay`` at least 0,
        both ``betas`` at least 0 and below 1, ``eps`` above 0.
    """

    learning_rate: LearningRate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    w ← w − η λ w, then the step of :class:`Adam` with the unchanged gradient.

    Parameters
    ----------
    learning_rate
        A number of at least 0, one of :mod:`rnn_rust.schedules`, or a function of the epoch (from 0
        over the life of the model) that returns one.
    betas
        Decay rates of the two moments: each at least 0 and below 1.
    eps
        Added to the denominator for numerical stability, above 0.
    weight_decay
        Fraction of the weights, times the learning rate, that is subtracted at every step; at
        least 0.

    Raises
    ------
    ParameterError
        A setting is outside its allowed values: ``learning_rate`` and ``weight_decay`` at least 0,
        both ``betas`` at least 0 and below 1, ``eps`` above 0.
    """

    weight_decay: float = 1e-2


@runtime_checkable
class CustomOptimizer(Protocol):
    """An optimiser of your own, in Python.

    It is called once per batch and changes the parameters in place. To work with a
    :class:`rnn_rust.Checkpoint`, it also needs ``state_dict()``, which returns everything that it
    remembers (arrays, numbers and strings by name, nested if you like), and
    ``load_state_dict(state)``. It is not saved in model files.

    >>> class SignDescent:
    ...     def update(self, parameters, gradients):
    ...         for name, gradient in gradients.items():
    ...             parameters[name] -= 0.01 * (gradient > 0) - 0.01 * (gradient < 0)
    """

    def update(
        self,
        parameters: MutableMapping[str, FloatArray],
        gradients: MutableMapping[str, FloatArray],
    ) -> object:
        """Change every parameter by its gradient, of the same name and shape."""


def checked_optimizer(optimizer: Any) -> Optimizer | CustomOptimizer:
    """Return the optimiser that ``optimizer`` is or names.

    Raises
    ------
    ParameterError
        It is not an optimiser of this module, the name of one, or an object with ``update``.
    """
    if isinstance(optimizer, str):
        named = {name.lower(): kind for name, kind in OPTIMIZERS.items()}
        if optimizer.lower() not in named:
            raise ParameterError(
                f"optimizer {optimizer!r} is not known; use {', '.join(OPTIMIZERS)}, or an object "
                f"with update(parameters, gradients){suggestion(optimizer, OPTIMIZERS)}"
            )
        return named[optimizer.lower()]()
    # Dicts and sets also have a method update, which does something else.
    is_custom = isinstance(optimizer, CustomOptimizer) and not isinstance(
        optimizer, type | Mapping | Set
    )
    if not is_custom and type(optimizer) not in OPTIMIZERS.values():
        raise ParameterError(
            f"optimizer must be {', '.join(OPTIMIZERS)} (an instance, or its name), or an object "
            f"with update(parameters, gradients), got {optimizer!r}"
        )
    result: Optimizer | CustomOptimizer = optimizer
    return result


def rate_at(learning_rate: Callable[[int], float] | float, epoch: int) -> float:
    """Return the rate of an epoch, counted from 0.

    Raises
    ------
    ParameterError
        A function did not return a finite number of at least 0.
    """
    if not callable(learning_rate):
        return learning_rate
    return finite(f"the learning rate of epoch {epoch}", learning_rate(epoch), least=0)


# As dicts, for files and for the engine ------------------------------------------------------

OPTIMIZERS: dict[str, type[Optimizer]] = {
    kind.__name__: kind for kind in (SGD, RMSprop, Adagrad, Adam, AdamW)
}
for _kind in OPTIMIZERS.values():
    suggests_settings(_kind)

_SCHEDULES = {
    kind.__name__: kind
    for kind in (
        schedules.Constant, schedules.StepDecay, schedules.ExponentialDecay,
        schedules.CosineDecay, schedules.ReduceOnPlateau,
    )
}  # fmt: skip


def to_dict(optimizer: Optimizer | CustomOptimizer, epoch: int | None) -> dict[str, Any] | None:
    """Return name and settings; None for an optimiser in Python, which cannot be saved.

    A function for the learning rate cannot be saved either: it is replaced with its value for
    ``epoch``, or None if ``epoch`` is None.
    """
    if not isinstance(optimizer, Optimizer):
        return None
    rate: Any = optimizer.learning_rate
    if type(rate) in _SCHEDULES.values():
        rate = _named(rate)
    elif callable(rate):
        rate = None if epoch is None else rate_at(rate, epoch)
    return _named(optimizer) | {"learning_rate": rate}


def from_dict(description: dict[str, Any] | None) -> Optimizer:
    """Return the optimiser that :func:`to_dict` described; ``SGD()`` for None.

    Raises
    ------
    ParameterError, TypeError, KeyError
        The description is not valid.
    """
    if description is None:
        return SGD()
    settings = dict(description)
    if isinstance(settings["learning_rate"], dict):
        settings["learning_rate"] = _unnamed("schedule", _SCHEDULES, settings["learning_rate"])
    optimizer: Optimizer = _unnamed("optimizer", OPTIMIZERS, settings)
    return optimizer


def engine_settings(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimiser's lower-case name and its settings, without the learning rate."""
    settings = _named(optimizer)
    del settings["learning_rate"]
    return {"method": settings.pop("name").lower()} | settings


def _named(settings: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, and the name of its class."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {"name": type(settings).__name__} | values


def _unnamed(what: str, kinds: dict[str, type[Any]], description: dict[str, Any]) -> Any:
    values = dict(description)
    name = values.pop("name")
    if name not in kinds:
        raise ParameterError(f"{what} {name!r} is not known")
    return kinds[name](**values)
