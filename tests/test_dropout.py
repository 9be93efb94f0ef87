"""Dropout: what falls out and when, that it follows from the seed, and trainings that go on."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import CELLS
from oracle import Array, assert_all_close, make_data, make_learnable, refused, same_bits
from test_custom_loss import SquaredError

from rnn_rust import GRU, LSTM, RNN, SGD, AdamW, Checkpoint, EarlyStopping
from rnn_rust.errors import ParameterError
from rnn_rust.learning.history import Record
from rnn_rust.learning.schedules import CosineDecay
from rnn_rust.model.network import Network

FEW, MANY = make_data([5], 2, 2), make_data([4, 1, 6, 2, 3, 5, 2] * 3, 2, 2)
BOTH: dict[str, Any] = {"num_layers": 2, "dropout": 0.4, "recurrent_dropout": 0.3}
DATA = pytest.mark.parametrize("data", [FEW, MANY], ids=["few", "many"])
CELL = pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "GRU reset before", "LSTM"])


def make_model(cell: str, **options: Any) -> Network:
    kind, own = CELLS[cell]
    return kind(2, 6, 2, **{"dtype": "float64", "seed": 3} | own | options)


@CELL
@DATA
def test_nothing_falls_out_of_a_prediction(cell: str, data: Any) -> None:
    model, plain = make_model(cell, **BOTH), make_model(cell, num_layers=2)
    np.testing.assert_array_equal(model.predict(data), plain.predict(data))
    np.testing.assert_array_equal(model.hidden_states(data), plain.hidden_states(data))
    assert model.loss(data) == plain.loss(data)
    assert_all_close(model.gradients(data)[1], plain.gradients(data)[1], 1e-15)
    assert plain.loss(data, dropout_seed=1) == plain.loss(data)
    stepper = model.stepper()
    outputs = [stepper.step(row) for row in data[0].features]
    np.testing.assert_array_equal(outputs, plain.predict(data[0]))


@CELL
@DATA
@pytest.mark.parametrize("one", ["dropout", "recurrent_dropout"])
def test_what_falls_out_follows_from_the_seed(cell: str, data: Any, one: str) -> None:
    model = make_model(cell, num_layers=2, **{one: 0.5})
    losses = {seed: model.loss(data, dropout_seed=seed) for seed in range(8)}
    assert len(set(losses.values())) > 4
    for seed, loss in losses.items():
        again, gradients = model.gradients(data, dropout_seed=seed)
        assert (
            again
            == loss
            == make_model(cell, num_layers=2, **{one: 0.5}).loss(data, dropout_seed=seed)
        )
        assert all(np.isfinite(g).all() for g in gradients.values())
    assert model.loss(data, dropout_seed=2**63 - 1) not in losses.values()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, 2**63])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    model = GRU(2, 3, 2, recurrent_dropout=0.1)
    for call in (model.loss, model.gradients):
        refused(lambda call=call: call(FEW, dropout_seed=seed), ParameterError, "dropout_seed")


def test_on_average_inputs_of_a_linear_layer_are_whole() -> None:
    """Of a linear network the mean output is that without dropout: E[mask] = 1."""
    model = make_model("RNN identity", num_layers=2, dropout=0.4, loss=Output())
    seeds = range(4000)
    outputs = np.stack([outputs_of(model, seed) for seed in seeds])
    expected = model.predict(MANY)
    error = outputs.std(axis=0) / np.sqrt(len(seeds))
    assert (np.abs(outputs.mean(axis=0) - expected) < 5 * error + 1e-12).all()
    assert (error > 0).any()


def test_the_mean_gradient_points_where_the_gradient_does() -> None:
    model = make_model("LSTM", num_layers=2, dropout=0.1, recurrent_dropout=0.1)
    plain = flat(model.gradients(MANY)[1])
    mean = np.mean([flat(model.gradients(MANY, dropout_seed=s)[1]) for s in range(300)], axis=0)
    cosine = plain @ mean / np.linalg.norm(plain) / np.linalg.norm(mean)
    assert cosine > 0.95
    assert 0.7 < np.linalg.norm(mean) / np.linalg.norm(plain) < 1.3


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.999, 0.99999])
def test_as_much_falls_out_as_was_asked_for(rate: float) -> None:
    """A state of 1 in each unit below, read as it is: each output is its mask's number."""
    model = RNN(
        1, 50, 50, num_layers=2, activation="identity", dropout=rate, loss=Output(),
        dtype="float64",
    )  # fmt: skip
    state = {name: np.zeros_like(array) for name, array in model.state_dict().items()}
    state["bias_l0"][:] = 1
    state["weight_ih_l1"][:] = state["head.weight"][:] = np.eye(50)
    data = make_data([40, 1] * (20 if rate < 0.99 else 400), 1, 50)
    model.load_state_dict(state)
    masks = outputs_of(model, 7, data)
    # Draws have 16 bits; the factor makes up for what they drop, not for what was asked for.
    drawn = Fraction(round(rate * 65536), 65536)
    assert set(np.unique(masks)) == {0.0, float(1 / (1 - drawn))}
    spread = np.sqrt(rate * (1 - rate) / masks.size)
    assert np.mean(masks == 0) == pytest.approx(float(drawn), abs=5 * spread)
    assert masks.mean() == pytest.approx(1, abs=5 * spread / (1 - rate))
    if rate > 0.99:
        return
    # Every step, unit and sequence has a draw of its own.
    centred = ((masks == 0) - rate) / np.sqrt(rate * (1 - rate))
    for draws in (centred, centred.T):
        products = draws @ draws.T / draws.shape[1]
        np.fill_diagonal(products, 0)
        assert np.abs(products).max() < 9 / np.sqrt(draws.shape[1])


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("rate", [-0.1, 1 - 2**-17, 1.0, float("nan"), True, "0.5"])
def test_a_probability_that_would_drop_everything_is_refused(name: str, rate: Any) -> None:
    refused(lambda: GRU(2, 3, 2, num_layers=2, **{name: rate}), ParameterError, "65536")


