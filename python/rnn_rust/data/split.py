"""Splits by whole sequences: at random, stratified, or by time.

Splits at a point in time, which may cut sequences, are in :mod:`rnn_rust.data.cut`.
"""

from __future__ import annotations

import warnings
from numbers import Real
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import DataError, OverlapWarning, ParameterError

Positions = NDArray[np.int64]


def split_indices(
    dataset: Sequences, *fractions: float, seed: int = 0, by: str = "random", stratify: bool = False
) -> list[Positions]:
    """Assign the positions 0 ... S - 1 of the sequences to parts; each part is in increasing order.

    Parameters
    ----------
    dataset
        The S sequences.
    fractions
        The share of sequences in each part: several that sum to 1, or one, the training share.
    seed
        Seeds NumPy's PCG64 generator; the same seed gives the same parts.
    by
        ``"random"``, or ``"time"``: ordered by the first time of each sequence, the latest last.
        A sequence that begins early may end late: if earlier parts have rows at or after the first
        row of a later part, an `OverlapWarning` gives their share.
    stratify
        Whether to keep the share of sequences with a positive label in each part. A label is
        positive if it is above 0; of named classes, the rarest one is positive.

    Raises
    ------
    DataError
        A part would be empty, or there is no label to stratify by. Or, with ``by="time"``, times
        restart in every sequence: more than half of the sequences share their first time with
        another, and at least nine in ten pairs of sequences overlap.
    ParameterError
        ``fractions``, ``seed`` or ``by`` is outside its allowed values.
    """
    shares = _shares(fractions)
    if by not in ("random", "time"):
        raise ParameterError(f"split: by={by!r} is not known; use 'random' or 'time'")
    if by == "time" and stratify:
        raise ParameterError("split: by='time' cannot stratify; drop one of the two")
    if by == "time":
        parts = _cut(_time_order(dataset), shares)
    else:
        random = np.random.Generator(np.random.PCG64(checked_seed(seed)))
        groups = strata(dataset) if stratify else [np.arange(len(dataset), dtype=np.int64)]
        cuts = [_cut(random.permutation(stratum), shares) for stratum in groups]
        parts = [np.concatenate(pieces) for pieces in zip(*cuts, strict=True)]
    for number, part in enumerate(parts, start=1):
        if part.size == 0:
            remedy = (
                "split(at=...) cuts a sequence at an instant"
                if len(dataset) == 1
                else "enlarge the share or add sequences"
            )
            raise DataError(
                f"split: part {number} of {len(parts)} is empty: a share of {shares[number - 1]:g} "
                f"of {len(dataset)} sequence{'s' * (len(dataset) != 1)}; {remedy}"
            )
    if by == "time":
        _warn_of_overlap(dataset, parts)
    return [_rising(part, len(dataset)) for part in parts]


def _rising(part: Positions, count: int) -> Positions:
    """Return distinct positions below ``count`` in order; faster than sorting."""
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[part] = True
    return np.flatnonzero(chosen)


def _shares(fractions: tuple[float, ...]) -> tuple[float, ...]:
    advice = "give one, the training share, or several that sum to 1"
    if not fractions:
        raise ParameterError(f"split: there is no fraction; {advice}")
    if not all(isinstance(f, Real) and 0 < f < 1 for f in fractions):
        shown = fractions[0] if len(fractions) == 1 else fractions
        raise ParameterError(f"split: fractions must lie between 0 and 1, not {shown!r}; {advice}")
    if len(fractions) == 1:
        return fractions[0], 1 - fractions[0]
    if abs((total := sum(fractions)) - 1) > 1e-6:
        raise ParameterError(f"split: fractions {fractions} sum to {total:g}, not to 1; {advice}")
    return fractions


def checked_seed(seed: int) -> int:
    """Return the seed; ParameterError if it is not an integer of at least 0."""
    try:
        checked = index(seed)
    except TypeError:
        checked = -1
    if checked < 0:
        raise ParameterError(f"split: seed={seed!r} must be an integer from 0 upwards")
    return checked


def _cut(order: Positions, shares: tuple[float, ...]) -> list[Positions]:
    """Cut at the rounded running sums, so that no rounding error accumulates."""
    ends = np.rint(np.cumsum(shares)[:-1] * order.size).astype(np.int64)
    return np.split(order, ends)


def strata(dataset: Sequences) -> list[Positions]:
    """Return the positions of the sequences with a positive label, and of the others.

    Of named classes, the rarest one is positive; of equally rare ones, the last by name.
    """
    labels = dataset.require_labels("split with stratify=True")
    positive_rows = np.zeros(len(labels), dtype=np.bool_)
    for name, column in zip(dataset.label_names, labels.T, strict=True):
        positive_rows |= _is_rarest(column) if name in dataset.label_levels else column > 0
    positive = np.logical_or.reduceat(positive_rows, dataset.offsets[:-1])
    return [np.flatnonzero(positive), np.flatnonzero(~positive)]


def _is_rarest(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a label (N,) is the rarest class; the last one if several are equally rare."""
    classes, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    rarest = classes[counts == counts.min()][-1:] if len(classes) else classes
    return np.isin(column, rarest)


def _time_order(dataset: Sequences) -> Positions:
    """Return the positions of the sequences by their first time; errors as in `split_indices`."""
    bounds = np.concatenate(
        [dataset.times[dataset.offsets[:-1]], dataset.times[dataset.offsets[1:] - 1]]
    )
    # Ranks are integers, whatever the times are.
    _, ranks = np.unique(bounds, return_inverse=True)
    begins, ends = np.split(ranks.reshape(-1), 2)
    if _clock_restarts(begins, ends):
        raise DataError(
            "split: by='time', but the sequences begin at the same times and run side by side "
            f"({dataset.written_time(bounds[0])} to "
            f"{dataset.written_time(bounds[len(dataset)])}, say), as if times restarted in each; "
            "use a time column that all sequences share, or by='random'; split(at=...) cuts "
            "sequences at an instant"
        )
    return np.argsort(begins, kind="stable")


def _clock_restarts(begins: Positions, ends: Positions) -> bool:
    """Whether most first times are shared, and nine in ten pairs of sequences overlap in time."""
    count = len(begins)
    _, which, shared = np.unique(begins, return_inverse=True, return_counts=True)
    if 2 * np.count_nonzero(shared[which.reshape(-1)] > 1) <= count:
        return False
    # The number of pairs in which one sequence ends before the other begins.
    apart = int(np.searchsorted(np.sort(ends), begins, side="left").sum())
    return 10 * apart <= count * (count - 1) // 2


def _warn_of_overlap(dataset: Sequences, parts: list[Positions]) -> None:
    """Warn if rows of a part are at or after the first row of the later parts."""
    first = dataset.times[dataset.offsets[:-1]]
    part = np.empty(len(dataset), dtype=np.int64)
    for number, positions in enumerate(parts):
        part[positions] = number
    part_of_row = np.repeat(part, np.diff(dataset.offsets))
    worst, begin = 0.0, None
    for number in range(1, len(parts)):
        begins = first[part >= number].min()
        late = float(np.mean(dataset.times[part_of_row < number] >= begins))
        if late > worst:
            worst, begin = late, begins
    if worst > 0:
        warnings.warn(
            f"split(by='time'): {worst:.2%} of the training rows are as late as the first "
            f"test row, {dataset.written_time(begin)}, or later: sequences are ordered by "
            "their first row and not cut. "
            "split(at=...) cuts them at an instant",
            OverlapWarning,
            stacklevel=4,
        )
