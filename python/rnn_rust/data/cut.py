"""Splits at points in time: rows before one are for training, rows at or after it for testing."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.forecast import hide_later_labels
from rnn_rust.data.instants import Instant, in_terms_of
from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import DataError, ParameterError

Cut = TypeVar("Cut", bound=Sequences)
Instants = Instant | list[Instant] | tuple[Instant, ...]
_ACROSS = ("cut", "context", "drop", "train", "test")


def split_at(dataset: Cut, at: Instants, across: str) -> tuple[Cut, ...]:
    """Cut a data set at one instant or at several increasing ones; see `Dataset.split`.

    Raises
    ------
    ParameterError
        An instant is of another kind than the times, instants do not increase, or ``across`` is
        unknown.
    DataError
        A part would be empty.
    """
    if across not in _ACROSS:
        names = " or ".join(map(repr, _ACROSS))
        raise ParameterError(f"split: across={across!r} is not known; use {names}")
    instants = list(at) if isinstance(at, list | tuple) else [at]
    if not instants:
        raise ParameterError("split: at is empty; give an instant, or several")
    part = _parts_of_rows(dataset, instants)
    first, last = part[dataset.offsets[:-1]], part[dataset.offsets[1:] - 1]
    lengths = np.diff(dataset.offsets)
    if across == "drop":
        part[np.repeat(first != last, lengths)] = -1
    elif across in ("train", "test"):
        part = np.repeat(first if across == "train" else last, lengths)
    numbers = range(len(instants) + 1)
    for number in numbers:
        if not (part == number).any():
            raise DataError(_empty(dataset, instants, number, across))
    if across == "context":
        return tuple(_with_context(dataset, part, number) for number in numbers)
    return tuple(hide_later_labels(_rows(dataset, part == number)) for number in numbers)


def _with_context(dataset: Cut, part: NDArray[np.int64], number: int) -> Cut:
    """Return the sequences with rows in a part, including all earlier rows, but unlabelled."""
    lengths = np.diff(dataset.offsets)
    has_some = np.logical_or.reduceat(part == number, dataset.offsets[:-1])
    kept = (part <= number) & np.repeat(has_some, lengths)
    chosen = hide_later_labels(_rows(dataset, kept))
    own = (part == number)[kept]
    labels = np.where(own[:, None], chosen.labels, np.nan).astype(chosen.labels.dtype)
    return chosen if own.all() else chosen.with_values(chosen.features, labels)


def _parts_of_rows(dataset: Sequences, instants: list[Instant]) -> NDArray[np.int64]:
    """Return the part ``(N,)`` of each row: the number of instants at or before its time."""
    part = np.zeros(len(dataset.times), dtype=np.int64)
    earlier = None
    for instant in instants:
        bound = in_terms_of(dataset, instant)
        if earlier is not None and not earlier < bound:
            raise ParameterError(f"split: at={instants!r} must rise from one instant to the next")
        part += dataset.times >= bound
        earlier = bound
    return part


def _rows(dataset: Cut, kept: NDArray[np.bool_]) -> Cut:
    """Return the rows that are ``kept (N,)``, in sequences of the same ids, without empty ones.

    The kept rows of a sequence are consecutive, because times increase.
    """
    lengths = np.add.reduceat(kept, dataset.offsets[:-1], dtype=np.int64)
    some = np.flatnonzero(lengths)
    lengths = lengths[some]
    first = np.flatnonzero(kept)[np.cumsum(lengths) - lengths]
    starts = dataset.shared_rows.starts[some] + first - dataset.offsets[some]
    return dataset.part(starts, lengths, some)


def _empty(dataset: Sequences, instants: list[Instant], number: int, across: str) -> str:
    begins = f"at or after {instants[number - 1]}" if number else ""
    ends = f"before {instants[number]}" if number < len(instants) else ""
    what = "row" if across == "cut" else f"sequence, with across='{across}',"
    first, last = dataset.times[dataset.offsets[:-1]], dataset.times[dataset.offsets[1:] - 1]
    return (
        f"split: part {number + 1} of {len(instants) + 1} is empty: no {what} lies "
        f"{' and '.join(filter(None, (begins, ends)))}; the times run from "
        f"{dataset.written_time(first.min())} to {dataset.written_time(last.max())}"
    )
