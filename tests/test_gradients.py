"""The arithmetic of the vanilla network: against the NumPy oracle, and what a loss counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from oracle import ACTIVATIONS, Oracle, assert_all_close, assert_close, make_data

from rnn_rust import RNN, Dataset

Problem = tuple[RNN, Dataset]


@st.composite
def problems(
    draw: st.DrawFn, *, columns: int, hidden: int, longest: int, dtype: str = "float64"
) -> Problem:
    """A network with fresh weights and ragged data for it, of any kind that there is."""
    inputs, outputs = draw(st.integers(1, columns)), draw(st.integers(1, columns))
    seed = draw(st.integers(0, 2**32))
    model = RNN(
        inputs, draw(st.integers(1, hidden)), outputs,
        activation=draw(st.sampled_from(list(ACTIVATIONS))),
        output_activation=draw(st.sampled_from(list(ACTIVATIONS))),
        reduction=draw(st.sampled_from(["mean", "sum"])),
        dtype=dtype, seed=seed,
    )  # fmt: skip
    lengths = draw(st.lists(st.integers(1, longest), min_size=1, max_size=4))
    missing = draw(st.sampled_from([0.0, 0.3, 0.9]))
    return model, make_data(lengths, inputs, outputs, seed=seed, missing=missing, dtype=dtype)


def check_against_oracle(model: RNN, data: Dataset, tolerance: float) -> None:
    oracle = Oracle(model)
    loss, gradients = oracle.loss_and_gradients(data)
    assert_close(model.predict(data), oracle.outputs(data), tolerance)
    assert_close(model.hidden_states(data), oracle.states(data), tolerance)
    assert_close(model.loss(data), loss, tolerance)
    assert_all_close(model.gradients(data)[1], gradients, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_the_engine_equals_the_oracle(dtype: str, tolerance: float) -> None:
    @settings(max_examples=60, deadline=None)
    @given(problems(columns=20, hidden=40, longest=150, dtype=dtype))
    def check(problem: Problem) -> None:
        # At a kink, rounding decides which of two slopes is right.
        assume(Oracle(problem[0]).distance_from_kinks(problem[1]) > tolerance)
        check_against_oracle(*problem, tolerance)

    check()


@pytest.mark.parametrize("hidden", [*range(1, 71), 512])
def test_every_hidden_size(hidden: int) -> None:
    data = make_data([7, 1, 3], 5, 3, seed=hidden)
    model = RNN(5, hidden, 3, dtype="float64", seed=hidden)
    check_against_oracle(model, data, 1e-12)
    single = RNN(5, hidden, 3, seed=hidden)
    check_against_oracle(single, make_data([7, 1, 3], 5, 3, seed=hidden, dtype=np.float32), 1e-5)


@settings(max_examples=60, deadline=None)
@given(problems(columns=4, hidden=9, longest=9), st.sampled_from(["float32", "float64"]))
@example(  # 9 terms, and a weight of 3 among batches: dividing by 3 twice rounds twice
    (RNN(1, 2, 3, output_activation="relu", reduction="sum"), make_data([1, 1, 2], 1, 3)),
    "float32",
)
def test_one_loss_is_reported_everywhere(problem: Problem, dtype: str) -> None:
    model, data = problem
    model = RNN(**model.settings | {"dtype": dtype})
    loss = model.loss(data)
    assert model.gradients(data)[0] == loss
    assert model.update(data) == loss


def test_what_the_reductions_mean() -> None:
    data = make_data([4, 1, 6, 2], 2, 3, missing=0.4)
    labels = np.where(np.arange(len(data.labels))[:, None] < 4, np.nan, data.labels)
    data = Dataset.from_arrays(data.features, labels, data.offsets)  # the first has none at all
    mean = RNN(2, 5, 3, dtype="float64")
    errors = (mean.predict(data) - labels) ** 2
    assert mean.loss(data) == pytest.approx(np.nanmean(errors), rel=1e-14)
    sums = [np.nansum(errors[a:b]) / 3 for a, b in zip([4, 5, 11], [5, 11, 13], strict=True)]
    total = RNN(2, 5, 3, dtype="float64", reduction="sum")
    assert total.loss(data) == pytest.approx(np.mean(sums), rel=1e-14)


def test_a_missing_label_counts_for_nothing() -> None:
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(9, 2)), rng.normal(size=(9, 1))
    labels[[2, 3, 7, 8]] = np.nan
    data = Dataset.from_arrays(features, labels, [0, 5, 9])
    features[7:] *= -5  # the steps after the last label of the second sequence
    changed = Dataset.from_arrays(features, labels, [0, 5, 9])
    shorter = Dataset.from_arrays(features[:7], labels[:7], [0, 5, 7])
    model = RNN(2, 4, 1, dtype="float64")
    loss, gradients = model.gradients(data)
    for other in (changed, shorter):
        assert model.loss(other) == loss
        assert_all_close(model.gradients(other)[1], gradients, 0.0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_sequence_without_labels_counts_for_nothing(reduction: str) -> None:
    data = make_data([4, 3, 5], 2, 2)
    labels = data.labels.copy()
    labels[4:7] = np.nan
    data = Dataset.from_arrays(data.features, labels, data.offsets)
    model = RNN(2, 4, 2, dtype="float64", reduction=reduction)
    loss, gradients = model.gradients(data)
    assert model.loss(data.subset([0, 2])) == loss
    assert_all_close(model.gradients(data.subset([0, 2]))[1], gradients, 1e-15)
