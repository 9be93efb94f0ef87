"""Splits: whole sequences, nothing lost, nothing twice, the same seed the same parts."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_rust import Dataset
from rnn_rust.data.split import strata
from rnn_rust.errors import DataError, ParameterError


def make(sequences: int, positives: int = 0) -> Dataset:
    """Return sequences of two steps, the second labelled, positive in the first ``positives``."""
    labels = np.full((sequences, 2), np.nan)
    labels[:, 1] = np.arange(sequences) < positives
    rows = np.arange(2 * sequences)
    return Dataset.from_arrays(rows, labels.ravel(), np.arange(0, 2 * sequences + 1, 2))


@settings(max_examples=60, deadline=None)
@given(
    sequences=st.integers(10, 60),
    shares=st.sampled_from([(0.8,), (0.5, 0.5), (0.7, 0.15, 0.15), (0.25,) * 4]),
    seed=st.integers(0, 2**70),
    stratify=st.booleans(),
)
def test_a_split_is_a_seeded_partition(
    sequences: int, shares: tuple[float, ...], seed: int, stratify: bool
) -> None:
    ds = make(sequences, positives=sequences // 3)
    parts = ds.split(*shares, seed=seed, stratify=stratify)
    assert len(parts) == max(2, len(shares))
    ids = [part.ids.tolist() for part in parts]
    assert sorted(itertools.chain(*ids)) == list(range(sequences))
    assert all(part == sorted(part) for part in ids)
    for part, share in zip(parts, shares, strict=False):
        assert abs(len(part) - share * sequences) <= (2 if stratify else 1)
        for sequence in part:
            np.testing.assert_array_equal(sequence.features, ds[int(sequence.id)].features)
    again = ds.split(*shares, seed=seed, stratify=stratify)
    assert [part.ids.tolist() for part in again] == ids


def test_another_seed_gives_another_split() -> None:
    ds = make(50)
    first, second = (ds.split(0.5, seed=seed)[0].ids.tolist() for seed in (0, 1))
    assert first != second


def test_exact_sizes() -> None:
    assert [len(part) for part in make(100).split(0.7, 0.15, 0.15)] == [70, 15, 15]
    assert [len(part) for part in make(5).split(0.8)] == [4, 1]
    assert [len(part) for part in make(10).split(1 / 3, 1 / 3, 1 / 3)] == [3, 4, 3]


@pytest.mark.parametrize("seed", range(5))
def test_stratified_parts_have_equal_shares_of_positives(seed: int) -> None:
    parts = make(200, positives=20).split(0.6, 0.2, 0.2, seed=seed, stratify=True)
    positives = [sum(bool((s.labels > 0).any()) for s in part) for part in parts]
    assert positives == [12, 4, 4]
    assert [len(part) for part in parts] == [120, 40, 40]


@pytest.mark.parametrize(
    "first",
    [
        np.array([5, 1, 4, 2, 3]),
        np.array([5.5, 1, 4, 2, 3]),
        np.array(["2024-05", "2024-01", "2024-04", "2024-02", "2024-03"]),
        np.array(["2024-05", "2024-01", "2024-04", "2024-02", "2024-03"], dtype="M8[D]"),
    ],
    ids=["integers", "floats", "text", "dates"],
)
def test_by_time_puts_the_latest_last(first: np.ndarray) -> None:
    ds = Dataset.from_arrays(np.zeros(5), None, range(6), times=first)
    train, test = ds.split(0.6, by="time")
    assert train.ids.tolist() == [1, 3, 4]
    assert test.ids.tolist() == [0, 2]


def test_by_time_needs_times_in_common() -> None:
    with pytest.raises(
        DataError, match=r"\(0 to 1, say\).* use a time column that all sequences share"
    ):
        make(5).split(0.8, by="time")


@pytest.mark.parametrize("fractions", [(), (0,), (1,), (1.2,), (-0.1,), (0.5, 0.4), (0.5, 0, 0.5)])
def test_bad_fractions(fractions: tuple[float, ...]) -> None:
    wrong = "fractions must lie between 0 and 1, not "
    if not fractions:
        wrong = "there is no fraction"
    elif fractions == (0.5, 0.4):
        wrong = r"fractions \(0.5, 0.4\) sum to 0.9, not to 1"
    with pytest.raises(ParameterError, match=f"{wrong}.*; give one, the training share, or sev"):
        make(10).split(*fractions)


@pytest.mark.parametrize("fraction", [float("nan"), "a", None, [0.5]])
def test_what_is_no_fraction(fraction: float) -> None:
    for fractions in ((fraction,), (0.5, fraction)):
        with pytest.raises(ParameterError, match="fractions"):
            make(10).split(*fractions)


def test_an_empty_part_is_an_error() -> None:
    with pytest.raises(DataError, match=r"part 2 of 2 is empty: a share of 0\.1 of 3 sequences"):
        make(3).split(0.9)
    with pytest.raises(DataError, match="part 1 of 2 is empty"):
        make(1).split(0.1)


def test_bad_arguments() -> None:
    ds = make(10, positives=5)
    with pytest.raises(ParameterError, match="by='id' is not known; use 'random' or 'time'"):
        ds.split(0.8, by="id")
    with pytest.raises(ParameterError, match="by='time' cannot stratify"):
        ds.split(0.8, by="time", stratify=True)
    for seed in (-1, 0.5, None):
        with pytest.raises(ParameterError, match=r"seed=.* must be an integer"):
            ds.split(0.8, seed=seed)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="stratify=True needs labels"):
        Dataset.from_arrays(np.zeros(10), None, range(11)).split(0.8, stratify=True)


def test_stratified_parts_share_the_rarest_class_by_name() -> None:
    """By name "fraud" comes first, and is class 0, but it is what is rare."""
    kinds = np.full((40, 3), "legit", dtype=object)
    kinds[:8, 1] = "fraud"
    kinds[20, 0] = None
    frame = pl.DataFrame(
        {"id": np.repeat(np.arange(40), 3), "t": np.tile(np.arange(3), 40), "kind": kinds.ravel()}
    ).with_columns(x1=pl.col("t") * 1.0)
    data = Dataset.from_frame(frame, features="x1", labels="kind")

    def frauds(part: Dataset) -> int:
        return sum(int(sequence.id) < 8 for sequence in part)

    for seed in range(5):
        assert [frauds(part) for part in data.split(0.75, seed=seed, stratify=True)] == [6, 2]
        folds = data.folds(4, seed=seed, stratify=True)
        assert [frauds(test) for _, test in folds] == [2, 2, 2, 2]


def test_of_equally_rare_classes_the_last_by_name_is_positive() -> None:
    kinds = ["a", "c", "b", "a", "b", "a", "c"]
    frame = pl.DataFrame({"id": range(7), "t": [0] * 7, "x1": [0.0] * 7, "kind": kinds})
    positive, others = strata(Dataset.from_frame(frame, features="x1", labels="kind"))
    assert (positive.tolist(), others.tolist()) == ([1, 6], [0, 2, 3, 4, 5])
