"""Evaluators: how good a model's predictions are, compared with a simple baseline.

They need only NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from rnn_rust.data.sequences import require_dataset
from rnn_rust.errors import ParameterError
from rnn_rust.evaluate.binary import BinaryClassificationEvaluator, ClassificationResult
from rnn_rust.evaluate.metrics import Predictor
from rnn_rust.evaluate.multiclass import ClassificationEvaluator, MulticlassResult
from rnn_rust.evaluate.persistence import by_column, checked_horizons
from rnn_rust.evaluate.regression import RegressionEvaluator, RegressionResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_rust.data.dataset import Dataset

__all__ = [
    "BinaryClassificationEvaluator",
    "ClassificationEvaluator",
    "ClassificationResult",
    "Evaluator",
    "MulticlassResult",
    "RegressionEvaluator",
    "RegressionResult",
    "Result",
    "default_evaluator",
]


class Result(Protocol):
    """The result of an evaluation; ``str(result)`` is a readable text."""

    @property
    def primary(self) -> float:
        """The primary metric, a fraction; higher is better."""

    @property
    def primary_name(self) -> str:
        """The name of the primary metric."""

    def metrics(self) -> dict[str, float]:
        """Return all metrics by name."""


class Evaluator(Protocol):
    """Anything that evaluates a model on a data set."""

    def evaluate(self, model: Predictor, dataset: Dataset) -> Result:
        """Evaluate the model's predictions."""


def default_evaluator(
    dataset: Dataset,
    threshold: float | None = None,
    *,
    loss: str | None = None,
    horizon: int | Sequence[int] | None = None,
) -> Evaluator:
    """Return the evaluator that suits the labels and the model.

    This is the multiclass evaluator if the model's ``loss`` is ``"cross_entropy"``, as only that
    one takes a probability per class. Otherwise it is the binary evaluator if every label, in
    original units, is 0 or 1, else the regression evaluator. ``threshold`` is passed to the binary
    or regression evaluator (by default the model's own is used), ``horizon`` to the regression one.

    Raises
    ------
    DataError
        There is no label.
    ParameterError
        ``dataset`` is not a `Dataset`; the threshold is invalid (with cross-entropy there is none);
        or a horizon is given for classes, or there is not one horizon, or one per label column.
    """
    stored = require_dataset(dataset, "an evaluation").require_labels("an evaluation")
    if loss == "cross_entropy":
        if threshold is not None:
            raise ParameterError(
                "a threshold does not suit loss 'cross_entropy', where the most probable class is "
                "the answer; leave it out"
            )
        _refuse_horizon(horizon)
        return ClassificationEvaluator()
    labels = dataset.denormalize_labels(stored)
    if dataset.ahead is not None:
        return RegressionEvaluator(threshold, horizon=horizon)
    binary = np.isin(labels[~np.isnan(labels)], (0.0, 1.0)).all()
    if not binary:
        by_column(checked_horizons(horizon) or (1,), len(dataset.label_names))
        return RegressionEvaluator(threshold, horizon=horizon)
    _refuse_horizon(horizon)
    return BinaryClassificationEvaluator(threshold)


def _refuse_horizon(horizon: int | Sequence[int] | None) -> None:
    if horizon is not None:
        raise ParameterError(
            "a horizon is for labels that are numbers, and these are classes; leave it out"
        )
