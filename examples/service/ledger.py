"""A scorer that applies each event of each client once, even after a kill and a restart.

Each client keeps a log of its events. A request is a piece of the log: the number of its first
event (the offset), and the events. Besides the states, the ledger keeps for each client how many
events of its log have been applied, and the answer to its last request:

- events that directly follow the applied ones are scored;
- events of the last request are not scored again: their scores come from its answer;
- a piece that begins later is refused, and the error says where to continue;
- so are events that differ from those applied at their offsets (two clients with the same name);
- so is a piece that begins before the last request: the ledger no longer knows its events.

A snapshot has the states and these records as of one moment. After a kill, the service continues
from the newest one, and clients send again what it does not have. All events of a key must belong
to one client: then they are applied in the order of its log, and end in the same bits.
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
    """The outputs after an event (None if not a finite number), and whether its entity is new."""

    outputs: list[float | None]
    new: bool


class Record(msgspec.Struct, frozen=True):
    """How many events of a client's log are applied, and the answer to its last request.

    ``digests`` identify the events of that request. A snapshot may have None for a score that was
    not known yet when it was taken.
    """

    applied: int = 0
    scores: list[Score | None] = []
    digests: list[int] = []

    def __post_init__(self) -> None:
        """Refuse an impossible record, for example from a snapshot that was edited by hand."""
        if not len(self.scores) == len(self.digests) <= self.applied:
            raise ValueError(
                f"{len(self.scores)} scores and {len(self.digests)} digests of {self.applied} "
                "events applied"
            )

    def known(self) -> Record:
        """Return the record, without its answer if a score in it is not known."""
        return Record(self.applied) if None in self.scores else self


class Contents(msgspec.Struct):
    """The contents of a snapshot's file, with the name of the file of the states."""

    number: int
    model: str
    records: dict[str, Record]

    @property
    def states(self) -> str:
        """Return the name of the file of the states."""
        return f"states-{self.number}.safetensors"


class LogError(Exception):
    """Events are not the next ones of a client's log; ``applied`` is how many are applied."""

    def __init__(self, message: str, applied: int) -> None:
        super().__init__(message)
        self.applied = applied


class Ledger:
    """A scorer with a record for each client, and snapshots of both in a folder.

    Parameters
    ----------
    scorer
        The scorer, which nothing else may use to score.
    folder
        Where the snapshots are.
    contents
        The contents of the snapshot of the scorer; ``model`` identifies the model's file.
    """

    def __init__(self, scorer: rnn.Scorer, folder: Path, contents: Contents) -> None:
        self.scorer, self._folder = scorer, folder
        self._records = {name: record.known() for name, record in contents.records.items()}
        self._rows = Rows(scorer)
        self._contents, self._written = contents, time.monotonic()
        # Held while events are applied and recorded, and while states and records are copied. The
        # scorer takes one slice of a batch at a time anyway.
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self.events = self._events_saved = 0

    def apply(self, client: str, offset: int, events: list[Event]) -> tuple[Record, int]:
        """Score events that are not applied yet; return the new record, and how many were scored.

        Raises
        ------
        LogError
            Earlier events are not applied yet; or other events were, or may have been, applied at
            these offsets. Nothing has changed.
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
        """Return how many events of a client's log are applied, and how many are in a snapshot."""
        with self._lock:
            saved = self._contents.records.get(client, Record())
            return self._records.get(client, Record()).applied, saved.applied

    def snapshot(self) -> dict[str, Any]:
        """Write states and records as of one moment; return what was written, and the time taken.

        Scoring waits while they are copied, not while they are written. The file of records is
        replaced once the file of states is complete: a kill leaves either the old pair or the new
        one.

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
        """Return whether there are events that are not in a snapshot."""
        return self.events != self._events_saved

    @property
    def snapshot_age(self) -> float:
        """Return the seconds since the last snapshot, or since the start."""
        return time.monotonic() - self._written


INDEX = "snapshot.json"


def remove_others(folder: Path, contents: Contents) -> None:
    """Remove the files of states that no longer belong to a snapshot."""
    for path in folder.glob("states-*.safetensors"):
        if path.name != contents.states:
            path.unlink(missing_ok=True)


def _known(record: Record, client: str, offset: int, digests: list[int]) -> list[Score | None]:
    """Return the scores of applied events, which must belong to the last request."""
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
    """Write a file, replacing an old one in one step."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Sync a folder to disk, so that its file names survive a power failure."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
