"""Models as ONNX files: what other runtimes compute from them is what `predict` returns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import RunPython
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    ACTIVATIONS,
    ARCHITECTURES,
    CELLS,
    CLASSES,
    LOSSES,
    READOUTS,
    make_labelled,
    several_labels,
)
from onnx_runs import assert_close, metadata, padded, run, run_reference, session

from rnn_rust import GRU, LSTM, RNN, Dataset, from_onnx
from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.models import Model

EXPORTED = [name for name in CELLS if name != "RNN silu"]
# Outputs: a loss, which may imply the activation, or an activation.
HEADS: list[dict[str, Any]] = [
    *({"loss": loss} for loss in LOSSES),
    *({"output_activation": name} for name in ACTIVATIONS),
]
# Further ones, of no other test.
REVERSE: list[dict[str, Any]] = [{"reverse": True}, {"reverse": True, "num_layers": 2}]
SCALERS = [None, "minmax", "standard", "robust"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx") / "model.onnx"


def make_model(cell: str, data: Dataset, sizes: tuple[int, int], **options: Any) -> Model:
    """Return a model that has learnt scales, and some weights, from the data."""
    model_class, of_cell = CELLS[cell]
    inputs, outputs = sizes
    model: Any = model_class(inputs, options.pop("hidden", 5), outputs, **of_cell, **options)
    model.fit(data, epochs=1, progress=False)
    return model


def far_from_zero(data: Dataset, seed: int) -> Dataset:
    """Return data whose features have means and scales of their own."""
    random = np.random.default_rng(seed)
    count = data.features.shape[1]
    scale, shift = 10.0 ** random.integers(-3, 4, count), random.normal(0, 1000, count)
    moved = (data.features * scale + shift).astype(np.float32)
    return data.with_values(moved, data.labels)


# Against other runtimes ------------------------------------------------------------------------


@settings(max_examples=250, deadline=None)
@given(
    cell=st.sampled_from(EXPORTED), architecture=st.sampled_from([*ARCHITECTURES, *REVERSE]),
    readout=st.sampled_from(READOUTS), head=st.sampled_from(HEADS),
    scaler=st.sampled_from(SCALERS), lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    inputs=st.integers(1, 4), hidden=st.integers(1, 9), outputs=st.integers(2, 3),
    seed=st.integers(0, 2**20),
)  # fmt: skip
def test_onnxruntime_agrees(
    *, cell: str, architecture: dict[str, Any], readout: str, head: dict[str, Any],
    scaler: str | None, lengths: list[int], inputs: int, hidden: int, outputs: int, seed: int,
    path: Path,
) -> None:  # fmt: skip
    sizes = inputs, outputs
    data = make_labelled(lengths, head.get("loss", "mse"), sizes, seed=seed)
    if scaler is not None:
        data = far_from_zero(data, seed)
    model = make_model(
        cell, data, sizes, hidden=hidden, readout=readout, scaler=scaler, seed=seed,
        **architecture, **head,
    )  # fmt: skip
    model.to_onnx(path)
    rows = data.features.astype(np.float32)
    as_asked = Dataset.from_arrays(rows, None, data.offsets)
    assert_close(run(path, rows, lengths), model.predict(as_asked), 1e-5)


@settings(max_examples=100, deadline=None)
@given(
    cell=st.sampled_from(EXPORTED), architecture=st.sampled_from([*ARCHITECTURES, *REVERSE]),
    readout=st.sampled_from(READOUTS), head=st.sampled_from(HEADS),
    scaler=st.sampled_from(SCALERS), seed=st.integers(0, 2**20),
)  # fmt: skip
def test_in_float64_the_reference_agrees(
    *, cell: str, architecture: dict[str, Any], readout: str, head: dict[str, Any],
    scaler: str | None, seed: int, path: Path,
) -> None:  # fmt: skip
    lengths = [5, 5, 5]
    data = make_labelled(lengths, head.get("loss", "mse"), (3, 2), seed=seed)
    model = make_model(
        cell, data, (3, 2), readout=readout, scaler=scaler, dtype="float64", **architecture, **head
    )  # fmt: skip
    model.to_onnx(path)
    # The slope is an attribute of ONNX's RNN, and those are float32.
    tolerance = 1e-9 if cell == "RNN leaky_relu" else 1e-12
    rows = data.features.astype(np.float64)
    assert_close(run_reference(path, rows, lengths), model.predict(data), tolerance)


@settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from(EXPORTED), layers=st.integers(1, 3),
    readout=st.sampled_from(["each_step", "last"]), head=st.sampled_from(HEADS),
    scaler=st.sampled_from(SCALERS), seed=st.integers(0, 2**20),
)  # fmt: skip
def test_steps_one_after_the_other_are_the_stepper(
    *, cell: str, layers: int, readout: str, head: dict[str, Any], scaler: str | None, seed: int,
    path: Path,
) -> None:  # fmt: skip
    data = make_labelled([6, 6], head.get("loss", "mse"), (3, 2), seed=seed)
    model = make_model(
        cell, data, (3, 2), num_layers=layers, readout=readout, scaler=scaler, **head
    )
    model.to_onnx(path, step=True)
    both = data.features.astype(np.float32).reshape(2, 6, 3)
    runs = session(path)
    names = [one.name for one in runs.get_inputs()][1:]
    states = dict.fromkeys(names, np.zeros((layers, 2, 5), np.float32))
    steppers = [model.stepper(), model.stepper()]
    for t in range(6):
        outputs, *after = runs.run(None, {"features": both[:, t], **states})
        expected = np.stack([one.step(row) for one, row in zip(steppers, both[:, t], strict=True)])
        assert_close(outputs.astype(np.float64), expected.astype(np.float64), 1e-5)
        states = dict(zip(names, after, strict=True))


def test_large_numbers_keep_their_digits(path: Path) -> None:
    random = np.random.default_rng(0)
    rows = (2.0**23 + random.integers(0, 100, (40, 1))).astype(np.float32)
    data = Dataset.from_arrays(rows, 1e9 + random.normal(size=(40, 1)), [0, 15, 40])
    model = GRU(1, 4, 1, scaler="standard")
    model.fit(data, epochs=3, progress=False)
    model.to_onnx(path)
    outputs = run(path, rows, [15, 25])
    assert outputs.dtype == np.float64
    assert np.abs(outputs - model.predict(data)).max() < 1e-5


# The file --------------------------------------------------------------------------------------


def test_classes_by_name_are_in_the_metadata(path: Path) -> None:
    table = pl.DataFrame({"id": [0, 0, 1], "x": [0.0, 1.0, 2.0], "kind": ["a", "b", "c"]})
    data = Dataset.from_frame(table, id="id", time=None, features="x", labels="kind")
    model = RNN(hidden_size=2, loss="cross_entropy")
    model.fit(data, epochs=1, progress=False)
    model.to_onnx(path)
    assert metadata(path)["classes"] == ["a", "b", "c"]
    assert_close(run(path, data.features.astype(np.float32), [2, 1]), model.predict(data), 1e-5)


@pytest.mark.parametrize("named", [["fast", "slow"], ["slow"], ["fast"], []])
def test_labels_have_classes_of_their_own_in_the_metadata(path: Path, named: list[str]) -> None:
    data = several_labels(named)
    model = RNN(hidden_size=2, loss="binary_cross_entropy", seed=0)
    model.fit(data, epochs=1, progress=False)
    model.to_onnx(path)
    about = metadata(path)
    assert about["label_names"] == ["fast", "plain", "slow"]
    assert "classes" not in about
    assert about.get("label_classes", {}) == {label: CLASSES[label] for label in named}
    loaded = from_onnx(path)
    assert loaded.label_levels == model.label_levels
    assert loaded.predict_classes(data).tolist() == model.predict_classes(data).tolist()


def test_equal_models_are_equal_files_and_replace_what_is_there(tmp_path: Path) -> None:
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    second.write_text("something else")
    for path in (first, second):
        LSTM(2, 3, 1, num_layers=2, bidirectional=True).to_onnx(path)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    with pytest.raises(ModelFileError, match="cannot write "):
        RNN(2, 3, 1).to_onnx(tmp_path / "nowhere" / "a.onnx")
    with pytest.raises(ParameterError, match="silu"):
        RNN(2, 3, 1, activation="silu").to_onnx(first)
    assert first.read_bytes() == second.read_bytes()


# What is refused -------------------------------------------------------------------------------


def test_what_cannot_be_exported_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ParameterError, match=r"activation='silu' .* use one of tanh, relu"):
        RNN(2, 3, 1, activation="silu").to_onnx(path)
    with pytest.raises(ParameterError, match="no sizes yet"):
        RNN().to_onnx(path)
    with pytest.raises(ParameterError, match=r"scaler is not fitted yet"):
        RNN(2, 3, 1, scaler="minmax").to_onnx(path)
    with pytest.raises(ParameterError, match="bidirectional=True"):
        RNN(2, 3, 1, bidirectional=True).to_onnx(path, step=True)
    with pytest.raises(ParameterError, match="reverse=True"):
        RNN(2, 3, 1, reverse=True).to_onnx(path, step=True)
    with pytest.raises(ParameterError, match="readout='mean'"):
        RNN(2, 3, 1, readout="mean").to_onnx(path, step=True)
    with pytest.raises(ParameterError, match="step must be True or False, got 'yes'"):
        RNN(2, 3, 1).to_onnx(path, step="yes")  # type: ignore[arg-type]
    assert not path.exists()


def test_forecasts_of_values_are_exported_and_those_of_changes_are_not(path: Path) -> None:
    table = pl.DataFrame({"t": range(30), "x": np.sin(np.arange(30.0))})
    data = Dataset.from_frame(table, features="x", labels=())
    changes = GRU(hidden_size=2)
    changes.fit(data.forecast("x", 2), epochs=1, progress=False)
    with pytest.raises(ParameterError, match="changes of 'x' relative to 'last'"):
        changes.to_onnx(path)
    plan = data.forecast("x", 2, relative_to=None)
    values = GRU(hidden_size=2)
    values.fit(plan, epochs=1, progress=False)
    values.to_onnx(path)
    rows = plan.features.astype(np.float32)
    assert_close(run(path, rows, [len(rows)]), values.predict(plan), 1e-5)


@pytest.mark.parametrize(("number", "what"), [(1e300, "large"), (1e-44, "small"), (1e-60, "small")])
def test_a_scale_that_float32_does_not_hold_is_named(number: float, what: str, path: Path) -> None:
    data = Dataset.from_arrays([[0.0], [number]], [[0.0], [1.0]], [0, 2])
    model = RNN(1, 2, 1, scaler="minmax")
    model.fit(data, epochs=1, progress=False)
    with pytest.raises(ParameterError, match=f"feature_scale has numbers too {what} for float32"):
        model.to_onnx(path)
    wide = RNN(1, 2, 1, scaler="minmax", dtype="float64")
    wide.fit(data, epochs=1, progress=False)
    wide.to_onnx(path)
    rows = data.features
    assert_close(run_reference(path, rows, [2]), wide.predict(data), 1e-12)


def test_without_onnx_an_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("rnn_rust.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "rnn-rust\[onnx\]"'):
        RNN(2, 3, 1).to_onnx(tmp_path / "model.onnx")


def test_onnx_loads_when_it_is_used(run_python: RunPython) -> None:
    run_python(
        "import sys, rnn_rust\n"
        "rnn_rust.RNN(2, 3, 1).summary()\n"
        "assert 'onnx' not in sys.modules and 'rnn_rust.onnx' not in sys.modules"
    )


def test_lengths_end_sequences(path: Path) -> None:
    model = LSTM(2, 3, 1, bidirectional=True)
    model.to_onnx(path)
    rows = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    runs = session(path)
    one, other = (runs.run(None, padded(rows, [4, 5], beyond))[0] for beyond in (1e30, np.nan))
    assert one.tobytes() == other.tobytes()
