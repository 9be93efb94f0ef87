"""The body of a step: statements from features and time through the layers to the outputs.

Lines have the places of :func:`rnn_rust.device.interface.fill`.
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
