"""ONNX files to models: our own, and what other exporters write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ARCHITECTURES, READOUTS, make_labelled
from onnx_runs import assert_close, session
from test_onnx import EXPORTED, HEADS, REVERSE, SCALERS, far_from_zero, make_model

import rnn_rust
from rnn_rust.errors import ParameterError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx") / "model.onnx"


@settings(max_examples=200, deadline=None)
@given(
    cell=st.sampled_from(EXPORTED), architecture=st.sampled_from([*ARCHITECTURES, *REVERSE]),
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
    for name in ("hidden_size", "num_layers", "bidirectional", "reverse", "readout", "dtype"):
        assert loaded.settings[name] == model.settings[name]
    assert_close(loaded.predict(data), model.predict(data), 1e-5 if dtype == "float32" else 1e-12)
    for name, tensor in model.state_dict().items():
        assert np.array_equal(loaded.state_dict()[name], tensor)
    loaded.fit(data, epochs=1, progress=False)


# Files of other exporters ----------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "golden" / "onnx"
# What each of them is, beside its cell and an output size of 2.
FOREIGN: dict[str, dict[str, Any]] = {
    "torch_gru_stack": {"num_layers": 2, "readout": "last"},
    "torch_lstm_both_directions": {"num_layers": 2, "bidirectional": True},
    "torch_lengths": {"bidirectional": True, "readout": "last", "loss": "cross_entropy"},
    "torch_computed_shapes": {"activation": "relu", "readout": "mean"},
    "keras_lstm_by_step": {"output_size": 1, "loss": "binary_cross_entropy"},
    "keras_gru_reset_before": {"reset_after": False, "readout": "last", "loss": "cross_entropy"},
    "keras_both_directions": {"num_layers": 2, "bidirectional": True, "reset_after": True},
    "keras_simple_rnn": {
        "output_size": 1, "bidirectional": True, "readout": "last", "output_activation": "tanh",
    },
}  # fmt: skip


def test_options_are_what_the_file_does_not_tell() -> None:
    path = GOLDEN / "keras_lstm_by_step.onnx"
    model = rnn_rust.from_onnx(path, loss="focal", dtype="float64", optimizer="sgd", seed=7)
    assert (model.loss_name, model.settings["dtype"], model.settings["seed"]) == (
        "focal", "float64", 7
    )  # fmt: skip
    assert rnn_rust.from_onnx(path, loss="mse").settings["output_activation"] == "sigmoid"
    with pytest.raises(ParameterError, match=r"keras_lstm.*hidden_size=9: .* has 4"):
        rnn_rust.from_onnx(path, hidden_size=9)
    with pytest.raises(ParameterError, match=r"keras_lstm.*scaler="):
        rnn_rust.from_onnx(path, scaler="minmax")
    with pytest.raises(TypeError, match="hiden_size'; did you mean 'hidden_size'"):
        rnn_rust.from_onnx(path, hiden_size=9)


def test_every_file_is_looked_at() -> None:
    assert {file.stem for file in GOLDEN.glob("*.onnx")} == FOREIGN.keys()


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_exporters_are_what_onnxruntime_says(name: str) -> None:
    model = rnn_rust.from_onnx(GOLDEN / f"{name}.onnx")
    for key, value in ({"output_size": 2} | FOREIGN[name]).items():
        assert model.settings[key] == value
    runs = session(GOLDEN / f"{name}.onnx")
    fixed = runs.get_inputs()[0].shape[0]
    sequences = np.random.default_rng(0).normal(size=(fixed if fixed == 1 else 3, 5, 3))
    sequences = sequences.astype(np.float32)
    inputs = {runs.get_inputs()[0].name: sequences}
    expected_of: Any = list(sequences)
    if name == "torch_lengths":
        inputs = {"input": sequences.transpose(1, 0, 2), "lengths": np.array([5, 2, 4])}
        expected_of = [sequences[0], sequences[1, :2], sequences[2, :4]]
    (outputs,) = runs.run(None, inputs)
    predicted = np.asarray(model.predict(expected_of))
    assert_close(predicted.astype(np.float32), outputs, 1e-6)