def test_a_sequence_has_one_recurrent_mask() -> None:
    """States count the steps in units that are kept, and are 1 in all others."""
    model = RNN(
        1, 30, 30, activation="identity", recurrent_dropout=0.5, loss=Output(), dtype="float64"
    )
    state = {name: np.zeros_like(array) for name, array in model.state_dict().items()}
    state["bias_l0"][:] = 1
    state["weight_hh_l0"][:] = np.eye(30) / 2  # times 1 / (1 - 0.5)
    state["head.weight"][:] = np.eye(30)
    model.load_state_dict(state)
    data = make_data([9] * 12, 1, 30)
    kept = []
    for rows in np.split(outputs_of(model, 1, data), 12):
        kept.append(rows[-1] > 1)
        np.testing.assert_allclose(rows, np.where(kept[-1], np.arange(1, 10)[:, None], 1))
    assert len({mask.tobytes() for mask in kept}) == 12
    assert 0.35 < np.mean(kept) < 0.65


class Output:
    """A loss that takes note of the outputs."""

    seen: Array

    def value_and_gradient(self, predictions: Array, labels: Array) -> tuple[float, Array]:
        self.seen = predictions.copy()
        return 0.0, np.zeros_like(predictions)


def outputs_of(model: Network, seed: int, data: Any = MANY) -> Array:
    """Return the outputs of a pass with dropout."""
    model.loss(data, dropout_seed=seed)
    return np.asarray(model.settings["loss"].seen)


def flat(gradients: dict[str, Array]) -> Array:
    return np.concatenate([g.ravel() for g in gradients.values()])


# Training ------------------------------------------------------------------------------------


@CELL
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(cell: str, dtype: str) -> None:
    data = make_data([9, 4, 12, 2] * 30, 2, 2)
    models = [make_model(cell, dtype=dtype, n_threads=n, **BOTH) for n in (1, 2, 8)]
    for model in models:
        model.fit(data, epochs=2, batch_size=60, progress=False)
    for model in models[1:]:
        assert same_bits(model, models[0])
        one, other = (m.gradients(data, dropout_seed=5)[1] for m in (model, models[0]))
        assert_all_close(one, other, 0.0)


