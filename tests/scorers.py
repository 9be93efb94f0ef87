"""Scorers with entities, as several tests save them."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnn_rust as rnn

DATA = np.random.default_rng(0).normal(size=(600, 3))


def filled(**limits: Any) -> rnn.Scorer:
    """A scorer with entities of all kinds of keys."""
    scorer = rnn.LSTM(3, 5, 2, num_layers=2).scorer(**limits)
    keys = [(n, -n - 1, f"card {n}", f"card {n}".encode())[n % 4] for n in range(300)]
    times = np.arange(600.0)
    scorer.score_batch(keys + keys[::-1], DATA, times=times)
    return scorer
