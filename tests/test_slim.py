"""A slim place to score: NumPy and safetensors are enough to load, predict, step and score."""

from __future__ import annotations

import ast
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from networks import ARCHITECTURES

import rnn_rust
from rnn_rust import GRU, LSTM, RNN, Dataset
from rnn_rust.models import Model

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def slim_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a fresh environment with these packages and no other."""
    folder = tmp_path_factory.mktemp("slim")
    venv.create(folder, with_pip=False)
    site = next(folder.glob("[Ll]ib/**/site-packages"))
    for package in (np, safetensors, rnn_rust):
        source = Path(package.__file__).parent
        (site / source.name).symlink_to(source, target_is_directory=True)
        libraries = source.with_name(f"{source.name}.libs")
        if libraries.exists():
            (site / libraries.name).symlink_to(libraries, target_is_directory=True)
    return next(folder.glob("[bS]*/python*"))


def run(python: Path, code: str, *arguments: Any) -> str:
    """Return what code prints there; no folder of the tests can be imported from."""
    command = [python, "-I", "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def series(length: int = 12) -> Dataset:
    """Return two sequences with numbers, a category, times and a label."""
    rng = np.random.default_rng(0)
    return Dataset.from_frame(
        {
            "id": [1] * length + [2] * length,
            "t": list(range(length)) * 2,
            "amount": rng.normal(size=2 * length),
            "shop": rng.choice(["inn", "bar", "spa"], 2 * length).tolist(),
            "y": rng.normal(size=2 * length),
        },
        features=["amount", "shop"],
        labels="y",
    )


def test_there_is_nothing_else(slim_python: Path) -> None:
    code = (
        "from importlib.util import find_spec\n"
        "print([name for name in ('polars', 'click', 'rich', 'pandas', 'h5py') if find_spec(name)])"
    )
    assert run(slim_python, code) == "[]\n"


SCORE = """
import sys
import numpy as np
import rnn_rust as rnn

path, arrays = sys.argv[1:]
with np.load(arrays) as file:
    X, outputs, steps = file["X"], file["outputs"], file["steps"]
model = rnn.load(path)
assert np.array_equal(model.predict(X), outputs)
assert np.array_equal(np.concatenate(model.predict([*X])), outputs.reshape(-1, outputs.shape[-1]))
if len(steps):
    stepper = model.stepper()
    assert np.array_equal([stepper.step(row) for row in X[0]], steps)
    scorer = model.scorer()
    assert np.array_equal([scorer.score("card", row) for row in X[0][:5]], steps[:5])
    scorer.save(arrays + ".states")
    scorer = rnn.load_scorer(arrays + ".states")
    assert np.array_equal(scorer.score_batch(["card"] * 4, X[0][5:]), steps[5:])
model.save(path)
assert np.array_equal(rnn.load(path).predict(X), outputs)
loaded = {name.partition(".")[0] for name in sys.modules}
loaded &= {"numpy", "safetensors", "polars", "click", "rich"}
print(sorted(loaded), model.summary().parameters)
"""


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_loading_predicting_and_stepping(
    slim_python: Path, tmp_path: Path, kind: type[Model], architecture: dict[str, Any]
) -> None:
    model = kind(3, 5, 2, scaler="standard", **architecture)
    X = np.random.default_rng(1).normal(2, 3, size=(4, 9, 3))
    data = Dataset.from_arrays(X.reshape(-1, 3), X.reshape(-1, 3)[:, :2], np.arange(0, 37, 9))
    model.fit(data, epochs=2, progress=False)
    steps: Any = []
    if "bidirectional" not in architecture:
        stepper = model.stepper()
        steps = [stepper.step(row) for row in X[0]]
    path, arrays = tmp_path / "model.safetensors", tmp_path / "arrays.npz"
    model.save(path)
    np.savez(arrays, X=X, outputs=model.predict(X), steps=steps)
    parameters = sum(array.size for array in model.state_dict().values())
    assert run(slim_python, SCORE, path, arrays) == f"['numpy', 'safetensors'] {parameters}\n"


STEP = """
import sys
import numpy as np
import rnn_rust as rnn

