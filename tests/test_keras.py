"""Networks of Keras: read from committed files, and, where Keras is installed, from its models."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras_models import (
    EXPECTED,
    NAMES,
    assert_as_keras,
    file,
    layer,
    members,
    setting,
    stand_in,
)
from oracle import Array, assert_close

from rnn_rust import GRU, Focal, from_keras
from rnn_rust.errors import ParameterError

# What Keras computed --------------------------------------------------------------------------


def test_there_are_files_of_every_kind() -> None:
    assert len(NAMES) == 10
    assert {name.partition("-")[0] for name in NAMES} == {"simple", "gru", "lstm"}
    assert all(file(name).stat().st_size < 50_000 for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_keras(name: str) -> None:
    wide = "float64" in name
    model = from_keras(file(name))
    assert model.settings["dtype"] == ("float64" if wide else "float32")
    assert_as_keras(model, name, 1e-12 if wide else 1e-5)
    assert_as_keras(from_keras(str(file(name)), dtype="float64"), name, 1e-12 if wide else 1e-5)
    assert_as_keras(from_keras(stand_in(name)), name, 1e-12 if wide else 1e-5)


def test_what_layers_become() -> None:
    described = {name: repr(from_keras(file(name))) for name in NAMES}
    assert described["simple-rnn-stack"].startswith(
        "RNN(3, 4, 3, activation='tanh', num_layers=2, readout='last', output_activation='identity'"
        ", loss='cross_entropy'"
    )
    assert described["simple-rnn-relu"].startswith("RNN(3, 4, 2, activation='relu', output_act")
    assert described["gru-reset-before"].startswith(
        "GRU(3, 4, 2, reset_after=False, readout='last', output_activation='tanh', loss='mse'"
    )
    assert described["gru"].endswith("loss='binary_cross_entropy', dtype='float32')")
    assert "num_layers=2, bidirectional=True" in described["gru-bidirectional-stack"]
    assert "readout='mean'" in described["lstm-no-bias-mean"]
    assert from_keras(file("lstm-states-float64")).settings["output_size"] == 4


@pytest.mark.parametrize("loss", ["mse", Focal(), "focal", "binary_cross_entropy"])
def test_a_sigmoid_is_that_of_the_loss_or_of_the_outputs(loss: Any) -> None:
    model = from_keras(file("gru"), loss=loss)
    assert model.settings["loss"] == loss
    assert model.settings["output_activation"] == ("sigmoid" if loss == "mse" else "identity")
    assert_as_keras(model, "gru", 1e-5)


def test_logits_take_the_loss_that_is_asked_for() -> None:
    model = from_keras(file("lstm-no-bias-mean"), loss="cross_entropy")
    probabilities = model.predict(EXPECTED["lstm-no-bias-mean.X"])
    powers = np.exp(EXPECTED["lstm-no-bias-mean.outputs"])
    assert_close(probabilities, powers / powers.sum(axis=1, keepdims=True), 1e-5)


def test_a_bidirectional_layer_without_settings_of_the_other_direction() -> None:
    name = "lstm-bidirectional-last"
    model = stand_in(name, lambda c: layer(c, "Bidirectional").pop("backward_layer"))
    assert_as_keras(from_keras(model), name, 1e-5)


@pytest.mark.parametrize("keras", [None, "linear", "tanh", "silu", "swish", "elu", "softsign"])
def test_activations_of_outputs(keras: str | None) -> None:
    here = {None: "identity", "linear": "identity", "swish": "silu"}.get(keras, keras)
    given = keras or "linear"
    model = from_keras(stand_in("simple-rnn-relu", setting("Dense", activation=given)))
    plain = from_keras(file("simple-rnn-relu"), dtype="float64")
    z = plain.predict(EXPECTED["simple-rnn-relu.X"])
    functions: dict[str | None, Callable[[Array], Array]] = {
        "identity": lambda z: z, "tanh": np.tanh, "silu": lambda z: z / (1 + np.exp(-z)),
        "elu": lambda z: np.where(z > 0, z, np.expm1(z)), "softsign": lambda z: z / (1 + abs(z)),
    }  # fmt: skip
    assert_close(model.predict(EXPECTED["simple-rnn-relu.X"]), functions[here](z), 1e-5)


def test_masking_and_stateful_layers_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    from_keras(file("lstm-masking"))
    assert "Layer 'masking' (Masking) is passed over: give sequences without" in caplog.text
    caplog.clear()
    from_keras(stand_in("gru", setting("GRU", stateful=True)))
    assert "Layer 'gru' (GRU) is stateful in Keras; here each sequence begins" in caplog.text


def test_a_model_of_keras_trains_on_and_goes_to_pytorch() -> None:
    model = from_keras(file("gru"))
    assert isinstance(model, GRU)
    assert model.to_torch_state_dict()["rnn.bias_hh_l0"].shape == (12,)
    with pytest.raises(ParameterError, match="reset_after=False"):
        from_keras(file("gru-reset-before")).to_torch_state_dict()


# Keras itself ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # Keras' own, and its backend's.
@pytest.mark.parametrize("name", NAMES)
def test_models_of_keras(name: str) -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    live = keras.saving.load_model(file(name))
    model = from_keras(live)
    assert_as_keras(model, name, 1e-12 if "float64" in name else 1e-5)
    for key, array in from_keras(file(name)).state_dict().items():
        assert np.array_equal(model.state_dict()[key], array)


@pytest.mark.filterwarnings("ignore")
def test_models_of_keras_that_do_not_fit() -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    layers = keras.layers
    for part, message in [
        (layers.GRU(4, recurrent_activation="hard_sigmoid"), "recurrent_activation='hard_sigmoid'"),
        (layers.LSTM(4, activation=lambda x: x), "activation='lambda' is not supp"),
        (layers.LSTM(4, go_backwards=True), "go_backwards=True is not supported"),
        (layers.Bidirectional(layers.GRU(4), merge_mode="ave"), "merge_mode='ave' is not supp"),
        (layers.RNN(layers.GRUCell(4)), "models here have no such layer"),
        (layers.Conv1D(4, 3), "models here have no such layer"),
    ]:
        part.name = "third"
        model = keras.Sequential([keras.Input((None, 3)), part])
        with pytest.raises(ParameterError, match=rf"layer 'third' \(\w+\): {message}"):
            from_keras(model)
    inputs = keras.Input((None, 3))
    states = [layers.GRU(4)(inputs), layers.GRU(4)(inputs)]
    with pytest.raises(ParameterError, match="layers have to be a chain: one input"):
        from_keras(keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(states))))


def test_configurations_are_as_keras_gives_them() -> None:
    config = json.loads(members("gru")["config.json"])
    assert config["module"] == "keras"
    assert json.loads(members("gru")["metadata.json"])["keras_version"].startswith("3.")
