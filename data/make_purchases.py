"""Make purchases.csv: card purchases with dates, whose fraud shows over time only.

python data/make_purchases.py [--rich [--cards 150]] [--output FILE]

A thief tries a stolen card with a small purchase abroad, and follows with a large one; either alone
is common. The table is as a shop would export it: in the order of time, all cards mixed.

With ``--rich``, which makes purchases-rich.csv, thieves come at night and buy what sells well: the
kind of merchant and the time of day tell, and some amounts are missing.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np
import polars as pl

CARDS, PURCHASES = 150, 24
BEGIN = datetime.datetime(2026, 3, 1)

MERCHANTS = (
    "grocery", "fuel", "restaurant", "pharmacy", "books", "clothes", "electronics", "jewellery",
)  # fmt: skip
SHARES = (0.28, 0.16, 0.18, 0.1, 0.06, 0.1, 0.07, 0.05)
FENCED = ("electronics", "jewellery")
MISSING = 0.03


def make(seed: int = 0) -> pl.DataFrame:
    """Return the purchases of all cards."""
    random = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for card in range(1, CARDS + 1):
        hours = np.cumsum(random.exponential(20, PURCHASES))
        amount, abroad = purchases(random)
        if random.random() < 0.5:
            at = int(random.integers(1, PURCHASES))
            amount[at - 1], abroad[at - 1] = random.uniform(0.5, 2.0), True
            amount[at] = random.uniform(150, 900)
        fraud = tried(amount, abroad)
        for step in range(PURCHASES):
            when = BEGIN + datetime.timedelta(hours=float(hours[step]))
            rows.append((f"card-{card:03}", when.replace(microsecond=0), round(amount[step], 2),
                         bool(abroad[step]), int(fraud[step])))  # fmt: skip
    names = ["card", "when", "amount", "abroad", "fraud"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("when", "card")


def make_rich(seed: int = 0, cards: int = CARDS) -> pl.DataFrame:
    """Return purchases with merchants, at hours of the day, some without their amount."""
    random = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for card in range(1, cards + 1):
        days = np.sort(random.integers(0, 60, PURCHASES))
        hours = np.sort(24 * days + np.clip(random.normal(14, 4, PURCHASES), 6, 23.9))
        amount, abroad = purchases(random)
        merchant = random.choice(MERCHANTS, PURCHASES, p=SHARES)
        for night in (True, False):
            # The owner, too, may buy much after a small purchase abroad: by day, or for dinner.
            at = int(random.integers(1, PURCHASES))
            amount[at - 1], abroad[at - 1] = random.uniform(0.5, 2.0), True
            amount[at] = random.uniform(150, 900)
            merchant[at] = random.choice(FENCED if random.random() < 0.7 else MERCHANTS)
            midnight = 24 * np.ceil(hours[at - 1] / 24)
            later = hours[at + 1] if at + 1 < PURCHASES else np.inf
            if night and midnight + 5 < later:
                hours[at] = midnight + random.uniform(0, 5)
        fraud = tried(amount, abroad) & (hours % 24 < 6) & np.isin(merchant, FENCED)
        for step in range(PURCHASES):
            when = BEGIN + datetime.timedelta(hours=float(hours[step]))
            known = None if random.random() < MISSING else round(amount[step], 2)
            rows.append((f"card-{card:04}", when.replace(microsecond=0), known, bool(abroad[step]),
                         str(merchant[step]), int(fraud[step])))  # fmt: skip
    names = ["card", "when", "amount", "abroad", "merchant", "fraud"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table.unique(["card", "when"], keep="first").sort("when", "card")


def purchases(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the amounts of a card, many of them small or large, and which were spent abroad."""
    amount = np.exp(random.normal(3.2, 1.0, PURCHASES))
    abroad = random.random(PURCHASES) < 0.15
    small = random.random(PURCHASES) < 0.15
    amount[small] = random.uniform(0.5, 2.0, small.sum())
    large = random.random(PURCHASES) < 0.15
    amount[large] = random.uniform(150, 900, large.sum())
    return amount, abroad


def tried(amount: np.ndarray, abroad: np.ndarray) -> np.ndarray:
    """Whether a purchase is large and follows a small one abroad."""
    follows = np.zeros(PURCHASES, dtype=bool)
    follows[1:] = (amount[:-1] < 2) & abroad[:-1] & (amount[1:] >= 150)
    return follows


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rich", action="store_true", help="with merchants, hours and gaps")
    parser.add_argument("--cards", type=int, default=CARDS, help="of --rich")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    table = make_rich(cards=options.cards) if options.rich else make()
    name = "purchases-rich.csv" if options.rich else "purchases.csv"
    path = options.output or Path(__file__).with_name(name)
    table.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    main()
