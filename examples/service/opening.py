"""How a service starts: from the newest snapshot in its folder, or from a model."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from ledger import INDEX, Contents, Ledger, remove_others

import rnn_rust as rnn


class StartError(Exception):
    """The service cannot start like this; the message says why."""


@contextlib.contextmanager
def open_ledger(
    model: Path,
    folder: Path,
    *,
    max_entities: int | None = None,
    expire_after: float | None = None,
    swap: bool = False,
) -> Iterator[Ledger]:
    """Open the ledger of a folder's snapshot, or a new one if there is none.

    Parameters
    ----------
    model
        The model's file.
    folder
        Where the snapshots are; no other process may use it.
    max_entities, expire_after
        As in ``model.scorer()``; must equal the limits in the snapshot.
    swap
        Whether to continue with this model's weights instead of the snapshot's.

    Raises
    ------
    StartError
        The folder is in use; or the snapshot has another model or limits, or is damaged or
        incomplete.
    ModelFileError, ParameterError
        The model cannot be read, or cannot score streams; or a limit is not valid; or the states
        are damaged.
    """
    loaded = _Model.load(model)
    limits = {"max_entities": max_entities, "expire_after": expire_after}
    # First, so that a refused model or limit leaves no folder behind.
    scorer = loaded.network.scorer(**limits)
    folder.mkdir(parents=True, exist_ok=True)
    # The lock is released when the process ends, however it ends.
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"another service uses {folder}; give it a folder of its own"
            ) from None
        if (folder / INDEX).exists():
            yield _from_snapshot(loaded, folder, limits, swap)
        else:
            yield _new(loaded, folder, scorer)


class _Model(NamedTuple):
    """A model, its file, and the digest that identifies the file."""

    network: Any
    path: Path
    digest: str

    @classmethod
    def load(cls, path: Path) -> _Model:
        before = _digest(path)
        network = rnn.load(path)
        if _digest(path) != before:
            raise StartError(f"{path} changed while it was read; start again")
        return cls(network, path, before)


def _digest(path: Path) -> str:
    """Return a file's digest; empty if there is no file, which loading then reports."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _new(model: _Model, folder: Path, scorer: rnn.Scorer) -> Ledger:
    """Return a ledger without events, and take its first snapshot before there are any."""
    # If a kill left only the states of that first snapshot, nothing is lost by replacing them.
    first = Contents(1, model.digest, {}).states
    if others := {path.name for path in folder.glob("states-*.safetensors")} - {first}:
        raise StartError(
            f"{folder} has {min(others)}, but not the {INDEX} that goes with it; put that back, or "
            "start with an empty folder"
        )
    ledger = Ledger(scorer, folder, Contents(0, model.digest, {}))
    ledger.snapshot()
    return ledger


def _from_snapshot(model: _Model, folder: Path, limits: dict[str, Any], swap: bool) -> Ledger:
    index = folder / INDEX
    try:
        contents = msgspec.json.decode(index.read_bytes(), type=Contents)
    except msgspec.DecodeError as error:
        raise StartError(f"{index} is damaged: {error}; use a copy of the folder") from None
    scorer = rnn.load_scorer(folder / contents.states)
    for name, given in limits.items():
        if (kept := getattr(scorer, name)) != given:
            raise StartError(
                f"{name} is {given}, and {kept} in the snapshot in {folder}; start with that, or "
                "with an empty folder"
            )
    if contents.model != model.digest:
        if not swap:
            raise StartError(
                f"the snapshot in {folder} was taken with another model than {model.path}; start "
                "with --swap to keep its states, or with an empty folder"
            )
        scorer.swap(model.network)
        contents.model = model.digest
    remove_others(folder, contents)
    return Ledger(scorer, folder, contents)
