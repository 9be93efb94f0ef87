"""The README's section on speed, from the newest record of each instruction set.

python benchmarks/speed_table.py            # print it
python benchmarks/speed_table.py --write    # put it between its marks in README.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from record import Line, Record, newest
from report import figure, times

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- speed: from benchmarks/speed_table.py -->", "<!-- /speed -->"

PICTURE = (
    "![Time per step of training over hidden sizes, beside rivals]"
    "(benchmarks/pictures/hidden-size.svg)"
)
# Rows with a smaller lead than this are listed below the table.
CLOSE = 1.5

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


def section(records: list[Record]) -> str:
    """Return the section as Markdown, without marks."""
    heads = "".join(f" {record.level} | strongest rival | |" for record in records)
    rows = [f"| |{heads}", "|---" * (1 + 3 * len(records)) + "|"]
    for key, label in SHOWN.items():
        lines = [record.line(*key) for record in records]
        if any(line is not None and line.ours is not None for line in lines):
            rows.append(f"| {label} | {' | '.join(cells(line) for line in lines)} |")
    parts = [preface(records), "\n".join(rows)]
    for record in records:
        parts += [losses(record), *sentences(record)]
    if any(line.group == "hidden" for record in records for line in record.lines):
        parts.append(PICTURE)
    return "\n\n".join(parts)


def preface(records: list[Record]) -> str:
    """Return a sentence on what was measured, and on which machine."""
    machines = "; ".join(
        f"{record.level} on {record.date} ({record.machine['cpu']}, median of {record.repeats} "
        "runs in turn)"
        for record in records
    )
    return (
        f"Measured on one core, one thread each: {machines}. Compare ratios, not times, between "
        "machines. Training is forward pass, backward pass and update, in the order of the data, "
        "in nanoseconds per time step and float32 unless stated. The strongest rival is the "
        "fastest version we could write by hand in JAX, NumPy or PyTorch (`benchmarks/rivals`). "
        "Code as usually written is much slower: see `benchmarks/records`."
    )


def cells(line: Line | None) -> str:
    """Return the cells of one record: ours, the strongest rival, and the ratio."""
    if line is None or line.ours is None:
        return "– | – | "
    ours = f"{figure(line.ours.median)} {line.unit.split('/')[0]}"
    rival = line.strongest
    if rival is None:
        return f"{ours} | – | "
    return f"{ours} | {figure(rival.median)} {rival.title} | {times(line.ratio(rival))}"


def losses(record: Record) -> str:
    """Return a list of all rows in which a rival is faster, or about as fast."""
    close = []
    for line in record.lines:
        ratio = line.ratio(line.strongest)
        if ratio is not None and ratio < CLOSE and line.group != "threads":
            assert line.strongest is not None
            close.append((ratio, f"{line.name} ({line.strongest.title}, {times(ratio)})"))
    if not close:
        return f"{record.level}: no rival comes within {CLOSE:g} times in any row of the record."
    names = "; ".join(name for _, name in sorted(close))
    return f"{record.level}, rows with a lead below {CLOSE:g} times or a faster rival: {names}."


def sentences(record: Record) -> list[str]:
    """Return sentences on what does not fit the table: two threads, and the job from a file."""
    found = []
    threads = [
        f"{times(line.ratio(line.strongest))} as fast at {line.name.split(',')[0]}"
        for line in record.lines
        if line.group == "threads" and line.ours is not None
    ]
    if threads:
        found.append(f"on two threads, the first shape trains {' and '.join(threads)}")
    ragged = record.line("D", "5 to 200 steps / 103 each")
    if ragged is not None and ragged.ours is not None:
        found.append(
            f"a time step of sequences of 5 to 200 steps costs {times(ragged.ours.median)} "
            "as much as one of sequences that all have the mean length"
        )
    job = record.line("csv", "CSV to evaluation")
    if job is not None and job.ours is not None:
        size = job.ours.variant.rsplit(", ", 1)[-1]
        found.append(
            f"a CSV file of 284,807 rows ({size}) is read, trained on for 100 epochs at batch 256 "
            f"on two threads and evaluated in {figure(job.ours.median)} s, including Python's start"
        )
    return [f"{record.level}: {'; '.join(found)}."] if found else []


def replaced(text: str, records: list[Record]) -> str:
    """Return a text with the section between its marks replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{section(records)}\n{END}{after}"


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    options = parser.parse_args()
    records = newest()
    if options.write:
        text = replaced(README.read_text(encoding="utf-8"), records)
        README.write_text(text, encoding="utf-8")
    else:
        print(section(records))


if __name__ == "__main__":
    main()
