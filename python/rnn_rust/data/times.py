"""Times of rows: numbers, dates, or text of either, compared by value, never as text."""

from __future__ import annotations

import re
from calendar import month_name
from decimal import Decimal, InvalidOperation

from rnn_rust.base.checks import shown, written_number
from rnn_rust.base.polars import FAILURES, pl
from rnn_rust.data import dates as written
from rnn_rust.data.dates import TimeForm
from rnn_rust.data.source import Source
from rnn_rust.errors import DataError, ParameterError

# strptime codes that stand for several others.
_SEVERAL = {
    "%T": "%H:%M:%S", "%R": "%H:%M", "%X": "%H:%M:%S", "%r": "%I:%M:%S %p",
    "%c": "%a %b %e %H:%M:%S %Y", "%+": "%Y-%m-%dT%H:%M:%S%.f%#z",
    # Polars would read the digits of %f as a number of nanoseconds.
    ".%f": "%.f",
}  # fmt: skip

_LARGE_INTEGER = r"^[+-]?[0-9]{19,}$"

Times = tuple[pl.Series, TimeForm | None]
"""Integers, floats, dates, datetimes or durations, and their format if they were text."""


def read_times(
    column: pl.Series,
    source: Source,
    time_format: str | None = None,
    *,
    day_first: bool | None = None,
) -> Times:
    """Return the times of a column: numbers or dates, or text of either.

    ``time_format`` and ``day_first`` are as in :class:`rnn_rust.data.columns.Roles`.

    Raises
    ------
    DataError
        A cell is not a time, or differs in form from the others; or days and months cannot be told
        apart.
    """
    kind = column.dtype
    if time_format is not None and (kind == pl.String or kind.is_numeric()):
        return _formatted(column.cast(pl.String).str.strip_chars(), source, time_format), None
    if kind == pl.String:
        return _times_of_text(column.str.strip_chars(), source, day_first)
    if not kind.is_numeric():
        return column, None
    numbers = column.cast(pl.Int64 if kind.is_integer() else pl.Float64, strict=False)
    if kind.is_decimal():
        whole = column.cast(pl.Int64, strict=False)
        if whole.cast(kind, strict=False).eq_missing(column).all():
            return whole, None
    _require_usable(numbers.is_finite().fill_null(False), column, source)
    return numbers, None


def describe_tie(whose: str, column: pl.Series, rows: tuple[int, int], source: Source) -> str:
    """Return the message for a sequence with two rows of equal times, the later row last.

    ``column`` has the times as written in the table.
    """
    earlier, later = rows
    first, second = column[earlier], column[later]
    begin = f"{source.row(later)}: {whose} has"
    if _exact(first) != _exact(second):
        return (
            f"{begin} times {second} and {first}, {source.place(earlier)}, one number in 64 bits; "
            "subtract a common start from all times"
        )
    several = "" if whose.startswith("id ") else "name the id column if these are several series, "
    return (
        f"{begin} a row at time {second} already, {source.place(earlier)}; {several}keep one of "
        'the two rows, or give ties="keep" (--ties keep on the command line), which leaves both as '
        "they stand in the table"
    )


def _exact(time: object) -> Decimal | None:
    """Return the exact number in a cell, None for dates."""
    try:
        return Decimal(time.strip() if isinstance(time, str) else time)  # type: ignore[arg-type]
    except (InvalidOperation, TypeError, ValueError):
        return None


def _require_usable(usable: pl.Series, column: pl.Series, source: Source) -> None:
    if not usable.all():
        row = int((~usable).arg_max() or 0)
        raise DataError(
            f"{source.at(row, column.name)}: {written_number(column[row])} is not usable as a "
            "time; correct the cell (integers must fit 64 bits)"
        )


def _formatted(text: pl.Series, source: Source, time_format: str) -> pl.Series:
    """Return dates in a ``strptime`` format; without a day in it, the first of the month."""
    pattern = re.sub(r"%%|%[TRXrc+]|\.%f", lambda code: _SEVERAL.get(code[0], code[0]), time_format)
    if "%f" in pattern.replace("%%", ""):
        raise ParameterError(
            f"time_format '{time_format}': %f is read only after a point, as in '%S.%f'; correct it"
        )
    try:
        dates = _strptime(text, pattern)
    except FAILURES as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ParameterError(f"time_format '{time_format}': {reason}; correct it") from error
    if dates.null_count():
        first_days = _strptime(text + " 1", f"{pattern} %d")
        dates = min(dates, first_days, key=lambda reading: reading.null_count())
    if dates.dtype == pl.Datetime and dates.dtype.time_zone is not None:  # type: ignore[attr-defined]
        dates = dates.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    wrong = dates.is_null() | _second_sixty(text, pattern)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(
            f"{source.at(row, text.name)}: {shown(text[row])} is not a time of the format "
            f"'{time_format}'; correct the cell or time_format"
        )
    return dates.rename(text.name)


