"""Files of every version of the format: they load, and give back what was saved."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_rust
from rnn_rust.errors import ModelFileError
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
    fitted = type(made.scaler)(labels=made.scaler.labels).fit(data).to_dict()
    for key, value in model.scaler.to_dict().items():
        if isinstance(value, list):
            np.testing.assert_allclose(value, fitted[key], rtol=1e-12, atol=1e-12)
        else:
            assert value == fitted[key]
    if name == "lstm":
        # The last label of each sequence counts: two of them are 0, three are 1.
        np.testing.assert_allclose(model.class_table, [[5 / (2 * 2), 5 / (2 * 3)]])
    in_original_units = model.scaler.labels
    assert model.predict(data).dtype == ("float64" if in_original_units else made.settings["dtype"])
    assert_close(model.predict(data), arrays[name])


def test_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    folder = VERSIONS[-1]
    arrays = expected(folder)
    path = tmp_path / "copy"
    shutil.copy(folder / "checkpoint.safetensors", path)
    model = make_files.checkpointed()
    history = make_files.go_on(model, make_files.dataset(arrays), path)
    assert len(history) == make_files.EPOCHS
    assert_close(history.loss, arrays["losses"])
    assert_close(model.predict(make_files.dataset(arrays)), arrays["resumed"])


def test_training_does_not_go_on_from_a_checkpoint_of_an_earlier_version(tmp_path: Path) -> None:
    folder = VERSIONS[0]
    path = tmp_path / "copy"
    shutil.copy(folder / "checkpoint.safetensors", path)
    model = make_files.checkpointed()
    with pytest.raises(ModelFileError, match="an earlier version of rnn-rust wrote this"):
        make_files.go_on(model, make_files.dataset(expected(folder)), path)
    assert model.epochs_trained == 0
