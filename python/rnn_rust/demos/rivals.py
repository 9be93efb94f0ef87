"""Baselines for the demos' networks: simple guesses, and models without memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.model.network import Network

MEASUREMENTS = 4
"""Weather: the first features are measured (temperatures, rain, wind), the others derived."""


def fraud(model: Network, train: Dataset, test: Dataset) -> Table:
    """Compare with classifiers of single rows: only the order reveals these frauds."""
    from rnn_rust.evaluate import BinaryClassificationEvaluator

    def pr_auc(predictions: FloatArray) -> str:
        result = BinaryClassificationEvaluator().score(test.labels, predictions)
        return f"{result.pr_auc:.2f}"

    features = len(test.feature_names)
    return _table(
        "PR-AUC",
        {
            "always the same answer": pr_auc(0 * test.labels),
            f"linear regression on the {features} features of one purchase": pr_auc(
                _linear_regression(train, test, features)
            ),
            "this network, on the purchases up to this one": pr_auc(model.predict(test)),
        },
    )


def weather(model: Network, train: Dataset, test: Dataset) -> Table:
    """Compare with predictions from today's row only.

    Persistence predicts today's temperature, which is a feature, so it has a value every day; the
    evaluator's baseline uses the label of the day before, which the first day of a month lacks.
    """
    import numpy as np

    from rnn_rust.evaluate import RegressionEvaluator

    def rmse(predictions: FloatArray) -> str:
        return f"{RegressionEvaluator().score(test.labels, predictions).rmse:.2f}"

    features = len(test.feature_names)
    return _table(
        f"RMSE in °C, {np.count_nonzero(~np.isnan(test.labels))} days",
        {
            "tomorrow will be as today (persistence)": rmse(test.features[:, :1]),
            f"linear regression on the {MEASUREMENTS} measurements of today": rmse(
                _linear_regression(train, test, MEASUREMENTS)
            ),
            f"linear regression on all {features} features of today": rmse(
                _linear_regression(train, test, features)
            ),
            "this network, on the days of the month up to today": rmse(model.predict(test)),
        },
    )


RIVALS = {"fraud": fraud, "weather": weather}
"""Functions of model, training part and test part, by the name of the demo."""


def _table(metric: str, rows: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("prediction")
    table.add_column(metric, justify="right", style="bold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _linear_regression(train: Dataset, test: Dataset, features: int) -> FloatArray:
    """Fit single rows by least squares on their first features; predict ``(N, 1)`` of ``test``."""
    import numpy as np

    def design(data: Dataset) -> FloatArray:
        return np.column_stack([data.features[:, :features], np.ones(len(data.features))])

    known = ~np.isnan(train.labels[:, 0])
    weights = np.linalg.lstsq(design(train)[known], train.labels[known], rcond=None)[0]
    predictions: FloatArray = design(test) @ weights
    return predictions
