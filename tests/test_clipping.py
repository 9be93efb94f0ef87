"""Limits of the gradient, through one update of plain gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CELLS, make_labelled
from oracle import Array, assert_all_close, make_data, same_bits
from test_optim import PythonSGD

from rnn_rust import GRU, LSTM, RNN, SGD, Adam, Dataset
from rnn_rust.model.network import Network

FEW, MANY = make_data([5], 2, 2), make_data([4, 1, 6, 2, 3, 5, 2] * 3, 2, 2)
BOUNDS = st.one_of(st.none(), st.floats(1e-4, 2))


def clipped(
    gradients: dict[str, Array], norm: float | None, value: float | None
) -> dict[str, Array]:
    """Cut numbers off, then scale as ``torch.nn.utils.clip_grad_norm_`` does."""
    if value is not None:
        gradients = {name: np.clip(g, -value, value) for name, g in gradients.items()}
    if norm is not None:
        total = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        factor = min(1.0, norm / (total + 1e-6))
        gradients = {name: factor * g for name, g in gradients.items()}
    return gradients


def step(model: Network, data: Any) -> dict[str, Array]:
    """Return the change of weights by an update with rate 1, turned round."""
    before = model.state_dict()
    model.update(data)
    return {name: before[name] - after for name, after in model.state_dict().items()}


@settings(max_examples=80, deadline=None)
@given(
    cell=st.sampled_from(["RNN relu", "GRU", "LSTM"]), data=st.sampled_from([FEW, MANY]),
    norm=BOUNDS, value=BOUNDS, seed=st.integers(0, 99),
)  # fmt: skip
def test_an_update_has_the_limits(
    cell: str, data: Any, norm: float | None, value: float | None, seed: int
) -> None:
    kind, own = CELLS[cell]
    options: dict[str, Any] = {"seed": seed, "dtype": "float64", "num_layers": 2, **own}
    model = kind(2, 5, 2, clip_norm=norm, clip_value=value, optimizer=SGD(1.0), **options)
    expected = clipped(model.gradients(data)[1], norm, value)
    assert_all_close(step(model, data), expected, 1e-14)


@pytest.mark.parametrize("limits", [{"clip_norm": 0.01}, {"clip_value": 0.002}])
def test_an_optimiser_in_python_gets_what_is_clipped(limits: dict[str, float]) -> None:
    options: dict[str, Any] = {"dtype": "float64", **limits}
    ours, theirs = (
        GRU(2, 5, 2, optimizer=PythonSGD(0.1), **options),
        GRU(2, 5, 2, optimizer=SGD(0.1), **options),
    )
    for model in (ours, theirs):
        model.fit(MANY, epochs=4, batch_size=5, progress=False)
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-14)
    largest = GRU(2, 5, 2, optimizer=Largest(), **options)
    largest.update(MANY)
    assert isinstance(largest.optimizer, Largest)
    norm, value = largest.optimizer.seen
    assert norm == pytest.approx(0.01, rel=1e-3) if "clip_norm" in limits else value == 0.002


class Largest:
    """Takes note of the gradient's norm and largest number, and changes nothing."""

    seen = (0.0, 0.0)

    def update(self, parameters: Any, gradients: Any) -> None:
        flat = np.concatenate([g.ravel() for g in gradients.values()])
        self.seen = float(np.linalg.norm(flat)), float(np.abs(flat).max())


def test_limits_that_are_not_reached_change_nothing() -> None:
    plain, limited = (
        LSTM(2, 5, 2, optimizer=Adam(0.01), **limits)
        for limits in ({}, {"clip_norm": 1e6, "clip_value": 1e6})
    )
    for model in (plain, limited):
        model.fit(MANY, epochs=3, batch_size=4, progress=False)
    assert same_bits(plain, limited)


def test_reported_gradients_are_not_clipped() -> None:
    plain, limited = GRU(2, 5, 2), GRU(2, 5, 2, clip_norm=1e-3, clip_value=1e-4)
    assert_all_close(limited.gradients(MANY)[1], plain.gradients(MANY)[1], 0.0)


@pytest.mark.parametrize("cell", ["RNN relu", "RNN identity"])
def test_clipping_holds_back_what_would_explode(cell: str) -> None:
    kind, own = CELLS[cell]
    data = make_labelled([60] * 4)
    options: dict[str, Any] = {"init": "uniform", "dtype": "float64", **own}
    model = kind(2, 9, 2, clip_norm=1.0, optimizer=SGD(1e-3), **options)
    gradients = model.gradients(data)[1]
    assert max(np.abs(g).max() for g in gradients.values()) > 1e3
    change = step(model, data)
    assert np.sqrt(sum((c**2).sum() for c in change.values())) <= 1e-3 * (1 + 1e-9)


def test_a_norm_whose_square_overflows_is_a_limit_too() -> None:
    data = Dataset.from_arrays(np.full((4, 1), 1e10), np.full((4, 1), 1e150), [0, 4])
    model = RNN(
        1, 1, 1, dtype="float64", activation="identity", optimizer=SGD(1.0), clip_norm=0.5,
        scaler=None,
    )  # fmt: skip
    _, gradients = model.gradients(data)
    largest = max(np.abs(g).max() for g in gradients.values())
    assert largest > 1e155
    change = step(model, data)
    norm = np.sqrt(sum(((g / largest) ** 2).sum() for g in gradients.values()))
    expected = {name: 0.5 * (g / largest) / norm for name, g in gradients.items()}
    assert_all_close(change, expected, 1e-12)
