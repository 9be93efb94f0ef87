"""Levels of categories and classes: conversion between the numbers of different data sets."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import positions
from rnn_rust.base.checks import shown
from rnn_rust.errors import DataError

# Types that become text as Polars writes them, besides str, bool and float.
_AS_TEXT = (int, np.integer, Decimal, datetime.date, datetime.time, np.datetime64)

Levels = Mapping[str, tuple[str, ...]]

MISSING_TYPES = ("NAType", "NaTType")
"""The names of the types that stand for missing values in pandas."""


def is_missing(cell: Any) -> bool:
    """Return whether a value stands for a missing one of any type: None or pandas' NA, not NaN."""
    return cell is None or type(cell).__name__ in MISSING_TYPES


def level_of(where: str, name: str, cell: Any) -> str:
    """Return the level of one value of a category, as reading it from a table column would.

    A missing value is the level ``""``; whole floats become integers, bools lower-case words.
    ``where`` is what messages call the owner of the feature.

    Raises
    ------
    DataError
        It is neither text nor a whole number.
    """
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell)).lower()
    if isinstance(cell, float | np.floating):
        if np.isnan(cell):
            return ""
        if float(cell).is_integer():
            return str(int(cell))
    elif is_missing(cell):
        return ""
    elif isinstance(cell, _AS_TEXT):
        return str(cell).strip()
    raise DataError(
        f"{where}: category '{name}' is {shown(cell)}; categories are texts or whole "
        "numbers, convert it"
    )


def recode(
    matrix: NDArray[Any], own: Levels, wanted: Levels, names: tuple[str, ...]
) -> NDArray[Any]:
    """Return a matrix ``(N, columns)`` with its levels renumbered as in ``wanted``; NaN stays.

    Raises
    ------
    DataError
        A level that occurs is not among the wanted levels.
    """
    result = matrix
    for (name, levels), at in zip(wanted.items(), positions(names, wanted), strict=True):
        if own[name] == levels:
            continue
        position = {level: number for number, level in enumerate(levels)}
        to = np.array([position.get(level, -1) for level in own[name]], dtype=np.float64)
        known = ~np.isnan(matrix[:, at])
        codes = matrix[known, at].astype(np.int64)
        if (strange := to[codes] < 0).any():
            level = own[name][int(codes[np.argmax(strange)])]
            raise DataError(
                f"column '{name}' has {shown(level)}, which is none of the classes known: "
                f"{', '.join(levels)}; leave that label empty, or train on data that has the class"
            )
        result = result.copy() if result is matrix else result
        result[known, at] = to[codes]
    return result


def merged_labels(
    matrices: list[NDArray[Any]], levels: list[Levels], names: tuple[str, ...], refusal: str
) -> tuple[NDArray[Any], dict[str, tuple[str, ...]]]:
    """Return labels as `merged` does; a column whose labels are all missing fits any classes."""
    named = {name for own in levels for name in own}
    alike: list[Levels] = []
    for matrix, own in zip(matrices, levels, strict=True):
        columns = zip(names, matrix.T, strict=True)
        empty = [name for name, column in columns if name in named and np.isnan(column).all()]
        alike.append({**dict.fromkeys(empty, ()), **own})
    return merged(matrices, alike, names, refusal)


def merged(
    matrices: Iterable[NDArray[Any]], levels: list[Levels], names: tuple[str, ...], refusal: str
) -> tuple[NDArray[Any], dict[str, tuple[str, ...]]]:
    """Return the concatenated matrices ``(N, columns)``, and the levels of all of them.

    Raises
    ------
    DataError
        A column has levels in only some; ``refusal`` is the message, with ``{name}`` for its name.
    """
    common: dict[str, tuple[str, ...]] = {}
    for name in sorted({name for own in levels for name in own}):
        if not all(name in own for own in levels):
            raise DataError(refusal.format(name=name))
        common[name] = tuple(sorted({level for own in levels for level in own[name]}))
    pairs = zip(matrices, levels, strict=True)
    return np.concatenate([recode(matrix, own, common, names) for matrix, own in pairs]), common
