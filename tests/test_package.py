"""The package as a whole: what importing it costs, its names, its documentation."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import pydoc
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest
from conftest import RunPython

import rnn_rust
from rnn_rust import Dataset, History, Sequence, errors, schedules

ROOT = Path(__file__).parent.parent
MODULES = ["rnn_rust"] + [
    module.name
    for module in pkgutil.walk_packages(rnn_rust.__path__, "rnn_rust.")
    if not module.name.split(".")[-1].startswith("_")
]
MEMBERS = (FunctionType, classmethod, staticmethod, property)


def test_importing_takes_numpy_alone(run_python: RunPython) -> None:
    done = run_python(
        "import sys, rnn_rust\n"
        "rnn_rust.RNN(1, 2, 1), rnn_rust.Dataset, rnn_rust.RegressionEvaluator, rnn_rust.load\n"
        "print(*sys.modules)"
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "numpy" in loaded
    heavy = {"polars", "rich", "click", "sklearn", "matplotlib", "safetensors", "pandas"}
    assert not loaded & heavy


def test_names() -> None:
    for name in rnn_rust.__all__:
        assert getattr(rnn_rust, name) is getattr(rnn_rust, name)
        assert name in dir(rnn_rust)
    assert len(set(rnn_rust.__all__)) == len(rnn_rust.__all__)
    submodules = {"callbacks", "data", "errors", "evaluate", "log", "losses", "optim", "schedules"}
    shown = {name for name in dir(rnn_rust) if not name.startswith("_")}
    assert shown == set(rnn_rust.__all__) | submodules
    assert all(getattr(rnn_rust, name) for name in dir(rnn_rust))
    with pytest.raises(AttributeError, match="'rnn_rust' has no attribute 'LSTM5'"):
        rnn_rust.LSTM5  # noqa: B018


def test_the_version_is_that_of_the_engine() -> None:
    assert rnn_rust.__version__ == rnn_rust._core.__version__
    assert f'version = "{rnn_rust.__version__}"' in (ROOT / "Cargo.toml").read_text("utf-8")


def test_errors_are_also_the_builtin_ones() -> None:
    ours = [error for _, error in inspect.getmembers(errors, inspect.isclass)]
    assert errors.DataError in ours
    warned = [error for error in ours if issubclass(error, Warning)]
    assert warned == [errors.OverlapWarning, errors.StateWarning]
    ours = [error for error in ours if error not in warned]
    for error in ours:
        assert issubclass(error, errors.RnnRustError)
        assert error is errors.RnnRustError or issubclass(
            error, ValueError | RuntimeError | MemoryError
        )
        assert error.__module__ == "rnn_rust.errors"


def public_objects() -> Iterator[tuple[str, object]]:
    """Every module, and every public class, function, method and property of the package."""
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        yield module_name, module
        for name, item in vars(module).items():
            if name.startswith("_") or getattr(item, "__module__", None) != module_name:
                continue
            yield f"{module_name}.{name}", item
            if inspect.isclass(item):
                for key, member in vars(item).items():
                    if not key.startswith("_") and isinstance(member, MEMBERS):
                        yield f"{module_name}.{name}.{key}", member


def test_everything_public_is_documented() -> None:
    objects = dict(public_objects())
    assert len(objects) > 100
    assert objects.keys() >= {
        "rnn_rust.model.network.Network.predict",
        "rnn_rust.data.dataset.Dataset.from_csv",
    }
    assert [name for name, item in objects.items() if not inspect.getdoc(item)] == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_the_main_entries_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for item in (rnn_rust, rnn_rust.RNN, rnn_rust.Dataset, rnn_rust.History):
        tests = finder.find(item, globs={}) if not inspect.ismodule(item) else finder.find(item)
        assert any(test.examples for test in tests)


# What help and notebooks show ----------------------------------------------------------------


def described(text: str | None) -> set[str]:
    """Return the names that have an entry in the Parameters of a docstring."""
    section = (text or "").partition("Parameters\n----------\n")[2]
    entries = re.split(r"\n\n[A-Z]\w+\n-+\n", section)[0]
    names: set[str] = set()
    for line in re.findall(r"^[\w*].*$", entries, re.MULTILINE):
        names |= {name.lstrip("*") for name in line.partition(" : ")[0].split(", ")}
    return names


PUBLIC = [
    getattr(rnn_rust, name)
    for name in rnn_rust.__all__
    if name not in ("errors", "load", "load_scorer")
]
CONSTRUCTED = [each for each in PUBLIC if each not in (Dataset, Sequence, History)] + [
    getattr(schedules, name) for name in schedules.__all__ if name != "Plateau"
]


@pytest.mark.parametrize("kind", CONSTRUCTED, ids=lambda kind: kind.__name__)
def test_a_class_describes_its_own_arguments(kind: type) -> None:
    arguments = set(inspect.signature(kind).parameters)
    assert arguments <= described(inspect.getdoc(kind))


@pytest.mark.parametrize("kind", [rnn_rust.RNN, rnn_rust.GRU, rnn_rust.LSTM])
def test_a_model_shows_every_argument_once(kind: type) -> None:
    for shown in (kind, kind.__init__):  # type: ignore[misc]
        arguments = set(inspect.signature(shown).parameters) - {"self"}
        text = inspect.getdoc(shown)
        assert text is not None
        assert described(text) == arguments
        assert len(arguments) == 28
        assert "options" not in text
        assert "network.Network" not in text
        assert text.count("\nnum_layers\n    Number of stacked layers.\n") == 1
        assert text.count("\nRaises\n------\nParameterError\n") == 1
    assert "options" in inspect.getsource(kind)
    assert kind.__name__ in pydoc.render_doc(kind)


METHODS = [
    getattr(kind, name)
    for kind in PUBLIC
    for name in dir(kind)
    if not name.startswith("_") and inspect.isroutine(getattr(kind, name))
]


def test_methods_mention_their_arguments_in_their_docstrings() -> None:
    assert len(METHODS) > 80
    silent = []
    for method in METHODS:
        names = set(inspect.signature(method).parameters) - {"self", "training", "record"}
        unsaid = {name for name in names if not re.search(rf"\b{name}\b", method.__doc__ or "")}
        # What "Return the losses of the data" takes is plain.
        if len(names) > 1 and unsaid:
            silent.append((method.__qualname__, unsaid))
    assert silent == []


def test_the_package_works_without_docstrings(run_python: RunPython) -> None:
    code = (
        "import rnn_rust as rnn, inspect\n"
        "print(rnn.GRU(1, 2, 1).predict(rnn.Dataset.from_arrays([1.0], None, [0, 1])).shape,"
        " rnn.GRU.__doc__, len(inspect.signature(rnn.GRU).parameters))"
    )
    assert run_python(code, PYTHONOPTIMIZE="2").stdout == "(1, 1) None 28\n"
