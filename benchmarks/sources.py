"""Seconds and peak memory of reading a table from each kind of source, in a fresh process each.

python benchmarks/sources.py [--rows 300000] [--repeats 7]

All have the same 29 features, id, time and label, in float64. Imports are not counted. Memory is
what reading adds to the process, including the table, but not a frame that was already in memory.
Needs pandas and pyarrow.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

import rnn_rust as rnn

FILES = (
    "csv", "csv.gz", "csv.zst", "parquet", "arrow", "ndjson", "Polars alone, csv",
    "Polars alone, parquet",
)  # fmt: skip
FRAMES = ("polars", "lazy", "pandas", "pyarrow", "dict")


def table(rows: int) -> pl.DataFrame:
    """Return a table to read."""
    random = np.random.default_rng(0)
    columns = {f"x{number}": random.normal(size=rows) for number in range(1, 30)}
    steps = np.arange(rows)
    return pl.DataFrame(
        {"id": steps // 10, "t": steps % 10, **columns, "y1": (random.random(rows) < 0.1) * 1}
    )


def write(folder: Path, rows: int) -> None:
    """Write the table as every kind of file."""
    frame = table(rows)
    frame.write_csv(folder / "table.csv")
    frame.write_parquet(folder / "table.parquet")
    frame.write_ipc(folder / "table.arrow")
    frame.write_ndjson(folder / "table.ndjson")
    text = (folder / "table.csv").read_bytes()
    (folder / "table.csv.gz").write_bytes(gzip.compress(text, 1))
    (folder / "table.csv.zst").write_bytes(pa.compress(text, codec="zstd", asbytes=True))


def read(source: str, folder: Path) -> None:
    """Print the seconds and the megabytes that reading takes."""
    given: Any = None
    if source in FRAMES:
        frame = pl.read_parquet(folder / "table.parquet")
        given = {
            "polars": lambda: frame, "lazy": frame.lazy, "pandas": frame.to_pandas,
            "pyarrow": frame.to_arrow, "dict": lambda: frame.to_dict(as_series=False),
        }[source]()  # fmt: skip
    reading = rnn.Dataset  # imports what it needs
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = kilobytes("VmRSS")
    start = time.perf_counter()
    if source.startswith("Polars alone"):
        suffix = source.rpartition(" ")[2]
        kept: Any = (pl.read_csv if suffix == "csv" else pl.read_parquet)(
            folder / f"table.{suffix}"
        )
    elif given is not None:
        kept = reading.from_frame(given)
    else:
        kept = reading.from_file(folder / f"table.{source}")
    seconds = time.perf_counter() - start
    print(f"{seconds:.3f} {(kilobytes('VmHWM') - before) / 1024:.0f} {len(kept)}")


def kilobytes(what: str) -> int:
    """Return the memory of this process (VmRSS) or its peak (VmHWM), on Linux."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(what))
    return int(line.split()[1])


def main() -> None:
    """Read every source in turn, several times, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.source is not None:
        return read(options.source, options.folder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.rows)
        size = (folder / "table.csv").stat().st_size
        print(f"{options.rows:,} rows x 29 features, {size / 1e6:.0f} MB of CSV")
        found: dict[str, list[tuple[float, float]]] = {source: [] for source in (*FILES, *FRAMES)}
        for _ in range(options.repeats):
            for source, figures in found.items():
                command = [sys.executable, __file__, "--source", source, "--folder", name]
                output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                seconds, megabytes, _ = map(float, output.split())
                figures.append((seconds, megabytes))
    print(f"{'source':<24}{'seconds':>9}{'MB':>7}")
    for source, figures in found.items():
        seconds, megabytes = np.median(figures, axis=0)
        print(f"{source:<24}{seconds:9.3f}{megabytes:7.0f}")


if __name__ == "__main__":
    main()
