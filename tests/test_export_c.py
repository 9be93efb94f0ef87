"""Exported C: it compiles without warnings, and gives the outputs of the model."""

from __future__ import annotations

import itertools
import os
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from c_code import Driver, begins, call, compiled, state_size, tool
from conftest import RunPython
from networks import ACTIVATIONS, CELLS, several_labels
from oracle import make_data, refused

import rnn_rust as rnn
from rnn_rust import GRU, LSTM, RNN, Dataset
from rnn_rust.base import folders
from rnn_rust.device.words import Names
from rnn_rust.errors import ParameterError, WriteError

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
LENGTHS = [5, 1, 30, 12]


def measured(outputs: int = 2) -> Dataset:
    """Return sequences whose columns are of very different sizes; float32 holds the features."""
    data = make_data(LENGTHS, 3, outputs)
    features = np.float32(data.features * [1, 50, 1e-4] + [0, 20_000, 3])
    labels = data.labels * 300 + 1e6
    return Dataset.from_arrays(np.float64(features), labels, data.offsets)


def expected_outputs(model: Any, data: Dataset) -> Any:
    """Return what ``predict`` gives after each row, also where it reads out whole sequences."""
    if model.readout == "each_step":
        return model.predict(data)
    beginnings = [
        np.asarray(sequence.features)[: end + 1]
        for sequence in data
        for end in range(len(sequence.features))
    ]
    return model.predict(beginnings)


def check(model: Any, data: Dataset, folder: Path) -> None:
    """Export a model; its own test holds, and its outputs for a data set are as predicted."""
    target = folder / "exported"
    model.to_c(target)
    shown = call([str(compiled(target))])
    assert re.fullmatch(r"model: 32 steps, largest error \S+, allowed 1e-\d+\n", shown)
    rows = np.column_stack([begins(data.offsets), data.features])
    given = Driver(model, target).outputs(rows)
    wanted = expected_outputs(model, data)
    unit = model.scaler.label_scale_ if model.scaler is not None and model.scaler.labels else 1.0
    error = np.abs(given - wanted) / np.maximum(unit, np.abs(wanted))
    assert error.max() <= TOLERANCE[model.settings["dtype"]]
    # The sequences are told apart, and steps are.
    assert len(np.unique(given[:, 0])) > 20


# Every network -------------------------------------------------------------------------------


def cases() -> list[Any]:
    """Return every cell with 1 and 2 layers in both types; scalers and readouts are drawn."""
    draw, found = random.Random(0), []
    for cell, layers, dtype in itertools.product(CELLS, (1, 2), TOLERANCE):
        options = {
            "num_layers": layers, "dtype": dtype, "readout": draw.choice(["each_step", "last"]),
            "scaler": draw.choice(["standard", "minmax", "robust", None]),
        }  # fmt: skip
        found.append(pytest.param(cell, options, id=f"{cell}-{layers}-{dtype}"))
    return found


