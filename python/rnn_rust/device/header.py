"""The header: how to use the network, its inputs and outputs, its memory needs."""

from __future__ import annotations

from rnn_rust.base.checks import counted
from rnn_rust.data.time_features import DATES, DURATIONS, LOG_ELAPSED, NUMBERS
from rnn_rust.device.constants import arrays
from rnn_rust.device.design import Design, Enumeration
from rnn_rust.device.interface import call, fill
from rnn_rust.device.words import comment

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


_SINCE = "seconds since 1 January 1970, UTC"
_TIMES = {
    DATES: _SINCE,
    DURATIONS: "a duration in seconds",
    NUMBERS: "a number, in the unit of the training",
    None: f"{_SINCE} (or the time as in training, if that was a number)",
}


def header(design: Design) -> str:
    """Return the header file."""
    return fill(
        design, _HEADER, usage=_usage(design), figures=_figures(design), sizes=_sizes(design),
        constants=_enumerations(design), state=_state(design), about_step=_about_step(design),
    )  # fmt: skip


def _usage(design: Design) -> str:
    lines = [
        f"    {design.prefix}_state state;",
        f"    {design.prefix}_init(&state);",
        f"    {call(design)};    for each event of a sequence",
        f"    {design.prefix}_reset(&state);    before the first of another",
    ]
    return "\n".join(f" * {line}" for line in lines)


def _figures(design: Design) -> str:
    constants = arrays(design)
    weights = sum(one.bytes for one in constants if one.is_weight)
    others = sum(one.bytes for one in constants if not one.is_weight)
    layers = counted(design.layers, "layer")
    lines = {
        "sizes": f"{layers} of {counted(design.hidden, 'unit')}; {design.model.readout} readout",
        "weights": f"{weights:,} bytes" + (f", and {others:,} bytes of scales" if others else ""),
        "state": f"{design.state_bytes:,} bytes",
        "stack": f"about {design.stack_bytes:,} bytes in a step",
        "a step": f"{counted(design.multiply_adds, 'multiply-add')} of type {design.real}",
    }
    return "\n".join(f" * {name:<9}{what}" for name, what in lines.items())


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
        lines.append(f"#define {up}_THRESHOLD {value} /* {_about_threshold(design)} */\n")
    return "".join(lines)


def _about_threshold(design: Design) -> str:
    several = design.outputs > 1 and design.has_named_classes
    what = "the class named below" if several else comment(design.positives[0])
    return f"an output above it means {what}"


def _enumerations(design: Design) -> str:
    return "".join(f"{_enumeration(each)}\n" for each in design.enumerations)


def _enumeration(enumeration: Enumeration) -> str:
    names = enumeration.constants.items()
    lines = "\n".join(f"    {constant}, /* {comment(name)} */" for constant, name in names)
    # C99 allows a comma after the last constant, C++98 does not.
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
        lines.append(f"time:       {_TIMES[design.time_kind]}.")
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
        ("the time is by 1 or more earlier than the one before", LOG_ELAPSED in design.times),
    ]


def _about_outputs(design: Design) -> str:
    if design.is_binary:
        if design.outputs == 1:
            return f"the probability of {comment(design.positives[0])}"
        what = "the class named above" if design.has_named_classes else "1"
        return f"of each label the probability of {what}"
    if design.model.applied_activation == "softmax":
        return "the probability of each class"
    if design.scales_labels:
        return "predictions in original units"
    return f"predictions; activation {design.model.applied_activation}"
