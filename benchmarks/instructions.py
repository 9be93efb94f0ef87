"""Instructions per timestep of a training step, counted by callgrind: repeatable on noisy machines.

valgrind knows AVX2 and not AVX-512, so the AVX2 level is counted:

    python benchmarks/instructions.py

The example ``shapes`` of the engine runs one epoch and then three; the difference of both counts
is that of two epochs, and has nothing of the start of the program in it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Part of a line of `shapes`, and the timesteps of an epoch.
SHAPES = {
    "few frauds   29-10-1   T=10  f32   1 ": 5_120,
    "few frauds   29-10-1   T=10  f32   32 ": 5_120,
    "few frauds   29-10-1   T=10  f64   256 ": 5_120,
    "temperature  6-32-1    T=24  f32   1 ": 8_400,
    "temperature  1-5-1     T=24  f32   32 ": 8_400,
    "sample       3-5-1     T=8   f64   1 ": 76,
}


def count(filter_: str, epochs: int) -> int:
    """Return the instructions of a run of ``shapes``."""
    environment = {"RNN_RUST_SIMD": "avx2", "RNN_RUST_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
            ROOT / "target/release/examples/shapes", filter_, str(epochs),
        ],
        capture_output=True, text=True, check=True, env=os.environ | environment,
    )  # fmt: skip
    (total,) = re.findall(r"Collected : (\d+)", done.stderr)
    return int(total)


def main() -> None:
    """Print a line per shape."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed: apt-get install valgrind, or the like")
    build = ["cargo", "build", "--release", "--quiet", "--example", "shapes"]
    subprocess.run(build, check=True, cwd=ROOT)
    print("instructions per timestep, AVX2, full training step")
    for filter_, timesteps in SHAPES.items():
        per_step = (count(filter_, 3) - count(filter_, 1)) / 2 / timesteps
        print(f"{filter_:<40} {per_step:8.1f}")


if __name__ == "__main__":
    main()
