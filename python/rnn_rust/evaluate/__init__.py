"""Evaluators: what a model's predictions are worth, beside a trivial baseline.

Needs NumPy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from rnn_rust.evaluate.classification import BinaryClassificationEvaluator, ClassificationResult
from rnn_rust.evaluate.metrics import Predictor
from rnn_rust.evaluate.regression import RegressionEvaluator, RegressionResult

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

__all__ = [
    "BinaryClassificationEvaluator",
    "ClassificationResult",
    "Evaluator",
    "RegressionEvaluator",
    "RegressionResult",
    "Result",
    "default_evaluator",
]


class Result(Protocol):
    """What an evaluation returns; ``str(result)`` is for people."""

    @property
    def primary(self) -> float:
        """The one figure to follow, a share; higher is better."""

    @property
    def primary_name(self) -> str:
        """Its name."""

    def metrics(self) -> dict[str, float]:
        """Return all figures by name."""


class Evaluator(Protocol):
    """Anything that judges a model on a data set."""

    def evaluate(self, model: Predictor, dataset: Dataset) -> Result:
        """Return what the model's predictions are worth."""


def default_evaluator(dataset: Dataset, threshold: float | None = None) -> Evaluator:
    """Return the classification evaluator if every label is 0 or 1, else the regression one.

    ``threshold`` is that of either, where it is not to be the default.
    """
    labels = dataset.require_labels("an evaluation")
    binary = np.isin(labels[~np.isnan(labels)], (0.0, 1.0)).all()
    kind = BinaryClassificationEvaluator if binary else RegressionEvaluator
    return kind() if threshold is None else kind(threshold)
