"""Networks of every kind as files, as text, as a table, and step by step."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    ACTIVATIONS,
    ARCHITECTURES,
    CELLS,
    LOSSES,
    READOUTS,
    from_bytes,
    make_labelled,
    to_bytes,
)
from oracle import make_data, refused, same_bits

import rnn_rust
from rnn_rust import (
    GRU,
    LSTM,
    RNN,
    Adam,
    Dataset,
    Focal,
    Huber,
    Quantile,
)
from rnn_rust.errors import DataError, ModelFileError, ShapeError
from rnn_rust.model.network import Network

LENGTHS = [4, 1, 6, 2, 3]
OPTIONS: list[dict[str, Any]] = [
    {"clip_norm": 1.0, "clip_value": 0.5},
    {"bptt_steps": 2},
    {"recurrent_dropout": 0.25},
    {"num_layers": 2, "dropout": 0.5},
    {"loss": Huber(0.5)},
    {"loss": "quantile", "output_activation": "softsign"},
    {"loss": Quantile(0.9), "reduction": "sum", "readout": "last"},
    {"loss": Focal(1.5), "pos_weight": 3.0},
    {"loss": "focal", "class_weight": {0: 1.0, 1: 2.5}},
    {"loss": "binary_cross_entropy", "class_weight": "balanced", "readout": "mean"},
    {"loss": "cross_entropy", "class_weight": {0: 1.0, 1: 0.0, 2: 2.5}},
    {"loss": "cross_entropy", "class_weight": "balanced", "scaler": "standard"},
]


@st.composite
def models(draw: st.DrawFn) -> Network:
    """A network of any kind; its cell's own argument may be any, too."""
    kind, own = CELLS[draw(st.sampled_from(list(CELLS)))]
    if kind is LSTM:
        own = {"forget_bias": draw(st.sampled_from([1.0, 0.0, 2.5]))}
    options = draw(st.sampled_from(ARCHITECTURES)) | draw(st.sampled_from(OPTIONS))
    if options.get("bidirectional"):
        options = {name: value for name, value in options.items() if name != "bptt_steps"}
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed, init = draw(st.integers(0, 99)), draw(st.sampled_from(["pytorch", "orthogonal"]))
    if "dropout" in options:
        options["num_layers"] = max(options["num_layers"], 2)
    return kind(2, 4, 3, dtype=dtype, seed=seed, init=init, **own | options)


def labelled(model: Network, seed: int = 0) -> Dataset:
    return make_labelled(LENGTHS, model.settings["loss"], (2, 3), seed=seed, missing=0.2)


@settings(max_examples=150, deadline=None)
@given(models())
def test_the_text_makes_the_same_model(model: Network) -> None:
    same: Network = eval(repr(model))
    assert type(same) is type(model)
    assert same.settings == model.settings
    assert type(model)(**model.settings).settings == model.settings
    assert same_bits(same, model)


def through_a_file(model: Network, path: Path) -> Network:
    model.save(path)
    return rnn_rust.load(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "model.safetensors"


@settings(max_examples=100, deadline=None)
@given(model=models(), fitted=st.booleans())
def test_everything_comes_back(path: Path, model: Network, fitted: bool) -> None:
    model.optimizer = Adam(0.01)
    if fitted:
        model.fit(labelled(model), epochs=2, batch_size=2, progress=False)
    copies = [through_a_file(model, path), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for loaded in copies:
        assert type(loaded) is type(model)
        assert loaded.settings == model.settings
        assert same_bits(loaded, model)
        assert to_bytes(loaded) == to_bytes(model)
        assert repr(loaded) == repr(model)
        if fitted:
            assert (
                loaded.predict(labelled(model)).tobytes()
                == model.predict(labelled(model)).tobytes()
            )
            other = labelled(model, seed=1)
            assert loaded.loss(other, dropout_seed=1) == model.loss(other, dropout_seed=1)
    # A file has no moments: training goes on from it as with a new optimiser.
    renewed = copy.deepcopy(model)
    renewed.optimizer = Adam(0.01)
    for one in (model, renewed, *copies):
        one.fit(labelled(model), epochs=1, progress=False)
    assert same_bits(copies[0], renewed)
    assert same_bits(copies[1], model)
    assert same_bits(copies[2], model)


@pytest.mark.parametrize("other", ["RNN", "GRU", "LSTM", "CNN"])
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_a_file_of_another_cell_is_refused(kind: type[Network], other: str) -> None:
    whole, name = to_bytes(kind(2, 4, 1)), kind.__name__
    end = 8 + int.from_bytes(whole[:8], "little")
    header = whole[8:end].replace(f'cell\\":\\"{name}'.encode(), f'cell\\":\\"{other}'.encode())
    changed = len(header).to_bytes(8, "little") + header + whole[end:]
    assert (changed == whole) == (other == name)
    if other != name:
        with pytest.raises(ModelFileError):
            from_bytes(changed)


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_help_shows_every_argument_once(kind: type[Network]) -> None:
    names = list(inspect.signature(kind).parameters)
    own = {RNN: "activation", GRU: "reset_after", LSTM: "forget_bias"}[kind]
    assert names[:4] == ["input_size", "hidden_size", "output_size", own]
    assert {*kind(1, 1, 1).settings, "optimizer", "scaler", "n_threads"} == set(names)
    assert inspect.signature(kind).bind(1, 2, output_size=3, num_layers=2)


# Names, shapes and the table -----------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=repr)
@pytest.mark.parametrize("cell", CELLS)
def test_weights_have_pytorchs_names_and_shapes(cell: str, architecture: dict[str, Any]) -> None:
    kind, own = CELLS[cell]
    model = kind(3, 5, 2, **own, **architecture)
    gates = {RNN: 1, GRU: 3, LSTM: 4}[kind] * 5
    ways = ["", "_reverse"] if architecture.get("bidirectional") else [""]
    expected: dict[str, tuple[int, ...]] = {}
    for layer in range(architecture.get("num_layers", 1)):
        for way in ways:
            expected[f"weight_ih_l{layer}{way}"] = (gates, 3 if layer == 0 else 5 * len(ways))
            expected[f"weight_hh_l{layer}{way}"] = (gates, 5)
            expected[f"bias_l{layer}{way}"] = (gates,)
            if cell == "GRU":
                expected[f"bias_hn_l{layer}{way}"] = (5,)
    expected |= {"head.weight": (2, 5 * len(ways)), "head.bias": (2,)}
    assert {name: array.shape for name, array in model.state_dict().items()} == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=repr)
@pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "GRU reset before", "LSTM"])
def test_the_summary_is_that_of_the_weights(
    cell: str, architecture: dict[str, Any], dtype: str
) -> None:
    kind, own = CELLS[cell]
    model = kind(30, 50, 2, dtype=dtype, readout="mean", **own, **architecture)
    summary, state = model.summary(), model.state_dict()
    assert [(w.name, w.shape) for w in summary.weights] == [(k, v.shape) for k, v in state.items()]
    assert summary.parameters == sum(array.size for array in state.values())
    assert summary.bytes == sum(array.nbytes for array in state.values())
    lines = str(summary).splitlines()
    assert lines[0].split() == ["layer", "weight", "shape", "parameters", "bytes"]
    assert lines[-1].split() == ["total", f"{summary.parameters:,}", f"{summary.bytes:,}"]
    assert len(lines) == len(state) + 2
    for layer in range(architecture.get("num_layers", 1)):
        assert sum(f"{kind.__name__} layer {layer}" in line for line in lines) == 1
    assert "head (mean)" in str(summary)


