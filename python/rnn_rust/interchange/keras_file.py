"""Keras 3 files: zip archives with the layers as JSON, and their weights as HDF5."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.errors import ModelFileError, RnnRustError
from rnn_rust.storage.model_file import check_readable

Arrays = list[NDArray[Any]]

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_HDF5 = b"\x89HDF\r\n\x1a\n"
# By class of a layer: the name of its group among the weights, and the subgroups with its arrays.
_GROUPS = {
    "SimpleRNN": ("simple_rnn", ("cell",)),
    "GRU": ("gru", ("cell",)),
    "LSTM": ("lstm", ("cell",)),
    "Bidirectional": ("bidirectional", ("forward_layer/cell", "backward_layer/cell")),
    "Dense": ("dense", ("",)),
    "TimeDistributed": ("time_distributed", ("layer",)),
}


def read_keras(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any], dict[str, Arrays]]:
    """Return the class of a model, its configuration, and the weights of its layers by name.

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not a Keras 3 file, or is damaged.
    """
    try:
        import h5py
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'to read a .keras file takes h5py: pip install "rnn-rust[keras]"', name="h5py"
        ) from None
    text, data = _members(path)
    try:
        described = json.loads(text)
        kind, config = described["class_name"], described["config"]
        with h5py.File(io.BytesIO(data), "r") as file:
            return kind, config, _weights(file, config["layers"], most=len(data))
    except RnnRustError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from error
    # h5py has no exception class of its own.
    except Exception as error:
        raise ModelFileError(
            f"{os.fspath(path)}: this file is damaged: {type(error).__name__}: {error}"
        ) from error


def _members(path: str | os.PathLike[str]) -> tuple[bytes, bytes]:
    """Return the two members of the archive, whose checksums are verified."""
    where = os.fspath(path)
    check_readable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(_CONFIG), archive.read(_WEIGHTS)
    except zipfile.BadZipFile as error:
        if Path(path).read_bytes()[: len(_HDF5)] == _HDF5:
            raise ModelFileError(
                f"{where}: this is an HDF5 file, as older versions of Keras write them; load it "
                "with Keras 3 and save it as .keras"
            ) from None
        raise ModelFileError(
            f"{where}: this is not a .keras file, or it is damaged ({error})"
        ) from error
    except KeyError as error:
        raise ModelFileError(f"{where}: this is no file of Keras 3: {error.args[0]}") from error
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error) as error:
        raise ModelFileError(f"{where}: cannot read the file: {error}") from error


def _weights(file: Any, layers: list[dict[str, Any]], *, most: int) -> dict[str, Arrays]:
    """Return the arrays of each layer; ``most`` is their maximum number of bytes."""
    counts: Counter[str] = Counter()
    weights = {}
    for layer in layers:
        kind = layer["class_name"]
        if kind not in _GROUPS:
            continue
        group, parts = _GROUPS[kind]
        # The second layer of a class has a number: gru_1.
        number = counts[kind]
        counts[kind] += 1
        place = f"layers/{group}_{number}" if number else f"layers/{group}"
        arrays: Arrays = []
        for part in parts:
            variables = file[f"{place}/{part}/vars".replace("//", "/")]
            arrays += [_array(variables[str(i)], most) for i in range(len(variables))]
        weights[layer["config"]["name"]] = arrays
    return weights


def _array(dataset: Any, most: int) -> NDArray[Any]:
    if dataset.size * dataset.dtype.itemsize > most:
        raise ModelFileError(
            f"this file is damaged: {dataset.name} has shape {dataset.shape}, more than the file "
            "can hold"
        )
    return np.asarray(dataset[()])
