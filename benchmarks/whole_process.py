"""Measurements of whole processes: imports and the whole job, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import Line, Timing

IMPORTS = {
    "ours": ("this package", "from rnn_rust import RNN"),
    "onnx": ("ONNX Runtime", "import onnxruntime"),
    "jax": ("JAX", "import jax"),
    "torch": ("PyTorch", "import torch"),
    "keras": ("Keras", "import keras"),
}

TIMED_IMPORT = """
import importlib.util, sys, time
name = {statement!r}.split()[1]
if importlib.util.find_spec(name) is None:
    sys.exit("No module named " + repr(name))
import numpy
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""

JOB = """
import sys
import rnn_rust as rnn
data = rnn.Dataset.from_csv(sys.argv[1])
train, test = data.split(0.8, seed=0)
model = rnn.RNN(29, 10, 1, optimizer=rnn.SGD(0.1), scaler="standard", n_threads=2)
model.fit(train, epochs=100, batch_size=256, progress=False)
evaluator = rnn.BinaryClassificationEvaluator()
print(evaluator.evaluate(model, train), evaluator.evaluate(model, test))
"""

MAKE_CSV = """
import sys
from rnn_rust.demos.fraud import generate, write_csv
write_csv(generate(decimals=16), sys.argv[1])
"""


def imports(repeats: int) -> Line:
    """Time the import of the package and of its rivals, after one import that is not counted."""
    samples: dict[str, list[float]] = {name: [] for name in IMPORTS}
    line = Line("import", "import, beyond NumPy", "s", None, target=0.1, bound="at most")
    line.idiomatic = "torch"
    for round_ in range(repeats + 1):
        for name, (_, statement) in IMPORTS.items():
            if name in line.skipped:
                continue
            done = _python(TIMED_IMPORT.format(statement=statement))
            if done.returncode:
                line.skipped[name] = (done.stderr.strip().splitlines() or ["failed"])[-1]
            elif round_ > 0:
                samples[name].append(float(done.stdout))
    for name, (title, statement) in IMPORTS.items():
        timing = Timing(name, title, statement, samples[name])
        if name == "ours":
            line.ours = timing
        elif name not in line.skipped:
            line.rivals.append(timing)
    return line


def csv_job(repeats: int) -> Line:
    """Time a user's whole job, from the start of Python to the evaluation."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="rnn-rust-csv-") as folder:
        path = Path(folder) / "purchases.csv"
        _python(MAKE_CSV, str(path)).check_returncode()
        size = f"{path.stat().st_size / 1e6:.0f} MB"
        for _ in range(repeats):
            start = time.perf_counter()
            done = _python(JOB, str(path))
            seconds.append(time.perf_counter() - start)
            done.check_returncode()
    ours = Timing("ours", "this package", f"whole process, {size}", seconds)
    return Line("csv", "CSV to evaluation", "s", ours, target=5, bound="at most")


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
