"""Snapshots of scorers: whole, of one moment, and gone on from with the same bits."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scorers import DATA, filled

import rnn_rust as rnn
from rnn_rust.errors import MissingFileError, ModelFileError


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
