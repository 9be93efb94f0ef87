"""Dates, durations and numbers: models with features of time take the kind that they learnt."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import check_error, run, run_well

import rnn_rust as rnn
from rnn_rust.errors import DataError, ModelFileError, ParameterError
from rnn_rust.storage.model_file import pack, unpack

START = datetime.datetime(2026, 3, 1, 6)
SECONDS = np.random.default_rng(0).integers(1, 9_000, 24).cumsum()
KINDS: dict[str, Any] = {
    "dates": [START + datetime.timedelta(seconds=int(s)) for s in SECONDS],
    "durations": [datetime.timedelta(seconds=int(s)) for s in SECONDS],
    "numbers": SECONDS,
}


def table(kind: str, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, 24))
    return pl.DataFrame({"id": np.arange(24) // 6, "when": KINDS[kind], "x": x, "y": y})


def read(frame: pl.DataFrame) -> rnn.Dataset:
    return rnn.Dataset.from_frame(frame, time="when", features="x", labels="y")


def trained(kind: str, times: Any = "log_elapsed", **options: Any) -> rnn.GRU:
    model = rnn.GRU(hidden_size=4, time_features=times, scaler="standard", seed=0, **options)
    model.fit(read(table(kind)), epochs=1, progress=False)
    return model


def without_kind(model: rnn.GRU, path: Path) -> rnn.GRU:
    """Return the model of a file as it was before models kept the kind."""
    model.save(path)
    description, tensors = unpack(path.read_bytes(), path)
    del description["features"]["time_kind"]
    path.write_bytes(pack(description, tensors))
    loaded: Any = rnn.load(path)
    return loaded


MODELS = {kind: trained(kind) for kind in KINDS}
PAIRS = list(itertools.permutations(KINDS, 2))


@pytest.mark.parametrize(("learnt", "given"), PAIRS)
def test_times_of_another_kind_are_refused(learnt: str, given: str, tmp_path: Path) -> None:
    frame, path = table(given), tmp_path / "model.safetensors"
    data, row = read(frame), frame.row(0, named=True)
    MODELS[learnt].save(path)
    loaded: Any = rnn.load(path)
    stepper, scorer = loaded.stepper(), loaded.scorer()
    message = f"time column 'when' has {given}, and had {learnt} in training; give {learnt}$"
    for ask in (
        lambda: loaded.predict(frame),
        lambda: loaded.predict(data),
        lambda: loaded.hidden_states(data),
        lambda: loaded.evaluate(data),
        lambda: loaded.score_frame(frame),
        lambda: loaded.fit(data, epochs=1, progress=False),
        lambda: loaded.update(data),
        lambda: loaded.preprocessor.transform(data),
        lambda: stepper.step(row),
        lambda: scorer.score(1, row),
        lambda: scorer.score_batch([1], [row]),
        lambda: scorer.score_frame(frame),
    ):
        with pytest.raises(DataError, match=message):
            ask()
    assert len(scorer) == 0
    with pytest.raises(DataError, match=f"times are {given}, and were {learnt} in training"):
        loaded.predict(data[0])
    own = table(learnt)
    expected = loaded.predict(own)
    np.testing.assert_array_equal([stepper.step(r) for r in own[:6].to_dicts()], expected[:6])
    np.testing.assert_array_equal(scorer.score_frame(own)["prediction"], expected[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_learnt_and_kept(kind: str, tmp_path: Path) -> None:
    model, path = MODELS[kind], tmp_path / "model.safetensors"
    model.save(path)
    loaded: Any = rnn.load(path)
    assert model.encoder == loaded.encoder
    assert loaded.encoder.time_kind == kind
    description, tensors = unpack(path.read_bytes(), path)
    for wrong in ("weeks", 1, [kind]):
        description["features"]["time_kind"] = wrong
        path.write_bytes(pack(description, tensors))
        with pytest.raises(ModelFileError, match="the times are not those of a model"):
            rnn.load(path)
    plain = trained(kind, (), missing="mean")
    assert plain.encoder is not None
    assert plain.encoder.time_kind is None


def test_other_units_and_types_are_of_the_same_kind() -> None:
    frame = table("dates")
    expected = MODELS["dates"].predict(frame)
    for unit in ("ns", "ms"):
        other = frame.with_columns(pl.col("when").cast(pl.Datetime(unit)))
        np.testing.assert_array_equal(MODELS["dates"].predict(other), expected)
    written = frame.with_columns(pl.col("when").dt.to_string("%Y-%m-%d %H:%M:%S"))
    np.testing.assert_array_equal(MODELS["dates"].predict(written), expected)
    stepper = MODELS["dates"].stepper()
    np.testing.assert_array_equal(
        [stepper.step(row) for row in written[:6].to_dicts()], expected[:6]
    )
    frame = table("numbers")
    expected = MODELS["numbers"].predict(frame)
    for dtype in (pl.Float64, pl.UInt32, pl.String):
        other = frame.with_columns(pl.col("when").cast(dtype))
        np.testing.assert_array_equal(MODELS["numbers"].predict(other), expected)
    stepper, frame = MODELS["durations"].stepper(), table("durations")
    for row, output in zip(frame[:6].to_dicts(), MODELS["durations"].predict(frame), strict=False):
        row["when"] = np.timedelta64(row["when"])
        np.testing.assert_array_equal(stepper.step(row), output)


def test_rows_that_are_counted_are_no_dates() -> None:
    frame = table("dates")
    counted = rnn.Dataset.from_frame(frame, time=None, features="x", labels="y")
    with pytest.raises(DataError, match="times are numbers, and were dates in training"):
        MODELS["dates"].predict(counted)
    arrays = rnn.Dataset.from_arrays(np.ones((3, 1)), None, [0, 3], feature_names=["x"])
    with pytest.raises(DataError, match="has numbers, and had dates in training; give dates"):
        MODELS["dates"].predict(arrays)
    numbered = frame.with_columns(when=np.arange(24) % 6)
    np.testing.assert_array_equal(
        MODELS["numbers"].predict(counted), MODELS["numbers"].predict(numbered)
    )


@pytest.mark.parametrize(("learnt", "given"), PAIRS)
def test_files_without_the_kind_take_any(learnt: str, given: str, tmp_path: Path) -> None:
    old = without_kind(MODELS[learnt], tmp_path / "model.safetensors")
    assert old.encoder is not None
    assert old.encoder.time_kind is None
    frame = table(given)
    outputs = old.predict(frame)
    # Of all kinds it is the same seconds that pass.
    np.testing.assert_array_equal(outputs, MODELS[learnt].predict(table(learnt)))
    np.testing.assert_array_equal(old.scorer().score_frame(frame)["prediction"], outputs[:, 0])
    # Within a stream all are of one kind.
    row, other = frame.row(0, named=True), table(learnt).row(1, named=True)
    stepper, scorer = old.stepper(), old.scorer()
    first = stepper.step(row)
    scorer.score(1, row)
    with pytest.raises(DataError, match=f"'when' has {learnt}, and had {given} in the rows before"):
        stepper.step(other)
    for ask in (
        lambda: scorer.score(1, other),
        lambda: scorer.score(2, other),
        lambda: scorer.score_batch([1], [other]),
        lambda: scorer.score_batch([2], [other]),
    ):
        with pytest.raises(DataError, match=f"{learnt}, and (had|were) {given} in the (rows|even)"):
            ask()
    assert len(scorer) == 1
    following = frame.row(1, named=True)
    np.testing.assert_array_equal(first, outputs[0])
    np.testing.assert_array_equal(stepper.step(following), outputs[1])
    np.testing.assert_array_equal(scorer.score(1, following), outputs[1])


def test_a_model_of_another_kind_is_not_swapped(tmp_path: Path) -> None:
    scorer = MODELS["dates"].scorer()
    message = "was trained on times that are numbers, and those of the scorer's are dates"
    with pytest.raises(ParameterError, match=message):
        scorer.swap(MODELS["numbers"])
    scorer.swap(without_kind(MODELS["numbers"], tmp_path / "model.safetensors"))
    scorer.score(1, table("numbers").row(0, named=True))
    scorer.swap(MODELS["dates"])
    # What the entity carries is a number.
    with pytest.raises(DataError, match="has dates, and had numbers in the rows before"):
        scorer.score(1, table("dates").row(1, named=True))


def test_times_that_are_no_feature_are_of_any_kind() -> None:
    model = trained("dates", (), missing="forward")
    frame = table("dates")
    expected = model.predict(frame)
    first, row = model.scorer(), {"x": 1.0}
    one = first.score("a", row)
    np.testing.assert_array_equal(first.score_frame(frame)["prediction"], expected[:, 0])
    for kind in KINDS:
        scorer = model.scorer()
        scorer.score_frame(frame)
        scorer.clear()
        np.testing.assert_array_equal(
            scorer.score_frame(table(kind))["prediction"], model.predict(table(kind))[:, 0]
        )
        np.testing.assert_array_equal(scorer.score("a", row), one)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_tells_kinds_apart() -> None:
    table("dates").write_csv("dates.csv")
    table("numbers").write_csv("numbers.csv")
    columns = ("--time", "when", "--features", "x", "--labels", "y", "--time-features", "elapsed")
    run_well("train", "dates.csv", *columns, "--epochs", "1")
    run_well("predict", "model.safetensors", "dates.csv", "--output", "out.csv")
    result = run("predict", "model.safetensors", "numbers.csv")
    check_error(result, "time column 'when' has numbers, and had dates in training")
