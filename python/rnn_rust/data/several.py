"""Concatenation and comparison of data sets."""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.levels import merged, merged_labels
from rnn_rust.data.order import reorder
from rnn_rust.data.sequences import Sequences, require_dataset
from rnn_rust.data.static import TEXT_IN_SOME, concatenated
from rnn_rust.errors import DataError, ParameterError, ShapeError

Joined = TypeVar("Joined", bound=Sequences)


def concatenate(datasets: Several[Joined]) -> Joined:
    """Return the sequences of all data sets; see :meth:`rnn_rust.Dataset.concat`.

    Raises
    ------
    ParameterError
        No data set is given, or one is something else.
    ShapeError
        Their columns are not the same.
    DataError
        An id is in several data sets, or ids or times are of different kinds.
    """
    if not datasets:
        raise ParameterError("concat: there is no data set; give at least one")
    first = require_dataset(datasets[0], "concat")
    parts = [
        reorder(
            require_dataset(part, "concat"), features=first.feature_names,
            labels=first.label_names, learnt="those of the first data set are",
        )
        for part in datasets
    ]  # fmt: skip
    for part in parts:
        _check_alike(first, part)
    features, levels = merged(
        [part.features for part in parts], [part.levels for part in parts], first.feature_names,
        TEXT_IN_SOME,
    )  # fmt: skip
    labels, label_levels = merged_labels(
        [part.labels for part in parts], [part.label_levels for part in parts], first.label_names,
        TEXT_IN_SOME,
    )  # fmt: skip
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    rows: dict[str, Any] = {
        "features": features, "labels": labels,
        "times": np.concatenate([part.times for part in parts]),
    }  # fmt: skip
    for name in ("weights", "present", "seasonal"):
        if getattr(first, name) is not None:
            rows[name] = np.concatenate([getattr(part, name) for part in parts])
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    return replace(
        first,
        **rows,
        ids=_distinct_ids(parts),
        static=concatenated([part.static for part in parts]),
        initial_state=_initial_states(parts),
        offsets=offsets,
        row_numbers=np.arange(offsets[-1], dtype=np.int64),
        levels=levels,
        label_levels=label_levels,
        keeps_missing=any(part.keeps_missing for part in parts),
    )


def _check_alike(first: Sequences, part: Sequences) -> None:
    """Raise ShapeError or DataError if the columns of two data sets differ in kind."""
    sizes = [(len(one.feature_names), len(one.label_names)) for one in (first, part)]
    if sizes[0] != sizes[1] or (first.weights is None) != (part.weights is None):
        raise ShapeError(
            f"concat: {sizes[1]} feature and label columns beside {sizes[0]}, or weights in "
            "one alone; give data sets with the same columns"
        )
    if first.ahead != part.ahead:
        raise DataError("concat: the data sets forecast other values; make them by the same call")
    scales = [_scales(getattr(one, "normalizer", None)) for one in (first, part)]
    if scales[0] != scales[1]:
        raise DataError(
            "concat: the data sets are normalised differently, or one alone is; put them together "
            "as they were read"
        )
    for what, one, other in (("ids", first.ids, part.ids), ("times", first.times, part.times)):
        if _kind(one) != _kind(other):
            raise DataError(f"concat: {what} are {one.dtype} and {other.dtype}; convert one")


def _scales(normalizer: Any) -> tuple[Any, ...] | None:
    if normalizer is None:
        return None
    names = ("feature_shift_", "feature_scale_", "label_shift_", "label_scale_")
    return tuple(getattr(normalizer, name).tolist() for name in names)


def _kind(values: NDArray[Any]) -> str:
    return "number" if values.dtype.kind in "iuf" else values.dtype.kind


def _distinct_ids(parts: list[Joined]) -> NDArray[Any]:
    """Return the ids of all parts; DataError if an id is in several."""
    ids = np.concatenate([part.ids for part in parts])
    if ids.dtype.kind == "f":
        raise DataError("concat: ids of int64 and uint64 do not fit one of them; make them text")
    distinct, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice = distinct.item(np.argmax(counts))
        raise DataError(f"concat: id {twice!r} is in several data sets; rename one")
    return ids


def _initial_states(parts: list[Joined]) -> NDArray[Any] | None:
    states = [part.initial_state for part in parts if part.initial_state is not None]
    if not states:
        return None
    if len(states) < len(parts):
        raise ShapeError("concat: some data sets alone have initial states; give all or none")
    if len({state.shape[1:] for state in states}) > 1:
        raise ShapeError("concat: initial states are of networks of several sizes")
    return np.concatenate(states)


def equal(one: Sequences, other: Sequences) -> bool:
    """Whether two data sets have the same sequences: ids, times, columns and their names."""
    names = (
        "feature_names", "label_names", "id_name", "time_name", "weights_name", "levels",
        "label_levels",
    )  # fmt: skip
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    if (one.static is not None or other.static is not None) and not (
        one.static is not None and one.static.equals(other.static)
    ):
        return False
    arrays = ("offsets", "ids", "times", "features", "labels", "weights", "initial_state")
    for name in arrays:
        mine, theirs = getattr(one, name), getattr(other, name)
        if (mine is None) != (theirs is None):
            return False
        if mine is not None and not np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"):
            return False
    return True
