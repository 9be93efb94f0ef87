"""The peak performance of a core: ``fma_peak.rs``, built with rustc for this processor."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rivals.job import Job, Variant

SOURCE = Path(__file__).with_suffix(".rs")
STEPS = 10**9

_folder = tempfile.TemporaryDirectory(prefix="rnn-rust-peak-")


def variants(job: Job) -> Iterator[Variant]:
    """Yield the chains of multiply-adds; a step is a floating-point operation."""
    if job.kind == "peak":
        program = build()

        def seconds(times: int) -> float:
            done = subprocess.run([program], capture_output=True, text=True, check=True)
            return times * STEPS / float(done.stdout)

        yield Variant("multiply-adds in registers", STEPS, seconds)


def build(*flags: str) -> Path:
    """Return the program, built with additional flags; LookupError if it cannot be built."""
    program = Path(_folder.name) / "fma_peak"
    command = ["rustc", "-O", "-C", "target-cpu=native", *flags, "-o", str(program), str(SOURCE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LookupError("rustc is not there") from None
    if done.returncode:
        raise LookupError("does not build on this processor")
    return program
