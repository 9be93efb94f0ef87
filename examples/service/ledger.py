"""A scorer that applies each event of each client once, even after a kill and a restart.

Each client keeps a log of its events. A request is a piece of the log: the number of its first
event (the offset), and the events. Beside the states the ledger keeps, for each client, how many
events of its log have been applied, and the answer to its last request:

- events that follow on those applied are scored;
- events of that request are not scored again: their scores come from its answer;
- a piece that begins later is refused, and the error says where to go on;
- so are events that are others than those applied at their place: two clients with one name;
- so is a piece that begins before the last request, as nothing tells any more which events it had.

A snapshot has the states and these records as of one moment. After a kill the service goes on from
the newest one, and clients send again what it does not have. All events of a key belong to one
client: then they are applied in the order of its log, and end in the same bits.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec
from events import Event, Rows

import rnn_rust as rnn
from rnn_rust.errors import DataError


class Score(msgspec.Struct, frozen=True):
    """The outputs after an event, None for what is no number, and whether its entity is new."""

    outputs: list[float | None]
    new: bool


class Record(msgspec.Struct, frozen=True):
    """How many events of a client's log are applied, and what was answered to the last request.

    ``digests`` tell its events from others. A snapshot may have None for a score that was not
    known when it was taken.
    """

    applied: int = 0
    scores: list[Score | None] = []
    digests: list[int] = []

    def __post_init__(self) -> None:
        """Refuse a record that cannot be, as from a snapshot that was changed by hand."""
        if not len(self.scores) == len(self.digests) <= self.applied:
            raise ValueError(
                f"{len(self.scores)} scores and {len(self.digests)} digests of {self.applied} "
                "events applied"
            )

    def known(self) -> Record:
        """Return the record, without its answer if that has a score that is not known."""
        return Record(self.applied) if None in self.scores else self


class Contents(msgspec.Struct):
    """What the file of a snapshot has; it names the file of the states."""

    number: int
    model: str
    records: dict[str, Record]

    @property
    def states(self) -> str:
        """Return the name of the file of the states."""
        return f"states-{self.number}.safetensors"


class LogError(Exception):
    """Events are not those that follow in a client's log; ``applied`` is how many it has."""

    def __init__(self, message: str, applied: int) -> None:
        super().__init__(message)
        self.applied = applied


class Ledger:
    """A scorer with a record for each client, and snapshots of both in a folder.

    Parameters
    ----------
    scorer
        That nobody else scores with.
    folder
        Where the snapshots are.
    contents
        What the snapshot has that the scorer is from; ``model`` identifies the model's file.
    """

    def __init__(self, scorer: rnn.Scorer, folder: Path, contents: Contents) -> None:
        self.scorer, self._folder = scorer, folder
        self._records = {name: record.known() for name, record in contents.records.items()}
        self._rows = Rows(scorer)
        self._contents, self._written = contents, time.monotonic()
        # Held while events are applied and recorded, or both are copied. The scorer takes one
        # slice of a batch at a time anyway.
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self.events = self._events_saved = 0

    def apply(self, client: str, offset: int, events: list[Event]) -> tuple[Record, int]:
        """Score events that are not applied yet; return the record of all, and how many those are.

        Raises
        ------
        LogError
            There are events before these that are not applied; or others were applied in their
            place, or may have been. Nothing has changed.
        DataError, ShapeError, ParameterError, TypeError
            An event cannot be scored; nothing has changed.
        """
        digests = [zlib.crc32(msgspec.json.encode(event)) for event in events]
        keys, rows = [event.key for event in events], self._rows(events)
        times = self._times(events)
        with self._lock:
            record = self._records.get(client, Record())
            if offset > record.applied:
                raise LogError(
                    f"client {client!r}: these events begin at offset {offset}, and those from "
                    f"{record.applied} on have not come; go on from offset {record.applied}",
                    record.applied,
                )
            before = min(record.applied - offset, len(events))
            scores = _known(record, client, offset, digests[:before])
            if before == len(events):
                return Record(offset + before, scores, digests), 0
            outputs, new = self.scorer.score_batch(
                keys[before:],
                rows[before:],
                times=times and times[before:],
                return_new=True,
            )
            scores += map(Score, outputs.tolist(), new.tolist())
            record = Record(offset + len(events), scores, digests)
            self._records[client] = record
            self.events += len(events) - before
        return record, len(events) - before

    def _times(self, events: list[Event]) -> list[float] | None:
        if self.scorer.expire_after is None:
            return None
        times = []
        for place, event in enumerate(events):
            if event.time is None:
                raise DataError(
                    f"$[{place}].time: there is none, and this service forgets entities by it"
                )
            times.append(event.time)
        return times

    def applied(self, client: str) -> tuple[int, int]:
        """Return how many events of a client's log are applied, and how many a snapshot has."""
        with self._lock:
            saved = self._contents.records.get(client, Record())
            return self._records.get(client, Record()).applied, saved.applied

    def snapshot(self) -> dict[str, Any]:
        """Write states and records of one moment; return what was written, and how long it took.

        Scoring waits while they are copied, not while they are written. The file of the records
        takes the old one's place when that of the states is complete: a kill leaves the old pair or
        the new one.

        Raises
        ------
        WriteError, OSError
            A file cannot be written; the old snapshot is still there.
        """
        with self._saving:
            start = time.perf_counter()
            with self._lock:
                states, events = self.scorer.snapshot(), self.events
                records = dict(self._records)
            contents = Contents(self._contents.number + 1, self._contents.model, records)
            states.save(self._folder / contents.states)
            _sync(self._folder)
            _replace(self._folder / INDEX, msgspec.json.encode(contents))
            with self._lock:
                self._contents, self._events_saved = contents, events
            self._written = time.monotonic()
            remove_others(self._folder, contents)
            seconds = round(time.perf_counter() - start, 4)
        return {"events": sum(each.applied for each in records.values()), "seconds": seconds}

    @property
    def changed(self) -> bool:
        """Return whether there are events that no snapshot has."""
        return self.events != self._events_saved

    @property
    def snapshot_age(self) -> float:
        """Return the seconds since the last snapshot, or since the start."""
        return time.monotonic() - self._written


INDEX = "snapshot.json"


def remove_others(folder: Path, contents: Contents) -> None:
    """Remove the files of states that belong to no snapshot any more."""
    for path in folder.glob("states-*.safetensors"):
        if path.name != contents.states:
            path.unlink(missing_ok=True)


def _known(record: Record, client: str, offset: int, digests: list[int]) -> list[Score | None]:
    """Return the scores of events that are applied, which are of the last request."""
    first = record.applied - len(record.scores)
    if digests and offset < first:
        raise LogError(
            f"client {client!r}: events before offset {first} are applied, and which they were is "
            f"not known any more; go on from offset {record.applied}, and give each client a name "
            "of its own",
            record.applied,
        )
    for place, digest in enumerate(digests, offset):
        if record.digests[place - first] != digest:
            raise LogError(
                f"client {client!r}: another event was applied at offset {place}; give each client "
                "a name of its own, and keep its log",
                record.applied,
            )
    return record.scores[offset - first :][: len(digests)]


def _replace(path: Path, data: bytes) -> None:
    """Write a file that takes the place of an old one at once."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
