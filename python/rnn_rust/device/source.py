"""The header and the source of a network."""

from __future__ import annotations

from string import Template

from rnn_rust import _core
from rnn_rust.data.time_features import CYCLES, LOG_ELAPSED
from rnn_rust.device import cells
from rnn_rust.device.design import Array, Design, Enumeration
from rnn_rust.device.words import array, comment

MARK = "written by rnn-rust"
"""What the first line of each file says."""

_HEADER = """\
/* $prefix.h: $title, $mark $version.
 *
$usage
 *
$figures
 */
#ifndef ${N}_H
#define ${N}_H

#ifdef __cplusplus
extern "C" {
#endif

$sizes
$constants/* What is kept of a sequence between two steps. */
typedef struct {
$state
} ${prefix}_state;

/* Make a state ready, at the beginning of a sequence. */
void ${prefix}_init(${prefix}_state *state);

/* Begin another sequence. */
void ${prefix}_reset(${prefix}_state *state);

$about_step
int ${prefix}_step($arguments);

#ifdef __cplusplus
}
#endif

#endif
"""

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


def fill(design: Design, text: str, **values: object) -> str:
    """Return a template with the names and types of a design in their places."""
    common = {
        "prefix": design.prefix, "N": design.prefix.upper(), "real": design.real,
        "f": "f" if design.is_float else "", "title": title(design), "mark": MARK,
        "version": _core.__version__, "arguments": _arguments(design),
    }  # fmt: skip
    return Template(text).substitute(common | values)


def title(design: Design) -> str:
    """Return what it is: ``a GRU 29-10-1``."""
    model = design.model
    inputs = design.features if model.encoder is None else len(model.encoder.input_names)
    sizes, cell = [inputs, *[design.hidden] * design.layers, design.outputs], model.cell
    article = "a" if cell == "GRU" else "an"
    return f"{article} {cell} {'-'.join(map(str, sizes))}"


# The header ----------------------------------------------------------------------------------


def header(design: Design) -> str:
    """Return the header file."""
    return fill(
        design, _HEADER, usage=_usage(design), figures=_figures(design), sizes=_sizes(design),
        constants=_enumerations(design), state=_state(design), about_step=_about_step(design),
    )  # fmt: skip


def _parameters(design: Design) -> list[tuple[str, str]]:
    """Return declaration and name of each argument of a step."""
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
    """Return the arguments of a step, as many in a line as fit."""
    indent = " " * len(f"int {design.prefix}_step(")
    lines = [""]
    for declared, _ in _parameters(design):
        if lines[-1] and len(indent) + len(lines[-1]) + len(declared) > 96:
            lines.append("")
        lines[-1] += f"{declared}, "
    return f"\n{indent}".join(line.rstrip() for line in lines).rstrip(",")


def call(design: Design) -> str:
    """Return the call of a step with variables named as its arguments are."""
    return f"{design.prefix}_step({', '.join(name for _, name in _parameters(design))})"


def _usage(design: Design) -> str:
    lines = [
        f"    {design.prefix}_state state;",
        f"    {design.prefix}_init(&state);",
        f"    {call(design)};    for each event of a sequence",
        f"    {design.prefix}_reset(&state);    before the first of another",
    ]
    return "\n".join(f" * {line}" for line in lines)


def _figures(design: Design) -> str:
    arrays = design.arrays()
    size = design.width
    names = ("weight", "bias", "head")
    weights = sum(len(each.values) for each in arrays if each.name.startswith(names)) * size
    others = sum(_bytes(each) for each in arrays if not each.name.startswith(names))
    layers = "1 layer" if design.layers == 1 else f"{design.layers} layers"
    lines = {
        "sizes": f"{layers} of {design.hidden} units; {design.model.readout} readout",
        "weights": f"{weights:,} bytes" + (f", and {others:,} bytes of scales" if others else ""),
        "state": f"{design.state_bytes:,} bytes",
        "stack": f"about {design.stack_bytes:,} bytes in a step",
        "a step": f"{design.multiply_adds:,} multiply-adds of type {design.real}",
    }
    return "\n".join(f" * {name:<9}{what}" for name, what in lines.items())


def _bytes(one: Array) -> int:
    return int(one.values.nbytes if one.values.dtype.kind == "f" else 4 * len(one.values))


def _sizes(design: Design) -> str:
    up = design.prefix.upper()
    sizes = {
        "FEATURES": design.features, "CATEGORIES": len(design.levels), "LAYERS": design.layers,
        "HIDDEN": design.hidden, "OUTPUTS": design.outputs,
    }  # fmt: skip
    lines = [f"#define {up}_{name} {size}\n" for name, size in sizes.items() if size]
    if design.is_binary:
        threshold = design.model.threshold
        value = repr(0.5 if threshold is None else threshold) + ("f" if design.is_float else "")
        lines.append(f"#define {up}_THRESHOLD {value} /* an output above it means 1 */\n")
    return "".join(lines)


def _enumerations(design: Design) -> str:
    return "".join(f"{_enumeration(each)}\n" for each in design.enumerations)


