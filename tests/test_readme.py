"""Every example of the README runs: Python in one namespace, commands in one folder."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_rust

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder that looks like a checkout to the examples, and is thrown away."""
    for name in ("data", "examples", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_examples(workplace):
    blocks = [code for language, code in BLOCKS if language == "python"]
    assert len(blocks) >= 4
    namespace = {}
    for number, code in enumerate(blocks, start=1):
        exec(compile(code, f"README.md, Python block {number}", "exec"), namespace)


def test_commands(workplace):
    lines = "".join(code for language, code in BLOCKS if language == "console").splitlines()
    commands = [line[2:] for line in lines if line.startswith("$ rnn-rust ")]
    assert len(commands) >= 4
    rnn_rust.RNN(3, 5, 1).save("model.safetensors")  # as the Python examples do
    for command in commands:
        words = shlex.split(command, comments=True)
        done = subprocess.run(
            [sys.executable, "-m", "rnn_rust", *words[1:]],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_error_shown_is_the_error_given(workplace):
    (shown,) = (text for language, text in BLOCKS if language == "text")
    (workplace / "readings.csv").write_text("id,t,x1,y1\na,1,0.5,1\na,2,o.7,0\n")
    done = subprocess.run(
        [sys.executable, "-m", "rnn_rust", "train", "readings.csv"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == (shown, 2)


def test_make_targets_exist():
    targets = set(re.findall(r"^\$ make ([a-z]+)", (ROOT / "README.md").read_text(), re.M))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"demo", "test"} <= targets <= known


def test_the_section_on_speed_is_that_of_the_newest_record(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import speed_table
    from record import newest

    text = (ROOT / "README.md").read_text()
    assert speed_table.replaced(text, newest()) == text
    assert "Measured on" in text
