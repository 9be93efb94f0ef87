"""How much each label counts in the loss: its row's weight times its class's weight.

The loss of a batch is ``Σ w e / Σ w`` over its labels: a weight of 2 counts the row twice, and 0
leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.columns import first_of
from rnn_rust.errors import DataError, ParameterError
from rnn_rust.learning.labels import check_numbers

FloatArray = NDArray[np.floating[Any]]
ClassWeight = Literal["balanced"] | Mapping[int, float] | Mapping[str, float] | None


def check_class_weight(class_weight: object, classes: int) -> ClassWeight:
    """Return ``class_weight``: None, ``"balanced"``, or a weight for each of the classes.

    Parameters
    ----------
    class_weight
        A dict has one weight, finite and at least 0, for every class 0 ... ``classes - 1``. Its
        keys may also be names, which are checked once the data is known: see `numbered`.
    classes
        Number of classes; see :func:`rnn_rust.learning.labels.class_count`.

    Raises
    ------
    ParameterError
        It is something else, a class is missing or unknown, or all weights are 0.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        return "balanced"
    if not isinstance(class_weight, Mapping):
        raise ParameterError(
            f"class_weight must be None, 'balanced' or a dict of weights, got {class_weight!r}"
        )
    if is_by_name(class_weight):
        return _usable({str(name): _weight(name, value) for name, value in class_weight.items()})
    expected, shown = range(classes), f"0 to {classes - 1}"
    _require_each(class_weight, expected, shown, f"each class from {shown}")
    return _usable({int(key): _weight(key, class_weight[key]) for key in expected})


def is_by_name(class_weight: object) -> bool:
    """Whether it is a dict whose keys are text."""
    return (
        isinstance(class_weight, Mapping)
        and len(class_weight) > 0
        and all(isinstance(key, str) for key in class_weight)
    )


def numbered(class_weight: Any, levels: Mapping[str, tuple[str, ...]]) -> Any:
    """Return weights by name as weights by number; any others are returned unchanged.

    Parameters
    ----------
    class_weight
        As returned by :func:`check_class_weight`.
    levels
        The class names of each label column that has any, by column, in the order of their
        numbers.

    Raises
    ------
    ParameterError
        A class is missing or unknown, or label columns do not share one list of names.
    """
    if not is_by_name(class_weight):
        return class_weight
    if len(set(levels.values())) != 1:
        lack = "the labels are numbers" if not levels else "the label columns have different names"
        raise ParameterError(
            f"class_weight: classes have names, and {lack}; give the weights by number, "
            "{0: ..., 1: ...}"
        )
    names = next(iter(levels.values()))
    shown = first_of(names, most=12)
    _require_each(class_weight, names, shown, f"each of {shown}")
    return {number: class_weight[name] for number, name in enumerate(names)}


def _require_each(
    class_weight: Mapping[Any, Any], classes: Collection[Any], shown: str, each: str
) -> None:
    """Raise ParameterError unless the keys are the classes; the message lists the classes."""
    if unknown := [key for key in class_weight if key not in classes]:
        raise ParameterError(
            f"class_weight: {unknown[0]!r} is not a class; the classes are {shown}"
        )
    if missing := [key for key in classes if key not in class_weight]:
        raise ParameterError(
            f"class_weight: class {missing[0]!r} has no weight; give {each} one (1 leaves it as it "
            "is)"
        )


def require_numbers(class_weight: object) -> None:
    """Raise ParameterError if weights are still by name."""
    if is_by_name(class_weight):
        raise ParameterError(
            "class_weight has names of classes, whose numbers the model does not know yet; call "
            "fit() or build(data) first"
        )


_Key = TypeVar("_Key", int, str)


def _usable(weights: dict[_Key, float]) -> dict[_Key, float]:
    if not any(weights.values()):
        raise ParameterError("class_weight: all weights are 0; give a class one above 0")
    return weights


