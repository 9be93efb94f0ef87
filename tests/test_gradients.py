"""The engine's arithmetic: against finite differences, the NumPy oracle and PyTorch's numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from oracle import ACTIVATIONS, Array, Oracle, assert_all_close, assert_close, make_data

from rnn_rust import RNN, SGD, Dataset

GOLDEN = Path(__file__).parent / "golden"

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


def differences(model: RNN, data: Dataset, name: str, h: float = 1e-4) -> Array:
    """The loss's derivative by every weight of one tensor: central, of fourth order."""
    state = model.state_dict()
    result = np.empty_like(state[name])
    for at, weight in np.ndenumerate(state[name]):
        losses = []
        for shift in (-2 * h, -h, h, 2 * h):
            state[name][at] = weight + shift
            losses.append(model.load_state_dict(state).loss(data))
        state[name][at] = weight
        result[at] = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * h)
    model.load_state_dict(state)
    return result


@settings(max_examples=80, deadline=None)
@given(problems(columns=4, hidden=5, longest=6))
def test_gradients_are_the_slopes_of_the_reported_loss(problem: Problem) -> None:
    model, data = problem
    assume(Oracle(model).distance_from_kinks(data) > 0.01)
    for name, gradient in model.gradients(data)[1].items():
        slopes = differences(model, data, name)
        limit = 1e-6 * np.abs(gradient).max() + 1e-10  # the latter for a vanishing gradient
        np.testing.assert_allclose(slopes, gradient, rtol=0, atol=limit, err_msg=name)


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


def golden(name: str) -> tuple[dict[str, Any], Dataset, dict[str, Array]]:
    """Return the numbers of a file of PyTorch's, their data set and the weights they began with."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        numbers = dict(file)
    weights = {key[2:]: value for key, value in numbers.items() if key.startswith("w.")}
    weights.setdefault("bias_hh_l0", np.zeros_like(weights["bias_ih_l0"]))
    return numbers, Dataset.from_arrays(*(numbers[k] for k in ("X", "Y", "offsets"))), weights


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_pytorchs_outputs_loss_and_gradients(activation: str) -> None:
    numbers, data, weights = golden(f"{activation}-3-7-2-mse")
    model = RNN(3, 7, 2, activation=activation, dtype="float64").load_state_dict(weights)
    loss, gradients = model.gradients(data)
    assert_close(model.predict(data), numbers["outputs"], 1e-10)
    assert_close(loss, numbers["loss"], 1e-10)
    for name, gradient in gradients.items():
        assert_close(gradient, numbers["g." + name.replace("bias_l0", "bias_ih_l0")], 1e-10)


def test_25_steps_of_pytorchs_sgd() -> None:
    numbers, data, weights = golden("optim-sgd")
    model = RNN(3, 6, 1, dtype="float64", optimizer=SGD(0.1)).load_state_dict(weights)
    order = [name.replace("bias_ih_l0", "bias_l0") for name in json.loads(str(numbers["order"]))]
    for loss, expected in zip(numbers["losses"], numbers["trajectory"], strict=True):
        assert_close(model.update(data), loss, 1e-9)
        state = model.state_dict()
        assert_close(np.concatenate([state[name].ravel() for name in order]), expected, 1e-9)
