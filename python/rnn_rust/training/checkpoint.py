"""Checkpoints: model files that also have everything a training needs to continue.

The state of a training is a tree of dicts: for the record, the optimiser, the schedule and the
callbacks. Its arrays become tensors in the file; everything else is JSON in its description. The
order of the data is not stored: it follows from seed and epoch.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import counted
from rnn_rust.data.scale import Scaler
from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.learning.optimizers import to_dict
from rnn_rust.model.arguments import Options
from rnn_rust.model.declaration import described
from rnn_rust.model.description import TRAINING_PREFIX, describe, describe_architecture
from rnn_rust.model.preparation import LabelledInputs
from rnn_rust.storage.model_file import BAD_VALUES, pack, read, unpack
from rnn_rust.training.resuming import (
    ResumedCallback,
    fixed_settings_of,
    in_order_of,
    match_saved,
    saved_states,
)
from rnn_rust.training.state import Training


def to_bytes(training: Training) -> bytes:
    """Return the contents of a checkpoint.

    Raises
    ------
    ParameterError
        The state of a callback or of an optimiser in Python cannot be stored in a file.
    """
    state = {
        "history": training.history.state_dict(),
        "optimizer_state": training.model.optimizer_state.state_dict(),
        "callbacks": saved_states(training.callbacks, training.stopped_by),
    }
    tensors: dict[str, FloatArray] = {}
    try:
        tree = _without_arrays(state, TRAINING_PREFIX[:-1], tensors)
        description = describe(training.model) | {
            "training": {"setup": training.setup, "state": tree}
        }
        return pack(description, training.model.state_dict() | tensors)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"a checkpoint holds arrays, finite numbers and strings by name in dicts: {error}"
        ) from error


def restore(training: Training, path: str | os.PathLike[str]) -> list[ResumedCallback]:
    """Restore a training from a checkpoint; return the callbacks that continue from it.

    Raises
    ------
    ModelFileError
        The file is not a checkpoint, or it is damaged.
    ParameterError
        It belongs to another training; the message names what differs.
    """
    try:
        description, tensors = unpack(read(path), path)
    except ModelFileError as error:
        raise ModelFileError(f"cannot continue from {path}: {error}") from error
    if "training" not in description:
        raise ModelFileError(
            f"{path} is a model, not a checkpoint; rnn_rust.load() reads it, and a Checkpoint "
            "callback writes checkpoints"
        )
    if "format_version" in description:
        raise ModelFileError(
            f"cannot continue from {path}: an earlier version of rnn-rust wrote this checkpoint, "
            "and computes with other roundings; rnn_rust.load() reads its model, to be trained "
            "further"
        )
    try:
        kept, state = description["training"]["setup"], description["training"]["state"]
        state = _with_arrays(state, tensors)
        _check_setup(path, kept, training.setup)
        going_on = match_saved(training.callbacks, state["callbacks"], path)
        done = len(state["history"]["loss"])
        if done > training.epochs:
            raise ParameterError(
                f"cannot continue from {path}, which has {counted(done, 'epoch')} already, to "
                f"epochs={training.epochs}; give at least as many, or use another path"
            )
    except ParameterError:
        raise
    except BAD_VALUES as error:
        raise _damaged(path, error) from error
    try:
        _restore_training(training, state, tensors)
    except BAD_VALUES as error:
        raise _damaged(path, error) from error
    return going_on


def _damaged(path: str | os.PathLike[str], error: Exception) -> ModelFileError:
    return ModelFileError(f"{path}: this checkpoint is damaged: {error!r}")


def _restore_training(
    training: Training, state: dict[str, Any], tensors: dict[str, FloatArray]
) -> None:
    model, history = training.model, training.history
    history.load_state_dict(state["history"])
    model.optimizer_state.load_state_dict(state["optimizer_state"])
    model.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(TRAINING_PREFIX)})
    model.epochs_trained = history.first_epoch + len(history)


# What a training and its checkpoint have in common -------------------------------------------

# Settings that determine how data is prepared; it is compared in prepared form.
_PREPARING = {
    "scaler", "class_weight", "dtype", "readout", "reverse", "missing", "missing_indicator",
    "time_features", "max_categories",
}  # fmt: skip


def training_setup(training: Training, arrays: LabelledInputs) -> dict[str, Any]:
    """Return what must be the same for a training to continue from a checkpoint.

    Raises
    ------
    ParameterError
        The optimiser is written in Python and does not provide its state, or the settings of a
        callback cannot be stored in a file.
    """
    model = training.model
    for callback in training.callbacks:
        fixed_settings_of(callback)
    if not model.optimizer_state.can_be_saved:
        raise ParameterError(
            f"a checkpoint needs the state of {model.optimizer!r}: give it state_dict() and "
            "load_state_dict(state)"
        )
    validation = training.validation
    held_out = validation and LabelledInputs(
        validation.features, validation.labels, validation.offsets, validation.weights,
        (None if validation.static is None else validation.static.values, validation.initial_state),
    )  # fmt: skip
    described = describe_architecture(model) | {
        "optimizer": to_dict(model.optimizer, None),
        "scaler": None if model.scaler is None else _kind_of(model.scaler),
        "batch_size": training.batch_size,
        "shuffle": training.shuffle,
        "training data": _digest(arrays),
        "validation data": _digest(held_out) if held_out else None,
    }
    # Convert it to what a file returns.
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


def _kind_of(scaler: Scaler) -> dict[str, Any]:
    """Return a scaler's settings; what it has learnt shows in the data that it scales."""
    return {"name": type(scaler).__name__, "labels": scaler.labels}


