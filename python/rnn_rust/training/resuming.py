"""What a checkpoint stores about callbacks, and which of the present ones continue from it.

A callback is recognised by its class (a function by its name) and its fixed settings: those on
which the meaning of its state depends, such as the metric that early stopping monitors. All its
other settings may change: it continues from the saved state with its own settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.learning.history import History, Record
from rnn_rust.storage.model_file import BAD_VALUES


def name_of(callback: object) -> str:
    """Return the name of a function, or of the class of an object."""
    return str(getattr(callback, "__name__", type(callback).__name__))


def fixed_settings_of(callback: object) -> dict[str, Any]:
    """Return the settings on which a callback's state depends, as a file would return them.

    Raises
    ------
    ParameterError
        A setting cannot be stored in a file.
    """
    settings = getattr(callback, "fixed_settings", {})
    try:
        plain: dict[str, Any] = json.loads(json.dumps(settings, default=_of_numpy, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"a checkpoint keeps {name_of(callback)}.fixed_settings, which are finite numbers, "
            f"strings and lists by name: {error}"
        ) from error
    return plain


def _of_numpy(value: object) -> Any:
    """Return a NumPy number or array as Python numbers."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} is none of these")


def in_order_of(like: Any, value: Any) -> Any:
    """Return a tree of dicts from a file, which sorts names, in the order of ``like``."""
    if not (isinstance(like, dict) and isinstance(value, dict)):
        return value
    names = [name for name in {**like, **value} if name in value]
    return {name: in_order_of(like.get(name), value[name]) for name in names}


def ends_training(answer: object) -> bool:
    """Whether a callback returned False, of Python or NumPy; None does not end training."""
    return isinstance(answer, bool | np.bool_) and not answer


def saved_states(
    callbacks: Iterable[Callable[[Record], object]],
    stopped_by: Iterable[Callable[[Record], object]],
) -> dict[str, Any]:
    """Return what a checkpoint stores: callbacks that have a state or have ended the training."""
    stoppers = {id(callback) for callback in stopped_by}
    kept: dict[str, Any] = {}
    for callback, identity in _identified(callbacks):
        state = callback.state_dict() if hasattr(callback, "state_dict") else None
        if state is not None or id(callback) in stoppers:
            mine = {"state": state, "stopped": id(callback) in stoppers}
            kept[f"{len(kept)}"] = identity | mine
    return kept


def _identified(callbacks: Iterable[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each callback with its name, fixed settings, and number among identical ones."""
    seen: list[tuple[str, dict[str, Any]]] = []
    for callback in callbacks:
        key = name_of(callback), fixed_settings_of(callback)
        yield callback, {"name": key[0], "fixed_settings": key[1], "number": seen.count(key)}
        seen.append(key)


@dataclass(frozen=True)
class ResumedCallback:
    """A callback, and what a checkpoint has stored about the same callback."""

    callback: Any
    kept: dict[str, Any]
    path: str | os.PathLike[str]

    def ends_training(self, history: History) -> bool:
        """Restore the callback's state; return whether it has already ended the training.

        A callback without a state that had ended the training is called again with the last
        record.

        Raises
        ------
        ModelFileError
            The state is damaged.
        ParameterError
            The callback cannot continue from it.
        """
        if self.kept["state"] is None:
            return ends_training(self.callback(history[-1]))
        answer = self._load_state()
        return ends_training(answer) or (self.kept["stopped"] and not isinstance(answer, bool))

    def _load_state(self) -> object:
        if not hasattr(self.callback, "load_state_dict"):
            raise ParameterError(f"{name_of(self.callback)} has state_dict, but no load_state_dict")
        try:
            return self.callback.load_state_dict(self.kept["state"])
        except ParameterError as error:
            raise ParameterError(f"cannot continue from {self.path}: {error}") from error
        except BAD_VALUES as error:
            raise ModelFileError(
                f"{self.path}: the state of {name_of(self.callback)} is damaged: {error!r}"
            ) from error


def match_saved(
    callbacks: Iterable[Callable[[Record], object]],
    kept: dict[str, Any],
    path: str | os.PathLike[str],
) -> list[ResumedCallback]:
    """Return the callbacks about which a checkpoint has stored something.

    A callback that the checkpoint does not know starts from the beginning; stored state of one that
    is no longer there is ignored.

    Raises
    ------
    ParameterError
        A callback has other fixed settings than in the checkpoint.
    KeyError, ValueError
        An entry is incomplete or not valid.
    """
    present = list(_identified(callbacks))
    found, missing = [], []
    for entry in kept.values():
        identity = {name: entry[name] for name in ("name", "fixed_settings", "number")}
        if lost := {"state", "stopped"} - entry.keys():
            raise KeyError(*lost)
        if not isinstance(entry["stopped"], bool):
            raise ValueError(f"stopped must be True or False, got {entry['stopped']!r}")
        same = [callback for callback, own in present if own == identity]
        if same:
            found.append(ResumedCallback(same[0], entry, path))
        else:
            missing.append(entry)
    going_on = {id(each.callback) for each in found}
    for callback, own in present:
        others = [
            entry for entry in missing if entry["name"] == own["name"] and entry["fixed_settings"]
        ]
        if others and own["fixed_settings"] and id(callback) not in going_on:
            raise ParameterError(
                f"cannot continue from {path}, which was made with "
                f"{_shown(in_order_of(own, others[0]))} (now "
                f"{_shown(own)}); train as before, leave it out, or use another path"
            )
    return found


def _shown(identity: dict[str, Any]) -> str:
    settings = ", ".join(f"{name}={value!r}" for name, value in identity["fixed_settings"].items())
    return f"{identity['name']}({settings})"
