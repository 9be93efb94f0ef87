"""Estimators for scikit-learn: sequences in a table, one row per time step.

They need scikit-learn 1.7 or newer: ``pip install "rnn-rust[sklearn]"``.

>>> import numpy as np
>>> import polars as pl
>>> X = pl.DataFrame({"card": [1, 1, 1, 2, 2, 2], "t": [0, 1, 2] * 2, "amount": np.arange(6.0)})
>>> y = ["no", "no", "yes", "no", "no", "yes"]
>>> model = SequenceClassifier(id="card", time="t", random_state=0).fit(X, y)
>>> model.classes_.tolist(), model.predict_proba(X).shape
(['no', 'yes'], (6, 2))
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'rnn_rust.sklearn needs scikit-learn: pip install "rnn-rust[sklearn]"', name="sklearn"
    ) from error

from rnn_rust.sklearn.estimators import (
    SequenceClassifier,
    SequenceRegressor,
    SequenceTransformer,
)
from rnn_rust.sklearn.folds import SequenceKFold

__all__ = ["SequenceClassifier", "SequenceKFold", "SequenceRegressor", "SequenceTransformer"]
