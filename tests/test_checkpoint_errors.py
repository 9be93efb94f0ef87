"""Checkpoints of another training, damaged ones, and what no checkpoint can hold."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from oracle import make_data, refused, same_bits
from test_checkpoint import DATA, OTHER, fit, make_model, untimed
from test_optim import PythonSGD

from rnn_rust import RNN, SGD, Adam, Checkpoint, Dataset, EarlyStopping, MinMaxScaler
from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.learning.history import Record
from rnn_rust.learning.schedules import CosineDecay, ReduceOnPlateau
from rnn_rust.storage.model_file import pack, unpack


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "training.safetensors"


def other_labels() -> Dataset:
    labels = DATA.labels.copy()
    labels[np.flatnonzero(~np.isnan(labels[:, 0]))[0], 0] += 0.25
    return DATA.with_values(DATA.features, labels)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ({"seed": 4}, {}, ["seed=3 (now 4)"]),
        ({"activation": "relu"}, {}, ["activation='tanh' (now 'relu')"]),
        ({"dtype": "float64"}, {}, ["with dtype='float32' (now 'float64'); train"]),
        ({"optimizer": SGD(0.1)}, {}, ["SGD(learning_rate=0.2", "SGD(learning_rate=0.1"]),
        ({"optimizer": SGD(CosineDecay(0.2, 9))}, {}, ["now SGD(learning_rate=CosineDecay("]),
        ({"scaler": "standard"}, {},
         ["with scaler=MinMaxScaler(labels=True) (now StandardScaler(labels=True)); train"]),
        ({"scaler": None}, {}, ["with scaler=MinMaxScaler(labels=True) (now None); train"]),
        ({"missing": "mean", "missing_indicator": True}, {}, [
            "with missing='error' (now 'mean'), missing_indicator=False (now True); train",
        ]),
        ({"optimizer": SGD(0.1)}, {}, [
            "made with optimizer=SGD(learning_rate=0.2, momentum=0.0, nesterov=",
            "(now SGD(learning_rate=0.1, momentum=0.0, nesterov=",
        ]),
        ({"scaler": MinMaxScaler().fit(OTHER)}, {}, ["other training data"]),
        ({}, {"batch_size": 3, "shuffle": False}, ["batch_size=2 (now 3), shuffle=True"]),
        ({}, {"train": other_labels()}, ["other training data"]),
        ({}, {"train": DATA.subset([1, 0, 2, 3, 4, 5, 6])}, ["other training data"]),
        ({}, {"validation": DATA}, ["other validation data"]),
        ({}, {"validation": None}, ["other validation data"]),
    ],
)  # fmt: skip
def test_another_training_is_refused_with_what_differs(
    model: dict[str, Any], options: dict[str, Any], words: list[str], path: Path
) -> None:
    fit(make_model(), Checkpoint(path), epochs=3)
    before = path.read_bytes()
    other = make_model(**model)
    weights = other.state_dict()
    refused(
        lambda: fit(other, Checkpoint(path), resume=path, **options),
        ParameterError, str(path), *words,
    )  # fmt: skip
    assert all((other.state_dict()[name] == weight).all() for name, weight in weights.items())
    assert path.read_bytes() == before


def test_settings_of_callbacks_are_shown_in_one_order(path: Path) -> None:
    fit(make_model(), EarlyStopping("loss"), Checkpoint(path), epochs=3)
    refused(
        lambda: fit(make_model(), EarlyStopping(), resume=path), ParameterError,
        "with EarlyStopping(monitor='loss', mode='min') "
        "(now EarlyStopping(monitor='validation_loss', mode='min'));",
    )  # fmt: skip


def test_fixed_settings_of_numpy_are_those_of_python(path: Path) -> None:
    keeps, again = Keeps({"seen": 1}), Keeps({})
    keeps.fixed_settings, again.fixed_settings = {"alpha": np.float32(0.5)}, {"alpha": 0.5}
    fit(make_model(), keeps, Checkpoint(path), epochs=3)
    fit(make_model(), again, epochs=4, resume=path)
    assert again.state == {"seen": 1}
    model = make_model()
    for wrong, words in ((object, "<class 'object'> is none"), (np.nan, "finite numbers")):
        again.fixed_settings = {"alpha": wrong}
        refused(
            lambda: fit(model, again, Checkpoint(path)), ParameterError,
            "Keeps.fixed_settings", words,
        )  # fmt: skip
    assert model.epochs_trained == 0


def test_what_an_earlier_version_did_not_keep_is_taken_as_it_is(path: Path) -> None:
    fit(make_model(), Checkpoint(path), epochs=3)
    description, tensors = unpack(path.read_bytes(), path)
    training = description["training"]
    del training["setup"]["scaler"], training["state"]["optimizer_state"]["updates"]
    del training["state"]["history"]["order"]
    path.write_bytes(pack(description, tensors))
    model, whole = make_model(), make_model()
    history, expected = fit(model, resume=path), fit(whole)
    assert same_bits(model, whole)
    assert untimed(history) == untimed(expected)
    refused(lambda: fit(make_model(scaler="robust"), resume=path), ParameterError, "training data")


def test_another_size_is_refused(path: Path) -> None:
    fit(make_model(), Checkpoint(path), epochs=3)
    wider = RNN(2, 5, 2, optimizer=SGD(0.2), seed=3, scaler="minmax")
    refused(lambda: fit(wider, resume=path), ParameterError, "hidden_size=4 (now 5)")


def test_an_optimizer_that_keeps_its_state_to_itself_is_refused(path: Path) -> None:
    model = make_model("python")
    model.optimizer = PythonSGD(0.1)
    refused(lambda: fit(model, Checkpoint(path)), ParameterError, "PythonSGD", "state_dict")
    model.optimizer.state_dict = dict  # type: ignore[attr-defined]
    refused(lambda: fit(model, Checkpoint(path)), ParameterError, "PythonSGD", "load_state_dict")
    assert model.epochs_trained == 0


class Keeps:
    """A callback with a state of any kind, which it gets back when a training is resumed."""

    def __init__(self, state: Any) -> None:
        self.state = state
        self.fixed_settings: dict[str, Any] = {}

    def __call__(self, record: Record) -> None:
        pass

    def state_dict(self) -> Any:
        return self.state

    def load_state_dict(self, state: Any) -> None:
        self.state = state


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"seen": {1, 2}}, "set"),
        ({"seen": float("nan")}, "float"),
        # These would come back as others, or be refused by the library that writes the file.
        ({0: np.zeros(2)}, "0 cannot be a name"),
        ({"deep": {None: 1}}, "None cannot be a name"),
        ({"$tensor": "x"}, "'$tensor' cannot be a name"),
        ({"a/b": np.zeros(1), "a": {"b": np.ones(1)}}, "two arrays are named"),
        ({"seen": np.array(["text"])}, "an array of dtype <U4"),
        ({"seen": np.array([1j])}, "an array of dtype complex128"),
        ({"seen": np.array(["2026-01-01"], "M8[D]")}, "an array of dtype datetime64[D]"),
        ({"seen": np.array([None])}, "an array of dtype object"),
    ],
)
def test_a_state_that_no_file_can_hold_is_refused(path: Path, state: Any, word: str) -> None:
    keeps = Keeps(state)
    refused(lambda: fit(make_model(), keeps, Checkpoint(path)), ParameterError, "checkpoint", word)
    assert not path.exists()


def test_a_state_comes_back_as_it_was(path: Path) -> None:
    state = {
        "numbers": np.array([1.5, np.nan]), "whole": np.arange(3, dtype=np.uint8),
        "deep": {"flags": np.array([True, False]), "a/b": np.zeros((0, 2)), "text": "ä", "one": 1},
    }  # fmt: skip
    fit(make_model(), Keeps(state), Checkpoint(path), epochs=3)
    again = Keeps(None)
    fit(make_model(), again, epochs=4, resume=path)
    assert again.state["deep"].keys() == state["deep"].keys()
    for found, wanted in (
        (again.state["numbers"], state["numbers"]),
        (again.state["whole"], state["whole"]),
        (again.state["deep"]["flags"], state["deep"]["flags"]),
        (again.state["deep"]["a/b"], state["deep"]["a/b"]),
    ):
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f")
    assert (again.state["deep"]["text"], again.state["deep"]["one"]) == ("ä", 1)


def test_what_is_no_checkpoint_is_refused(path: Path) -> None:
    model = make_model()
    model.save(path)
    refused(lambda: fit(model, resume=path), ModelFileError, str(path), "not a checkpoint")
    for content in (b"", b"epoch,loss\n", safetensors.numpy.save({"w": np.zeros(3)})):
        path.write_bytes(content)
        refused(lambda: fit(model, resume=path), ModelFileError, str(path))
    refused(lambda: fit(model, resume=path.parent), ModelFileError, str(path.parent))


def test_a_damaged_checkpoint_is_refused(path: Path) -> None:
    fit(make_model(), Checkpoint(path), epochs=3)
    data = path.read_bytes()
    whole, tensors = unpack(data, path)
    model, state = make_model(), whole["training"]["state"]
    for change in (
        {"setup": None}, {"state": []}, {"state": {}},
        {"state": state | {"history": {"first_epoch": 0}}},
        {"state": state | {"optimizer_state": None}},
        {"state": state | {"optimizer_state": {"plateau": None, "optimizer": {}}}},
    ):  # fmt: skip
        path.write_bytes(pack(whole | {"training": whole["training"] | change}, tensors))
        refused(lambda: fit(model, resume=path), ModelFileError, str(path), "damaged")
        assert same_bits(model, make_model())
    # A digit of the header, and the last byte of a tensor: only the checksum tells.
    for damaged in (
        data.replace(b'"batch_size\\":2', b'"batch_size\\":3'),
        data[:-1] + bytes([data[-1] ^ 1]),
    ):
        path.write_bytes(damaged)
        assert damaged != data
        refused(lambda: fit(model, resume=path), ModelFileError, str(path), "checksum")
        assert same_bits(model, make_model())
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        refused(lambda: fit(make_model(), resume=path), ModelFileError, str(path))


@pytest.mark.parametrize("lost", ["state", "stopped"])
def test_a_callback_that_is_not_kept_whole_is_damage(path: Path, lost: str) -> None:
    fit(make_model(), Keeps({"seen": 1}), Checkpoint(path), epochs=3)
    description, tensors = unpack(path.read_bytes(), path)
    del description["training"]["state"]["callbacks"]["0"][lost]
    path.write_bytes(pack(description, tensors))
    refused(lambda: fit(make_model(), Keeps(None), resume=path), ModelFileError, "damaged", lost)


@pytest.mark.parametrize("stopped", [None, {"$tensor": "weight_ih_l0"}])
def test_whether_a_callback_stopped_is_a_truth_value(path: Path, stopped: object) -> None:
    fit(make_model(), Keeps({"seen": 1}), Checkpoint(path), epochs=3)
    description, tensors = unpack(path.read_bytes(), path)
    description["training"]["state"]["callbacks"]["0"]["stopped"] = stopped
    path.write_bytes(pack(description, tensors))
    model = make_model()
    refused(lambda: fit(model, Keeps(None), resume=path), ModelFileError, "damaged", "stopped")


def test_a_best_value_beyond_all_floats_is_damage(path: Path) -> None:
    plateau = {"optimizer": SGD(ReduceOnPlateau(0.1))}
    fit(make_model(**plateau), EarlyStopping(), Checkpoint(path), epochs=3)
    whole, tensors = unpack(path.read_bytes(), path)
    for part in (["optimizer_state", "plateau"], ["callbacks", "0", "state"]):
        description = copy.deepcopy(whole)
        state = description["training"]["state"]
        for key in part:
            state = state[key]
        (state if "best" in state else state["monitor"])["best"] = 10**400
        path.write_bytes(pack(description, tensors))
        model = make_model(**plateau)
        again = lambda model=model: fit(model, EarlyStopping(), resume=path)  # noqa: E731
        refused(again, ModelFileError, "damaged", "best must be a finite number")


@pytest.mark.parametrize("first", [-1, 2**63, 1e308])
def test_a_history_that_begins_at_no_epoch_is_damage(path: Path, first: float) -> None:
    fit(make_model(), Checkpoint(path), epochs=3)
    description, tensors = unpack(path.read_bytes(), path)
    description["training"]["state"]["history"]["first_epoch"] = first
    path.write_bytes(pack(description, tensors))
    refused(lambda: fit(make_model(), resume=path), ModelFileError, "damaged", "begins after")


@pytest.mark.parametrize(
    "kind", [Adam(), SGD(0.1, momentum=0.9)], ids=lambda one: type(one).__name__
)
def test_a_checkpoint_without_one_of_the_moments_is_damaged(path: Path, kind: Any) -> None:
    """It would train on from a moment of 0, and end with other bits without a word."""
    model = make_model(optimizer=kind)
    fit(model, Checkpoint(path), epochs=3)
    description, tensors = unpack(path.read_bytes(), path)
    moments = description["training"]["state"]["optimizer_state"]["optimizer"]
    name = next(name for name in moments if name.endswith(".weight_ih_l0"))
    moments["<unprintable str object>"] = moments.pop(name)
    path.write_bytes(pack(description, tensors))
    refused(lambda: fit(make_model(optimizer=kind), resume=path), ModelFileError, "damaged", name)


def test_a_refused_training_teaches_the_model_nothing(tmp_path: Path) -> None:
    path = tmp_path / "no.checkpoint"
    path.write_bytes(b"no checkpoint")
    model = RNN(3, 2, 1, scaler="standard")
    with pytest.raises(ModelFileError):
        model.fit(make_data([4, 3], 3, 1), epochs=1, resume=path, progress=False)
    assert model.scaler is not None
    assert not model.scaler.is_fitted
    assert model.feature_names is None
