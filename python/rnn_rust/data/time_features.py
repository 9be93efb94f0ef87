"""Features that follow from the times of rows.

What has passed since the row before; and of dates the hour of the day, the day of the week and the
day of the year, as points of a circle.
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
"""Periods in seconds of the features that go round."""
KNOWN = (ELAPSED, LOG_ELAPSED, *CYCLES)

DATES, DURATIONS, NUMBERS = "dates", "durations", "numbers"
KINDS = (DATES, DURATIONS, NUMBERS)
"""What times are; what passes between numbers has a unit that only the caller knows."""

# 1 January 1970 was a Thursday: weeks begin with Monday, the 5th.
_FIRST_MONDAY = 4 * 86_400.0
_FINE_UNITS = ("ns", "ps", "fs", "as")


def checked(name: str, wanted: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of features of time; ParameterError if one is not known or given twice."""
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
    """Return the names of the columns that these features take."""
    found: list[str] = []
    for name in wanted:
        found += [f"{name} sine", f"{name} cosine"] if name in CYCLES else [name]
    return tuple(found)


def kind_of(times: np.dtype[Any]) -> str:
    """Return the kind that times of a type are of."""
    return {"M": DATES, "m": DURATIONS}.get(times.kind, NUMBERS)


def check_kind(
    name: str | None, times: np.dtype[Any], known: str | None, when: str = "in training"
) -> None:
    """Raise DataError if times are of another kind than others were.

    Parameters
    ----------
    name
        Their column; None where there is none.
    times
        Their type.
    known
        The kind of the others; None if it is not known, and these may be any.
    when
        Where the others were.
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
        ``(N,)``, the time of the row before in the same sequence; its own in the first row.

    Raises
    ------
    DataError
        Times are numbers, where a date is needed; or one is so much earlier than the time before
        that there is no logarithm.
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
    """Return the logarithm of 1 plus what has passed."""
    if (least := passed.min(initial=0.0)) <= -1:
        raise DataError(
            f"time feature '{LOG_ELAPSED}': a time is {-least:g} earlier than that of the row "
            "before; give rows in the order of time"
        )
    logarithms: NDArray[np.float64] = np.log1p(passed)
    return logarithms


def _seconds(passed: NDArray[Any]) -> NDArray[np.float64]:
    """Return durations in seconds, and numbers as they are.

    Whole microseconds are the same bits in any unit.
    """
    if passed.dtype.kind == "m":
        if np.datetime_data(passed.dtype)[0] in _FINE_UNITS:
            # So many units may be more than a float can tell apart.
            micro = np.timedelta64(1, "us")
            whole = passed // micro
            return (whole + (passed - whole * micro) / micro) / 1e6
        return passed / np.timedelta64(1, "s")
    return passed.astype(np.float64)


def _phase(name: str, times: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much of a period has passed, from 0 to 1."""
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
