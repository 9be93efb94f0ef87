"""Times of rows: numbers, dates, or text of either, ordered by value, never as text.

Dates that are written alike stay text, whose order then is that of the dates.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Literal

import polars as pl

from rnn_rust.data.source import Source
from rnn_rust.errors import DataError

# Date, then time of day, fraction of a second and time zone, as far as they are there.
_DATE = (
    r"^(?P<date>[0-9]{4}[-/](?:0[1-9]|1[0-2])[-/](?:0[1-9]|[12][0-9]|3[01]))"
    r"(?:(?P<time>[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,](?P<fraction>[0-9]+))?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
_LARGE_INTEGER = r"^[+-]?[0-9]{19,}$"


def read_times(column: pl.Series, source: Source) -> pl.Series:
    """Return integers, floats, dates, or text of dates, in whose order the rows are.

    Raises
    ------
    DataError
        A cell is not a time, or no time like the others.
    """
    kind = column.dtype
    if kind == pl.String:
        return _times_of_text(column.str.strip_chars(), source)
    if not kind.is_numeric():
        return column
    numbers = column.cast(pl.Int64 if kind.is_integer() else pl.Float64, strict=False)
    if kind.is_decimal():
        whole = column.cast(pl.Int64, strict=False)
        if whole.cast(kind, strict=False).eq_missing(column).all():
            return whole
    _require_usable(numbers.is_finite().fill_null(False), column, source)
    return numbers


def describe_tie(times: pl.Series, column: pl.Series, rows: tuple[int, int], source: Source) -> str:
    """Return the message for an id with two rows of equal times, the later row last.

    Parameters
    ----------
    times
        The times as :func:`read_times` has returned them.
    column
        The times as they stand in the table.
    """
    earlier, later = rows
    first, second = column[earlier], column[later]
    if _exact(first) != _exact(second):
        return (
            f"times {second} and {first}, {source.place(earlier)}, one number in 64 bits; "
            "subtract a common start from all times"
        )
    return (
        f"a row at time {times[later]} already, {source.place(earlier)}; keep one of the two rows"
    )


def _exact(time: object) -> Decimal | None:
    """Return a number as it stands in the table, None for dates."""
    try:
        return Decimal(time.strip() if isinstance(time, str) else time)  # type: ignore[arg-type]
    except (InvalidOperation, TypeError, ValueError):
        return None


def _require_usable(usable: pl.Series, column: pl.Series, source: Source) -> None:
    if not usable.all():
        row = int((~usable).arg_max() or 0)
        raise DataError(
            f"{source.at(row, column.name)}: {column[row]} is not usable as a time; correct the "
            "cell (integers must fit 64 bits)"
        )


def _times_of_text(text: pl.Series, source: Source) -> pl.Series:
    """Return integers, else floats, else dates."""
    integers = text.cast(pl.Int64, strict=False)
    if not integers.null_count():
        return integers
    # As floats, integers that differ in their last digits would be the same time.
    _require_usable(integers.is_not_null() | ~text.str.contains(_LARGE_INTEGER), text, source)
    numbers = text.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        _require_usable(numbers.is_finite(), text, source)
        return numbers
    date = text.str.contains(_DATE)
    usable = date if date[0] else numbers.is_not_null()
    if not usable.all():
        row = int((~usable).arg_max() or 0)
        raise DataError(
            f"{source.at(row, text.name)}: '{text[row]}' is not a time like those before it; give "
            "numbers in all rows, or in all rows dates like 2024-01-31 or 2024-01-31T12:00"
        )
    return _times_of_dates(text, source)


def _times_of_dates(text: pl.Series, source: Source) -> pl.Series:
    """Return the text if all dates have one form and one time zone, else their instants in UTC."""
    parts = text.str.extract_groups(_DATE).struct.unnest()
    zone = parts["zone"]
    shape = text.str.replace_all("[0-9]", "0").str.replace(r"[.,]0+", "")
    shape = shape.str.replace(r"(Z|[+-]00:?00)$", "")
    unlike = (shape != shape[0]) | (zone.is_null() != zone.is_null()[0])
    if unlike.any():
        row = int(unlike.arg_max() or 0)
        raise DataError(
            f"{source.at(row, text.name)}: '{text[row]}' has another form than '{text[0]}', "
            f"{source.place(0)}; write all times alike, all with a time zone or all without"
        )
    places = parts["fraction"].str.len_chars().fill_null(0)
    if zone.n_unique() == 1 and places.n_unique() == 1:
        return text
    instants = _instants(parts, "us" if places.max() <= 6 else "ns")  # type: ignore[operator]
    unknown = instants.is_null() | (places > 9)
    if unknown.any():
        row = int(unknown.arg_max() or 0)
        raise DataError(
            f"{source.at(row, text.name)}: '{text[row]}' is not an instant of at most 9 decimal "
            "places that 64 bits hold, as times of several zones or forms must be; correct the cell"
        )
    return instants.rename(text.name)


def _instants(parts: pl.DataFrame, unit: Literal["us", "ns"]) -> pl.Series:
    """Return the dates in UTC, null where there is no such date; the parts are those of _DATE."""
    seconds = pl.when(pl.col("time").str.len_chars() == 6).then(pl.lit(":00")).otherwise(pl.lit(""))
    local = pl.concat_str(
        pl.col("date").str.replace_all("/", "-", literal=True),
        pl.lit(" "),
        pl.col("time").str.slice(1),
        seconds,
    ).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit=unit, strict=False)
    digits = pl.col("fraction").fill_null("").str.pad_end(6 if unit == "us" else 9, "0")
    fraction = digits.cast(pl.Int64, strict=False).cast(pl.Duration(unit))
    minutes = pl.col("zone").str.slice(1, 2).cast(pl.Int64, strict=False) * 60
    minutes += pl.col("zone").str.slice(-2).cast(pl.Int64, strict=False)
    ahead = pl.when(pl.col("zone").str.starts_with("-")).then(-minutes).otherwise(minutes)
    # Nanoseconds in 64 bits reach over 584 years, and wrap around beyond them.
    held = pl.col("date").str.slice(0, 4).cast(pl.Int64).is_between(1678, 2261) | (unit == "us")
    instants = pl.when(held).then(
        local + fraction - pl.duration(minutes=ahead.fill_null(0), time_unit=unit)
    )
    return parts.select(instants).to_series()
