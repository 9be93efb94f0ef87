"""Metrics as small NumPy functions, and code shared by the evaluators: array checks, text tables.

The metrics take flat arrays of labelled steps, shape ``(n,)`` with n >= 1, and compute in
float64. A metric that can be undefined returns a `Metric`: a stand-in value, marked as such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.arrays import as_numbers
from rnn_rust.base.checks import counted
from rnn_rust.errors import DataError, ParameterError, ShapeError

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Between these sizes, squares and quotients summed over the steps stay finite in float64.
LARGEST = 1e100
SMALLEST = 1e-100

UNDEFINED = {
    "precision": "nothing was predicted positive",
    "recall": "no label is positive",
    "f1": "no label is positive and nothing was predicted positive",
    "macro_precision": "a class was never predicted, and counts as 0",
    "macro_recall": "a class that was predicted has no label, and counts as 0",
    "specificity": "no label is negative",
    "pr_auc": "no label is positive",
    "roc_auc": "the labels are all of one class",
    "mape": "every target is zero",
    "r2": "the labels do not vary",
}
"""Why a metric can be undefined, by its name."""


class Metric(NamedTuple):
    """A metric's value, and whether it is defined; if not, the value is a stand-in."""

    value: float
    defined: bool = True


class Predictor(Protocol):
    """A model: anything whose ``predict`` turns a data set into an array of shape ``(N, L)``.

    If it has an attribute ``readout`` other than ``"each_step"``, the array has a row for each of
    the S sequences instead. Its ``threshold``, if any, is used by evaluators that have none. Its
    ``feature_names`` and ``label_names``, if any, are matched with the columns of a data set.
    """

    def predict(self, dataset: Dataset, /) -> NDArray[Any]:
        """Return the predictions for all N steps, or all S sequences, of `dataset`."""


# --- classification -------------------------------------------------------------------------


def ratio(part: float, whole: float) -> Metric:
    """Return ``part / whole``; 0.0 and undefined when `whole` is zero."""
    return Metric(part / whole) if whole else Metric(0.0, defined=False)


def confusion(labels: Bools, predicted: Bools) -> tuple[int, int, int, int]:
    """Return the counts (TP, FP, TN, FN) of two boolean arrays of shape ``(n,)``."""
    tp = int(np.count_nonzero(labels & predicted))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(labels)) - tp
    return tp, fp, labels.size - tp - fp - fn, fn


