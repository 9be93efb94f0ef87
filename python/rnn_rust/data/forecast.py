"""The next values of a series as labels: what lies 1 to ``horizon`` rows ahead of each row.

What is known of a value ahead at its own row: the present value ("it will stay as it is") and, of a
series with seasons, the value at the same time of the last season that has passed (Hyndman and
Athanasopoulos, "Forecasting: principles and practice", naive and seasonal naive methods). A model
may learn the change from either, which reaches values that the training part never had.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import counted
from rnn_rust.data.ahead import Forecast
from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import DataError, ParameterError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray

Data = TypeVar("Data", bound=Sequences)


def forecast(dataset: Data, plan: Forecast) -> Data:
    """Return the data set whose labels lie ahead; see :meth:`rnn_rust.Dataset.forecast`.

    Raises
    ------
    DataError
        The column is missing, has missing values, or no sequence is longer than the lags.
    ParameterError
        The data set is normalised, or its labels lie ahead already.
    """
    if dataset.ahead is not None or getattr(dataset, "normalizer", None) is not None:
        raise ParameterError("forecast: give the data set as it was read, not one made from it")
    series = _series(dataset, plan.column)
    offsets = dataset.offsets
    features, names = _features(dataset, plan, series)
    labels = np.stack(
        [_shifted(series, offsets, ahead) for ahead in range(1, plan.horizon + 1)], axis=1
    )
    made = replace(
        dataset, features=np.ascontiguousarray(features, dtype=dataset.features.dtype),
        labels=np.ascontiguousarray(labels), feature_names=names,
        label_names=plan.label_names(), ahead=plan, present=series,
        seasonal=_seasonal(series, offsets, plan), has_feature_names=True, has_label_names=True,
        levels={name: own for name, own in dataset.levels.items() if name in names},
        label_levels={},
    )  # fmt: skip
    return _without_first_rows(made, max(plan.lags, default=0))


def check_season(dataset: Sequences, plan: Forecast) -> None:
    """Raise DataError if no label has a value of the last season: no sequence is long enough."""
    longest = int(np.diff(dataset.offsets).max())
    if plan.season is not None and longest <= plan.season:
        raise DataError(
            f"forecast: no sequence is longer than a season of {counted(plan.season, 'row')}, "
            f"the longest has {longest:,}; give more rows of one, or a shorter season"
        )


def changes_only(dataset: Data) -> Data:
    """Return the data set with the changes that a model learns in place of its labels."""
    if dataset.known is None:
        return dataset
    return dataset.with_values(dataset.features, dataset.labels - dataset.known)


def hide_later_labels(dataset: Data) -> Data:
    """Set to missing the labels that lie beyond the rows of their own sequence."""
    if dataset.ahead is None:
        return dataset
    lengths = np.diff(dataset.offsets)
    left = np.repeat(dataset.offsets[1:], lengths) - 1 - np.arange(dataset.offsets[-1])
    ahead = np.arange(1, dataset.ahead.horizon + 1)
    labels = np.where(left[:, None] >= ahead, dataset.labels, np.nan)
    return dataset.with_values(dataset.features, labels.astype(dataset.labels.dtype))


def _series(dataset: Sequences, column: str) -> FloatArray:
    if column in dataset.levels or column in dataset.label_levels:
        raise DataError(f"forecast: '{column}' is text; a series is numbers")
    for names, matrix in (
        (dataset.feature_names, dataset.features), (dataset.label_names, dataset.labels)
    ):  # fmt: skip
        if column in names:
            series: FloatArray = np.ascontiguousarray(matrix[:, names.index(column)])
            if np.isnan(series).any():
                raise DataError(
                    f"forecast: '{column}' is missing in row {int(np.argmax(np.isnan(series)))} "
                    "(counted from 0); fill it"
                )
            return series
    names = (*dataset.feature_names, *dataset.label_names)
    raise DataError(
        f"forecast: no column '{column}' was read; the columns are {', '.join(names)}; read it as "
        "a feature"
    )


def _features(
    dataset: Sequences, plan: Forecast, series: FloatArray
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the features and their names."""
    rows = plan.change_rows
    if plan.features is None:
        names = tuple(name for name in dataset.feature_names if name != plan.column)
        change = np.nan_to_num(series - _shifted(series, dataset.offsets, -rows))
        columns, extra = [change], [f"{plan.column} change {rows}"]
    else:
        names, columns, extra = plan.features, [], []
    for lag in plan.lags:
        columns.append(np.nan_to_num(_shifted(series, dataset.offsets, -lag)))
        extra.append(f"{plan.column} lag {lag}")
    chosen = [_column(dataset, name, series, plan) for name in names]
    if not [*chosen, *columns]:
        raise ParameterError("forecast: there is no feature; name some, or give lags")
    return np.stack([*chosen, *columns], axis=1), (*names, *extra)


def _column(dataset: Sequences, name: str, series: FloatArray, plan: Forecast) -> NDArray[Any]:
    if name == plan.column:
        return series
    if name not in dataset.feature_names:
        raise DataError(
            f"forecast: '{name}' is no feature that was read; they are "
            f"{', '.join(dataset.feature_names)}"
        )
    column: NDArray[Any] = dataset.features[:, dataset.feature_names.index(name)]
    return column


def _shifted(series: FloatArray, offsets: NDArray[np.int64], ahead: int) -> FloatArray:
    """Return the value so many rows ahead (before, if negative) in the same sequence, else NaN."""
    rows = np.arange(len(series))
    lengths = np.diff(offsets)
    to = rows + ahead
    inside = (to >= np.repeat(offsets[:-1], lengths)) & (to < np.repeat(offsets[1:], lengths))
    return np.where(inside, series[np.clip(to, 0, len(series) - 1)], np.nan).astype(series.dtype)


def _seasonal(series: FloatArray, offsets: NDArray[np.int64], plan: Forecast) -> FloatArray | None:
    """Return the same time of the last season ``(N, horizon)``, NaN where none has passed."""
    if plan.season is None:
        return None
    columns = []
    for ahead in range(1, plan.horizon + 1):
        seasons = -(-ahead // plan.season)
        columns.append(_shifted(series, offsets, ahead - seasons * plan.season))
    return np.ascontiguousarray(np.stack(columns, axis=1))


def _without_first_rows(dataset: Data, rows: int) -> Data:
    """Leave out the first rows of each sequence, whose lags are not known."""
    if rows == 0:
        return dataset
    lengths = np.diff(dataset.offsets) - rows
    some = np.flatnonzero(lengths > 0)
    if some.size == 0:
        raise DataError(
            f"forecast: no sequence is longer than the largest lag, {rows}; give more rows of one"
        )
    return dataset.part(dataset.offsets[some] + rows, lengths[some], some)
