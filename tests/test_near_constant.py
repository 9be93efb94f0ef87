"""Columns whose values differ by rounding alone, and spreads that rounding could swallow."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_rust import Dataset
from rnn_rust.data.scalers import make_scaler

NAMES = ["minmax", "standard"]
# The distance from 1 to the next number, and the least number with all its digits.
EPS = {"float32": Fraction(1, 2**23), "float64": Fraction(1, 2**52)}
TINY = {"float32": Fraction(1, 2**126), "float64": Fraction(1, 2**1022)}


def fitted(name: str, column: np.ndarray) -> list[tuple[float, float]]:
    """Return shift and scale of a column, as a feature and as a label."""
    rows = len(column)
    data = Dataset.from_arrays(column, np.append(column[:-1], column[-1]), [0, rows])
    scaler = make_scaler(name).fit(data)
    features, labels = scaler.shifts_and_scales()
    return [(part[0][0], part[1][0]) for part in (features, labels)]


@pytest.mark.parametrize("name", NAMES)
def test_values_that_differ_in_the_last_bit_are_constant(name: str) -> None:
    column = np.array([0.3, 0.1 + 0.2] * 5)
    assert len(set(column.tolist())) == 2
    for shift, scale in fitted(name, column):
        assert (shift, scale) == (0.3, 1.0)
    data = Dataset.from_arrays(column, column, [0, 10])
    scaler = make_scaler(name).fit(data)
    for transform in (scaler.transform_features, scaler.transform_labels):
        np.testing.assert_allclose(transform([[0.3001]]), [[0.0001]], rtol=1e-10)
    np.testing.assert_array_equal(scaler.inverse_transform_labels([[0.0]]), [[0.3]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("values", "dtype", "constant"),
    [
        ([1.7e9, 1.7e9 + 1e-6], "float64", True),
        ([1.7e9, 1.7e9 + 1e-3], "float64", False),
        ([-1.7e9, -1.7e9 - 1e-6], "float64", True),
        ([1.7e9, 1.7e9 + 1e3], "float32", True),  # eight numbers of float32 further
        ([1.7e9, 1.7e9 + 1e4], "float32", False),
        ([0.3, 0.3 + 1e-7], "float32", True),
        ([0.3, 0.3 + 1e-7], "float64", False),
        ([0.0, 1e-310], "float64", False),
        ([0.0, 5e-324], "float64", True),
        ([1e-310, 1e-310 + 2e-323], "float64", True),
        ([0.0, 1e-45], "float32", True),
        ([0.0, 1e-40], "float32", False),
        ([0.0, 1e-200], "float64", False),
        ([-1e-20, 1e-20], "float64", False),
        ([1e300, 1.1e300], "float64", False),
    ],
)
def test_at_large_offsets_and_among_denormals(
    name: str, values: list[float], dtype: str, constant: bool
) -> None:
    column = np.array(values * 3, dtype)
    low, high = float(column.min()), float(column.max())
    for shift, scale in fitted(name, column):
        if constant:
            assert (shift, scale) == (low, 1.0)
        elif name == "minmax":
            assert (shift, scale) == (low, high - low)
        else:
            assert shift == pytest.approx(low / 2 + high / 2, rel=1e-15, abs=1e-300)
            assert scale == pytest.approx(high / 2 - low / 2, rel=1e-12)


@settings(max_examples=300, deadline=None)
@given(
    dtype=st.sampled_from(["float32", "float64"]),
    offset=st.sampled_from([0.0, 0.3, -7.0, 1.7e9, 1e30]) | st.floats(-1e6, 1e6),
    steps=st.lists(st.integers(-40, 40), min_size=2, max_size=12),
    factor=st.sampled_from([1.0, 3.0, 1000.0, 1e10]),
)
def test_scales_by_their_definition(
    dtype: str, offset: float, steps: list[int], factor: float
) -> None:
    start = np.dtype(dtype).type(offset)
    ulp = float(np.spacing(np.abs(start)))
    column = (float(start) + np.array(steps) * ulp * factor).astype(dtype)
    exact = [Fraction(value) for value in column.tolist()]
    spread, size = max(exact) - min(exact), max(map(abs, exact))
    constant = spread <= 10 * EPS[dtype] * max(size, TINY[dtype])
    for name in NAMES:
        for shift, scale in fitted(name, column):
            if constant:
                assert (shift, scale) == (float(min(exact)), 1.0)
            elif name == "minmax":
                assert (shift, scale) == (float(min(exact)), float(spread))
            else:
                # Both in exact arithmetic.
                mean = statistics.mean(exact)
                assert abs(Fraction(shift) - mean) <= 4 * Fraction(math.ulp(float(size)))
                assert scale == pytest.approx(statistics.pstdev(exact), rel=1e-12)


def test_a_deviation_far_below_the_mean_is_not_lost() -> None:
    column = np.full(100_000, 1.7e9)
    column[7] += 1e-3
    shift, scale = fitted("standard", column)[0]
    assert shift == 1.7e9
    # One of N values apart by d: the variance is d² (N - 1) / N².
    d = column[7] - 1.7e9
    assert scale == pytest.approx(d * math.sqrt(99_999) / 100_000, rel=1e-12)


@pytest.mark.parametrize("dtype", EPS)
def test_ten_roundings_are_constant_and_eleven_are_a_range(dtype: str) -> None:
    for roundings, scale in ((10, 1.0), (11, float(11 * EPS[dtype]))):
        column = np.array([1, 1 + roundings * EPS[dtype]], dtype)
        assert [part[1] for part in fitted("minmax", column)] == [scale, scale]
