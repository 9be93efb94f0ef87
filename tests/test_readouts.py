"""What outputs are of: every step, or a sequence's last or mean state; and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_code import Driver
from networks import BINARY, CELLS, LOSSES, READOUTS, make_labelled
from onnx_runs import run
from oracle import assert_close, same_bits

from rnn_rust import GRU, LSTM, RNN, Dataset

LENGTHS = [4, 1, 6, 2, 3, 5, 2] * 3
DATA = make_labelled(LENGTHS)


def head(model: Any, states: Any) -> Any:
    weights = model.state_dict()
    return states @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_what_a_readout_makes_of_the_states(cell: str, bidirectional: bool) -> None:
    kind, own = CELLS[cell]
    options: dict[str, Any] = {"bidirectional": bidirectional, "dtype": "float64", **own}
    models = {r: kind(2, 5, 2, num_layers=2, readout=r, **options) for r in READOUTS}
    states = models["each_step"].hidden_states(DATA)
    parts = np.split(states, DATA.offsets[1:-1])
    # The other direction's final state is that at the first step.
    last = [np.concatenate([part[-1, :5], part[0, 5:]]) for part in parts]
    expected = {
        "each_step": states,
        "last": np.stack(last),
        "mean": np.stack([part.mean(axis=0) for part in parts]),
    }
    for readout, model in models.items():
        np.testing.assert_array_equal(model.hidden_states(DATA), states)
        assert_close(model.predict(DATA), head(model, expected[readout]), 1e-14)
        alone = [model.predict(sequence) for sequence in DATA]
        assert_close(np.concatenate(alone), model.predict(DATA), 1e-14)


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_label_is_that_of_the_last_labelled_row(readout: str, loss: Any) -> None:
    data = make_labelled(LENGTHS, loss, (2, 3), missing=0.6, seed=2)
    labels, moved = data.labels, np.full_like(data.labels, np.nan)
    for start, end in zip(data.offsets, data.offsets[1:], strict=False):
        rows = [row for row in range(start, end) if not np.isnan(labels[row]).all()]
        if rows:
            moved[start] = labels[rows[-1]]  # where in the sequence does not matter
    alone = data.with_values(data.features, moved)
    one, other = (GRU(2, 4, 3, loss=loss, readout=readout, dtype="float64") for _ in range(2))
    assert one.loss(data) == other.loss(alone)
    one.fit(data, epochs=2, batch_size=4, progress=False)
    other.fit(alone, epochs=2, batch_size=4, progress=False)
    assert same_bits(one, other)


def test_a_last_output_learns_nothing_from_other_steps() -> None:
    """With one label at the end of each sequence, each step and the last are the same."""
    labels = np.full((len(DATA.labels), 2), np.nan)
    labels[DATA.offsets[1:] - 1] = 1
    data = DATA.with_values(DATA.features, labels)
    one, other = (LSTM(2, 4, 2, readout=r, dtype="float64") for r in ("last", "each_step"))
    (loss, gradients), (expected, slopes) = one.gradients(data), other.gradients(data)
    assert_close(loss, expected, 1e-15)
    for name, gradient in gradients.items():
        assert_close(gradient, slopes[name], 1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("loss", [*BINARY, "cross_entropy"], ids=repr)
def test_probabilities(loss: Any, readout: str, dtype: str) -> None:
    data = make_labelled(LENGTHS, loss, (2, 3))
    model = RNN(2, 5, 3, loss=loss, readout=readout, dtype=dtype, scaler="standard")
    plain = RNN(2, 5, 3, readout=readout, dtype=dtype, scaler="standard")
    model.fit(data, epochs=3, progress=False)
    assert model.scaler is not None
    plain.load_state_dict(model.state_dict()).scaler = model.scaler
    found, logits = model.predict(data), plain.predict(data).astype(np.float64)
    rows = len(LENGTHS) if readout != "each_step" else sum(LENGTHS)
    assert (found.shape, found.dtype) == ((rows, 3), np.dtype(dtype))
    assert ((found >= 0) & (found <= 1)).all()
    powers = np.exp(logits)
    tolerance = 1e-14 if dtype == "float64" else 1e-6
    if loss == "cross_entropy":
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=tolerance)
        assert_close(found, powers / powers.sum(axis=1, keepdims=True), tolerance)
    else:
        assert_close(found, powers / (1 + powers), tolerance)


@pytest.mark.parametrize("loss", [*BINARY, "cross_entropy"], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_outputs_have_a_finite_loss_and_gradient(loss: Any, dtype: str) -> None:
    """Losses are computed from what is before the probability, which may be 0 or 1."""
    data = make_labelled(LENGTHS, loss, (2, 3))
    model = RNN(2, 5, 3, loss=loss, dtype=dtype)
    state = model.state_dict()
    state["head.weight"] *= 1e4
    found, gradients = model.load_state_dict(state).gradients(data)
    assert np.isfinite(found)
    assert found > 10
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    predicted = model.predict(data)
    assert np.isfinite(predicted).all()
    assert predicted.max() == 1


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_sequences_are_learnt_and_judged(readout: str) -> None:
    """Which of two sequences has the larger first step, asked for at the end."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5, 2))
    labels = np.full((200, 5, 1), np.nan)
    labels[:, 2] = x[:, 0, :1] > x[:, 0, 1:]
    data = Dataset.from_arrays(x.reshape(-1, 2), labels.reshape(-1, 1), range(0, 1001, 5))
    from rnn_rust import Adam, BinaryClassificationEvaluator

    model = GRU(2, 12, 1, readout=readout, loss="binary_cross_entropy", optimizer=Adam(0.02))
    history = model.fit(data, epochs=60, evaluator=BinaryClassificationEvaluator(), progress=False)
    assert model.predict(data).shape == (200, 1)
    assert history[-1]["accuracy"] > 0.95


