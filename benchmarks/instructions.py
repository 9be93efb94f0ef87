"""Instructions, loads and stores per timestep of training and prediction, and what they bound.

Counts repeat on noisy machines:

    python benchmarks/instructions.py

valgrind counts the AVX2 level; it does not know AVX-512. There, if the machine has it, the program
is stepped through (``single_step.py``), in ten minutes; LSTM and GRU would take hours.

For valgrind the example ``shapes`` of the engine runs one epoch (or prediction) and then three; the
difference of both counts is that of two, and has nothing of the start of the program in it. What is
stepped through is an epoch (or prediction). The same program, alone, then tells the time. Cycles
come from it by the peak of the core: two multiply-adds of 8 float32 per cycle, or one of 16. Each
bound supposes that all else costs nothing: what a Zen 3 or Zen 4 core does per cycle at most are 2
multiply-adds or products, 6 instructions, 2 loads of 32 bytes, 1 store of 32 (AMD, Software
Optimization Guide for the Zen 4 Microarchitecture, publication 57647). The bound by phases takes
the largest of the four for each function and adds these up: a function is a phase, and phases
hardly overlap. callgrind counts a masked load once per lane, so that the loads of batches of one
sequence are overstated; their bound by phases has none. It counts copies and fills of the C library
byte by byte; these are left out.

A Zen 4 core takes what is 64 bytes wide in two passes of 32, so that it counts as two with AVX-512:
measured, a multiply-add takes a cycle, a load too, even of a number for all lanes, and a store two.
Left out there, for the bounds to be no higher than they should, are loads and stores of general
registers (three and two of them fit into a cycle) and conditional jumps (one may be fused with the
comparison before it). So are instructions of libraries.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from machine import describe
from rivals.fma_peak import build
from single_step import Listing

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "target/release/examples/shapes"
MULTIPLY_ADDS, INSTRUCTIONS, LOADS, STORES = 2, 6, 2, 1

Functions = list[list[float]]  # of each: products, instructions, loads and stores per timestep


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
    def batch(self) -> int:
        """The batch size."""
        return int(self.line.split()[-1])

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


class Program:
    """The machine code of ``shapes``: where it begins, and which instructions multiply."""

    def __init__(self) -> None:
        code = output("objdump", "-d", "--no-show-raw-insn", PROGRAM)
        self.multiplies = {
            int(address, 16)
            for address in re.findall(r"^ *([0-9a-f]+):\tv(?:mul|fn?m)\w+p[sd] ", code, re.M)
        }
        (main,) = re.findall(r"^([0-9a-f]+) \S main$", output("nm", PROGRAM), re.M)
        self.main = int(main, 16)


def environment(level: str) -> dict[str, str]:
    """Return the environment that holds the engine to an instruction set and a thread."""
    return os.environ | {"RNN_RUST_SIMD": level, "RNN_RUST_NUM_THREADS": "1"}


def output(*command: str | Path, level: str = "avx2") -> str:
    """Return what a command prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment(level)
    )
    return done.stdout


def costs(profile: str) -> Iterator[tuple[str, int, list[int]]]:
    """Yield the function, the address, and the instructions, loads and stores of each address."""
    function, called = "", False
    for line in profile.splitlines():
        if line.startswith("fn="):
            function = line
        elif line.startswith("calls="):
            called = True
        elif line.startswith("0x"):
            if not called and not function.startswith("fn=__mem"):
                address, *counts = line.split()
                yield function, int(address, 16), [*map(int, counts), 0, 0][:3]
            called = False


def count(program: Program, shape: Shape, times: int) -> dict[str, list[int]]:
    """Return the products, instructions, loads and stores of so many epochs, or predictions.

    They are those of each function.
    """
    epochs, predictions = (1, times) if shape.predicts else (times, 1)
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        output(
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "--cache-sim=yes",
            "--demangle=no", "--dump-instr=yes", "--dump-line=no", "--compress-pos=no",
            "--compress-strings=no",
            PROGRAM, shape.line, str(epochs), str(predictions),
        )  # fmt: skip
        found = list(costs(profile.read_text()))
    moved = min(address for name, address, _ in found if name == "fn=main") - program.main
    totals: dict[str, list[int]] = defaultdict(lambda: [0] * 4)
    for name, address, (instructions, loads, stores) in found:
        own = totals[name]
        products = instructions if address - moved in program.multiplies else 0
        for place, number in enumerate((products, instructions, loads, stores)):
            own[place] += number
    return totals


