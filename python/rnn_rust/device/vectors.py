"""Test vectors (made-up sequences with the model's outputs), and a program that checks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_rust.data.time_features import DATES, DURATIONS
from rnn_rust.device.design import Design
from rnn_rust.device.interface import call, fill
from rnn_rust.device.words import number, rows_of

_LENGTHS = (1, 2, 7, 22)
"""Of the sequences: the first steps, and enough to see a state go wrong."""
_GAPS = 0.15
"""The share of numbers that are missing, if numbers may be missing."""

_VECTORS = """\
/* ${prefix}_vectors.h: made-up events and the outputs of the model, $mark $version. */
#include <math.h>

#define ${N}_STEPS $steps

/* Whether an event is the first of its sequence. */
static const unsigned char first[${N}_STEPS] = {
$first
};

$inputs
static const $output_type expected[${N}_STEPS][${N}_OUTPUTS] = {
$expected
};

/* What an error of 1 is: the scale of the labels. */
static const double unit[${N}_OUTPUTS] = {
$unit
};
"""

_PROGRAM = """\
/* ${prefix}_test.c: exits with 0 if ${prefix}.c gives the outputs of the model, $mark $version.
 *
 *     cc -std=c99 *.c -lm && ./a.out
 */
#include <math.h>
#include <stdio.h>

#include "${prefix}.h"
#include "${prefix}_vectors.h"

#define TOLERANCE $tolerance /* beside the larger of a unit and the output */

int main(void)
{
    ${prefix}_state state;
    double worst = 0.0;
    int failures = 0;
    ${prefix}_init(&state);
    for (int t = 0; t < ${N}_STEPS; t++) {
        $output_type outputs[${N}_OUTPUTS];
        if (first[t]) {
            ${prefix}_reset(&state);
        }
        if ($call != 0) {
            printf("step %d: refused\\n", t);
            return 1;
        }
        for (int l = 0; l < ${N}_OUTPUTS; l++) {
            const double wanted = $wanted;
            const double error = fabs($got - wanted) / fmax(unit[l], fabs(wanted));
            /* So written, NAN fails. */
            if (!(error <= TOLERANCE)) {
                printf("step %d, output %d: %.9g instead of %.9g\\n", t, l, $got, wanted);
                failures++;
            }
            worst = fmax(worst, error);
        }
    }
    printf("$prefix: %d steps, largest error %.1e, allowed %.0e\\n", ${N}_STEPS, worst, TOLERANCE);
    return failures != 0;
}
"""


@dataclass(frozen=True)
class Vectors:
    """Events and the outputs of the model, one row for each step.

    Attributes
    ----------
    first
        ``(N,)``, whether a sequence begins.
    features
        ``(N, F)`` in the type of the arithmetic, NaN if a number is missing.
    categories
        ``(N, K)``, the number of a level; the last is "other".
    times
        ``(N,)``; if the date matters, seconds since 1970.
    expected
        ``(N, L)``, the outputs of the model's stepper: the same bits as ``predict``.
    """

    first: Any
    features: Any
    categories: Any
    times: Any
    expected: Any

    @classmethod
    def of(cls, design: Design) -> Vectors:
        """Draw events on the scales of the model's scaler; the same for the same model."""
        random = np.random.default_rng(0)
        steps = sum(_LENGTHS)
        first = np.zeros(steps, np.uint8)
        first[np.cumsum([0, *_LENGTHS[:-1]])] = 1
        numbers = random.normal(size=(steps, design.features))
        scaler = design.model.scaler
        if scaler is not None:
            used = slice(design.features)
            numbers = numbers * scaler.feature_scale_[used] + scaler.feature_shift_[used]
        if design.fill != "error":
            numbers[random.random(numbers.shape) < _GAPS] = np.nan
        features = design.rounded(numbers)
        counts = np.array([len(own) + 1 for own in design.levels.values()], dtype=np.int64)
        categories = random.integers(0, np.maximum(counts, 1), size=(steps, len(counts)))
        times = _times(design, random, steps)
        expected = _answers(design, first, features, categories, times)
        return cls(first, features, categories, times, expected)


def _times(design: Design, random: Any, steps: int) -> Any:
    """Return times in whole seconds, some of them equal; over years if the day of year matters."""
    longest = 30 * 86_400 if "yearday" in design.times else 20_000
    return np.float64(random.integers(0, longest, size=steps).cumsum() + 1_700_000_000)


def _answers(design: Design, first: Any, features: Any, categories: Any, times: Any) -> Any:
    """Return the outputs of the model's stepper."""
    stepper, encoder, outputs = design.model.stepper(), design.model.encoder, []
    for step, begins in enumerate(first):
        if begins:
            stepper.reset()
        row: Any = features[step]
        if encoder is not None:
            levels = [
                [*own, _unknown(own)][categories[step, place]]
                for place, own in enumerate(design.levels.values())
            ]
            row = [*features[step], *levels]
            if design.times:
                row.append(_time_of(design, times[step]))
        outputs.append(stepper.step(row))
    return np.stack(outputs)


def _time_of(design: Design, seconds: Any) -> Any:
    """Return a time in the type that the model takes."""
    if design.time_kind == DATES:
        return np.datetime64(int(seconds), "s")
    return np.timedelta64(int(seconds), "s") if design.time_kind == DURATIONS else seconds


def _unknown(levels: tuple[str, ...]) -> str:
    """Return a level that is not among these."""
    return max(levels, key=len, default="") + "?"


def header(design: Design, vectors: Vectors) -> str:
    """Return the file with the vectors."""
    up = design.prefix.upper()
    inputs = []
    if design.features:
        rows = _matrix(vectors.features)
        size = f"[{up}_STEPS][{up}_FEATURES]"
        inputs.append(f"static const {design.real} features{size} = {{\n{rows}\n}};\n")
    if design.levels:
        rows = _matrix(vectors.categories)
        size = f"[{up}_STEPS][{up}_CATEGORIES]"
        inputs.append(f"static const int categories{size} = {{\n{rows}\n}};\n")
    if design.times:
        rows = rows_of(number(time) for time in vectors.times)
        inputs.append(f"static const double times[{up}_STEPS] = {{\n{rows}\n}};\n")
    unit = np.ones(design.outputs)
    if design.scales_labels and design.model.scaler is not None:
        unit = design.model.scaler.label_scale_
    return fill(
        design, _VECTORS, steps=len(vectors.first), inputs="\n".join(inputs),
        first=rows_of(str(each) for each in vectors.first), output_type=design.output_type,
        expected=_matrix(vectors.expected), unit=rows_of(number(each) for each in unit),
    )  # fmt: skip


def _matrix(values: Any) -> str:
    lines = []
    for row in values:
        shown = [number(each) if values.dtype.kind == "f" else str(each) for each in row]
        lines.append(
            f"    {{\n{rows_of(shown)}\n    }},"
            if len(shown) > 8
            else f"    {{{', '.join(shown)}}},"
        )
    return "\n".join(lines)


def program(design: Design) -> str:
    """Return the program that checks the vectors."""
    step = call(design)
    for name, there in (("features", design.features), ("categories", design.levels)):
        step = step.replace(f" {name}", f" {name}[t]") if there else step
    step = step.replace(" time,", " times[t],")
    cast = "" if design.output_type == "double" else "(double)"
    return fill(
        design, _PROGRAM, call=step, output_type=design.output_type, wanted=f"{cast}expected[t][l]",
        got=f"{cast}outputs[l]", tolerance=repr(design.tolerance),
    )  # fmt: skip
