"""Detection of label columns that are one series at different rows ahead: y2(t) = y1(t + 1).

Values are compared, since nothing else shows it. Rounding by a scaler is tolerated.
"""

from __future__ import annotations

import numpy as np

from rnn_rust.base.arrays import Offsets
from rnn_rust.evaluate import metrics as m

_TOLERANCE = 1e-6  # fraction of a column's range: rounding by float32 and by a scaler
_ANCHORS = 16  # rows of a column whose values are searched for in the others
_CANDIDATES = 64  # shifts of a column that are compared in full
_SORTED_FROM = 64  # number of columns from which values are sorted for the search
_FIRST_ROWS = 4096  # rows of two columns that are compared before the rest
_VALUES, _CHANGES = 4, 16  # different values, or changes, that must agree


def find_shift(labels: m.Floats, offsets: Offsets) -> tuple[int, int, int] | None:
    """Return (later, earlier, d): column `later` at row t is column `earlier` at row t + d, d > 0.

    This holds in all sequences wherever both are known, and often enough to exclude chance: at
    least four different values at rows where the label changes, or sixteen changes. None if there
    is no such pair of columns.

    Parameters
    ----------
    labels
        ``(N, L)``, NaN where missing.
    offsets
        ``(S + 1,)``, increasing from 0 to N.
    """
    if labels.shape[1] < 2:
        return None
    series = np.ascontiguousarray(labels.T)
    before_and_after = rows_before_and_after(offsets)
    sequences: dict[int, _Places] = {}
    for column, values in enumerate(series):
        known = ~np.isnan(values)
        if not known.any():
            continue
        rows = _most_labelled(known, offsets)
        if rows.start not in sequences:
            sequences[rows.start] = _Places(labels[rows])
        tolerance = _TOLERANCE * float(np.nanmax(values) - np.nanmin(values))
        for steps, other in _candidates(sequences[rows.start], column, tolerance):
            if _is_copy(values, series[other], steps, before_and_after, tolerance):
                return column, other, steps
    return None


def rows_before_and_after(offsets: Offsets) -> tuple[Offsets, Offsets]:
    """Return the number of rows before and after each row in the same sequence."""
    lengths = np.diff(offsets)
    before = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return before, np.repeat(lengths, lengths) - 1 - before


def _most_labelled(known: m.Bools, offsets: Offsets) -> slice:
    """Return the rows of the sequence with the most known labels of a column."""
    counts = np.diff(np.append(0, np.cumsum(known))[offsets])
    longest = int(np.argmax(counts))
    return slice(int(offsets[longest]), int(offsets[longest + 1]))


class _Places:
    """The flattened labels ``(T, L)`` of a sequence, and a search for values among them.

    At place ``t * L + column`` is the label of row t; `gaps` are the places of missing ones.
    """

    def __init__(self, labels: m.Floats) -> None:
        self.columns = labels.shape[1]
        self.flat = labels.ravel()
        self.gaps = np.flatnonzero(np.isnan(self.flat))
        # Sorting takes as long as searching for some dozens of values one by one.
        self.is_sorted = self.columns >= _SORTED_FROM
        if self.is_sorted:
            self._order = np.argsort(self.flat)
            self._sorted = self.flat[self._order]

    def near(self, value: float, tolerance: float) -> Offsets:
        """Return the places of labels within a tolerance of a value, and possibly just outside."""
        if not self.is_sorted:
            return np.flatnonzero(np.abs(self.flat - value) <= tolerance)
        # Twice the tolerance, because sums are rounded.
        first = np.searchsorted(self._sorted, value - 2 * tolerance)
        last = np.searchsorted(self._sorted, value + 2 * tolerance, side="right")
        return self._order[first:last]


def _candidates(sequence: _Places, column: int, tolerance: float) -> list[tuple[int, int]]:
    """Return (d, other): at some anchors, `other` has the value of `column` d rows later.

    Pairs with the most agreement come first; none disagrees at any anchor.
    """
    columns = sequence.columns
    values = sequence.flat[column::columns]
    anchors = np.flatnonzero(np.abs(np.diff(values)) > tolerance)[:_ANCHORS] + 1
    if not anchors.size:
        return []
    # A shift by d rows, to another column, is d * L + other: a place counted from an anchor's row.
    starts = (anchors * columns).tolist()
    wanted = list(zip(starts, values[anchors].tolist(), strict=True))
    tried = _tried(sequence, wanted, tolerance)
    shifts, hits = _agreeing(sequence.flat, tried[tried >= columns], wanted, tolerance)
    shifts, at = np.unique(shifts, return_index=True)
    chosen = (hits[at] > 0) & (shifts % columns != column)
    order = np.argsort(-hits[at][chosen], kind="stable")[:_CANDIDATES]
    return [divmod(shift, columns) for shift in shifts[chosen][order].tolist()]


def _tried(sequence: _Places, wanted: list[tuple[int, float]], tolerance: float) -> Offsets:
    """Return the shifts that agree at one of the anchors (start, value), and some others."""
    (start, value), *later = wanted
    first = sequence.near(value, tolerance) - start
    # A shift that agrees only at a later anchor has a missing label at the first.
    gaps = [sequence.gaps - start]
    if sequence.is_sorted and sequence.gaps.size:
        others = [sequence.near(value, tolerance) - start for start, value in later]
        gaps = min(gaps, others, key=lambda shifts: sum(map(len, shifts)))
    return np.concatenate([first, *gaps])


def _agreeing(
    flat: m.Floats, shifts: Offsets, wanted: list[tuple[int, float]], tolerance: float
) -> tuple[Offsets, Offsets]:
    """Return the shifts that disagree at no anchor (start, value), and how often each agrees."""
    hits = np.zeros(len(shifts), dtype=np.int64)
    for start, value in wanted:
        if not shifts.size:
            break
        places = shifts + start
        distance = np.abs(flat[np.minimum(places, len(flat) - 1)] - value)
        distance[places >= len(flat)] = np.nan
        hits += distance <= tolerance
        kept = ~(distance > tolerance)
        shifts, hits = shifts[kept], hits[kept]
    return shifts, hits


def _is_copy(
    later: m.Floats,
    earlier: m.Floats,
    steps: int,
    before_and_after: tuple[Offsets, Offsets],
    tolerance: float,
) -> bool:
    """Whether column `later` ``(N,)`` is `earlier` `steps` rows ahead, and not by chance."""
    before, after = before_and_after
    rows = len(later) - steps
    if rows > _FIRST_ROWS:
        # Most pairs already differ in the first rows.
        first = slice(_FIRST_ROWS)
        apart = np.abs(later[first] - earlier[steps:][first]) > tolerance
        if (apart & (after[first] >= steps)).any():
            return False
    inside = after[:rows] >= steps
    distance = np.abs(later[:rows] - earlier[steps:])
    if (inside & (distance > tolerance)).any():
        return False
    shared = np.flatnonzero(inside & ~np.isnan(distance) & (before[:rows] > 0))
    changed = later[shared[np.abs(later[shared] - later[shared - 1]) > tolerance]]
    # Rounded to ten tolerances, so that values that differ only by rounding count once.
    different = np.unique(np.rint(changed / (10 * tolerance))) if changed.size else changed
    return different.size >= _VALUES or changed.size >= _CHANGES
