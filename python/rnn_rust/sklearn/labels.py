"""The labels that scikit-learn hands over: of any kind, some of them missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import row_at
from rnn_rust.base.checks import non_negative
from rnn_rust.base.polars import pl
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.learning.losses import engine_loss

CLASS_LOSSES = ("binary_cross_entropy", "focal", "cross_entropy")


def as_labels(y: Any) -> NDArray[Any]:
    """Return labels as an array; where one of a column that is no float is missing, it is None."""
    if hasattr(y, "toarray"):
        raise ShapeError("y is a sparse matrix, which is not read; give y.toarray()")
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
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label))
    # Those of pandas have no truth value.
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def _is_number(label: Any) -> bool:
    try:
        float(label)
    except (TypeError, ValueError):
        return False
    return True


def is_missing(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are None or NaN."""
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype == object:
        return np.array([_is_gap(label) for label in y.flat], dtype=bool).reshape(y.shape)
    return np.zeros(y.shape, dtype=bool)


def present(y: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that are there, with the type that they have without the others.

    Raises
    ------
    DataError
        There is none, or there is text beside something else.
    """
    labels = y[~is_missing(y)] if y.ndim == 1 else y
    if labels.size == 0:
        raise DataError("y has no label: there are no rows, or all are missing")
    if labels.dtype != object:
        return labels
    by_kind = {isinstance(label, str): label for label in labels.flat}
    if len(by_kind) > 1:
        text, other = by_kind[True], by_kind[False]
        raise DataError(f"y has labels of several types, {text!r} and {other!r}; give all one type")
    return np.array(labels.tolist())


def as_targets(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return labels that are numbers as float64, NaN where they are missing.

    Raises
    ------
    DataError
        One is no finite number.
    """
    if y.dtype.kind == "c":
        raise DataError("y has complex numbers; give real ones")
    if y.dtype == object:
        y = np.where(is_missing(y), np.nan, y)
    try:
        numbers = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        wrong = next(label for label in y.flat if not _is_number(label))
        raise DataError(
            f"y has the label {str(wrong)!r}, which is no number; SequenceClassifier learns classes"
        ) from error
    if (infinite := np.isinf(numbers)).any():
        row = int(np.argwhere(infinite)[0, 0])
        raise DataError(f"y, {row_at(row)}: a label is infinite; give a finite number, or none")
    return numbers


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
                f"{', '.join(map(repr, classes.tolist()))}; all must be in y of the first fit, or "
                "in classes= of the first partial_fit"
            )
        codes[row] = places[label]
    return codes


def coded_weights(class_weight: Any, classes: NDArray[Any]) -> Any:
    """Return the weights of classes by their places, if they are given by name.

    Raises
    ------
    ParameterError
        There is a weight of another class, or one is no finite number of at least 0.
    """
    if not isinstance(class_weight, dict):
        return class_weight
    names = classes.tolist()
    if unknown := [str(label) for label in class_weight if label not in names]:
        raise ParameterError(f"class_weight has {', '.join(unknown)}, of which y has none")
    for label, weight in class_weight.items():
        non_negative(f"class_weight of {label!r}", weight)
    return {place: class_weight.get(label, 1.0) for place, label in enumerate(names)}


def loss_of_classes(loss: Any, count: int) -> tuple[Any, int]:
    """Return the loss for so many classes, and the number of outputs.

    Raises
    ------
    ParameterError
        The loss is not one of classes, or of two.
    """
    if loss is None:
        loss = "binary_cross_entropy" if count == 2 else "cross_entropy"
    name, _ = engine_loss(loss, None)
    if name not in CLASS_LOSSES:
        known = ", ".join(map(repr, CLASS_LOSSES))
        raise ParameterError(f"loss={loss!r} is not one of classes; use {known}")
    if name == "cross_entropy":
        return loss, count
    if count != 2:
        raise ParameterError(f"loss={loss!r} is for two classes, and y has {count}; leave it out")
    return loss, 1


def loss_of_numbers(loss: Any) -> Any:
    """Return the loss for labels that are numbers.

    Raises
    ------
    ParameterError
        It is one of several classes.
    """
    # Losses with parameters, and those in Python, are none of several classes.
    if isinstance(loss, str) and loss == "cross_entropy":
        raise ParameterError(
            "loss='cross_entropy' learns classes, and these labels are numbers; use "
            "SequenceClassifier, or another loss"
        )
    return "mse" if loss is None else loss
