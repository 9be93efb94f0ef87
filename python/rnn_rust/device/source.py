"""The source: constants, functions for activations and cells, and the functions that call them."""

from __future__ import annotations

from rnn_rust.device import cells
from rnn_rust.device.constants import arrays
from rnn_rust.device.design import Design
from rnn_rust.device.interface import fill
from rnn_rust.device.step import step
from rnn_rust.device.words import array

_SOURCE = """\
/* $prefix.c: $title, $mark $version; $prefix.h says how to use it. */
#include "$prefix.h"

#include <math.h>
#include <stddef.h>

#define ${N}_INPUTS $inputs /* of the first layer, beside categories */
#define ${N}_GATES $gates /* columns of a layer's weights */

$arrays
$functions
void ${prefix}_reset(${prefix}_state *state)
{
$reset
}

void ${prefix}_init(${prefix}_state *state)
{
    ${prefix}_reset(state);
}

int ${prefix}_step($arguments)
{
$step
}
"""


def source(design: Design) -> str:
    """Return the source file."""
    shown = [array(one.name, one.values, one.c_type, one.size, one.about) for one in arrays(design)]
    return fill(
        design, _SOURCE, inputs=design.inputs, gates=design.gates, arrays="\n".join(shown),
        functions=fill(design, _functions(design), activation=_unit_activation(design)),
        reset=_reset(design), step=fill(design, step(design)),
    )  # fmt: skip


def _unit_activation(design: Design) -> str:
    text = cells.call(design.activation, "gates[u]") if design.model.cell == "RNN" else ""
    return text.replace("$f", "f" if design.is_float else "")


def _functions(design: Design) -> str:
    """Return only the functions that the step calls."""
    model, output = design.model, design.model.applied_activation
    units = {"RNN": cells.RNN, "GRU": cells.GRU, "LSTM": cells.LSTM}[model.cell]
    of_units = "sigmoid"
    if model.cell == "RNN":
        of_units = design.activation
    elif model.cell == "GRU" and not model.settings["reset_after"]:
        units = cells.GRU_RESET_BEFORE
    parts = [cells.definition(name) for name in dict.fromkeys((of_units, output))]
    parts += [cells.PRODUCT, units]
    if output == "softmax":
        parts.append(cells.SOFTMAX)
    if {"hour", "weekday"} & set(design.times):
        parts.append(cells.CYCLE)
    if "yearday" in design.times:
        parts.append(cells.YEAR)
    return "\n".join(part for part in parts if part)


def _reset(design: Design) -> str:
    values = ["state->h[k][u] = $zero;"]
    if design.model.cell == "LSTM":
        values.append("state->c[k][u] = $zero;")
    up, zero = design.prefix.upper(), "0.0f" if design.is_float else "0.0"
    lines = [
        f"    for (size_t k = 0; k < {up}_LAYERS; k++) {{",
        f"        for (size_t u = 0; u < {up}_HIDDEN; u++) {{",
        *(f"            {value.replace('$zero', zero)}" for value in values),
        "        }",
        "    }",
    ]
    if design.fill == "forward" and design.features:
        lines += [
            f"    for (size_t i = 0; i < {up}_FEATURES; i++) {{",
            "        state->last[i] = feature_mean[i];",
            "    }",
        ]
    if design.times:
        lines += ["    state->time = 0.0;", "    state->has_begun = 0;"]
    return "\n".join(lines)
