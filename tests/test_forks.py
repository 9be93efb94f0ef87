"""Forked processes: what needs the lost threads of Polars says so at once, and nothing hangs."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest
from conftest import RunPython

from rnn_rust.base import forks
from rnn_rust.errors import ForkError, RnnRustError

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here"
)

# `child(work)` forks, works, and returns what it printed; a child that hangs is ended after 20 s.
PRELUDE = """
import os, pathlib, select, signal, sys
import numpy as np

def child(work):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = str(work())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], 20)
    answer = os.read(reading, 100_000).decode() if ready else "it hangs"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reading)
    return answer

def rows(path):
    import rnn_rust as rnn
    return len(rnn.Dataset.from_csv(path).features)

path = pathlib.Path(os.environ["DATA"])
path.write_text("id,t,x1,y1\\n" + "".join(f"{i // 9},{i},{i / 8},{i % 2}\\n" for i in range(900)))
"""


@pytest.fixture
def fork(run_python: RunPython, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run code after the prelude; return the lines that it prints."""

    def run(code: str, **environment: str) -> list[str]:
        done = run_python(PRELUDE + code, DATA=str(tmp_path / "data.csv"), **environment)
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize(
    "used",
    [
        "import rnn_rust as rnn; rows(path)",
        "import polars as pl, rnn_rust; pl.read_csv(path)",
        "import polars as pl; pl.read_csv(path)",  # rnn_rust in the child alone
    ],
)
def test_a_child_of_a_process_that_has_used_polars_is_refused(
    fork, used: str, threads: str
) -> None:
    (line,) = fork(f"{used}\nprint(child(lambda: rows(path)))", POLARS_MAX_THREADS=threads)
    assert line.startswith("ForkError: Polars cannot be used in this process: it was forked")
    assert "multiprocessing.get_context('spawn')" in line


@pytest.mark.parametrize(
    "unused",
    ["", "import rnn_rust", "import polars", "import polars as pl; pl.DataFrame({'a': [1]})"],
)
def test_a_child_of_a_process_that_has_not_used_polars_reads(fork, unused: str) -> None:
    code = f"{unused}\nprint(child(lambda: rows(path)), child(lambda: [rows(path), rows(path)]))"
    assert fork(code) == ["900 [900, 900]"]
    # The child of a child that has read is refused; the parent itself goes on.
    code = (
        f"{unused}\ndef work():\n    rows(path)\n    return child(lambda: rows(path))\n"
        "print(child(work)[:9], rows(path), child(lambda: rows(path))[:9])"
    )
    assert fork(code) == ["ForkError 900 ForkError"]


def test_every_door_to_polars(fork) -> None:
    code = """
import polars as pl, rnn_rust as rnn
from click.testing import CliRunner
from rnn_rust.cli import main
from rnn_rust.demos import fraud
from rnn_rust.demos import kaggle
frame = pl.read_csv(path)
data = rnn.Dataset.from_frame(frame)
history = rnn.RNN(1, 2, 1).fit(data, epochs=1, progress=False)
for work in (
    lambda: rnn.Dataset.from_frame(frame),
    lambda: data.to_frame(),
    lambda: history.to_frame(),
    lambda: fraud.generate(100),
    lambda: fraud.write_csv(frame, path.with_name("out.csv")),
):
    print(child(work)[:9])
print(child(lambda: CliRunner().invoke(main, ["train", str(path)]).stderr)[:31])
kaggle_csv = path.with_name("creditcard.csv")
kaggle_csv.write_text(",".join(kaggle.COLUMNS) + "\\n" + ",".join(["0"] * 31) + "\\n")
print(child(lambda: kaggle.convert(kaggle_csv, path.with_name("out.csv")))[:9])
print(path.with_name("out.csv").exists())
"""
    assert fork(code) == ["ForkError"] * 5 + [
        "Error: Polars cannot be used in",
        "ForkError",
        "False",
    ]


def test_training_and_splitting_work_in_a_child_after_the_parent_used_threads(fork) -> None:
    code = """
import rnn_rust as rnn
data = rnn.Dataset.from_csv(path)
model = rnn.GRU(1, 8, 1, scaler="standard", n_threads=3)
model.fit(data, epochs=2, batch_size=64, progress=False)

def work():
    train, test = data.split(0.8, by="time")
    model.fit(train, epochs=2, batch_size=64, progress=False)
    figures = rnn.RegressionEvaluator().evaluate(model, test)
    return np.isfinite(model.predict(test)).all() and figures.rmse > 0 and data.summary() != ''

print({child(work) for _ in range(int(os.environ.get("FORKS", "20")))})
print({child(lambda: rows(path))[:9] for _ in range(int(os.environ.get("FORKS", "20")))})
before = model.predict(data)
assert (model.predict(data) == before).all() and rows(path) == 900
"""
    assert fork(code) == ["{'True'}", "{'ForkError'}"]


def test_a_pool_of_forked_workers_ends_with_an_error(fork) -> None:
    code = """
import multiprocessing
import rnn_rust as rnn
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(len(pool.map(rnn.Dataset.from_csv, [path])[0].features))
rows(path)
with multiprocessing.get_context("fork").Pool(1) as pool:
    try:
        pool.map(rnn.Dataset.from_csv, [path])
    except RuntimeError as error:
        print(type(error).__name__)
"""
    assert fork(code) == ["900", "ForkError"]


def test_where_threads_have_no_names_an_import_of_polars_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(forks, "_TASKS", tmp_path / "nowhere")
    forks._threads_are_lost.cache_clear()
    forks.require_polars()
    monkeypatch.setattr(forks, "_forked_with_polars", type(forks._forked_with_polars)())
    monkeypatch.setitem(sys.modules, "polars", sys.modules.get("polars", object()))  # type: ignore[arg-type]
    forks._note_fork()
    forks._threads_are_lost.cache_clear()
    try:
        with pytest.raises(ForkError, match="spawn") as caught:
            forks.require_polars()
    finally:
        forks._threads_are_lost.cache_clear()
    assert isinstance(caught.value, RnnRustError)
