"""PyTorch's numbers: outputs, losses and gradients of every cell, and steps of every optimiser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import Array, assert_close, taken

from rnn_rust import GRU, LSTM, RNN, SGD, Adagrad, Adam, AdamW, Dataset, RMSprop
from rnn_rust.learning.optimizers import Optimizer
from rnn_rust.model.network import Network

GOLDEN = Path(__file__).parent / "golden"
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(0.1),
    "sgd_momentum": SGD(0.05, momentum=0.9),
    "sgd_nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "sgd_decay": SGD(0.1, weight_decay=0.01),
    "adam": Adam(0.01),
    "adamw": AdamW(0.01, weight_decay=0.05),
    "rmsprop": RMSprop(0.01),
    "adagrad": Adagrad(0.05),
}
CASES = sorted(path.stem for path in GOLDEN.glob("*.npz") if not path.stem.startswith("optim-"))
LOSSES = {"bce": "binary_cross_entropy", "ce": "cross_entropy"}
PRECISIONS = [("float64", 1e-10), ("float32", 1e-4)]


def golden(name: str) -> tuple[dict[str, Any], Dataset, dict[str, Array]]:
    """Return the numbers of a file of PyTorch's, their data set and the weights they began with."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        numbers = dict(file)
    weights = {key[2:]: value for key, value in numbers.items() if key.startswith("w.")}
    weights.setdefault("bias_hh_l0", np.zeros_like(weights["bias_ih_l0"]))
    return numbers, Dataset.from_arrays(*(numbers[k] for k in ("X", "Y", "offsets"))), weights


def make_model(numbers: dict[str, Any], dtype: str) -> Network:
    """Return a network as the numbers describe it, with fresh weights."""
    about = json.loads(str(numbers["meta"]))
    kind, loss = about["kind"], about["loss"]
    cells: dict[str, type[Network]] = {"gru": GRU, "lstm": LSTM}
    own = {} if kind in cells else {"activation": kind}
    return cells.get(kind, RNN)(
        about["input_size"], about["hidden_size"], about["output_size"],
        num_layers=about["num_layers"], bidirectional=about["bidirectional"],
        loss=LOSSES.get(loss, loss), dtype=dtype, **own,
    )  # fmt: skip


def activated(outputs: Array, loss: str) -> Array:
    """Return what ``predict`` gives where PyTorch has ``outputs``."""
    if loss == "binary_cross_entropy":
        return 1 / (1 + np.exp(-outputs))
    if loss == "cross_entropy":
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return outputs


def expected_gradient(name: str, numbers: dict[str, Any], hidden: int) -> Array:
    """Return PyTorch's gradient of one of our tensors."""
    if name.startswith("bias_hn"):
        return np.asarray(numbers["g." + name.replace("bias_hn", "bias_hh")][-hidden:])
    return np.asarray(numbers["g." + name.replace("bias_l", "bias_ih_l")])


def test_there_are_cases_of_every_kind() -> None:
    kinds = {case.split("-")[0] for case in CASES}
    assert kinds == {"tanh", "relu", "sigmoid", "gru", "lstm"}
    assert len(CASES) == 24
    assert {path.stem for path in GOLDEN.glob("optim-*.npz")} == {f"optim-{o}" for o in OPTIMIZERS}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_outputs_loss_and_gradients(case: str, dtype: str, tolerance: float) -> None:
    numbers, data, weights = golden(case)
    model = make_model(numbers, dtype).load_state_dict(weights)
    loss, gradients = model.gradients(data)
    assert_close(model.predict(data), activated(numbers["outputs"], model.loss_name), tolerance)
    assert_close(loss, numbers["loss"], tolerance)
    assert model.loss(data) == loss
    assert gradients.keys() == model.state_dict().keys()
    for name, gradient in gradients.items():
        expected = expected_gradient(name, numbers, model.settings["hidden_size"])
        assert_close(gradient, expected, tolerance)


@pytest.mark.parametrize("case", CASES)
def test_a_tile_of_copies_has_the_same_gradient(case: str) -> None:
    """Many sequences at once are computed in another layout than few."""
    numbers, data, weights = golden(case)
    model = make_model(numbers, "float64").load_state_dict(weights)
    copies = taken(data, [*range(len(data))] * 5)
    loss, gradients = model.gradients(copies)
    assert_close(loss, numbers["loss"], 1e-10)
    for name, gradient in gradients.items():
        expected = expected_gradient(name, numbers, model.settings["hidden_size"])
        assert_close(gradient, expected, 1e-10)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
def test_25_steps(name: str, dtype: str, tolerance: float) -> None:
    numbers, data, weights = golden(f"optim-{name}")
    options: dict[str, Any] = {"dtype": dtype, "optimizer": OPTIMIZERS[name]}
    stepwise, fitted = (RNN(3, 6, 1, **options).load_state_dict(weights) for _ in range(2))
    order = [key.replace("bias_ih_l0", "bias_l0") for key in json.loads(str(numbers["order"]))]
    for loss, expected in zip(numbers["losses"], numbers["trajectory"], strict=True):
        assert_close(stepwise.update(data), loss, tolerance)
        state = stepwise.state_dict()
        assert_close(np.concatenate([state[key].ravel() for key in order]), expected, tolerance)
    history = fitted.fit(data, epochs=25, batch_size=len(data), shuffle=False, progress=False)
    assert_close(history.loss, numbers["losses"], tolerance)
    state = fitted.state_dict()
    assert_close(np.concatenate([state[key].ravel() for key in order]), expected, tolerance)