def _weight(key: object, value: object) -> float:
    usable = isinstance(value, Real) and not isinstance(value, bool)
    if not (usable and math.isfinite(value) and value >= 0):  # type: ignore[arg-type,operator]
        raise ParameterError(
            f"class_weight: class {key} has the weight {value!r}; give a finite number of at "
            "least 0"
        )
    return float(value)  # type: ignore[arg-type]


def class_weights(
    class_weight: ClassWeight,
    labels: FloatArray,
    weights: FloatArray | None,
    classes: int,
    names: tuple[str, ...] | None = None,
) -> NDArray[np.float64] | None:
    """Return the weight of every class in every label column; None if no class has one.

    ``"balanced"`` learns them from the labels: ``n / (k n_c)`` in each column, with n labels in
    k classes, n_c of them in class c, as in scikit-learn's ``compute_class_weight`` (King and
    Zeng, "Logistic regression in rare events data", 2001). A row of weight 2 is counted twice
    there too. A class without labels gets the weight 1.

    Parameters
    ----------
    class_weight
        As returned by :func:`check_class_weight`.
    labels
        ``(N, L)`` of the training data: class numbers, NaN where missing.
    weights
        ``(N,)`` weights of the rows, or None.
    classes
        Number of classes K.
    names
        Names of the label columns, for errors.

    Returns
    -------
    ndarray or None
        ``(L, K)``.

    Raises
    ------
    DataError
        A label is not the number of a class.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, Mapping):
        require_numbers(class_weight)
        by_number: Mapping[Any, float] = class_weight
        row = [by_number[number] for number in range(classes)]
        return np.tile(np.array(row, dtype=np.float64), (labels.shape[1], 1))
    check_numbers(labels, classes, "class_weight", names)
    table = np.ones((labels.shape[1], classes))
    for column, balanced in zip(labels.T, table, strict=True):
        known = ~np.isnan(column)
        counted = None if weights is None else weights[known]
        counts = np.bincount(column[known].astype(np.intp), counted, minlength=classes)
        present = counts > 0
        balanced[present] = counts.sum() / (np.count_nonzero(present) * counts[present])
    return table


def label_weights(
    labels: FloatArray,
    weights: FloatArray | None = None,
    table: FloatArray | None = None,
    names: tuple[str, ...] | None = None,
) -> FloatArray | None:
    """Return how much each label counts; None if every label counts as 1.

    Parameters
    ----------
    labels
        ``(N, L)``, NaN where missing; class numbers if there is a table.
    weights
        ``(N,)`` weights of the rows, or None.
    table
        ``(L, K)`` weights of the classes from :func:`class_weights`, or None. Weights learnt from
        the training data are used for all other data.
    names
        Names of the label columns, for errors.

    Returns
    -------
    ndarray or None
        ``(N, L)`` of the dtype of the labels; 0 where a label is missing.

    Raises
    ------
    DataError
        A label is not the number of a class, every label has the weight 0, or a weight is too
        large for the dtype.

    Examples
    --------
    >>> labels = np.array([[0.0], [np.nan], [1.0]])
    >>> label_weights(labels, np.array([1.0, 1.0, 3.0]), np.array([[1.0, 2.0]])).tolist()
    [[1.0], [0.0], [6.0]]
    """
    if weights is None and table is None:
        return None
    known = ~np.isnan(labels)
    found = known.astype(labels.dtype)
    with np.errstate(over="ignore"):
        if table is not None:
            check_numbers(labels, table.shape[1], "class_weight", names)
            for column, of_class in enumerate(table):
                rows = known[:, column]
                found[rows, column] = of_class[labels[rows, column].astype(np.intp)]
        if weights is not None:
            found *= weights[:, np.newaxis]
    if not np.isfinite(found).all():
        raise DataError(f"weights are too large for {labels.dtype}; divide them by a constant")
    if not found.any():
        raise DataError("every label has the weight 0; give one in the data a weight above 0")
    return None if np.array_equal(found, known) else found
