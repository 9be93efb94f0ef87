"""Evaluation of several classes: accuracy and the like, log loss and the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.checks import counted
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import DataError, ShapeError
from rnn_rust.evaluate import metrics as m
from rnn_rust.evaluate.original_units import classes_and_probabilities
from rnn_rust.learning.labels import check_numbers

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

_ROWS = (
    ("accuracy", "accuracy", m.percent),
    ("precision (macro)", "macro_precision", m.percent),
    ("recall (macro)", "macro_recall", m.percent),
    ("F1 (macro)", "macro_f1", m.percent),
    ("log loss", "log_loss", m.number),
)

# A larger confusion matrix is left out of the text, as it does not fit a terminal.
_MOST_COLUMNS = 12

# How far the sum of a row of probabilities may be from 1: far more than rounding in float32.
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class MulticlassResult:
    """What `ClassificationEvaluator` found; ``print(result)`` shows it as tables.

    Attributes
    ----------
    steps, missing : int
        Labels evaluated, and labels left out because they are missing.
    accuracy : float
        Share of the labels whose class has the highest probability (the first one in a tie).
    macro_precision, macro_recall, macro_f1 : float
        Unweighted means of ``TP / (TP + FP)``, ``TP / (TP + FN)`` and ``2 TP / (2 TP + FP + FN)``
        over the classes that occur among the labels or the predictions; if a class's divisor is
        zero, the class counts as 0.0.
    log_loss : float
        Mean of ``-ln p`` of the label's class; see `log_loss`.
    confusion : tuple of tuple of int
        ``confusion[i][j]``: how many labels of class i were predicted as class j, (K, K).
    undefined : tuple of str
        Names of the metrics above in which a class counts as 0.0 because its divisor is zero.
    baseline : MulticlassResult or None
        The same metrics for always predicting the most frequent of the evaluated labels. Its log
        loss uses the shares of the classes as probabilities: the entropy of the labels.
        A baseline has no baseline itself.
    class_names : tuple of str
        The names of the classes, if they have names.
    """

    steps: int
    missing: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    log_loss: float
    confusion: tuple[tuple[int, ...], ...]
    undefined: tuple[str, ...] = ()
    baseline: MulticlassResult | None = None
    class_names: tuple[str, ...] = ()

    @property
    def primary_name(self) -> str:
        """Name of the one metric to follow."""
        return "accuracy"

    @property
    def primary(self) -> float:
        """The one metric to follow, a share; higher is better."""
        return self.accuracy

    def metrics(self) -> dict[str, float]:
        """Return name -> value of all metrics, for logs and frames."""
        return {name: float(getattr(self, name)) for _, name, _ in _ROWS}

    def __str__(self) -> str:
        """Return the metrics beside the baseline's, and the confusion matrix if it is small."""
        results = [self] if self.baseline is None else [self, self.baseline]
        classes = self.class_names or tuple(map(str, range(len(self.confusion))))
        matrix = [["", *(f"predicted {one}" if at == 0 else one for at, one in enumerate(classes))]]
        matrix += [
            [f"actual {one}", *(f"{count:,}" for count in row)]
            for one, row in zip(classes, self.confusion, strict=True)
        ]
        notes = m.undefined_notes(name for result in results for name in result.undefined)
        if self.baseline is not None:
            answer = classes[int(np.argmax(np.sum(self.baseline.confusion, axis=0)))]
            notes.insert(0, f"baseline: always {answer}, the most frequent label")
        head = (
            f"Classification of {counted(self.steps, 'label')} ({self.missing:,} missing) "
            f"into {len(classes)} classes"
        )
        shown = m.table(matrix) if len(classes) <= _MOST_COLUMNS else ""
        return "\n\n".join(
            part for part in (head, m.metric_table(results, _ROWS), shown, "\n".join(notes)) if part
        )


