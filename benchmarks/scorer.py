"""The speed of a keyed stream: events of a million entities, one by one and in batches.

python benchmarks/scorer.py [ENTITIES]

A GRU with 29 features, 16 units and one output, in float32. Integer keys follow Zipf's law: the
k-th most frequent entity has a share proportional to 1/k. First, every entity has one event, which
fills less than half of the table. Rates are medians on one thread; latencies are for single calls,
alone and while another thread scores batches. `keyed_rivals.py` has what a user would otherwise
write, with ONNX Runtime if it is installed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from keyed_rivals import RIVALS

import rnn_rust as rnn

INPUTS, UNITS, BATCH = 29, 16, 1024
EVENTS, SINGLE, SLOW, REPEATS = 1024 * 400, 200_000, 20_000, 5
LATENCIES = 300_000
STATE = 4 * UNITS


class Stream:
    """Events with keys that follow Zipf's law, and random features."""

    def __init__(self, entities: int) -> None:
        random = np.random.default_rng(0)
        self.entities = random.permutation(entities).astype(np.int64) * 7919
        shares = np.cumsum(1 / np.arange(1, entities + 1))
        places = np.searchsorted(shares, random.random(EVENTS) * shares[-1])
        self.keys = self.entities[np.minimum(places, entities - 1)]
        self.uniform = self.entities[random.integers(0, entities, EVENTS)]
        self.x = random.normal(size=(BATCH, INPUTS)).astype(np.float32)
        self.rows = list(self.x)

    def batches(self, keys: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the keys and features of each batch."""
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            yield part, self.x[: len(part)]


def rate(count: int, work: Callable[[], object]) -> float:
    """Return the median number of events per second; ``work`` does ``count`` events."""
    work()
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return count / statistics.median(seconds)


def filled(model: rnn.GRU, stream: Stream, keys: Any, **limits: Any) -> rnn.Scorer:
    """Return a scorer that has seen every entity."""
    scorer = model.scorer(**limits)
    for part, x in stream.batches(keys):
        scorer.score_batch(part, x)
    return scorer


def in_batches(scorer: rnn.Scorer, stream: Stream, keys: Any) -> Callable[[], object]:
    """Return a function that scores all events in batches, into an existing array."""
    out = np.zeros((BATCH, 1), np.float32)

    def work() -> None:
        for part, x in stream.batches(keys):
            scorer.score_batch(part, x, out[: len(part)])

    return work


def one_by_one(
    scorer: rnn.Scorer, stream: Stream, keys: list[Any], out: Any
) -> Callable[[], object]:
    """Return a function that scores single events."""
    events = [(key, stream.rows[number % BATCH]) for number, key in enumerate(keys)]

    def work() -> None:
        score = scorer.score
        for key, x in events:
            score(key, x, out)

    return work


def latencies(scorer: rnn.Scorer, stream: Stream, until: Callable[[], bool]) -> Any:
    """Return the nanoseconds of single calls, sorted."""
    keys, out, clock = stream.keys.tolist(), np.zeros(1, np.float32), time.perf_counter_ns
    taken = []
    for number in range(LATENCIES):
        x, key = stream.rows[number % BATCH], keys[number % len(keys)]
        begin = clock()
        scorer.score(key, x, out)
        taken.append(clock() - begin)
        if not number % 1000 and until():
            break
    return np.sort(taken)


def show(name: str, per_second: float) -> None:
    """Print a rate."""
    print(f"{name:<58}{per_second / 1e6:10.3f} M/s{1e9 / per_second:10.0f} ns", flush=True)


def show_latencies(name: str, taken: Any) -> None:
    """Print quantiles in microseconds."""
    shown = [taken[int(q * (len(taken) - 1))] / 1000 for q in (0.5, 0.99, 0.999, 1)]
    print(f"{name:<46}" + "".join(f"{value:11.1f}" for value in shown), flush=True)


def resident() -> int:
    """Return the resident memory of the process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def beside_batches(scorer: rnn.Scorer, stream: Stream) -> Any:
    """Return the latencies of single calls while another thread scores batches."""
    ends, work = threading.Event(), in_batches(scorer, stream, stream.keys)

    def batches() -> None:
        while not ends.is_set():
            work()

    worker = threading.Thread(target=batches)
    worker.start()
    taken = latencies(scorer, stream, lambda: False)
    ends.set()
    worker.join()
    return taken


def snapshots(scorer: rnn.Scorer, stream: Stream) -> None:
    """Print how long snapshots take to write, and how long calls wait meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "states"
        seconds = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            scorer.save(path)
            seconds.append(time.perf_counter() - begin)
        print(f"a snapshot {statistics.median(seconds):.2f} s, {path.stat().st_size / 1e6:.0f} MB")
        saving = threading.Thread(target=scorer.save, args=(path,))
        saving.start()
        show_latencies("... while a snapshot is written", latencies(
            scorer, stream, lambda: not saving.is_alive()))  # fmt: skip
        saving.join()
        begin = time.perf_counter()
        rnn.load_scorer(path)
        print(f"read again in {time.perf_counter() - begin:.2f} s")


def main() -> None:
    """Print rates, memory, latencies and snapshots, and the rivals' rates."""
    entities = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    stream, model = Stream(entities), rnn.GRU(INPUTS, UNITS, 1, n_threads=1)
    texts = {key: f"card {key:012}" for key in stream.entities.tolist()}
    print(f"{entities} entities, GRU {INPUTS}-{UNITS}-1, float32\n")
    before = resident()
    scorer = filled(model, stream, stream.entities)
    taken = (resident() - before) / entities
    print(f"memory per entity: {taken:.0f} bytes, {taken - STATE:.0f} beyond its state")
    before = resident()
    by_text = filled(model, stream, list(texts.values()))
    print(f"with keys of 17 characters: {(resident() - before) / entities:.0f} bytes\n")

    keys, out = stream.keys[:SINGLE].tolist(), np.zeros(1, np.float32)
    words = [texts[key] for key in stream.keys.tolist()]
    show(f"batches of {BATCH}", rate(EVENTS, in_batches(scorer, stream, stream.keys)))
    show("... all entities equally often",
         rate(EVENTS, in_batches(scorer, stream, stream.uniform)))  # fmt: skip
    show("... keys that are texts", rate(EVENTS, in_batches(by_text, stream, words)))
    show("single calls", rate(SINGLE, one_by_one(scorer, stream, keys, out)))
    show(
        "... with a new array for the output", rate(SINGLE, one_by_one(scorer, stream, keys, None))
    )
    show("... keys that are texts", rate(SINGLE, one_by_one(by_text, stream, words[:SINGLE], out)))
    del by_text
    limited = filled(model, stream, stream.entities, max_entities=entities)
    show(f"batches of {BATCH} with max_entities",
         rate(EVENTS, in_batches(limited, stream, stream.keys)))  # fmt: skip
    show("single calls with max_entities", rate(SINGLE, one_by_one(limited, stream, keys, out)))
    del limited

    print(
        f"\n{'µs of single calls':<46}"
        + "".join(f"{q:>11}" for q in ("p50", "p99", "p99.9", "most"))
    )
    show_latencies("alone", latencies(scorer, stream, lambda: False))
    show_latencies("beside a thread that scores batches", beside_batches(scorer, stream))
    snapshots(scorer, stream)
    print()
    for rival in RIVALS:
        if (made := rival(model, stream.entities)) is None:
            continue
        rows = [(key, stream.rows[number % BATCH]) for number, key in enumerate(keys[:SLOW])]
        parts = list(stream.batches(stream.keys[:SLOW]))
        show(f"{made.name}, batches of {BATCH}", rate(SLOW, partial(all_of, made.batch, parts)))
        show(f"{made.name}, single", rate(SLOW, partial(all_of, made.single, rows)))


def all_of(score: Callable[[Any, Any], object], events: list[tuple[Any, Any]]) -> None:
    """Score events one by one."""
    for key, x in events:
        score(key, x)


if __name__ == "__main__":
    main()
