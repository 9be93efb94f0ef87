"""The arguments of a model: what they are called, what they may be, and what the engine takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from rnn_rust.checks import (
    decay_rate,
    dtype_name,
    finite,
    from_1,
    positive,
    seed_number,
    truth,
)
from rnn_rust.errors import ParameterError
from rnn_rust.label_weights import ClassWeight, check_class_weight
from rnn_rust.labels import class_count
from rnn_rust.losses import CUSTOM, Loss, engine_loss

if TYPE_CHECKING:
    from rnn_rust import _core
    from rnn_rust.data.scale import Scaler
    from rnn_rust.optim import CustomOptimizer, Optimizer


class Options(TypedDict, total=False):
    """Keyword arguments of every model; :class:`rnn_rust.network.Network` describes them."""

    num_layers: int
    bidirectional: bool
    dropout: float
    recurrent_dropout: float
    readout: str
    output_activation: str
    loss: Loss
    optimizer: Optimizer | CustomOptimizer
    clip_norm: float | None
    clip_value: float | None
    bptt_steps: int | None
    class_weight: ClassWeight
    pos_weight: float | None
    init: str
    reduction: str
    dtype: str | type | np.dtype[Any]
    seed: int
    scaler: str | Scaler | None
    n_threads: int | None


def _optional(check: Any) -> Any:
    return lambda name, value: None if value is None else check(name, value)


def _in_float32(name: str, value: float) -> float:
    number = finite(name, value)
    if abs(number) > float(np.finfo(np.float32).max):
        raise ParameterError(f"{name} must be finite in float32, got {value}")
    return number


def _text(_: str, value: object) -> str:
    return str(value)


# What each argument is put through; the engine knows the names of activations, losses and so on.
_CHECKS = {
    "input_size": from_1,
    "hidden_size": from_1,
    "output_size": from_1,
    "activation": _text,
    "reset_after": truth,
    "forget_bias": _in_float32,
    "num_layers": from_1,
    "bidirectional": truth,
    "dropout": decay_rate,
    "recurrent_dropout": decay_rate,
    "readout": _text,
    "output_activation": _text,
    "loss": lambda _, loss: loss,
    "clip_norm": _optional(positive),
    "clip_value": _optional(positive),
    "bptt_steps": _optional(from_1),
    "class_weight": lambda _, weight: weight,
    "pos_weight": _optional(positive),
    "init": _text,
    "reduction": _text,
    "dtype": lambda _, dtype: dtype_name(dtype),
    "seed": lambda _, seed: seed_number(seed),
}

# Only some cells have these; the engine is told of all.
_OF_CELLS = {"activation": "tanh", "reset_after": True, "forget_bias": 0.0}


def checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as they are kept.

    Raises
    ------
    ParameterError
        One is outside its allowed values, or has no effect beside the others.
    """
    settings = {name: _CHECKS[name](name, value) for name, value in arguments.items()}
    loss, _ = engine_loss(settings["loss"], settings["pos_weight"])
    classes = class_count(loss, settings["output_size"])
    if classes is not None and settings["output_activation"] != "identity":
        raise ParameterError(
            f"output_activation has no effect: loss {loss!r} implies the activation of the outputs"
        )
    if classes is not None:
        settings["class_weight"] = check_class_weight(settings["class_weight"], classes)
    elif settings["class_weight"] is not None:
        raise ParameterError(
            f"class_weight has no effect on loss {loss!r}; it is for binary_cross_entropy, focal "
            "and cross_entropy"
        )
    if loss == "cross_entropy" and settings["output_size"] == 1:
        raise ParameterError(
            "loss 'cross_entropy' needs an output for each class, output_size=1 is one; use "
            "'binary_cross_entropy', or output_size=2"
        )
    if settings["num_layers"] == 1 and settings["dropout"] > 0:
        raise ParameterError(
            "dropout has no effect with num_layers=1, as it acts between layers; "
            "recurrent_dropout acts within one"
        )
    _check_windows(settings, loss)
    if loss == CUSTOM and settings["reduction"] != "mean":
        raise ParameterError("reduction has no effect on a loss in Python, which reduces by itself")
    return settings


def _check_windows(settings: dict[str, Any], loss: str) -> None:
    """Check that sequences are cut into windows only where these can be computed one by one."""
    whole = {
        "bidirectional=True": settings["bidirectional"],
        "readout='mean'": settings["readout"] == "mean",
        "reduction='sum'": settings["reduction"] == "sum",
        "a loss in Python": loss == CUSTOM,
    }
    if settings["bptt_steps"] is not None and any(whole.values()):
        first = next(name for name, present in whole.items() if present)
        raise ParameterError(
            f"bptt_steps cuts sequences into windows, and {first} needs all steps at once"
        )


def engine_settings(cell: str, settings: dict[str, Any]) -> _core.Settings:
    """Return what the engine builds a network from."""
    name, parameters = engine_loss(settings["loss"], settings["pos_weight"])
    given: Any = _OF_CELLS | settings | {"cell": cell, "loss": name, "loss_parameters": parameters}
    return given  # type: ignore[no-any-return]
