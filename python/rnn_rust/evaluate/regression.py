"""Evaluation of numbers: errors in original units, beside "tomorrow will be as today"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust.errors import ShapeError
from rnn_rust.evaluate import metrics as m
from rnn_rust.evaluate.units import in_order_of, labels_and_predictions
from rnn_rust.labels import class_count

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

# Where neither the evaluator nor the model has one.
_THRESHOLD = 0.1


@dataclass(frozen=True, kw_only=True)
class RegressionResult:
    """What `RegressionEvaluator` found; ``print(result)`` shows it as tables.

    Attributes
    ----------
    threshold : float
        What was used: the relative error that `within_threshold` allows.
    steps, missing : int
        Labels evaluated, and labels left out because they are missing.
    mae, rmse : float
        Mean absolute and root mean squared error, in the labels' units.
    mape : float
        Mean absolute error relative to the target, a share; 0.0 if every target is zero.
    zero_targets : int
        Labels that are zero and hence left out of `mape`.
    r2 : float
        Coefficient of determination; when the labels do not vary 1.0 if perfect, else 0.0.
    within_threshold : float
        Share of `steps` whose error is at most `threshold` times the target's size; a zero
        target must be met exactly.
    undefined : tuple of str
        Names of the metrics above whose value is such a stand-in.
    columns : dict of str to RegressionResult
        The same for each label column that has labels, if there are several columns.
    baseline : RegressionResult or None
        The same for persistence: the prediction is the previous label of the same sequence.
        Its `steps` are those that have a previous label; its `missing` labels are all others.
        None if no step has one. A baseline has none itself.
    """

    threshold: float
    steps: int
    missing: int
    mae: float
    rmse: float
    mape: float
    zero_targets: int
    r2: float
    within_threshold: float
    undefined: tuple[str, ...] = ()
    columns: dict[str, RegressionResult] = field(default_factory=dict, hash=False)
    baseline: RegressionResult | None = None

    @property
    def primary_name(self) -> str:
        """Name of the one metric to follow."""
        return "within_threshold"

    @property
    def primary(self) -> float:
        """The one metric to follow, a share; higher is better."""
        return self.within_threshold

    def metrics(self) -> dict[str, float]:
        """Return name -> value of all metrics, for logs and frames; columns are pooled."""
        names = ("mae", "rmse", "mape", "r2", "within_threshold", "zero_targets")
        return {name: float(getattr(self, name)) for name in names}

    def __str__(self) -> str:
        """Return the metrics beside the baseline's, and a line for each of several columns."""
        results = [self] if self.baseline is None else [self, self.baseline]
        rows = (
            ("MAE", "mae", m.number),
            ("RMSE", "rmse", m.number),
            ("MAPE", "mape", m.percent),
            ("R²", "r2", m.number),
            (f"within ±{self.threshold * 100:g}%", "within_threshold", m.percent),
            ("zero targets", "zero_targets", "{:,}".format),
            ("labels", "steps", "{:,}".format),
        )
        everyone = [*results, *self.columns.values()]
        notes = [
            "baseline: the previous label of the same sequence, "
            f"for the {self.baseline.steps:,} labels that have one"
            if self.baseline is not None
            else "no baseline to compare with: it needs a previous label in the sequence",
            *m.undefined_notes(name for result in everyone for name in result.undefined),
        ]
        head = f"Regression on {self.steps:,} labels ({self.missing:,} missing)"
        blocks = [head, m.figures(results, rows), self._column_table(), "\n".join(notes)]
        return "\n\n".join(block for block in blocks if block)

    def _column_table(self) -> str:
        if not self.columns:
            return ""
        rows = [["column", "MAE ", "RMSE ", "MAPE ", "R² ", "baseline RMSE "]]
        shown = (("mae", m.number), ("rmse", m.number), ("mape", m.percent), ("r2", m.number))
        for name, column in self.columns.items():
            base = m.cell(column.baseline, "rmse", m.number) if column.baseline else "none "
            rows.append([name, *(m.cell(column, *one) for one in shown), base])
        return m.table(rows)


