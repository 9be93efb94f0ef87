"""Training in front of a person: Ctrl-C, and the progress bar of a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import pytest
from conftest import RunPython

INTERRUPTED = """
import json, os, signal, threading, time
import numpy as np
import rnn_rust as rnn

def interrupt():
    global sent
    sent = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)

rng = np.random.default_rng(0)
x, y = rng.normal(size=({steps}, 2)), rng.normal(size=({steps}, 1))
data = rnn.Dataset.from_arrays(x, y, np.append(np.arange(0, {steps}, {length}), {steps}))
model = rnn.RNN(2, {hidden}, 1)
threading.Timer(0.4, interrupt).start()
history = model.fit(data, epochs=10**9, batch_size=4096, progress={progress})
delay = time.monotonic() - sent
finite = all(np.isfinite(array).all() for array in model.state_dict().values())
epochs = [len(history), model.epochs_trained]
print(json.dumps([delay, history.interrupted, epochs, bool(finite)]))
"""


@pytest.mark.parametrize(
    ("steps", "length", "hidden", "progress"),
    [
        (20, 20, 10, False),
        (20, 20, 10, True),
        (200_000, 200_000, 128, True),
        (200_000, 10, 64, False),
    ],
)
def test_ctrl_c_ends_training_at_once(
    run_python: RunPython, steps: int, length: int, hidden: int, progress: bool
) -> None:
    code = INTERRUPTED.format(steps=steps, length=length, hidden=hidden, progress=progress)
    done = run_python(code)
    delay, interrupted, (epochs, trained), finite = json.loads(done.stdout)
    assert delay < 0.5
    assert interrupted
    assert finite
    assert epochs == trained
    assert epochs > 0 or steps > 20  # a long epoch may not end before the signal
    assert done.stderr == ""


def test_an_interruption_is_logged(run_python: RunPython) -> None:
    code = "import logging; logging.basicConfig()\n" + INTERRUPTED
    done = run_python(code.format(steps=20, length=20, hidden=10, progress=False))
    assert re.search(r"WARNING:rnn_rust:Interrupted after \d+ of 1000000000 epochs", done.stderr)


def test_ctrl_c_ends_a_prediction(run_python: RunPython) -> None:
    code = INTERRUPTED.replace(
        "history = model.fit(data, epochs=10**9, batch_size=4096, progress={progress})",
        """
try:
    while True:
        model.predict(data)
except KeyboardInterrupt:
    history = rnn.History()
    history.interrupted = True
""",
    )
    done = run_python(code.format(steps=200_000, length=200_000, hidden=128))
    delay, interrupted, *_ = json.loads(done.stdout)
    assert delay < 0.5
    assert interrupted


BAR = """
import time
import rnn_rust as rnn

data = rnn.Dataset.from_arrays([0.0, 1.0], [1.0, 0.0], [0, 1, 2])

def train(seconds, progress=True):
    end = time.monotonic() + seconds
    in_time = lambda record: time.monotonic() < end
    rnn.RNN(1, 2, 1).fit(data, epochs=10**6, callbacks=[in_time], progress=progress)

"""


def on_a_terminal(code: str) -> str:
    """Return what code writes to standard error when that is a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, stderr=theirs, env=environment):
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 4096):
                seen += chunk
        except OSError:  # how a terminal without a writer ends
            pass
    os.close(ours)
    return seen.decode()


def test_a_bar_appears_on_a_terminal_when_training_takes_long() -> None:
    seen = on_a_terminal(BAR + "train(0.8)")
    for word in ("Training", "/1000000", "loss"):
        assert word in seen


def test_no_bar_for_a_moment_or_where_none_is_wanted() -> None:
    assert on_a_terminal(BAR + "train(0.1); train(0.8, progress=False)") == ""


def test_no_bar_without_a_terminal(run_python: RunPython) -> None:
    assert run_python(BAR + "train(0.8)").stderr == ""
