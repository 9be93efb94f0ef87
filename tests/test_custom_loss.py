"""Losses in Python: the steps of a built-in one, called once per batch, and their mistakes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import ARCHITECTURES, CELLS, make_labelled
from oracle import (
    Array,
    assert_all_close,
    assert_close,
    make_data,
    misaligned,
    refused,
    same_bits,
)
from test_optim import PythonSGD

import rnn_rust
from rnn_rust import GRU, RNN, SGD, Adam, Checkpoint
from rnn_rust.errors import DataError, DivergedError, ParameterError, ShapeError
from rnn_rust.model.network import Network

DATA = make_labelled([4, 1, 6, 2, 3, 5, 2], missing=0.3, seed=4)
WHOLE = make_labelled([4, 1, 6, 2, 3, 5, 2], seed=4)


class SquaredError:
    """What "mse" is, in Python."""

    def __init__(self) -> None:
        self.calls: list[tuple[Array, Array]] = []

    def value_and_gradient(self, predictions: Array, labels: Array) -> tuple[float, Array]:
        self.calls.append((predictions, labels))
        known = ~np.isnan(labels)
        error = np.where(known, predictions - labels, 0)
        count = max(int(known.sum()), 1)
        return float((error**2).sum() / count), 2 * error / count


class Calls:
    """A loss that is a function, which also gets the number of the call, from 1."""

    def __init__(self, answer: Callable[[Array, int], Any]) -> None:
        self.answer, self.count = answer, 0

    def value_and_gradient(self, predictions: Array, labels: Array) -> Any:
        self.count += 1
        return self.answer(predictions, self.count)


def make_model(loss: Any = "mse", kind: type[Network] = GRU, **options: Any) -> Any:
    defaults: dict[str, Any] = {"dtype": "float64", "optimizer": SGD(0.1), "seed": 3}
    return kind(2, 4, 2, loss=loss, **defaults | options)


def fit(model: Network, data: Any = WHOLE, **options: Any) -> Any:
    return model.fit(data, **{"epochs": 4, "batch_size": 3, "progress": False} | options)


# The same as a loss of the engine ------------------------------------------------------------


@pytest.mark.parametrize("readout", ["each_step", "last", "mean"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=repr)
@pytest.mark.parametrize("cell", ["RNN tanh", "RNN silu", "GRU", "GRU reset before", "LSTM"])
def test_squared_error_in_python(cell: str, architecture: dict[str, Any], readout: str) -> None:
    kind, own = CELLS[cell]
    options: dict[str, Any] = {"kind": kind, "readout": readout, **own, **architecture}
    options["output_activation"] = "softsign"
    ours, theirs = make_model(SquaredError(), **options), make_model(**options)
    assert_close(ours.loss(DATA), theirs.loss(DATA), 1e-14)
    assert_all_close(ours.gradients(DATA)[1], theirs.gradients(DATA)[1], 1e-14)
    for model in (ours, theirs):
        fit(model, DATA, batch_size=3)
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-13)


@pytest.mark.parametrize("readout", ["each_step", "last", "mean"])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_record_is_that_of_the_loss_in_the_engine(readout: str, batch_size: int) -> None:
    options: dict[str, Any] = {"readout": readout, "optimizer": Adam(0.02), "clip_norm": 0.5}
    ours, theirs = make_model(SquaredError(), **options), make_model(**options)
    found = fit(ours, batch_size=batch_size, validation=DATA)
    expected = fit(theirs, batch_size=batch_size, validation=DATA)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-12)
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-12)
    assert ours.epochs_trained == 4


def test_loss_and_optimiser_in_python() -> None:
    ours = make_model(SquaredError(), optimizer=PythonSGD(0.1))
    theirs = make_model()
    for model in (ours, theirs):
        fit(model, DATA)
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-13)


def test_scaled_labels_are_what_it_sees() -> None:
    loss = SquaredError()
    ours, theirs = make_model(loss, scaler="minmax"), make_model(scaler="minmax")
    for model in (ours, theirs):
        fit(model)
    assert all((labels >= 0).all() and (labels <= 1).all() for _, labels in loss.calls)
    assert_close(ours.predict(WHOLE), theirs.predict(WHOLE), 1e-12)


# How it is called ----------------------------------------------------------------------------


@pytest.mark.parametrize(("readout", "rows"), [("each_step", 23), ("last", 7), ("mean", 7)])
def test_one_call_per_batch_with_all_of_its_rows(readout: str, rows: int) -> None:
    loss = SquaredError()
    model = make_model(loss, readout=readout, dtype="float32")
    fit(model, DATA, epochs=2, batch_size=3, shuffle=False)
    assert len(loss.calls) == 2 * 3
    for epoch in (loss.calls[:3], loss.calls[3:]):
        predictions, labels = (np.concatenate(arrays) for arrays in zip(*epoch, strict=True))
        assert predictions.shape == labels.shape == (rows, 2)
        assert predictions.dtype == labels.dtype == np.float32
        if readout == "each_step":
            np.testing.assert_array_equal(labels, DATA.labels.astype(np.float32))
    for call in (model.loss, model.gradients, model.update):
        loss.calls.clear()
        call(DATA)
        assert [predictions.shape for predictions, _ in loss.calls] == [(rows, 2)]


def test_the_order_of_epochs_is_that_of_a_loss_in_the_engine() -> None:
    first = [SquaredError(), SquaredError()]
    for loss, seed in zip(first, (3, 4), strict=True):
        fit(make_model(loss, seed=seed), epochs=1)
    labels = [np.concatenate([y for _, y in loss.calls]) for loss in first]
    assert (labels[0] != labels[1]).any()
    np.testing.assert_array_equal(*(np.sort(y, axis=0) for y in labels))


def test_labels_may_be_overwritten() -> None:
    def overwrite(predictions: Array, labels: Array) -> tuple[float, Array]:
        error = predictions - labels
        predictions[:], labels[:] = 0, 0
        return float((error**2).mean()), 2 * error / error.size

    loss: Any = type("Rude", (), {"value_and_gradient": staticmethod(overwrite)})()
    before = WHOLE.labels.copy()
    ours, theirs = make_model(loss), make_model()
    for model in (ours, theirs):
        fit(model)
    np.testing.assert_array_equal(WHOLE.labels, before)
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-13)


@pytest.mark.parametrize("gradient", ["list", "float32", "fortran", "strided", "misaligned"])
def test_a_gradient_in_any_form(gradient: str) -> None:
    forms: dict[str, Callable[[Array], Any]] = {
        "list": lambda g: g.tolist(), "float32": lambda g: g.astype(np.float32),
        "fortran": np.asfortranarray, "strided": lambda g: np.repeat(g, 2, axis=1)[:, ::2],
        "misaligned": misaligned,
    }  # fmt: skip
    exact = make_model(Calls(lambda y, _: (1.0, 0.25 * np.sign(y))))
    model = make_model(Calls(lambda y, _: (np.float32(1), forms[gradient](0.25 * np.sign(y)))))
    for one in (exact, model):
        fit(one)
    assert same_bits(model, exact)


# Mistakes ------------------------------------------------------------------------------------


def after(finished: int) -> Network:
    """Return a model after so many updates of a loss whose gradient is 1/4 everywhere."""
    model: Network = make_model(Calls(lambda y, _: (1.0, np.full_like(y, 0.25))))
    if finished:
        fit(model, WHOLE.subset(range(finished)), epochs=1, batch_size=1, shuffle=False)
    return model


def failing(answer: Callable[[Array], Any]) -> Any:
    """Return a model whose loss is that of ``after`` but for its third answer."""

    def answers(y: Array, call: int) -> Any:
        return answer(y) if call == 3 else (1.0, np.full_like(y, 0.25))

    return make_model(Calls(answers))


ONLINE: dict[str, Any] = {"batch_size": 1, "shuffle": False}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda y: 1.0, DataError, ["Calls", "(value, gradient)", "float"]),
        (lambda y: None, DataError, ["Calls", "NoneType"]),
        (lambda y: (1.0, y, y), DataError, ["(value, gradient)"]),
        (lambda y: ("a", y), DataError, ["Calls", "'a'"]),
        (lambda y: (np.ones(2), y), ShapeError, ["Calls", "the value", "one number", "(2,)"]),
        (lambda y: (1.0, "no"), DataError, ["Calls", "'no'"]),
        (lambda y: (1.0, None), DataError, ["Calls", "gradient", "object"]),
        (lambda y: (1.0, y[:, :1]), ShapeError, ["Calls", "(6, 2)", "(6, 1)"]),
        (lambda y: (1.0, y.ravel()), ShapeError, ["(6, 2)", "(12,)"]),
        (lambda y: (1.0, 0.5), ShapeError, ["(6, 2)"]),
    ],
)
def test_an_answer_that_is_none_leaves_the_last_update(
    answer: Callable[[Array], Any], error: Any, words: list[str]
) -> None:
    model = failing(answer)
    refused(lambda: fit(model, **ONLINE), error, *words)
    assert same_bits(model, after(2))
    assert model.epochs_trained == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["loss", "gradient", "one number of it"])
def test_an_answer_that_is_not_finite_is_divergence(part: str, value: float) -> None:
    """The update before led there, and is taken back."""

    def answer(y: Array) -> tuple[float, Array]:
        gradient = np.full_like(y, value if part == "gradient" else 0)
        gradient[-1, -1] = value
        return value if part == "loss" else 1.0, gradient

    model = failing(answer)
    with pytest.raises(DivergedError, match="epoch 1, batch 3"):
        fit(model, **ONLINE)
    assert same_bits(model, after(1))


def test_what_it_raises_passes_through_unchanged() -> None:
    raised = LookupError("mine")

    def fail(y: Array) -> Any:
        raise raised

    model = failing(fail)
    with pytest.raises(LookupError) as caught:
        fit(model, **ONLINE)
    assert caught.value is raised
    assert same_bits(model, after(2))
    for call in ("loss", "gradients", "update"):
        model = failing(fail)
        model.settings["loss"].count = 2
        with pytest.raises(LookupError) as caught:
            getattr(model, call)(WHOLE)
        assert caught.value is raised
        assert same_bits(model, make_model())


def test_ctrl_c_in_a_loss_ends_training_at_the_last_update() -> None:
    def interrupt(y: Array) -> Any:
        raise KeyboardInterrupt

    model = failing(interrupt)
    assert fit(model, **ONLINE).interrupted
    assert same_bits(model, after(2))


def test_a_model_goes_on_after_a_mistake() -> None:
    model = failing(lambda y: None)
    refused(lambda: fit(model, **ONLINE), DataError, "Calls")
    assert len(fit(model)) == 4


def test_weights_need_a_loss_that_is_told_of_them() -> None:
    data = make_labelled([4, 3], weighted=True)
    refused(lambda: make_model(SquaredError()).loss(data), ParameterError, "weights", "Python")


# Files ---------------------------------------------------------------------------------------


def test_copies_have_the_loss_and_files_have_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(SquaredError(), kind=RNN)
    fit(model)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert isinstance(copied.settings["loss"], SquaredError)
        assert copied.loss(DATA) == model.loss(DATA)
        assert same_bits(copied, model)
    model.save(tmp_path / "model")
    assert "'mse'" in caplog.text
    loaded = rnn_rust.load(tmp_path / "model")
    assert loaded.settings["loss"] == "mse"
    assert loaded.predict(DATA).tobytes() == model.predict(DATA).tobytes()


def test_a_checkpoint_goes_on_with_the_loss_of_the_model(tmp_path: Path) -> None:
    path, whole, model = tmp_path / "training", *(make_model(SquaredError()) for _ in range(2))
    fit(whole, epochs=6)
    fit(make_model(SquaredError()), epochs=4, callbacks=[Checkpoint(path)])
    fit(model, epochs=6, resume=path)
    assert same_bits(model, whole)


def test_a_change_from_within_the_training_is_refused() -> None:
    """It would wait for the training, which waits for it."""

    class MeddlingError(SquaredError):
        def value_and_gradient(self, predictions: Any, labels: Any) -> tuple[float, Any]:
            model.load_state_dict(model.state_dict())
            return super().value_and_gradient(predictions, labels)

    data = make_data([3, 2], 2, 1)
    model = RNN(2, 3, 1, loss=MeddlingError())
    with pytest.raises(ParameterError, match="within its own training"):
        model.fit(data, epochs=1, progress=False)
    model.load_state_dict(model.state_dict())
