"""Compare the package with the strongest rivals, side by side in one run.

    python benchmarks/compare.py --original path/to/rnn-rust

prints the table and writes a dated record to ``benchmarks/records``, as JSON and Markdown. With
``--only``, only some groups are measured, and written only to ``--output``. Rivals that are not
installed are listed as skipped; README.md in this folder says how to install them.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import machine
import numpy as np
import report
import whole_process
from numpy.typing import ArrayLike
from record import RECORDS, Line, Record, Size, Timing
from rivals import IDIOMATIC, OURS, RIVALS
from rivals.job import Job
from rivals.job import weights as first_weights
from rivals.pool import Pool, SkippedError
from rows import GROUPS, HIDDEN_SIZES, Row, of_size, ratio_rows, shape_d

SHORTEST = 0.3
"""Minimum seconds of a measurement, so that the clock and the call do not matter."""

SCALES = {"ns/step": 1e9, "µs/call": 1e6}


class Entrant:
    """A contestant in a row: prepared once, then measured in turn with the others."""

    def __init__(self, pool: Pool, name: str, job: Job, cores: list[int] | None = None) -> None:
        self.pool, self.name, self.job, self.cores = pool, name, job, cores
        self.prepare()

    def prepare(self) -> None:
        """Let it compile, warm up and choose its fastest variant."""
        answer = self.pool.prepare(self.name, self.job, self.cores)
        self.variant: str = answer["variant"]
        self.tried: dict[str, float] = answer["tried"]
        self.steps: int = answer["steps"]
        self.passes = max(1, math.ceil(SHORTEST / max(answer["seconds"], 1e-9)))
        self.samples: list[float] = []

    def measure(self) -> None:
        """Add one repeat, in seconds per step."""
        self.samples.append(self.pool.seconds(self.name, self.passes) / self.passes / self.steps)

    def timing(self, scale: float) -> Timing:
        """Return the repeats in another unit."""
        scaled = [sample * scale for sample in self.samples]
        return Timing(self.name, RIVALS[self.name].title, self.variant, scaled, self.tried)


def measure_row(pool: Pool, row: Row, repeats: int) -> Line:
    """Measure a row: all contestants prepare, then they take turns."""
    line = Line(row.group, row.name, row.unit, None, target=row.target)
    entrants: dict[str, Entrant] = {}
    for name in (OURS, *row.entrants):
        try:
            entrants[name] = Entrant(pool, name, row.job)
        except SkippedError as reason:
            line.skipped[name] = str(reason)
    for _ in range(repeats):
        for entrant in entrants.values():
            entrant.measure()
    found = {name: entrant.timing(SCALES[row.unit]) for name, entrant in entrants.items()}
    line.ours = found.pop(OURS, None)
    line.rivals = list(found.values())
    line.idiomatic = next((name for name in IDIOMATIC if name in found), None)
    return line


def measure_threads(pool: Pool, row: Row, repeats: int) -> Line:
    """Measure one thread and two in turn, on as many cores as threads."""
    line = Line(row.group, row.name, row.unit, None, target=row.target)
    cores = sorted(os.sched_getaffinity(0))[: row.job.threads]
    if len(cores) < row.job.threads:
        line.skipped[OURS] = f"needs {row.job.threads} cores"
        return line
    samples: dict[int, list[float]] = {1: [], row.job.threads: []}
    for _ in range(repeats):
        for threads, found in samples.items():
            job = replace(row.job, threads=threads, wall=True)
            found.append(fresh_sample(pool, job, cores) * SCALES[row.unit])
    one, many = (
        Timing(OURS, f"this package, {threads} thread{'s' * (threads > 1)}", "fit", found)
        for threads, found in samples.items()
    )
    line.ours, line.rivals = many, [one]
    return line


def measure_lengths(pool: Pool, repeats: int) -> Line:
    """Measure the time of a real step in sequences of many lengths, relative to equal lengths."""
    line = Line("D", "5 to 200 steps / 103 each", "ratio", None, target=1.15, bound="at most")
    ratios = []
    try:
        for _ in range(repeats):
            many, one = (fresh_sample(pool, job) for job in (shape_d(), shape_d(103, None)))
            ratios.append(many / one)
    except SkippedError as reason:
        line.skipped[OURS] = str(reason)
        return line
    line.ours = Timing(OURS, "this package", "fit", ratios)
    return line


def fresh_sample(pool: Pool, job: Job, cores: list[int] | None = None) -> float:
    """Return one repeat of ours, prepared again: its process keeps one job at a time."""
    entrant = Entrant(pool, OURS, job, cores)
    entrant.measure()
    return entrant.samples[0]


def measure_peak(pool: Pool, repeats: int, given: float | None) -> tuple[float, str]:
    """Return the core's peak in float32 GFLOP/s, the highest one found, and its source."""
    found = [] if given is None else [(given, "given as --peak")]
    for name in ("peak", "numpy"):
        try:
            entrant = Entrant(pool, name, Job("peak"))
        except SkippedError as reason:
            print(f"peak of the core: {name} skipped, {reason}", file=sys.stderr)
            continue
        for _ in range(repeats):
            entrant.measure()
        found.append((1e-9 / min(entrant.samples), entrant.variant))
    return max(found)


