"""Splits by whole sequences: at random, at random with equal shares of positives, or by time."""

from __future__ import annotations

from numbers import Real
from operator import index
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnn_rust.errors import DataError, ParameterError

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

Positions = NDArray[np.int64]


def split_indices(
    dataset: Dataset, *fractions: float, seed: int = 0, by: str = "random", stratify: bool = False
) -> list[Positions]:
    """Deal the positions 0 ... S - 1 of the sequences into parts; each part is in rising order.

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
    stratify
        Whether to keep the share of sequences with a positive label (any above 0) in each part.

    Raises
    ------
    DataError
        A part would be empty; or the times, or the labels, that the split needs are missing.
    ParameterError
        Fractions, seed or ``by`` outside their allowed values.
    """
    shares = _shares(fractions)
    if by not in ("random", "time"):
        raise ParameterError(f"split: by={by!r} is not known; use 'random' or 'time'")
    if by == "time" and stratify:
        raise ParameterError("split: by='time' cannot stratify; drop one of the two")
    if by == "time":
        parts = _cut(_time_order(dataset), shares)
    else:
        random = np.random.Generator(np.random.PCG64(_checked_seed(seed)))
        strata = _strata(dataset) if stratify else [np.arange(len(dataset), dtype=np.int64)]
        cuts = [_cut(random.permutation(stratum), shares) for stratum in strata]
        parts = [np.concatenate(pieces) for pieces in zip(*cuts, strict=True)]
    for number, part in enumerate(parts, start=1):
        if part.size == 0:
            raise DataError(
                f"split: part {number} of {len(parts)} is empty: a share of {shares[number - 1]:g} "
                f"of {len(dataset)} sequences; enlarge the share or add sequences"
            )
    return [np.sort(part) for part in parts]


def _shares(fractions: tuple[float, ...]) -> tuple[float, ...]:
    usable = bool(fractions) and all(isinstance(f, Real) and 0 < f < 1 for f in fractions)
    shares = (fractions[0], 1 - fractions[0]) if usable and len(fractions) == 1 else fractions
    if not usable or abs(sum(shares) - 1) > 1e-6:
        raise ParameterError(
            f"split: fractions {fractions} must lie between 0 and 1; give one, the training "
            "share, or several that sum to 1"
        )
    return shares


def _checked_seed(seed: int) -> int:
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


def _strata(dataset: Dataset) -> list[Positions]:
    """Return the positions of the sequences with a positive label, and of the others."""
    positive_rows = (dataset.require_labels("split with stratify=True") > 0).any(axis=1)
    positive = np.logical_or.reduceat(positive_rows, dataset.offsets[:-1])
    return [np.flatnonzero(positive), np.flatnonzero(~positive)]


def _time_order(dataset: Dataset) -> Positions:
    first = dataset.times[dataset.offsets[:-1]]
    order = np.argsort(first, kind="stable")
    if len(order) > 1 and first[order[0]] == first[order[-1]]:
        raise DataError(
            f"split: by='time', but all sequences begin at {first[0]}; use a time column that "
            "all sequences share, or by='random'"
        )
    return order
