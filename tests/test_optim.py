"""Optimisers: settings, files, rates by epoch, and optimisers written in Python."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_all_close, make_data, refused, same_bits

import rnn_rust
from rnn_rust import RNN, SGD, Adagrad, Adam, AdamW, RMSprop, schedules
from rnn_rust.errors import DataError, DivergedError, ParameterError, ShapeError
from rnn_rust.learning.optimizers import Optimizer, engine_settings, from_dict, to_dict

DATA = make_data([4, 1, 6, 2, 3, 5, 2], 2, 2, missing=0.3)
OPTIMIZERS = [
    SGD(),
    SGD(0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
    RMSprop(0.1, alpha=0.9, eps=1e-6, weight_decay=0.1, momentum=0.5, centered=True),
    Adagrad(0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.2, eps=1e-7),
    Adam(betas=(0.8, 0.99)),
    AdamW(schedules.CosineDecay(0.1, epochs=9, warmup_epochs=2, final_rate=0.01)),
    SGD(schedules.Constant(0.1)),
    Adam(schedules.StepDecay(0.1, every=3)),
    RMSprop(schedules.ExponentialDecay(0.1, 0.9)),
    Adagrad(schedules.ReduceOnPlateau(0.1, "r2", "max", patience=3)),
]


def make_model(**options: Any) -> RNN:
    defaults: dict[str, Any] = {"dtype": "float64", "optimizer": SGD(0.05), "seed": 3}
    return RNN(2, 4, 2, **defaults | options)


class PythonSGD:
    """What SGD with momentum is, in Python."""

    def __init__(self, rate: float, momentum: float = 0.0) -> None:
        self.rate, self.momentum = rate, momentum
        self.moments: dict[str, Any] = {}

    def update(self, parameters: Any, gradients: Any) -> None:
        for name, gradient in gradients.items():
            moment = self.momentum * self.moments.get(name, 0.0) + gradient
            self.moments[name] = moment
            parameters[name] -= self.rate * moment


# Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adagrad, Adam, AdamW])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("learning_rate", value) for value in (-0.1, np.nan, np.inf, "0.1", None, True, SGD)),
        *(("weight_decay", value) for value in (-1e-9, np.nan, "1")),
        *(("momentum", value) for value in (-0.1, 1, np.nan, None)),
        ("nesterov", 1),
        ("alpha", 1.0),
        ("eps", 0),
        ("eps", -1),
        ("centered", "no"),
        ("lr_decay", -1),
        ("initial_accumulator_value", np.inf),
        ("betas", 0.9),
        ("betas", (0.9,)),
        ("betas", (0.9, 1.0)),
        ("betas", (-0.1, 0.9)),
    ],
)
def test_a_setting_outside_its_values_is_refused_by_name(kind: Any, name: str, value: Any) -> None:
    if name not in kind.__dataclass_fields__:
        with pytest.raises(TypeError, match=name):
            kind(**{name: value})
    else:
        refused(lambda: kind(**{name: value}), ParameterError, name)


def test_nesterov_without_momentum_is_refused() -> None:
    refused(lambda: SGD(nesterov=True), ParameterError, "nesterov", "momentum")


def test_defaults_are_those_of_pytorch() -> None:
    assert engine_settings(SGD()) == {
        "method": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0,
    }  # fmt: skip
    assert engine_settings(RMSprop()) == {
        "method": "rmsprop", "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0,
        "centered": False,
    }  # fmt: skip
    assert engine_settings(Adagrad()) == {
        "method": "adagrad", "lr_decay": 0.0, "weight_decay": 0.0,
        "initial_accumulator_value": 0.0, "eps": 1e-10,
    }  # fmt: skip
    adam = {"method": "adam", "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    assert engine_settings(Adam()) == adam
    assert engine_settings(AdamW()) == adam | {"method": "adamw", "weight_decay": 0.01}
    rates = [kind().learning_rate for kind in (SGD, RMSprop, Adagrad, Adam, AdamW)]
    assert rates == [0.01, 0.01, 0.01, 1e-3, 1e-3]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_comes_back_from_files_and_copies(optimizer: Any, tmp_path: Path) -> None:
    model = make_model(optimizer=optimizer)
    model.save(tmp_path / "model")
    for copied in (
        rnn_rust.load(tmp_path / "model"), copy.deepcopy(model), pickle.loads(pickle.dumps(model)),
    ):  # fmt: skip
        assert copied.optimizer == optimizer
        assert type(copied.optimizer) is type(optimizer)


@pytest.mark.parametrize(
    "change",
    [{"name": "LBFGS"}, {"speed": 1}, {"learning_rate": {"name": "Cyclic"}}, {"momentum": "high"}],
)
def test_a_description_that_is_none_is_refused(change: dict[str, Any]) -> None:
    description = to_dict(SGD(), 0)
    assert description is not None
    with pytest.raises((ParameterError, TypeError)):
        from_dict(description | change)


# Rates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("callbacks", [[], [bool]])
@pytest.mark.parametrize("steps", [[7], [3, 4], [1] * 7])
def test_every_epoch_has_the_rate_of_the_schedule(callbacks: list[Any], steps: list[int]) -> None:
    rates = [0.1, 0.1, 0.02, 0.3, 0.3, 0.3, 0.0]
    model, expected = make_model(optimizer=SGD(rates.__getitem__)), make_model()
    for epochs in steps:
        model.fit(DATA, epochs=epochs, batch_size=2, callbacks=callbacks, progress=False)
    for rate in rates:
        expected.optimizer = SGD(rate)
        expected.fit(DATA, epochs=1, batch_size=2, progress=False)
    assert same_bits(model, expected)


def test_update_takes_the_rate_of_the_next_epoch() -> None:
    model, expected = make_model(optimizer=SGD(lambda epoch: [0.1, 0.4][epoch])), make_model()
    for one in (model, expected):
        one.epochs_trained = 1
    expected.optimizer = SGD(0.4)
    assert model.update(DATA) == expected.update(DATA)
    assert same_bits(model, expected)


def test_many_epochs_with_a_rate_of_their_own() -> None:
    """More than the engine is told about at once."""
    asked: list[int] = []

    def rate(epoch: int) -> float:
        asked.append(epoch)
        return 0.01 if epoch < 1500 else 0.0

    model, expected = make_model(optimizer=SGD(rate)), make_model(optimizer=SGD(0.01))
    assert len(model.fit(DATA, epochs=2500, progress=False)) == 2500
    expected.fit(DATA, epochs=1500, progress=False)
    assert same_bits(model, expected)
    assert set(asked) == set(range(2500))


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "fast", None])
def test_a_rate_that_is_none_is_refused_with_its_epoch(rate: Any) -> None:
    model = make_model(optimizer=SGD(lambda epoch: rate if epoch == 2 else 0.1))
    refused(
        lambda: model.fit(DATA, epochs=5, callbacks=[bool], progress=False),
        ParameterError, "learning rate", "epoch 2", str(rate),
    )  # fmt: skip
    assert model.epochs_trained == 2


def test_a_file_has_the_last_rate_in_place_of_a_function(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(optimizer=SGD([0.1, 0.2, 0.3].__getitem__))
    model.fit(DATA, epochs=3, progress=False)
    model.save(tmp_path / "model")
    assert rnn_rust.load(tmp_path / "model").optimizer == SGD(0.3)
    assert "learning_rate=0.3" in caplog.text
    assert copy.deepcopy(model).optimizer == model.optimizer


# Optimisers in Python ------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=9),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["mean", "sum"]),
    st.integers(0, 2**63 - 1),
)
def test_sgd_in_python_is_sgd(
    lengths: list[int], batch_size: int, shuffle: bool, reduction: str, seed: int
) -> None:
    data = make_data(lengths, 2, 2, missing=0.5)
    options: dict[str, Any] = {"reduction": reduction, "seed": seed}
    ours, theirs = make_model(optimizer=PythonSGD(0.05), **options), make_model(**options)
    history, expected = (
        one.fit(data, epochs=3, batch_size=batch_size, shuffle=shuffle, progress=False)
        for one in (ours, theirs)
    )
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-13)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-12)
    assert ours.epochs_trained == 3


def test_an_optimizer_in_python_may_put_new_arrays_in_place() -> None:
    class Replaces:
        def update(self, parameters: Any, gradients: Any) -> None:
            for name, gradient in gradients.items():
                parameters[name] = (parameters[name] - 0.05 * gradient).tolist()

    ours, theirs = make_model(optimizer=Replaces()), make_model()
    assert ours.update(DATA) == theirs.update(DATA)
    assert_all_close(ours.state_dict(), theirs.state_dict(), 1e-14)


@pytest.mark.parametrize("rate", [1e200, np.nan])
def test_divergence_in_python_leaves_a_model_that_predicts(rate: float) -> None:
    model = make_model(optimizer=PythonSGD(rate), activation="identity")
    with pytest.raises(DivergedError, match=r"epoch \d, batch \d"), np.errstate(all="ignore"):
        model.fit(DATA, epochs=9, batch_size=2, progress=False)
    assert np.isfinite(model.predict(DATA)).all()


def test_what_an_optimizer_raises_reaches_the_caller() -> None:
    class Fails:
        calls = 0

        def update(self, parameters: Any, gradients: Any) -> None:
            self.calls += 1
            if self.calls == 3:
                raise OSError("full")

    model = make_model(optimizer=Fails())
    with pytest.raises(OSError, match="full"):
        model.fit(DATA, epochs=9, batch_size=7, progress=False)
    assert model.epochs_trained == 2

    class Renames:
        def update(self, parameters: Any, gradients: Any) -> None:
            parameters["bias"] = parameters.pop("bias_l0")

    model = make_model(optimizer=Renames())
    refused(lambda: model.update(DATA), ShapeError, "bias_l0")
    assert same_bits(model, make_model())


def test_a_file_has_the_default_in_place_of_an_optimizer_in_python(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(optimizer=PythonSGD(0.1, momentum=0.5))
    model.fit(DATA, epochs=2, progress=False)
    model.save(tmp_path / "model")
    loaded = rnn_rust.load(tmp_path / "model")
    assert loaded.optimizer == SGD()
    assert same_bits(loaded, model)
    assert "SGD(learning_rate=0.01" in caplog.text
    copied = copy.deepcopy(model).optimizer
    assert isinstance(copied, PythonSGD)
    assert copied.moments.keys() == model.state_dict().keys()


def test_saving_is_silent_where_everything_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="rnn_rust"):
        make_model(optimizer=OPTIMIZERS[5]).save(tmp_path / "model")
    assert caplog.messages == []


@pytest.mark.parametrize("optimizer", ["newton", 0.1, None, SGD, PythonSGD, Optimizer()])
def test_what_is_no_optimizer_is_refused(optimizer: Any) -> None:
    refused(lambda: make_model(optimizer=optimizer), ParameterError, "optimizer", "update(")


def test_the_engine_does_not_go_on_from_a_part_of_an_optimizer_state() -> None:
    model = make_model(optimizer=Adam())
    model.update(DATA)
    core = model._core
    state = core.optimizer_state()
    for name in state:
        part = {key: value for key, value in state.items() if key != name}
        with pytest.raises(DataError if name == "steps" else ShapeError, match=name):
            core.load_optimizer_state(part)
        with pytest.raises(ValueError, match=name):
            model.optimizer_state.load_moments(part | {"<unprintable str object>": state[name]})
    name = "exp_avg.weight_hh_l0"
    others: list[tuple[dict[str, Any], type[Exception], str]] = [
        (
            {"more": state[name]},
            ShapeError,
            f"has {len(state) + 1} entries, and this one has {len(state)}",
        ),
        ({name: state[name].astype("float32")}, DataError, f"{name} is no contiguous array"),
        ({name: state[name][:-1]}, ShapeError, "weight_hh_l0"),
        ({"steps": "one"}, DataError, "no number of steps"),
        ({"steps": -1}, DataError, "no number of steps"),
    ]
    for other, error, message in others:
        with pytest.raises(error, match=message):
            core.load_optimizer_state(state | other)
    after = core.optimizer_state()
    assert list(after) == list(state)
    assert all(np.array_equal(after[key], state[key]) for key in state)


def test_the_engine_does_not_take_a_part_of_the_weights() -> None:
    model = make_model()
    weights = model.state_dict()
    for name in weights:
        part = {key: value + 1 for key, value in weights.items() if key != name}
        with pytest.raises(ShapeError, match=f"the state dict lacks {name}"):
            model._core.load_state_dict(part)
    assert all(np.array_equal(model.state_dict()[name], weights[name]) for name in weights)
