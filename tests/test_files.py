"""Models as files: what is kept, what equal models share, what damaged files are refused with."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from conftest import RunPython
from networks import from_bytes, to_bytes
from oracle import make_data, same_bits

import rnn_rust
from rnn_rust import RNN, SGD, Dataset, MinMaxScaler
from rnn_rust.base.files import replacing
from rnn_rust.errors import MissingFileError, ModelFileError, ParameterError
from rnn_rust.storage.model_file import pack

DATA = make_data([4, 1, 6], 2, 1)


def make_model(**options: Any) -> RNN:
    """Return a trained model with something in every place that a file keeps."""
    defaults: dict[str, Any] = {"scaler": "minmax", "optimizer": SGD(0.02), "seed": 5}
    model = RNN(2, 4, 1, **defaults | options)
    named = Dataset.from_arrays(
        DATA.features, DATA.labels, DATA.offsets, feature_names=["größe", "age"], label_names=["z"]
    )
    model.fit(named, epochs=3, progress=False)
    model.threshold = 0.25
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def through_a_file(model: RNN, path: Path) -> RNN:
    model.save(path)
    return rnn_rust.load(path)


def through_pickle(model: RNN, path: Path) -> RNN:
    loaded = pickle.loads(pickle.dumps(model))
    assert isinstance(loaded, RNN)
    return loaded


def through_copy(model: RNN, path: Path) -> RNN:
    return copy.deepcopy(model)


WAYS = [through_a_file, through_pickle, through_copy]
Way = Callable[[RNN, Path], RNN]

# What is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaler", ["minmax", "standard", None])
def test_everything_comes_back(way: Way, dtype: str, scaler: str | None, path: Path) -> None:
    model = make_model(dtype=dtype, scaler=scaler, output_activation="sigmoid", reduction="sum")
    loaded = way(model, path)
    assert same_bits(loaded, model)
    assert loaded.predict(DATA).tobytes() == model.predict(DATA).tobytes()
    for name in ("settings", "optimizer", "feature_names", "label_names"):
        assert getattr(loaded, name) == getattr(model, name)
    assert (loaded.threshold, loaded.epochs_trained) == (0.25, 3)
    assert loaded.feature_names == ("größe", "age")
    assert to_bytes(loaded) == to_bytes(model)
    for one in (model, loaded):
        one.fit(DATA, epochs=2, batch_size=2, progress=False)
    assert same_bits(loaded, model)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scaler", ["minmax", None])
def test_a_model_without_training_comes_back(way: Way, scaler: str | None, path: Path) -> None:
    model = RNN(2, 4, 1, scaler=scaler)
    loaded = way(model, path)
    assert (loaded.threshold, loaded.feature_names, loaded.epochs_trained) == (None, None, 0)
    assert same_bits(loaded, model)
    for one in (model, loaded):
        one.fit(DATA, epochs=2, progress=False)
    assert same_bits(loaded, model)


def test_equal_models_are_equal_files(path: Path) -> None:
    make_model().save(path)
    first = path.read_bytes()
    make_model().save(str(path))
    assert path.read_bytes() == first == to_bytes(make_model())
    assert to_bytes(make_model(optimizer=SGD(1))) == to_bytes(make_model(optimizer=SGD(1.0)))
    assert to_bytes(make_model(seed=6)) != first


def test_other_programs_read_the_weights(path: Path) -> None:
    model = make_model()
    model.save(path)
    for name, array in safetensors.numpy.load_file(path).items():
        np.testing.assert_array_equal(array, model.state_dict()[name])


def test_a_loaded_model_works_in_another_process(path: Path, run_python: RunPython) -> None:
    model = make_model()
    model.save(path)
    code = (
        "import rnn_rust as rnn\n"
        f"model = rnn.load({str(path)!r})\n"
        "data = rnn.Dataset.from_arrays([[0.5, -1.0]], None, [0, 1])\n"
        "print(model.predict(data).tobytes().hex())"
    )
    data = Dataset.from_arrays([[0.5, -1.0]], None, [0, 1])
    assert run_python(code).stdout.strip() == model.predict(data).tobytes().hex()


# Saving --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_failing_save_leaves_the_old_file(
    call: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model().save(path)
    before = path.read_bytes()

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(ModelFileError, match="No space left on device") as caught:
        make_model(seed=9).save(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupted_save_leaves_the_old_file(path: Path) -> None:
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for place in (tmp_path / "missing" / "model", tmp_path):
        with pytest.raises(ModelFileError) as caught:
            make_model().save(place)
        assert str(place) in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_what_is_not_a_regular_file_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, os.devnull):
        with pytest.raises(ModelFileError, match=f"{place}: it is not a regular file"):
            rnn_rust.load(place)


def test_a_saved_file_is_as_readable_as_any_other(path: Path) -> None:
    make_model().save(path)
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


# Files that are refused ----------------------------------------------------------------------

WHOLE = to_bytes(make_model())
HEADER_END = 8 + int.from_bytes(WHOLE[:8], "little")
HEADER = json.loads(WHOLE[8:HEADER_END])
STORED = json.loads(HEADER["__metadata__"]["rnn_rust"])


def edited(where: str, value: object) -> bytes:
    """Return the model file with another value in its description, and the right checksum."""
    description = json.loads(json.dumps(STORED["model"]))
    *parents, key = where.split(".")
    part = description
    for parent in parents:
        part = part[parent]
    part[key] = value
    return pack(description, make_model().state_dict())


def with_weight(name: str, values: Any) -> bytes:
    """Return the model file with another tensor, and the right checksum."""
    return pack(STORED["model"], make_model().state_dict() | {name: np.asarray(values, np.float32)})


def with_stored(stored: object, header: dict[str, Any] | None = None, indent: int = 0) -> bytes:
    """Return the model file with another JSON value in its metadata, or header around it."""
    metadata = {"__metadata__": {"rnn_rust": json.dumps(stored, indent=indent)}}
    text = json.dumps((header or HEADER) | metadata).encode()
    return len(text).to_bytes(8, "little") + text + WHOLE[HEADER_END:]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in STORED.items() if name != key}


def foreign(**metadata: str) -> bytes:
    """Return a safetensors file of another program."""
    return safetensors.numpy.save({"w": np.zeros(3)}, metadata=metadata)


SIGNALLING_NAN = np.full(4, 0x7F800001, np.uint32).view(np.float32)
REFUSED = [
    (b"", "safetensors"),
    (b"epoch,loss\n1,0.5\n", "safetensors"),
    (np.random.default_rng(0).bytes(5000), "safetensors"),
    (foreign(), "not written by rnn_rust"),
    (foreign(format="pt"), "from_torch(safetensors.numpy.load_file(path))"),
    (foreign(rnn_rust="{"), "damaged"),
    (foreign(rnn_rust="[1]"), "damaged"),
    (foreign(rnn_rust="[" * 10**5), "damaged"),
    (with_stored(STORED | {"format_version": 3}), "newer"),
    (with_stored(STORED | {"format_version": 1}), "version 1"),
    (with_stored(STORED | {"format_version": 0}), "damaged"),
    (with_stored(STORED | {"format_version": "2"}), "damaged"),
    (with_stored(STORED | {"format_version": 2.0}), "checksum"),
    (with_stored(STORED | {"digest": None}), "checksum"),
    (with_stored(without("digest")), "digest"),
    (with_stored(without("digest") | {"format_version": 1}), "damaged"),
    (with_stored(STORED["model"] | without("model") | {"format_version": 1}), "version 1"),
    (with_stored(without("model")), "model"),
    (with_stored(STORED | {"model": STORED["model"] | {"epochs_trained": 4}}), "checksum"),
    (with_stored(STORED | {"model": STORED["model"] | {"threshold": np.nan}}), "damaged"),
    (edited("architecture.cell", "CNN"), "CNN"),
    (edited("architecture.layers", 2), "layers"),
    (edited("architecture.activation", "x"), "activation"),
    (edited("architecture.hidden_size", 5), "(5, 2)"),
    (edited("optimizer.name", "Adam"), "Adam"),
    (edited("optimizer", {}), "damaged"),
    (edited("scaler.kind", "quantile"), "quantile"),
    (edited("scaler.feature_scale", [1.0]), "scaler"),
    (edited("scaler", MinMaxScaler().fit(make_data([5], 3, 1)).to_dict()), "scaler"),
    (edited("threshold", "high"), "threshold"),
    (edited("epochs_trained", -5), "epochs_trained"),
    (edited("feature_names", "ab"), "feature_names"),
    (edited("feature_names", ["a"]), "feature_names"),
    (edited("label_names", [1]), "label_names"),
    (with_weight("bias_l0", np.zeros(3)), "bias_l0"),
    (with_weight("weight_ih_l1", np.zeros(4)), "weight_ih_l1"),
    (with_weight("bias_l0", [np.nan] * 4), "bias_l0"),
    (with_weight("bias_l0", [np.inf] * 4), "bias_l0"),
    (with_weight("bias_l0", SIGNALLING_NAN), "bias_l0"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "word"), REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_is_no_model_is_refused(content: bytes, word: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        rnn_rust.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert word in message
    assert "\n" not in message


def test_a_file_of_more_than_memory_is_refused(path: Path, run_python: RunPython) -> None:
    path.write_bytes(edited("architecture.hidden_size", 10**6))
    code = (
        "import rnn_rust\n"
        f"try: rnn_rust.load({str(path)!r})\n"
        "except rnn_rust.errors.ModelFileError: print('refused')"
    )
    assert run_python(code).stdout == "refused\n"


def test_the_layout_of_the_header_does_not_matter() -> None:
    names = [name for name in reversed(HEADER) if name != "__metadata__"]
    other = with_stored(dict(reversed(STORED.items())), {n: HEADER[n] for n in names}, indent=2)
    assert other != WHOLE
    assert to_bytes(from_bytes(other)) == WHOLE


def test_the_checksum_is_the_sha_256_of_description_and_tensors() -> None:
    state = sorted(make_model().state_dict().items())
    layout = [[name, "<f4", list(array.shape)] for name, array in state]
    text = json.dumps([2, STORED["model"], layout], sort_keys=True, separators=(",", ":"))
    raw = b"".join(array.astype("<f4").tobytes() for _, array in state)
    assert STORED["digest"] == hashlib.sha256(text.encode() + raw).hexdigest()


def test_a_file_without_a_checksum_is_loaded_with_a_warning(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(with_stored(STORED["model"] | {"format_version": 1}))
    assert to_bytes(rnn_rust.load(path)) == WHOLE
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"{path} is of format version 1, which has no checksum")
    caplog.clear()
    through_a_file(make_model(), path)
    assert caplog.records == []


def test_a_part_of_a_file_is_refused() -> None:
    for length in [*range(0, len(WHOLE), 7), len(WHOLE) - 1]:
        with pytest.raises(ModelFileError):
            from_bytes(WHOLE[:length])
    with pytest.raises(ModelFileError):
        from_bytes(WHOLE + b"\0")


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        rnn_rust.load(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


READERS = [rnn_rust.load, rnn_rust.from_onnx, rnn_rust.from_keras, rnn_rust.load_scorer]


@pytest.mark.parametrize("reader", READERS)
def test_paths_that_cannot_be_read_are_told_alike(
    reader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for empty in ("", "a\0b"):
        with pytest.raises(ParameterError, match="path must be a path"):
            reader(empty)
    with pytest.raises(MissingFileError) as missing:
        reader("model")
    assert str(missing.value) == "there is no file model; check the path"
    Path("file").touch()
    for path, why in (
        (".", errno.EISDIR), ("a" * 300, errno.ENAMETOOLONG), ("file/model", errno.ENOTDIR)
    ):  # fmt: skip
        with pytest.raises(ModelFileError) as raised:
            reader(path)
        assert str(raised.value) == f"cannot read the model {path}: {os.strerror(why)}"
