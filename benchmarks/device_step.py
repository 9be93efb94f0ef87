"""The time of a step in exported C, compared with the stepper called from Rust and Python.

python benchmarks/device_step.py

Networks of 29 features and one output in float32, without a scaler, read events one by one on one
core. C is compiled with ``cc -O2`` and with ``cc -O3 -march=native``, and called in a loop by its
own program. Rust's stepper is called by the example ``shapes``, which has networks of 10 units;
Python's with arrays for features and outputs. Times are the processor time of the fastest round.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import rnn_rust as rnn

STEPS, ROUNDS, FEATURES = 200_000, 25, 29
ROUNDS_OF_RUST, STEPS_OF_RUST = 10, 1_000_000
NETWORKS = tuple((kind, units) for units in (10, 32) for kind in (rnn.RNN, rnn.GRU, rnn.LSTM))
LEVELS = (("-O2",), ("-O3", "-march=native"))
# The names of the cells in `shapes`.
RUST = {"RNN": "Elman(Tanh)", "GRU": "Gru { reset_after: true }", "LSTM": "Lstm"}
ROOT = Path(__file__).resolve().parent.parent
SHAPES = ROOT / "target/release/examples/shapes"

PROGRAM = """
#include <stdio.h>
#include <time.h>
#include "model.h"

int main(void)
{
    static model_state state;
    float features[MODEL_FEATURES], outputs[MODEL_OUTPUTS], sum = 0;
    for (int i = 0; i < MODEL_FEATURES; i++) features[i] = 0.1f * (float)i;
    model_init(&state);
    const clock_t start = clock();
    for (int t = 0; t < STEPS; t++) {
        model_step(&state, features, outputs);
        sum += outputs[0];
    }
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("%g %g\\n", 1e9 * seconds / STEPS, (double)sum);
    return 0;
}
"""


def of_c(model: rnn.RNN | rnn.GRU | rnn.LSTM, options: tuple[str, ...]) -> float:
    """Return the nanoseconds of a step in exported C."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        model.to_c(path / "c")
        (path / "loop.c").write_text(PROGRAM)
        sources = ["loop.c", "c/model.c", "-Ic", "-lm", "-o", "loop"]
        command = ["cc", "-std=c99", f"-DSTEPS={STEPS}", *options, *sources]
        subprocess.run(command, cwd=path, check=True)
        shown = [
            subprocess.run([path / "loop"], capture_output=True, text=True, check=True).stdout
            for _ in range(ROUNDS)
        ]
    return min(float(line.split()[0]) for line in shown)


def of_python(model: rnn.RNN | rnn.GRU | rnn.LSTM) -> float:
    """Return the nanoseconds of a step of the stepper, including the call."""
    stepper, features = model.stepper(), np.float32(0.1) * np.arange(FEATURES, dtype=np.float32)
    step, out, rounds = stepper.step, np.empty(1, np.float32), []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(STEPS):
            step(features, out)
        rounds.append(1e9 * (time.process_time() - start) / STEPS)
    return min(rounds)


def of_rust(kind: type[rnn.RNN | rnn.GRU | rnn.LSTM]) -> float:
    """Return the nanoseconds of a step of the stepper with 10 units, called from Rust."""
    command = [SHAPES, f"stream       {FEATURES}-10-1         f32   {RUST[kind.__name__]}"]
    rounds = []
    for _ in range(ROUNDS_OF_RUST):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        assert shown.count("\n") == 2, "a headline, and the line of the cell"
        rounds.append(1e9 * (after - before) / STEPS_OF_RUST)
    return min(rounds)


def main() -> None:
    """Print a row for each network."""
    command = ["cargo", "build", "--release", "--quiet", "--locked", "--example", "shapes"]
    subprocess.run(command, cwd=ROOT, check=True)
    heads = [f"C {' '.join(options)}" for options in LEVELS] + ["Rust", "Python"]
    print(f"{'ns per step':<16}" + "".join(f"{head:>22}" for head in heads))
    for kind, units in NETWORKS:
        model = kind(FEATURES, units, 1)
        figures = [of_c(model, options) for options in LEVELS]
        cells = [f"{figure:.0f}" for figure in figures]
        cells.append(f"{of_rust(kind):.0f}" if units == 10 else "-")
        cells.append(f"{of_python(model):.0f}")
        name = f"{kind.__name__} {FEATURES}-{units}-1"
        print(f"{name:<16}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
