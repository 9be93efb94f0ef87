"""Networks of Keras that are not read: the layer, the setting or the weight is named."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from keras_models import (
    Change,
    file,
    layer,
    setting,
    stand_in,
)

from rnn_rust import from_keras
from rnn_rust.errors import DataError, ParameterError, ShapeError


def inner(config: dict[str, Any]) -> dict[str, Any]:
    """Return the layer that a Bidirectional wraps."""
    return layer(config, "Bidirectional")["layer"]


def replaced(kind: str, other: str, **values: Any) -> Change:
    """Let the last layer of a kind be another."""

    def change(config: dict[str, Any]) -> None:
        found = [one for one in config["layers"] if one["class_name"] == kind][-1]
        found["class_name"] = other
        found["config"].update(values)

    return change


def in_front(kind: str, **values: Any) -> Change:
    """Add a layer before all others."""
    entry = {"class_name": kind, "config": {"name": "added"} | values}
    return lambda config: config["layers"].insert(0, entry)


def at_the_end(kind: str, **values: Any) -> Change:
    entry = {"class_name": kind, "config": {"name": "added"} | values}
    return lambda config: config["layers"].append(entry)


def wrapped(kind: str) -> Change:
    """Let TimeDistributed wrap the first layer of a kind."""

    def change(config: dict[str, Any]) -> None:
        found = next(one for one in config["layers"] if one["class_name"] == kind)
        own = {"class_name": kind, "config": found["config"]}
        found["class_name"] = "TimeDistributed"
        found["config"] = {"name": found["config"]["name"], "layer": own}

    return change


def branch(config: dict[str, Any]) -> None:
    """Let a functional model's last layer read the inputs too."""
    node = config["layers"][-1]["inbound_nodes"][0]
    other = copy.deepcopy(node["args"][0])
    other["config"]["keras_history"][0] = config["layers"][0]["config"]["name"]
    node["kwargs"]["context"] = other


