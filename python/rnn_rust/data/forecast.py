"""The next values of a series as labels: the values 1 to ``horizon`` rows ahead of each row.

Two simple forecasts are known at each row: the present value ("no change") and, for a series with
seasons, the value at the same time of the last completed season (Hyndman and Athanasopoulos,
"Forecasting: principles and practice", naive and seasonal naive methods). A model may learn the
change from either, and can then forecast values outside the range of the training part.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import positions
from rnn_rust.base.checks import counted
from rnn_rust.data.ahead import Forecast
from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import DataError, ParameterError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray

Data = TypeVar("Data", bound=Sequences)


def forecast(dataset: Data, plan: Forecast) -> Data:
    """Return a data set whose labels are later values; see :meth:`rnn_rust.Dataset.forecast`.

    Raises
    ------
    DataError
        The column is missing, has missing values, or no sequence is longer than the lags.
    ParameterError
        The data set is normalised, or was made by :func:`forecast`.
    """
    if dataset.ahead is not None or getattr(dataset, "normalizer", None) is not None:
        raise ParameterError("forecast: give the data set as it was read, not one made from it")
    series = _series(dataset, plan.column)
    offsets = dataset.offsets
    features, names = _features(dataset, plan, series)
    kept = frozenset(names)
    made = replace(
        dataset, features=features,
        labels=_shifted(series, offsets, range(1, plan.horizon + 1)), feature_names=names,
        label_names=plan.label_names(), ahead=plan, present=series,
        seasonal=_seasonal(series, offsets, plan), has_feature_names=True, has_label_names=True,
        levels={name: own for name, own in dataset.levels.items() if name in kept},
        label_levels={},
    )  # fmt: skip
    return _without_first_rows(made, max(plan.lags, default=0))


def check_season(dataset: Sequences, plan: Forecast) -> None:
    """Raise DataError if no sequence is longer than a season, so that no seasonal value exists."""
    longest = int(np.diff(dataset.offsets).max())
    if plan.season is not None and longest <= plan.season:
        raise DataError(
            f"forecast: no sequence is longer than a season of {counted(plan.season, 'row')}, "
            f"the longest has {longest:,}; give more rows of one, or a shorter season"
        )


def changes_only(dataset: Data) -> Data:
    """Return the data set with the changes that a model learns as its labels."""
    if dataset.known is None:
        return dataset
    return dataset.with_values(dataset.features, dataset.labels - dataset.known)


def hide_later_labels(dataset: Data) -> Data:
    """Set labels to missing if they come from rows after the end of their sequence."""
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
            series: FloatArray = np.ascontiguousarray(matrix[:, positions(names, [column])[0]])
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
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the features and their names."""
    steps, extra = [-lag for lag in plan.lags], [f"{plan.column} lag {lag}" for lag in plan.lags]
    if plan.features is None:
        names = tuple(name for name in dataset.feature_names if name != plan.column)
        steps.insert(0, -plan.change_rows)
        extra.insert(0, f"{plan.column} change {plan.change_rows}")
    else:
        names = plan.features
    _check_names(dataset, names, plan)
    if not [*names, *steps]:
        raise ParameterError("forecast: there is no feature; name some, or give lags")
    before = _shifted(series, dataset.offsets, steps)
    if plan.features is None:
        before[:, 0] = series - before[:, 0]
    features = np.empty((len(series), len(names) + len(steps)), dataset.features.dtype)
    # The series may have been read as a label; as a feature it is the same column.
    own = [at for at, name in enumerate(names) if name != plan.column]
    read = positions(dataset.feature_names, (names[at] for at in own))
    features[:, own] = dataset.features[:, read]
    features[:, [at for at, name in enumerate(names) if name == plan.column]] = series[:, None]
    features[:, len(names) :] = np.nan_to_num(before)
    return features, (*names, *extra)


def _check_names(dataset: Sequences, names: tuple[str, ...], plan: Forecast) -> None:
    """Raise DataError if a name is not a feature that was read."""
    known = {*dataset.feature_names, plan.column}
    for name in names:
        if name not in known:
            raise DataError(
                f"forecast: '{name}' is no feature that was read; they are "
                f"{', '.join(dataset.feature_names)}"
            )


def _shifted(series: FloatArray, offsets: NDArray[np.int64], steps: Several[int]) -> FloatArray:
    """Return the values ``steps`` rows ahead of each row (back if negative) ``(N, len(steps))``.

    NaN outside the sequence.
    """
    rows, lengths = np.arange(len(series)), np.diff(offsets)
    before = rows - np.repeat(offsets[:-1], lengths)
    after = np.repeat(offsets[1:] - 1, lengths) - rows
    shifted = np.full((len(steps), len(series)), np.nan, series.dtype)
    for own, ahead in zip(shifted, steps, strict=True):
        if ahead < 0:
            np.copyto(own[-ahead:], series[:ahead], where=before[-ahead:] >= -ahead)
        else:
            end = max(len(series) - ahead, 0)
            np.copyto(own[:end], series[ahead:], where=after[:end] >= ahead)
    return np.ascontiguousarray(shifted.T)


def _seasonal(series: FloatArray, offsets: NDArray[np.int64], plan: Forecast) -> FloatArray | None:
    """Return values at the same time of the last season ``(N, horizon)``; NaN in the first."""
    if plan.season is None:
        return None
    steps = [ahead - -(-ahead // plan.season) * plan.season for ahead in range(1, plan.horizon + 1)]
    return _shifted(series, offsets, steps)


def _without_first_rows(dataset: Data, rows: int) -> Data:
    """Leave out the first ``rows`` rows of each sequence, whose lags are unknown."""
    if rows == 0:
        return dataset
    lengths = np.diff(dataset.offsets) - rows
    some = np.flatnonzero(lengths > 0)
    if some.size == 0:
        raise DataError(
            f"forecast: no sequence is longer than the largest lag, {rows}; give more rows of one"
        )
    return dataset.part(dataset.offsets[some] + rows, lengths[some], some)