def measure_sizes(pool: Pool, record: Record, repeats: int) -> Iterator[Line]:
    """Measure every hidden size; yield the lines of :func:`size_lines`."""
    assert record.peak_gflops
    for hidden in HIDDEN_SIZES:
        job = of_size(hidden)
        entrant = Entrant(pool, OURS, job)
        for _ in range(repeats):
            entrant.measure()
        nanoseconds = float(np.median(entrant.samples)) * 1e9 / job.macs
        record.sizes.append(Size(hidden, nanoseconds, 2 / nanoseconds / record.peak_gflops))
    yield from size_lines(record.sizes)


def size_lines(sizes: list[Size]) -> Iterator[Line]:
    """Yield the spread of neighbouring sizes and of all sizes, and the least share of the peak."""
    from_8 = [size.ns_per_mac for size in sizes if size.hidden >= 8]
    ratios = [max(a, b) / min(a, b) for a, b in pairwise(from_8)]
    apart = Timing(OURS, "this package", "slower / faster", [max(ratios)])
    yield Line("sizes", "neighbours apart, H ≥ 8", "ratio", apart, target=2, bound="at most")
    extremes = Timing(OURS, "this package", "slowest / fastest", [max(from_8) / min(from_8)])
    yield Line("sizes", "all sizes apart, H ≥ 8", "ratio", extremes)
    least = min((size for size in sizes if size.hidden >= 16), key=lambda s: s.share_of_peak)
    share = Timing(OURS, "this package", f"H = {least.hidden}", [least.share_of_peak])
    yield Line("sizes", "share of peak, H ≥ 16", "ratio", share, target=0.4, bound="at least")


def distance(one: Sequence[ArrayLike], other: Sequence[ArrayLike]) -> float:
    """Return the largest difference between two lists of weights."""
    pairs = zip(one, other, strict=True)
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in pairs)


def check(pool: Pool, rows: list[Row]) -> int:
    """Compare everyone's weights after an epoch of little data; return how many disagree.

    Differences are measured from the first contestant that does the job (ours if it does), relative
    to how far the weights moved.
    """
    wrong = 0
    for row in rows:
        if row.group not in {"A", "B", "C", "D"}:
            continue
        sequences = 2 * row.job.batch + row.job.batch // 2
        job = replace(row.job, sequences=sequences, ascending=True)
        expected: list[Any] | None = None
        for name in (OURS, *row.entrants):
            try:
                learnt = pool.learn(name, job)
            except SkippedError as reason:
                print(f"{row.name}: {name} skipped, {reason}")
                continue
            for variant, weights in learnt.items():
                expected = expected or weights
                apart = distance(expected, weights) / distance(expected, first_weights(job))
                # Keras's Adam differs by 1e-2, as its ε differs after the first step; others 1e-4.
                agrees = apart < (2e-2 if job.dtype == "float32" else 1e-10)
                wrong += not agrees
                print(f"{row.name}: {name}, {variant}: {apart:.1e} {'' if agrees else 'WRONG'}")
    return wrong


def run(options: argparse.Namespace, record: Record, pool: Pool) -> None:
    """Measure the requested groups; print each line when it is finished."""

    def add(line: Line) -> None:
        record.lines.append(line)
        print(f"{line.group}: {report.table([line]).splitlines()[-1]}", file=sys.stderr, flush=True)

    for row in ratio_rows():
        if row.group in options.only:
            measure = measure_threads if row.group == "threads" else measure_row
            add(measure(pool, row, options.repeats))
    if "D" in options.only:
        add(measure_lengths(pool, options.repeats))
    if "sizes" in options.only:
        found = measure_peak(pool, options.repeats, options.peak)
        record.peak_gflops, record.peak_source = found
        for line in measure_sizes(pool, record, options.repeats):
            add(line)
    if "import" in options.only:
        add(whole_process.imports(options.repeats))
    if "csv" in options.only:
        add(whole_process.csv_job(options.repeats))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = ",".join(GROUPS)
    parser.add_argument("--only", help=f"groups, separated by commas: {known}")
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    parser.add_argument("--original", type=Path, help="a checkout of the Rust project RNN-Rust")
    parser.add_argument("--peak", type=float, help="GFLOP/s of a core in float32, if measured")
    parser.add_argument("--output", type=Path, help="of the record, without suffix")
    parser.add_argument("--add", type=Path, help="a record of this machine, JSON, to add to")
    parser.add_argument("--check", action="store_true", help="compare results, not times")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(GROUPS)
    if unknown := sorted(set(wanted) - set(GROUPS)):
        parser.error(f"no such group: {', '.join(unknown)}; there are {known}")
    if options.only is None and options.output is None:
        name = f"{datetime.date.today()}-{machine.slug(machine.describe()['cpu'])}"
        options.output = RECORDS / name
    options.only = wanted
    return options


def main() -> None:
    """Measure, print, and write the record."""
    options = arguments()
    record = Record(
        str(datetime.date.today()), f"python {' '.join(sys.argv)}", options.repeats,
        machine.describe(), machine.versions(),
    )  # fmt: skip
    if record.machine["load_before"] > 0.5:
        print("The machine is busy: figures will be worse than they are.", file=sys.stderr)
    with Pool(max(os.sched_getaffinity(0)), options.original) as pool:
        if options.check:
            sys.exit(check(pool, [row for row in ratio_rows() if row.group in options.only]))
        run(options, record, pool)
    if options.add is not None:
        earlier = Record.read(options.add)
        again = {line.group for line in record.lines}
        earlier.lines = [line for line in earlier.lines if line.group not in again] + record.lines
        earlier.command += f"` and `{record.command}"
        record, options.output = earlier, options.add
    text = report.markdown(record)
    print(text)
    if options.output is not None:
        record.write(options.output.with_suffix(".json"))
        options.output.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