def _digest(arrays: LabelledInputs) -> str:
    digest = hashlib.blake2b(digest_size=16)
    given = arrays.features, arrays.labels, arrays.offsets, arrays.weights
    for array in (*given, *(rows for rows in arrays.per_sequence if rows is not None)):
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _check_setup(
    path: str | os.PathLike[str], kept: dict[str, Any], wanted: dict[str, Any]
) -> None:
    # Settings that an earlier version did not have are the defaults.
    defaults = {name: one.default for name, one in described(Options).items() if name in wanted}
    # A file has lists instead of tuples.
    defaults = {n: list(d) if isinstance(d, tuple) else d for n, d in defaults.items()}
    # An earlier version did not store the scaler; the digest of the data shows a difference.
    kept = defaults | {"scaler": wanted["scaler"]} | kept
    names = [name for name in {**wanted, **kept} if kept.get(name) != wanted.get(name)]
    if _PREPARING.intersection(names):
        names = [name for name in names if not name.endswith(" data")]
    if not names:
        return
    differences = [
        f"other {name}" if name.endswith(" data")
        else "{}={} (now {})".format(name, *_shown_pair(kept.get(name), wanted.get(name)))
        for name in names
    ]  # fmt: skip
    raise ParameterError(
        f"cannot continue from {path}, which was made with {', '.join(differences)}; "
        "train as before, or use another path"
    )


def _shown_pair(kept: Any, wanted: Any) -> tuple[str, str]:
    """Return two values for a message, with settings in the same order: a file sorts names."""
    return _shown(in_order_of(wanted, kept)), _shown(wanted)


def _shown(value: Any) -> str:
    """Return a value as text for a message; an optimiser as the call that makes it."""
    if not isinstance(value, dict) or "name" not in value:
        return repr(value)
    settings = (f"{name}={_shown(item)}" for name, item in value.items() if name != "name")
    return f"{value['name']}({', '.join(settings)})"


# Trees of dicts, and their arrays ------------------------------------------------------------

# The only key of a dict that refers to an array.
_TENSOR = "$tensor"


def _without_arrays(value: Any, path: str, tensors: dict[str, FloatArray]) -> Any:
    """Return the tree with a reference for every array; the arrays are added to ``tensors``.

    Raises
    ------
    TypeError, ValueError
        A file would not return an array or a name unchanged.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise TypeError(f"an array of dtype {value.dtype} is none of numbers")
        if path in tensors:
            raise ValueError(f"two arrays are named {path}")
        tensors[path] = np.array(value, order="C")
        return {_TENSOR: path}
    if isinstance(value, dict):
        if strange := [key for key in value if not isinstance(key, str) or key == _TENSOR]:
            raise TypeError(f"{strange[0]!r} cannot be a name")
        return {key: _without_arrays(v, f"{path}/{key}", tensors) for key, v in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value: Any, tensors: dict[str, FloatArray]) -> Any:
    """Return the tree with copies of its arrays in place of references."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {_TENSOR}:
        return tensors[value[_TENSOR]].copy()
    return {key: _with_arrays(v, tensors) for key, v in value.items()}
