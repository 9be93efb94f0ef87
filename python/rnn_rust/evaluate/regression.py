"""Evaluation of numeric labels: errors in original units, compared with persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust.base.arrays import Offsets
from rnn_rust.base.checks import counted
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.evaluate import metrics as m
from rnn_rust.evaluate import persistence
from rnn_rust.evaluate.original_units import (
    at_labels,
    in_model_order,
    labels_and_predictions,
    labels_by_row,
    reads_steps,
)
from rnn_rust.evaluate.persistence import Baseline
from rnn_rust.learning.labels import class_count

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

# The default if neither the evaluator nor the model has a threshold.
_THRESHOLD = 0.1


@dataclass(frozen=True, kw_only=True)
class RegressionResult:
    """What `RegressionEvaluator` found; ``print(result)`` shows it as tables.

    Attributes
    ----------
    threshold : float
        The threshold used: the relative error that `within_threshold` allows.
    steps, missing : int
        Labels evaluated, and labels left out because they are missing.
    mae, rmse : float
        Mean absolute and root mean squared error, in the labels' units.
    mape : float
        Mean absolute error relative to the target, as a fraction; 0.0 if every target is zero.
    zero_targets : int
        Number of labels that are zero and therefore left out of `mape`.
    r2 : float
        Coefficient of determination. If the labels do not vary, 1.0 if perfect, else 0.0.
    within_threshold : float
        Share of `steps` whose error is at most `threshold` times the target's size; a zero
        target must be predicted exactly.
    undefined : tuple of str
        Names of the metrics above that are undefined and have a substitute value.
    columns : dict of str to RegressionResult
        The same for each label column that has labels, if there are several columns.
    baseline : RegressionResult or None
        The same for persistence: the prediction is the last value known at the row. Its `steps`
        are the labels for which a value is known, its `missing` labels all others. None if there
        is no such step, or if it is unclear what is known. A baseline has no baseline itself.
    baseline_note : str
        What the baseline predicts, or why there is none.
    season : RegressionResult or None
        The same for predicting the value one season earlier (beyond a season ahead, the last known
        one of whole seasons earlier), for a forecast with a season. Its `steps` are the labels
        that have such a value; None if there is no such step.
    season_note : str
        What this baseline predicts, or why there is none.
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
    baseline_note: str = ""
    season: RegressionResult | None = None
    season_note: str = ""

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
        results = [one for one in (self, self.baseline, self.season) if one is not None]
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
            _note("baseline", self.baseline, self.baseline_note),
            *([_note("last season", self.season, self.season_note)] if self.season_note else []),
            *m.undefined_notes(name for result in everyone for name in result.undefined),
        ]
        head = f"Regression on {counted(self.steps, 'label')} ({self.missing:,} missing)"
        blocks = [head, m.metric_table(results, rows), self._column_table(), "\n".join(notes)]
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


def _note(what: str, beside: RegressionResult | None, note: str) -> str:
    """Return a note on a baseline and its number of labels, or on why there is no baseline."""
    if beside is None:
        return f"no {what} to compare with: {note}"
    labels, have = counted(beside.steps, "label"), "has" if beside.steps == 1 else "have"
    return f"{what}: {note}, for the {labels} that {have} one"


