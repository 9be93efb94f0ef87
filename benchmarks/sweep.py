"""Time per multiply-add over hidden sizes, steps, batch sizes and layers.

python benchmarks/sweep.py --output sweep.json [--only hidden] [--level avx2] [--repeats 3]

One line of a sweep changes one size and keeps the others. Each line runs in its own process, as the
instruction set is chosen once per process; the fastest of several repetitions counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

INPUTS = 8
HIDDEN = (1, 2, 4, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64, 128, 256, 1_024, 4_096)
LAYERS = (1, 2, 3, 4)
# From this hidden size on, neighbours should be within this ratio.
FROM_HIDDEN, MOST = 8, 1.5


@dataclass(frozen=True)
class Case:
    """One point of a sweep."""

    cell: str = "GRU"
    hidden: int = 16
    steps: int = 50
    batch: int = 64
    layers: int = 1
    dtype: str = "float32"
    threads: int = 1

    @property
    def sequences(self) -> int:
        """The number of sequences: whole batches, with about 30,000 steps (6,000 if large)."""
        most = 30_000 if self.weights < 60_000 else 6_000
        return self.batch * max(1, round(most / (self.batch * self.steps)))

    @property
    def gates(self) -> int:
        """The number of gates of a unit, each with its own weights."""
        return {"RNN": 1, "GRU": 3, "LSTM": 4}[self.cell]

    @property
    def weights(self) -> int:
        """The number of weights that a step multiplies by."""
        inputs = INPUTS + self.hidden * (self.layers - 1)
        return self.gates * self.hidden * (inputs + self.hidden * self.layers) + self.hidden

    @property
    def train_work(self) -> int:
        """Multiply-adds of a training step: forward, gradients, and backward except to the data."""
        return 3 * self.weights - self.gates * self.hidden * INPUTS


def sweeps() -> dict[str, list[list[Case]]]:
    """Return the lines of each sweep."""
    kinds = [
        Case(cell=cell, dtype=dtype)
        for cell in ("RNN", "GRU", "LSTM")
        for dtype in ("float32", "float64")
    ]
    two_threads = [Case(threads=2), Case(cell="LSTM", hidden=32, threads=2)]
    return {
        "hidden": [[replace(kind, hidden=h) for h in HIDDEN] for kind in [*kinds, *two_threads]],
        "steps": [[replace(kind, batch=20, steps=t) for t in STEPS] for kind in kinds]
        + [[replace(kind, batch=2, steps=t) for t in STEPS] for kind in [kinds[2], *two_threads]],
        "batch": [[replace(kind, batch=b) for b in BATCHES] for kind in [*kinds, *two_threads]],
        "layers": [[replace(kind, layers=n) for n in LAYERS] for kind in [*kinds, *two_threads]],
    }


def time_case(case: Case, repeats: int) -> dict[str, Any]:
    """Return nanoseconds of a step of training and of prediction."""
    import rnn_rust as rnn  # noqa: PLC0415

    rng = np.random.default_rng(0)
    count = case.sequences
    rows = count * case.steps
    data = rnn.Dataset.from_arrays(
        features=rng.uniform(-1, 1, (rows, INPUTS)).astype(case.dtype),
        labels=rng.uniform(-1, 1, (rows, 1)).astype(case.dtype),
        offsets=np.arange(count + 1) * case.steps,
    )
    model = getattr(rnn, case.cell)(
        INPUTS, case.hidden, 1, num_layers=case.layers, dtype=case.dtype, n_threads=case.threads,
        optimizer=rnn.SGD(1e-3), seed=0,
    )  # fmt: skip
    history = model.fit(data, epochs=repeats, batch_size=case.batch, shuffle=False, progress=False)
    predictions = []
    for _ in range(repeats):
        start = perf_counter()
        model.predict(data)
        predictions.append(perf_counter() - start)
    return asdict(case) | {
        "train_ns": min(history.seconds) * 1e9 / rows,
        "predict_ns": min(predictions) * 1e9 / rows,
        "train_work": case.train_work,
        "predict_work": case.weights,
    }


def measured(line: list[Case], level: str | None, repeats: int) -> list[dict[str, Any]]:
    """Return the figures of a line, measured in its own process."""
    environment = os.environ | ({"RNN_RUST_SIMD": level} if level else {})
    cases = json.dumps([asdict(case) for case in line])
    done = subprocess.run(
        [sys.executable, __file__, "--repeats", str(repeats), "--cases", cases],
        stdout=subprocess.PIPE, text=True, check=True, env=environment,
    )  # fmt: skip
    return [point | {"level": level or "best"} for point in json.loads(done.stdout)]


def cliffs(points: list[dict[str, Any]], size: str) -> Iterator[str]:
    """Yield where the time per multiply-add of neighbours in a line differs too much."""
    for one, other in pairwise(points):
        if size == "hidden" and one["hidden"] < FROM_HIDDEN:
            continue
        for kind in ("train", "predict"):
            each = [point[f"{kind}_ns"] / point[f"{kind}_work"] for point in (one, other)]
            ratio = max(each) / min(each)
            if ratio > MOST:
                yield f"{kind}, {size} {one[size]} and {other[size]}: {ratio:.2f}x"


def main() -> None:
    """Measure the sweeps, and print neighbours that differ too much."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="a JSON file of all points")
    parser.add_argument("--only", help="one sweep: " + ", ".join(sweeps()))
    parser.add_argument("--level", help="of instructions, as RNN_RUST_SIMD has it")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cases:
        cases = [Case(**case) for case in json.loads(options.cases)]
        print(json.dumps([time_case(case, options.repeats) for case in cases]))
        return
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for name, lines in sweeps().items():
        if options.only not in (None, name):
            continue
        for line in lines:
            points = measured(line, options.level, options.repeats)
            found.setdefault(name, []).append(points)
            first = line[0]
            print(f"{name}: {first.cell} {first.dtype}, {first.threads} threads, H={first.hidden} "
                  f"B={first.batch}")  # fmt: skip
            for kind in ("train", "predict"):
                cells = (f"{point[name]}: {point[f'{kind}_ns']:.0f}" for point in points)
                print(f"  {kind:8} ns per step  " + "  ".join(cells))
            for cliff in cliffs(points, name):
                print(f"  {cliff}")
            sys.stdout.flush()
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
