"""Dates and times as people write them: their format is found from the first cell, and kept.

| form | examples |
|---|---|
| day, maybe with a time of day and a time zone | ``2024-01-31``, ``2024/01/31 12:00:05.25+01:00`` |
| day with the name of its month | ``Jan 1 2000``, ``Jan-1-1995``, ``1 January 2000`` |
| day and month as numbers, the year last | ``31/01/2024``, ``01/31/2024 1:30 PM``, ``31.1.2024`` |
| month | ``1949-01``, ``1991 Jul``, ``July 1991`` |
| quarter | ``1970 Q1``, ``1970Q1``, ``Q1 1970`` |
| week of ISO 8601, maybe with its day | ``2020-W05``, ``2020-W05-3`` |

A month, quarter or week stands for its first day. Times with a time zone are converted to UTC.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnn_rust.base.polars import pl

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

_YEAR = r"(?P<year>[0-9]{4})"
_MONTH = r"(?P<month>0[1-9]|1[0-2])"
_NAME = (
    r"(?P<name>(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?))\.?"
)
_DAY = r"(?P<day>[0-9]{1,2})"
_CLOCK = (
    r"(?:[T ](?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?(?: ?(?P<half>[AaPp][Mm]))?"
    r"(?: ?(?P<zone>Z|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?"
)
# The first of these that matches the first cell is the form of the column.
_FORMS = tuple(
    rf"^{form}$"
    for form in (
        rf"{_YEAR}[-/]{_MONTH}[-/](?P<day>0[1-9]|[12][0-9]|3[01]){_CLOCK}",
        rf"(?P<a>[0-9]{{1,2}})[-/.](?P<b>[0-9]{{1,2}})[-/.]{_YEAR}{_CLOCK}",
        rf"{_YEAR}[-/]{_MONTH}",
        rf"{_YEAR}[- ]?{_NAME}",
        rf"{_NAME},?[- ]{_YEAR}",
        rf"{_YEAR}[- ]?[Qq](?P<quarter>[1-4])",
        rf"[Qq](?P<quarter>[1-4])[- /]{_YEAR}",
        rf"{_NAME}[- ]{_DAY},?[- ]{_YEAR}{_CLOCK}",
        rf"{_DAY}[- ]{_NAME},?[- ]{_YEAR}{_CLOCK}",
        rf"{_YEAR}[- ]{_NAME}[- ]{_DAY}{_CLOCK}",
        rf"{_YEAR}-?W(?P<week>[0-9]{{2}})(?:-?(?P<weekday>[1-7]))?",
    )
)
ISO = _FORMS[0]
"""The form of dates like 2024-01-31T12:00."""

_PARTS = (
    "year", "month", "name", "day", "a", "b", "quarter", "week", "weekday", "hour", "minute",
    "second", "fraction", "half", "zone",
)  # fmt: skip

_ABOVE_12 = "(?:1[3-9]|[2-9][0-9])"

# The strptime code of each part of a date or a time of day.
_CODES = {
    "year": "%Y", "month": "%m", "name": "%B", "day": "%d", "hour": "%H", "minute": "%M",
    "second": "%S", "fraction": "%.f", "half": "%p",
}  # fmt: skip

EXAMPLES = "2024-01-31, 2024-01-31T12:00, 31/01/2024, Jan 31 2024, 2024-01, 2024 Q1 or 2024-W05"
"""Examples for messages about text that is not a time."""


@dataclass(frozen=True)
class TimeForm:
    """How the times of a column are written.

    Attributes
    ----------
    pieces
        The parts of a time in order, ``(part, its text in the first cell)``; the part ``""`` is
        text between them.
    day_first
        For numeric days and months: whether the day comes first; None if there are none, or no
        number above 12 shows it.
    zone
        The time zone of all cells, as text; None if they have several, or none.
    zoned
        Whether the cells have time zones.
    """

    pieces: tuple[tuple[str, str], ...]
    day_first: bool | None = None
    zone: str | None = None
    zoned: bool = False

    def write(self, time: np.datetime64) -> str:
        """Return a time as it would be written in the column."""
        moment = time.astype("datetime64[us]").item()
        rest = (time - time.astype("datetime64[s]")).astype("timedelta64[ns]")
        fraction = f"{int(rest.astype(np.int64)):09d}"
        if self.zone is not None:
            moment += datetime.timedelta(minutes=offset_minutes(self.zone))
        return "".join(
            fraction[: len(sample)] if part == "fraction" else self._piece(part, sample, moment)
            for part, sample in self.pieces
        )

    def pattern(self) -> str:
        """Return the format of ``strptime`` for days, with or without times of day."""
        codes = _CODES | ({"a": "%d", "b": "%m"} if self.day_first else {"a": "%m", "b": "%d"})
        if any(part == "half" for part, _ in self.pieces):
            codes["hour"] = "%I"
        # A piece without a code is copied; the code of a fraction includes the decimal point.
        written = (codes.get(part, sample) for part, sample in self.pieces)
        return "".join(written).replace(".%.f", "%.f")

    def _piece(self, part: str, sample: str, moment: datetime.datetime) -> str:
        if part in ("a", "b"):
            part = "day" if (part == "a") == (self.day_first is not False) else "month"
        if part == "name":
            return _month_name(moment.month, sample)
        if part == "half":
            return ("am" if moment.hour < 12 else "pm") if sample.islower() else f"{moment:%p}"
        if part == "zone":
            return sample if self.zone is not None else "Z"
        number = self._number(part, moment)
        return sample if number is None else str(number).zfill(len(sample))

    def _number(self, part: str, moment: datetime.datetime) -> int | None:
        week = moment.isocalendar()
        if part == "hour" and any(name == "half" for name, _ in self.pieces):
            return (moment.hour + 11) % 12 + 1
        if part == "year" and any(name == "week" for name, _ in self.pieces):
            return week.year
        numbers = {"quarter": (moment.month + 2) // 3, "week": week.week, "weekday": week.weekday}
        found: int | None = numbers.get(part, getattr(moment, part, None) if part else None)
        return found


def recognise(sample: str) -> str | None:
    """Return the form (a regular expression) of text that is a date; None if it is not a date."""
    return next((form for form in _FORMS if re.match(form, sample, re.ASCII)), None)


def order_of(time_format: str) -> bool | None:
    """Return whether a ``strptime`` format has days before months; None if years come first."""
    found = re.search(r"%-?([dem]).*%-?([dem]).*%[Yy]", time_format)
    return None if found is None else found[1] != "m"


def parse_alike(text: pl.Series, form: str) -> tuple[pl.Series, TimeForm] | None:
    """Return dates and their format, quickly, if all are written like the first one.

    None if they may not be, or no date shows which numbers are days and which are months.
    """
    found = re.match(form, text[0], re.ASCII)
    assert found is not None, "the form was recognised by this cell"
    parts = found.groupdict()
    has_days = not {"day", "a"}.isdisjoint(parts)
    # "May" does not show whether month names are abbreviated.
    if not has_days or (parts.get("name") or "").lower() == "may":
        return None
    # Polars accepts more than the form, turns second 60 into the next minute, and cuts nanoseconds.
    if not text.str.contains(form).all():
        return None
    if parts.get("second") and text.str.contains(":60", literal=True).any():
        return None
    if parts.get("fraction") and text.str.contains(r"[.,][0-9]{7}").any():
        return None
    day_first = None
    if "a" in parts:
        day_first = bool(text.str.contains(rf"^{_ABOVE_12}").any())
        if day_first == text.str.contains(rf"^[0-9]{{1,2}}[-/.]{_ABOVE_12}").any():
            return None
    how = form_of(text[0], form, pl.Series([parts.get("zone")]), day_first=day_first)
    if "hour" not in dict(how.pieces):
        dates = text.str.to_date(how.pattern(), strict=False)
    else:
        moments = text.str.to_datetime(how.pattern(), strict=False, time_unit="us")
        dates = moments - datetime.timedelta(minutes=offset_minutes(how.zone or "Z"))
    return None if dates.null_count() else (dates, how)


def split_dates(text: pl.Series, form: str) -> pl.DataFrame:
    """Return the parts of dates as text, one column per part; null if a cell lacks the part."""
    parts = text.str.extract_groups(form).struct.unnest()
    missing = [pl.lit(None, pl.String).alias(p) for p in _PARTS if p not in parts.columns]
    return parts.with_columns(missing)


def parse(parts: pl.DataFrame, *, day_first: bool) -> pl.Series:
    """Return dates from the parts of :func:`split_dates`, null if there is no such date.

    Without times of day they are days; otherwise datetimes in microseconds or, if there are more
    decimal places, nanoseconds. With time zones they are in UTC.
    """
    day, month = ("a", "b") if day_first else ("b", "a")
    name = pl.col("name").str.slice(0, 3).str.to_lowercase()
    month_number = pl.coalesce(
        pl.col("month"),
        pl.col(month),
        name.replace_strict(dict(zip(_MONTHS, range(1, 13), strict=True)), default=None).cast(
            pl.String
        ),
        ((pl.col("quarter").cast(pl.Int64) - 1) * 3 + 1).cast(pl.String),
    )
    day_number = pl.coalesce(pl.col("day"), pl.col(day), pl.lit("1"))
    iso = pl.concat_str(
        pl.col("year"), pl.lit("-"), month_number.str.zfill(2), pl.lit("-"), day_number.str.zfill(2)
    )
    week = pl.concat_str(
        pl.col("year"), pl.lit("-"), "week", pl.lit("-"), pl.col("weekday").fill_null("1")
    )
    dates = pl.coalesce(
        iso.str.to_date("%Y-%m-%d", strict=False), week.str.to_date("%G-%V-%u", strict=False)
    )
    if parts["hour"].null_count() == parts.height:
        return parts.select(dates).to_series()
    fine = (parts["fraction"].str.len_chars() > 6).any()
    unit: Literal["us", "ns"] = "ns" if fine else "us"
    return parts.select(_instants(dates, unit)).to_series()


def _instants(dates: pl.Expr, unit: Literal["us", "ns"]) -> pl.Expr:
    hour, minute = pl.col("hour").cast(pl.Int64), pl.col("minute").cast(pl.Int64)
    second = pl.col("second").fill_null("0").cast(pl.Int64)
    half = pl.col("half").str.to_lowercase()
    hour = pl.when(half.is_null()).then(hour).when((hour < 1) | (hour > 12)).then(None).otherwise(
        hour % 12 + pl.when(half == "pm").then(12).otherwise(0)
    )  # fmt: skip
    digits = pl.col("fraction").fill_null("").str.pad_end(6 if unit == "us" else 9, "0")
    fraction = digits.cast(pl.Int64, strict=False).cast(pl.Duration(unit))
    ahead = _minutes_ahead(pl.col("zone"))
    clock = pl.duration(hours=hour, minutes=minute - ahead, seconds=second, time_unit=unit)
    # Nanoseconds in 64 bits span 584 years, and wrap around beyond that.
    held = pl.col("year").cast(pl.Int64).is_between(1678, 2261) | (unit == "us")
    sound = held & (hour < 24) & (minute < 60) & (second < 60)
    return pl.when(sound).then(dates.cast(pl.Datetime(unit)) + clock + fraction)


def _minutes_ahead(zone: pl.Expr) -> pl.Expr:
    """Return how many minutes zones are ahead of UTC."""
    digits = zone.str.replace_all("[^0-9]", "").str.pad_end(4, "0")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60
    minutes += digits.str.slice(2, 2).cast(pl.Int64, strict=False)
    signed = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes)
    return signed.fill_null(0)


def offset_minutes(zone: str) -> int:
    """Return how many minutes a time zone is ahead of UTC."""
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if zone[0] == "-" else minutes


def form_of(sample: str, form: str, zones: pl.Series, *, day_first: bool | None = None) -> TimeForm:
    """Return the format of a column whose first cell, ``sample``, has this form."""
    found = re.match(form, sample, re.ASCII)
    assert found is not None, "the form was recognised by this cell"
    named = {(*found.span(part), part) for part in found.re.groupindex if found.group(part)}
    pieces, end = [], 0
    for start, stop, part in sorted(named):
        pieces += [("", sample[end:start]), (part, sample[start:stop])]
        end = stop
    pieces.append(("", sample[end:]))
    zoned = zones[0] is not None
    zone = sample[slice(*found.span("zone"))] if zoned and zones.n_unique() == 1 else None
    return TimeForm(tuple(piece for piece in pieces if piece[1]), day_first, zone, zoned)


def _month_name(month: int, sample: str) -> str:
    full = len(sample.rstrip(".")) > 3 or sample.lower() == "may"
    name = _FULL_MONTHS[month - 1] if full else _FULL_MONTHS[month - 1][:3]
    return name.upper() if sample.isupper() else name.lower() if sample.islower() else name
