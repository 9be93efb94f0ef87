"""The README's section on speed, from the newest record.

python benchmarks/speed_table.py            # print it
python benchmarks/speed_table.py --write    # put it between its marks in README.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from record import Line, Record, latest
from report import figure, times

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- speed: from benchmarks/speed_table.py -->", "<!-- /speed -->"

SHOWN = {
    ("A", "batch 1, float32"): "train 29-10-1, batch 1",
    ("A", "batch 32, float32"): "train 29-10-1, batch 32",
    ("A", "batch 256, float32"): "train 29-10-1, batch 256",
    ("B", "6-32-1, batch 32, float32"): "train 6-32-1 sigmoid, batch 32",
    ("C", "LSTM, batch 32"): "train LSTM 29-32-1, Adam, batch 32",
    ("C", "LSTM, batch 256"): "train LSTM 29-32-1, Adam, batch 256",
    ("C", "GRU, batch 32"): "train GRU 29-32-1, Adam, batch 32",
    ("C", "GRU, batch 256"): "train GRU 29-32-1, Adam, batch 256",
    ("D", "5 to 200 steps"): "train LSTM 8-32-1, Adam, batch 64, sequences of 5 to 200 steps",
    ("original", "A, batch 1, float64"): "train 29-10-1, batch 1, float64, against RNN-Rust",
    ("original", "sample.csv, 3-5-1 ReLU, batch 1, float64"): (
        "train 3-5-1 ReLU, batch 1, float64, against RNN-Rust"
    ),
    ("E", "all sequences"): "predict 29-10-1, all sequences",
    ("E", "one streaming step from Python"): "one streaming step from Python",
    ("import", "import, beyond NumPy"): "import, beyond NumPy",
}


def section(record: Record) -> str:
    """Return the section as Markdown, without marks."""
    rows = [
        "| | this package | strongest rival | | as usually written | |",
        "|---|---|---|---|---|---|",
    ]
    for key, label in SHOWN.items():
        line = record.line(*key)
        if line is not None and line.ours is not None:
            rows.append(table_row(label, line))
    return "\n\n".join([preface(record), "\n".join(rows), *sentences(record)])


def preface(record: Record) -> str:
    """Say what was measured on what."""
    machine = record.machine
    level = "AVX-512" if "avx512f" in machine["flags"] else "AVX2" * ("avx2" in machine["flags"])
    return (
        f"Measured on {record.date} on one core ({machine['cpu']}, {level}), one thread each, "
        f"median of {record.repeats} runs in turn. Training is forward, backward and update, in "
        "nanoseconds per time step, float32 unless said. The strongest rival is the fastest of "
        "what we could write by hand in JAX, NumPy and PyTorch (`benchmarks/rivals`)."
    )


def table_row(label: str, line: Line) -> str:
    """Return one row: ours, the strongest rival, the usual one."""
    assert line.ours is not None
    unit = line.unit.split("/")[0]
    cells = [label, f"{figure(line.ours.median)} {unit}"]
    for rival in (line.strongest, line.usual):
        if rival is None:
            cells += ["–", ""]
        else:
            cells += [f"{figure(rival.median)} {rival.title}", times(line.ratio(rival))]
    return f"| {' | '.join(cells)} |"


def sentences(record: Record) -> list[str]:
    """Return what does not fit the table: two threads, and the job from a file."""
    found = []
    threads = [
        f"{times(line.ratio(line.strongest))} as fast at {line.name.split(',')[0]}"
        for line in record.lines
        if line.group == "threads" and line.ours is not None
    ]
    if threads:
        found.append(f"On two threads the first shape trains {' and '.join(threads)}.")
    ragged = record.line("D", "5 to 200 steps / 103 each")
    if ragged is not None and ragged.ours is not None:
        found.append(
            "A step of sequences of 5 to 200 steps costs "
            f"{times(ragged.ours.median)} what it costs when all are as long as their mean."
        )
    job = record.line("csv", "CSV to evaluation")
    if job is not None and job.ours is not None:
        size = job.ours.variant.rsplit(", ", 1)[-1]
        found.append(
            f"A CSV file of 284,807 rows ({size}) is read, trained on for 100 epochs at batch 256 "
            f"on two threads and evaluated in {figure(job.ours.median)} s, Python's start included."
        )
    return found


def replaced(text: str, record: Record) -> str:
    """Return a text with the section between its marks replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{section(record)}\n{END}{after}"


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path, nargs="?", help="JSON; default: the newest")
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    options = parser.parse_args()
    record = Record.read(options.record or latest())
    if options.write:
        README.write_text(replaced(README.read_text(encoding="utf-8"), record), encoding="utf-8")
    else:
        print(section(record))


if __name__ == "__main__":
    main()
