"""Evaluation of 0/1 labels: confusion counts, the metrics from them, PR-AUC and ROC-AUC."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust.base.checks import counted
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import DataError
from rnn_rust.evaluate import metrics as m
from rnn_rust.evaluate.original_units import labels_and_predictions

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

# The default if neither the evaluator nor the model has a threshold.
_THRESHOLD = 0.5

_ROWS = (
    ("accuracy", "accuracy", m.percent),
    ("precision", "precision", m.percent),
    ("recall (positive accuracy)", "recall", m.percent),
    ("specificity (negative accuracy)", "specificity", m.percent),
    ("F1", "f1", m.percent),
    ("PR-AUC", "pr_auc", m.number),
    ("ROC-AUC", "roc_auc", m.number),
)


@dataclass(frozen=True, kw_only=True)
class ClassificationResult:
    """What `BinaryClassificationEvaluator` found; ``print(result)`` shows it as tables.

    Attributes
    ----------
    threshold : float
        The threshold used: an output above it counts as positive.
    steps, missing : int
        Labels evaluated, and labels left out because they are missing.
    tp, fp, tn, fn : int
        True positives, false positives, true negatives, false negatives.
    accuracy, precision, recall, specificity, f1 : float
        ``(TP + TN) / steps``, ``TP / (TP + FP)``, ``TP / (TP + FN)``, ``TN / (TN + FP)`` and
        ``2 TP / (2 TP + FP + FN)``; 0.0 where the divisor is zero.
    pr_auc, roc_auc : float
        See `metrics.average_precision` and `metrics.roc_auc`; 0.0 and 0.5 where undefined.
    undefined : tuple of str
        Names of the metrics above that are undefined and have a substitute value.
    baseline : ClassificationResult or None
        The same metrics for always predicting the more frequent of the evaluated labels
        (accuracy: that label's share; PR-AUC: the share of positives; ROC-AUC: 0.5).
        A baseline has no baseline itself.
    """

    threshold: float
    steps: int
    missing: int
    tp: int
    fp: int
    tn: int
    fn: int
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    pr_auc: float
    roc_auc: float
    undefined: tuple[str, ...] = ()
    baseline: ClassificationResult | None = None

    @property
    def positive_accuracy(self) -> float:
        """Share of the positive labels predicted correctly: the recall."""
        return self.recall

    @property
    def negative_accuracy(self) -> float:
        """Share of the negative labels predicted correctly: the specificity."""
        return self.specificity

    @property
    def primary_name(self) -> str:
        """Name of the one metric to follow."""
        return "accuracy"

    @property
    def primary(self) -> float:
        """The one metric to follow, a share; higher is better."""
        return self.accuracy

    def metrics(self) -> dict[str, float]:
        """Return name -> value of all metrics and confusion counts, for logs and frames."""
        names = [name for _, name, _ in _ROWS]
        names += ["positive_accuracy", "negative_accuracy", "tp", "fp", "tn", "fn"]
        return {name: float(getattr(self, name)) for name in names}

    def __str__(self) -> str:
        """Return the metrics beside the baseline's, and the confusion matrix."""
        results = [self] if self.baseline is None else [self, self.baseline]
        matrix = [
            ["", "predicted 0", "predicted 1"],
            ["actual 0", f"{self.tn:,}", f"{self.fp:,}"],
            ["actual 1", f"{self.fn:,}", f"{self.tp:,}"],
        ]
        notes = m.undefined_notes(name for result in results for name in result.undefined)
        if self.baseline is not None:
            answer = int(self.baseline.tp > 0)
            notes.insert(0, f"baseline: always {answer}, the more frequent label")
        head = (
            f"Binary classification of {counted(self.steps, 'label')} ({self.missing:,} missing), "
            f"positive above {self.threshold:g}"
        )
        blocks = [head, m.metric_table(results, _ROWS), m.table(matrix), "\n".join(notes)]
        return "\n\n".join(block for block in blocks if block)


@suggests_settings
@dataclass(frozen=True)
class BinaryClassificationEvaluator:
    """Compares outputs with 0/1 labels.

    Parameters
    ----------
    threshold : float, optional
        An output counts as positive if it is greater than this, and as negative if it is equal,
        as in the Rust project. Any finite number: outputs need not be probabilities. By default
        ``model.threshold``, or 0.5 if the model has none.

    Raises
    ------
    ParameterError
        If `threshold` is not a finite number.

    Examples
    --------
    >>> result = BinaryClassificationEvaluator().score([0, 0, 1, 1], [0.1, 0.7, 0.6, 0.9])
    >>> result.accuracy, result.recall, result.roc_auc
    (0.75, 1.0, 0.75)
    >>> result.baseline.accuracy
    0.5
    """

    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.threshold is not None:
            m.check_threshold(self.threshold)

    def evaluate(self, model: m.Predictor, dataset: Dataset) -> ClassificationResult:
        """Predict `dataset` with `model` and compare with its labels, both in original units.

        Raises the errors of `score`, ShapeError if the column names are not those of the model, and
        ParameterError if `dataset` is not a `Dataset`.
        """
        threshold = m.threshold_for(model, self.threshold, _THRESHOLD)
        return replace(self, threshold=threshold).score(*labels_and_predictions(model, dataset))

    def score(
        self, labels: ArrayLike, predictions: ArrayLike, offsets: ArrayLike | None = None
    ) -> ClassificationResult:
        """Compare arrays.

        Parameters
        ----------
        labels : array_like, shape (N, L) or (N,)
            0, 1, or NaN where missing. Several columns are pooled.
        predictions : array_like, same shape
            Outputs of a model, finite everywhere.
        offsets : array_like, shape (S + 1,), optional
            Ignored: no metric here depends on the order of steps. Accepted so that all
            evaluators have the same interface.

        Raises
        ------
        ShapeError
            If the shapes differ.
        DataError
            If a label is neither 0 nor 1, no label is given, or a prediction is not finite.
        """
        labels, predictions = m.check_arrays(labels, predictions)
        known = ~np.isnan(labels)
        _check_binary(labels, known)
        truth, scores = labels[known] == 1, predictions[known]
        missing = labels.size - truth.size
        majority = 2 * np.count_nonzero(truth) > truth.size
        always = np.full(truth.size, majority)
        baseline = self._measure(truth, always.astype(np.float64), always, missing)
        return self._measure(truth, scores, scores > self._effective_threshold, missing, baseline)

    @property
    def _effective_threshold(self) -> float:
        return _THRESHOLD if self.threshold is None else self.threshold

    def _measure(
        self,
        truth: m.Bools,
        scores: m.Floats,
        predicted: m.Bools,
        missing: int,
        baseline: ClassificationResult | None = None,
    ) -> ClassificationResult:
        tp, fp, tn, fn = m.confusion(truth, predicted)
        ranking = m.ranking(truth, scores)
        found = {
            "accuracy": m.ratio(tp + tn, truth.size),
            "precision": m.ratio(tp, tp + fp),
            "recall": m.ratio(tp, tp + fn),
            "specificity": m.ratio(tn, tn + fp),
            "f1": m.ratio(2 * tp, 2 * tp + fp + fn),
            "pr_auc": m.average_precision(ranking),
            "roc_auc": m.roc_auc(ranking),
        }
        return ClassificationResult(
            threshold=self._effective_threshold,
            steps=truth.size,
            missing=missing,
            tp=tp,
            fp=fp,
            tn=tn,
            fn=fn,
            undefined=tuple(name for name, metric in found.items() if not metric.defined),
            baseline=baseline,
            **{name: metric.value for name, metric in found.items()},
        )


def _check_binary(labels: m.Floats, known: m.Bools) -> None:
    bad = known & (labels != 0) & (labels != 1)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        seen = ", ".join(f"{value:g}" for value in np.unique(labels[bad])[:5])
        raise DataError(
            f"labels must be 0, 1 or missing; found {seen}, first in row {row}, column {column} "
            "(counted from 0). Encode the classes as 0 and 1, or use RegressionEvaluator"
        )
