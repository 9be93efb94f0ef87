"""Loggers: callbacks that write the record of a training to a file."""

from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import refused
from test_callbacks import fit, make_model
from test_history import Measures

from rnn_rust import (
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    History,
    JSONLinesLogger,
    RegressionEvaluator,
)
from rnn_rust.errors import ParameterError, WriteError


def records_of(path: Path) -> list[dict[str, float]]:
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        rows = csv.DictReader(text.splitlines())
        return [{k: float(v) for k, v in row.items() if v} for row in rows]
    return [json.loads(line) for line in text.splitlines()]


LOGGERS = [(CSVLogger, "log.csv"), (JSONLinesLogger, "log.jsonl")]


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_every_record_is_in_the_file_at_once(logger: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("an older file, and a longer one" * 100)
    seen: list[int] = []
    options = {"evaluator": RegressionEvaluator(), "eval_every": 3}
    history = fit(
        make_model(), logger(path), lambda record: seen.append(len(records_of(path))),
        epochs=7, **options,
    )  # fmt: skip
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert records_of(path) == history.records
    assert "mae" not in history[1]


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_a_continued_file_has_every_epoch_once(logger: Any, name: str, tmp_path: Path) -> None:
    """Also where later records have figures that earlier ones had not."""
    path, kept = tmp_path / name, tmp_path / "checkpoint"
    fit(make_model(), logger(path), Checkpoint(kept, every=2), epochs=5)
    path.write_text(path.read_text()[:-9])  # as a killed process leaves it
    evaluator = RegressionEvaluator()
    history = fit(make_model(), logger(path), epochs=8, evaluator=evaluator, resume=kept)
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert "mae" not in history[0]
    assert "mae" in history[-1]
    assert records_of(path) == history.records


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    history = History()
    history.extend([np.inf], [0.1])
    logger = JSONLinesLogger(tmp_path / "log")
    logger.on_begin(type("Training", (), {"history": history}))
    logger.on_end(None)  # type: ignore[arg-type]
    assert json.loads((tmp_path / "log").read_text())["loss"] is None


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_a_file_that_cannot_be_written_is_named(logger: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / "missing" / name
    refused(lambda: fit(make_model(), logger(path)), WriteError, str(path), "No such file")


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_metrics_of_numpy_are_numbers(logger: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    history = fit(
        make_model(), logger(path), epochs=2, evaluator=Measures(mad=np.float32(0.1), n=np.int8(3))
    )
    assert records_of(path) == history.records
    assert history[-1]["mad"] == 0.10000000149011612  # 0.1 in float32
    assert {type(value) for value in history[-1].values()} == {int, float}


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_a_file_is_replaced_in_one_step(
    logger: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that fails, the log of an earlier training is still there."""
    path = tmp_path / name
    fit(make_model(), logger(path), epochs=3)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=rf"{name}: No space left"):
        fit(make_model(), logger(path), epochs=2)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("logger", [CSVLogger, JSONLinesLogger])
def test_a_training_that_is_refused_leaves_the_file_alone(logger: Any, tmp_path: Path) -> None:
    path = tmp_path / "log"
    fit(make_model(), logger(path), epochs=3)
    before = path.read_bytes()
    wrong = EarlyStopping("mse", mode="min")
    refused(lambda: fit(make_model(), logger(path), wrong), ParameterError, "'mse'")
    assert path.read_bytes() == before
    fit(make_model(), logger(path), epochs=2)
    assert 0 < len(path.read_bytes()) < len(before)
