"""Files of Keras: others are told apart, damaged ones refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import RunPython
from keras_models import (
    archive,
    file,
    members,
)

from rnn_rust import from_keras
from rnn_rust.errors import DataError, MissingFileError, ModelFileError, ParameterError


def test_files_that_are_not_of_keras(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    with pytest.raises(MissingFileError, match=f"there is no file {path}; check the path"):
        from_keras(path)
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