def hard(name: str) -> dict[str, Any]:
    """Return a function of a user as Keras serialises it."""
    return {"module": "builtins", "class_name": "function", "config": name}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "gru", setting("GRU", recurrent_activation="hard_sigmoid"),
            r"layer 'gru' \(GRU\): recurrent_activation='hard_sigmoid' is not supported",
        ),
        ("gru", setting("GRU", activation="relu"), "'gru'.*: activation='relu' is not"),
        ("lstm-masking", setting("LSTM", activation=hard("mine")), "'lstm'.*activation='mine' is"),
        ("lstm-masking", setting("LSTM", go_backwards=True), "'lstm'.*go_backwards=True is not"),
        ("lstm-masking", setting("LSTM", return_state=True), "'lstm'.*return_state=True is not"),
        (
            "simple-rnn-relu", setting("SimpleRNN", activation="gelu"),
            "'simple_rnn'.*activation='gelu' is not supported, 'tanh' or 'linear'",
        ),
        (
            "simple-rnn-relu", setting("Dense", activation="leaky_relu"),
            "'dense'.*activation='leaky_relu' is not supported",
        ),
        (
            "lstm-bidirectional-last", setting("Bidirectional", merge_mode="sum"),
            r"layer 'bidirectional_3' \(Bidirectional\): merge_mode='sum' is not supported",
        ),
        (
            "lstm-bidirectional-last", lambda c: inner(c).update(class_name="ConvLSTM1D"),
            "'bidirectional_3'.*it wraps ConvLSTM1D; SimpleRNN, GRU and LSTM are supported",
        ),
        (
            "lstm-bidirectional-last", lambda c: inner(c)["config"].update(go_backwards=True),
            "'bidirectional_3'.*go_backwards=True is not supported",
        ),
        (
            "gru-reset-before-bidirectional",
            lambda c: inner(c)["config"].update(reset_after=True),
            "'bidirectional_2'.*its two directions have different settings",
        ),
        (
            "gru-bidirectional-stack", setting("Bidirectional", merge_mode=None),
            "merge_mode=None is not supported",
        ),
        (
            "simple-rnn-stack", replaced("SimpleRNN", "SimpleRNN", activation="relu"),
            "'simple_rnn_2'.*it differs from 'simple_rnn_1' in kind, units, activation or dir",
        ),
        ("simple-rnn-stack", replaced("SimpleRNN", "GRU"), "it differs from 'simple_rnn_1'"),
        ("simple-rnn-stack", replaced("SimpleRNN", "SimpleRNN", units=5), "it differs from 's"),
        ("gru", in_front("Embedding"), r"layer 'added' \(Embedding\): models here have no"),
        ("gru", in_front("Dense", units=4), r"'added' \(Dense\): it stands before the"),
        ("gru", at_the_end("Dense", units=4), r"'added' \(Dense\): it follows 'time_dist"),
        ("gru", at_the_end("GRU"), r"'added' \(GRU\): a recurrent layer cannot follow 't"),
        (
            "lstm-no-bias-mean", at_the_end("Activation", activation="hard_tanh"),
            r"'added' \(Activation\): activation='hard_tanh' is not supported",
        ),
        ("gru", wrapped("GRU"), r"'gru' \(TimeDistributed\): it wraps GRU, which then reads seq"),
        (
            "lstm-bidirectional-last", wrapped("Bidirectional"),
            r"'bidirectional_3' \(TimeDistributed\): it wraps Bidirectional, which then",
        ),
        ("gru", at_the_end("Activation"), "'added'.*must follow a Dense without one"),
        ("gru", at_the_end("GlobalAveragePooling1D"), "'added'.*must follow a recurrent layer"),
        (
            "lstm-no-bias-mean", setting("GlobalAveragePooling1D", keepdims=True),
            "keepdims=True is not supported",
        ),
        ("gru", lambda c: c.update(layers=c["layers"][:1]), "no SimpleRNN, GRU or LSTM"),
        ("lstm-bidirectional-last", branch, r"'dense_7' \(Dense\): it reads 'bidirectional_3', '"),
        (
            "lstm-bidirectional-last",
            lambda c: c.update(output_layers=[["dense_7", 0, 0], ["bidirectional_3", 0, 0]]),
            r"'dense_7' \(Dense\): the model returns dense_7, bidirectional_3; it must have",
        ),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_fit_is_named(name: str, change: Change, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        from_keras(stand_in(name, change))


def test_weights_that_do_not_fit_are_named() -> None:
    with pytest.raises(
        ShapeError, match=r"'gru' \(GRU\): expected weights of shapes \(I, 15\), \(5"
    ):
        from_keras(stand_in("gru", setting("GRU", units=5)))
    unbuilt = stand_in("gru")
    unbuilt.layers = []
    with pytest.raises(ShapeError, match="got none; a model has weights once it is built"):
        from_keras(unbuilt)
    lost = stand_in("gru")
    lost.layers[0].get_weights()[0][0, 0] = np.nan
    with pytest.raises(DataError, match="weight_ih_l0 has values that are NaN"):
        from_keras(lost)


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(
        ParameterError, match=r"a model of Keras, or the path of a \.keras file; got i"
    ):
        from_keras(42)
    with pytest.raises(ParameterError, match="a model of class Mine can compute anything"):
        from_keras(type("Mine", (), {"layers": [], "get_config": lambda _: {}})())
    with pytest.raises(ParameterError, match=r"gru.keras: hidden_size=3: the network .* has 4"):
        from_keras(file("gru"), hidden_size=3)
    with pytest.raises(ParameterError, match="loss='mse': the network that is read has 'cross_ent"):
        from_keras(file("simple-rnn-stack"), loss="mse")
    for one in (stand_in("gru"), file("gru")):
        with pytest.raises(TypeError, match="unexpected keyword argument 'lossy'"):
            from_keras(one, lossy=1)