def test_a_forget_gate_begins_open() -> None:
    zero, two = (LSTM(2, 3, 1, num_layers=2, forget_bias=b, seed=4) for b in (0.0, 2.0))
    change = {k: v - zero.state_dict()[k] for k, v in two.state_dict().items()}
    for name, difference in change.items():
        expected = np.zeros(difference.shape)
        if name.startswith("bias_l"):
            expected[3:6] = 2
        np.testing.assert_allclose(difference, expected, atol=1e-6, err_msg=name)


# Step by step --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from([*CELLS]), layers=st.integers(1, 3), hidden=st.integers(1, 40),
    dtype=st.sampled_from(["float32", "float64"]), scaler=st.sampled_from([None, "minmax"]),
    loss=st.sampled_from(LOSSES), readout=st.sampled_from(["each_step", "last"]),
)  # fmt: skip
def test_steps_give_the_bits_of_a_prediction(
    cell: str, layers: int, hidden: int, loss: Any, readout: str, **options: Any
) -> None:
    kind, own = CELLS[cell]
    data = make_labelled([7, 3, 1, 12], loss, (2, 3))
    model = kind(2, hidden, 3, num_layers=layers, loss=loss, readout=readout, **own, **options)
    model.fit(data, epochs=1, progress=False)
    stepper, together = model.stepper(), model.predict(data)
    for at, sequence in enumerate(data):
        stepper.reset()
        outputs = np.stack([stepper.step(features) for features in sequence.features])
        rows = slice(data.offsets[at], data.offsets[at + 1])
        expected = together[rows] if readout == "each_step" else together[at : at + 1]
        found = outputs if readout == "each_step" else outputs[-1:]
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "GRU reset before", "LSTM"])
def test_a_state_can_be_taken_and_given_back(cell: str, layers: int) -> None:
    kind, own = CELLS[cell]
    model = kind(3, 8, 2, num_layers=layers, **own)
    x = make_data([6], 3, 2).features
    one, other = model.stepper(), model.stepper()
    width = 16 if cell == "LSTM" else 8
    assert one.state.shape == ((width,) if layers == 1 else (layers, width))
    for features in x[:3]:
        one.step(features)
    np.testing.assert_array_equal(
        np.atleast_2d(one.state)[-1, :8],
        model.hidden_states(Dataset.from_arrays(x[:3], None, [0, 3]))[-1],
    )
    other.state = one.state
    for features in x[3:]:
        assert one.step(features).tobytes() == other.step(features).tobytes()
    np.testing.assert_array_equal(one.state, other.state)
    one.reset()
    assert not one.state.any()
    assert one.step(x[0]).tobytes() == model.stepper().step(x[0]).tobytes()
    with pytest.raises(ShapeError, match="state"):
        one.state = np.zeros(layers * width + 1)
    wrong = np.zeros((layers, width))
    wrong[-1, 2] = np.nan
    with pytest.raises(DataError, match="state"):
        one.state = wrong.reshape(one.state.shape)


def test_every_activation_and_readout_is_known() -> None:
    """The names of messages are the ones that these tests know."""
    refused(lambda: RNN(1, 1, 1, activation="x"), rnn_rust.errors.ParameterError, *ACTIVATIONS)
    refused(lambda: RNN(1, 1, 1, readout="x"), rnn_rust.errors.ParameterError, *READOUTS)