@suggests_settings
@dataclass(frozen=True)
class ClassificationEvaluator:
    """Compares probabilities of K classes with the numbers of the true classes.

    Examples
    --------
    >>> probabilities = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]]
    >>> result = ClassificationEvaluator().score([0, 1, 2], probabilities)
    >>> round(result.accuracy, 4), round(result.log_loss, 4)
    (0.6667, 0.6905)
    >>> result.confusion
    ((1, 0, 0), (0, 1, 0), (0, 1, 0))
    """

    def evaluate(self, model: m.Predictor, dataset: Dataset) -> MulticlassResult:
        """Predict `dataset` with `model`, by row or by sequence, and compare with its labels.

        Raises the errors of `score`, ShapeError if the column names are not those of the model, and
        ParameterError if `dataset` is not a `Dataset`.
        """
        result = self.score(*classes_and_probabilities(model, dataset))
        return replace(result, class_names=getattr(model, "classes", None) or ())

    def score(
        self, labels: ArrayLike, probabilities: ArrayLike, offsets: ArrayLike | None = None
    ) -> MulticlassResult:
        """Compare arrays.

        Parameters
        ----------
        labels : array_like, shape (N, 1) or (N,)
            Class numbers 0 ... K - 1, or NaN where missing.
        probabilities : array_like, shape (N, K)
            One probability per class; each row sums to 1.
        offsets : array_like, shape (S + 1,), optional
            Ignored; see `BinaryClassificationEvaluator.score`.

        Raises
        ------
        ShapeError
            If the shapes do not fit together.
        DataError
            If a label is not a class number, no label is given, or a row does not hold
            probabilities.
        """
        numbers, given = _checked(labels, probabilities)
        known = ~np.isnan(numbers)
        given = given if known.all() else given[known]
        truth = numbers[known].astype(np.intp)
        missing, classes = numbers.size - truth.size, given.shape[1]
        shares = np.bincount(truth, minlength=classes) / truth.size
        always = confusion_matrix(truth, np.full_like(truth, np.argmax(shares)), classes)
        baseline = _measure(always, log_loss(truth, np.broadcast_to(shares, given.shape)), missing)
        found = confusion_matrix(truth, np.argmax(given, axis=1), classes)
        return _measure(found, log_loss(truth, given), missing, baseline)


def confusion_matrix(
    truth: NDArray[np.intp], answers: NDArray[np.intp], classes: int
) -> NDArray[np.intp]:
    """Return the counts (K, K) of true classes (rows) predicted as classes (columns)."""
    return np.bincount(truth * classes + answers, minlength=classes**2).reshape(classes, classes)


def log_loss(truth: NDArray[np.intp], probabilities: m.Floats) -> float:
    """Return the mean of ``-ln p[i, truth[i]]`` for probabilities (n, K), natural logarithm.

    Probabilities are clipped at float64's epsilon, as in scikit-learn, so that a wrong prediction
    with certainty costs 36, not infinity.
    """
    chosen = probabilities[np.arange(len(truth)), truth]
    return float(np.mean(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))))


def _measure(
    matrix: NDArray[np.intp], loss: float, missing: int, baseline: MulticlassResult | None = None
) -> MulticlassResult:
    right, answered, actual = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    occurs = (answered + actual) > 0
    found = {
        "accuracy": m.ratio(int(right.sum()), int(matrix.sum())),
        "macro_precision": _macro(right[occurs], answered[occurs]),
        "macro_recall": _macro(right[occurs], actual[occurs]),
        "macro_f1": _macro(2 * right[occurs], (answered + actual)[occurs]),
    }
    return MulticlassResult(
        steps=int(matrix.sum()),
        missing=missing,
        log_loss=loss,
        confusion=tuple(map(tuple, matrix.tolist())),
        undefined=tuple(name for name, metric in found.items() if not metric.defined),
        baseline=baseline,
        **{name: metric.value for name, metric in found.items()},  # type: ignore[arg-type]
    )


def _macro(parts: NDArray[np.intp], wholes: NDArray[np.intp]) -> m.Metric:
    """Return the mean of the classes' ratios; undefined if one ratio is."""
    ratios = [m.ratio(*pair) for pair in zip(parts.tolist(), wholes.tolist(), strict=True)]
    mean = float(np.mean([ratio.value for ratio in ratios]))
    return m.Metric(mean, defined=all(ratio.defined for ratio in ratios))


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[m.Floats, m.Floats]:
    """Return class numbers (N,) and probabilities (N, K) as float64."""
    numbers = m.as_columns("labels", labels)
    given = m.as_columns("predictions", probabilities)
    if numbers.shape[1] != 1 or given.shape[1] < 2 or len(numbers) != len(given):
        raise ShapeError(
            f"predictions have shape {given.shape}, labels {numbers.shape}: give one column of "
            "class numbers, and for each of its rows a probability per class, at least two"
        )
    m.check_labelled(numbers)
    m.check_below("predictions", given)
    check_numbers(numbers, given.shape[1], f"an evaluation of {given.shape[1]} probabilities")
    usable = (given >= 0).all(axis=1) & (np.abs(given.sum(axis=1) - 1) <= _TOLERANCE)
    if not usable.all():
        row = int(np.argmin(usable))
        raise DataError(
            f"predictions, row {row} (counted from 0): they sum to {given[row].sum():g}, the "
            f"smallest is {given[row].min():g}; give probabilities, as a model with "
            "loss='cross_entropy' does"
        )
    return numbers[:, 0], given