class Ranking(NamedTuple):
    """The number of labels with at least each distinct score, in order of decreasing score.

    ``tp`` and ``fp`` count the positive and the negative ones, the true and false positives for a
    threshold just below the score.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]


def ranking(labels: Bools, scores: Floats) -> Ranking:
    """Return the true and false positives of labels ``(n,)`` for all thresholds on their scores."""
    order = np.argsort(scores)[::-1]
    ordered = scores[order]
    last_of_tie = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), ordered.size - 1)
    tp = np.cumsum(labels[order], dtype=np.int64)[last_of_tie]
    return Ranking(tp, last_of_tie + 1 - tp)


def average_precision(found: Ranking) -> Metric:
    """Return the area under the precision-recall curve as a step function.

    ``Σ (R_k - R_(k-1)) P_k`` over the distinct scores in falling order, with no interpolation:
    a straight line between two points of this curve is too optimistic (Davis and Goadrich,
    "The relationship between precision-recall and ROC curves", 2006). Equals scikit-learn's
    ``average_precision_score``. Without positive labels: 0.0 and undefined.
    """
    tp, fp = found
    positives = int(tp[-1])
    if positives == 0:
        return Metric(0.0, defined=False)
    return Metric(float(np.sum(np.diff(tp, prepend=0) * (tp / (tp + fp))) / positives))


def roc_auc(found: Ranking) -> Metric:
    """Return the area under the ROC curve.

    It is the Mann-Whitney statistic: the share of (positive, negative) pairs in which the
    positive has the higher score, ties counting one half (Fawcett, "An introduction to ROC
    analysis", 2006). With labels of one class only: 0.5 and undefined.
    """
    tp, fp = found
    pairs = int(tp[-1]) * int(fp[-1])
    if pairs == 0:
        return Metric(0.5, defined=False)
    above = np.append(0, tp[:-1])
    # In exact integers: for each negative, positives above it count twice, ties once.
    twice = np.sum(np.diff(fp, prepend=0) * (above + tp))
    return Metric(int(twice) / (2 * pairs))


# --- regression -----------------------------------------------------------------------------


def mean_absolute_error(labels: Floats, predictions: Floats) -> float:
    """Return the mean of ``|prediction - label|``, in the labels' units."""
    return float(np.mean(np.abs(predictions - labels)))


def root_mean_squared_error(labels: Floats, predictions: Floats) -> float:
    """Return the root of the mean of ``(prediction - label)²``, in the labels' units."""
    return math.sqrt(np.mean(np.square(predictions - labels)))


def is_zero(labels: Floats) -> Bools:
    """Return which targets are zero, or too small to divide by."""
    return np.asarray(np.abs(labels) < SMALLEST)


def mean_absolute_percentage_error(labels: Floats, predictions: Floats) -> Metric:
    """Return the mean of ``|prediction - label| / |label|`` as a share (0.1 is 10 %).

    Zero targets are left out; if there are no others: 0.0 and undefined.
    """
    if (zero := is_zero(labels)).any():
        labels, predictions = labels[~zero], predictions[~zero]
    if labels.size == 0:
        return Metric(0.0, defined=False)
    return Metric(float(np.mean(np.abs(predictions - labels) / np.abs(labels))))


def within_relative(labels: Floats, predictions: Floats, threshold: float) -> float:
    """Return the share of steps with ``|prediction - label| <= threshold * |label|``.

    A zero target is within any threshold only when it is predicted exactly.
    """
    return float(np.mean(np.abs(predictions - labels) <= threshold * np.abs(labels)))


def r2(labels: Floats, predictions: Floats, columns: NDArray[np.intp]) -> Metric:
    """Return the coefficient of determination, ``1 - Σ (prediction - label)² / Σ (label - mean)²``.

    `columns` ``(n,)`` says which label column each step belongs to: means are taken per column,
    since a mean over different units is meaningless. (scikit-learn calls this
    ``multioutput="variance_weighted"``.) When no column varies, R² is undefined: 1.0 for
    perfect predictions, else 0.0.
    """
    residual = float(np.sum(np.square(predictions - labels)))
    spread = sum(map(_squares_about_mean, _by_column(labels, columns)))
    if spread < SMALLEST:
        return Metric(float(residual == 0), defined=False)
    return Metric(1 - residual / spread)


def _by_column(values: Floats, columns: NDArray[np.intp]) -> list[Floats]:
    """Return the values of each column that has any, in order."""
    last = int(columns.max())
    if columns.min() == last:
        return [values]
    # Column numbers usually fit 16 bits or fewer, which NumPy sorts in linear time.
    columns = columns.astype(np.min_scalar_type(last))
    order = np.argsort(columns, kind="stable")
    ends = np.searchsorted(columns[order], np.arange(last, dtype=columns.dtype), side="right")
    return [own for own in np.split(values[order], ends) if own.size]


def _squares_about_mean(values: Floats) -> float:
    # Shifted by the first value, so that equal values give exactly zero.
    shifted = values - values[0]
    return float(np.sum(np.square(shifted - shifted.mean())))


# --- checks ---------------------------------------------------------------------------------


def check_threshold(threshold: float, above: float = -math.inf, name: str = "threshold") -> None:
    """Raise ParameterError unless `threshold` is a finite number greater than `above`."""
    is_number = isinstance(threshold, Real) and not isinstance(threshold, bool)
    try:
        number = float(threshold) if is_number else math.nan
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and number > above):
        wanted = "a finite number" if above == -math.inf else f"a finite number above {above:g}"
        raise ParameterError(f"{name} must be {wanted}; got {threshold!r}")


