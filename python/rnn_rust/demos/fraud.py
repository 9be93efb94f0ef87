"""Made-up card purchases in which fraud is visible only over time, and how to write a CSV safely.

The layout is the same as in Kaggle's well-known card-fraud file, which may not be redistributed: 29
features per row, the last of them the amount, and one label that is 1 in about 0.17 % of the rows.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import finite, seed_number, whole_number
from rnn_rust.base.files import replacing
from rnn_rust.base.forks import require_polars
from rnn_rust.base.polars import pl
from rnn_rust.errors import DataError, MissingFileError, ParameterError

ANONYMOUS_FEATURES = 28
"""x1 to x28 correspond to Kaggle's V1 to V28; x29 is the amount."""

CARD_LENGTHS = (5, 15)
"""Minimum and maximum number of purchases of a card; only the last card can have fewer."""

PROBES = 3
"""Small, quick purchases with which a thief tries out a stolen card."""

SHORTEST_VICTIM = 3 + PROBES + 1
"""A stolen card has at least three purchases of its owner, the probes and the large purchase."""

HABIT_SPREAD = 0.5
"""Standard deviation of the habit between purchases of one card; across all cards it is 1."""

HABIT_DROP = 1.5
"""How far the habit of a stolen card is above the thief's habit, in standard deviations."""

HASTE_PUSH, HASTE_SPREAD = 3.0, 0.7
"""How much higher the haste of a quick purchase is, and its standard deviation."""

LOADING = 0.85
"""Correlation of an anonymous feature with its trait; the rest of its variance is noise."""

QUICK_SHARE, QUICK_PAIR_SHARE, SMALL_SHARE = 0.06, 0.03, 0.2
"""Owners' purchases that look like a probe, cards with two in a row, and other small purchases."""


def generate(
    rows: int = 284_807, seed: int = 0, fraud_rate: float = 0.00173, *, decimals: int = 6
) -> pl.DataFrame:
    """Generate card purchases in sequences, some of which end with a theft.

    The story: every card has a *habit* (where and what its owner buys), and every purchase has a
    *haste* (how soon it follows the one before). A thief takes a card of a habit above his own and
    tries it with three small purchases in quick succession; then he makes one large purchase, and
    the card is blocked. Only that purchase is labelled as fraud, since the owner disputes it and
    overlooks the probes.

    No row reveals fraud by itself: the habits of thieves have the same distribution as all cards,
    their large purchase is neither quicker nor larger than other purchases that are not small, and
    owners also make small purchases, quick small ones and pairs of them. Only the order shows it:
    a habit that drops and three quick small purchases just before an ordinary one.

    Parameters
    ----------
    rows
        Number of purchases N.
    seed
        The same seed gives the same table.
    fraud_rate
        Share of rows labelled 1; their number is rounded to a whole one. A card has at most one,
        so shares up to about 0.08 are possible.
    decimals
        Decimals of x1 to x28; the amount has at most two.

    Returns
    -------
    polars.DataFrame
        N rows, sorted: `id` (card), `t` (seconds, increasing within a card), `x1` to `x14` (noisy
        views of the habit), `x15` to `x28` (of the haste), `x29` (amount, in euros) and `y1`
        (1 for fraud, else 0). Each of x1 to x28 has a standard deviation of about 1.

    Raises
    ------
    rnn_rust.errors.ParameterError
        If an argument is outside its range, or too few cards are long enough for that many frauds.
    """
    require_polars()
    rows = whole_number("rows", rows, least=1)
    decimals = whole_number("decimals", decimals, least=0)
    if finite("fraud_rate", fraud_rate, least=0) > 1:
        raise ParameterError(f"the share of frauds must be at most 1, got {fraud_rate}")
    rng = np.random.default_rng(seed_number(seed))
    offsets = _offsets(rng, rows)
    cards = len(offsets) - 1
    card = np.repeat(np.arange(cards), np.diff(offsets))
    stolen = _stolen_cards(rng, np.diff(offsets), round(rows * fraud_rate))
    left = np.where(stolen[card], offsets[1:][card] - np.arange(rows) - 1, rows)
    fraud, probe = left == 0, (left > 0) & (left <= PROBES)

    thief = rng.normal(0, np.sqrt(1 - HABIT_SPREAD**2), cards)
    owner = thief + HABIT_DROP * stolen
    habit = np.where(fraud | probe, thief[card], owner[card]) + rng.normal(0, HABIT_SPREAD, rows)

    quick = probe | (_quick_purchases(rng, offsets) & ~fraud)
    haste = (HASTE_PUSH * quick + rng.normal(0, HASTE_SPREAD, rows)) / np.hypot(
        HASTE_SPREAD, 0.3 * HASTE_PUSH
    )
    small = quick | (~fraud & (rng.random(rows) < SMALL_SHARE))
    amount = np.where(small, rng.uniform(1, 5, rows), np.exp(rng.normal(4, 0.5, rows)))
    features = np.round(_anonymise(rng, habit, haste), decimals)
    return pl.DataFrame(
        {
            "id": card + 1,
            "t": _seconds(haste, offsets),
            **{f"x{k + 1}": features[k] for k in range(ANONYMOUS_FEATURES)},
            f"x{ANONYMOUS_FEATURES + 1}": np.round(amount, min(decimals, 2)),
            "y1": fraud.astype(np.int8),
        }
    )


