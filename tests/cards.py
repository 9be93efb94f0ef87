"""Purchases of cards for estimators of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

CARDS, STEPS = 60, 6
KEYS: dict[str, Any] = {"id": "card", "time": "t", "random_state": 0}


def purchases() -> tuple[pd.DataFrame, Any, Any]:
    """Return shuffled rows; a class that needs all rows so far of the card; and their number."""
    random = np.random.default_rng(0)
    rows = CARDS * STEPS
    card, t = np.repeat(np.arange(CARDS), STEPS), np.tile(np.arange(STEPS), CARDS)
    kind = random.choice(["fuel", "food", "other"], rows)
    count = np.cumsum(np.reshape(kind == "fuel", (CARDS, STEPS)), axis=1).ravel()
    x = random.normal(size=rows)
    frame = pd.DataFrame({"card": card, "t": t, "x": x, "kind": kind})
    order = random.permutation(rows)
    return frame.iloc[order], np.where(count > 1, "yes", "no")[order], count[order].astype(float)
