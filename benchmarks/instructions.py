"""Instructions, loads and stores per timestep of training and prediction, and their bounds.

Counts are reproducible even on noisy machines:

    python benchmarks/instructions.py

valgrind counts the AVX2 level; it does not support AVX-512. For that level, if the machine has it,
``single_step.py`` steps through the program in ten minutes; LSTM and GRU would take hours.

For valgrind, the engine's example ``shapes`` runs 16 epochs (or predictions) and then 18; the
difference of the counts is for two, without the start of the program. From 16 epochs on, batches
are packed only once. Stepping counts one of as many epochs (or one prediction). The same program is
then timed alone. Times become cycles through the peak of the core: two multiply-adds of 8 float32
per cycle, or one of 16.

Each bound assumes that everything else costs nothing: per cycle, a Zen 3 or Zen 4 core does at most
2 multiply-adds or products, 6 instructions, 2 loads of 32 bytes, and 1 store of 32 (AMD, Software
Optimization Guide for the Zen 4 Microarchitecture, publication 57647). An AVX-512 instruction takes
two passes: as measured, a multiply-add takes a cycle, a load too, even if it broadcasts a number,
and a store two. (The column of multiply-adds counts 32 bytes in both tables.) The bound by phases
adds up the largest of the four bounds in each phase. A phase is an innermost loop that executes
more instructions each time it is entered than the core has in flight (320; Zen 3: 256), or the rest
of a function: phases overlap only at their ends. For comparison, a product of two matrices by
OpenBLAS, which is one such loop, shows how close a core gets to such a bound: the share of the peak
that it reaches is printed.

No bound should be too high. So only vector loads and stores count (a cycle has room for three loads
and two stores of general registers), conditional jumps are not counted as instructions (one may be
fused with the comparison before it), and instructions of libraries are left out.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import single_step
from machine import LEVELS, describe
from machine_code import Instruction, Listing
from rivals.fma_peak import build

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "target/release/examples/shapes"
MULTIPLY_ADDS, INSTRUCTIONS, LOADS, STORES = 2, 6, 2, 1
LOOK_AHEAD = 320
EPOCHS = 16
BLAS_KERNELS = {"avx2": "Zen", "avx512": "SkylakeX"}


@dataclass(frozen=True)
class Shape:
    """A line of ``shapes``: the part that identifies it, and the timesteps per epoch."""

    line: str
    steps: int
    inputs: int
    hidden: int
    gates: int = 1
    predicts: bool = False

    @property
    def batch(self) -> int:
        """The batch size."""
        return int(self.line.split()[-1])

    @property
    def vectors(self) -> float:
        """Multiply-adds of whole registers per timestep; one output, no gradient for inputs."""
        by_inputs, by_states = (1, 1) if self.predicts else (2, 3)
        recurrent = self.gates * self.hidden
        numbers = recurrent * (by_inputs * self.inputs + by_states * self.hidden)
        numbers += by_states * self.hidden
        return numbers / (4 if " f64 " in self.line else 8)


SHAPES = (
    Shape("few frauds   29-10-1   T=10  f32   1 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f64   1 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f32   32 ", 5_120, 29, 10),
    Shape("few frauds   29-10-1   T=10  f64   32 ", 5_120, 29, 10),
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


def environment(level: str) -> dict[str, str]:
    """Return the environment that limits the engine to an instruction set and one thread."""
    return os.environ | {"RNN_RUST_SIMD": level, "RNN_RUST_NUM_THREADS": "1"}


def output(*command: str | Path, level: str = "avx2") -> str:
    """Return what a command prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment(level)
    )
    return done.stdout


def by_callgrind(listing: Listing, shape: Shape, times: int) -> Counter[int]:
    """Return how often each address is executed in ``times`` epochs or predictions, with AVX2."""
    epochs, predictions = (1, times) if shape.predicts else (times, 1)
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        output(
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "--demangle=no",
            "--dump-instr=yes", "--dump-line=no", "--compress-pos=no", "--compress-strings=no",
            PROGRAM, shape.line, str(epochs), str(predictions),
        )  # fmt: skip
        lines = profile.read_text().splitlines()
    visits: Counter[int] = Counter()
    main, function, of_program = sys.maxsize, "", False
    for before, line in pairwise(lines):
        if line.startswith("ob="):
            of_program = line.endswith("/shapes")
        elif line.startswith("fn="):
            function = line
        elif of_program and line.startswith("0x") and not before.startswith("calls="):
            place, *executed = map(partial(int, base=0), line.split())
            visits[place] += sum(executed)
            if function == "fn=main":
                main = min(main, place)
    moved = main - listing.functions["main"]
    return Counter({place - moved: executed for place, executed in visits.items()})


def with_avx2(listing: Listing, shape: Shape) -> dict[int, float]:
    """Return how often each address is executed in an epoch or prediction, with AVX2."""
    few, more = (by_callgrind(listing, shape, EPOCHS + further) for further in (0, 2))
    return {place: (executed - few[place]) / 2 for place, executed in more.items()}


