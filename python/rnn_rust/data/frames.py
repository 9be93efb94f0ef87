"""From a Polars frame to a data set, and back: types, missing cells, grouping, time order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnn_rust.base.arrays import row_at
from rnn_rust.base.forks import require_polars
from rnn_rust.data.arrays import is_weight
from rnn_rust.data.columns import Columns, Names, choose_columns
from rnn_rust.data.sequences import Sequences
from rnn_rust.data.source import Source
from rnn_rust.data.times import describe_tie, read_times
from rnn_rust.errors import DataError, ParameterError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray


def read_frame(
    frame: pl.DataFrame,
    *,
    id: str | None,
    time: str | None,
    features: Names,
    labels: Names,
    weights: str | None,
    dtype: str | None,
) -> dict[str, Any]:
    """Return the fields of the data set of :meth:`rnn_rust.Dataset.from_frame`."""
    if not isinstance(frame, pl.DataFrame):
        raise ParameterError(
            f"from_frame takes a polars.DataFrame, not a {type(frame).__module__}."
            f"{type(frame).__qualname__}; convert it with pl.from_pandas(...) or .collect()"
        )
    require_polars()
    columns = choose_columns(
        frame.columns, id=id, time=time, features=features, labels=labels, weights=weights,
        where="frame",
    )  # fmt: skip
    return group_rows(frame, columns, Source("frame", row_at), dtype=dtype)


def write_frame(dataset: Sequences) -> pl.DataFrame:
    """Return the frame of :meth:`rnn_rust.Dataset.to_frame`."""
    require_polars()
    labels = zip(dataset.label_names, dataset.labels.T, strict=True)
    weights = [] if dataset.weights is None else [pl.Series(dataset.weights_name, dataset.weights)]
    return pl.DataFrame(
        [
            _series(dataset.id_name, np.repeat(dataset.ids, np.diff(dataset.offsets))),
            _series(dataset.time_name, dataset.times),
            *map(pl.Series, dataset.feature_names, dataset.features.T),
            *(pl.Series(name, column, nan_to_null=True) for name, column in labels),
            *weights,
        ]
    )


def _series(name: str, values: NDArray[Any]) -> pl.Series:
    # An array of str objects would become a column of Python objects.
    return pl.Series(name, values.tolist() if values.dtype == object else values)


@dataclass(frozen=True)
class Numbers:
    """The columns of a table that are numbers, checked: in the order of its rows.

    Attributes
    ----------
    features, labels, weights
        ``(N, F)``, ``(N, L)`` and ``(N,)`` or None, of one dtype where the table says none.
    """

    features: FloatArray
    labels: FloatArray
    weights: FloatArray | None


def read_numbers(
    frame: pl.DataFrame, columns: Columns, source: Source, dtype: str | None
) -> Numbers:
    """Return the columns of numbers; DataError if a cell cannot be used."""
    features = _matrix(frame, columns.features, source, dtype)
    labels = _matrix(frame, columns.labels, source, dtype)
    _check_values(features, frame.select(columns.features), source, missing_allowed=False)
    _check_values(labels, frame.select(columns.labels), source, missing_allowed=True)
    weights = None if columns.weights is None else _weights(frame, columns.weights, source, dtype)
    return Numbers(features, labels, weights)


def group_rows(
    frame: pl.DataFrame,
    columns: Columns,
    source: Source,
    *,
    numbers: Numbers | None = None,
    dtype: str | None = None,
) -> dict[str, Any]:
    """Return the fields of a data set: columns checked, rows of each id together, in time order.

    ``frame`` has all columns, or id and time alone where ``numbers`` has the others.
    """
    if frame.height == 0:
        raise DataError(f"{source.name}: there are no rows; give one row per time step")
    ids = _ids(frame[columns.id], source)
    times = _times(frame[columns.time], source)
    numbers = numbers or read_numbers(frame, columns, source, dtype)
    features, labels, weights = numbers.features, numbers.labels, numbers.weights
    order, starts = _sequence_order(ids, times, frame[columns.time], source)
    if order is not None:
        ids, times, features, labels = ids[order], times[order], features[order], labels[order]
        weights = None if weights is None else weights[order]
    rows = np.arange(frame.height, dtype=np.int64)
    return {
        "features": features,
        "labels": labels,
        "offsets": np.append(starts, frame.height).astype(np.int64),
        "ids": ids[starts].to_numpy(),
        "times": times.to_numpy(),
        "row_numbers": rows if order is None else order,
        "feature_names": columns.features,
        "label_names": columns.labels,
        "id_name": columns.id,
        "time_name": columns.time,
        "weights": weights,
        "weights_name": columns.weights or Sequences.weights_name,
    }


def _sequence_order(
    ids: pl.Series, times: pl.Series, column: pl.Series, source: Source
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Return the order of the rows (None if it is right as it is) and where sequences start.

    ``column`` has the times as they stand in the table.

    Ids keep the order of their first appearance; within an id, time increases. Data that is
    grouped already is common, and checking for it is much faster than sorting.
    """
    starts, stuck = _runs(ids, times)
    if stuck.size == 0 and starts.size == ids.n_unique():
        return None, starts
    rows = pl.DataFrame({"id": ids, "time": times}).with_row_index("row")
    first = pl.col("row").min().over("id")
    sort = pl.arg_sort_by(first, "time", maintain_order=True)
    order = rows.select(sort.cast(pl.Int64)).to_series().to_numpy()
    starts, stuck = _runs(ids[order], times[order])
    if stuck.size:
        earlier, later = (int(row) for row in order[stuck[0] - 1 : stuck[0] + 1])
        raise DataError(
            f"{source.name}, {source.place(later)}: id {ids[later]!r} has "
            f"{describe_tie(times, column, (earlier, later), source)}"
        )
    return order, starts


