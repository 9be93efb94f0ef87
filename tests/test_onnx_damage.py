"""Damaged ONNX files: an error that names the file, no crash, no memory beyond what it explains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

import rnn_rust
from rnn_rust.errors import MissingFileError, ModelFileError


def test_5000_damaged_files() -> None:
    # In a process of its own, which a crash would end, and whose memory is nobody else's.
    script = Path(__file__).parent / "onnx_fuzz.py"
    done = subprocess.run(
        [sys.executable, script, "--count", "5000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["model"] + found["refused"] == 5000
    # Flipped bits of a weight are a weight; all else is found.
    assert found["refused"] > 4000
    # The largest file has 1 MB.
    assert found["megabytes"] < 10


def test_what_is_no_onnx_file_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"there is no file .*missing\.onnx; check the path"):
        rnn_rust.from_onnx(tmp_path / "missing.onnx")
    for content in (b"", b"not a model", b"\x00" * 100, b"PK\x03\x04"):
        path = tmp_path / "other.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"other\.onnx: .*not an ONNX file"):
            rnn_rust.from_onnx(path)
    with pytest.raises(ModelFileError, match=r"cannot read the model .*Is a directory"):
        rnn_rust.from_onnx(tmp_path)


def test_weights_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = rnn_rust.LSTM(3, 20, 1)
    model.to_onnx(path)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0
    )
    loaded = rnn_rust.from_onnx(path)
    assert all((loaded.state_dict()[k] == v).all() for k, v in model.state_dict().items())
    (tmp_path / "weights").write_bytes(b"too short")
    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        rnn_rust.from_onnx(path)
    (tmp_path / "weights").unlink()
    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        rnn_rust.from_onnx(path)