def threshold_for(
    model: Predictor, own: float | None, default: float, above: float = -math.inf
) -> float:
    """Return the evaluator's own threshold, else the model's, else the default.

    Raises
    ------
    ParameterError
        The model's threshold is not a finite number greater than `above`.
    """
    if own is not None:
        return own
    kept: float | None = getattr(model, "threshold", None)
    if kept is None:
        return default
    check_threshold(kept, above, "model.threshold")
    return kept


def check_arrays(
    labels: ArrayLike, predictions: ArrayLike, limit: float = math.inf
) -> tuple[Floats, Floats]:
    """Return checked `labels` and `predictions` as float64 of the same shape ``(N, L)``.

    One column may be given as ``(N,)``.

    Raises
    ------
    ShapeError
        If the shapes differ or have more than two dimensions.
    DataError
        If an array is not numeric, if no label is given, if a prediction is NaN, or if a label
        or prediction reaches `limit` in size.
    """
    label_array = as_columns("labels", labels)
    prediction_array = as_columns("predictions", predictions)
    if label_array.shape != prediction_array.shape:
        raise ShapeError(
            f"predictions have shape {prediction_array.shape}, labels {label_array.shape}: "
            "give one prediction for each label"
        )
    check_labelled(label_array)
    check_below("labels", label_array, limit, allowed=np.isnan(label_array))
    check_below("predictions", prediction_array, limit)
    return label_array, prediction_array


def check_labelled(labels: Floats) -> None:
    """Raise DataError if every label is missing."""
    if np.isnan(labels).all():
        raise DataError(
            f"no label among {counted(len(labels), 'step')}: there is nothing to evaluate"
        )


def as_columns(name: str, values: ArrayLike) -> Floats:
    """Return `values` as float64 ``(N, L)``; errors as in `check_arrays`."""
    array = as_numbers(name, values).astype(np.float64, copy=False)
    if array.ndim not in (1, 2):
        raise ShapeError(f"{name} must have shape (N, L) or (N,); got {array.shape}")
    return array[:, np.newaxis] if array.ndim == 1 else array


def check_below(
    name: str, array: Floats, limit: float = math.inf, allowed: Bools | None = None
) -> None:
    """Raise DataError at the first value not `allowed` that is NaN or reaches `limit` in size."""
    # Without errors, no array is made; comparisons with NaN are false.
    if array.size == 0 or (-limit < array.min() and array.max() < limit):
        return
    bad = ~(np.abs(array) < limit)
    if allowed is not None:
        bad &= ~allowed
    if bad.any():
        row, column = np.argwhere(bad)[0]
        wanted = "finite" if limit == math.inf else f"finite and below {limit:g} in size"
        raise DataError(
            f"{name}, row {row}, column {column} (counted from 0): {array[row, column]} cannot "
            f"be evaluated; every value must be {wanted}"
        )


# --- text -----------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return `value` with 4 decimals, or with an exponent if it is very small or large."""
    return f"{value:,.4f}" if value == 0 or 1e-3 <= abs(value) < 1e7 else f"{value:.3e}"


def percent(value: float) -> str:
    """Return a fraction as a percentage."""
    return f"{value:.2%}"


def cell(result: object, name: str, style: Callable[[float], str]) -> str:
    """Return the attribute `name` of a result, marked with a star if it is a stand-in."""
    mark = "*" if name in getattr(result, "undefined", ()) else " "
    return style(getattr(result, name)) + mark


def metric_table(
    results: Sequence[object], rows: Iterable[tuple[str, str, Callable[[float], str]]]
) -> str:
    """Return a table of a model's and its baselines' metrics, (title, attribute, style) each."""
    head = ["", "model ", "baseline ", "last season "][: 1 + len(results)]
    body = [[title, *(cell(one, name, style) for one in results)] for title, name, style in rows]
    return table([head, *body])


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return `rows` as lines, with the first column left-aligned and the others right-aligned."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def undefined_notes(names: Iterable[str]) -> list[str]:
    """Return one line for each undefined metric in `names`, with the reason."""
    present = set(names)
    return [
        f"* {name} is undefined, its value a stand-in: {reason}"
        for name, reason in UNDEFINED.items()
        if name in present
    ]
