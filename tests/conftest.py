"""Fixtures for several test files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Protocol

import pytest


class RunPython(Protocol):
    """Runs code in a fresh interpreter, with more environment variables if need be."""

    def __call__(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Return the finished process; its output is text."""


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
