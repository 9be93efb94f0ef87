"""Fail if modules of the core use one another in a circle, file by file or room by room.

    python rust/core/scripts/module_circles.py

A *room* is a folder or file directly under ``src``. A module depends on every module that it names
in a path; names that a module re-exports count for the module that defines them. Files inside of
``lanes/`` are mutually recursive by nature, and so is left out what they use of one another. Unit
tests may use anything.
"""

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
MUTUAL = "lanes"
STATEMENT = r"(pub(?:\([a-z]+\))? )?\buse ([^;]+);"
INLINE = r"(?<![\w:])((?:crate|super|[a-z_]+)(?:::\w+)+)"
Module = tuple[str, ...]


def module_of(file: Path) -> Module:
    """Return the path of a file's module, as segments."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def code_of(file: Path) -> str:
    """Return the text of a file without comments and unit tests."""
    text = re.split(r"^#\[cfg\(test\)\]\nmod tests \{", file.read_text(), flags=re.MULTILINE)[0]
    return re.sub(r"//.*", "", text).replace("$crate", "crate")


def paths_in(tree: str, prefix: Module = ()) -> list[Module]:
    """Return the paths of a use tree, such as ``a::{b, c::d}``."""
    head, brace, rest = tree.strip().partition("{")
    prefix += tuple(part.strip() for part in head.split(" as ")[0].split("::") if part.strip())
    if not brace:
        return [prefix]
    branches = re.findall(r"[^,{}]+(?:\{(?:[^{}]|\{[^{}]*\})*\})?", rest.rsplit("}", 1)[0])
    return [path for branch in branches if branch.strip() for path in paths_in(branch, prefix)]


def dependencies() -> dict[Module, set[Module]]:
    """Return which modules each module uses."""
    code = {module_of(f): code_of(f) for f in SOURCE.rglob("*.rs") if f.stem != "tests"}
    uses: dict[Module, list[Module]] = {}
    exports: dict[Module, Module] = {}

    def absolute(path: Module, module: Module) -> Module:
        while path[0] == "super":
            path, module = ("self", *path[1:]), module[:-1]
            if path[1:2] == ("super",):
                path = path[1:]
        if path[0] in ("crate", "self"):
            return (() if path[0] == "crate" else module) + path[1:]
        return (*module, *path) if (*module, path[0]) in code else path

    for module, text in code.items():
        body = re.sub(STATEMENT, "", text)
        named = [tuple(path.split("::")) for path in re.findall(INLINE, body)]
        for public, tree in re.findall(STATEMENT, text):
            for path in paths_in(tree):
                if public:
                    exports[(*module, path[-1])] = absolute(path, module)
                if not public or re.search(rf"\b{path[-1]}\b", body):
                    named.append(path)
        uses[module] = [absolute(path, module) for path in named]

    def defined_in(path: Module) -> Module | None:
        for end in range(len(path), -1, -1):
            if end and path[:end] in code:
                return path[:end]
            if path[:end] in exports:
                return defined_in(exports[path[:end]])
        return None

    return {m: {d for p in paths if (d := defined_in(p))} - {m} for m, paths in uses.items() if m}


def circle(graph: dict[Module, set[Module]]) -> list[Module]:
    """Return the modules of a circle, or nothing."""
    done: set[Module] = set()

    def visit(module: Module, way: list[Module]) -> list[Module]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module not in done:
            for other in sorted(graph.get(module, ())):
                if found := visit(other, [*way, module]):
                    return found
            done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module, []))), [])


def main() -> None:
    """Check files, then rooms."""
    graph = dependencies()
    rooms: dict[Module, set[Module]] = {}
    for module, others in graph.items():
        rooms.setdefault(module[:1], set()).update({o[:1] for o in others} - {module[:1]})
    files = {m: {o for o in others if not m[0] == o[0] == MUTUAL} for m, others in graph.items()}
    for what, edges in ("rooms", rooms), ("files", files):
        if found := circle(edges):
            sys.exit(f"a circle of {what}: " + " -> ".join("::".join(module) for module in found))
    print(f"no circle among {len(rooms)} rooms and {len(files)} files")


if __name__ == "__main__":
    main()