# Many classes, many steps ----------------------------------------------------------------------


def of_weights(model: Any, **weights: Any) -> Any:
    """Give a model these weights, of names with ``_`` for a dot, and zeros as all others."""
    state = {name: np.zeros_like(own) for name, own in model.state_dict().items()}
    for name, values in weights.items():
        state[name.replace("head_", "head.")][...] = values
    return model.load_state_dict(state)


def of_classes(classes: int) -> tuple[Any, Any]:
    """Return a model and the probabilities that it answers by, of NumPy in float64."""
    logits = np.float32(np.random.default_rng(0).normal(20, 3, classes))
    logits[classes // 2 :] = 18.8  # always rounded the same way
    exact = np.exp(np.float64(logits))
    model = RNN(1, 1, classes, loss="cross_entropy", scaler=None)
    return of_weights(model, head_bias=logits), exact / exact.sum()


@pytest.mark.parametrize("classes", [3, 3000])
def test_probabilities_add_up_to_one(classes: int) -> None:
    model, exact = of_classes(classes)
    probabilities = model.predict(np.zeros((20, 1), np.float32))
    np.testing.assert_allclose(probabilities, np.tile(exact, (20, 1)), rtol=2e-6)
    assert_close(probabilities.sum(axis=1, dtype=np.float64), np.ones(20), 6e-7)
    label = Dataset.from_arrays(np.zeros((1, 1)), [[1]], [0, 1])
    loss, gradients = model.gradients(label)
    assert loss == pytest.approx(-np.log(exact[1]), rel=3e-7)
    slopes = exact - (np.arange(classes) == 1)
    np.testing.assert_allclose(gradients["head.bias"], slopes, rtol=2e-6)


def of_a_mean() -> tuple[Any, list[Any], Any]:
    """Return a model, sequences and their means, of NumPy in float64."""
    model = RNN(1, 1, 1, readout="mean", activation="identity", scaler=None)
    series = np.full((100_000, 1), 0.3, np.float32)  # always rounded the same way
    series[::7] = 0.1
    data = [series[: len(series) // part] for part in (1, 2, 3)]
    exact = [[own.mean(dtype=np.float64)] for own in data]
    return of_weights(model, weight_ih_l0=1, head_weight=1), data, exact


@pytest.mark.parametrize("copies", [1, 20])
def test_a_mean_over_many_steps_keeps_its_digits(copies: int) -> None:
    """Of sequences that are computed one by one, or side by side."""
    model, data, exact = of_a_mean()
    np.testing.assert_allclose(model.predict(data * copies), exact * copies, rtol=2e-7)


def test_exports_keep_these_digits_too(tmp_path: Path) -> None:
    model, probabilities = of_classes(3000)
    model.to_c(tmp_path)
    (answer,) = Driver(model, tmp_path).outputs(np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(answer, probabilities, rtol=2e-6)
    model, data, exact = of_a_mean()
    model.to_onnx(tmp_path / "mean.onnx")
    answers = run(tmp_path / "mean.onnx", np.concatenate(data), map(len, data))
    np.testing.assert_allclose(answers, exact, rtol=2e-7)
