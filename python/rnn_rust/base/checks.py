"""Checks of single arguments, each with one readable message."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from rnn_rust.errors import ParameterError


def whole_number(name: str, value: object, *, least: int) -> int:
    """Return ``value`` as an int of at least ``least``.

    Raises
    ------
    ParameterError
        ``value`` is not an integer (a bool is not one), too small, or 2⁶³ or more.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    number = int(value)
    if number < least:
        raise ParameterError(f"{name} must be at least {least}, got {value}")
    if number >= 2**63:
        raise ParameterError(f"{name} must be below 2**63, got {value}")
    return number


def seed_number(value: object) -> int:
    """Return a seed, an integer from 0 to 2⁶³ − 1.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    return whole_number("seed", value, least=0)


def finite(name: str, value: float, *, least: float = -math.inf) -> float:
    """Return ``value`` as a finite float of at least ``least``.

    Raises
    ------
    ParameterError
        It is anything else (a bool is not a number).
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ParameterError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and number >= least):
        bound = "" if least == -math.inf else f" and at least {least:g}"
        raise ParameterError(f"{name} must be finite{bound}, got {value}")
    return number


def boolean(name: str, value: object) -> bool:
    """Return ``value``, a bool.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    if not isinstance(value, bool):
        raise ParameterError(f"{name} must be True or False, got {value!r}")
    return value


def fraction(name: str, value: float) -> float:
    """Return a fraction strictly between 0 and 1.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < 1:
        raise ParameterError(f"{name} must be above 0 and below 1, got {value!r}")
    return float(value)


def decay_rate(name: str, value: float) -> float:
    """Return a decay rate: at least 0 and below 1.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < 1:
        raise ParameterError(f"{name} must be at least 0 and below 1, got {value!r}")
    return float(value)


def positive(name: str, value: float) -> float:
    """Return ``value`` as a finite float above 0.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    number = finite(name, value)
    if number <= 0:
        raise ParameterError(f"{name} must be above 0, got {value}")
    return number


def non_negative(name: str, value: float) -> float:
    """Return ``value`` as a finite float of at least 0; errors as in :func:`finite`."""
    return finite(name, value, least=0)


def positive_integer(name: str, value: object) -> int:
    """Return ``value`` as an int of at least 1; errors as in :func:`whole_number`."""
    return whole_number(name, value, least=1)


def path_text(name: str, value: object) -> str:
    """Return the path of a file or folder as a str.

    Raises
    ------
    ParameterError
        ``value`` is not a path, is empty, or contains a null character.
    """
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ParameterError(f"{name} must be a path, a str or a pathlib.Path, got {value!r}")
    return path


def check_fields(settings: object, **checks: Callable[[str, Any], Any]) -> None:
    """Replace each field of a frozen dataclass by the return value of its check."""
    for name, check in checks.items():
        object.__setattr__(settings, name, check(name, getattr(settings, name)))


def dtype_name(dtype: str | type | np.dtype[Any]) -> str:
    """Return the name of a dtype, given in any form; the engine checks that it supports it.

    Raises
    ------
    ParameterError
        It is not a dtype.
    """
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, np.dtype) or (isinstance(dtype, type) and issubclass(dtype, np.generic)):
        return np.dtype(dtype).name
    raise ParameterError(f"dtype must be 'float32' or 'float64', got {dtype!r}")


def float_name(dtype: str | type | np.dtype[Any]) -> str:
    """Return :func:`dtype_name`, which must be ``"float32"`` or ``"float64"``.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    name = dtype_name(dtype)
    if name not in ("float32", "float64"):
        raise ParameterError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return name


def is_unicode(text: str) -> bool:
    """Whether text can be encoded: a lone surrogate cannot be written to a file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def counted(count: int, one: str, several: str | None = None) -> str:
    """Return a number and its noun: ``1 key``, ``1,200 keys``."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def shown(value: object) -> str:
    """Return a value for messages: shortened if it is long, text quoted and escaped."""
    try:
        return _short.repr(value)
    except ValueError:
        # Python refuses to write out very long ints.
        return f"an int of {value.bit_length()} bits" if isinstance(value, int) else _kind(value)


def written_number(cell: object) -> str:
    """Return a number for messages: as written in its cell, if that is text."""
    return shown(cell).strip("'") if isinstance(cell, str) else str(cell)


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def named(value: object) -> str:
    """Return an argument of the wrong kind for messages: its value if simple, else its type."""
    if value is None or isinstance(value, (int, float, str)):
        return shown(value)
    return _kind(value)
