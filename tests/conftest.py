"""Fixtures and helpers for several test files."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rnn_rust import Dataset
from rnn_rust.cli import main
from rnn_rust.errors import DataError

DATA = Path(__file__).resolve().parents[1] / "data"
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} (DEBUG|INFO|WARNING|ERROR) +(.*)$")


class RunPython(Protocol):
    """Runs code in a fresh interpreter, with more environment variables if need be."""

    def __call__(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Return the finished process; its output is text."""


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C work here and in processes started here: background jobs of a shell ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run_python() -> RunPython:
    """Run code in a fresh interpreter, which must end well; its output is text."""

    def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    return run


# Reading CSV files ---------------------------------------------------------------------------

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "data.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read_error(path: Path, **columns: object) -> str:
    """Return the message of the DataError that reading raises, less the path."""
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, **columns)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path)).lstrip(":, ")


# The command line ----------------------------------------------------------------------------


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def run_well(*args: object) -> Result:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result


def check_error(result: Result, *words: object) -> None:
    """Exactly one line on standard error, none elsewhere, and exit code 2."""
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    for word in words:
        assert str(word) in lines[0]


@pytest.fixture
def logger_as_before() -> Iterator[None]:
    logger = logging.getLogger("rnn_rust")
    state = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.level, logger.propagate, logger.handlers[:] = state
    logger.manager._clear_cache()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of its own: commands write into the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(folder: Path) -> Path:
    """Sequences with awkward ids and times, whose rows stand in no order, and a blank line."""
    rng = np.random.default_rng(0)
    rows = [
        f"{name},2024-01-{day:02d},{rng.random():.3f},{rng.random():.3f},{rng.integers(2)}"
        for name in ("007", '"a, b"', "x y", "1.0", "é", "9e3", "00", "-1", "end", "N/A")
        for day in range(1, 6)
    ]
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    shuffled.insert(20, "")
    path = folder / "data.csv"
    path.write_text("\n".join(["name,t,x1,x2,y1", *shuffled]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def model(data: Path) -> Path:
    """A model trained on ``data``, in the current folder."""
    run_well("train", data, "--epochs", 3, "--learning-rate", 0.1)
    return Path("model.safetensors")
