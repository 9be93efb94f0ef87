"""Conversion of scikit-learn's inputs, frames and arrays, to sequences, and of outputs back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import as_array, as_numbers, refuse_mask
from rnn_rust.base.checks import shown
from rnn_rust.base.polars import pl
from rnn_rust.data.columns import Roles
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.numbers import as_integers
from rnn_rust.data.pandas_frames import from_pandas
from rnn_rust.data.tables import read_table, table_of
from rnn_rust.errors import DataError, ParameterError, ShapeError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """The arguments of an estimator that determine how a frame is read."""

    id: str | None
    time: str | list[str] | tuple[str, ...] | None
    categories: Any
    missing: str
    ties: str
    static: Any = None
    time_format: str | None = None
    day_first: bool | None = None

    def __post_init__(self) -> None:
        """Check that columns are given by name."""
        for name in (*self.keys, *self.statics):
            if not isinstance(name, str) or not name:
                got = shown(name)
                raise ParameterError(f"id=, time= and static= are names of columns, got {got}")

    @property
    def times(self) -> tuple[Any, ...]:
        """The time columns."""
        if isinstance(self.time, list | tuple):
            return tuple(self.time)
        return () if self.time is None else (self.time,)

    @property
    def statics(self) -> tuple[Any, ...]:
        """The columns of static features."""
        if self.static is None:
            return ()
        if is_frame(self.static):
            raise ParameterError(
                "static= names columns of X, and is a frame; join its columns to X by the id, and "
                "name them"
            )
        several = isinstance(self.static, Iterable) and not isinstance(self.static, str)
        return tuple(self.static) if several else (self.static,)

    @property
    def keys(self) -> tuple[Any, ...]:
        """The id and time columns."""
        return (*(() if self.id is None else (self.id,)), *self.times)


@dataclass(frozen=True)
class Table:
    """Sequences, and the form of the input that they came from.

    Attributes
    ----------
    data
        The sequences.
    rows
        ``(N,)``: the row of the input that each row of the data set came from.
    is_list
        Whether the input had one array per sequence, rather than one row per time step.
    names
        The columns of the frame that are features, or None.
    """

    data: Dataset
    rows: Rows
    is_list: bool
    names: list[str] | None

    @property
    def lengths(self) -> Rows:
        """The number of rows of each sequence ``(S,)``."""
        return np.diff(self.data.offsets)

    def last_rows(self, labelled: NDArray[np.bool_]) -> Rows:
        """Return the last labelled row of each sequence, as rows of the input."""
        steps = np.where(labelled[self.rows], np.arange(len(self.rows)), -1)
        last = np.maximum.reduceat(steps, self.data.offsets[:-1])
        return self.rows[last[last >= self.data.offsets[:-1]]]

    def per_row(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return outputs for rows, or for sequences, of the data set in the order of the input.

        Unless the input had one array per sequence, every row gets the output of its sequence.
        """
        if len(outputs) == len(self.data) and len(outputs) != len(self.rows):
            if self.is_list:
                return outputs
            outputs = np.repeat(outputs, self.lengths, axis=0)
        ordered = np.empty_like(outputs)
        ordered[self.rows] = outputs
        return ordered


def is_frame(X: object) -> bool:
    """Whether X is a pandas or Polars frame."""
    return isinstance(X, pl.DataFrame) or (hasattr(X, "columns") and hasattr(X, "iloc"))


def is_sequence_list(X: object) -> bool:
    """Whether X holds one array per sequence: a 3-D array, or a list of 2-D arrays."""
    if isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object):
        return len(X) > 0 and all(getattr(part, "ndim", 0) == 2 for part in X)
    return getattr(X, "ndim", 0) == 3


