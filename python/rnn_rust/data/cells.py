"""Cells of Python and of NumPy as columns of Polars, which takes fewer types of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.polars import pl
from rnn_rust.data.levels import MISSING_TYPES, is_missing
from rnn_rust.errors import DataError

# What Polars has in place of NumPy's other units of dates and durations.
_UNITS = {
    "Y": "D", "M": "D", "W": "D", "h": "ms", "m": "ms", "s": "ms", "ps": "ns", "fs": "ns",
    "as": "ns",
}  # fmt: skip
_WHOLE, _NUMBERS = (int, np.integer), (int, float, np.integer, np.floating)


def unconvertible(name: str, cells: str, error: Exception, where: str = "frame") -> DataError:
    """Return the error of a column whose ``cells`` cannot be converted, for this reason.

    ``where`` is how messages call its table.
    """
    # Polars writes out the number, however long.
    large = isinstance(error, OverflowError)
    reason = "an int is too large" if large else str(error).splitlines()[0]
    return DataError(
        f"{where}, column '{name}': {cells} cannot be converted ({reason}); give all cells one type"
    )


def from_cells(name: str, cells: Iterable[Any]) -> pl.Series:
    """Return cells of Python as a column, whole numbers beside others as floats.

    Polars raises an error of its own where types are mixed.
    """
    values = list(cells)
    kinds = set(map(type, values))
    if any(kind.__name__ in MISSING_TYPES for kind in kinds):
        values = [None if is_missing(cell) else cell for cell in values]
    known = [k for k in kinds if k is not type(None) and k.__name__ not in MISSING_TYPES]
    numbers = all(issubclass(kind, _NUMBERS) and not issubclass(kind, bool) for kind in known)
    if numbers and not all(issubclass(kind, _WHOLE) for kind in known):
        floats = [None if value is None else float(value) for value in values]
        return pl.Series(name, floats, dtype=pl.Float64)
    return _with_nanoseconds(pl.Series(name, values), values)


def _with_nanoseconds(column: pl.Series, cells: list[Any]) -> pl.Series:
    """Return a column of times with the nanoseconds that those of pandas have.

    Polars takes them for those of Python, which have none.
    """
    if not isinstance(column.dtype, pl.Datetime | pl.Duration):
        return column
    part = "nanosecond" if isinstance(column.dtype, pl.Datetime) else "nanoseconds"
    rest = [getattr(cell, part, 0) for cell in cells]
    if not any(rest):
        return column
    nanoseconds = pl.Series(rest, dtype=pl.Int64).cast(pl.Duration("ns"))
    return (column.dt.cast_time_unit("ns") + nanoseconds).alias(column.name)


def from_times(name: str, array: NDArray[Any], where: str = "frame") -> pl.Series:
    """Return datetime64 or timedelta64 as a column, in the next finer unit that Polars has.

    ``where`` is how messages call its table.

    Raises
    ------
    DataError
        There is none in which they are the same.
    """
    kind, (unit, _) = array.dtype.kind, np.datetime_data(array.dtype)
    months = kind == "m" and unit in "YM"
    converted = array if months else array.astype(f"{kind}8[{_UNITS.get(unit, unit)}]")
    if months or not ((converted == array) | np.isnat(array)).all():
        raise DataError(
            f"{where}, column '{name}': type {array.dtype} cannot be converted without loss; give "
            "days, milliseconds, microseconds or nanoseconds"
        )
    return pl.Series(name, converted)
