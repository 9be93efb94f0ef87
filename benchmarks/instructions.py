"""Instructions, loads and stores per timestep of training and prediction, and what they bound.

valgrind knows AVX2 and not AVX-512, so the AVX2 level is counted, which repeats on noisy machines:

    python benchmarks/instructions.py

The example ``shapes`` of the engine runs one epoch (or prediction) and then three; the difference
of both counts is that of two, and has nothing of the start of the program in it. The same program,
alone, then tells the time. Cycles come from it by the peak of the core: two multiply-adds of 8
float32 per cycle. Each bound supposes that all else costs nothing: what a Zen 3 or Zen 4 core does
per cycle at most are 2 multiply-adds, 6 instructions, 2 loads of 32 bytes, 1 store of 32 (AMD,
Software Optimization Guide for the Zen 4 Microarchitecture, publication 57647). callgrind counts a
masked load once per lane, so that the loads of batches of one sequence are overstated.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rivals.fma_peak import build

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "target/release/examples/shapes"
ENVIRONMENT = os.environ | {"RNN_RUST_SIMD": "avx2", "RNN_RUST_NUM_THREADS": "1"}
MULTIPLY_ADDS, INSTRUCTIONS, LOADS, STORES = 2, 6, 2, 1


@dataclass(frozen=True)
class Shape:
    """A line of ``shapes``: the part that tells it, and the timesteps of an epoch."""

    line: str
    steps: int
    inputs: int
    hidden: int
    gates: int = 1
    predicts: bool = False

    @property
    def vectors(self) -> float:
        """Multiply-adds of whole registers per timestep; one output, no gradient by the inputs."""
        by_inputs, by_states = (1, 1) if self.predicts else (2, 3)
        recurrent = self.gates * self.hidden
        numbers = recurrent * (by_inputs * self.inputs + by_states * self.hidden)
        numbers += by_states * self.hidden
        return numbers / (4 if " f64 " in self.line else 8)


SHAPES = (
    Shape("few frauds   29-10-1   T=10  f32   1 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f64   1 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f32   32 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f32   256 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f64   256 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f32   256 ", 5_120, 29, 10, predicts=True),
    Shape("few frauds   29-10-1   T=10  f64   256 ", 5_120, 29, 10, predicts=True),
    Shape("temperature  6-32-1    T=24  f32   1 ", 8_400, 6, 32),
    Shape("temperature  1-5-1     T=24  f32   32 ", 8_400, 1, 5),
    Shape("sample       3-5-1     T=8   f64   1 ", 76, 3, 5),
    Shape("lstm         29-32-1   T=50  f32   256 ", 25_600, 29, 32, 4),
    Shape("gru          29-32-1   T=50  f32   256 ", 25_600, 29, 32, 3),
)


def count(shape: Shape, times: int) -> list[int]:
    """Return the instructions, loads and stores of so many epochs, or predictions."""
    epochs, predictions = (1, times) if shape.predicts else (times, 1)
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--cache-sim=yes"]
    done = subprocess.run(
        [*command, PROGRAM, shape.line, str(epochs), str(predictions)],
        capture_output=True, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    (totals,) = re.findall(r"Collected : (\d+) (\d+) (\d+)", done.stderr)
    return [int(total) for total in totals]


def nanoseconds(shape: Shape) -> float:
    """Return the time of a timestep: the fastest of some runs."""
    times = []
    for _ in range(5):
        command = [PROGRAM, shape.line, "60", "60"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        train, _, predict = done.stdout.splitlines()[1].removeprefix(shape.line).split()
        times.append(float(predict if shape.predicts else train))
    return min(times)


def gigahertz() -> float:
    """Return the clock of the core, from its multiply-adds of 8 float32 in registers."""
    program = build("-C", "target-feature=-avx512f")
    runs = [subprocess.run([program], capture_output=True, text=True, check=True) for _ in range(5)]
    return max(float(run.stdout) for run in runs) / 1e9 / (MULTIPLY_ADDS * 8 * 2)


def main() -> None:
    """Print a line per shape."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed: apt-get install valgrind, or the like")
    build_shapes = ["cargo", "build", "--release", "--quiet", "--example", "shapes"]
    subprocess.run(build_shapes, check=True, cwd=ROOT)
    clock = gigahertz()
    print(f"AVX2, a full training step or a prediction, per timestep; the clock is {clock:.2f} GHz")
    print(f"{'':<57}counted{'':<24}cycles: at least for each of these, and spent")
    names = ("adds", "instructions", "loads", "stores")
    print(f"{'':<48}{''.join(f'{name:>13}' for name in (*names, *names, 'spent'))}")
    for shape in SHAPES:
        counts = zip(count(shape, 3), count(shape, 1), strict=True)
        instructions, loads, stores = ((three - one) / 2 / shape.steps for three, one in counts)
        bounds = (
            shape.vectors / MULTIPLY_ADDS, instructions / INSTRUCTIONS, loads / LOADS,
            stores / STORES,
        )  # fmt: skip
        figures = (shape.vectors, instructions, loads, stores, *bounds)
        spent = nanoseconds(shape) * clock
        name = f"{shape.line}{'predict' if shape.predicts else ''}"
        print(f"{name:<48}{''.join(f'{x:13.1f}' for x in (*figures, spent))}", flush=True)


if __name__ == "__main__":
    main()