@pytest.mark.parametrize(("cell", "options"), cases())
def test_every_cell(cell: str, options: dict[str, Any], tmp_path: Path) -> None:
    kind, own = CELLS[cell]
    data = measured()
    if options["scaler"] is None:
        small = make_data(LENGTHS, 3, 2)
        features = np.float64(np.float32(small.features))
        data = Dataset.from_arrays(features, small.labels, small.offsets)
    model = kind(3, 7, 2, **own, **options, seed=3)
    if options["scaler"] is not None:
        model.scaler = model.scaler.fit(data)
    check(model, data, tmp_path)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 17, 3), (40, 2, 1), (5, 64, 6)])
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_any_size(kind: Any, sizes: tuple[int, int, int], tmp_path: Path) -> None:
    inputs, _, outputs = sizes
    data = make_data(LENGTHS, inputs, outputs)
    features = np.float64(np.float32(data.features))
    data = Dataset.from_arrays(features, data.labels, data.offsets)
    check(kind(*sizes, num_layers=3, scaler=rnn.RobustScaler().fit(data)), data, tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_output_activation(activation: str, dtype: str, tmp_path: Path) -> None:
    data = measured()
    scaler = rnn.StandardScaler(labels=False).fit(data)
    model = GRU(3, 4, 2, output_activation=activation, scaler=scaler, dtype=dtype)
    check(model, data, tmp_path)


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [("binary_cross_entropy", 1), ("binary_cross_entropy", 2), ("focal", 1), ("cross_entropy", 4)],
)
def test_losses_of_classes_imply_the_activation(loss: str, outputs: int, tmp_path: Path) -> None:
    data = measured()
    scaler = rnn.StandardScaler(labels=False).fit(data)
    check(LSTM(3, 4, outputs, loss=loss, scaler=scaler), data, tmp_path)


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("activation", ["elu", "softplus", "silu", "sigmoid"])
def test_large_numbers_do_not_overflow(activation: str, loss: str, tmp_path: Path) -> None:
    data = make_data(LENGTHS, 3, 2)
    data = Dataset.from_arrays(np.float64(np.float32(data.features)), None, data.offsets)
    model = RNN(3, 5, 2, activation=activation, loss=loss)
    state = model.state_dict()
    state["weight_ih_l0"] *= 1000
    state["head.weight"] *= 100
    model.load_state_dict(state)
    model.to_c(tmp_path / "exported")
    given = Driver(model, tmp_path / "exported").outputs(
        np.column_stack([begins(data.offsets), data.features])
    )
    wanted = model.predict(data)
    assert np.isfinite(wanted).all()
    assert np.abs(given - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


# The header ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "GRU reset before", "LSTM"])
def test_the_header_says_what_a_step_needs(cell: str, tmp_path: Path) -> None:
    kind, own = CELLS[cell]
    model = kind(3, 7, 2, num_layers=2, **own)
    folder = tmp_path / "exported"
    model.to_c(folder)
    text = (folder / "model.h").read_text()
    state = model.state_dict()
    sizes = {name: array.size for name, array in state.items()}
    products = sum(size for name, size in sizes.items() if "weight" in name)
    assert f"a step   {products:,} multiply-adds of type float" in text
    assert f"weights  {4 * sum(sizes.values()):,} bytes\n" in text
    assert f"state    {state_size(folder)} bytes" in text


def test_the_header_is_also_for_cpp(tmp_path: Path) -> None:
    GRU(3, 4, 1).to_c(tmp_path / "exported")
    source = tmp_path / "size.cpp"
    source.write_text(
        '#include "exported/model.h"\nint main() { model_state s; model_init(&s); }\n'
    )
    options = ["-std=c++98", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    call([tool("c++"), *options, str(source)])


def test_names_of_columns_become_constants(tmp_path: Path) -> None:
    data = make_data([4, 5], 3, 2)
    names = ["größe", "a*/b??/", "größe!"]
    named = Dataset.from_arrays(
        data.features, data.labels, data.offsets, feature_names=names, label_names=["low", "high"]
    )
    model = RNN(3, 4, 2)
    model.fit(named, epochs=1, progress=False)
    model.to_c(tmp_path / "exported", name="pump")
    text = (tmp_path / "exported" / "pump.h").read_text("utf-8")
    found = re.findall(r"^    (PUMP_\w+),? /\* (.*) \*/$", text, re.MULTILINE)
    assert found == [
        ("PUMP_FEATURE_GROE", "größe"), ("PUMP_FEATURE_A_B", "a* /b? ?/"),
        ("PUMP_FEATURE_GROE_2", "größe!"), ("PUMP_OUTPUT_LOW", "low"), ("PUMP_OUTPUT_HIGH", "high"),
    ]  # fmt: skip
    call([str(compiled(tmp_path / "exported"))])


def test_levels_without_letters_of_english_are_numbered_at_once() -> None:
    class Counted(set[str]):
        looks = 0

        def __contains__(self, name: object) -> bool:
            self.looks += 1
            return super().__contains__(name)

    names = Names("p", ["SHOP_3"])
    names._taken = taken = Counted(names._taken)
    levels = [chr(0x4E00 + n) for n in range(500)]
    made = [names.new("shop", level) for level in levels]
    assert made == ["P_SHOP", "P_SHOP_2", *(f"P_SHOP_{n}" for n in range(4, 502))]
    assert taken.looks <= 3 * len(levels)
    # What is too long has its number in place of the last characters.
    long = [names.new("a" * 70, level) for level in levels[:3]]
    assert long == ["P_" + "A" * 58, *("P_" + "A" * 52 + f"_{n}" for n in (2, 3))]


def test_outputs_tell_the_class_of_their_label(tmp_path: Path) -> None:
    def header(named: list[str]) -> str:
        model = RNN(hidden_size=2, loss="binary_cross_entropy")
        model.fit(several_labels(named), epochs=1, progress=False)
        model.to_c(tmp_path / "exported")
        call([str(compiled(tmp_path / "exported"))])
        return (tmp_path / "exported" / "model.h").read_text("utf-8")

    def outputs(text: str) -> list[str]:
        return re.findall(r"^    MODEL_OUTPUT_\w+,? /\* (.*) \*/$", text, re.MULTILINE)

    text = header(["fast", "slow"])
    assert outputs(text) == [
        "fast: the probability of yes", "plain: the probability of 1",
        "slow: the probability of zoom",
    ]  # fmt: skip
    assert "outputs:    of each label the probability of the class named above.\n" in text
    assert "/* an output above it means the class named below */" in text
    text = header(["slow"])
    assert outputs(text)[0] == "fast: the probability of 1"
    assert outputs(text)[2] == "slow: the probability of zoom"
    text = header([])
    assert outputs(text) == ["fast", "plain", "slow"]
    assert "outputs:    of each label the probability of 1.\n" in text
    assert "/* an output above it means 1 */" in text
    table = pl.DataFrame({"id": [0, 0, 0], "x": [0.0, 1.0, 2.0], "kind": ["*/", "b", "b"]})
    model = RNN(hidden_size=2, loss="binary_cross_entropy")
    data = Dataset.from_frame(table, time=None, features="x", labels="kind")
    model.fit(data, epochs=1, progress=False)
    model.to_c(tmp_path / "single")
    text = (tmp_path / "single" / "model.h").read_text()
    assert "outputs:    the probability of b.\n" in text
    assert "/* an output above it means b */" in text


def test_the_same_model_is_the_same_text(tmp_path: Path) -> None:
    model = GRU(3, 4, 1, num_layers=2)
    model.to_c(tmp_path / "one")
    model.to_c(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_an_export_needs_numpy_alone(tmp_path: Path, run_python: RunPython) -> None:
    code = (
        "import sys, rnn_rust\n"
        f"rnn_rust.GRU(3, 4, 1).to_c({str(tmp_path / 'exported')!r})\n"
        "print(*sys.modules)"
    )
    loaded = {name.split(".")[0] for name in run_python(code).stdout.split()}
    assert "numpy" in loaded
    assert not loaded & {"polars", "click", "rich", "safetensors"}


# What cannot be exported ---------------------------------------------------------------------


def test_what_a_stepper_refuses_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "exported"
    for options in ({"bidirectional": True}, {"readout": "mean"}, {"scaler": "minmax"}):
        model = GRU(3, 4, 1, **options)
        with pytest.raises(ParameterError) as of_stepper:
            model.stepper()
        refused(lambda: model.to_c(target), ParameterError, str(of_stepper.value))  # noqa: B023
    refused(lambda: GRU().to_c(target), ParameterError, "fit it")
    assert list(tmp_path.iterdir()) == []


def test_a_forecast_of_changes_is_refused(tmp_path: Path) -> None:
    frame = {"t": np.arange(30), "x1": np.sin(np.arange(30.0))}
    data = Dataset.from_frame(frame, labels=[])
    changes, values = data.forecast("x1", 2), data.forecast("x1", 2, relative_to=None)
    model = GRU()
    model.fit(changes, epochs=1, progress=False)
    refused(lambda: model.to_c(tmp_path / "a"), ParameterError, "changes of 'x1'")
    model = GRU()
    model.fit(values, epochs=1, progress=False)
    model.to_c(tmp_path / "b")
    call([str(compiled(tmp_path / "b"))])


@pytest.mark.parametrize("name", ["", "3d", "a-b", "_a", "é", "a" * 31, None, "a/b", "a\n"])
def test_names_that_c_does_not_have_are_refused(name: Any, tmp_path: Path) -> None:
    refused(lambda: GRU(3, 4, 1).to_c(tmp_path / "a", name=name), ParameterError, "name must")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["math", "stdio", "stddef", "stdint", "string", "Math", "TIME"])
def test_names_of_headers_of_c_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=rf"header of C, got '{name}': {name}\.h would hide"):
        GRU(3, 4, 1).to_c(tmp_path / "a", name=name)
    assert list(tmp_path.iterdir()) == []


def test_no_header_that_an_export_includes_can_be_hidden(tmp_path: Path) -> None:
    GRU(3, 4, 1).to_c(tmp_path / "a", name="mathematics")
    sources = [str(path) for path in sorted((tmp_path / "a").glob("*.c"))]
    needed = call([tool("cc"), "-std=c99", "-M", *sources]).split()
    headers = [Path(path) for path in needed if re.fullmatch(r"/.*/include/\w+\.h", path)]
    names = sorted({path.stem for path in headers})
    assert {"math", "stdio", "stddef"} <= set(names)
    for name in names:
        with pytest.raises(ParameterError, match="would hide"):
            GRU(3, 4, 1).to_c(tmp_path / "b", name=name)
    assert not (tmp_path / "b").exists()


def test_scales_beyond_float_are_refused_and_lost_digits_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def model(features: Any, dtype: str = "float32") -> Any:
        data = Dataset.from_arrays(np.asarray(features).reshape(-1, 1), None, [0, len(features)])
        scaler = rnn.MinMaxScaler(labels=False).fit(data)
        return GRU(1, 2, 1, scaler=scaler, dtype=dtype)

    tiny = model([0.0, 1e-60])
    refused(lambda: tiny.to_c(tmp_path / "a"), ParameterError, "feature '0'", "float64")
    model([0.0, 1e-60], "float64").to_c(tmp_path / "a")
    call([str(compiled(tmp_path / "a"))])
    assert caplog.text == ""
    model([1.7e9, 1.7e9 + 1000]).to_c(tmp_path / "b")
    assert "Feature '0' is about 1.7e+09" in caplog.text
    call([str(compiled(tmp_path / "b"))])


# Folders -------------------------------------------------------------------------------------


def test_an_export_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    target = tmp_path / "exported"
    GRU(3, 4, 1).to_c(target)
    before = (target / "model.c").read_text()
    target.chmod(0o700)
    GRU(3, 4, 1, seed=1).to_c(target)
    assert (target / "model.c").read_text() != before
    assert target.stat().st_mode & 0o777 == 0o700
    for other in ("notes.txt", "model.c"):
        path = target / other
        path.write_text("mine")
        refused(lambda: GRU(3, 4, 1).to_c(target), WriteError, f"other contents, {other}")
        assert path.read_text() == "mine"
        path.unlink()
    GRU(3, 4, 1).to_c(target, name="model")
    refused(lambda: GRU(3, 4, 1).to_c(target, name="b"), WriteError, "other contents, model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported"]
    (tmp_path / "empty").mkdir()
    GRU(3, 4, 1).to_c(tmp_path / "empty")
    assert len(list((tmp_path / "empty").iterdir())) == 4


def test_places_that_no_folder_can_stand_at_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(lambda: GRU(3, 4, 1).to_c(tmp_path / "file"), WriteError, "not a folder")
    missing = tmp_path / "no" / "such"
    refused(lambda: GRU(3, 4, 1).to_c(missing), WriteError, "No such file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for where in (".", tmp_path):
        refused(lambda: GRU(3, 4, 1).to_c(where), WriteError, "current folder")  # noqa: B023
    refused(lambda: GRU(3, 4, 1).to_c(""), ParameterError, "folder must be a path")
    assert tmp_path.samefile(".")
    GRU(3, 4, 1).to_c("exported")
    assert len(os.listdir("exported")) == 4


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_an_export_that_fails_leaves_what_there_was(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "exported"
    GRU(3, 4, 1).to_c(target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    if failing == "fsync":

        def full(_: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
    else:
        rename = Path.rename

        def into_place(self: Path, other: Path) -> Path:
            if self.suffix == ".tmp":
                raise OSError(28, os.strerror(28))
            return rename(self, other)

        monkeypatch.setattr(folders.Path, "rename", into_place)
    for where in (target, tmp_path / "new"):
        refused(
            lambda: GRU(3, 4, 1, seed=1).to_c(where),  # noqa: B023
            WriteError,
            f"cannot write {where}: No space left",
        )
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