def require_table(X: Any, *, is_frame_wanted: bool) -> None:
    """Raise an error if estimators cannot read X, for example if it must be a frame and is not."""
    refuse_mask("X", list(X) if is_sequence_list(X) else X)
    if isinstance(X, pl.LazyFrame):
        raise ParameterError("X is a LazyFrame, whose rows are not there yet; give X.collect()")
    if isinstance(X, list | tuple) and any(map(is_frame, X)):
        raise ParameterError(
            "X is a list of frames; put them together in one frame with a column for id=, or give "
            "arrays"
        )
    if is_frame_wanted and not is_sequence_list(X) and not is_frame(X):
        kind = type(X).__name__
        raise ParameterError(
            f"id= and time= name columns of a frame, and X is of type {kind}; give a frame of "
            "pandas or Polars, in a pipeline by set_output(transform='pandas') or 'polars'"
        )


def from_rows(X: NDArray[Any], y: NDArray[Any] | None, weights: NDArray[Any] | None) -> Table:
    """Return a one-step sequence for each row of an array."""
    data = Dataset.from_arrays(X, y, np.arange(len(X) + 1), weights=weights)
    return Table(data, np.arange(len(X)), is_list=False, names=None)


def from_list(
    X: Any, y: NDArray[Any] | None, weights: NDArray[Any] | None, *, each_step: bool
) -> Table:
    """Return the sequences of a list of arrays ``(T, F)``, or of an array ``(B, T, F)``.

    y has one label per sequence or, with ``each_step``, one per step, sequences back to back.
    """
    parts = [_as_floats(part) for part in X]
    widths = sorted({part.shape[1] for part in parts})
    require_steps(parts)
    if len(widths) > 1:
        few, many = widths[0], widths[-1]
        raise ShapeError(f"X has arrays of {few} and of {many} columns; give all one width")
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    labels, row_weights = None, None
    if y is not None:
        labels = _spread(y, offsets, each_step=each_step)
    if weights is not None:
        row_weights = np.repeat(weights, np.diff(offsets))
    data = Dataset.from_arrays(np.concatenate(parts), labels, offsets, weights=row_weights)
    return Table(data, np.arange(int(offsets[-1])), is_list=True, names=None)


def _as_floats(part: Any) -> NDArray[np.float64]:
    """Return the array of a sequence as floats; DataError if it does not hold real numbers."""
    array = as_array("X", part)
    try:
        # An array of objects may hold numbers.
        return as_numbers("X", array.astype(float) if array.dtype == object else array).astype(
            float
        )
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from error


def _spread(y: NDArray[Any], offsets: Rows, *, each_step: bool) -> NDArray[np.float64]:
    """Return a label per row; one given per sequence goes to its last row, NaN to the others."""
    flat = np.asarray(y, dtype=np.float64)
    flat = flat.reshape(len(flat), -1)
    if each_step:
        return flat
    if len(flat) != len(offsets) - 1:
        raise ShapeError(f"y has {len(flat)} labels for {len(offsets) - 1} sequences of X")
    labels = np.full((int(offsets[-1]), flat.shape[1]), np.nan)
    labels[offsets[1:] - 1] = flat
    return labels


def require_steps(X: Any) -> None:
    """Raise ShapeError if there is no sequence, or one has no steps."""
    if len(X) == 0:
        raise ShapeError("X has no sequence; give at least one")
    for number, part in enumerate(X):
        if len(part) == 0:
            raise ShapeError(
                f"sequence {number} of X (counted from 0) has no steps; give each at least one"
            )


def check_lengths(X: Any, y: Any) -> None:
    """Raise ShapeError if y does not have one label per row of X, or per sequence of a list."""
    if y is not None and len(y) != len(X):
        kind = "sequences" if is_sequence_list(X) else "rows"
        raise ShapeError(f"y has {len(y)} labels for {len(X)} {kind} of X")


