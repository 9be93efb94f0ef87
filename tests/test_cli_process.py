"""The command line as a process: Ctrl-C, terminals, pipes."""

import logging
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import DATA, LOG_LINE, run

import rnn_rust as rnn

pytestmark = [pytest.mark.timing, pytest.mark.usefixtures("folder", "logger_as_before")]


def start(*args, **options):
    command = [sys.executable, "-m", "rnn_rust", *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes | options)


def test_ctrl_c_saves_the_model_and_ends_with_130(data):
    class Finger(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("Epoch 1:"):
                signal.raise_signal(signal.SIGINT)

    finger = Finger()
    logging.getLogger("rnn_rust").addHandler(finger)
    result = run("train", data, "--epochs", 1000)
    assert result.exit_code == 130
    assert "Saved the model, trained for 1 epoch, to model.safetensors" in result.stderr
    assert "Test part" not in result.stdout
    assert rnn.load("model.safetensors").epochs_trained == 1


def test_ctrl_c_stops_a_long_training_at_once():
    options = (
        "--no-early-stopping",
        "--epochs",
        10**9,
        "--eval-every",
        10**8,
        "--batch-size",
        64,
        "--hidden",
        32,
    )
    process = start("train", DATA / "fraud.csv", *options)
    lines = []
    while not (lines and "Epoch 1:" in lines[-1]):
        lines.append(process.stderr.readline())
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    lines += process.stderr.readlines()
    stopped = time.monotonic() - sent
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=120) == 130
    assert all(LOG_LINE.match(line) for line in lines)
    assert "the weights of the last finished update are kept" in lines[-2]
    assert rnn.load("model.safetensors").epochs_trained >= 1
    assert stopped < 1  # stops within 0.1 s; the end of the interpreter counts here too


def test_a_terminal_gets_colours_and_a_progress_bar():
    parent, child = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    process = start(
        "train", DATA / "fraud.csv", "--epochs", 10**9, "--no-early-stopping", stdout=child,
        stderr=child, env=environment,
    )  # fmt: skip
    os.close(child)
    output = _read_until(parent, b"/1000000000")  # in the progress bar
    process.send_signal(signal.SIGINT)
    output += _read_until(parent, None)
    os.close(parent)
    assert process.wait(timeout=120) == 130
    assert b"\x1b[1;36mData" in output
    assert b"\x1b[34mINFO" in output
    assert re.search(rb"\x1b\[3\dmWARNING", output)


def _read_until(terminal, text):
    """Read up to a text, or with None until the other end is closed."""
    output = b""
    while text is None or text not in output:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says "closed" in this way, others by reading nothing
            break
        if not chunk:
            break
        output += chunk
    return output


def test_a_pipe_gets_plain_text():
    process = start("demo", "sample")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "\x1b" not in stdout + stderr
    assert "Training " not in stderr.replace("Training on", "")


def test_a_reader_that_leaves_early_is_no_error(data, model):
    process = start("predict", model, data)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=120) == 0


def test_ctrl_c_saves_the_model_where_it_ends_the_reader_of_the_log_too():
    options = ("--no-early-stopping", "--epochs", 10**9, "--batch-size", 64)
    process = start("train", DATA / "fraud.csv", *options, stderr=subprocess.STDOUT)
    while "Epoch 1:" not in process.stdout.readline():
        pass
    # As that of ``2>&1 | tee log``, which is in the same process group.
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    assert rnn.load("model.safetensors").epochs_trained >= 1
