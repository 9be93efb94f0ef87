"""What a model refuses, by the name of the argument; and labels that its loss does not take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import LOSSES, make_labelled
from oracle import make_data, refused, same_bits
from test_custom_loss import SquaredError

from rnn_rust import GRU, LSTM, RNN, Dataset, MinMaxScaler, StandardScaler
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.learning.losses import Focal, Huber, Quantile
from rnn_rust.model.network import Network

MODELS = pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
BCE: dict[str, Any] = {"loss": "binary_cross_entropy"}
CE: dict[str, Any] = {"loss": "cross_entropy", "output_size": 3}

# Outside of what one argument may be, whatever the others are.
OUTSIDE: list[tuple[str, Any]] = [
    *((name, value) for name in ("input_size", "hidden_size", "output_size", "num_layers")
      for value in (0, -1, 1.5, "2", True)),
    ("num_layers", 10**12), ("num_layers", None), ("hidden_size", None),
    *((name, value) for name in ("dropout", "recurrent_dropout")
      for value in (1.0, -0.1, np.nan, np.inf, "0.1", None, True)),
    *((name, value) for name in ("clip_norm", "clip_value")
      for value in (0, -1, np.nan, "1", True)),
    *(("bptt_steps", value) for value in (0, -3, 2.5, "4", True)),
    *(("bidirectional", value) for value in (0, 1, None, "yes")),
    *(("readout", value) for value in ("first", None, "Last")),
    *(("loss", value) for value in ("l2", "custom", "MSE", None, 3, Huber, SquaredError)),
    *(("class_weight", value) for value in ("equal", 2.0, [1, 2])),
    *(("pos_weight", value) for value in (0, -1, np.nan, "2")),
    ("output_activation", "softmax"),
    ("init", "zeros"),
    ("reduction", "none"),
]  # fmt: skip

# Without effect beside the others, or impossible: the words that the message must have.
TOGETHER: list[tuple[dict[str, Any], list[str]]] = [
    ({"dropout": 0.2}, ["dropout", "num_layers=1", "recurrent_dropout"]),
    (BCE | {"output_activation": "sigmoid"}, ["output_activation", "binary_cross_entropy"]),
    (CE | {"output_activation": "tanh"}, ["output_activation", "cross_entropy"]),
    ({"loss": Focal(), "output_activation": "relu"}, ["output_activation", "focal"]),
    ({"class_weight": {0: 1, 1: 2}}, ["class_weight", "'mse'", "cross_entropy"]),
    ({"class_weight": "balanced", "loss": Huber()}, ["class_weight", "'huber'"]),
    ({"class_weight": "balanced", "loss": SquaredError()}, ["class_weight"]),
    ({"pos_weight": 2.0}, ["pos_weight", "'mse'", "focal"]),
    (CE | {"pos_weight": 2.0}, ["pos_weight", "'cross_entropy'"]),
    ({"loss": SquaredError(), "pos_weight": 2.0}, ["pos_weight"]),
    ({"loss": SquaredError(), "reduction": "sum"}, ["reduction", "Python"]),
    ({"loss": SquaredError(), "bptt_steps": 3}, ["bptt_steps", "Python"]),
    ({"bptt_steps": 3, "bidirectional": True}, ["bptt_steps", "bidirectional=True"]),
    ({"bptt_steps": 3, "readout": "mean"}, ["bptt_steps", "readout='mean'"]),
    ({"bptt_steps": 3, "reduction": "sum"}, ["bptt_steps", "reduction='sum'"]),
    ({"loss": "cross_entropy"}, ["cross_entropy", "output_size=1", "binary_cross_entropy"]),
    (BCE | {"scaler": MinMaxScaler()}, ["scaler", "classes", "labels=False"]),
    (CE | {"scaler": StandardScaler()}, ["scaler", "classes", "labels=False"]),
    (BCE | {"class_weight": {0: 1}}, ["class_weight", "class 1"]),
    (BCE | {"class_weight": {0: 1, 1: 1, 2: 1}}, ["class_weight", "2 is not a class"]),
    (BCE | {"class_weight": {"no": 1, 1: 1}}, ["class_weight", "'no'"]),
    (BCE | {"class_weight": {0: 1, 1: -1}}, ["class_weight", "class 1", "-1"]),
    (BCE | {"class_weight": {0: 0, 1: 0}}, ["class_weight", "all weights are 0"]),
    (CE | {"class_weight": {0: 1, 1: np.nan, 2: 1}}, ["class_weight", "class 1", "nan"]),
]


def make_model(kind: type[Network], **options: Any) -> Network:
    return kind(**{"input_size": 2, "hidden_size": 3, "output_size": 1} | options)


@MODELS
@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_an_argument_outside_its_values(kind: type[Network], name: str, value: Any) -> None:
    others = {"num_layers": 2} if name == "dropout" else {}
    others |= BCE if name in ("pos_weight", "class_weight") else {}
    refused(lambda: make_model(kind, **others | {name: value}), ParameterError, name)


@MODELS
@pytest.mark.parametrize(("options", "words"), TOGETHER)
def test_arguments_that_do_not_go_together(
    kind: type[Network], options: dict[str, Any], words: list[str]
) -> None:
    refused(lambda: make_model(kind, **options), ParameterError, *words)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (RNN, "activation", "swish"),
        (RNN, "activation", None),
        (GRU, "reset_after", 1),
        (GRU, "reset_after", "yes"),
        (LSTM, "forget_bias", "1"),
        (LSTM, "forget_bias", np.nan),
        (LSTM, "forget_bias", -1e300),
        (LSTM, "forget_bias", None),
    ],
)
def test_an_argument_of_one_cell(kind: type[Network], name: str, value: Any) -> None:
    refused(lambda: make_model(kind, **{name: value}), ParameterError, name)


@MODELS
@pytest.mark.parametrize("name", ["activation", "reset_after", "forget_bias", "hidden", "cell"])
def test_an_argument_that_the_model_has_not(kind: type[Network], name: str) -> None:
    own = {RNN: "activation", GRU: "reset_after", LSTM: "forget_bias"}[kind]
    if name != own:
        with pytest.raises(TypeError, match=f"{kind.__name__}.*'{name}'"):
            make_model(kind, **{name: True})


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((lambda value=value: Huber(value), "delta") for value in (0, -1, np.nan, "1", np.inf)),
        *((lambda value=value: Quantile(value), "q") for value in (0, 1, -1, np.nan, "1")),
        *((lambda value=value: Focal(value), "gamma") for value in (-1, np.nan, "1", np.inf)),
    ],
)
def test_a_parameter_of_a_loss(make: Any, name: str) -> None:
    refused(make, ParameterError, name)


def test_the_limits_themselves_are_allowed() -> None:
    model = GRU(
        1, 1, 1, num_layers=2, dropout=0.999, recurrent_dropout=0.0, bptt_steps=1,
        clip_norm=1e-300, clip_value=1e300, loss=Focal(0), pos_weight=1e-9,
    )  # fmt: skip
    assert np.isfinite(model.update(make_labelled([3], "focal", (1, 1))))


def test_what_was_given_may_be_changed_afterwards() -> None:
    weights = {0: 1.0, 1: 2.0}
    model = GRU(2, 3, 1, class_weight=weights, **BCE)
    weights[0] = model.settings["class_weight"][1] = 9
    assert model.settings["class_weight"] == {0: 1.0, 1: 2.0}


def test_names_and_classes_of_losses_are_the_same() -> None:
    data = make_labelled([4, 2], sizes=(2, 1))
    for name, loss in (("huber", Huber(1.0)), ("quantile", Quantile(0.5))):
        assert RNN(2, 3, 1, loss=name).update(data) == RNN(2, 3, 1, loss=loss).update(data)
    data = make_labelled([4, 2], "focal", (2, 1))
    assert RNN(2, 3, 1, loss="focal").loss(data) == RNN(2, 3, 1, loss=Focal(2.0)).loss(data)
    assert RNN(2, 3, 1, loss=Focal(0.0), dtype="float64").loss(data) == pytest.approx(
        RNN(2, 3, 1, **BCE, dtype="float64").loss(data), rel=1e-14
    )


# Labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "label", "wanted"),
    [
        ("binary_cross_entropy", 1.5, "0 or 1"),
        ("binary_cross_entropy", -0.1, "0 or 1"),
        (Focal(), 0.5, "0 or 1"),
        ("focal", 2, "0 or 1"),
        ("cross_entropy", 3, "whole numbers from 0 to 2"),
        ("cross_entropy", -1, "whole numbers from 0 to 2"),
        ("cross_entropy", 0.5, "whole numbers from 0 to 2"),
    ],
)
@pytest.mark.parametrize("readout", ["each_step", "last"])
def test_labels_that_are_no_classes(loss: Any, label: float, wanted: str, readout: str) -> None:
    data = make_labelled([4, 3], loss, (2, 3), missing=0.2)
    labels = data.labels.copy()
    labels[5, -1] = label
    column = data.label_names[-1]
    wrong = data.with_values(data.features, labels)
    options: dict[str, Any] = {"readout": readout, "scaler": "standard", "class_weight": "balanced"}
    model = GRU(2, 3, 3, loss=loss, **options)
    scaled = GRU(2, 3, 3, loss=loss, scaler=StandardScaler(labels=False).fit(data))
    for call in (
        lambda: model.fit(wrong, epochs=1), lambda: model.fit(data, epochs=1, validation=wrong),
        lambda: scaled.loss(wrong), lambda: scaled.gradients(wrong), lambda: scaled.update(wrong),
    ):  # fmt: skip
        refused(
            call, DataError, "row 5 (counted from 0)", f"'{column}'", f"{label:g} is not", wanted
        )
    assert model.scaler is not None
    assert not model.scaler.is_fitted
    assert model.class_table is None
    assert same_bits(model, GRU(2, 3, 3, loss=loss))


def test_class_numbers_stand_in_one_column() -> None:
    model = GRU(2, 3, 3, loss="cross_entropy")
    refused(
        lambda: model.loss(make_data([4], 2, 3)), ShapeError, "3 label columns", "number of a class"
    )
    assert model.label_columns == 1
    assert GRU(2, 3, 3, **BCE).label_columns == 3


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_prediction_needs_no_labels(loss: Any) -> None:
    data = make_data([4, 3], 2, 1)
    unlabelled = Dataset.from_arrays(data.features, None, data.offsets)
    assert GRU(2, 3, 3, loss=loss).predict(unlabelled).shape == (7, 3)
    refused(lambda: GRU(2, 3, 3, loss=loss).loss(unlabelled), DataError, "label")


@MODELS
@pytest.mark.parametrize(
    ("options", "word"), [({"bidirectional": True}, "bidirectional"), ({"readout": "mean"}, "mean")]
)
def test_a_stepper_needs_a_model_that_answers_at_once(
    kind: type[Network], options: dict[str, Any], word: str
) -> None:
    refused(make_model(kind, **options).stepper, ParameterError, word)
