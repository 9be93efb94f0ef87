"""What the files share: the call of a step, and templates filled with names and types."""

from __future__ import annotations

from string import Template

from rnn_rust import _core
from rnn_rust.device.design import Design

MARK = "written by rnn-rust"
"""Text in the first line of each file."""


def fill(design: Design, text: str, **values: object) -> str:
    """Return a template filled with the names and types of a design."""
    common = {
        "prefix": design.prefix, "N": design.prefix.upper(), "real": design.real,
        "f": "f" if design.is_float else "", "title": title(design), "mark": MARK,
        "version": _core.__version__, "arguments": _arguments(design),
    }  # fmt: skip
    return Template(text).substitute(common | values)


def title(design: Design) -> str:
    """Return a short name of the network: ``a GRU 29-10-1``."""
    model = design.model
    inputs = design.features if model.encoder is None else model.encoder.input_count
    sizes, cell = [inputs, *[design.hidden] * design.layers, design.outputs], model.cell
    article = "a" if cell == "GRU" else "an"
    return f"{article} {cell} {'-'.join(map(str, sizes))}"


def _parameters(design: Design) -> list[tuple[str, str]]:
    """Return the declaration and name of each argument of a step."""
    up = design.prefix.upper()
    found = [(f"{design.prefix}_state *state", "&state")]
    if design.features:
        found.append((f"const {design.real} features[{up}_FEATURES]", "features"))
    if design.levels:
        found.append((f"const int categories[{up}_CATEGORIES]", "categories"))
    if design.times:
        found.append(("double time", "time"))
    return [*found, (f"{design.output_type} outputs[{up}_OUTPUTS]", "outputs")]


def _arguments(design: Design) -> str:
    """Return the arguments of a step, wrapped into lines."""
    indent = " " * len(f"int {design.prefix}_step(")
    lines = [""]
    for declared, _ in _parameters(design):
        if lines[-1] and len(indent) + len(lines[-1]) + len(declared) > 96:
            lines.append("")
        lines[-1] += f"{declared}, "
    return f"\n{indent}".join(line.rstrip() for line in lines).rstrip(",")


def call(design: Design) -> str:
    """Return the call of a step with variables named like its arguments."""
    return f"{design.prefix}_step({', '.join(name for _, name in _parameters(design))})"
