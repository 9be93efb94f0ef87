"""Models as files: safetensors, with everything that is not a tensor in one JSON value.

The header's only metadata key is ``rnn_rust``; its value is canonical JSON (sorted keys, no
spaces), so that equal models are equal files.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rnn_rust.checks import finite, whole_number
from rnn_rust.errors import MissingFileError, ModelFileError, RnnRustError
from rnn_rust.optim import SGD

if TYPE_CHECKING:
    from rnn_rust.model import RNN

FORMAT_VERSION = 1
_KEY = "rnn_rust"


def save(model: RNN, path: str | os.PathLike[str]) -> None:
    """Carry out :meth:`rnn_rust.RNN.save`."""
    data = to_bytes(model)
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise ModelFileError(
            f"cannot write the model to {path}: {error.strerror or error}"
        ) from error


def load(path: str | os.PathLike[str]) -> RNN:
    """Return the model of a file that :meth:`rnn_rust.RNN.save` wrote.

    It predicts the same bits as the model that was saved.

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not a model of this package, it is damaged, or a newer version wrote it.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {path}") from None
    except OSError as error:
        raise ModelFileError(f"cannot read the model {path}: {error.strerror or error}") from error
    try:
        return from_bytes(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def to_bytes(model: RNN) -> bytes:
    """Return the contents of a model file."""
    from safetensors.numpy import save as to_safetensors

    description = {
        "format_version": FORMAT_VERSION,
        "architecture": {"cell": "RNN"} | model.settings,
        "optimizer": {"name": "SGD", "learning_rate": model.optimizer.learning_rate},
        "scaler": None if model.scaler is None else model.scaler.to_dict(),
        "feature_names": model.feature_names,
        "label_names": model.label_names,
        "threshold": None if model.threshold is None else finite("threshold", model.threshold),
        "epochs_trained": model.epochs_trained,
    }
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return to_safetensors(model.state_dict(), metadata={_KEY: text})


def from_bytes(data: bytes) -> RNN:
    """Return the model of the contents of a file; errors as :func:`load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    try:
        state = from_safetensors(data)
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise ModelFileError(f"this is no safetensors file, or it is damaged ({error})") from error
    description = _description(data)
    try:
        return _build(description, state)
    except (KeyError, TypeError, ValueError, RnnRustError) as error:
        raise ModelFileError(f"this model file is damaged: {error}") from error


def _description(data: bytes) -> dict[str, Any]:
    """Return the JSON of a file that is known to be safetensors: a length, then a JSON header."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    text = header.get("__metadata__", {}).get(_KEY)
    if text is None:
        raise ModelFileError("this safetensors file was not written by rnn_rust")
    try:
        description: dict[str, Any] = json.loads(text)
        version = description["format_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelFileError(f"the description of the model is damaged: {error}") from error
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise ModelFileError(
            f"this file has format version {version!r}, this package reads {FORMAT_VERSION}; "
            + ("a newer rnn-rust can read it" if newer else "it is damaged")
        )
    return description


def _build(description: dict[str, Any], state: dict[str, Any]) -> RNN:
    from rnn_rust.data.scale import scaler_from_dict
    from rnn_rust.model import RNN

    settings = dict(description["architecture"])
    optimizer = dict(description["optimizer"])
    for what, name, known in (
        ("cell", settings.pop("cell"), "RNN"), ("optimizer", optimizer.pop("name"), "SGD")
    ):  # fmt: skip
        if name != known:
            raise ModelFileError(f"{what} {name!r} is not known")
    scaler = description["scaler"]
    model = RNN(
        **settings,
        optimizer=SGD(**optimizer),
        scaler=None if scaler is None else scaler_from_dict(scaler),
    )
    model.load_state_dict(state)
    sizes = [settings["input_size"], settings["output_size"]]
    if model.scaler is not None and model.scaler.is_fitted and model.scaler.columns != tuple(sizes):
        raise ModelFileError(f"the scaler has {model.scaler.columns} columns, the model {sizes}")
    for name, size in zip(("feature_names", "label_names"), sizes, strict=True):
        setattr(model, name, _names(name, description[name], size))
    threshold = description["threshold"]
    model.threshold = None if threshold is None else finite("threshold", threshold)
    model.epochs_trained = whole_number("epochs_trained", description["epochs_trained"], least=0)
    return model


def _names(what: str, names: Any, size: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFileError(f"{what} must be a list of names")
    if len(names) != size:
        raise ModelFileError(f"{what} has {len(names)} names for {size} columns")
    return tuple(names)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its place when the block ends well.

    Readers see the old file or the whole new one, never a part; after an error the old file is
    still there.
    """
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
