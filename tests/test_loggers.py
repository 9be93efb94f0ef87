"""Loggers: callbacks that write the record of a training to a file."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
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


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow larger, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_a_full_disk_costs_no_line(logger: Any, name: str, tmp_path: Path) -> None:
    """Neither of an earlier training, nor one that was written, nor a half of one."""
    path = tmp_path / name
    fit(make_model(), logger(path), epochs=1)
    before = path.read_bytes()
    with largest_file(len(before) - 10), pytest.raises(WriteError, match=f"{name}: File too large"):
        fit(make_model(), logger(path), epochs=2, evaluator=RegressionEvaluator())
    assert path.read_bytes() == before
    with largest_file(len(before) + 10), pytest.raises(WriteError, match="File too large"):
        fit(make_model(), logger(path), epochs=9)
    assert [record["epoch"] for record in records_of(path)] == [1]


def test_columns_that_the_disk_has_no_place_for_cost_no_line(tmp_path: Path) -> None:
    path, history = tmp_path / "log.csv", History()
    logger = CSVLogger(path)
    logger.on_begin(type("Training", (), {"history": history}))
    history.extend([0.5], [0.25])
    logger(history[-1])
    before = path.read_bytes()
    assert before == b"epoch,loss,seconds\n1,0.5,0.25\n"
    history.extend([0.5], [0.25])
    history.add_to_last({"mae": 2.0})
    with largest_file(len(before) + 5), pytest.raises(WriteError, match="File too large"):
        logger(history[-1])
    assert path.read_bytes() == before
    logger.on_end(None)  # type: ignore[arg-type]  # There is place again.
    assert path.read_bytes() == b"epoch,loss,seconds,mae\n1,0.5,0.25,\n2,0.5,0.25,2.0\n"


@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_a_file_is_written_in_place(
    logger: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps links and rights, and stays where it was when training began."""
    path, link, elsewhere = tmp_path / name, tmp_path / "link", tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.write_text("an older file, and a longer one" * 100)
    path.chmod(0o640)
    os.link(path, link)
    monkeypatch.chdir(tmp_path)
    history = fit(make_model(), logger(name), lambda record: os.chdir(elsewhere), epochs=3)
    assert path.samefile(link)
    assert path.stat().st_mode & 0o777 == 0o640
    assert records_of(path) == history.records
    assert os.listdir(elsewhere) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes all")
@pytest.mark.parametrize(("logger", "name"), LOGGERS)
def test_a_file_is_enough_that_can_be_written(logger: Any, name: str, tmp_path: Path) -> None:
    """Its folder need not be writable."""
    path = tmp_path / name
    path.touch()
    tmp_path.chmod(0o555)
    try:
        history = fit(make_model(), logger(path), epochs=3)
    finally:
        tmp_path.chmod(0o755)
    assert records_of(path) == history.records


PRINTS = """
import numpy as np, rnn_rust as rnn
data = rnn.Dataset.from_arrays(np.ones((4, 1)), np.ones((4, 1)), [0, 4])
print("before", flush=True)
model = rnn.RNN(1, 2, 1)
model.fit(data, epochs=2, progress=False, callbacks=[rnn.CSVLogger("/dev/stdout")])
print("after", flush=True)
"""


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="there is no /dev/stdout")
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_a_log_may_be_the_output_of_the_program(kind: str, tmp_path: Path) -> None:
    path, command = tmp_path / "output", [sys.executable, "-c", PRINTS]
    if kind == "pipe":
        output = subprocess.run(command, check=True, capture_output=True).stdout
    else:
        with path.open("wb") as file:
            subprocess.run(command, check=True, stdout=file)
        output = path.read_bytes()
    lines = output.decode().splitlines()
    begins = [line.split(",")[0] for line in lines]
    assert begins == ["before", "epoch", "1", "2", "after"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_to_a_pipe_lines_are_added(tmp_path: Path) -> None:
    """More columns have a new header."""
    path, history = tmp_path / "pipe.csv", History()
    os.mkfifo(path)
    reader = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
    logger = CSVLogger(path)
    logger.on_begin(type("Training", (), {"history": history}))
    for metrics in ({}, {"mae": 2.0}, {"mae": 1.0}):
        history.extend([0.5], [0.25])
        history.add_to_last(metrics)
        logger(history[-1])
    logger.on_end(None)  # type: ignore[arg-type]
    assert reader.communicate()[0].decode().splitlines() == [
        "epoch,loss,seconds", "1,0.5,0.25",
        "epoch,loss,seconds,mae", "2,0.5,0.25,2.0", "3,0.5,0.25,1.0",
    ]  # fmt: skip
    assert path.is_fifo()


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
    path.unlink()
    refused(lambda: fit(make_model(), logger(path), wrong), ParameterError, "'mse'")
    assert not path.exists()
