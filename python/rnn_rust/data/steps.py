"""Times that follow those of a sequence, at its own pace."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def next_times(times: NDArray[Any], count: int) -> NDArray[Any]:
    """Return ``count`` times after the last of ``times (T,)``, which rise.

    Dates that are the same day of every month, every third month or every year go on so, and so do
    last days of months; all else goes on by the median distance of two neighbours. One row alone is
    followed by distances of 1.
    """
    ahead = np.arange(1, count + 1)
    if times.dtype.kind == "M":
        day = np.timedelta64(1, "D")
        # The day after the last one of a month is the first one of the next.
        for shift in (0 * day, day):
            if (months := _months(times + shift)) is not None:
                following: NDArray[Any] = _months_later(times[-1] + shift, ahead * months) - shift
                return following.astype(times.dtype)
    if len(times) == 1:
        step: Any = np.timedelta64(1, "D") if times.dtype.kind == "M" else 1
    else:
        distances = np.diff(times)
        whole = distances.dtype.kind in "mi"
        step = np.sort(distances)[len(distances) // 2] if whole else np.median(distances)
    evenly: NDArray[Any] = times[-1] + ahead * step
    return evenly


def _months_later(time: Any, months: NDArray[np.int64]) -> NDArray[Any]:
    """Return the same day and time of day, so many months later."""
    month = time.astype("M8[M]")
    later: NDArray[Any] = (month + months).astype(time.dtype) + (time - month.astype(time.dtype))
    return later


def _months(times: NDArray[Any]) -> int | None:
    """Return how many months lie between neighbours, None if that is not one number."""
    if len(times) < 2:
        return None
    months = times.astype("M8[M]")
    within = times - months.astype(times.dtype)
    distances = np.diff(months.astype(np.int64))
    regular = (within == within[0]).all() and (distances == distances[0]).all()
    # Days 29 to 31 are not in every month.
    short = within[0] < np.timedelta64(28, "D")
    return int(distances[0]) if regular and short and distances[0] > 0 else None