@suggests_settings
@dataclass(frozen=True)
class RegressionEvaluator:
    """Compares outputs with numeric labels, in original units.

    Parameters
    ----------
    threshold : float, optional
        Relative error (0.1 is 10 %) up to which a prediction counts as right. By default
        ``model.threshold``, or 0.1 if the model has none or has a classification loss.
    horizon : int or sequence of int, optional
        How many rows ahead of its own row a label lies: one number for all label columns, or one
        for each; by default 1. The baseline for a label h rows ahead is the label h rows before, in
        the same sequence.
    present : str or sequence of str, optional
        The feature column with the present value of the series whose later values are the labels:
        one name for all label columns, or one for each. It replaces earlier labels as baseline.

    Raises
    ------
    ParameterError
        If `threshold` is not a finite number above 0, a horizon not an integer above 0, or both
        `horizon` and `present` are given.

    Notes
    -----
    The baseline is persistence, from `rnn_rust.evaluate.persistence`; a model that does not beat it
    has learnt little. It uses nothing later than its own row. For labels made by
    `Dataset.forecast`, whose distance is known, the baseline is the present value; with a season,
    the value one season earlier is shown too. For other labels, there is no baseline if neither
    `horizon` nor `present` is given and label columns are found to be shifted copies of one
    another, such as x(t + 1) and x(t + 2): the previous label of the second is x(t + 1), which is
    not known at t. This cannot be found for a single column; pass its horizon if it is not 1.

    If a model reads out whole sequences, a label has a baseline only with `horizon`, from the rows
    before the label, or with `present`, from the label's own row.

    Examples
    --------
    >>> result = RegressionEvaluator(threshold=0.1).score([1.0, 2.0, 4.0], [1.0, 2.5, 4.0])
    >>> round(result.mae, 4), round(result.within_threshold, 4)
    (0.1667, 0.6667)
    >>> result.baseline.mae, result.baseline.steps
    (1.5, 2)

    Labels two rows ahead: at the third row the label of the first is known, and no later one.

    >>> RegressionEvaluator(horizon=2).score([1.0, 2.0, 4.0], [1.0, 2.5, 4.0]).baseline.mae
    3.0
    """

    threshold: float | None = None
    horizon: int | Sequence[int] | None = None
    present: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.threshold is not None:
            m.check_threshold(self.threshold, above=0)
        if self.horizon is not None and self.present is not None:
            raise ParameterError("horizon and present both say what is known; give one of them")
        horizons = persistence.checked_horizons(self.horizon)
        columns = persistence.checked_columns(self.present)
        # Lists become tuples, which are hashable; a single value stays a single value.
        if horizons is not None:
            several = isinstance(self.horizon, list | tuple | np.ndarray)
            object.__setattr__(self, "horizon", horizons if several else horizons[0])
        if not isinstance(self.present, str):
            object.__setattr__(self, "present", columns)

    def evaluate(self, model: m.Predictor, dataset: Dataset) -> RegressionResult:
        """Predict `dataset` with `model` and compare with its labels, both in original units.

        Raises the errors of `score`, ShapeError if the column names are not those of the model, and
        ParameterError if `dataset` is not a `Dataset`, if `horizon` or `present` is a sequence with
        another length than its label columns, or if it has no feature column named in `present`.
        """
        dataset = in_model_order(model, dataset)
        own = self.threshold
        if own is None and class_count(getattr(model, "loss_name", ""), 2) is not None:
            own = _THRESHOLD  # the model's threshold is for probabilities
        evaluator = replace(self, threshold=m.threshold_for(model, own, _THRESHOLD, above=0))
        labels, predictions, offsets = labels_and_predictions(model, dataset)
        names = dataset.label_names
        seasonal = None
        if dataset.ahead is not None and self.horizon is None and self.present is None:
            baseline, seasonal = persistence.from_forecast(dataset)
        elif reads_steps(model):
            baseline = evaluator._baseline(labels, offsets, names, dataset)
        elif self.horizon is None and self.present is None:
            baseline = persistence.from_labels(labels, offsets, (1,), names)
        else:
            by_row = labels_by_row(dataset)
            baseline = evaluator._baseline(by_row, dataset.offsets, names, dataset)
            baseline = baseline._replace(values=at_labels(dataset, baseline.values))
        result = evaluator._score(labels, predictions, baseline, names)
        if seasonal is None:
            return result
        if np.isnan(labels + seasonal.values).all():
            return replace(result, season_note=seasonal.lack)
        beside = evaluator._measure(labels, seasonal.values)
        return replace(result, season=beside, season_note=seasonal.note)

    def score(
        self,
        labels: ArrayLike,
        predictions: ArrayLike,
        offsets: ArrayLike | None = None,
        *,
        label_names: Sequence[str] | None = None,
        present: ArrayLike | None = None,
    ) -> RegressionResult:
        """Compare arrays.

        Parameters
        ----------
        labels : array_like, shape (N, L) or (N,)
            Targets in original units, NaN where missing.
        predictions : array_like, same shape
            Outputs of a model in the same units, finite everywhere.
        offsets : array_like of int, shape (S + 1,), optional
            Sequence s has rows ``offsets[s]:offsets[s + 1]``; by default all rows are one sequence.
        label_names : sequence of str, length L, optional
            Names of the columns in the result; by default ``"0", "1", ...``.
        present : array_like, same shape as labels, optional
            The present value of each label's series, NaN where unknown: the baseline's prediction.

        Raises
        ------
        ShapeError
            If the shapes differ, or `offsets` do not cover the N rows in order.
        DataError
            If no label is given, a prediction is NaN, or a prediction or label is infinite (or
            1e100 and more: its square might overflow float64); or if values are masked or not real
            numbers.
        ParameterError
            If the number of horizons is neither 1 nor L, or the evaluator's `present` is the name
            of a column, which arrays do not have.
        """
        labels, predictions = m.check_arrays(labels, predictions)
        bounds = persistence.checked_offsets(offsets, len(labels))
        names = [str(i) for i in range(labels.shape[1])] if label_names is None else label_names
        if len(names) != labels.shape[1]:
            raise ShapeError(f"{len(names)} label_names for {labels.shape[1]} label columns")
        if present is None:
            return self._score(labels, predictions, self._baseline(labels, bounds, names), names)
        known = m.as_columns("present", present)
        if known.shape != labels.shape:
            raise ShapeError(
                f"present has shape {known.shape}, labels {labels.shape}: give one value for each "
                "label, NaN where it is unknown"
            )
        return self._score(labels, predictions, persistence.from_values(known), names)

    def _baseline(
        self,
        labels: m.Floats,
        offsets: Offsets,
        names: Sequence[str],
        dataset: Dataset | None = None,
    ) -> Baseline:
        columns = persistence.checked_columns(self.present)
        if columns is None:
            horizons = persistence.checked_horizons(self.horizon)
            return persistence.from_labels(labels, offsets, horizons, names)
        if dataset is None:
            raise ParameterError(
                f"present={self.present!r} names columns, and score() is given none; pass their "
                "values as score(..., present=values), or use evaluate(model, dataset)"
            )
        return persistence.from_columns(dataset, columns)

    def _score(
        self,
        labels: m.Floats,
        predictions: m.Floats,
        baseline: Baseline,
        names: Sequence[str],
    ) -> RegressionResult:
        labels, predictions = m.check_arrays(labels, predictions, limit=m.LARGEST)
        m.check_below("present", baseline.values, m.LARGEST, allowed=np.isnan(baseline.values))
        columns = {}
        if len(names) > 1:
            parts = zip(
                *(_by_column(one) for one in (labels, predictions, baseline.values)), strict=True
            )
            columns = {
                name: self._compare(own, answers, baseline._replace(values=known))
                for name, (own, answers, known) in zip(names, parts, strict=True)
                if not np.isnan(own).all()
            }
        return self._compare(labels, predictions, baseline, columns)

    def _compare(
        self,
        labels: m.Floats,
        predictions: m.Floats,
        baseline: Baseline,
        columns: dict[str, RegressionResult] | None = None,
    ) -> RegressionResult:
        result = self._measure(labels, predictions)
        if np.isnan(labels + baseline.values).all():
            return replace(result, columns=columns or {}, baseline_note=baseline.lack)
        beside = self._measure(labels, baseline.values)
        return replace(result, columns=columns or {}, baseline=beside, baseline_note=baseline.note)

    def _measure(self, labels: m.Floats, predictions: m.Floats) -> RegressionResult:
        known = ~(np.isnan(labels) | np.isnan(predictions))
        threshold = _THRESHOLD if self.threshold is None else self.threshold
        truth, answers = labels[known], predictions[known]
        found = {
            "mape": m.mean_absolute_percentage_error(truth, answers),
            "r2": m.r2(
                truth, answers, np.broadcast_to(np.arange(known.shape[1]), known.shape)[known]
            ),
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
        )


def _by_column(array: m.Floats) -> m.Floats:
    """Return an array ``(N, L)`` as ``(L, N, 1)``, each column contiguous."""
    return np.ascontiguousarray(array.T)[:, :, np.newaxis]
