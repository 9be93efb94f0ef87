"""Parts of a file's description (table, forecast, classes), checked before they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from rnn_rust.base.checks import finite
from rnn_rust.data.ahead import Forecast
from rnn_rust.data.columns import Keys, Roles
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.steps import Pace
from rnn_rust.errors import ModelFileError
from rnn_rust.learning.labels import class_count
from rnn_rust.model.network import Network
from rnn_rust.storage.model_file import BAD_VALUES

Described = TypeVar("Described")


def names(what: str, value: Any, size: int) -> tuple[str, ...] | None:
    """Return the names of columns; ModelFileError unless they are ``size`` strings."""
    if value is None:
        return None
    found = _texts(what, value)
    if len(found) != size:
        raise ModelFileError(f"{what} has {len(found)} names for {size} columns")
    return found


def keys(value: Any) -> Keys | None:
    """Return how the ids and times of a table are read."""
    return None if value is None else _checked("table", _keys, value)


def forecast(value: Any, network: Network) -> Forecast | None:
    """Return what the network forecasts."""
    plan = None if value is None else _checked("forecast", _forecast, value)
    if plan is not None and plan.horizon != network.label_columns:
        raise ModelFileError(
            f"forecast: horizon is {plan.horizon} for {network.label_columns} label columns"
        )
    return plan


def pace(value: Any) -> Pace | None:
    """Return how far apart rows are."""
    return None if value is None else _checked("pace", _pace, value)


def encoder(value: Any) -> FeatureEncoder | None:
    """Return what the network has learnt about its features."""
    return None if value is None else _checked("features", FeatureEncoder.from_dict, value)


def label_levels(value: Any, network: Network) -> dict[str, tuple[str, ...]]:
    """Return the names of classes, by label, for each label whose classes have names."""
    levels = _checked("classes", _levels, value)
    known = network.label_names
    count = class_count(network.loss_name, network.settings["output_size"])
    for name, own in levels.items():
        if not isinstance(name, str) or (known is not None and name not in known):
            raise ModelFileError(f"classes: {name!r} is no label column")
        repeats = len(set(own)) < len(own)
        if len(own) != count or repeats:
            twice = ", one of them twice" if repeats else ""
            raise ModelFileError(f"classes: '{name}' has {len(own)} of {count} classes{twice}")
    return levels


def _checked(what: str, make: Callable[[Any], Described], value: Any) -> Described:
    """Return what a value describes; ModelFileError that names the part if it is not valid."""
    try:
        return make(value)
    except BAD_VALUES as error:
        raise ModelFileError(f"{what}: {error}") from error


def _levels(pairs: list[Any]) -> dict[str, tuple[str, ...]]:
    return {name: _texts("classes", own) for name, own in pairs}


def _keys(fields: dict[str, Any]) -> Keys:
    made = Keys(**fields | {"time": _texts("time", fields["time"])})
    Roles(time_format=made.time_format, ties=made.ties)
    if not (made.id is None or isinstance(made.id, str)):
        raise ValueError(f"id must be the name of a column or None, got {made.id!r}")
    if not (made.day_first is None or isinstance(made.day_first, bool)):
        raise ValueError(f"day_first must be True, False or None, got {made.day_first!r}")
    return made


def _forecast(fields: dict[str, Any]) -> Forecast:
    if fields["features"] is not None:
        fields = fields | {"features": _texts("features", fields["features"])}
    if not isinstance(fields["lags"], list):
        raise ValueError(f"lags must be a list, got {fields['lags']!r}")
    if fields["relative_to"] not in ("last", "season", None):
        raise ValueError(f"relative_to={fields['relative_to']!r} is not known")
    return Forecast.checked(**fields)


def _pace(fields: dict[str, Any]) -> Pace:
    made = Pace(**fields)
    if not isinstance(made.unit, str):
        raise ValueError(f"unit must be text, got {made.unit!r}")
    if made.unit and not made.in_months:
        np.timedelta64(1, made.unit)  # type: ignore[call-overload]  # TypeError if it is no unit
    if finite("count", made.count, least=0) >= 2**63:
        raise ValueError(f"count is {made.count}")
    return made


def _texts(what: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ModelFileError(f"{what} must be a list of names")
    return tuple(value)
