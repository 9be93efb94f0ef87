"""Networks of Keras: read from committed files, and, where Keras is installed, from its models."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import RunPython
from oracle import Array, assert_close

from rnn_rust import GRU, Focal, from_keras
from rnn_rust.errors import DataError, MissingFileError, ModelFileError, ParameterError, ShapeError
from rnn_rust.interchange.keras_file import read_keras

FILES = Path(__file__).parent / "golden" / "keras_models"
NAMES = sorted(path.stem for path in FILES.glob("*.keras"))
with np.load(FILES / "expected.npz") as _file:
    EXPECTED = dict(_file)
# Rows of each sequence that are no padding.
LENGTHS = {"lstm-masking": (7, 4, 1)}
# Of a configuration.
Change = Callable[[dict[str, Any]], object]


def file(name: str) -> Path:
    return FILES / f"{name}.keras"


def stand_in(name: str, change: Change | None = None) -> Any:
    """Return an object like a model of Keras: the configuration and weights of a file."""
    kind, config, weights = read_keras(file(name))
    config = copy.deepcopy(config)
    if change is not None:
        change(config)
    layers = [
        SimpleNamespace(name=key, get_weights=lambda own=arrays: own)
        for key, arrays in weights.items()
    ]
    return type(kind, (), {"layers": layers, "get_config": lambda _: config})()


def layer(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the configuration of the first layer of a kind."""
    found = next(one for one in config["layers"] if one["class_name"] == kind)
    return found["config"]


def setting(kind: str, **values: Any) -> Change:
    return lambda config: layer(config, kind).update(values)


def assert_as_keras(model: Any, name: str, tolerance: float) -> None:
    X, expected = (EXPECTED[f"{name}.{part}"] for part in ("X", "outputs"))
    if name not in LENGTHS:
        assert_close(model.predict(X), expected, tolerance)
        return
    for rows, wanted, length in zip(X, expected, LENGTHS[name], strict=True):
        assert_close(model.predict(rows[:length]), wanted[:length], tolerance)


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


# What does not fit is named -------------------------------------------------------------------


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


# Files ----------------------------------------------------------------------------------------


def members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(file(name)) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as written:
        for name, data in entries.items():
            written.writestr(name, data)
    return path


def test_files_that_are_not_of_keras(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    with pytest.raises(MissingFileError, match=f"there is no file {path}"):
        from_keras(path)
    with pytest.raises(ModelFileError, match="cannot read the file"):
        from_keras(tmp_path)
    whole = members("gru")
    for content, message in [
        (b"", "this is not a .keras file, or it is damaged"),
        (whole["model.weights.h5"], "this is an HDF5 file, as older versions of Keras write them"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=message):
            from_keras(path)
    for lost in ("config.json", "model.weights.h5"):
        archive(path, {name: data for name, data in whole.items() if name != lost})
        with pytest.raises(ModelFileError, match=f"this is no file of Keras 3: .*{lost}"):
            from_keras(path)
    for config in (
        b"",
        b"[",
        b"[]",
        b"{}",
        b'{"class_name": "Sequential", "config": {"layers": 3}}',
    ):
        archive(path, whole | {"config.json": config})
        with pytest.raises(ModelFileError, match="this file is damaged"):
            from_keras(path)
    for h5 in (b"", b"HDF", members("lstm-masking")["model.weights.h5"]):
        archive(path, whole | {"model.weights.h5": h5})
        with pytest.raises(ModelFileError, match="this file is damaged"):
            from_keras(path)
    # What is whole, and does not fit, is named with the file.
    archive(path, whole | {"config.json": whole["config.json"].replace(b"GRU", b"Conv1D")})
    with pytest.raises(
        ParameterError, match=rf"{path}: layer 'gru' \(Conv1D\): models here have no"
    ):
        from_keras(path)


def test_a_file_needs_h5py_alone(run_python: RunPython) -> None:
    code = (
        "import sys, rnn_rust\n"
        f"rnn_rust.from_keras({str(file('gru'))!r})\n"
        "assert not {'keras', 'torch', 'tensorflow', 'polars'} & sys.modules.keys()\n"
        "sys.modules['h5py'] = None\n"
        f"try: rnn_rust.from_keras({str(file('gru'))!r})\n"
        "except ModuleNotFoundError as error: print(error, error.name)"
    )
    message = 'to read a .keras file takes h5py: pip install "rnn-rust[keras]" h5py\n'
    assert run_python(code).stdout == message


def test_damaged_files_give_clear_errors(tmp_path: Path) -> None:
    """Bytes are changed in the archive, whose checksums tell, and below those, or cut off."""
    rng, path = np.random.default_rng(0), tmp_path / "damaged.keras"
    content, whole = file("gru").read_bytes(), members("gru")
    messages = []
    for _ in range(600):
        how = rng.integers(4)
        if how == 0:
            path.write_bytes(content[: rng.integers(len(content))])
        elif how == 1:
            path.write_bytes(scratched(content, rng))
        else:
            name = "config.json" if how == 2 else "model.weights.h5"
            archive(path, whole | {name: scratched(whole[name], rng)})
        try:
            from_keras(path)
        except (ModelFileError, ParameterError, DataError) as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert all(message.startswith(f"{path}: ") for message in messages)


def scratched(content: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes some of which are others."""
    changed = bytearray(content)
    for place in rng.integers(len(changed), size=rng.integers(1, 30)):
        changed[place] = rng.integers(256)
    return bytes(changed)


def test_weights_that_claim_to_be_huge_are_not_read(tmp_path: Path) -> None:
    import h5py

    whole = members("gru")
    buffer = io.BytesIO(whole["model.weights.h5"])
    with h5py.File(buffer, "r+") as weights:
        place = weights["layers/gru/cell/vars"]
        del place["0"]
        place.create_dataset("0", shape=(2**20, 2**20), dtype="float64", chunks=(2**9, 2**9))
    path = archive(tmp_path / "a.keras", whole | {"model.weights.h5": buffer.getvalue()})
    with pytest.raises(ModelFileError, match=r"vars/0 has shape \(1048576, 1048576\), more than"):
        from_keras(path)


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
