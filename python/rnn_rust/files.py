"""Models as files: what describes a model beside its tensors, and writing that replaces a file.

:mod:`rnn_rust.storage` has the format.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from rnn_rust.checks import whole_number
from rnn_rust.errors import MissingFileError, ModelFileError, RnnRustError
from rnn_rust.labels import class_count
from rnn_rust.losses import CUSTOM
from rnn_rust.losses import from_dict as loss_from_dict
from rnn_rust.losses import to_dict as loss_to_dict
from rnn_rust.optim import from_dict, to_dict
from rnn_rust.storage import pack, unpack

if TYPE_CHECKING:
    from rnn_rust.inputs import FloatArray
    from rnn_rust.network import Network

_log = logging.getLogger("rnn_rust")

# Before the names of tensors that are no weights: those of a checkpoint.
TRAINING = "training/"


def save(model: Network, path: str | os.PathLike[str]) -> None:
    """Carry out :meth:`rnn_rust.RNN.save`."""
    if (stored := from_dict(describe(model)["optimizer"])) != model.optimizer:
        _log.warning("A file cannot keep Python code: the optimizer in %s is %r", path, stored)
    if model.loss_name == CUSTOM:
        _log.warning("A file cannot keep Python code: the loss in %s is 'mse'", path)
    write(path, to_bytes(model))


def load(path: str | os.PathLike[str]) -> Network:
    """Return the model of a file that :meth:`rnn_rust.RNN.save` wrote, or of a checkpoint.

    It predicts the same bits as the model that was saved.

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not a model of this package, it is damaged (its checksum tells), or a newer version
        wrote it.
    """
    data = read(path)
    try:
        return from_bytes(data, source=path)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def read(path: str | os.PathLike[str]) -> bytes:
    """Return what a file holds; errors as :func:`load`."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {path}") from None
    except OSError as error:
        raise ModelFileError(f"cannot read the model {path}: {error.strerror or error}") from error


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file; one that is there is replaced in one step.

    Raises
    ------
    ModelFileError
        The file cannot be written there.
    """
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise ModelFileError(
            f"cannot write the model to {path}: {error.strerror or error}"
        ) from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that :func:`write` can write a file there, as far as that can be known before.

    Raises
    ------
    ModelFileError
        It cannot.
    """
    import tempfile

    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ModelFileError(
            f"cannot write the model to {path}: {error.strerror or error}"
        ) from error


def to_bytes(model: Network, training: tuple[Any, dict[str, FloatArray]] | None = None) -> bytes:
    """Return the contents of a model file.

    ``training`` makes it a checkpoint: JSON for the key ``"training"``, and further tensors, whose
    names begin with :data:`TRAINING`.
    """
    description = describe(model) | {
        "scaler": None if model.scaler is None else model.scaler.to_dict(),
        "feature_names": model.feature_names,
        "label_names": model.label_names,
        "class_table": None if model.class_table is None else model.class_table.tolist(),
        "threshold": model.threshold,
        "epochs_trained": model.epochs_trained,
    }
    tensors = model.state_dict()
    if training is not None:
        description["training"], more = training
        tensors |= more
    return pack(description, tensors)


def describe(model: Network) -> dict[str, Any]:
    """Return what makes a model before it has seen data."""
    # A function for the learning rate may know no epoch beyond the last.
    last_epoch = max(model.epochs_trained - 1, 0)
    settings = model.settings
    if isinstance(settings["class_weight"], dict):
        # The keys of a JSON object are strings: the weights in the order of the classes.
        settings["class_weight"] = list(settings["class_weight"].values())
    return {
        "architecture": {"cell": model._cell} | settings | {"loss": loss_to_dict(settings["loss"])},
        "optimizer": to_dict(model.optimizer, last_epoch),
    }


def from_bytes(data: bytes, source: str | os.PathLike[str] = "a pickled model") -> Network:
    """Return the model of the contents of a file; errors as :func:`load`.

    ``source`` names the file in the log.
    """
    description, tensors = unpack(data, source)
    state = {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING)}
    try:
        return _build(description, state)
    except (KeyError, TypeError, ValueError, RnnRustError) as error:
        raise ModelFileError(f"this model file is damaged: {error}") from error


def _build(description: dict[str, Any], state: dict[str, Any]) -> Network:
    from rnn_rust.data.scale import scaler_from_dict
    from rnn_rust.models import MODELS

    settings = dict(description["architecture"])
    if (cell := settings.pop("cell")) not in MODELS:
        raise ModelFileError(f"cell {cell!r} is not known")
    if isinstance(weights := settings["class_weight"], list):
        settings["class_weight"] = dict(enumerate(weights))
    settings["loss"] = loss_from_dict(settings["loss"])
    scaler = description["scaler"]
    model = MODELS[cell](
        **settings,
        optimizer=from_dict(description["optimizer"]),
        scaler=None if scaler is None else scaler_from_dict(scaler),
    )
    model.load_state_dict(state)
    sizes = (settings["input_size"], model.label_columns)
    if model.scaler is not None and model.scaler.is_fitted and model.scaler.columns != sizes:
        raise ModelFileError(f"the scaler has {model.scaler.columns} columns, the model {sizes}")
    model.class_table = _class_table(description["class_table"], model)
    for name, size in zip(("feature_names", "label_names"), sizes, strict=True):
        setattr(model, name, _names(name, description[name], size))
    model.threshold = description["threshold"]
    model.epochs_trained = whole_number("epochs_trained", description["epochs_trained"], least=0)
    return model


def _class_table(rows: Any, model: Network) -> FloatArray | None:
    if rows is None:
        return None
    table = np.array(rows, dtype=np.float64)
    classes = class_count(model.loss_name, model.settings["output_size"])
    if table.shape != (model.label_columns, classes) or not (table >= 0).all():
        raise ModelFileError("the weights of classes are not those of the model")
    return table


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
    still there. The new file has the permissions of the old one.

    Raises
    ------
    OSError
        The file cannot be written, or is not a regular file; it names ``path``.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(_temporary_name(target, secrets.token_hex(8)))
    try:
        old = target.stat().st_mode if target.exists() else None
        if old is not None and not stat.S_ISREG(old):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(temporary, "xb") as file:
            if old is not None:
                os.chmod(temporary, stat.S_IMODE(old))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise OSError(error.errno, reason, os.fspath(path)) from None
        raise


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what processes left beside ``path`` that were killed in :func:`replacing`.

    Nobody else may be writing the same file.
    """
    target = Path(os.path.realpath(path))
    for leftover in target.parent.glob(_temporary_name(target, "*")):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _temporary_name(target: Path, number: str) -> str:
    """Return a name that tells whose it is, and is short enough wherever the target's is."""
    owner = hashlib.blake2b(os.fsencode(target.name), digest_size=4).hexdigest()
    return f".{owner}-{number}.tmp"
