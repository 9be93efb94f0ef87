"""Points in time (numbers, dates or text) converted to the type of a data set's times."""

from __future__ import annotations

import datetime
from numbers import Real
from typing import Any

import numpy as np

from rnn_rust.base.checks import finite
from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import ParameterError

Instant = float | str | datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64


def as_numpy(time: Any) -> Any:
    """Return a date or a duration as a NumPy type, zoned dates in UTC; other values unchanged.

    Raises
    ------
    OverflowError
        The date in UTC is out of range.
    """
    for convert in ("to_datetime64", "to_timedelta64"):
        # pandas times are also Python times, which NumPy would cut to microseconds.
        if hasattr(type(time), convert):
            return getattr(time, convert)()
    if isinstance(time, datetime.datetime) and time.utcoffset() is not None:
        time = time.astimezone(datetime.UTC).replace(tzinfo=None)
    if isinstance(time, datetime.date):
        return np.datetime64(time, "us")
    return np.timedelta64(time, "us") if isinstance(time, datetime.timedelta) else time


def in_terms_of(dataset: Sequences, instant: Instant) -> Any:
    """Return an instant in a type that can be compared with the times of the data set.

    Text may have any form allowed in a time column, or be shorter: ``2024``, ``2024-01-31T12``.
    Without a time zone, it is in that of the column; day and month are in the column's order.

    Raises
    ------
    ParameterError
        The instant is of another kind than the times, or cannot be understood.
    """
    kind = dataset.times.dtype.kind
    if kind == "M":
        return _date(dataset, instant)
    if kind == "m":
        if not isinstance(instant, datetime.timedelta | np.timedelta64) or np.isnat(
            as_numpy(instant)
        ):
            raise _refusal(instant, "durations; give a datetime.timedelta")
        return as_numpy(instant)
    if isinstance(instant, bool | np.bool_) or not isinstance(instant, Real):
        raise _refusal(instant, "numbers; give a number")
    finite("split: at", float(instant))
    return instant


def _date(dataset: Sequences, instant: Instant) -> np.datetime64:
    """Return an instant as a date without a zone, in UTC if the column has zones."""
    form = dataset.time_form
    if isinstance(instant, str):
        return _date_of_text(dataset, instant)
    if isinstance(instant, datetime.datetime) and instant.tzinfo is not None:
        if form is not None and not form.zoned:
            raise _refusal(instant, "dates without a time zone; give one without")
    elif not isinstance(instant, datetime.date | np.datetime64):
        raise _refusal(instant, "dates; give one like 2024-01-31 or 2024-01-31T12:00, or a date")
    date: np.datetime64 = as_numpy(instant)
    if np.isnat(date):
        raise _refusal(instant, "dates, and this is none")
    return date


def _date_of_text(dataset: Sequences, instant: str) -> np.datetime64:
    from rnn_rust.base.polars import pl
    from rnn_rust.data import dates as written

    form = dataset.time_form
    text = instant.strip()
    recognised = written.recognise(text)
    if recognised is None:
        try:
            # NumPy would only warn of a time zone (here it can only follow the day).
            zoned = not set("+-Zz").isdisjoint(text[10:])
            date = np.datetime64("NaT" if zoned else text.replace("/", "-"))
        except ValueError:
            date = np.datetime64("NaT", "s")
        # NumPy would read 20240131 as a year.
        if np.isnat(date) or date.astype("M8[Y]") > np.datetime64("9999"):
            raise _refusal(instant, "dates; give one like 2024-01-31 or 2024-01-31T12:00")
        zone = None
    else:
        parts = written.split_dates(pl.Series([text]), recognised)
        zone = parts["zone"][0]
        if zone is not None and form is not None and not form.zoned:
            raise _refusal(instant, "dates without a time zone; give one without")
        parsed = written.parse(parts, day_first=_day_first(dataset, text, parts))
        if parsed[0] is None:
            raise _refusal(instant, "dates, and this is none of the calendar")
        date = parsed.to_numpy()[0]
    if zone is None and form is not None and form.zone is not None:
        date = date.astype("datetime64[us]") - np.timedelta64(
            written.offset_minutes(form.zone), "m"
        )
    return date


def _day_first(dataset: Sequences, text: str, parts: Any) -> bool:
    """Return whether the day comes first: as in the column, otherwise as the date itself shows."""
    if parts["a"][0] is None:
        return True
    form = dataset.time_form
    if form is not None and form.day_first is not None:
        return form.day_first
    first, second = int(parts["a"][0]), int(parts["b"][0])
    if max(first, second) <= 12 and first != second and "." not in text.partition(" ")[0]:
        raise _refusal(text, "dates, and this may be day and month or month and day; write it like "
                       "2024-01-31")  # fmt: skip
    return second <= 12


def _refusal(instant: object, times_are: str) -> ParameterError:
    return ParameterError(f"split: at={instant!r}, but the times are {times_are}")
