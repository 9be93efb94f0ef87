"""Future times of a sequence, spaced like its own rows or those of other sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DAY, _MONTH = np.timedelta64(1, "D"), np.timedelta64(1, "M")
# Days 29 to 31 are not in every month.
_IN_EVERY_MONTH = np.timedelta64(28, "D")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How far apart the rows of sequences are in time.

    Attributes
    ----------
    count
        The number of units.
    unit
        ``"month"``; ``"month end"``, months between the last days of months; ``""`` for times that
        are numbers; or a NumPy unit for dates and durations.
    """

    count: int | float
    unit: str = ""

    @property
    def in_months(self) -> bool:
        """Whether the unit is months, which differ in length."""
        return self.unit in ("month", "month end")

    def suits(self, times: NDArray[Any]) -> bool:
        """Whether this pace can continue times of this type."""
        if self.in_months:
            return times.dtype.kind == "M"
        return (times.dtype.kind in "mM") == bool(self.unit)

    def after(self, times: NDArray[Any], count: int) -> NDArray[Any]:
        """Return the ``count`` times that follow the last one."""
        last, ahead = times[-1], np.arange(1, count + 1)
        if self.in_months:
            # Shift the last day of a month to the first of the next, and back.
            shift = _DAY * (self.unit == "month end")
            following = _months_later(last + shift, ahead * int(self.count)) - shift
        elif self.unit:
            following = last + (ahead * int(self.count)).astype(f"m8[{self.unit}]")
        else:
            following = last + ahead * self.count
        in_its_unit: NDArray[Any] = following.astype(times.dtype)
        return in_its_unit if np.array_equal(in_its_unit, following) else following


def pace_of(times: NDArray[Any], offsets: NDArray[np.int64]) -> Pace | None:
    """Return the pace of sequences with increasing times; None if none has two rows.

    If dates are always the same day of the month in a sequence, or always the last day, the pace is
    in months; otherwise it is a distance. It is the median over all neighbouring rows.
    """
    later = np.ones(len(times), dtype=bool)
    later[offsets[:-1]] = False
    later = np.flatnonzero(later)
    if later.size == 0:
        return None
    if times.dtype.kind == "M":
        for unit, shift in (("month", 0 * _DAY), ("month end", _DAY)):
            if months := _months(times + shift, later):
                return Pace(count=months, unit=unit)
    distances = times[later] - times[later - 1]
    if distances.dtype.kind == "m":
        unit, of_one = np.datetime_data(distances.dtype)
        return Pace(count=int(_median(distances.astype(np.int64))) * of_one, unit=unit)
    whole = distances.dtype.kind in "iu"
    return Pace(count=int(_median(distances)) if whole else float(np.median(distances)))


def _median(values: NDArray[Any]) -> Any:
    """Return the median; for an even count the upper middle value, so that it is a value."""
    return np.sort(values)[len(values) // 2]


def _months(times: NDArray[Any], later: NDArray[np.int64]) -> int:
    """Return the months between rows and the rows before; 0 if they are not whole months."""
    months = times.astype("M8[M]")
    within = times - months.astype(times.dtype)
    whole = (within[later] == within[later - 1]) & (within[later] < _IN_EVERY_MONTH)
    return int(_median(np.diff(months.astype(np.int64))[later - 1])) if whole.all() else 0


def _months_later(time: Any, months: NDArray[np.int64]) -> NDArray[Any]:
    """Return the same day and time ``months`` later; in shorter months, the last day."""
    month = time.astype("M8[M]")
    first = (month + months * _MONTH).astype(time.dtype)
    end = (month + (months + 1) * _MONTH).astype(time.dtype)
    day = (time - month.astype(time.dtype)).astype("m8[D]")
    last_day = (end - first).astype("m8[D]") - _DAY
    later: NDArray[Any] = (
        first + (time - month.astype(time.dtype) - day) + np.minimum(day, last_day)
    )
    return later
