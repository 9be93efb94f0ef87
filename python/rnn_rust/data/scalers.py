"""Scalers made from a name, or from the description in a model file."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnn_rust.base.checks import boolean
from rnn_rust.data.scale import FITTED, MinMaxScaler, RobustScaler, Scaler, StandardScaler
from rnn_rust.errors import ModelFileError, ParameterError, RnnRustError

_SCALERS: dict[str, type[Scaler]] = {
    scaler.kind: scaler for scaler in (MinMaxScaler, StandardScaler, RobustScaler)
}


def make_scaler(name: str, *, labels: bool = True) -> Scaler:
    """Return a new scaler by its name; ``labels`` as in `Scaler`.

    Raises
    ------
    ParameterError
        The name is unknown.
    """
    if name not in _SCALERS:
        allowed = " or ".join(repr(kind) for kind in _SCALERS)
        raise ParameterError(f"scaler {name!r} is not known; use {allowed}")
    return _SCALERS[name](labels=labels)


def make_model_scaler(
    scaler: str | Scaler | None, output_activation: str, *, classes: bool
) -> Scaler | None:
    """Return a scaler for one model from its arguments; the caller's scaler is copied.

    A scaler given by name also scales labels, except ``classes``; ``"standard"`` and ``"robust"``
    do not if there is an output activation, because labels would leave its range.

    Raises
    ------
    ParameterError
        It is neither a known name nor a scaler, or it scales labels that are classes.
    """
    if scaler is None:
        return None
    if isinstance(scaler, Scaler):
        if classes and scaler.labels:
            raise ParameterError(
                "the labels are classes, which no scaler may change; give the scaler labels=False"
            )
        return copy.copy(scaler)
    if not isinstance(scaler, str):
        raise ParameterError(f"scaler must be a name or a scaler, got {scaler!r}")
    bounded = output_activation != "identity"
    return make_scaler(scaler, labels=not (classes or (bounded and scaler != "minmax")))


def scaler_from_dict(values: dict[str, Any]) -> Scaler:
    """Return the scaler that :meth:`Scaler.to_dict` described.

    Raises
    ------
    ModelFileError
        The kind is not known, or a value is missing or not a list of finite numbers.
    """
    try:
        scaler = make_scaler(values["kind"], labels=boolean("labels", values["labels"]))
        if len(values) > 2:
            _restore(scaler, values)
    except (KeyError, TypeError, ValueError, OverflowError, RnnRustError) as error:
        raise ModelFileError(f"the scaler of the model cannot be read: {error}") from error
    return scaler


def _restore(scaler: Scaler, values: dict[str, Any]) -> None:
    """Set the fitted values; ValueError or KeyError if they are invalid."""
    for name in FITTED:
        setattr(scaler, name, np.array(values[name[:-1]], dtype=np.float64))
    fitted = [getattr(scaler, name) for name in FITTED]
    if not all(v.ndim == 1 and np.isfinite(v).all() for v in fitted):
        raise ValueError("values must be lists of finite numbers")
    for shift, scale in (fitted[:2], fitted[2:]):
        if len(shift) != len(scale) or not (scale > 0).all():
            raise ValueError("each shift needs one scale above 0")
