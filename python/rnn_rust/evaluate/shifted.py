"""Whether label columns are one series at different rows ahead: y2(t) = y1(t + 1).

Found by comparing values, since nothing else tells of it. Rounding of a scaler is allowed for.
"""

from __future__ import annotations

import numpy as np

from rnn_rust.base.arrays import Offsets
from rnn_rust.evaluate import metrics as m

_TOLERANCE = 1e-6  # of a column's range: float32 and a scaler's way there and back
_ANCHORS = 16  # rows of a column that are looked for in the others
_CANDIDATES = 64  # shifts of a column that are compared in full
_VALUES, _CHANGES = 4, 16  # what must agree: so many different values, or so many changes


def find_shift(labels: m.Floats, offsets: Offsets) -> tuple[int, int, int] | None:
    """Return (later, earlier, d): column `later` at row t is column `earlier` at row t + d, d > 0.

    This holds in all sequences wherever both are known, and over enough of them not to be chance:
    at rows where the label changes, at least four different values, or sixteen changes. None if
    there is no such pair of columns.

    Parameters
    ----------
    labels
        ``(N, L)``, NaN where missing.
    offsets
        ``(S + 1,)``, increasing from 0 to N.
    """
    if labels.shape[1] < 2:
        return None
    known = ~np.isnan(labels)
    for column in np.flatnonzero(known.any(axis=0)).tolist():
        values = labels[:, column]
        rows = _most_labelled(known[:, column], offsets)
        tolerance = _TOLERANCE * float(np.nanmax(values) - np.nanmin(values))
        for steps, other in _candidates(labels[rows], column, tolerance):
            if _is_copy(values, labels[:, other], steps, offsets, tolerance):
                return column, other, steps
    return None


def rows_before_and_after(offsets: Offsets) -> tuple[Offsets, Offsets]:
    """Return how many rows of the same sequence come before each row, and how many after it."""
    lengths = np.diff(offsets)
    before = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return before, np.repeat(lengths, lengths) - 1 - before


def _most_labelled(known: m.Bools, offsets: Offsets) -> slice:
    """Return the rows of the sequence in which most labels of a column are known."""
    counts = np.diff(np.append(0, np.cumsum(known))[offsets])
    longest = int(np.argmax(counts))
    return slice(int(offsets[longest]), int(offsets[longest + 1]))


def _candidates(labels: m.Floats, column: int, tolerance: float) -> list[tuple[int, int]]:
    """Return (d, other): at some anchors of `column` the other column has the value d rows later.

    Those with the most agreement first; none disagrees at an anchor.
    """
    values = labels[:, column]
    changes = np.flatnonzero(np.abs(np.diff(values)) > tolerance) + 1
    hits = np.zeros(labels.shape, dtype=np.int64)
    agrees = np.ones(labels.shape, dtype=np.bool_)
    for anchor in changes[:_ANCHORS].tolist():
        distance = np.abs(labels[anchor + 1 :] - values[anchor])
        later = slice(1, len(labels) - anchor)
        hits[later] += distance <= tolerance
        agrees[later] &= ~(distance > tolerance)
    agrees[:, column] = False
    found = np.argwhere(agrees & (hits > 0))
    order = np.argsort(-hits[found[:, 0], found[:, 1]], kind="stable")[:_CANDIDATES]
    return [(int(steps), int(other)) for steps, other in found[order]]


def _is_copy(
    later: m.Floats, earlier: m.Floats, steps: int, offsets: Offsets, tolerance: float
) -> bool:
    """Whether column `later` ``(N,)`` is `earlier` so many rows on, and not by chance."""
    before, after = rows_before_and_after(offsets)
    rows = np.flatnonzero(after >= steps)
    distance = np.abs(later[rows] - earlier[rows + steps])
    rows = rows[~np.isnan(distance)]
    if (distance > tolerance).any():
        return False
    rows = rows[before[rows] > 0]
    changed = later[rows[np.abs(later[rows] - later[rows - 1]) > tolerance]]
    # In tens of tolerances, so that what differs by rounding alone counts once.
    different = np.unique(np.rint(changed / (10 * tolerance))) if changed.size else changed
    return different.size >= _VALUES or changed.size >= _CHANGES