@dataclass(frozen=True)
class RegressionEvaluator:
    """Compares outputs with numeric labels, in original units.

    Parameters
    ----------
    threshold : float, optional
        Relative error, as a share (0.1 is 10 %), up to which a prediction counts as right. By
        default ``model.threshold``, and 0.1 where the model has none or its loss is one of classes.

    Raises
    ------
    ParameterError
        If `threshold` is not a finite number above 0.

    Notes
    -----
    The baseline is the naive forecast of Hyndman and Koehler, "Another look at measures of
    forecast accuracy" (2006). It knows the label of the step before, which suits series whose
    label is one step ahead; a model that does not beat it has learnt little.

    Examples
    --------
    >>> result = RegressionEvaluator(threshold=0.1).score([1.0, 2.0, 4.0], [1.0, 2.5, 4.0])
    >>> round(result.mae, 4), round(result.within_threshold, 4)
    (0.1667, 0.6667)
    >>> result.baseline.mae, result.baseline.steps
    (1.5, 2)
    """

    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.threshold is not None:
            m.check_threshold(self.threshold, above=0)

    def evaluate(self, model: m.Predictor, dataset: Dataset) -> RegressionResult:
        """Let `model` predict `dataset`, and compare with its labels, both in original units.

        Raises as `score` does, ShapeError if the columns are not those of the model by name, and
        ParameterError if `dataset` is no `Dataset`.
        """
        dataset = in_order_of(model, dataset)
        own = self.threshold
        if own is None and class_count(getattr(model, "loss_name", ""), 2) is not None:
            own = _THRESHOLD  # the model's is one of probabilities
        judge = replace(self, threshold=m.threshold_for(model, own, _THRESHOLD, above=0))
        return judge.score(*labels_and_predictions(model, dataset), label_names=dataset.label_names)

    def score(
        self,
        labels: ArrayLike,
        predictions: ArrayLike,
        offsets: ArrayLike | None = None,
        *,
        label_names: Sequence[str] | None = None,
    ) -> RegressionResult:
        """Compare arrays.

        Parameters
        ----------
        labels : array_like, shape (N, L) or (N,)
            Targets in original units, NaN where missing.
        predictions : array_like, same shape
            Outputs of a model in the same units, finite everywhere.
        offsets : array_like of int, shape (S + 1,), optional
            Sequence s is rows ``offsets[s]:offsets[s + 1]``; default: one sequence.
        label_names : sequence of str, length L, optional
            Names of the columns in the result; default ``"0", "1", ...``.

        Raises
        ------
        ShapeError
            If the shapes differ, or `offsets` do not cover the N rows in order.
        DataError
            If no label is given, a prediction is NaN, or a prediction or label is infinite (or
            1e100 and more: its square might leave float64).
        """
        labels, predictions = m.check_arrays(labels, predictions, limit=m.LARGEST)
        previous = _previous_labels(labels, offsets)
        names = [str(i) for i in range(labels.shape[1])] if label_names is None else label_names
        if len(names) != labels.shape[1]:
            raise ShapeError(f"{len(names)} label_names for {labels.shape[1]} label columns")
        columns = {}
        if len(names) > 1:
            columns = {
                name: self._compare(labels[:, [i]], predictions[:, [i]], previous[:, [i]])
                for i, name in enumerate(names)
                if not np.isnan(labels[:, i]).all()
            }
        return self._compare(labels, predictions, previous, columns)

    def _compare(
        self,
        labels: m.Floats,
        predictions: m.Floats,
        previous: m.Floats,
        columns: dict[str, RegressionResult] | None = None,
    ) -> RegressionResult:
        has_baseline = not np.isnan(labels + previous).all()
        baseline = self._measure(labels, previous) if has_baseline else None
        return self._measure(labels, predictions, columns or {}, baseline)

    def _measure(
        self,
        labels: m.Floats,
        predictions: m.Floats,
        columns: dict[str, RegressionResult] | None = None,
        baseline: RegressionResult | None = None,
    ) -> RegressionResult:
        known = ~(np.isnan(labels) | np.isnan(predictions))
        threshold = _THRESHOLD if self.threshold is None else self.threshold
        truth, answers = labels[known], predictions[known]
        found = {
            "mape": m.mean_absolute_percentage_error(truth, answers),
            "r2": m.r2(truth, answers, np.nonzero(known)[1]),
        }
        return RegressionResult(
            threshold=threshold,
            steps=truth.size,
            missing=labels.size - truth.size,
            mae=m.mean_absolute_error(truth, answers),
            rmse=m.root_mean_squared_error(truth, answers),
            mape=found["mape"].value,
            zero_targets=int(np.count_nonzero(m.is_zero(truth))),
            r2=found["r2"].value,
            within_threshold=m.within_relative(truth, answers, threshold),
            undefined=tuple(name for name, metric in found.items() if not metric.defined),
            columns=columns or {},
            baseline=baseline,
        )


def _previous_labels(labels: m.Floats, offsets: ArrayLike | None) -> m.Floats:
    """Return each row's previous labels (N, L); NaN in the first row of every sequence."""
    rows = len(labels)
    bounds = np.asarray([0, rows] if offsets is None else offsets)
    integers = bounds.dtype.kind in "iu" and bounds.ndim == 1 and bounds.size > 1
    covers = integers and bounds[0] == 0 and bounds[-1] == rows
    if not covers or np.any(bounds[1:] < bounds[:-1]):
        raise ShapeError(f"offsets must be integers rising from 0 to {rows}, the rows of labels")
    previous = np.roll(labels, 1, axis=0)
    previous[bounds[:-1][bounds[:-1] < rows]] = np.nan
    return previous
