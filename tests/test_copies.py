"""Copies and pickles: training on with one gives the bits of training on with the original."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from networks import make_labelled
from oracle import same_bits
from test_checkpoint import DATA, OTHER, KeptSGD
from test_optim import PythonSGD

from rnn_rust import (
    GRU,
    LSTM,
    RNN,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    MinMaxScaler,
    RMSprop,
    _core,
    load,
)
from rnn_rust.learning.schedules import CosineDecay, ReduceOnPlateau
from rnn_rust.model.network import Network

WAYS: dict[str, Callable[[Network], Network]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "old pickle": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
}


class StatefulSchedule:
    """A function of the epoch that can be copied and compared."""

    def __call__(self, epoch: int) -> float:
        return 0.3 / (epoch + 1)


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "SGD": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "RMSprop": lambda: RMSprop(0.01, momentum=0.5, centered=True),
    "Adagrad": lambda: Adagrad(0.1, lr_decay=0.1, initial_accumulator_value=0.2),
    "Adam": lambda: Adam(0.03),
    "AdamW, cosine": lambda: AdamW(CosineDecay(0.1, 20, 3)),
    "function": lambda: Adam(StatefulSchedule()),
    "plateau": lambda: Adam(ReduceOnPlateau(0.2, "validation_loss", factor=0.5, patience=1)),
    "Python": lambda: PythonSGD(0.05, momentum=0.9),
    "Python, kept": lambda: KeptSGD(0.05, momentum=0.9),
}


def train_on(model: Network) -> list[float]:
    """Train in both ways; return every loss."""
    losses = model.fit(DATA, epochs=5, batch_size=2, validation=OTHER, progress=False).loss
    return [*losses, model.update(DATA), model.update(OTHER)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_a_copy_is_trained_on_as_the_original(
    kind: type[Network], optimizer: str, way: str
) -> None:
    model = kind(
        2, 4, 2, num_layers=2, dropout=0.3, recurrent_dropout=0.2, scaler="standard", seed=7,
        optimizer=OPTIMIZERS[optimizer](), n_threads=1, clip_norm=1.0,
    )  # fmt: skip
    fresh = WAYS[way](model)
    train_on(model)
    # The copy of a model without training, and that of one amid it.
    copied = WAYS[way](model)
    expected = train_on(model)
    assert train_on(copied) == expected
    assert same_bits(copied, model)
    assert (fresh.n_threads, copied.n_threads) == (1, 1)
    train_on(fresh)
    assert train_on(fresh) == expected
    assert same_bits(fresh, model)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_shares_nothing(way: str) -> None:
    model = RNN(2, 4, 2, optimizer=PythonSGD(0.05, momentum=0.9), scaler="minmax", n_threads=2)
    model.fit(DATA, epochs=2, progress=False)
    copied, weights = WAYS[way](model), model.state_dict()
    train_on(copied)
    copied.n_threads = 1
    copied.threshold = 0.25
    assert all((weights[name] == array).all() for name, array in model.state_dict().items())
    assert (model.n_threads, model.threshold, model.epochs_trained) == (2, None, 2)
    assert model.optimizer_state.updates == 0
    again = RNN(2, 4, 2, optimizer=PythonSGD(0.05, momentum=0.9), scaler="minmax")
    again.fit(DATA, epochs=2, progress=False)
    assert train_on(model) == train_on(again)


class Noted(GRU):
    """A user's class, whose arguments are its own."""

    def __init__(self, note: str) -> None:
        super().__init__(2, 3, 1, loss="binary_cross_entropy", class_weight="balanced")
        self.note = note


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_has_the_class_and_every_attribute(way: str) -> None:
    model = Noted("ours")
    data = make_labelled([4, 3, 5], "binary_cross_entropy", (2, 1), seed=2)
    model.fit(data, epochs=2, progress=False)
    model.threshold = 0.3
    copied = WAYS[way](model)
    assert type(copied) is Noted
    assert (copied.note, copied.threshold, copied.epochs_trained) == ("ours", 0.3, 2)
    assert model.class_table is not None
    assert copied.class_table is not None
    assert copied.class_table.tobytes() == model.class_table.tobytes()
    assert copied.settings == model.settings
    assert copied.predict(data).tobytes() == model.predict(data).tobytes()


def test_a_list_of_copies_keeps_what_is_shared() -> None:
    scaler = MinMaxScaler().fit(DATA)
    model = RNN(2, 3, 2, scaler=scaler)
    one, other = copy.deepcopy([model, model])
    assert one is other
    assert one is not model


def test_weights_that_are_loaded_next_are_not_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of large orthogonal matrices take seconds."""
    model = LSTM(2, 3, 1, init="orthogonal")
    model.save(tmp_path / "model.rnn")
    pickled, stepper = pickle.dumps(model), pickle.dumps(model.stepper())
    drawn, core = [], _core.Network

    def made(settings: Any, *, zeros: bool = False) -> _core.Network:
        drawn.append(not zeros)
        return core(settings, zeros=zeros)

    monkeypatch.setattr(_core, "Network", made)
    others = [load(tmp_path / "model.rnn"), copy.deepcopy(model), pickle.loads(pickled)]
    pickle.loads(stepper)
    assert drawn == [False] * 4
    assert all(same_bits(model, other) for other in others)
    LSTM(2, 3, 1)
    assert drawn.pop()


def test_a_network_made_while_another_is_loaded_has_weights() -> None:
    """As by a signal handler."""
    model = RNN(2, 3, 1, seed=0)
    made: list[RNN] = []

    class Making(RNN):
        def _new_core(self) -> _core.Network:
            made.append(RNN(2, 3, 1, seed=0))
            return super()._new_core()

    copied = copy.deepcopy(Making(2, 3, 1, seed=0))
    assert len(made) == 2
    assert all(same_bits(model, other) for other in [*made, copied])
