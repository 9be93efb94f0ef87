"""Python and NumPy cells as Polars columns; Polars supports fewer types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.polars import pl
from rnn_rust.data.levels import MISSING_TYPES, is_missing
from rnn_rust.errors import DataError

# The Polars unit for each NumPy unit of dates and durations that Polars lacks.
_UNITS = {
    "Y": "D", "M": "D", "W": "D", "h": "ms", "m": "ms", "s": "ms", "ps": "ns", "fs": "ns",
    "as": "ns",
}  # fmt: skip
_WHOLE, _NUMBERS = (int, np.integer), (int, float, np.integer, np.floating)


def unconvertible(name: str, cells: str, error: Exception, where: str = "frame") -> DataError:
    """Return the error for a column whose ``cells`` cannot be converted because of ``error``.

    ``where`` is what messages call its table.
    """
    # Polars' message contains the whole number, however long.
    large = isinstance(error, OverflowError)
    reason = "an int is too large" if large else str(error).splitlines()[0]
    return DataError(
        f"{where}, column '{name}': {cells} cannot be converted ({reason}); give all cells one type"
    )


def from_cells(name: str, cells: Iterable[Any]) -> pl.Series:
    """Return Python cells as a column; integers mixed with other numbers become floats.

    If other types are mixed, Polars raises its own error.
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
    """Return a column of times with the nanoseconds of pandas times.

    Polars drops them, because it treats pandas times as Python times.
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

    ``where`` is what messages call its table.

    Raises
    ------
    DataError
        No such unit can hold them without loss.
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
