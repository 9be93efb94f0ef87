"""Training in front of a person: Ctrl-C, and the progress bar of a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import nbformat
import pytest
from conftest import RunPython
from nbclient import NotebookClient

pytestmark = pytest.mark.timing

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
    assert re.search(
        r"WARNING:rnn_rust:Interrupted after [\d,]+ of 1,000,000,000 epochs", done.stderr
    )


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
    return rnn.RNN(1, 2, 1).fit(data, epochs=10**6, callbacks=[in_time], progress=progress)

"""


def on_a_terminal(code: str, stdout: IO[str] | None = None, **variables: str) -> str:
    """Return what code writes to standard error when that is a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"} | variables
    with subprocess.Popen(command, stdout=stdout, stderr=theirs, env=environment):
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


def test_a_terminal_that_goes_away_ends_no_training(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = BAR + "rnn.log.setup(); print(len(train(2.0)) > 0)"
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with (
        open(tmp_path / "out", "wb") as out,
        subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=theirs, env=environment),
    ):
        os.close(theirs)
        assert os.read(ours, 1)
        os.close(ours)
    assert (tmp_path / "out").read_text() == "True\n"


def test_no_bar_for_a_moment_or_where_none_is_wanted() -> None:
    assert on_a_terminal(BAR + "train(0.1); train(0.8, progress=False)") == ""


def test_no_bar_without_a_terminal(run_python: RunPython) -> None:
    assert run_python(BAR + "train(0.8)").stderr == ""


def test_no_bar_on_a_terminal_that_cannot_redraw() -> None:
    assert on_a_terminal(BAR + "train(0.8)", TERM="dumb") == ""


NESTED = """
end = time.monotonic() + 2.5

def outer(record):
    if time.monotonic() > end - 1.5:  # when the outer bar is there
        train(0.8)
    return time.monotonic() < end

rnn.RNN(1, 2, 1).fit(data, epochs=777, callbacks=[lambda r: time.sleep(0.01), outer])
"""
SIDE_BY_SIDE = """
import threading

threads = [threading.Thread(target=train, args=(1.0,)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_a_training_within_another_has_no_bar() -> None:
    seen = on_a_terminal(BAR + NESTED)
    assert "/777" in seen
    assert "/1000000" not in seen


def test_trainings_side_by_side_show_one_bar_at_a_time() -> None:
    seen = on_a_terminal(BAR + SIDE_BY_SIDE)
    hides, shows = (re.findall(re.escape(code), seen) for code in ("\x1b[?25l", "\x1b[?25h"))
    assert len(hides) == len(shows) >= 1
    assert "\x1b[?25l" not in seen.split("\x1b[?25l", 1)[1].split("\x1b[?25h", 1)[0]
    assert "Traceback" not in seen


def test_what_is_printed_beside_the_bar_goes_where_it_was_sent(tmp_path: Path) -> None:
    code = """
def say(record):
    time.sleep(0.02)
    print("epoch", int(record["epoch"]), flush=True)

rnn.RNN(1, 2, 1).fit(data, epochs=60, callbacks=[say])
"""
    with open(tmp_path / "out.txt", "w") as file:
        seen = on_a_terminal(BAR + code, stdout=file)
    assert "/60" in seen
    assert "epoch 5" not in seen
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines == [f"epoch {number}" for number in range(1, 61)]


@pytest.mark.parametrize("stream", ["None", "closed", "Mute()"])
def test_a_standard_error_that_is_none_does_no_harm(run_python: RunPython, stream: str) -> None:
    code = f"""
import io, sys

class Mute:
    def write(self, text): pass
    def flush(self): pass

closed = io.StringIO()
closed.close()
sys.stderr = {stream}
"""
    assert run_python(code + BAR + "print(len(train(0.7)) > 0)").stdout == "True\n"


# Notebooks -----------------------------------------------------------------------------------


def outputs_of(*cells: str) -> list[list[Any]]:
    """Return what each cell shows when a notebook is executed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=60).execute()
    return [cell.outputs for cell in notebook.cells]


# The kernel runs on an event loop that opens sockets of its own.
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_without_widgets_shows_a_line() -> None:
    _, long, short, unwanted, two, nested = outputs_of(
        BAR,
        "history = train(1.2)\nprint(len(history), f'{history.loss[-1]:.6g}')",
        "train(0.1);",
        "train(0.8, progress=False);",
        "train(0.8)\ntrain(0.8);",
        NESTED,
    )
    line, printed = long
    epochs, loss = printed.text.split()
    assert line.output_type == "display_data"
    expected = f"Training {int(epochs):,}/1,000,000 epochs · loss {loss}"
    assert line.data == {"text/plain": expected}
    assert short == unwanted == []
    assert [list(output.data) for output in two] == [["text/plain"], ["text/plain"]]
    assert len({output.data["text/plain"] for output in two}) == 2
    assert "/777 epochs" in nested[0].data["text/plain"]
    assert all(output.output_type != "stream" for output in [*two, *nested])
