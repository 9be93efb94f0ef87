"""What a network takes of memory, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunPython

HIDDEN = 5000
WEIGHTS = HIDDEN * HIDDEN * 4
"""Bytes of the recurrent weights in float32; the others are few."""

BUILD = f"""
import re
from pathlib import Path

import rnn_rust as rnn


def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])


rnn.RNN(3, 4, 1, optimizer="adam")
before = peak()
model = rnn.RNN(3, {HIDDEN}, 1, optimizer="adam", init="%s")
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it asks Linux")
@pytest.mark.parametrize("init", ["pytorch", "glorot_uniform"])
def test_a_network_takes_no_more_memory_than_its_weights_until_it_is_trained(init: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", BUILD % init], check=True, capture_output=True, text=True
    )
    assert WEIGHTS <= int(answer.stdout) < 1.1 * WEIGHTS


LIMITED = """
import resource
from pathlib import Path

import numpy as np

import rnn_rust as rnn


def allow(more):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


"""

STATES = """
model = rnn.LSTM(1, 1000, 1)
data = rnn.Dataset.from_arrays(np.zeros((200_000, 1)), None, np.arange(200_001))
allow(1 << 30)  # And the states are 2000 numbers of each sequence.
try:
    model.predict(data, return_state=True)
except rnn.errors.OutOfMemoryError:
    print("refused")
"""

WORKERS = """
model = rnn.LSTM(1, 64, 1, bidirectional=True)
x = np.random.default_rng(0).normal(size=(8 * 20_000, 1)).astype(np.float32)
data = rnn.Dataset.from_arrays(x, None, np.arange(0, len(x) + 1, 20_000))
model.n_threads = 1
expected = model.predict(data)
model.n_threads = 8
allow(%d)
print((model.predict(data) == expected).all())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it asks Linux")
def test_states_that_memory_cannot_hold_are_refused(run_python: RunPython) -> None:
    assert run_python(LIMITED + STATES).stdout == "refused\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it asks Linux")
@pytest.mark.parametrize("megabytes", [100, 300])
def test_a_prediction_has_the_threads_that_there_is_memory_for(
    run_python: RunPython, megabytes: int
) -> None:
    assert run_python(LIMITED + WORKERS % (megabytes << 20)).stdout == "True\n"
