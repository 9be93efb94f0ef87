"""``rnn-rust export``: what it writes and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from c_code import call, compiled
from conftest import check_error, run, run_well

import rnn_rust as rnn

pytestmark = pytest.mark.usefixtures("folder", "logger_as_before")


def test_a_model_file_becomes_c_that_gives_its_outputs(model: Path) -> None:
    result = run_well("export", model, "--output", "c")
    assert result.stdout == ""
    assert "Wrote model.c, its header and its test to c" in result.stderr
    assert sorted(path.name for path in Path("c").iterdir()) == [
        "model.c", "model.h", "model_test.c", "model_vectors.h",
    ]  # fmt: skip
    assert call([str(compiled(Path("c").resolve()))]).startswith("model: 32 steps")
    rnn.load(model).to_c("again")
    for path in Path("c").iterdir():
        assert path.read_bytes() == (Path("again") / path.name).read_bytes()


def test_names_begin_with_the_file_or_as_said(model: Path) -> None:
    model.rename("pump 7.v2.safetensors")
    run_well("export", "pump 7.v2.safetensors", "--output", "a")
    assert Path("a/pump_7.c").is_file()
    run_well("export", "pump 7.v2.safetensors", "--output", "b", "--name", "Valve")
    assert "int Valve_step(Valve_state *state" in Path("b/Valve.h").read_text()


def test_what_cannot_be_is_said_in_one_line(model: Path) -> None:
    check_error(run("export", "none.safetensors", "--output", "c"), "no file none.safetensors")
    check_error(run("export", model, "--output", "c", "--name", "7"), "name must be letters")
    check_error(run("export", model), "--output")
    Path("full").mkdir()
    Path("full/mine").write_text("")
    check_error(run("export", model, "--output", "full"), "full", "other contents, mine")
    rnn.GRU(2, 3, 1, bidirectional=True).save("both.safetensors")
    check_error(run("export", "both.safetensors", "--output", "c"), "bidirectional")
    model.rename("1.safetensors")
    check_error(run("export", "1.safetensors", "--output", "c"), "name must", "'1'")
    assert not Path("c").exists()
