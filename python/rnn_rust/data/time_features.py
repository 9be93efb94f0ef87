"""Features derived from the times of rows.

The time since the previous row and, for dates, the hour of the day, the day of the week and the day
of the year, as points on a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.suggest import suggestion
from rnn_rust.errors import DataError, ParameterError

ELAPSED, LOG_ELAPSED = "elapsed", "log_elapsed"
CYCLES = {"hour": 86_400.0, "weekday": 7 * 86_400.0, "yearday": 365.2425 * 86_400.0}
"""The periods of the cyclic features, in seconds."""
KNOWN = (ELAPSED, LOG_ELAPSED, *CYCLES)

DATES, DURATIONS, NUMBERS = "dates", "durations", "numbers"
KINDS = (DATES, DURATIONS, NUMBERS)
"""The kinds of times; differences of numbers have a unit that only the caller knows."""

# 1 January 1970 was a Thursday: weeks begin with Monday, the 5th.
_FIRST_MONDAY = 4 * 86_400.0
_FINE_UNITS = ("ns", "ps", "fs", "as")


def checked(name: str, wanted: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of time features; ParameterError if one is unknown or given twice."""
    try:
        names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    except TypeError:
        raise ParameterError(
            f"{name} must be some of {', '.join(KNOWN)}, or () for none; got {wanted!r}"
        ) from None
    for one in names:
        if one not in KNOWN:
            raise ParameterError(
                f"{name}: {one!r} is not known; use {', '.join(KNOWN)}{suggestion(str(one), KNOWN)}"
            )
    if len(set(names)) < len(names):
        raise ParameterError(f"{name}: {', '.join(names)} has one twice")
    return names


def column_names(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the column names of these features."""
    found: list[str] = []
    for name in wanted:
        found += [f"{name} sine", f"{name} cosine"] if name in CYCLES else [name]
    return tuple(found)


def kind_of(times: np.dtype[Any]) -> str:
    """Return the kind of times of this type."""
    return {"M": DATES, "m": DURATIONS}.get(times.kind, NUMBERS)


def check_kind(
    name: str | None, times: np.dtype[Any], known: str | None, when: str = "in training"
) -> None:
    """Raise DataError if times are of another kind than earlier ones.

    Parameters
    ----------
    name
        The name of the time column, or None.
    times
        The type of the times.
    known
        The kind of the earlier times; None if it is unknown, which allows any.
    when
        Where the earlier times occurred, for the message.
    """
    if known not in (None, found := kind_of(times)):
        has, had = ("times are", "were") if name is None else (f"time column '{name}' has", "had")
        raise DataError(f"{has} {found}, and {had} {known} {when}; give {known}")


def columns(
    wanted: tuple[str, ...], times: NDArray[Any], before: NDArray[Any]
) -> list[NDArray[np.float64]]:
    """Return the columns ``(N,)`` of these features.

    Parameters
    ----------
    wanted
        Their names.
    times
        ``(N,)``.
    before
        ``(N,)``, the time of the previous row in the sequence; in the first row, its own time.

    Raises
    ------
    DataError
        A feature needs dates and the times are not dates; or a time is so much earlier than the
        previous one that there is no logarithm.
    """
    found: list[NDArray[np.float64]] = []
    for name in wanted:
        if name in CYCLES:
            angle = 2 * np.pi * _phase(name, times)
            found += [np.sin(angle), np.cos(angle)]
            continue
        passed = _seconds(times - before)
        found.append(_log(passed) if name == LOG_ELAPSED else passed)
    return found


def _log(passed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of 1 plus the time passed."""
    if (least := passed.min(initial=0.0)) <= -1:
        raise DataError(
            f"time feature '{LOG_ELAPSED}': a time is {-least:g} earlier than that of the row "
            "before; give rows in the order of time"
        )
    logarithms: NDArray[np.float64] = np.log1p(passed)
    return logarithms


def _seconds(passed: NDArray[Any]) -> NDArray[np.float64]:
    """Return durations in seconds, numbers unchanged.

    Whole microseconds give the same bits whatever the unit.
    """
    if passed.dtype.kind == "m":
        if np.datetime_data(passed.dtype)[0] in _FINE_UNITS:
            # The number of such fine units may exceed the precision of a float.
            micro = np.timedelta64(1, "us")
            whole = passed // micro
            return (whole + (passed - whole * micro) / micro) / 1e6
        return passed / np.timedelta64(1, "s")
    return passed.astype(np.float64)


def _phase(name: str, times: NDArray[Any]) -> NDArray[np.float64]:
    """Return the fraction of the period that has passed, from 0 to 1."""
    if times.dtype.kind != "M":
        kind = kind_of(times.dtype)
        raise DataError(f"time feature '{name}' needs dates, and the times are {kind}")
    if name == "yearday":
        begins = times.astype("M8[Y]")
        ends = begins + np.timedelta64(1, "Y")
        length = _seconds(ends.astype("M8[s]") - begins.astype("M8[s]"))
        return _seconds(times - begins.astype(times.dtype)) / length
    seconds = _seconds(times - np.datetime64(0, "s").astype(times.dtype))
    since = seconds - (_FIRST_MONDAY if name == "weekday" else 0.0)
    return np.mod(since, CYCLES[name]) / CYCLES[name]
