"""From what scikit-learn passes around, frames and arrays, to sequences, and back to its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnn_rust.data.dataset import Dataset
from rnn_rust.data.pandas_frames import from_pandas
from rnn_rust.errors import DataError, ParameterError, ShapeError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """How a frame is read: the arguments of an estimator that say so."""

    id: str | None
    time: str | None
    categories: Any
    missing: str
    ties: str


@dataclass(frozen=True)
class Table:
    """Sequences, and what they were given as.

    Attributes
    ----------
    data
        The sequences.
    rows
        ``(N,)``: the row of the input that each row of the data set came from.
    is_list
        Whether sequences were given one by one, as arrays, and not as rows of a table.
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

    def per_row(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return outputs of the data set's rows, or of its sequences, in the order of the input.

        Of sequences that are rows of a table, every row has the output of its sequence.
        """
        if len(outputs) == len(self.data) and len(outputs) != len(self.rows):
            if self.is_list:
                return outputs
            outputs = np.repeat(outputs, self.lengths, axis=0)
        ordered = np.empty_like(outputs)
        ordered[self.rows] = outputs
        return ordered


def is_frame(X: object) -> bool:
    """Whether X is a frame of pandas or Polars."""
    return isinstance(X, pl.DataFrame) or (hasattr(X, "columns") and hasattr(X, "iloc"))


def is_sequence_list(X: object) -> bool:
    """Whether X holds one array per sequence: a 3-D array, or a list of 2-D arrays."""
    if isinstance(X, list | tuple):
        return bool(X) and all(getattr(part, "ndim", 0) == 2 for part in X)
    return getattr(X, "ndim", 0) == 3


def from_rows(X: NDArray[Any], y: NDArray[Any] | None, weights: NDArray[Any] | None) -> Table:
    """Return a sequence of one step for each row of an array."""
    data = Dataset.from_arrays(X, y, np.arange(len(X) + 1), weights=weights)
    return Table(data, np.arange(len(X)), is_list=False, names=None)


def from_list(
    X: Any, y: NDArray[Any] | None, weights: NDArray[Any] | None, *, each_step: bool
) -> Table:
    """Return the sequences of a list of arrays ``(T, F)``, or of an array ``(B, T, F)``.

    y has a label for each sequence, or, with ``each_step``, one array for each.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in X]
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise ShapeError(
            f"X has arrays of {widths[0]} and of {widths[-1]} columns; give all one width"
        )
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    rows, labels, row_weights = int(offsets[-1]), None, None
    if y is not None:
        labels = spread(y, offsets, each_step=each_step)
    if weights is not None:
        row_weights = np.repeat(weights, np.diff(offsets))
    data = Dataset.from_arrays(np.concatenate(parts), labels, offsets, weights=row_weights)
    return Table(data, np.arange(rows), is_list=True, names=None)


def spread(y: NDArray[Any], offsets: Rows, *, each_step: bool) -> NDArray[np.float64]:
    """Return a label for every row: of a sequence the last one has it, where y has one for each."""
    rows = int(offsets[-1])
    flat = np.asarray(y, dtype=np.float64)
    flat = flat.reshape(len(flat), -1)
    if each_step:
        if len(flat) != rows:
            raise ShapeError(f"y has {len(flat)} labels for {rows} steps; give one for each")
        return flat
    labels = np.full((rows, flat.shape[1]), np.nan)
    labels[offsets[1:] - 1] = flat
    return labels


def from_frame(
    X: Any,
    y: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    reading: Reading,
    names: list[str] | None = None,
) -> Table:
    """Return the sequences of a frame with a row per step.

    ``names`` are the features where a fit has found them; by default all columns but id and time.

    Raises
    ------
    DataError
        A column is missing, or cannot be used; an id has been scaled.
    """
    frame = as_polars(X, reading)
    keys = {name: find_column(frame.columns, name) for name in (reading.id, reading.time) if name}
    if names is None:
        names = [name for name in frame.columns if name not in keys.values()]
    elif absent := [name for name in names if name not in frame.columns]:
        raise DataError(f"X has no column '{absent[0]}', which the estimator was fitted on")
    # A data set has at least one feature; whoever wants none has no use for this one.
    own = [frame[name] for name in names]
    own = own or _columns("constant", np.zeros(frame.height), frame.columns)
    labels = _columns("label", y, frame.columns)
    weight = _columns("weight", weights, frame.columns)
    key_columns = [frame[column] for column in keys.values()]
    if reading.id:
        key_columns[0] = _ids(key_columns[0])
    data = Dataset.from_frame(
        pl.DataFrame([*key_columns, *own, *labels, *weight]),
        id=keys.get(reading.id) if reading.id else None,
        time=keys.get(reading.time) if reading.time else None,
        features=[column.name for column in own],
        labels=[column.name for column in labels],
        weights=weight[0].name if weight else None,
        categories=reading.categories,
        missing="error" if reading.missing == "error" else "keep",
        ties=reading.ties,
    )
    return Table(data, data.row_numbers, is_list=False, names=names)


def as_polars(X: Any, reading: Reading) -> pl.DataFrame:
    """Return a frame of Polars; of one of pandas the index, unless it has the id or the time."""
    if isinstance(X, pl.DataFrame):
        return X
    if not is_frame(X):
        kind = type(X).__name__
        raise ParameterError(
            f"id= and time= name columns of a frame, and X is of type {kind}; give a frame of "
            "pandas or Polars, in a pipeline by set_output(transform='pandas') or 'polars'"
        )
    in_index = {reading.id, reading.time} & set(X.index.names) - {None}
    return from_pandas(X.reset_index() if in_index else X.reset_index(drop=True))


def find_column(columns: list[str], name: str) -> str:
    """Return the column of a name, also where a ColumnTransformer has put its own before it."""
    if name in columns:
        return name
    found = [column for column in columns if column.endswith(f"__{name}")]
    if len(found) == 1:
        return found[0]
    known = ", ".join(columns[:20])
    raise DataError(
        f"X has no column '{name}' (its columns: {known}); in a ColumnTransformer let it pass "
        "through (remainder='passthrough') and set verbose_feature_names_out=False"
    )


def _ids(column: pl.Series) -> pl.Series:
    """Return ids; whole numbers that have become floats are integers again."""
    if not column.dtype.is_float():
        return column
    whole = column.cast(pl.Int64, strict=False)
    fractions = column.is_not_null() & (column != whole.cast(column.dtype)).fill_null(True)
    if fractions.any():
        raise DataError(
            f"X, column '{column.name}': {column.filter(fractions)[0]} is no id; a transformer has "
            "scaled this column: let it pass through unchanged (remainder='passthrough')"
        )
    return whole


def _columns(stem: str, values: NDArray[Any] | None, taken: list[str]) -> list[pl.Series]:
    """Return columns of numbers under names that no other has."""
    if values is None:
        return []
    while any(name.startswith(stem) for name in taken):
        stem += "_"
    matrix = np.asarray(values, dtype=np.float64)
    matrix = matrix.reshape(len(matrix), -1)
    return [pl.Series(f"{stem}{at}", column) for at, column in enumerate(matrix.T)]
