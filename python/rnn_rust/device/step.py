"""The body of a step: statements from features and time through the layers to the outputs.

Lines are templates for :func:`rnn_rust.device.interface.fill`.
"""

from __future__ import annotations

from rnn_rust.data.time_features import CYCLES, LOG_ELAPSED
from rnn_rust.device import cells
from rnn_rust.device.design import Design


def step(design: Design) -> str:
    """Return the statements."""
    blocks = [*_inputs(design), *_layers(design), *_outputs(design), ["return 0;"]]
    return "\n\n".join("\n".join(f"    {line}".rstrip() for line in block) for block in blocks)


def _loop(counter: str, count: str, *body: str) -> list[str]:
    begin = f"for (size_t {counter} = 0; {counter} < {count}; {counter}++) {{"
    return [begin, *(f"    {line}" for line in body), "}"]


def _inputs(design: Design) -> list[list[str]]:
    """Return the statements that compute inputs from features and time, and check them."""
    declared = ["$real x[${N}_INPUTS];"] if design.inputs else []
    blocks, raw = [[*declared, "$real gates[${N}_GATES];"]], "features[i]"
    if design.features and (design.fill != "error" or design.times):
        fillers = {"mean": "feature_mean[i]", "forward": "state->last[i]"}
        filler = fillers.get(design.fill)
        value = f"isnan({raw}) ? {filler} : {raw}" if filler else raw
        blocks.append(_loop("i", "${N}_FEATURES", f"x[i] = {value};"))
    if design.indicators:
        blocks.append(_indicators(design))
    if design.times:
        blocks.append(_time_inputs(design))
    if design.inputs:
        blocks.append(_scaled(design, raw if len(blocks) == 1 else "x[i]"))
    if kept := _kept(design):
        blocks.append(kept)
    return blocks


def _indicators(design: Design) -> list[str]:
    assert design.model.encoder is not None, "it has the indicators"
    constants = dict(zip(design.model.encoder.numbers, design.feature_constants, strict=True))
    lines = [
        f"x[{design.features + number}] = isnan(features[{constants[name]}]) ? 1.0$f : 0.0$f;"
        for number, name in enumerate(design.indicators)
    ]
    return ["/* Whether a number is missing */", *lines]


def _kept(design: Design) -> list[str]:
    """Return the statements that store what the next event needs from this one."""
    lines = []
    if design.fill == "forward" and design.features:
        keep = ["if (!isnan(features[i])) {", "    state->last[i] = features[i];", "}"]
        lines += _loop("i", "${N}_FEATURES", *keep)
    if design.times:
        lines += ["state->time = time;", "state->has_begun = 1;"]
    return lines


def _time_inputs(design: Design) -> list[str]:
    place = design.features + len(design.indicators)
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


def _scaled(design: Design, raw: str) -> list[str]:
    """Return the statements that scale inputs, from the expression ``raw``, and check them."""
    value = raw
    if design.model.scaler is not None:
        rest = " - feature_shift_rest[i]" if design.is_float else ""
        value = f"({raw} - feature_shift[i]{rest}) / feature_scale[i]"
    lines = [] if value == "x[i]" else [f"x[i] = {value};"]
    return _loop(
        "i", "${N}_INPUTS", *lines, "if (!isfinite(x[i])) {", "    return -1;", "}"
    )  # fmt: skip


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
    if design.model.applied_activation == "softmax":
        lines.append(f"softmax({out});")
    elif design.model.applied_activation != "identity":
        value = cells.call(design.model.applied_activation, f"{out}[l]")
        lines += _loop("l", "${N}_OUTPUTS", f"{out}[l] = {value};")
    if design.scales_labels:
        value = "(double)y[l]" if design.is_float else "y[l]"
        lines += _loop(
            "l", "${N}_OUTPUTS", f"outputs[l] = {value} * label_scale[l] + label_shift[l];"
        )
    return [["/* Outputs */", *lines]]
