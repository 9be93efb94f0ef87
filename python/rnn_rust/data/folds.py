"""Folds of whole sequences for cross-validation."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import counted, finite, whole_number
from rnn_rust.data.sequences import Sequences
from rnn_rust.data.split import checked_seed, strata
from rnn_rust.errors import DataError, ParameterError

Folded = TypeVar("Folded", bound=Sequences)


def folds(
    dataset: Folded, k: int, *, by: str, stratify: bool, gap: Any, seed: int
) -> Iterator[tuple[Folded, Folded]]:
    """Yield ``(train, test)``; see :meth:`rnn_rust.Dataset.folds`; errors as in `fold_indices`."""
    for train, test in fold_indices(dataset, k, by=by, stratify=stratify, gap=gap, seed=seed):
        yield dataset.chosen(train), dataset.chosen(test)


def fold_indices(
    dataset: Sequences, k: int, *, by: str, stratify: bool, gap: Any, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return pairs of training and test sequences; see :meth:`rnn_rust.Dataset.folds`.

    Raises
    ------
    DataError
        There are too few sequences, or a fold has no training sequence.
    ParameterError
        An argument is outside its allowed values, or cannot be combined with another.
    """
    whole_number("k", k, least=2)
    if by not in ("sequence", "time"):
        raise ParameterError(f"folds: by={by!r} is not known; use 'sequence' or 'time'")
    if by == "sequence":
        if gap is not None:
            raise ParameterError("folds: gap= is for by='time'; drop it")
        return _random_parts(dataset, k, stratify=stratify, seed=seed)
    if stratify:
        raise ParameterError("folds: by='time' cannot stratify; drop one of the two")
    return _time_parts(dataset, k, gap)


def _require(dataset: Sequences, least: int, k: int) -> None:
    if len(dataset) < least:
        raise DataError(
            f"folds: {k} folds need at least {counted(least, 'sequence')}, and there are "
            f"{len(dataset):,}; ask for fewer, or cut long sequences by windows()"
        )


def _random_parts(
    dataset: Sequences, k: int, *, stratify: bool, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the train and test positions of random folds; each sequence is tested once."""
    _require(dataset, k, k)
    random = np.random.Generator(np.random.PCG64(checked_seed(seed)))
    groups = strata(dataset) if stratify else [np.arange(len(dataset), dtype=np.int64)]
    fold = np.empty(len(dataset), dtype=np.int64)
    begin = 0
    for group in groups:
        # Assigned to folds in turn, across groups, so that folds have the same size.
        fold[random.permutation(group)] = (begin + np.arange(len(group))) % k
        begin += len(group)
    for number in range(k):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _time_parts(
    dataset: Sequences, k: int, gap: Any
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (train, test): sequences that ended ``gap`` before a block began, and the block."""
    _require(dataset, k + 1, k)
    begins = dataset.times[dataset.offsets[:-1]]
    gap = None if gap is None else _checked_gap(gap, begins.dtype)
    ends = dataset.times[dataset.offsets[1:] - 1]
    order = np.argsort(begins, kind="stable")
    blocks = np.array_split(order, k + 1)
    for number, test in enumerate(blocks[1:], start=1):
        first = begins[test].min()
        known = ends < (first if gap is None else first - gap)
        train = np.flatnonzero(known)
        if train.size == 0:
            raise DataError(
                f"folds: no sequence ends before {dataset.written_time(first)}, where the test "
                f"part of fold {number} of {k} begins; cut long sequences by windows()"
            )
        yield train, np.sort(test)


def _checked_gap(gap: Any, times: np.dtype[Any]) -> Any:
    """Return a gap that can be subtracted from times; ParameterError if it cannot or is below 0."""
    if times.kind not in "mM":
        finite("folds: gap", gap, least=0)
        return gap
    if not isinstance(gap, datetime.timedelta | np.timedelta64):
        raise ParameterError(
            f"folds: gap={gap!r} cannot be taken from times of dtype {times}; give a timedelta"
        )
    span = np.timedelta64(gap)
    if np.isnat(span) or span < np.timedelta64(0, "s"):
        raise ParameterError(f"folds: gap={gap!r} must be a duration of at least 0")
    return span
