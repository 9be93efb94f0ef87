"""Putting columns in a model's order, matched by name if both sides have names."""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from rnn_rust.base.arrays import FloatArray, positions
from rnn_rust.base.checks import counted
from rnn_rust.data.columns import listed
from rnn_rust.data.levels import Levels, recode
from rnn_rust.data.sequence import Sequence
from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import DataError, ShapeError

Data = TypeVar("Data", bound=Sequences | Sequence)
Names = tuple[str, ...] | None
Columns = tuple[int, Names]
"""The number of columns, and their names or None."""

# The maximum number of names in a message; of more, the first ones are shown.
_SHOWN = 12


def known_names(data: Sequences | Sequence) -> tuple[Names, Names]:
    """Return the names of feature and label columns; None for placeholders."""
    if isinstance(data, Sequence):
        return data.feature_names, data.label_names
    return (
        data.feature_names if data.has_feature_names else None,
        data.label_names if data.has_label_names else None,
    )


def reorder(
    data: Data,
    *,
    features: Names = None,
    labels: Names = None,
    learnt: str = "the model was trained on",
) -> Data:
    """Return the data with its columns in the order of these names.

    Columns are left unchanged if either side has no names, or if their numbers differ: the model
    raises an error in that case.

    Raises
    ------
    ShapeError
        The names differ; the message contains both, with ``learnt`` between them.
    """
    changes: dict[str, Any] = {}
    orders: list[list[int] | None] = []
    kinds = ("feature", "label")
    for kind, names, wanted in zip(kinds, known_names(data), (features, labels), strict=True):
        order = _order(kind, names, wanted, learnt)
        orders.append(order)
        if order is not None and wanted is not None:
            values: FloatArray = getattr(data, f"{kind}s")
            changes[f"{kind}s"] = np.ascontiguousarray(values[:, order])
            changes[f"{kind}_names"] = tuple(wanted)
            if kind == "label" and (seasonal := getattr(data, "seasonal", None)) is not None:
                changes["seasonal"] = np.ascontiguousarray(seasonal[:, order])
    if not changes:
        return data
    normalizer = getattr(data, "normalizer", None)
    if normalizer is not None:
        changes["normalizer"] = normalizer.with_columns(*orders)
    return replace(data, **changes)


def check_count(kind: str, own: Columns, expected: Columns, why: str) -> None:
    """Raise ShapeError if a model expects another number of columns; ``why`` explains it."""
    (got, names), (wanted, learnt) = own, expected
    if got == wanted:
        return
    differs = []
    if names is not None and learnt is not None:
        missing = [name for name in learnt if name not in names]
        strange = [name for name in names if name not in learnt]
        differs += [f"it lacks {listed(missing)}"] if missing else []
        differs += [f"the model does not know {listed(strange)}"] if strange else []
    raise ShapeError(
        f"the data has {counted(got, f'{kind} column')}, the model expects {wanted} ({why})"
        + (f": {'; '.join(differs)}" if differs else "")
    )


def with_label_levels(data: Data, wanted: Levels, learnt: Names = None) -> Data:
    """Return data whose classes are numbered as in ``wanted``, the levels of the same columns.

    ``learnt`` are the names of the labels that the model was trained on, or None. Labels without
    column names are taken as class numbers, because arrays cannot hold anything else.

    Raises
    ------
    DataError
        A label is not among the classes; or labels are named classes where the model learnt
        numbers, or the reverse.
    """
    own, names = data.label_levels, data.label_names or ()
    _refuse_names(data, wanted, learnt or ())
    _refuse_numbers(data, wanted)
    shared = {name: levels for name, levels in wanted.items() if name in own}
    if not shared or own == wanted:
        return data
    labels = recode(data.labels, own, shared, names)
    return replace(data, labels=labels, label_levels={**own, **shared})


def _refuse_names(data: Sequences | Sequence, wanted: Levels, learnt: tuple[str, ...]) -> None:
    """Raise DataError if a label has named classes where the model learnt numbers."""
    own = data.label_levels
    if strange := [name for name in learnt if name in own and name not in wanted]:
        raise DataError(
            f"label column '{strange[0]}' has classes by name "
            f"({listed(own[strange[0]], most=3)}), and the model learnt numbers there; give numbers"
        )


def _refuse_numbers(data: Sequences | Sequence, wanted: Levels) -> None:
    """Raise DataError if a label has numbers where the model learnt named classes."""
    names = known_names(data)[1] or ()
    for at, name in enumerate(names):
        if name not in wanted or name in data.label_levels:
            continue
        if not np.isnan(data.labels[:, at]).all():
            raise DataError(
                f"label column '{name}' has numbers or truth values, and the model learnt classes "
                f"by name there ({listed(wanted[name], most=3)}); give the names in their place"
            )


def _order(kind: str, names: Names, wanted: Names, learnt: str) -> list[int] | None:
    """Return the position of every wanted name; None if columns need not be reordered."""
    if names is None or wanted is None or names == tuple(wanted) or len(names) != len(wanted):
        return None
    if sorted(names) != sorted(wanted):
        unknown = next(repr(name) for name in names if name not in wanted)
        raise ShapeError(
            f"the {kind} columns are {_listed(names)}, {learnt} {_listed(wanted)}: {unknown} is "
            "not among them; give the same columns in any order, or arrays without names, which "
            "are taken in this order"
        )
    return positions(names, wanted)


def _listed(names: Several[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
