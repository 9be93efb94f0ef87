"""Fixtures for several test files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

RunPython = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run_python() -> RunPython:
    """Run code in a fresh interpreter, which must end well; its output is text."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done

    return run