def _runs(ids: pl.Series, times: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where a row's id differs from the row before, and where only time fails to rise."""
    starts = (ids != ids.shift()).fill_null(True)
    stuck = ~starts & ~(times > times.shift()).fill_null(False)
    return (
        np.flatnonzero(starts.to_numpy()).astype(np.int64),
        np.flatnonzero(stuck.to_numpy()).astype(np.int64),
    )


def _ids(column: pl.Series, source: Source) -> pl.Series:
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype != pl.String and not column.dtype.is_integer():
        raise DataError(
            f"{source.name}, column '{column.name}': ids are {column.dtype}; "
            "convert them to strings or integers"
        )
    _require_all(column, source)
    if column.dtype == pl.String:
        return column
    integers = column.cast(pl.Int64, strict=False)
    return column.cast(pl.String) if integers.null_count() else integers


def _times(column: pl.Series, source: Source) -> pl.Series:
    kind = column.dtype
    if kind not in (pl.String, pl.Date, pl.Datetime, pl.Duration) and not kind.is_numeric():
        raise DataError(
            f"{source.name}, column '{column.name}': times are {kind}; "
            "convert them to numbers or dates"
        )
    _require_all(column, source)
    return read_times(column, source)


def _require_all(column: pl.Series, source: Source) -> None:
    empty = column.is_null() | (column == "") if column.dtype == pl.String else column.is_null()
    if empty.any():
        row = int(empty.arg_max() or 0)
        raise DataError(
            f"{source.at(row, column.name)}: the cell is empty; every row needs an id and a time"
        )


def _matrix(
    frame: pl.DataFrame, names: tuple[str, ...], source: Source, dtype: str | None
) -> FloatArray:
    """Return the columns as a C-contiguous (N, columns) matrix, NaN where a cell is empty."""
    if not names:
        return np.empty((frame.height, 0), dtype or "float64")
    columns = [_numbers(frame[name], source) for name in names]
    single = all(column.dtype == pl.Float32 for column in columns)
    if dtype is not None:
        single = dtype == "float32"
    floats = pl.DataFrame(columns).cast(pl.Float32 if single else pl.Float64)
    matrix: NDArray[Any] = floats.to_numpy(order="c")
    return np.ascontiguousarray(matrix)


def _numbers(column: pl.Series, source: Source) -> pl.Series:
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False)
        wrong = numbers.is_null() & (text != "").fill_null(False)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise DataError(
                f"{source.at(row, column.name)}: '{column[row]}' is not a number; correct the "
                "cell, or leave the column out"
            )
        return numbers
    if not column.dtype.is_numeric() and column.dtype not in (pl.Boolean, pl.Null):
        raise DataError(
            f"{source.name}, column '{column.name}': type {column.dtype} is not numeric; convert "
            "it, or leave the column out"
        )
    return column


def _check_values(
    matrix: FloatArray, frame: pl.DataFrame, source: Source, *, missing_allowed: bool
) -> None:
    good = ~np.isinf(matrix) if missing_allowed else np.isfinite(matrix)
    if good.all():
        return
    row, position = divmod(int(np.argmin(good)), matrix.shape[1])
    problem = _problem(frame[row, position], matrix[row, position])
    wanted = "a finite label, or none" if missing_allowed else "a finite number"
    raise DataError(
        f"{source.at(row, frame.columns[position])}: {problem}; give {wanted}, or leave the row out"
    )


def _weights(frame: pl.DataFrame, name: str, source: Source, dtype: str | None) -> FloatArray:
    weights: FloatArray = _matrix(frame, (name,), source, dtype)[:, 0]
    good = is_weight(weights)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            f"{source.at(row, name)}: {_problem(frame[row, name], weights[row])}; give a weight of "
            "at least 0, or leave the row out"
        )
    return weights


def _problem(cell: Any, value: float) -> str:
    """Return what is wrong with a cell whose value cannot be used."""
    if cell is None or cell == "":
        return "the cell is empty"
    # A number that single precision cannot hold has become infinite.
    too_large = np.isinf(value) and np.isfinite(float(cell))
    return f"{cell} is too large for float32" if too_large else f"the value is {value}"
