"""Callbacks of ``fit``: what happens between epochs.

A callback is any function that takes the record of an epoch, ``callback(record)``; training ends if
it returns False. An object may have more, optional methods: see :class:`Callback`.
"""

from rnn_rust.training.callbacks import Callback, Checkpoint, EarlyStopping
from rnn_rust.training.loggers import CSVLogger, JSONLinesLogger
from rnn_rust.training.pruning import PruningCallback

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "JSONLinesLogger",
    "PruningCallback",
]
