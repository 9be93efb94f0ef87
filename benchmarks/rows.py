"""The rows of the comparison: their jobs, rivals and targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rivals import OURS
from rivals.job import Job

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.csv"

GROUPS = {
    "A": "training, 29-10-1 tanh, T = 10, 28,480 sequences",
    "B": "training, sigmoid, T = 24, 350 sequences",
    "C": "training, 29-32-1 with gates, T = 50, 2,000 sequences, Adam, float32",
    "D": "training, LSTM 8-32-1, 2,000 sequences of 5 to 200 steps, batch 64, Adam, float32",
    "original": "training, against the Rust project RNN-Rust",
    "E": "inference, 29-10-1 tanh, float32",
    "threads": "training shape A on two threads, wall time",
    "hidden": "training, 29 inputs, T = 10, batch 256, float32, beside rivals",
    "sizes": "training, 29 inputs, T = 10, batch 256, float32, by hidden size",
    "import": "import in a fresh process, beyond NumPy",
    "csv": "a CSV of 284,807 × 32 to 100 epochs trained and evaluated, two threads",
}

TRAINING = ("jax", "numpy", "torch", "keras")
GATED = ("jax-gates", "torch-tuned", "torch-gates", "keras")
RAGGED = ("jax-gates", "torch-tuned", "torch-gates")
INFERENCE = ("jax", "numpy", "torch", "keras", "onnx")

HIDDEN_SIZES = (
    1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 15, 16, 17, 20, 24, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127,
    128, 129, 192, 255, 256,
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of the table that is a ratio of two times.

    ``target`` is how many times faster than the fastest rival this package should be; ``entrants``
    are its rivals. With ``threads``, its only rival is itself on one thread.
    """

    group: str
    name: str
    job: Job
    target: float | None
    entrants: tuple[str, ...] = TRAINING
    unit: str = "ns/step"


def shape_a(batch: int, dtype: str, threads: int = 1) -> Job:
    """Return training on the card-fraud shape."""
    return Job("train", batch=batch, dtype=dtype, threads=threads)


def shape_b(inputs: int, hidden: int, batch: int) -> Job:
    """Return training on the temperature shape."""
    return Job(
        "train", inputs=inputs, hidden=hidden, activation="sigmoid", steps=24, sequences=350,
        batch=batch,
    )  # fmt: skip


def shape_c(cell: str, batch: int) -> Job:
    """Return training of a cell with gates."""
    return Job("train", cell=cell, hidden=32, steps=50, sequences=2000, batch=batch)


def shape_d(steps: int = 200, shortest: int | None = 5) -> Job:
    """Return training on sequences of many lengths, or of one length."""
    return Job(
        "train", cell="LSTM", inputs=8, hidden=32, steps=steps, shortest=shortest, sequences=2000,
        batch=64,
    )  # fmt: skip


def of_size(hidden: int) -> Job:
    """Return training at a hidden size, with less data if a step takes longer."""
    sequences = min(20, max(2, 1280 // hidden)) * 256
    return Job("train", hidden=hidden, batch=256, sequences=sequences)


def hidden_rows() -> list[Row]:
    """Return the rows that compare hidden sizes with rivals."""
    return [
        Row("hidden", f"H = {hidden}", of_size(hidden), None, ("jax", "numpy", "torch"))
        for hidden in (4, 8, 16, 32, 64, 128, 256, 512)
    ]


def training_rows() -> list[Row]:
    """Return the rows of shapes A and B.

    torch.compile is left out if a call per update costs more than JAX takes in all.
    """
    targets = {1: (3, 3), 32: (5, 4), 256: (5, 4), 4096: (None, None)}
    rows = []
    for batch, both in targets.items():
        entrants = ("compile", *TRAINING) if batch > 32 else TRAINING
        for dtype, target in zip(("float32", "float64"), both, strict=True):
            job = shape_a(batch, dtype)
            rows.append(Row("A", f"batch {batch}, {dtype}", job, target, entrants))
    for inputs, hidden, both in ((6, 32, (2, 2)), (1, 5, (2, 4))):
        for batch, target in zip((1, 32), both, strict=True):
            name = f"{inputs}-{hidden}-1, batch {batch}, float32"
            rows.append(Row("B", name, shape_b(inputs, hidden, batch), target))
    return rows


def gated_rows() -> list[Row]:
    """Return the rows of shapes C and D."""
    rows = [
        Row("C", f"{cell}, batch {batch}", shape_c(cell, batch), 2, GATED)
        for cell in ("LSTM", "GRU")
        for batch in (32, 256)
    ]
    return [*rows, Row("D", "5 to 200 steps", shape_d(), 2, RAGGED)]


def other_rows() -> list[Row]:
    """Return the rows for the original project, for inference, and for two threads."""
    sample = Job("train", inputs=3, hidden=5, activation="relu", dtype="float64", csv=str(SAMPLE))
    predict, stream = Job("predict"), Job("stream")
    rows = [
        Row("original", "A, batch 1, float64", shape_a(1, "float64"), 6, ("original",)),
        Row("original", "sample.csv, 3-5-1 ReLU, batch 1, float64", sample, 2, ("original",)),
        Row("E", "all sequences", predict, 4, INFERENCE),
        Row("E", "one streaming step from Python", stream, 4, INFERENCE, unit="µs/call"),
    ]
    for batch, target in ((4096, 1.7), (256, 1.5)):
        job = shape_a(batch, "float32", threads=2)
        rows.append(Row("threads", f"batch {batch}, float32", job, target, (OURS,)))
    return rows


def ratio_rows() -> list[Row]:
    """Return every row that compares two times."""
    return training_rows() + gated_rows() + other_rows() + hidden_rows()
