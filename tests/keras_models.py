"""Networks of Keras in tests: committed files, and objects that stand in for Keras' own."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from oracle import assert_close

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


def members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(file(name)) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as written:
        for name, data in entries.items():
            written.writestr(name, data)
    return path
