"""Labels as scikit-learn passes them, of any type and maybe missing; and sample weights.

For every kind of X, a missing label (None, NaN, NA or null) means a step, or a sequence, without a
label.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Set, ValuesView
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, _num_samples

from rnn_rust.base.arrays import refuse_mask, row_at
from rnn_rust.base.checks import shown
from rnn_rust.base.polars import pl
from rnn_rust.base.tensors import is_tensor, without_tensors
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.sklearn.tables import is_sequence_list, require_steps

_COLLECTIONS = (list, tuple, np.ndarray)
_TIMES = (dt.date, dt.time, dt.timedelta, np.datetime64, np.timedelta64)
_RAGGED = (
    "y has lists of different lengths; give each row, or each sequence of arrays, one label or "
    "equally many; labels for every step of arrays need readout='each_step'"
)


def as_labels(y: Any, name: str = "y") -> NDArray[Any]:
    """Return labels as an array; missing labels are None unless the array is of floats.

    Raises
    ------
    ShapeError
        Some rows have no label, or rows differ in the number of labels.
    DataError
        The labels are masked, complex, dates or durations.
    """
    if hasattr(y, "toarray"):
        raise ShapeError(f"{name} is a sparse matrix, which is not read; give {name}.toarray()")
    refuse_mask(name, y)
    labels = _as_array(name, y)
    if labels.ndim == 0:
        raise ShapeError(f"{name} must have a label for each row, got {shown(y)}")
    if labels.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {name} has complex numbers; give real ones")
    if labels.dtype.kind not in "MmO":
        return labels
    types = _types(labels.flat)
    if any(issubclass(one, _COLLECTIONS) for one in types):
        raise ShapeError(_RAGGED)
    times = any(issubclass(one, _TIMES) for one in types)
    if times and (wrong := [each for each in labels.flat if _is_time(each)]):
        raise DataError(
            f"{name} has dates or durations, such as {wrong[0]}; give numbers, or text for classes"
        )
    return labels


def told_classes(classes: Any) -> NDArray[Any]:
    """Return the argument ``classes`` of ``partial_fit`` as an array.

    Raises
    ------
    ParameterError
        ``classes`` is not a collection of single values.
    ShapeError, DataError
        As in :func:`as_labels` and :func:`present`.
    """
    # Sets and the views of a dict become lists.
    given = list(classes) if isinstance(classes, Set | ValuesView) else classes
    if _length(given) is None or any(_length(each) is not None for each in given):
        got = shown(classes)
        raise ParameterError(f"classes must be a list or an array of the classes, got {got}")
    return present(as_labels(given, "classes"), "classes")


def joined_labels(X: Any, y: Any) -> NDArray[Any]:
    """Return the labels of the steps of all sequences; y has one array per sequence.

    Each array is read like the labels of a frame, and all get one type.

    Raises
    ------
    ShapeError
        The lengths differ from those of the sequences, or the arrays differ in width.
    DataError
        As in :func:`as_labels`.
    """
    require_steps(X)
    if [_length(part) for part in (y if _length(y) is not None else ())] != [*map(len, X)]:
        raise ShapeError(
            f"y must have an array for each of the {len(X)} sequences of X, with a label for each "
            "of its steps; for one label per sequence use readout='last'"
        )
    parts = [as_labels(part) for part in y]
    if any(part.ndim > 1 for part in parts):
        parts = [part.reshape(len(part), -1) for part in parts]
        widths = [part.shape[1] for part in parts]
        if (few := min(widths)) != (many := max(widths)):
            raise ShapeError(f"y has arrays of {few} and of {many} columns; give all one width")
        return np.concatenate(parts)
    if all(part.dtype.kind in "biuf" for part in parts):
        return np.concatenate(parts)
    return _array([label for part in parts for label in part.tolist()])


def row_weights(X: Any, sample_weight: Any) -> NDArray[np.float64] | None:
    """Return one weight per row of X, or per sequence given as an array; None without weights.

    Raises
    ------
    ValueError
        The number of weights is wrong, or a weight is masked, below 0 or not finite.
    """
    if sample_weight is None:
        return None
    sample_weight = _without_tensors("sample_weight", sample_weight)
    refuse_mask("sample_weight", sample_weight)
    listed = isinstance(sample_weight, list | tuple) or (
        isinstance(sample_weight, np.ndarray) and sample_weight.dtype == object
    )
    if listed and any(_length(each) is not None for each in sample_weight):
        kind = "sequence" if is_sequence_list(X) else "row"
        raise ShapeError(f"sample_weight must have one number for each {kind} of X, got several")
    rows = np.empty(_num_samples(X))
    return _check_sample_weight(sample_weight, rows, ensure_non_negative=True)


def _length(values: Any) -> int | None:
    """Return the length of a collection of labels; None for a single label."""
    single = isinstance(values, str | bytes | dict) or getattr(values, "ndim", 1) == 0
    return None if single or not hasattr(values, "__len__") else len(values)


def _without_tensors(name: str, values: Any) -> Any:
    """Return a tensor as an array, a list with tensors as a list of numbers, all else unchanged."""
    if isinstance(values, list | tuple) and any(map(is_tensor, values)):
        parts = without_tensors(name, values)
        return [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]
    return without_tensors(name, values) if is_tensor(values) else values


def _as_array(name: str, y: Any) -> NDArray[Any]:
    """Return labels as an array, without checking them."""
    y = _without_tensors(name, y)
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
        is_plain = isinstance(y.dtype, np.dtype) and y.dtype.kind not in "OMm"
        return y.to_numpy() if is_plain else _array(np.where(missing, None, y.astype(object)))
    return np.asarray(y)


def _array(values: Any) -> NDArray[Any]:
    """Return an array, of objects if a label is missing or text is mixed with other types.

    NumPy would convert such a mixture to text.
    """
    known = list(values)
    if (gaps := _gaps(known)).any():
        known = [None if gap else value for gap, value in zip(gaps.tolist(), known, strict=True)]
    if len({issubclass(one, str) for one in _types(known)}) > 1:
        return np.array([*known, None], dtype=object)[:-1]
    try:
        return np.array(known)
    except ValueError as error:
        raise ShapeError(_RAGGED) from error


def _types(labels: Iterable[Any]) -> set[type]:
    # Looking at a few types is much faster than looking at millions of labels.
    return set(map(type, labels))


def _gaps(labels: list[Any]) -> NDArray[np.bool_]:
    """Return which labels are missing."""
    types = {one for one in _types(labels) if _may_be_gap(one)}
    if not types:
        return np.zeros(len(labels), dtype=bool)
    if types == {type(None)}:
        return np.array([label is None for label in labels], dtype=bool)
    return np.array([_is_gap(label) for label in labels], dtype=bool)


def _may_be_gap(one: type) -> bool:
    # pandas' NA has no truth value, so it cannot be compared with itself like NaN.
    others = (type(None), float, np.floating)
    return issubclass(one, others) or one.__name__ in ("NAType", "NaTType")


def _is_gap(label: Any) -> bool:
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label))
    return _may_be_gap(type(label))


def _is_time(label: Any) -> bool:
    """Whether a label is a date or a duration, and not missing."""
    return isinstance(label, _TIMES) and not _is_gap(label)


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
        return _gaps(y.ravel().tolist()).reshape(y.shape)
    return np.zeros(y.shape, dtype=bool)


def present(y: NDArray[Any], name: str = "y") -> NDArray[Any]:
    """Return the labels that are not missing, with the type that they have on their own.

    Raises
    ------
    DataError
        There is no label, one is infinite, or text is mixed with other types.
    """
    _refuse_infinite(y, name)
    labels = y[~is_missing(y)] if y.ndim == 1 else y
    if labels.size == 0:
        raise DataError(f"{name} has no label: there are no rows, or all are missing")
    if labels.dtype != object:
        return labels
    if len({issubclass(one, str) for one in _types(labels.flat)}) > 1:
        by_kind = {isinstance(label, str): label for label in labels.flat}
        text, other = by_kind[True], by_kind[False]
        raise DataError(
            f"{name} has labels of several types, {text!r} and {other!r}; give all one type"
        )
    return np.array(labels.tolist())


def as_targets(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return numeric labels as float64, NaN where missing.

    Raises
    ------
    DataError
        A label is not a finite number.
    """
    if y.dtype == object:
        y = np.where(is_missing(y), np.nan, y)
    try:
        numbers = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        wrong = next(label for label in y.flat if not _is_number(label))
        raise DataError(
            f"y has the label {str(wrong)!r}, which is no number; SequenceClassifier learns classes"
        ) from error
    _refuse_infinite(numbers, "y")
    return numbers


def _refuse_infinite(y: NDArray[Any], name: str) -> None:
    if y.dtype.kind == "f" and (infinite := np.isinf(y)).any():
        row = int(np.argwhere(infinite)[0, 0])
        raise DataError(
            f"{name}, {row_at(row)}: a label is infinite; give a finite number, or none"
        )


def class_codes(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the positions of labels in the sorted classes, NaN where missing.

    Raises
    ------
    DataError
        A label is not one of the classes.
    """
    places = {label: float(place) for place, label in enumerate(classes.tolist())}
    codes = np.fromiter(map(places.get, y.tolist(), repeat(np.nan)), np.float64, len(y))
    missing = is_missing(y)
    codes[missing] = np.nan
    if (strange := np.isnan(codes) & ~missing).any():
        label = y.item(int(np.argmax(strange)))
        raise DataError(
            f"y has the class {label!r}, which is none of those learnt: "
            f"{', '.join(map(repr, classes.tolist()))}; all must be in y of the first fit, or "
            "in classes= of the first partial_fit"
        )
    return codes
