"""Instants in the terms of a time column: numbers, dates, or texts that are dates.

A column of dates as text (``2024-01-31``, ``2024-01-31T12:00Z``) is compared as dates, so that an
instant may be written in another form.
"""

from __future__ import annotations

import datetime
import re
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import finite
from rnn_rust.errors import DataError, ParameterError

Instant = float | str | datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64

_DATE = re.compile(r"\d{4}([-/]\d\d([-/]\d\d([T ]\d\d(:\d\d(:\d\d([.,]\d+)?)?)?)?)?)?")
_ZONE = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
_AS_ISO = str.maketrans({"/": "-", " ": "T", ",": "."})


def comparable(times: NDArray[Any], instant: Instant) -> tuple[NDArray[Any], Any]:
    """Return times ``(N,)`` and an instant that can be compared with each other.

    Raises
    ------
    ParameterError
        The instant is of another kind than the times, or cannot be understood.
    DataError
        A text among the times looks like a date and is none.
    """
    kind = times.dtype.kind
    if kind == "O":
        return _comparable_texts(times, instant)
    if kind == "M":
        return times, _date(instant, None)
    if kind == "m":
        if not isinstance(instant, datetime.timedelta | np.timedelta64) or np.isnat(
            np.timedelta64(instant)
        ):
            raise _refusal(instant, "durations; give a datetime.timedelta")
        return times, np.timedelta64(instant)
    if isinstance(instant, bool | np.bool_) or not isinstance(instant, Real):
        raise _refusal(instant, "numbers; give a number")
    finite("split: at", float(instant))
    return times, instant


def _comparable_texts(times: NDArray[Any], instant: Instant) -> tuple[NDArray[Any], Any]:
    zone = _ZONE.search(times[0]) if _DATE.match(times[0]) else None
    texts = [_ZONE.sub("", time) for time in times] if zone else times.tolist()
    if all(map(_DATE.fullmatch, texts)):
        try:
            dates = np.array([text.translate(_AS_ISO) for text in texts], dtype="datetime64")
        except ValueError as error:
            raise DataError(f"split: a time is not a date of the calendar: {error}") from error
        return dates, _date(instant, zone.group() if zone else "")
    if not isinstance(instant, str):
        raise _refusal(instant, "texts that are not dates; give a text, which is compared as text")
    return times, instant


def _date(instant: Instant, zone: str | None) -> np.datetime64:
    """Return an instant as a date without a zone: that of the texts, or UTC (None)."""
    if isinstance(instant, datetime.datetime) and instant.tzinfo is not None:
        if zone == "":
            raise _refusal(instant, "dates without a time zone; give one without")
        own = datetime.UTC if zone is None else _offset(zone)
        instant = instant.astimezone(own).replace(tzinfo=None)
    elif isinstance(instant, str):
        given = _ZONE.search(instant) if ":" in instant else None
        if given is not None:
            if _offset(given.group()) != (datetime.UTC if zone is None else _offset(zone)):
                raise _refusal(instant, f"in another time zone, {zone or 'none'}; give that one")
            instant = _ZONE.sub("", instant)
        if not _DATE.fullmatch(instant):
            raise _refusal(instant, "dates; give one like 2024-01-31 or 2024-01-31T12:00")
        instant = instant.translate(_AS_ISO)
    elif not isinstance(instant, datetime.date | np.datetime64):
        raise _refusal(instant, "dates; give one like '2024-01-31', or a datetime")
    try:
        date = np.datetime64(instant)
    except ValueError as error:
        raise _refusal(instant, f"dates, and this is none: {error}") from error
    if np.isnat(date):
        raise _refusal(instant, "dates, and this is none")
    return date


def _offset(zone: str) -> datetime.tzinfo | None:
    if zone in ("", "Z"):
        return datetime.UTC if zone else None
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    offset = datetime.timedelta(hours=hours, minutes=minutes)
    return datetime.timezone(-offset if zone[0] == "-" else offset)


def _refusal(instant: object, times_are: str) -> ParameterError:
    return ParameterError(f"split: at={instant!r}, but the times are {times_are}")
