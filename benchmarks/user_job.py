"""The whole job of a user, stage by stage: seconds, and the most memory that each stage added.

Reads a CSV of float64 features, splits, fits a GRU with a scaler and class weights, evaluates,
predicts, saves; each run in a fresh process:

    python benchmarks/user_job.py                          # 300,000 rows; about a minute
    python benchmarks/user_job.py --rows 3000000
    python benchmarks/keep_output.py benchmarks/user_job.py  # keeps a dated record

The line for Polars is its own reader with the same columns and types, in a separate process.
Seconds are the median of the runs; memory is the peak of the resident set in a stage, on Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FEATURES = 29
STEPS = 10

Stages = dict[str, tuple[float, float]]


def write_csv(path: Path, rows: int) -> None:
    """Write sequences of ten steps: an id, a time, 29 features and a label of 0 or 1."""
    import numpy as np  # noqa: PLC0415
    import polars as pl  # noqa: PLC0415

    random = np.random.default_rng(0)
    values = random.normal(size=(rows, FEATURES))
    columns = {"id": np.arange(rows) // STEPS, "t": np.arange(rows) % STEPS}
    columns |= {f"x{column + 1}": values[:, column] for column in range(FEATURES)}
    columns["label"] = (values[:, 0] + random.normal(size=rows) > 2.5).astype(np.int64)
    pl.DataFrame(columns).write_csv(path, float_precision=5)


@contextmanager
def measured(stages: Stages, name: str) -> Iterator[None]:
    """Add the seconds of a stage, and the peak of the resident set within it, in MB."""
    reset_peak()
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    stages[name] = (stages.get(name, (0.0,))[0] + seconds, peak())


def reset_peak() -> None:
    """Reset the peak of the resident set, if the system supports it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak() -> float:
    """Return the peak of the resident set in MB since the last reset."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def polars_reader(path: Path) -> Stages:
    """Read the file with Polars only."""
    import polars as pl  # noqa: PLC0415

    stages: Stages = {}
    schema = {"id": pl.String(), "t": pl.String()}
    schema |= {f"x{column + 1}": pl.Float64() for column in range(FEATURES)}
    with measured(stages, "read by Polars alone"):
        pl.scan_csv(path, schema=schema | {"label": pl.Float64()}).collect()
    return stages


def job(path: Path, threads: int) -> Stages:
    """Do the job."""
    import polars  # noqa: F401, PLC0415  its import is no part of reading

    import rnn_rust as rnn  # noqa: PLC0415

    stages: Stages = {}
    from_csv = rnn.Dataset.from_csv  # imports what it needs
    with measured(stages, "read"):
        data = from_csv(path)
    with measured(stages, "split"):
        train, test = data.split(0.8, seed=0)
    model = rnn.GRU(
        FEATURES, 16, 1, loss="binary_cross_entropy", optimizer=rnn.Adam(0.01), scaler="standard",
        class_weight="balanced", n_threads=threads,
    )  # fmt: skip
    with measured(stages, "fit, 1 epoch, cold"):
        model.fit(train, epochs=1, batch_size=256, progress=False)
    with measured(stages, "fit, 1 epoch, warm"):
        model.fit(train, epochs=1, batch_size=256, progress=False)
    with measured(stages, "fit, 5 epochs, warm"):
        model.fit(train, epochs=5, batch_size=256, progress=False)
    epoch = (stages["fit, 5 epochs, warm"][0] - stages["fit, 1 epoch, warm"][0]) / 4
    used = stages["fit, 5 epochs, warm"][1]
    stages["one epoch"] = (epoch, used)
    for kind in ("cold", "warm"):
        stages[f"start of fit, {kind}"] = (stages[f"fit, 1 epoch, {kind}"][0] - epoch, used)
    with measured(stages, "evaluate"):
        rnn.BinaryClassificationEvaluator().evaluate(model, test)
    with measured(stages, "predict"):
        model.predict(test)
    with measured(stages, "save"):
        model.save(path.with_suffix(".safetensors"))
    return stages


def in_fresh_process(*arguments: str) -> Stages:
    """Run this script for one job, and return what it prints."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def medians(run: Callable[[], Stages], repeats: int) -> Stages:
    """Return the medians of several runs."""
    runs = [run() for _ in range(repeats)]
    return {
        stage: tuple(statistics.median(each[stage][i] for each in runs) for i in range(2))
        for stage in runs[0]
    }


def main() -> None:
    """Print a table of stages, on one thread and on two."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--file", type=Path, help="one job on this file, as JSON")
    parser.add_argument("--threads", type=int, default=0, help="of that job; 0 is Polars alone")
    arguments = parser.parse_args()
    if arguments.file is not None:
        threads = arguments.threads
        file = arguments.file
        print(json.dumps(job(file, threads) if threads else polars_reader(file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_csv(path, arguments.rows)
        size = path.stat().st_size / 1e6
        print(f"{arguments.rows:,} rows x {FEATURES} features, {size:.0f} MB of CSV")
        print(f"{'stage':<24}{'threads':>8}{'seconds':>10}{'peak MB':>9}")
        for threads in (0, 1, 2):
            options = ("--file", os.fspath(path), "--threads", str(threads))
            run = medians(lambda options=options: in_fresh_process(*options), arguments.repeats)
            for stage, (seconds, megabytes) in run.items():
                shown = str(threads) if threads else ""
                print(f"{stage:<24}{shown:>8}{seconds:>10.4f}{megabytes:>9.0f}")


if __name__ == "__main__":
    main()
