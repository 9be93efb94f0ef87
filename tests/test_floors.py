"""What the import contracts of ``make lint`` cannot see: modules that are loaded by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import rnn_rust

PACKAGE = Path(rnn_rust.__file__).parent
ROOT = PACKAGE.parent.parent
LOADERS = {"import_module", "_import_module", "__import__", "find_spec"}


def loaded_by_name(path: Path) -> list[str]:
    """Return the calls in a file that load a module by its name, as source."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if is_load(node)]
    return [ast.unparse(call) for call in calls]


def is_load(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in LOADERS


def test_only_the_package_itself_loads_modules_by_name() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): calls
        for path in PACKAGE.rglob("*.py")
        if (calls := loaded_by_name(path))
    }
    # Public names load when first used; of ipywidgets it is only asked whether it is there.
    assert found.keys() == {"__init__.py", "training/progress.py"}
    assert not any("rnn_rust" in call for call in found["training/progress.py"])


def test_public_names_come_from_where_the_stub_has_them() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) > 20
    for node in imports:
        for alias in node.names:
            assert alias.asname == alias.name
            value = getattr(rnn_rust, alias.name)
            assert getattr(value, "__module__", node.module) == node.module


def test_the_engine_asks_python_for_nothing_but_exceptions() -> None:
    for path in (ROOT / "rust" / "bindings" / "src").rglob("*.rs"):
        source = path.read_text("utf-8")
        assert not re.search(r"\.import\(", source), path.name
        homes = re.findall(r"import_exception!\(([\w.]+),", source)
        assert set(homes) <= {"rnn_rust.errors"}, path.name
