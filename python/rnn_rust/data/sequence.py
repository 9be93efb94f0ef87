"""One sequence of a data set, and the rows in which sequences stand there."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Sequence:
    """One sequence: its ``id``, ``times (T,)``, ``features (T, F)`` and ``labels (T, L)``.

    ``weights (T,)`` are those of its steps, or None if the data set has none.
    """

    id: str | int
    times: NDArray[Any]
    features: FloatArray
    labels: FloatArray
    weights: FloatArray | None = None

    def __len__(self) -> int:
        """Return the number of time steps T."""
        return len(self.features)


def as_position(position: object, count: int) -> int:
    """Return a position from 0 to ``count - 1``; negative ones count from the end.

    Raises
    ------
    TypeError
        It is not one integer.
    IndexError
        There is no such sequence.
    """
    try:
        wanted = index(position)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"a data set is indexed by one integer, not {position!r}; "
            "use subset(positions) for several sequences"
        ) from None
    at = wanted + count if wanted < 0 else wanted
    if not 0 <= at < count:
        raise IndexError(f"sequence {wanted} of a data set of {count} sequences")
    return at


def rows_of(
    chosen: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the offsets ``(C + 1,)`` of C chosen sequences put together, and all their rows."""
    lengths = np.diff(offsets)[chosen]
    together = np.append(0, np.cumsum(lengths)).astype(np.int64)
    return together, np.arange(together[-1]) + np.repeat(offsets[chosen] - together[:-1], lengths)
