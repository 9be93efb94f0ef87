"""C compilers and what is run with them: exported models, fed with events on standard input."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_rust.models import Model

STRICT = [
    "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdouble-promotion",
    "-Wshadow", "-Wstrict-prototypes",
]  # fmt: skip

# Reads lines of 1 (for the first event of a sequence) or 0, features, categories and time.
DRIVER = r"""
#include <stdio.h>
#include "model.h"

int main(void)
{
    model_state state;
    int first;
    model_init(&state);
    while (scanf("%d", &first) == 1) {
        OUTPUT outputs[MODEL_OUTPUTS];
        int done;
#ifdef MODEL_FEATURES
        REAL features[MODEL_FEATURES];
        for (int i = 0; i < MODEL_FEATURES; i++) {
            double value;
            if (scanf("%lf", &value) != 1) return 2;
            features[i] = (REAL)value;
        }
#endif
#ifdef MODEL_CATEGORIES
        int categories[MODEL_CATEGORIES];
        for (int k = 0; k < MODEL_CATEGORIES; k++) {
            if (scanf("%d", &categories[k]) != 1) return 2;
        }
#endif
#ifdef TIMED
        double time;
        if (scanf("%lf", &time) != 1) return 2;
#endif
        if (first) model_reset(&state);
        done = model_step(&state, ARGUMENTS outputs);
        if (done != 0) {
            printf("refused %d\n", done);
            continue;
        }
        for (int l = 0; l < MODEL_OUTPUTS; l++) printf("%.17g ", (double)outputs[l]);
        printf("\n");
    }
    return 0;
}
"""


def tool(name: str) -> str:
    """Return the path of a program; where it is missing the test is skipped, or fails in CI."""
    path = shutil.which(name)
    if path is None:
        missing = f"there is no {name}; 'make packages' installs it"
        if os.environ.get("RNN_RUST_NEEDS_TOOLS"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def compiled(folder: Path, *options: str, compiler: str = "cc") -> Path:
    """Compile all C of a folder to a program in its parent, as users do but for warnings."""
    program = folder.parent / f"{folder.name}-{compiler}"
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    call([tool(compiler), *STRICT, *options, *sources, "-lm", "-o", str(program)])
    return program


def call(command: list[str], text: str = "") -> str:
    """Return what a program prints, which must end well."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def state_size(folder: Path) -> str:
    """Return what the compiler has as the size of a state."""
    source = folder.parent / "size.c"
    source.write_text(
        '#include <stdio.h>\n#include "model.h"\n'
        'int main(void) { printf("%zu", sizeof(model_state)); return 0; }\n'
    )
    program = folder.parent / "size"
    call([tool("cc"), "-std=c99", f"-I{folder}", str(source), "-o", str(program)])
    return call([str(program)])


class Driver:
    """A program that feeds events to an exported model, whose name is "model"."""

    def __init__(self, model: Model, folder: Path) -> None:
        encoder = model.encoder
        timed = encoder is not None and bool(encoder.times)
        has_features = encoder is None or bool(encoder.numbers)
        names = [
            *(["features"] if has_features else []),
            *(["categories"] if encoder is not None and encoder.levels else []),
            *(["time"] if timed else []),
        ]
        real = "float" if model.settings["dtype"] == "float32" else "double"
        scaled = model.scaler is not None and model.scaler.labels
        source = folder.parent / "driver.c"
        source.write_text(DRIVER)
        self.program = folder.parent / "driver"
        call([
            tool("cc"), *STRICT, f"-DREAL={real}", f"-DOUTPUT={'double' if scaled else real}",
            *(["-DTIMED"] if timed else []), f"-DARGUMENTS={''.join(f'{n}, ' for n in names)}",
            f"-I{folder}", str(source), str(folder / "model.c"), "-lm", "-o", str(self.program),
        ])  # fmt: skip

    def lines(self, rows: Iterable[Iterable[Any]]) -> list[str]:
        """Return what is printed for rows of first, features, categories and time."""
        text = "\n".join(" ".join(f"{value:.17g}" for value in row) for row in rows)
        return call([str(self.program)], text).splitlines()

    def outputs(self, rows: Iterable[Iterable[Any]]) -> NDArray[np.float64]:
        """Return the outputs ``(N, L)``."""
        return np.array([[float(each) for each in line.split()] for line in self.lines(rows)])


def begins(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 1 for each row that is the first of a sequence, else 0."""
    first = np.zeros(offsets[-1], np.int64)
    first[offsets[:-1]] = 1
    return first