@CELL
@pytest.mark.parametrize("batch_size", [1, 7])
def test_training_follows_from_the_seed(cell: str, batch_size: int) -> None:
    options: dict[str, Any] = {"epochs": 3, "batch_size": batch_size, "progress": False}
    models = [make_model(cell, **BOTH | {"seed": seed}) for seed in (3, 3, 4)]
    models[2].load_state_dict(models[0].state_dict())
    plain = make_model(cell, num_layers=2)
    for model in (*models, plain):
        model.fit(MANY, shuffle=False, **options)
    assert same_bits(models[0], models[1])
    assert not same_bits(models[0], models[2])
    assert not same_bits(models[0], plain)


def test_each_epoch_drops_anew() -> None:
    model = make_model("GRU", optimizer=SGD(0.0), **BOTH)
    losses = model.fit(MANY, epochs=20, batch_size=100, shuffle=False, progress=False).loss
    assert len(set(losses)) == 20
    again = make_model("GRU", optimizer=SGD(0.0), **BOTH)
    parts = [
        again.fit(MANY, epochs=n, batch_size=100, shuffle=False, progress=False) for n in (7, 13)
    ]
    assert [*parts[0].loss, *parts[1].loss] == losses


def test_a_loss_in_python_trains_with_dropout() -> None:
    models = [make_model("LSTM", loss=SquaredError(), **BOTH) for _ in range(2)]
    for model in models:
        losses = model.fit(MANY, epochs=20, batch_size=7, progress=False).loss
    assert same_bits(*models)
    assert losses[-1] < losses[0]


# Going on ------------------------------------------------------------------------------------

LEARNABLE, OTHER = make_learnable([4, 1, 6, 2, 3, 5, 2] * 2, seed=1), make_learnable([3, 5], seed=5)
KINDS = {"GRU": GRU, "LSTM": LSTM, "RNN": RNN}


def make_trainee(kind: str, **options: Any) -> Network:
    return KINDS[kind](
        2, 4, 2, clip_norm=1.0, scaler="minmax",
        **{"optimizer": AdamW(CosineDecay(0.05, 12, 2))} | BOTH | options,
    )  # fmt: skip


def fit(model: Network, *callbacks: Any, **options: Any) -> Any:
    defaults: dict[str, Any] = {"epochs": 12, "batch_size": 3, "progress": False}
    return model.fit(LEARNABLE, callbacks=callbacks, validation=OTHER, **defaults | options)


class BrokenOffError(Exception):
    """In place of the process's death."""


def broken_off(epoch: int) -> Any:
    def end(record: Record) -> None:
        if record["epoch"] == epoch:
            raise BrokenOffError

    return end


@pytest.mark.parametrize("options", [{}, {"bptt_steps": 2}, {"readout": "last"}], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_a_continued_training_ends_with_the_same_bits(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    whole, path = make_trainee(kind, **options), tmp_path / "training"
    expected = fit(whole)
    for epoch in (3, 8):
        with pytest.raises(BrokenOffError):
            fit(make_trainee(kind, **options), Checkpoint(path), broken_off(epoch), resume=path)
    model = make_trainee(kind, **options)
    history = fit(model, Checkpoint(path), resume=path)
    assert history.loss == expected.loss
    assert same_bits(model, whole)
    assert model.predict(LEARNABLE).tobytes() == whole.predict(LEARNABLE).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_weights_come_back_to_the_bit(kind: str) -> None:
    stopping = EarlyStopping(patience=3)
    model, best = (make_trainee(kind, optimizer=AdamW(0.2)) for _ in range(2))
    history = fit(model, stopping, epochs=60)
    assert stopping.best_epoch is not None
    assert 0 < stopping.best_epoch < len(history) < 60
    fit(best, epochs=stopping.best_epoch)
    assert same_bits(model, best)
    assert model.loss(OTHER) == history.best["validation_loss"]


@CELL
@pytest.mark.parametrize("one", ["dropout", "recurrent_dropout"])
def test_every_update_drops_other_numbers(cell: str, one: str) -> None:
    first, second = (
        make_model(cell, num_layers=2, optimizer=SGD(0.0), **{one: 0.5}) for _ in range(2)
    )
    losses = [first.update(FEW) for _ in range(6)]
    assert len(set(losses)) > 3
    assert losses == [second.update(FEW) for _ in range(6)]
