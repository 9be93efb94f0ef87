"""Python and exported C answer the events of ``golden/device`` as they stand there.

Rust's networks whose sizes are types do so in ``rust/core/tests/model_file.rs``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_code import Driver

import rnn_rust as rnn

FOLDER = Path(__file__).parent / "golden" / "device"
NAMES = sorted(path.stem for path in FOLDER.glob("*.csv"))


def check(model: Any, given: Any, wanted: Any) -> None:
    unit = model.scaler.label_scale_ if model.scaler.labels else 1.0
    assert given.shape == wanted.shape
    assert (np.abs(given - wanted) <= 1e-5 * np.maximum(unit, np.abs(wanted))).all()


@pytest.mark.parametrize("name", NAMES)
def test_python_and_c_give_the_outputs_that_are_kept(name: str, tmp_path: Path) -> None:
    model = rnn.load(FOLDER / f"{name}.safetensors")
    rows = np.loadtxt(FOLDER / f"{name}.csv", delimiter=",", skiprows=1)
    events, wanted = rows[:, :4], rows[:, 4:]
    offsets = np.append(np.flatnonzero(events[:, 0]), len(rows))
    data = rnn.Dataset.from_arrays(events[:, 1:], None, offsets)
    check(model, model.predict(data), wanted)
    model.to_c(tmp_path / "exported")
    check(model, Driver(model, tmp_path / "exported").outputs(events), wanted)


def test_there_is_one_of_each_cell() -> None:
    assert NAMES == ["gru", "lstm", "rnn"]