def _offsets(rng: np.random.Generator, rows: int) -> NDArray[np.int64]:
    """Cut the rows into cards; returns `(S+1,)` offsets, the last card being cut short to fit."""
    shortest, longest = CARD_LENGTHS
    lengths = rng.integers(shortest, longest + 1, rows // shortest + 1)
    ends = np.cumsum(lengths)
    return np.concatenate([[0], ends[ends < rows], [rows]])


def _stolen_cards(
    rng: np.random.Generator, lengths: NDArray[np.int64], thefts: int
) -> NDArray[np.bool_]:
    """Choose the cards to be stolen among those that are long enough; returns `(S,)`."""
    eligible = np.flatnonzero(lengths >= SHORTEST_VICTIM)
    if thefts > len(eligible):
        raise ParameterError(
            f"{thefts} frauds are too many: only {len(eligible)} of the {len(lengths)} cards have "
            f"the {SHORTEST_VICTIM} purchases that a theft takes; "
            f"lower the share of frauds to at most {len(eligible) / lengths.sum():.4f}"
        )
    stolen: NDArray[np.bool_] = np.zeros(len(lengths), dtype=np.bool_)
    stolen[rng.choice(eligible, thefts, replace=False)] = True
    return stolen


def _quick_purchases(rng: np.random.Generator, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Choose the rows that look like probes by chance, some of them in pairs; returns `(N,)`."""
    rows, cards = offsets[-1], len(offsets) - 1
    quick: NDArray[np.bool_] = rng.random(rows) < QUICK_SHARE
    with_pair = np.flatnonzero(rng.random(cards) < QUICK_PAIR_SHARE)
    lengths = np.diff(offsets)[with_pair]
    first = offsets[with_pair] + rng.integers(0, np.maximum(lengths - 1, 1))
    quick[first] = True
    quick[first[lengths > 1] + 1] = True
    return quick


def _anonymise(
    rng: np.random.Generator, habit: NDArray[np.float64], haste: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Hide the traits in noisy features of alternating sign; returns `(28, N)`."""
    half = ANONYMOUS_FEATURES // 2
    noise = rng.standard_normal((2 * half, len(habit)))
    features: NDArray[np.float64] = np.sqrt(1 - LOADING**2) * noise
    signed = np.where(np.arange(half) % 2 == 0, LOADING, -LOADING)[:, np.newaxis]
    features[:half] += signed * habit
    features[half:] += signed * haste
    return features


def _seconds(haste: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Time of each purchase `(N,)`: about two hours after the last, or minutes if in haste."""
    elapsed = np.cumsum(np.exp(9 - 1.6 * haste).astype(np.int64) + 1)
    before = np.concatenate([[0], elapsed])[offsets[:-1]]
    seconds: NDArray[np.int64] = elapsed - np.repeat(before, np.diff(offsets))
    return seconds


def write_csv(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV in one step: the file is there completely, or not at all.

    After an error or an interruption, an existing file is unchanged.

    Parameters
    ----------
    frame
        The table.
    path
        The CSV file; its folder must exist. An existing file is replaced.

    Raises
    ------
    rnn_rust.errors.MissingFileError
        If the folder does not exist.
    rnn_rust.errors.DataError
        If no file can be written there.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise MissingFileError(f"cannot write {path}: create the folder {path.parent} first")
    require_polars()
    try:
        with replacing(path) as file:
            frame.write_csv(file)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; give another path") from error
