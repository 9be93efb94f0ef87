"""Keys of entities: of all kinds, in any container, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.errors import ShapeError

DATA = np.random.default_rng(0).normal(size=(200, 3))


def test_keys_of_all_kinds_are_different_entities() -> None:
    model = rnn.GRU(3, 4, 1)
    keys = [1, -1, 2**64 - 1, -(2**63), "1", b"1", "", b"", "é"]
    scorer = model.scorer()
    first = scorer.score_batch(keys, DATA[:9])
    assert len(scorer) == 9
    for key, features, output in zip(keys, DATA[:9], first, strict=True):
        np.testing.assert_array_equal(model.predict(features[np.newaxis])[0], output)
        assert key in scorer
    second = scorer.score_batch(keys[::-1], DATA[9:18])
    two = np.stack([DATA[0], DATA[17]])
    np.testing.assert_array_equal(model.predict(two)[1], second[-1])


@pytest.mark.parametrize(
    "keys",
    [
        np.array([3, 1, 3]), np.array([3, 1, 3], np.uint64), np.array([3, 1, 3], np.int8),
        [3, 1, 3], (3, 1, 3), np.array([3, 1, 3], object), pl.Series([3, 1, 3]),
        np.array([3, 0, 1, 0, 3])[::2], np.array([3, 1, 3], np.uint8),
    ],
)  # fmt: skip
def test_keys_in_any_container(keys: Any) -> None:
    model = rnn.GRU(3, 4, 1)
    scorer = model.scorer()
    outputs = scorer.score_batch(keys, DATA[:3])
    np.testing.assert_array_equal(outputs[[0, 2]], model.predict(DATA[[0, 2]]))
    assert np.int64(3) in scorer
    assert 1 in scorer
    assert len(scorer) == 2


@pytest.mark.parametrize(
    "keys", [np.array(["a", "b", "a"]), pl.Series(["a", "b", "a"]), ["a", "b", "a"]]
)
def test_texts_in_any_container(keys: Any) -> None:
    model = rnn.GRU(3, 4, 1)
    scorer = model.scorer()
    outputs = scorer.score_batch(keys, DATA[:3])
    np.testing.assert_array_equal(outputs[[0, 2]], model.predict(DATA[[0, 2]]))
    assert "a" in scorer
    assert np.str_("b") in scorer


class Itself:
    """An array that converts to nothing else."""

    def __array__(self) -> Itself:
        return self


@pytest.mark.parametrize(
    "keys",
    [
        "abc", b"abc", np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        np.array(["2026-01-01"] * 3, dtype="datetime64[ns]"), np.ones(3),
    ],
)  # fmt: skip
def test_keys_of_other_kinds_are_refused(keys: Any) -> None:
    with pytest.raises(TypeError, match="key"):
        rnn.GRU(3, 4, 1).scorer().score_batch(keys, np.zeros((3, 3)))


def test_keys_that_are_not_several_are_refused() -> None:
    keys: Any = Itself()
    with pytest.raises(ShapeError, match=r"keys: <.*Itself .*; give a list or an array"):
        rnn.GRU(3, 4, 1).scorer().score_batch(keys, np.zeros((3, 3)))
