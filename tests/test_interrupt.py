"""Ctrl-C is never lost: where no Python code runs, no handler can raise into what drops errors."""

import sys

import numpy as np
import pytest

from rnn_rust import _core


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_matrices_are_taken_without_running_python_code(kind: str) -> None:
    values = np.ones((3, 2), kind)
    starts, offsets = np.array([0]), np.array([0, 3])
    calls: list[str] = []

    def note(frame: object, event: str, argument: object) -> None:
        if event == "call":
            calls.append(str(frame))

    _core.prepare_rows(values, starts, offsets, None, None, "float64", None)  # may import NumPy
    sys.setprofile(note)
    try:
        _core.prepare_rows(values, starts, offsets, None, None, "float64", None)
    finally:
        sys.setprofile(None)
    assert calls == []
