"""Checks of arguments: each takes name and value, and returns the value to keep."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from rnn_rust.base.checks import finite
from rnn_rust.data.missing import FILLS
from rnn_rust.errors import ParameterError


def optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Return a check that also accepts None."""
    return lambda name, value: None if value is None else check(name, value)


def in_float32(name: str, value: float) -> float:
    """Return a number that is finite in float32, or raise ParameterError."""
    number = finite(name, value)
    if abs(number) > float(np.finfo(np.float32).max):
        raise ParameterError(f"{name} must be finite in float32, got {value}")
    return number


def dropout_probability(name: str, value: float) -> float:
    """Return a dropout probability, or raise ParameterError.

    The engine rounds it to 16 bits.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < 1 - 2**-17:
        raise ParameterError(
            f"{name} must be at least 0 and below 1 (it is rounded to a multiple of 1/65536), "
            f"got {value!r}"
        )
    return float(value)


def fill(name: str, value: object) -> str:
    """Return how missing numbers are filled, or raise ParameterError."""
    if not isinstance(value, str) or value not in FILLS:
        raise ParameterError(f"{name}={value!r} is not known; use {', '.join(map(repr, FILLS))}")
    return str(value)


def text(_: str, value: object) -> str:
    """Return a name; the engine checks it."""
    return str(value)


def as_given(_: str, value: Any) -> Any:
    """Return the value unchanged; it is checked elsewhere."""
    return value
