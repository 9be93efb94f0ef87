"""ONNX files to models: our own, and what other exporters write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ARCHITECTURES, READOUTS, make_labelled
from onnx_runs import assert_close
from test_onnx import EXPORTED, HEADS, SCALERS, far_from_zero, make_model

import rnn_rust


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx") / "model.onnx"


@settings(max_examples=200, deadline=None)
@given(
    cell=st.sampled_from(EXPORTED), architecture=st.sampled_from(ARCHITECTURES),
    readout=st.sampled_from(READOUTS), head=st.sampled_from(HEADS),
    scaler=st.sampled_from(SCALERS), dtype=st.sampled_from(["float32", "float64"]),
    sizes=st.tuples(st.integers(1, 3), st.integers(2, 3)), hidden=st.integers(1, 5),
    seed=st.integers(0, 2**20),
)  # fmt: skip
def test_our_own_files_come_back(
    *, cell: str, architecture: dict[str, Any], readout: str, head: dict[str, Any],
    scaler: str | None, dtype: str, sizes: tuple[int, int], hidden: int, seed: int, path: Path,
) -> None:  # fmt: skip
    data = make_labelled([4, 1, 6], head.get("loss", "mse"), sizes, seed=seed)
    if scaler is not None:
        data = far_from_zero(data, seed)
    model = make_model(
        cell, data, sizes, hidden=hidden, readout=readout, scaler=scaler, dtype=dtype, seed=seed,
        **architecture, **head,
    )  # fmt: skip
    model.to_onnx(path)
    loaded = rnn_rust.from_onnx(path)
    assert type(loaded) is type(model)
    for name in ("hidden_size", "num_layers", "bidirectional", "readout", "dtype"):
        assert loaded.settings[name] == model.settings[name]
    assert_close(loaded.predict(data), model.predict(data), 1e-5 if dtype == "float32" else 1e-12)
    for name, tensor in model.state_dict().items():
        assert np.array_equal(loaded.state_dict()[name], tensor)
    loaded.fit(data, epochs=1, progress=False)
