"""What a network takes of memory, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