def from_frame(
    X: Any,
    y: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    reading: Reading,
    names: list[str] | None = None,
) -> Table:
    """Return the sequences of a frame with one row per time step.

    ``names`` are the features found in an earlier fit; by default all columns but id and time.

    Raises
    ------
    DataError
        A column is missing or cannot be used, or the ids have been scaled.
    """
    frame = _as_polars(X, reading, names)
    if frame.height == 0:
        raise DataError("X has no rows; give one per time step")
    columns = frame.columns
    keys = [find_column(columns, name) for name in reading.keys]
    static = [find_column(columns, name) for name in reading.statics]
    named = [*keys, *static]
    if twice := [name for name in named if named.count(name) > 1]:
        raise DataError(f"X has one column '{twice[0]}', named twice by id=, time= and static=")
    if names is None:
        names = [name for name in columns if name not in keys]
    if used := [name for name in keys if name in names]:
        raise ParameterError(
            f"id= and time= name '{used[0]}', a feature that the estimator was fitted on; set them "
            "back, or fit anew"
        )
    # A data set needs at least one feature; without one, add a constant.
    own = [frame[name] for name in names if name not in static]
    own = own or _columns("constant", np.zeros(frame.height), columns)
    labels = _columns("label", y, columns)
    weight = _columns("weight", weights, columns)
    key_columns = [frame[column] for column in keys]
    if reading.id is not None:
        key_columns[0] = _ids(key_columns[0])
    categories = reading.categories
    if categories is not None:
        given = [categories] if isinstance(categories, str) else list(categories)
        categories = [find_column(columns, name) for name in given]
    roles = Roles(
        id=None if reading.id is None else keys[0],
        time=keys[len(keys) - len(reading.times) :] or None,
        features=[column.name for column in own],
        labels=[column.name for column in labels],
        static=static or None,
        weights=weight[0].name if weight else None,
        categories=categories,
        missing="error" if reading.missing == "error" else "keep",
        ties=reading.ties,
        time_format=reading.time_format,
        day_first=reading.day_first,
    )
    read = pl.DataFrame([*key_columns, *own, *frame.select(static), *labels, *weight])
    data = Dataset(**read_table(table_of(read), roles, None))
    return Table(data, data.row_numbers, is_list=False, names=names)


def _as_polars(X: Any, reading: Reading, names: list[str] | None) -> pl.DataFrame:
    """Return a Polars frame; from a pandas index, only ids and times are kept.

    If ``names`` of features are given, other columns are not converted and may have any type.
    """
    if not isinstance(X, pl.DataFrame):
        levels = [name for name in reading.keys if name in X.index.names and name not in X.columns]
        X = (X.reset_index(level=levels) if levels else X).reset_index(drop=True)
    if names is not None:
        columns = [str(name) for name in X.columns]
        known = frozenset(columns)
        if absent := [name for name in names if name not in known]:
            raise DataError(f"X has no column '{absent[0]}', which the estimator was fitted on")
        wanted = {*names, *(find_column(columns, name) for name in reading.keys)}
        X = X[[name for name in X.columns if str(name) in wanted]]
    return X if isinstance(X, pl.DataFrame) else from_pandas(X)


def find_column(columns: list[str], name: str) -> str:
    """Return the column with this name, or with a prefix that a ColumnTransformer added to it."""
    if name in columns:
        return name
    found = [column for column in columns if column.endswith(f"__{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"X has several columns that end with '__{name}', {', '.join(found)}; set "
            "verbose_feature_names_out=False, or name one of them in full"
        )
    known = ", ".join(columns[:20])
    raise DataError(
        f"X has no column '{name}' (its columns: {known}); in a ColumnTransformer let it pass "
        "through (remainder='passthrough') and set verbose_feature_names_out=False"
    )


def _ids(column: pl.Series) -> pl.Series:
    """Return ids; integers that have become floats are converted back."""
    if not column.dtype.is_float():
        return column
    whole, fraction = as_integers(column)
    if column.fill_nan(None).null_count():
        raise DataError(f"X, column '{column.name}': an id is missing; every row needs one")
    if fraction is not None:
        raise DataError(
            f"X, column '{column.name}': {column[fraction]} is no id; a transformer has scaled "
            "this column: let it pass through unchanged (remainder='passthrough')"
        )
    return whole


def _columns(stem: str, values: NDArray[Any] | None, taken: list[str]) -> list[pl.Series]:
    """Return numeric columns, with names that no other column has."""
    if values is None:
        return []
    while any(name.startswith(stem) for name in taken):
        stem += "_"
    matrix = np.asarray(values, dtype=np.float64)
    matrix = matrix.reshape(len(matrix), -1)
    return [pl.Series(f"{stem}{at}", column) for at, column in enumerate(matrix.T)]
