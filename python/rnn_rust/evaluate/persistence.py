"""Persistence ("no change"): predicting each label by a value known at its own row.

A label that lies h rows ahead is x(t + h). At row t the series is known up to x(t), which is the
label of h rows before: the naive forecast of Hyndman and Koehler, "Another look at measures of
forecast accuracy" (2006). The labels between are not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust.base.arrays import Offsets, positions, refuse_mask
from rnn_rust.base.checks import counted, whole_number
from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.evaluate import metrics as m
from rnn_rust.evaluate.shifted import find_shift, rows_before_and_after

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset


class Baseline(NamedTuple):
    """Predictions ``(N, L)`` of persistence, NaN where unknown, and a note that describes them.

    ``lack`` says why there is no baseline, if all are NaN.
    """

    values: m.Floats
    note: str
    lack: str


def from_labels(
    labels: m.Floats, offsets: Offsets, horizon: tuple[int, ...] | None, names: Sequence[str]
) -> Baseline:
    """Return the labels ``horizon`` rows before; one horizon for all columns, or one for each.

    By default, these are the labels of the previous row. But if the columns are one series at
    different rows ahead, there is no baseline: only one of them can be a single row ahead.

    Raises
    ------
    ParameterError
        The number of horizons is neither 1 nor the number of label columns.
    """
    if horizon is None and (shift := find_shift(labels, offsets)) is not None:
        later, earlier, steps_on = shift
        return Baseline(
            np.full_like(labels, np.nan),
            "",
            f"label '{names[later]}' is label '{names[earlier]}' {counted(steps_on, 'row')} later, "
            "so the previous label may not be known yet; pass RegressionEvaluator(horizon=...), "
            "how many rows ahead each label lies, or present=..., the column of the present value",
        )
    steps = by_column((1,) if horizon is None else horizon, labels.shape[1])
    before, _ = rows_before_and_after(offsets)
    values = np.full_like(labels, np.nan)
    for column in range(labels.shape[1]):
        rows = np.flatnonzero(before >= steps[column])
        values[rows, column] = labels[rows - steps[column], column]
    return Baseline(values, *_in_words(steps))


def _in_words(steps: tuple[int, ...]) -> tuple[str, str]:
    if set(steps) == {1}:
        return (
            "the previous label of the same sequence",
            "it needs a previous label in the sequence",
        )
    rows = ", ".join(map(str, dict.fromkeys(steps)))
    return (
        f"the label {rows} rows before in the same sequence",
        f"it needs a label {rows} rows before in the sequence",
    )


def from_columns(dataset: Dataset, present: tuple[str, ...]) -> Baseline:
    """Return the features named ``present`` of each row, one for all labels or one for each.

    If the data set is normalised, they are in original units.

    Raises
    ------
    ParameterError
        A name is not a feature column, or the number of names is neither 1 nor that of labels.
    """
    known = frozenset(dataset.feature_names)
    for name in present:
        if name not in known:
            raise ParameterError(
                f"present={name!r} is not a feature column; they are "
                f"{', '.join(dataset.feature_names)}"
            )
    columns = len(dataset.label_names)
    if len(present) not in (1, columns):
        raise ParameterError(
            f"{counted(len(present), 'column')} {present} of present values for "
            f"{counted(columns, 'label column')}; "
            "give one, or one for each"
        )
    features = dataset.features
    if dataset.normalizer is not None:
        features = dataset.normalizer.inverse_transform_features(features)
    chosen = positions(dataset.feature_names, present)
    chosen = chosen * columns if len(chosen) == 1 else chosen
    named = ", ".join(f"'{name}'" for name in present)
    return from_values(features[:, chosen].astype(np.float64), f", {named}")


def from_forecast(dataset: Dataset) -> tuple[Baseline, Baseline | None]:
    """Return the present values and, if there are seasons, those at the same time last season.

    The data set was made by :meth:`rnn_rust.Dataset.forecast`.
    """
    plan, present, seasonal = dataset.ahead, dataset.present, dataset.seasonal
    assert plan is not None
    assert present is not None
    values = np.repeat(present[:, None].astype(np.float64), plan.horizon, axis=1)
    last = from_values(values, f" of '{plan.column}'")
    if seasonal is None:
        return last, None
    note = f"the same time of the last season of {counted(plan.season or 0, 'row')}"
    return last, Baseline(seasonal.astype(np.float64), note, "no season has passed before a label")


def from_values(values: m.Floats, whose: str = "") -> Baseline:
    """Return given present values ``(N, L)`` as a baseline."""
    return Baseline(values, f"the present value{whose}", "no present value is known")


def checked_offsets(offsets: ArrayLike | None, rows: int) -> Offsets:
    """Return sequence boundaries; sequences may be empty, and by default there is a single one.

    Raises
    ------
    ShapeError
        The boundaries do not cover the rows in order.
    DataError
        The boundaries are masked.
    """
    refuse_mask("offsets", offsets)
    bounds = np.asarray([0, rows] if offsets is None else offsets)
    integers = bounds.dtype.kind in "iu" and bounds.ndim == 1 and bounds.size > 1
    covers = integers and bounds[0] == 0 and bounds[-1] == rows
    if not covers or np.any(bounds[1:] < bounds[:-1]):
        raise ShapeError(
            f"offsets must be integers increasing from 0 to {rows}, the rows of labels"
        )
    return bounds.astype(np.int64)


def checked_horizons(horizon: int | Sequence[int] | None) -> tuple[int, ...] | None:
    """Return rows ahead as a tuple; ParameterError if one is not an integer above 0."""
    if horizon is None:
        return None
    # A NumPy array may be a single number.
    several = isinstance(horizon, list | tuple | np.ndarray) and getattr(horizon, "ndim", 1) > 0
    given: Any = horizon if several else [horizon]
    if len(given) == 0:
        raise ParameterError("horizon is empty; give one, or one for each label column")
    return tuple(whole_number("horizon", one, least=1) for one in given)


def by_column(horizons: tuple[int, ...], columns: int) -> tuple[int, ...]:
    """Return one horizon per label column; ParameterError if the number of horizons is wrong."""
    if len(horizons) not in {1, columns}:
        raise ParameterError(
            f"{counted(len(horizons), 'horizon')} {horizons} for "
            f"{counted(columns, 'label column')}; give one, or one for each"
        )
    return horizons * columns if len(horizons) == 1 else horizons


def checked_columns(present: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return column names as a tuple; ParameterError if they are not strings."""
    if present is None:
        return None
    given = present if isinstance(present, list | tuple) else [present]
    if not given or not all(isinstance(name, str) for name in given):
        raise ParameterError(f"present must be the name of a column, or several, got {present!r}")
    return tuple(given)
