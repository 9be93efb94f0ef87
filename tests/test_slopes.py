"""The gradient is the slope of the reported loss: finite differences of every kind of network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import ARCHITECTURES, BINARY, CELLS, LOSSES, READOUTS, make_labelled
from slopes import check_slopes, slope

from rnn_rust import Dataset
from rnn_rust.errors import DataError
from rnn_rust.model.network import Network

FEW = [[5], [1], [7, 1, 4]]
MANY = [[4, 1, 6, 2, 3, 5, 2] * 3, [3] * 20]  # more than the lanes of a register


@st.composite
def arguments(draw: st.DrawFn, loss: Any, layers: int) -> dict[str, Any]:
    """Keyword arguments of any kind that make sense together."""
    rates = st.sampled_from([0.0, 0.3])
    drawn: dict[str, Any] = {
        "readout": draw(st.sampled_from(READOUTS)),
        "reduction": draw(st.sampled_from(["mean", "sum"])),
        "recurrent_dropout": draw(rates),
        "dropout": draw(rates) if layers > 1 else 0.0,
    }
    if loss in BINARY:
        drawn["pos_weight"] = draw(st.sampled_from([None, 2.5]))
        drawn["class_weight"] = draw(st.sampled_from([None, {0: 0.5, 1: 3.0}]))
    elif loss == "cross_entropy":
        drawn["class_weight"] = draw(st.sampled_from([None, {0: 0.5, 1: 3.0, 2: 1.5}]))
    else:
        drawn["output_activation"] = draw(st.sampled_from(["identity", "tanh", "softplus"]))
    return drawn


@st.composite
def problems(draw: st.DrawFn, cell: str) -> tuple[Network, Dataset]:
    """A network of that cell with fresh weights, and data for it."""
    kind, own = CELLS[cell]
    loss, architecture = draw(st.sampled_from(LOSSES)), draw(st.sampled_from(ARCHITECTURES))
    outputs = 3 if loss == "cross_entropy" else draw(st.integers(1, 2))
    options = draw(arguments(loss, architecture.get("num_layers", 1)))
    inputs, seed = draw(st.integers(1, 3)), draw(st.integers(0, 2**32))
    model = kind(
        inputs, draw(st.integers(1, 9)), outputs,
        loss=loss, dtype="float64", seed=seed, **own, **architecture, **options,
    )  # fmt: skip
    data = make_labelled(
        draw(st.sampled_from(FEW + MANY)), loss, (inputs, outputs), seed=seed,
        missing=draw(st.sampled_from([0.0, 0.4])), weighted=draw(st.booleans()),
    )  # fmt: skip
    return model, data


@pytest.mark.parametrize("cell", CELLS)
def test_every_kind_of_network(cell: str) -> None:
    @settings(max_examples=20, deadline=None)
    @given(problems(cell))
    def check(problem: tuple[Network, Dataset]) -> None:
        try:
            problem[0].loss(problem[1])
        except DataError:
            assume(False)  # the only labels have the weight 0
        assume(check_slopes(*problem))

    check()


@pytest.mark.parametrize("lengths", [[6], [4, 1, 6, 2, 3] * 4], ids=["few", "many"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "LSTM"])
def test_every_loss_with_every_smooth_cell(cell: str, loss: Any, lengths: list[int]) -> None:
    kind, own = CELLS[cell]
    for readout in READOUTS:
        model = kind(2, 3, 3, loss=loss, readout=readout, dtype="float64", seed=5, **own)
        assert check_slopes(model, make_labelled(lengths, loss, (2, 3), seed=5, missing=0.3))


@pytest.mark.parametrize("cell", CELLS)
def test_every_weight_of_a_stack_in_both_directions(cell: str) -> None:
    """Each weight by itself, where no kink is near."""
    kind, own = CELLS[cell]
    model = kind(2, 2, 1, num_layers=2, bidirectional=True, dtype="float64", seed=2, **own)
    data = make_labelled([3, 2], sizes=(2, 1), seed=8)
    for name, gradient in model.gradients(data)[1].items():
        for at in np.ndindex(gradient.shape):
            along = np.zeros_like(gradient)
            along[at] = 1
            limit = 1e-6 * np.abs(gradient).max() + 1e-10
            measured = slope(model, data, name, along, 1e-4)
            assert measured == pytest.approx(gradient[at], rel=0, abs=limit), (name, at)