def _second_sixty(text: pl.Series, pattern: str) -> pl.Series:
    """Return where the second is 60, which Polars would turn into the next minute."""
    sixtieth = re.sub("%%|%[-_0]?S", lambda code: code[0] if code[0] == "%%" else "60", pattern)
    may_be = text.str.contains("60", literal=True)
    if sixtieth == pattern or not may_be.any():
        return text.is_null()
    return may_be & _strptime(text, sixtieth).is_not_null()


def _strptime(text: pl.Series, pattern: str) -> pl.Series:
    if re.search("%[-_0]?[HIkls]", pattern):
        return text.str.to_datetime(pattern, strict=False, time_unit="us")
    return text.str.to_date(pattern, strict=False)


def _times_of_text(text: pl.Series, source: Source, day_first: bool | None) -> Times:
    """Return integers, else floats, else dates."""
    form = written.recognise(text[0])
    if form is not None and text[:1].cast(pl.Float64, strict=False).null_count():
        # Not numbers: if all dates have one form, cells need not be split into parts.
        alike = written.parse_alike(text, form)
        if alike is not None:
            return alike
    integers = text.cast(pl.Int64, strict=False)
    if not integers.null_count():
        return integers, None
    # As floats, large integers that differ in their last digits would be the same time.
    _require_usable(integers.is_not_null() | ~text.str.contains(_LARGE_INTEGER), text, source)
    numbers = text.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        _require_usable(numbers.is_finite(), text, source)
        return numbers, None
    if form is not None:
        return _times_of_dates(text, form, source, day_first)
    _require_alike(numbers.is_not_null(), text, source)
    raise AssertionError("a cell is neither a number nor a date")


def _require_alike(alike: pl.Series, text: pl.Series, source: Source) -> None:
    if not alike.all():
        row = int((~alike).arg_max() or 0)
        before = f" like {shown(text[0])}, {source.place(0)}" if row else ""
        raise DataError(
            f"{source.at(row, text.name)}: {shown(text[row])} is not a time{before}; give numbers "
            f"in all rows, or in all rows dates like {written.EXAMPLES}; time_format= reads others"
        )


def _times_of_dates(text: pl.Series, form: str, source: Source, known: bool | None) -> Times:
    parts = written.split_dates(text, form)
    _require_alike(parts["year"].is_not_null(), text, source)
    unlike = pl.Series([False]).new_from_index(0, len(text))
    for part in ("hour", "zone"):
        missing = parts[part].is_null()
        unlike |= missing != missing[0]
    if unlike.any():
        row = int(unlike.arg_max() or 0)
        raise DataError(
            f"{source.at(row, text.name)}: {shown(text[row])} has another form than "
            f"{shown(text[0])}, {source.place(0)}; write all times alike, all with a "
            "time of day or all without, all with a time zone or all without"
        )
    day_first = _day_first(text, parts, source, known)
    dates = written.parse(parts, day_first=day_first is not False)
    unknown = dates.is_null() | (parts["fraction"].str.len_chars().fill_null(0) > 9)
    if unknown.any():
        row = int(unknown.arg_max() or 0)
        raise DataError(
            f"{source.at(row, text.name)}: {shown(text[row])} is not a date of the calendar, or no "
            "instant of at most 9 decimal places that 64 bits hold; correct the cell"
        )
    # "May" does not show whether month names are abbreviated.
    telling = parts["name"].str.to_lowercase().ne_missing("may").arg_max() or 0
    return dates.rename(text.name), written.form_of(
        text[int(telling)], form, parts["zone"], day_first=day_first
    )


def _day_first(
    text: pl.Series, parts: pl.DataFrame, source: Source, known: bool | None
) -> bool | None:
    """Return whether days come before months; None if no number above 12 shows it.

    In that case day and month are equal in all rows, or dots mean that days come first, which says
    nothing about dates with slashes. Otherwise a row or an earlier table has to decide.
    """
    if parts["a"].null_count():
        return None
    first, second = (parts[part].cast(pl.Int64) for part in ("a", "b"))
    first_is_day, second_is_day = first > 12, second > 12
    if first_is_day.any() and second_is_day.any():
        row, other = int(first_is_day.arg_max() or 0), int(second_is_day.arg_max() or 0)
        before, after = sorted((row, other))
        raise DataError(
            f"{source.at(after, text.name)}: {shown(text[after])} has day and month in another "
            f"order than {shown(text[before])}, {source.place(before)}; write all dates alike"
        )
    if first_is_day.any() or second_is_day.any():
        return not second_is_day.any()
    if "." in text[0].partition(" ")[0]:
        return None
    # With a 0 as day or month, neither order is a date.
    if known is not None or (first == second).all() or ((first == 0) | (second == 0)).any():
        return known
    row = int((first != second).arg_max() or 0)
    separator = text[row].lstrip("0123456789")[0]
    pair, year = (int(first[row]), int(second[row])), parts["year"][row]
    either = " or ".join(f"{day} {month_name[month]} {year}" for day, month in (pair, pair[::-1]))
    formats = [separator.join(codes) for codes in (("%d", "%m", "%Y"), ("%m", "%d", "%Y"))]
    raise DataError(
        f"{source.at(row, text.name)}: {shown(text[row])} is {either}, and no row "
        f"decides; give time_format='{formats[0]}' or time_format='{formats[1]}'"
    )
