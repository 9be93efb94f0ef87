"""Small recurrent networks on the CPU, trained by backpropagation through time.

>>> import rnn_rust as rnn
>>> ds = rnn.Dataset.from_csv("data/sample.csv")
>>> train, test = ds.split(0.8, seed=0)
>>> model = rnn.RNN(3, 5, 1, scaler="minmax")
>>> history = model.fit(train, epochs=20, progress=False)
>>> model.predict(test).shape == test.labels.shape
True

Names load when first used: importing the package needs NumPy alone.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from rnn_rust import errors

if TYPE_CHECKING:
    from rnn_rust import callbacks as callbacks
    from rnn_rust import data as data
    from rnn_rust import evaluate as evaluate
    from rnn_rust import log as log
    from rnn_rust import losses as losses
    from rnn_rust import schedules as schedules
    from rnn_rust.callbacks import Checkpoint, EarlyStopping
    from rnn_rust.data.dataset import Dataset, Sequence
    from rnn_rust.data.scale import MinMaxScaler, StandardScaler
    from rnn_rust.evaluate.classification import BinaryClassificationEvaluator
    from rnn_rust.evaluate.multiclass import ClassificationEvaluator
    from rnn_rust.evaluate.regression import RegressionEvaluator
    from rnn_rust.files import load
    from rnn_rust.history import History
    from rnn_rust.loggers import CSVLogger, JSONLinesLogger
    from rnn_rust.losses import Focal, Huber, Quantile
    from rnn_rust.models import GRU, LSTM, RNN
    from rnn_rust.optim import SGD, Adagrad, Adam, AdamW, RMSprop

_HOME = {
    "CSVLogger": "rnn_rust.loggers",
    "Checkpoint": "rnn_rust.callbacks",
    "EarlyStopping": "rnn_rust.callbacks",
    "JSONLinesLogger": "rnn_rust.loggers",
    "Dataset": "rnn_rust.data.dataset",
    "Sequence": "rnn_rust.data.dataset",
    "MinMaxScaler": "rnn_rust.data.scale",
    "StandardScaler": "rnn_rust.data.scale",
    "BinaryClassificationEvaluator": "rnn_rust.evaluate.classification",
    "ClassificationEvaluator": "rnn_rust.evaluate.multiclass",
    "RegressionEvaluator": "rnn_rust.evaluate.regression",
    "load": "rnn_rust.files",
    "History": "rnn_rust.history",
    "Focal": "rnn_rust.losses",
    "Huber": "rnn_rust.losses",
    "Quantile": "rnn_rust.losses",
    "GRU": "rnn_rust.models",
    "LSTM": "rnn_rust.models",
    "RNN": "rnn_rust.models",
    "Adagrad": "rnn_rust.optim",
    "Adam": "rnn_rust.optim",
    "AdamW": "rnn_rust.optim",
    "RMSprop": "rnn_rust.optim",
    "SGD": "rnn_rust.optim",
}

# Reached as attributes too, and loaded then.
_SUBMODULES = ("callbacks", "data", "evaluate", "log", "losses", "schedules")

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BinaryClassificationEvaluator",
    "CSVLogger",
    "Checkpoint",
    "ClassificationEvaluator",
    "Dataset",
    "EarlyStopping",
    "Focal",
    "History",
    "Huber",
    "JSONLinesLogger",
    "MinMaxScaler",
    "Quantile",
    "RMSprop",
    "RegressionEvaluator",
    "Sequence",
    "StandardScaler",
    "errors",
    "load",
]

# A library stays silent unless its user, or the command line, configures logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("rnn_rust._core").__version__
    if name in _SUBMODULES:
        return importlib.import_module(f"rnn_rust.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*__all__, *_SUBMODULES, *special, "__version__"})
