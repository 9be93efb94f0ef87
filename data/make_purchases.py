"""Make purchases.csv: card purchases with dates, whose fraud shows over time only.

python data/make_purchases.py

A thief tries a stolen card with a small purchase abroad, and follows with a large one; either alone
is common. The table is as a shop would export it: in the order of time, all cards mixed.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl

CARDS, PURCHASES = 150, 24
BEGIN = datetime.datetime(2026, 3, 1)


def make(seed: int = 0) -> pl.DataFrame:
    """Return the purchases of all cards."""
    random = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for card in range(1, CARDS + 1):
        hours = np.cumsum(random.exponential(20, PURCHASES))
        amount = np.exp(random.normal(3.2, 1.0, PURCHASES))
        abroad = random.random(PURCHASES) < 0.15
        fraud = np.zeros(PURCHASES, dtype=np.int64)
        small = random.random(PURCHASES) < 0.15
        amount[small] = random.uniform(0.5, 2.0, small.sum())
        large = random.random(PURCHASES) < 0.15
        amount[large] = random.uniform(150, 900, large.sum())
        if random.random() < 0.5:
            at = int(random.integers(1, PURCHASES))
            amount[at - 1], abroad[at - 1] = random.uniform(0.5, 2.0), True
            amount[at] = random.uniform(150, 900)
        tried = (amount[:-1] < 2) & abroad[:-1]
        fraud[1:] = tried & (amount[1:] >= 150)
        for step in range(PURCHASES):
            when = BEGIN + datetime.timedelta(hours=float(hours[step]))
            rows.append((f"card-{card:03}", when.replace(microsecond=0), round(amount[step], 2),
                         bool(abroad[step]), int(fraud[step])))  # fmt: skip
    names = ["card", "when", "amount", "abroad", "fraud"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("when", "card")


if __name__ == "__main__":
    make().write_csv(Path(__file__).with_name("purchases.csv"), datetime_format="%Y-%m-%d %H:%M:%S")