def per_step(program: Program, shape: Shape) -> Functions:
    """Return the same per timestep."""
    one, three = count(program, shape, 1), count(program, shape, 3)
    return [
        [(b - a) / 2 / shape.steps for a, b in zip(one.get(name, [0] * 4), own, strict=True)]
        for name, own in three.items()
    ]


def stepped(listing: Listing, shape: Shape) -> Functions:
    """Return the same of the AVX-512 level, in operations of 32 bytes."""
    times, start = ("1", "3"), "Compiled.*7predict17h"
    if not shape.predicts:
        times, start = ("3", "1"), "EpochRun7arrange17h"
    counts = listing.count([shape.line, *times], environment("avx512"), start)
    functions: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for instruction, number in counts.items():
        halves = number * -(-instruction.bits // 256) / shape.steps
        own = functions[instruction.function]
        own[0] += instruction.product * halves
        own[1] += (not instruction.fused) * number / shape.steps
        own[2] += instruction.load * halves
        own[3] += instruction.store * halves
    return list(functions.values())


def cycles(function: list[float], loads_known: bool) -> float:
    """Return the cycles that a function takes at least."""
    products, instructions, loads, stores = function
    bounds = [products / MULTIPLY_ADDS, instructions / INSTRUCTIONS, stores / STORES]
    return max(*bounds, loads / LOADS if loads_known else 0.0)


def nanoseconds(shape: Shape, level: str) -> float:
    """Return the time of a timestep: the fastest of some runs."""
    times = []
    for _ in range(5):
        lines = output(PROGRAM, shape.line, "60", "60", level=level).splitlines()
        train, _, predict = lines[1].removeprefix(shape.line).split()
        times.append(float(predict if shape.predicts else train))
    return min(times)


def gigahertz(*flags: str) -> float:
    """Return the clock of the core, from its multiply-adds of float32 in registers."""
    program = build(*flags)
    runs = [subprocess.run([program], capture_output=True, text=True, check=True) for _ in range(5)]
    return max(float(run.stdout) for run in runs) / 1e9 / (MULTIPLY_ADDS * 8 * 2)


def heading(level: str, clock: float, note: str = "") -> None:
    """Print what the columns are."""
    what = "a full training step or a prediction, per timestep"
    print(f"{level}, {what}; the clock is {clock:.2f} GHz{note}")
    print(f"{'':<57}counted{'':<24}cycles: at least for each of these, by phases, and spent")
    names = ("adds", "instructions", "loads", "stores")
    print(f"{'':<48}{''.join(f'{name:>13}' for name in (*names, *names, 'phases', 'spent'))}")


def line(shape: Shape, functions: Functions, spent: float, loads_known: bool = True) -> None:
    """Print a shape: the cycles that it spends and what bounds them."""
    _, instructions, loads, stores = map(sum, zip(*functions, strict=True))
    phases = sum(cycles(function, loads_known) for function in functions)
    bounds = (
        shape.vectors / MULTIPLY_ADDS, instructions / INSTRUCTIONS, loads / LOADS, stores / STORES,
    )  # fmt: skip
    figures = (shape.vectors, instructions, loads, stores, *bounds, phases, spent)
    name = f"{shape.line}{'predict' if shape.predicts else ''}"
    print(f"{name:<48}{''.join(f'{x:13.1f}' for x in figures)}", flush=True)


def main() -> None:
    """Print a table per instruction set, a line per shape."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed: apt-get install valgrind, or the like")
    build_shapes = ["cargo", "build", "--release", "--quiet", "--example", "shapes"]
    subprocess.run(build_shapes, check=True, cwd=ROOT)
    clock = gigahertz("-C", "target-feature=-avx512f")
    heading("AVX2", clock)
    program = Program()
    for shape in SHAPES:
        functions = per_step(program, shape)
        line(shape, functions, nanoseconds(shape, "avx2") * clock, loads_known=shape.batch > 1)
    if "avx512vl" not in describe()["flags"]:
        return
    clock = gigahertz()
    print()
    heading("AVX-512", clock, "; 64 bytes count as two of 32")
    listing = Listing(PROGRAM)
    for shape in SHAPES:
        if shape.gates == 1:
            line(shape, stepped(listing, shape), nanoseconds(shape, "avx512") * clock)


if __name__ == "__main__":
    main()
