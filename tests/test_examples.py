"""The example scripts and the notebook run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOK = nbformat.read(ROOT / "examples/weather.ipynb", as_version=4)


@pytest.fixture
def checkout(tmp_path):
    """A folder with the repository's data, in which the examples may write."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    return tmp_path


def run(folder, *command):
    """Run an example in a folder; return what it prints."""
    script, *arguments = command
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *arguments],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_training_by_hand(checkout):
    lines = run(checkout, "by_hand.py").splitlines()
    losses = [float(line.split()[3][:-1]) for line in lines if ": train" in line]
    assert losses[-1] < 0.5 * losses[0]


def test_digits_are_read(checkout):
    shown = run(checkout, "digits.py", "--seeds", "1", "--epochs", "15")
    assert "898 images to learn from, 899 held out" in shown
    assert float(shown.split()[-1]) > 0.9


def test_a_training_that_is_killed_goes_on(checkout):
    whole = run(checkout, "resume.py")
    (checkout / "resume.checkpoint").unlink()
    run(checkout, "resume.py", "--epochs", "10")
    shown = run(checkout, "resume.py")
    assert shown == whole
    assert float(shown.split()[-2]) < 3.1


def test_two_processes_share_a_study(checkout):
    command = [sys.executable, ROOT / "examples/tune_weather.py", "--trials", "4"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=checkout, **pipes) for _ in range(2)]
    shown = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    # The later one sees the trials of both.
    found = [re.search(r"(\d+) trials, (\d+) pruned", text) for text in shown]
    assert max(sum(map(int, match.groups())) for match in found) >= 7
    assert min(float(text.split()[-2]) for text in shown) < 3.2
    none = subprocess.run(
        [*command[:-1], "0"], check=False, cwd=checkout, capture_output=True, text=True
    )
    assert none.stderr.splitlines()[-1].endswith("error: --trials must be at least 1")


# The kernel runs on an event loop that opens sockets of its own.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_from_top_to_bottom(checkout):
    notebook = nbformat.from_dict(NOTEBOOK.copy())
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": checkout}}).execute()
    shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert "True" in shown[-1][-1]["data"]["text/plain"]


def test_the_notebook_is_saved_with_its_outputs():
    cells = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells)
    assert not any(o["output_type"] == "error" for cell in cells for o in cell.outputs)
