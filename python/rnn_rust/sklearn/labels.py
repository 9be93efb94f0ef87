"""The labels that scikit-learn hands over: of any kind, some of them missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.polars import pl
from rnn_rust.errors import DataError, ParameterError, ShapeError

CLASS_LOSSES = ("binary_cross_entropy", "focal", "cross_entropy")


def as_labels(y: Any) -> NDArray[Any]:
    """Return labels as an array; where one of a column that is no float is missing, it is None."""
    if isinstance(y, pl.DataFrame):
        y = y.to_series() if y.width == 1 else y.to_numpy()
    elif hasattr(y, "iloc") and getattr(y, "ndim", 1) == 2:
        y = y.iloc[:, 0] if y.shape[1] == 1 else y.to_numpy()
    if isinstance(y, pl.Series):
        return _array(y.to_list())
    if isinstance(y, list | tuple):
        return _array(y)
    if hasattr(y, "iloc"):
        missing = y.isna().to_numpy()
        is_plain = isinstance(y.dtype, np.dtype) and y.dtype != object
        return y.to_numpy() if is_plain else _array(np.where(missing, None, y.astype(object)))
    labels = np.asarray(y)
    if labels.ndim == 0:
        raise ShapeError(f"y must have a label for each row, got {y!r}")
    return labels


def _array(values: Any) -> NDArray[Any]:
    """Return an array of objects where one is missing, which NumPy would make text beside text."""
    known = [None if _is_gap(value) else value for value in values]
    if any(value is None for value in known):
        return np.array([*known, None], dtype=object)[:-1]
    return np.array(known)


def _is_gap(label: Any) -> bool:
    return label is None or (isinstance(label, float | np.floating) and bool(np.isnan(label)))


def is_missing(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are None or NaN."""
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype == object and y.ndim == 1:
        return np.array([_is_gap(label) for label in y], dtype=bool)
    return np.zeros(y.shape, dtype=bool)


def present(y: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that are there, with the type that they have without the others.

    Raises
    ------
    DataError
        There is none.
    """
    labels = y[~is_missing(y)] if y.ndim == 1 else y
    if labels.size == 0:
        raise DataError("y has no label: all are missing")
    return np.array(labels.tolist()) if labels.dtype == object else labels


def class_codes(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the places of labels among sorted classes, NaN where they are missing.

    Raises
    ------
    DataError
        A label is none of the classes.
    """
    places = {label: float(place) for place, label in enumerate(classes.tolist())}
    missing = is_missing(y)
    codes = np.full(len(y), np.nan)
    for row, label in enumerate(y.tolist()):
        if missing[row]:
            continue
        if label not in places:
            raise DataError(
                f"y has the class {label!r}, which is none of those learnt: "
                f"{', '.join(map(repr, classes.tolist()))}"
            )
        codes[row] = places[label]
    return codes


def coded_weights(class_weight: Any, classes: NDArray[Any]) -> Any:
    """Return the weights of classes by their places, if they are given by name.

    Raises
    ------
    ParameterError
        There is a weight of another class.
    """
    if not isinstance(class_weight, dict):
        return class_weight
    names = classes.tolist()
    if unknown := [str(label) for label in class_weight if label not in names]:
        raise ParameterError(f"class_weight has {', '.join(unknown)}, of which y has none")
    return {place: class_weight.get(label, 1.0) for place, label in enumerate(names)}


def loss_of_classes(loss: Any, count: int) -> tuple[Any, int]:
    """Return the loss for so many classes, and the number of outputs.

    Raises
    ------
    ParameterError
        The loss is not one of classes, or of two.
    """
    name = getattr(loss, "name", loss)
    if isinstance(name, str) and name not in CLASS_LOSSES:
        known = ", ".join(map(repr, CLASS_LOSSES))
        raise ParameterError(f"loss={loss!r} is not one of classes; use {known}")
    if count == 2 and name != "cross_entropy":
        return ("binary_cross_entropy" if loss is None else loss), 1
    if isinstance(name, str) and name != "cross_entropy":
        raise ParameterError(f"loss={loss!r} is for two classes, and y has {count}; leave it out")
    return ("cross_entropy" if loss is None else loss), count