model = rnn.load(sys.argv[1])
stepper = model.stepper()
for t, amount, shop in ((0, 0.5, "inn"), (3, -1.0, "new"), (4, None, "bar")):
    print(*stepper.step({"t": t, "amount": amount, "shop": shop}))
"""


def test_categories_gaps_and_times_in_a_stepper(slim_python: Path, tmp_path: Path) -> None:
    data = series()
    model = GRU(hidden_size=4, missing="mean", time_features=("elapsed",), scaler="minmax")
    model.fit(data, epochs=2, progress=False)
    path = tmp_path / "model.safetensors"
    model.save(path)
    here = subprocess.run(
        [sys.executable, "-c", STEP, path], capture_output=True, text=True, check=True
    )
    assert run(slim_python, STEP, path) == here.stdout
    assert len(here.stdout.splitlines()) == 3


TRAIN = """
import numpy as np
import rnn_rust as rnn

X = np.random.default_rng(0).normal(size=(20, 2))
data = rnn.Dataset.from_arrays(X, X[:, :1], [0, 8, 20])
model = rnn.LSTM(2, 4, 1)
before = model.evaluate(data).rmse
model.fit(data, epochs=30)
assert model.evaluate(data).rmse < before
weights = model.to_torch_state_dict()
assert np.array_equal(rnn.from_torch(weights).predict(X), model.predict(X))
"""


def test_training_on_arrays_needs_no_more(slim_python: Path) -> None:
    run(slim_python, TRAIN)


def test_polars_comes_from_one_place() -> None:
    """Otherwise the error where it is missing would not say what to do."""
    package = Path(rnn_rust.__file__).parent
    importing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in statements(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import) and node.names[0].name == "polars"
    }
    assert importing == {"base/polars.py"}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what can run: all but the imports for type checkers."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from statements(child)


@pytest.mark.parametrize(
    "call",
    [
        f"rnn.Dataset.from_csv({str(DATA / 'sample.csv')!r})",
        f"rnn.Dataset.from_file({str(DATA / 'sample.csv')!r})",
        "rnn.Dataset.from_frame({'id': [1], 'x': [1.0]})",
        "rnn.Dataset.from_arrays([[1.0]], [[1.0]], [0, 1]).to_frame()",
        "rnn.Dataset.from_arrays([[1.0]], [[1.0]], [0, 1], times=['2024-01']).times",
        f"rnn.RNN(3, 2, 1).predict({str(DATA / 'sample.csv')!r})",
        "rnn.RNN(1, 2, 1).predict({'x1': [1.0]})",
        "rnn.RNN(1, 2, 1).score_frame({'x1': [1.0]})",
        "rnn.History([]).to_frame()",
    ],
)
def test_what_needs_polars_says_so(slim_python: Path, call: str) -> None:
    code = (
        "import rnn_rust as rnn\n"
        f"try: {call}\n"
        "except ModuleNotFoundError as error: print(error.name, '|', error)"
    )
    assert run(slim_python, code) == (
        "polars | tables, files and frames take Polars, which is not installed: pip install "
        "polars; without it a model predicts on NumPy arrays, and steps\n"
    )


def test_the_command_line_and_the_log_say_what_they_take(slim_python: Path) -> None:
    for module, wanted in (
        ("rnn_rust.cli", "click | the command line takes click and rich: pip install click rich"),
        ("rnn_rust.log", "rich | the log on a terminal takes rich: pip install rich; without it"),
    ):
        code = (
            f"try: import {module}\n"
            "except ModuleNotFoundError as error: print(error.name, '|', error)"
        )
        assert run(slim_python, code).startswith(wanted)


def test_a_command_that_lacks_a_library_is_no_bug() -> None:
    code = "import sys; sys.modules['polars'] = None; from rnn_rust.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", DATA / "sample.csv"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("Error: tables, files and frames take Polars, which is not inst")
    assert done.stderr.count("\n") == 1
