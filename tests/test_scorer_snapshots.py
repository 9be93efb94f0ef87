"""Snapshots of scorers: whole and consistent, or refused; never the half of one."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_rust as rnn
from rnn_rust.errors import MissingFileError, ModelFileError
from rnn_rust.model.scorer import STATES
from rnn_rust.storage.model_file import pack, unpack

DATA = np.random.default_rng(0).normal(size=(600, 3))


def filled(**limits: Any) -> rnn.Scorer:
    """A scorer with entities of all kinds of keys."""
    scorer = rnn.LSTM(3, 5, 2, num_layers=2).scorer(**limits)
    keys = [(n, -n - 1, f"card {n}", f"card {n}".encode())[n % 4] for n in range(300)]
    times = np.arange(600.0)
    scorer.score_batch(keys + keys[::-1], DATA, times=times)
    return scorer


@pytest.mark.parametrize("limits", [{}, {"max_entities": 90}, {"expire_after": 500.0}])
def test_a_restored_scorer_goes_on_with_the_same_bits(tmp_path: Path, limits: Any) -> None:
    scorer, path = filled(**limits), tmp_path / "states.safetensors"
    scorer.save(path)
    again = rnn.load_scorer(path)
    assert repr(again) == repr(scorer)
    assert (again.evicted, again.expired) == (scorer.evicted, scorer.expired)
    keys = [(n, -n - 1, f"card {n}", f"card {n}".encode())[n % 4] for n in range(200, 500)] * 2
    events = {"times": np.arange(600.0, 1200.0), "return_new": True}
    for (one, one_new), (other, other_new) in [
        (scorer.score_batch(keys, DATA, **events), again.score_batch(keys, DATA, **events))
    ]:
        assert one.tobytes() == other.tobytes()
        np.testing.assert_array_equal(one_new, other_new)
    assert (again.evicted, again.expired) == (scorer.evicted, scorer.expired)
    # Equal scorers are equal files.
    scorer.save(path)
    again.save(tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_scorer_without_entities_has_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "states.safetensors"
    rnn.GRU(3, 4, 1, scaler=None).scorer().save(path)
    assert len(rnn.load_scorer(path)) == 0


def test_files_of_models_and_of_scorers_are_told_apart(tmp_path: Path) -> None:
    scorer, path = filled(), tmp_path / "states.safetensors"
    scorer.save(path)
    with pytest.raises(ModelFileError, match="use load_scorer"):
        rnn.load(path)
    scorer.model.save(path)  # type: ignore[attr-defined]
    with pytest.raises(ModelFileError, match=r"states\.safetensors: .* use load$"):
        rnn.load_scorer(path)
    with pytest.raises(MissingFileError):
        rnn.load_scorer(tmp_path / "none")
    with pytest.raises(ModelFileError, match="cannot write"):
        scorer.save(tmp_path / "no folder" / "states")


# Damage --------------------------------------------------------------------------------------


def damaged(data: bytes, source: random.Random) -> bytes:
    """Cut, flip, repeat, leave out, and claim sizes that are too large."""
    kind, changed = source.randrange(6), bytearray(data)
    at = source.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed[at] ^= 1 << source.randrange(8)
    elif kind == 2:
        start = source.randrange(len(data))
        changed[at:at] = data[start : start + 100]
    elif kind == 3:
        del changed[at : at + source.randrange(1, 200)]
    elif kind == 4:
        changed[:8] = struct.pack("<Q", source.getrandbits(source.choice([8, 20, 33, 64])))
    else:
        # A shape or an offset in the header becomes huge.
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        tensor = header[source.choice([name for name in header if name != "__metadata__"])]
        field = source.choice(["shape", "data_offsets"])
        tensor[field][source.randrange(len(tensor[field]))] = source.choice([2**31, 2**40, 2**63])
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + length :]
    return bytes(changed)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "states.safetensors"
    filled(max_entities=250).save(path)
    data, source = path.read_bytes(), random.Random(0)
    tracemalloc.start()
    try:
        for _ in range(5000):
            bad = damaged(data, source)
            if bad == data:
                continue
            path.write_bytes(bad)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(ModelFileError, match="states"):
                rnn.load_scorer(path)
            # Beside it errors, and the header as Python has it.
            assert tracemalloc.get_traced_memory()[1] - before < 2 * len(bad) + 300_000
    finally:
        tracemalloc.stop()


def test_no_more_memory_is_taken_than_twice_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "states.safetensors"
    scorer = rnn.GRU(1, 64, 1).scorer()
    scorer.score_batch(np.arange(30_000), np.zeros((30_000, 1)))
    scorer.save(path)
    data = bytearray(path.read_bytes())
    for at in (len(data) // 2, len(data) - 1):
        data[at] ^= 1
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(ModelFileError, match="checksum"):
            rnn.load_scorer(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.05 * len(data) + 300_000


FORGED = {
    "a kind of key that is not known": ("kinds", lambda a: np.full_like(a, 9)),
    "keys that are there twice": ("keys", np.zeros_like),
    "fewer keys": ("keys", lambda a: a[:-1]),
    "texts that end early": ("texts", lambda a: a[:5]),
    "texts that are none": ("texts", lambda a: np.full_like(a, 255)),
    "times that are NaN": ("times", lambda a: np.full_like(a, np.nan)),
    "times of another type": ("times", lambda a: a.astype(np.float32)),
    "fewer states": ("states", lambda a: a[:-1]),
    "states of another size": ("states", lambda a: a[:, :-1].copy()),
    "states of another type": ("states", lambda a: a.astype(np.float64)),
    "no count of those given up": ("given_up", lambda a: a[:1]),
    "nothing": ("kinds", None),
}


@pytest.mark.parametrize("what", FORGED)
def test_files_with_a_checksum_that_make_no_sense_are_refused(tmp_path: Path, what: str) -> None:
    path, (name, change) = tmp_path / "states.safetensors", FORGED[what]
    filled().save(path)
    description, tensors = unpack(path.read_bytes(), path)
    array: Any = tensors.pop(STATES + name)
    if change is not None:
        tensors[STATES + name] = change(array)
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match=r"states\.safetensors: the states are damaged"):
        rnn.load_scorer(path)


def test_states_that_overflowed_and_times_that_do_not_count_are_kept(tmp_path: Path) -> None:
    model, path = rnn.RNN(3, 4, 1, activation="relu"), tmp_path / "states.safetensors"
    weights = model.state_dict()
    model.load_state_dict(weights | {"weight_hh_l0": np.full((4, 4), 1e19) * [1, -1, 1, -1]})
    scorer = model.scorer()
    with np.errstate(all="ignore"):
        before = [scorer.score(1, row, time=np.nan) for row in np.ones((6, 3))]
    scorer.score(2, np.ones(3))
    scorer.save(path)
    again = rnn.load_scorer(path)
    assert len(again) == 2
    for key in (1, 2):
        assert np.array_equal(
            again.score(key, np.ones(3)), scorer.score(key, np.ones(3)), equal_nan=True
        )
    assert len(before) == 6


@pytest.mark.parametrize("limits", [{"max_entities": 5}, {"max_entities": "a"}, {}, None])
def test_limits_in_a_file_are_checked(tmp_path: Path, limits: Any) -> None:
    path = tmp_path / "states.safetensors"
    filled().save(path)
    description, tensors = unpack(path.read_bytes(), path)
    description["scorer"] = limits
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match="the states are damaged"):
        rnn.load_scorer(path)


@pytest.mark.parametrize("model", [None, {}, 1, "table"])
def test_descriptions_of_models_are_checked(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "states.safetensors"
    filled().save(path)
    description, tensors = unpack(path.read_bytes(), path)
    if model == "table":
        description["model"]["table"] = 1
    elif model is None:
        del description["model"]
    else:
        description["model"] = model
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match=r"states\.safetensors: this model file is damaged"):
        rnn.load_scorer(path)


# Beside other work ---------------------------------------------------------------------------


def test_a_snapshot_is_saved_after_its_moment(tmp_path: Path) -> None:
    model, path = rnn.GRU(3, 4, 1), tmp_path / "states.safetensors"
    scorer = model.scorer()
    scorer.score_batch([1, 2], DATA[:2])
    snapshot, state = scorer.snapshot(), scorer.state(1)
    after = scorer.score_batch([1, 3], DATA[2:4])
    snapshot.save(path)
    loaded = rnn.load_scorer(path)
    assert len(loaded) == 2
    np.testing.assert_array_equal(loaded.state(1), state)
    np.testing.assert_array_equal(loaded.score_batch([1, 3], DATA[2:4]), after)
    scorer.forget(3)
    scorer.save(tmp_path / "again")
    snapshot.save(path)
    assert 3 not in rnn.load_scorer(path)


def test_a_snapshot_is_of_one_moment(tmp_path: Path) -> None:
    model, entities = rnn.GRU(3, 4, 1), 500
    scorer, path = model.scorer(), tmp_path / "states.safetensors"
    keys, x = np.tile(np.arange(entities), len(DATA)), np.repeat(DATA, entities, axis=0)
    stepper, states = model.stepper(), [np.zeros(4, np.float32)]
    for row in DATA:
        stepper.step(row)
        states.append(stepper.state)
    events_of = {state.tobytes(): events for events, state in enumerate(states)}
    assert len(events_of) == len(DATA) + 1
    worker = threading.Thread(target=scorer.score_batch, args=(keys, x))
    worker.start()
    seen = set()
    while worker.is_alive():
        scorer.save(path)
        copy = rnn.load_scorer(path)
        known = [copy.state(key) for key in range(entities)]
        counts = [0 if state is None else events_of[state.tobytes()] for state in known]
        # Events go round: no entity is more than one ahead of those after it.
        assert all(earlier >= later for earlier, later in itertools.pairwise(counts))
        assert counts[0] - counts[-1] <= 1
        seen.add(sum(counts))
    worker.join()
    assert any(0 < count < len(keys) for count in seen)
    assert [events_of[scorer.state(key).tobytes()] for key in (0, 499)] == [len(DATA)] * 2  # type: ignore[union-attr]


SAVES = """
import os, sys
import rnn_rust as rnn
path = sys.argv[1]
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        scorer = rnn.load_scorer(path)
        generation = next(n for n in range(1000) if f"generation {n}" in scorer)
        scorer.forget(f"generation {generation}")
        scorer.score(f"generation {generation + 1}", [float(generation)])
        print(os.getpid(), flush=True)
        scorer.save(path)
        os._exit(0)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.mark.timing
@pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs fork")
def test_killed_while_saving_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "states.safetensors"
    scorer = rnn.GRU(1, 16, 1).scorer()
    scorer.score_batch(np.arange(20_000), np.zeros((20_000, 1)))
    scorer.score("generation 0", [0.0])
    begin = time.perf_counter()
    scorer.save(path)
    duration, source = time.perf_counter() - begin, random.Random(0)
    command = [sys.executable, "-c", SAVES, str(path)]
    generation, kept = 0, {False: 0, True: 0}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(100):
            process.stdin.write("\n")
            process.stdin.flush()
            child = int(process.stdout.readline())
            time.sleep(source.uniform(0, 1.5 * duration))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            assert process.stdout.readline() == "ended\n"
            again = rnn.load_scorer(path)
            is_new = f"generation {generation + 1}" in again
            kept[is_new] += 1
            generation += is_new
            assert f"generation {generation}" in again
            assert len(again) == 20_001
        process.stdin.close()
    assert min(kept.values()) > 0
    again.save(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.timing
def test_a_million_entities_are_saved_within_a_second(tmp_path: Path) -> None:
    scorer = rnn.GRU(1, 16, 1).scorer()
    keys, x = np.arange(1_000_000), np.zeros((1_000_000, 1), np.float32)
    scorer.score_batch(keys, x)
    path, seconds = tmp_path / "states.safetensors", []
    for _ in range(3):
        begin = time.perf_counter()
        scorer.save(path)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 1, seconds
    assert len(rnn.load_scorer(path)) == 1_000_000
