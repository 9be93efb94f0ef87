"""Checks of single arguments, each with one readable message."""

from __future__ import annotations

from numbers import Integral, Real
from typing import SupportsIndex

from rnn_rust.errors import ParameterError


def whole_number(name: str, value: SupportsIndex, *, least: int) -> int:
    """Return ``value`` as an int of at least ``least``.

    Raises
    ------
    ParameterError
        ``value`` is not an integer (a bool is none) or too small.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    if value < least:
        raise ParameterError(f"{name} must be at least {least}, got {value}")
    return int(value)


def seed_number(value: SupportsIndex) -> int:
    """Return a seed, an integer from 0 to 2⁶⁴ − 1.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    seed = whole_number("seed", value, least=0)
    if seed >= 2**64:
        raise ParameterError(f"seed must be below 2**64, got {seed}")
    return seed


def open_share(name: str, value: float) -> float:
    """Return a share strictly between 0 and 1.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < 1:
        raise ParameterError(f"{name} must be above 0 and below 1, got {value!r}")
    return float(value)