def _enumeration(enumeration: Enumeration) -> str:
    names = enumeration.constants.items()
    lines = "\n".join(f"    {constant}, /* {comment(name)} */" for constant, name in names)
    # C99 allows a comma after the last, C++98 does not.
    last = lines.rfind(", /*")
    return f"/* {enumeration.about} */\nenum {{\n{lines[:last]}{lines[last + 1 :]}\n}};\n"


def _state(design: Design) -> str:
    up, real = design.prefix.upper(), design.real
    lines = [f"    {real} h[{up}_LAYERS][{up}_HIDDEN];"]
    if design.model.cell == "LSTM":
        lines.append(f"    {real} c[{up}_LAYERS][{up}_HIDDEN];")
    if design.fill == "forward" and design.features:
        lines.append(f"    {real} last[{up}_FEATURES]; /* the last of each that was not missing */")
    if design.times:
        lines.append("    double time; /* of the event before */")
        lines.append("    int has_begun; /* whether there was one in this sequence */")
    return "\n".join(lines)


def _about_step(design: Design) -> str:
    lines = ["Read one more event; return 0.", ""]
    if design.features:
        scaled = " in their original units" if design.model.scaler is not None else ""
        gaps = "NAN where one is missing" if design.fill != "error" else "all finite"
        lines.append(f"features:   numbers{scaled}, {gaps}.")
    if design.levels:
        lines.append("categories: the number of a level of each, as above.")
    if design.times:
        is_date = bool(set(design.times) & set(CYCLES))
        unit = "seconds since 1 January 1970, UTC"
        unit += "" if is_date else " (or the time as in training, if that was a number)"
        lines.append(f"time:       {unit}.")
    lines.append(f"outputs:    {_about_outputs(design)}.")
    if design.model.readout == "last":
        lines.append("            Those after the last event are the answer to the sequence.")
    checked = [name for name, there in _refused(design) if there]
    if checked:
        lines += ["", f"Return -1, and change nothing, if {' or '.join(checked)}."]
    return "/* " + "\n".join(f" * {line}".rstrip() for line in lines)[3:] + "\n */"


def _refused(design: Design) -> list[tuple[str, bool]]:
    gaps = design.fill != "error"
    return [
        ("a feature is infinite" if gaps else "a feature is NAN or infinite", design.features > 0),
        ("the time is NAN or infinite", bool(design.times)),
    ]


def _about_outputs(design: Design) -> str:
    if design.is_binary:
        classes = design.model.classes
        what = "1" if classes is None else comment(classes[-1])
        return f"the probability of {what}" + (" of each label" if design.outputs > 1 else "")
    if design.output_activation == "softmax":
        return "the probability of each class"
    if design.scales_labels:
        return "predictions in original units"
    return f"predictions; activation {design.output_activation}"


# The source ----------------------------------------------------------------------------------


def source(design: Design) -> str:
    """Return the source file."""
    arrays = [
        array(each.name, each.values, _type(each), each.size, each.about)
        for each in design.arrays()
    ]
    return fill(
        design, _SOURCE, inputs=design.inputs, gates=design.gates, arrays="\n".join(arrays),
        functions=fill(design, _functions(design), activation=_unit_activation(design)),
        reset=_reset(design), step=fill(design, _step(design)),
    )  # fmt: skip


def _type(one: Array) -> str:
    kinds = {"float32": "float", "float64": "double"}
    return kinds.get(one.values.dtype.name, "int")


def _unit_activation(design: Design) -> str:
    text = cells.call(design.activation, "gates[u]") if design.model.cell == "RNN" else ""
    return text.replace("$f", "f" if design.is_float else "")


def _functions(design: Design) -> str:
    """Return the functions that the step calls, and no other."""
    model, output = design.model, design.output_activation
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


def _step(design: Design) -> str:
    blocks = [*_inputs(design), *_layers(design), *_outputs(design), ["return 0;"]]
    return "\n\n".join("\n".join(f"    {line}".rstrip() for line in block) for block in blocks)


def _loop(counter: str, count: str, *body: str) -> list[str]:
    begin = f"for (size_t {counter} = 0; {counter} < {count}; {counter}++) {{"
    return [begin, *(f"    {line}" for line in body), "}"]


def _inputs(design: Design) -> list[list[str]]:
    """Return the statements that make inputs of features and time, and check them."""
    blocks: list[list[str]] = [["$real gates[${N}_GATES];"]]
    if design.inputs:
        blocks[0].insert(0, "$real x[${N}_INPUTS];")
    gap = {"mean": "feature_mean[i]", "forward": "state->last[i]"}.get(design.fill)
    if design.features:
        value = f"isnan(features[i]) ? {gap} : features[i]" if gap else "features[i]"
        blocks.append(_loop("i", "${N}_FEATURES", f"x[i] = {value};"))
    encoder, place = design.model.encoder, design.features
    if encoder is not None and design.indicators:
        lines = []
        for name in design.indicators:
            feature = design.feature_constants[encoder.numbers.index(name)]
            lines.append(f"x[{place}] = isnan(features[{feature}]) ? 1.0$f : 0.0$f;")
            place += 1
        blocks.append(["/* Whether a number is missing */", *lines])
    if design.times:
        blocks.append(_time_inputs(design, place))
    if design.inputs:
        blocks.append(_scaled(design))
    keep = []
    if design.fill == "forward" and design.features:
        keep += _loop(
            "i", "${N}_FEATURES", "if (!isnan(features[i])) {", "    state->last[i] = features[i];",
            "}",
        )  # fmt: skip
    if design.times:
        keep += ["state->time = time;", "state->has_begun = 1;"]
    return [*blocks, keep] if keep else blocks


