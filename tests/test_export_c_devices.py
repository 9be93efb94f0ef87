"""Exported C on another processor, under an emulator; and watched by valgrind."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_code import call, compiled, tool
from networks import CELLS
from oracle import make_data
from purchases import TIMES, frame, trained

import rnn_rust as rnn

ARM = "arm-linux-gnueabihf-gcc"
NETWORKS = [
    pytest.param(cell, layers, id=f"{cell}-{layers}")
    for cell, layers in itertools.product(CELLS, (1, 2))
]


def exported(cell: str, layers: int, folder: Path, **options: Any) -> Path:
    """Export a model whose scaler has seen data; in turn with one of the outputs."""
    kind, own = CELLS[cell]
    scaler = rnn.StandardScaler().fit(make_data([20, 20], 3, 2))
    kind(3, 7, 2, num_layers=layers, scaler=scaler, **own, **options).to_c(folder / "exported")
    return folder / "exported"


def exported_with_all(folder: Path) -> Path:
    """Export a model with categories, gaps, times, and probabilities of classes."""
    table = frame(dates=True).with_columns(y1=np.arange(160) % 3)
    trained(
        table, scaler="standard", missing="forward", missing_indicator=True, loss="cross_entropy",
        time_features=TIMES,
    ).to_c(folder / "exported")  # fmt: skip
    return folder / "exported"


def on_arm(folder: Path) -> None:
    emulator = tool("qemu-arm")
    program = compiled(folder, "-O2", "-static", compiler=ARM)
    assert re.match(r"model: 32 steps, largest error", call([emulator, str(program)]))
    # It is a program for another processor.
    assert program.read_bytes()[18:20] == b"\x28\x00"


def under_valgrind(folder: Path) -> None:
    """Nothing is read that was not written."""
    watch = [tool("valgrind"), "--quiet", "--error-exitcode=9", "--leak-check=full"]
    shown = call([*watch, str(compiled(folder, "-O1", "-g"))])
    assert re.match(r"model: 32 steps, largest error", shown)


def within_arrays(folder: Path) -> None:
    """Nothing is read beyond an array, constant ones too, and nothing is undefined."""
    options = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    assert re.match(r"model: 32 steps, largest error", call([str(compiled(folder, *options))]))


@pytest.mark.parametrize(("cell", "layers"), NETWORKS)
def test_every_cell_on_arm(cell: str, layers: int, tmp_path: Path) -> None:
    on_arm(exported(cell, layers, tmp_path))


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_double_on_arm(cell: str, tmp_path: Path) -> None:
    on_arm(exported(cell, 2, tmp_path, dtype="float64"))


def test_categories_gaps_and_times_on_arm(tmp_path: Path) -> None:
    on_arm(exported_with_all(tmp_path))


@pytest.mark.parametrize(("cell", "layers"), NETWORKS)
def test_every_cell_under_valgrind(cell: str, layers: int, tmp_path: Path) -> None:
    under_valgrind(exported(cell, layers, tmp_path))


def test_categories_gaps_and_times_under_valgrind(tmp_path: Path) -> None:
    under_valgrind(exported_with_all(tmp_path))


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_read_beyond_an_array(cell: str, tmp_path: Path) -> None:
    within_arrays(exported(cell, 2, tmp_path))


def test_categories_are_looked_up_within_their_rows(tmp_path: Path) -> None:
    within_arrays(exported_with_all(tmp_path))


def test_the_watch_sees_a_state_that_was_not_made_ready(tmp_path: Path) -> None:
    folder = exported("GRU", 1, tmp_path)
    test = folder / "model_test.c"
    text = test.read_text()
    assert "    model_init(&state);\n" in text
    broken = text.replace("    model_init(&state);\n", "").replace(
        "if (first[t])", "if (t && first[t])"
    )
    test.write_text(broken)
    with pytest.raises(AssertionError, match="uninitialised"):
        under_valgrind(folder)


@pytest.mark.parametrize("cell", ["RNN relu", "GRU", "GRU reset before", "LSTM"])
def test_the_source_allocates_and_includes_nothing(cell: str, tmp_path: Path) -> None:
    folder = exported(cell, 2, tmp_path)
    source, header = (folder / "model.c").read_text(), (folder / "model.h").read_text()
    assert re.findall("#include (.*)", source) == ['"model.h"', "<math.h>", "<stddef.h>"]
    assert "#include" not in header
    objects = tmp_path / "model.o"
    call([tool("cc"), "-std=c99", "-O2", "-c", str(folder / "model.c"), "-o", str(objects)])
    symbols = call([tool("nm"), str(objects)])
    # Functions of others: those of math.h alone. And nothing that is written to.
    outside = set(re.findall(r"^ +U (\w+)$", symbols, re.MULTILINE))
    assert outside <= {"expf", "tanhf", "memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}
    defined = set(re.findall(r"^[0-9a-f]+ T (\w+)$", symbols, re.MULTILINE))
    assert defined == {"model_init", "model_reset", "model_step"}
    assert not re.search(r"^[0-9a-f]+ [bBdDC] ", symbols, re.MULTILINE)


def test_a_wrong_weight_fails_the_test(tmp_path: Path) -> None:
    folder = exported("LSTM", 2, tmp_path)
    source = folder / "model.c"
    text = source.read_text()
    begin = text.index("weight_hh_l1[")
    value = re.compile(r"-?[\d.]+(e-\d+)?f").search(text, begin)
    assert value is not None
    source.write_text(f"{text[: value.start()]}0.125f{text[value.end() :]}")
    with pytest.raises(AssertionError, match=r"step \d+, output \d: .* instead of"):
        call([str(compiled(folder))])
