"""Labels for losses and readouts: checks of classes, and one label per sequence."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import positions, row_at
from rnn_rust.errors import DataError, ShapeError

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

FloatArray = NDArray[np.floating[Any]]
Offsets = NDArray[np.int64]

_log = logging.getLogger("rnn_rust")

_HOW_TO_NUMBER = "number classes 0, 1, 2, ... or name them as text"
# If the number of classes is found from the labels: larger than any integer floats can tell apart.
_ANY_COUNT = 2**53


def class_count(loss: str, output_size: int) -> int | None:
    """Return the number of classes for a loss; None if it is not a classification loss."""
    return {"binary_cross_entropy": 2, "focal": 2, "cross_entropy": output_size}.get(loss)


def check_classes(
    labels: FloatArray, loss: str, output_size: int, names: tuple[str, ...] | None = None
) -> None:
    """Check that labels ``(N, L)`` fit a classification loss; other losses take any numbers.

    ``cross_entropy``: the number of a class, from 0 to ``output_size - 1``, in a single column.
    ``focal``: 0 or 1. ``binary_cross_entropy``: from 0 to 1, where a label in between is the
    probability of a 1. NaN is always a missing label.

    Raises
    ------
    DataError
        A label is something else; the message names its row (from 0) and column.
    ShapeError
        There is not exactly one column for ``cross_entropy``.
    """
    if loss == "cross_entropy" and labels.shape[1] != 1:
        raise ShapeError(
            f"loss 'cross_entropy' takes one label column, which holds the number of a class, and "
            f"the data has {labels.shape[1]}; name one, or use 'binary_cross_entropy' for several"
        )
    if loss == "binary_cross_entropy":
        good = ~((labels < 0) | (labels > 1))
        _require(good, labels, names, f"what loss '{loss}' takes; give 0 or 1, or what is between")
    elif (classes := class_count(loss, output_size)) is not None:
        check_numbers(labels, classes, f"loss '{loss}'", names)


def check_numbers(
    labels: FloatArray, classes: int, purpose: str, names: tuple[str, ...] | None = None
) -> None:
    """Check that every label ``(N, L)`` that is not missing is a whole number below ``classes``.

    Raises
    ------
    DataError
        Names the row (from 0), column and value of the first bad label, and what is needed.
    """
    in_range = (labels >= 0) & (labels < classes) & (labels == np.rint(labels))
    wanted = "0 or 1" if classes == 2 else f"whole numbers from 0 to {classes - 1}"
    if classes == _ANY_COUNT:
        wanted = "whole numbers from 0 upwards"
    _require(
        in_range | np.isnan(labels),
        labels,
        names,
        f"the number of a class; {purpose} needs {wanted}",
    )


def _require(
    good: NDArray[np.bool_], labels: FloatArray, names: tuple[str, ...] | None, wanted: str
) -> None:
    if good.all():
        return
    row, column = divmod(int(np.argmin(good)), labels.shape[1])
    name = f"'{names[column]}'" if names else str(column)
    raise DataError(
        f"labels, {row_at(row)}, column {name}: {labels[row, column]:g} is not "
        f"{wanted}; correct the label, or leave it empty"
    )


def sequence_labels(
    labels: FloatArray, weights: FloatArray | None, offsets: Offsets
) -> tuple[FloatArray, FloatArray | None]:
    """Move the label of each sequence, and its weight, to the last row of the sequence.

    The label of a sequence is its last row in which any column has a label.

    Parameters
    ----------
    labels
        ``(N, L)``, NaN where missing.
    weights
        ``(N,)`` or None.
    offsets
        ``(S + 1,)``: sequence ``s`` has the rows ``offsets[s]`` up to ``offsets[s + 1]``.

    Returns
    -------
    (labels, weights)
        New arrays of the same shapes. Labels are NaN in all rows but the last of each sequence,
        and there too if the sequence has no label; weights of those rows do not matter.
    """
    rows, labelled = last_labelled(labels, offsets)
    ends = offsets[1:][labelled] - 1
    moved = np.full_like(labels, np.nan)
    moved[ends] = labels[rows]
    if weights is not None:
        taken = weights[rows]
        weights = weights.copy()
        weights[ends] = taken
    return moved, weights


def labels_per_sequence(labels: FloatArray, offsets: Offsets) -> FloatArray:
    """Return the labels ``(S, L)`` of the sequences in ``(N, L)``, as in :func:`sequence_labels`.

    NaN if a sequence has none.
    """
    rows, labelled = last_labelled(labels, offsets)
    found = np.full((len(labelled), labels.shape[1]), np.nan, labels.dtype)
    found[labelled] = labels[rows]
    return found


def last_labelled(labels: FloatArray, offsets: Offsets) -> tuple[Offsets, NDArray[np.bool_]]:
    """Return the last labelled row of each sequence that has one, and which have one ``(S,)``."""
    known = np.flatnonzero(~np.isnan(labels).all(axis=1))
    # The last labelled row before the end of each sequence; -1 if there is none in the data.
    last = np.append(known, -1)[np.searchsorted(known, offsets[1:]) - 1]
    labelled = last >= offsets[:-1]
    return last[labelled], labelled


def occurring_classes(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Return the class names that occur in each label column whose classes have names."""
    found = {}
    columns = dataset.labels.T[positions(dataset.label_names, dataset.label_levels)]
    for (name, known), column in zip(dataset.label_levels.items(), columns, strict=True):
        counts = np.bincount(column[~np.isnan(column)].astype(np.int64))
        found[name] = tuple(known[code] for code in np.flatnonzero(counts).tolist())
    return found


def outputs_for(dataset: Dataset, loss: str) -> int:
    """Return the number of outputs that a loss needs: one per label column, or per class.

    Raises
    ------
    DataError
        There is no label; or a label should be the number of a class and is not.
    """
    labels = dataset.require_labels("training")
    if loss != "cross_entropy":
        return int(labels.shape[1])
    if (named := dataset.label_levels.get(dataset.label_names[0])) is not None:
        return max(2, len(named))
    check_classes(labels, loss, _ANY_COUNT, dataset.label_names)
    names, classes = dataset.label_names, max(2, int(np.nanmax(labels)) + 1)
    # There cannot be more classes than rows: a wrong label must not make a huge model.
    if classes > max(2, len(labels)):
        wanted = f"the number of a class, as there are fewer rows; {_HOW_TO_NUMBER}"
        _require(~(labels >= max(2, len(labels))), labels, names, wanted)
    occurring = len(np.unique(labels[~np.isnan(labels)]))
    if classes > 2 and 2 * occurring < classes:
        _log.warning(
            "Labels of '%s' have %d classes, and the model has an output for each number from 0 to "
            "%d: %s",
            names[0], occurring, classes - 1, _HOW_TO_NUMBER,
        )  # fmt: skip
    return classes