def with_avx512(listing: Listing, shape: Shape) -> dict[int, float]:
    """Return how often each address is executed in an epoch or prediction, with AVX-512."""
    times, start = ("1", "3"), "Compiled.*7predict17h"
    if not shape.predicts:
        times, start = (str(EPOCHS), "1"), "EpochRun7arrange17h"
    starts = {at for name, at in listing.functions.items() if re.search(start, name)}
    return dict(single_step.count([PROGRAM, shape.line, *times], environment("avx512"), starts))


def costs(instruction: Instruction) -> tuple[float, ...]:
    """Return the counts of an instruction, its loads and stores, and the cycles by four limits."""
    passes = -(-instruction.bits // 256)
    return (
        1,
        instruction.load,
        instruction.store,
        passes * instruction.product / MULTIPLY_ADDS,
        (not instruction.fused) / INSTRUCTIONS,
        passes * instruction.load / LOADS,
        passes * instruction.store / STORES,
    )


def by_phase(listing: Listing, visits: dict[int, float]) -> Iterator[list[float]]:
    """Yield the costs of each phase."""
    for phase in listing.phases(visits, LOOK_AHEAD):
        each = zip(*(costs(instruction) for instruction, _ in phase), strict=True)
        yield [
            sum(cost * times for cost, (_, times) in zip(own, phase, strict=True)) for own in each
        ]


def nanoseconds(shape: Shape, level: str) -> float:
    """Return the time per timestep in the fastest of several runs."""
    times = []
    for _ in range(5):
        lines = output(PROGRAM, shape.line, "60", "60", level=level).splitlines()
        train, _, predict = lines[1].removeprefix(shape.line).split()
        times.append(float(predict if shape.predicts else train))
    return min(times)


def gigahertz(*flags: str) -> float:
    """Return the clock rate of the core, from float32 multiply-adds in registers."""
    program = build(*flags)
    runs = [subprocess.run([program], capture_output=True, text=True, check=True) for _ in range(5)]
    return max(float(run.stdout) for run in runs) / 1e9 / (MULTIPLY_ADDS * 8 * 2)


def blas_share(level: str, clock: float) -> float:
    """Return the share of the peak reached by a product of two 512 x 512 float32 matrices."""
    code = (
        "import time, numpy as np\n"
        "a = np.ones((512, 512), np.float32)\n"
        "b, c, times = a.copy(), a.copy(), []\n"
        "for _ in range(200):\n"
        "    start = time.perf_counter()\n"
        "    np.matmul(a, b, out=c)\n"
        "    times.append(time.perf_counter() - start)\n"
        "print(2 * 512**3 / min(times))\n"
    )
    kernels = {"OPENBLAS_CORETYPE": BLAS_KERNELS[level], "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | kernels,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout) / (clock * 1e9 * MULTIPLY_ADDS * 8 * 2)


def table(
    level: str,
    shapes: Iterable[Shape],
    visits: Callable[[Shape], dict[int, float]],
    listing: Listing,
    clock: float,
) -> None:
    """Print a line per shape; ``visits`` counts how often an epoch executes each address."""
    what = "a full training step or a prediction, per timestep"
    print(f"{LEVELS[level]}, {what}; the clock is {clock:.2f} GHz,")
    print(
        f"and a product of matrices by OpenBLAS reaches {blas_share(level, clock):.0%} of the peak"
    )
    print(f"{'':<57}counted{'':<24}cycles: at least for each of these, by phases, and spent")
    names = ("adds", "instructions", "loads", "stores")
    print(f"{'':<48}{''.join(f'{name:>13}' for name in (*names, *names, 'phases', 'spent'))}")
    for shape in shapes:
        each = list(by_phase(listing, visits(shape)))
        totals = [sum(costs) / shape.steps for costs in zip(*each, strict=True)]
        phases = sum(max(phase[3:]) for phase in each) / shape.steps
        vectors, spent = shape.vectors, nanoseconds(shape, level) * clock
        figures = (vectors, *totals[:3], vectors / MULTIPLY_ADDS, *totals[4:], phases, spent)
        name = f"{shape.line}{'predict' if shape.predicts else ''}"
        print(f"{name:<48}{''.join(f'{x:13.1f}' for x in figures)}", flush=True)


def main() -> None:
    """Print a table per instruction set."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed: apt-get install valgrind, or the like")
    build_shapes = ["cargo", "build", "--release", "--quiet", "--example", "shapes"]
    subprocess.run(build_shapes, check=True, cwd=ROOT)
    listing = Listing(PROGRAM)
    clock = gigahertz("-C", "target-feature=-avx512f")
    table("avx2", SHAPES, partial(with_avx2, listing), listing, clock)
    if "avx512vl" in describe()["flags"]:
        print()
        simple = [shape for shape in SHAPES if shape.gates == 1]
        table("avx512", simple, partial(with_avx512, listing), listing, gigahertz())


if __name__ == "__main__":
    main()
