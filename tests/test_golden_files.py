"""Files of every version of the format: they load, and give back what was saved."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_rust
from rnn_rust.model.network import Network
from rnn_rust.storage.model_file import FORMAT_VERSION

sys.path.append(str(Path(__file__).parent / "golden"))
import make_files

NAMES = ("rnn", "gru", "lstm", "checkpoint")
VERSIONS = sorted(make_files.FOLDER.iterdir())
each_version = pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)


def expected(folder: Path) -> dict[str, Any]:
    with np.load(folder / "expected.npz") as arrays:
        return dict(arrays)


def assert_close(got: Any, wanted: Any) -> None:
    """The same but for what machines without fused multiply-add round otherwise."""
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_every_version_has_its_files() -> None:
    assert [folder.name for folder in VERSIONS] == [f"v{n + 1}" for n in range(FORMAT_VERSION)]
    for folder in VERSIONS:
        files = {f"{name}.safetensors" for name in NAMES} | {"expected.npz"}
        assert {path.name for path in folder.iterdir()} == files


@each_version
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_every_version_gives_its_model_back(folder: Path, name: str) -> None:
    arrays = expected(folder)
    data, made = make_files.dataset(arrays), make_files.untrained()[name]
    model: Network = rnn_rust.load(folder / f"{name}.safetensors")
    assert type(model) is type(made)
    assert (model.settings, model.optimizer) == (made.settings, made.optimizer)
    assert (model.feature_names, model.label_names) == (("größe", "x2"), ("y",))
    assert model.threshold == (None if name == "lstm" else make_files.THRESHOLD)
    trained = make_files.CHECKPOINT_AFTER if name == "checkpoint" else make_files.EPOCHS
    assert model.epochs_trained == trained
    assert made.scaler is not None
    assert model.scaler is not None
    assert (
        model.scaler.to_dict() == type(made.scaler)(labels=made.scaler.labels).fit(data).to_dict()
    )
    if name == "lstm":
        # The last label of each sequence counts: two of them are 0, three are 1.
        np.testing.assert_allclose(model.class_table, [[5 / (2 * 2), 5 / (2 * 3)]])
    assert model.predict(data).dtype == made.settings["dtype"]
    assert_close(model.predict(data), arrays[name])


@each_version
def test_training_goes_on_from_a_checkpoint_of_every_version(folder: Path, tmp_path: Path) -> None:
    arrays = expected(folder)
    path = tmp_path / "copy"
    shutil.copy(folder / "checkpoint.safetensors", path)
    model = make_files.checkpointed()
    history = make_files.go_on(model, make_files.dataset(arrays), path)
    assert len(history) == make_files.EPOCHS
    assert_close(history.loss, arrays["losses"])
    assert_close(model.predict(make_files.dataset(arrays)), arrays["resumed"])