def _time_inputs(design: Design, place: int) -> list[str]:
    lines = ["if (!isfinite(time)) {", "    return -1;", "}"]
    if set(design.times) - set(CYCLES):
        lines.append("const double elapsed = state->has_begun ? time - state->time : 0.0;")
    cast = "(float)" if design.is_float else ""
    for name in design.times:
        if name not in CYCLES:
            value = "log1p(elapsed)" if name == LOG_ELAPSED else "elapsed"
            lines.append(f"x[{place}] = {cast}{value};")
            place += 1
            continue
        phase = {
            "hour": "phase(time, 86400.0)",
            "weekday": "phase(time - 345600.0, 604800.0)",  # weeks begin with Monday, the 5th
            "yearday": "phase_of_year(time)",
        }[name]
        lines.append(f"const double {name} = 6.283185307179586 * {phase};")
        lines.append(f"x[{place}] = {cast}sin({name});")
        lines.append(f"x[{place + 1}] = {cast}cos({name});")
        place += 2
    return lines


def _scaled(design: Design) -> list[str]:
    body = ["if (!isfinite(x[i])) {", "    return -1;", "}"]
    if design.model.scaler is None:
        return _loop("i", "${N}_INPUTS", *body)
    shifted = "(x[i] - feature_shift[i])"
    if design.is_float:
        shifted = "(x[i] - feature_shift[i] - feature_shift_rest[i])"
    return _loop("i", "${N}_INPUTS", f"x[i] = {shifted} / feature_scale[i];", *body)


def _layers(design: Design) -> list[list[str]]:
    blocks = []
    cell = design.model.cell
    for k in range(design.layers):
        lines = _loop("j", "${N}_GATES", f"gates[j] = bias_l{k}[j];")
        if k:
            below = f"state->h[{k - 1}]"
            lines.append(
                f"add_product(weight_ih_l{k}, {below}, ${{N}}_HIDDEN, ${{N}}_GATES, gates);"
            )
        elif design.inputs:
            lines.append("add_product(weight_ih_l0, x, ${N}_INPUTS, ${N}_GATES, gates);")
        if k == 0 and design.levels:
            lines += _category_rows()
        if cell == "LSTM":
            lines.append(f"lstm(weight_hh_l{k}, gates, state->h[{k}], state->c[{k}]);")
        elif cell == "RNN":
            lines.append(f"rnn(weight_hh_l{k}, gates, state->h[{k}]);")
        elif design.model.settings["reset_after"]:
            lines.append(f"gru(weight_hh_l{k}, bias_hn_l{k}, gates, state->h[{k}]);")
        else:
            lines.append(f"gru(weight_hh_rz_l{k}, weight_hh_n_l{k}, gates, state->h[{k}]);")
        blocks.append([f"/* Layer {k} */", *lines])
    return blocks


def _category_rows() -> list[str]:
    return _loop(
        "k", "${N}_CATEGORIES",
        "const int level = categories[k];",
        "const int known = category_levels[k];",
        "const int row = category_row[k] + (level >= 0 && level < known ? level : known);",
        "const $real *weights = weight_ih_l0 + (size_t)row * ${N}_GATES;",
        *_loop("j", "${N}_GATES", "gates[j] += weights[j];"),
    )  # fmt: skip


def _outputs(design: Design) -> list[list[str]]:
    out = "y" if design.scales_labels else "outputs"
    lines = ["$real y[${N}_OUTPUTS];"] if design.scales_labels else []
    lines += _loop("l", "${N}_OUTPUTS", f"{out}[l] = head_bias[l];")
    last = f"state->h[{design.layers - 1}]"
    lines.append(f"add_product(head_weight, {last}, ${{N}}_HIDDEN, ${{N}}_OUTPUTS, {out});")
    if design.output_activation == "softmax":
        lines.append(f"softmax({out});")
    elif design.output_activation != "identity":
        value = cells.call(design.output_activation, f"{out}[l]")
        lines += _loop("l", "${N}_OUTPUTS", f"{out}[l] = {value};")
    if design.scales_labels:
        value = "(double)y[l]" if design.is_float else "y[l]"
        lines += _loop(
            "l", "${N}_OUTPUTS", f"outputs[l] = {value} * label_scale[l] + label_shift[l];"
        )
    return [["/* Outputs */", *lines]]
