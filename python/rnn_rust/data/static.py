"""Static features, which have one value for all rows of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.arrays import FloatArray, positions
from rnn_rust.base.checks import counted, shown
from rnn_rust.data.arrays import as_matrix, check_finite, column_names
from rnn_rust.data.levels import merged
from rnn_rust.errors import DataError, ParameterError, ShapeError

if TYPE_CHECKING:
    from rnn_rust.data.source import Source

TEXT_IN_SOME = "concat: column '{name}' is text in some data sets; convert one"
"""The message for a column that has levels in only some of several data sets."""


@dataclass(frozen=True, eq=False)
class StaticFeatures:
    """The static features of some sequences.

    Attributes
    ----------
    values
        ``(S, K)``, float32 or float64: numbers, and the level numbers of categories.
    names
        The names of the K columns.
    levels
        The levels of each category, by name.
    """

    values: FloatArray
    names: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the array read-only."""
        self.values.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields of a pickled or copied object, whose array NumPy made writable."""
        vars(self).update(state)
        self.__post_init__()

    def take(self, positions: NDArray[np.int64] | slice) -> StaticFeatures:
        """Return the static features of the sequences at these positions."""
        return replace(self, values=np.ascontiguousarray(self.values[positions]))

    def equals(self, other: StaticFeatures | None) -> bool:
        """Whether values, names and levels are all equal."""
        return (
            other is not None
            and (self.names, self.levels) == (other.names, other.levels)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def in_order(self, names: tuple[str, ...]) -> StaticFeatures:
        """Return the columns in this order; ShapeError if the names are not the same."""
        if sorted(names) != sorted(self.names):
            raise ShapeError(
                f"the static features are {', '.join(self.names)}, and have to be "
                f"{', '.join(names)}; give the same columns"
            )
        order = positions(self.names, names)
        return replace(self, values=np.ascontiguousarray(self.values[:, order]), names=names)


def from_arrays(
    values: ArrayLike | None, names: Iterable[str] | None, sequences: int, taken: Iterable[str]
) -> StaticFeatures | None:
    """Return static features given as an array ``(S, K)``; None without any.

    ``taken`` are the names of all other columns.

    Raises
    ------
    DataError
        A value is not a finite number.
    ParameterError
        Names are not strings, are not all different, or are among ``taken``.
    ShapeError
        There is not one row per sequence, or not one name per column.
    """
    if values is None:
        if names is not None:
            raise ParameterError("static_names are given, and no static features; give static=")
        return None
    matrix = as_matrix(values, "static")
    if len(matrix) != sequences or matrix.shape[1] == 0:
        raise ShapeError(
            f"static: shape {matrix.shape}; give a row for each of {counted(sequences, 'sequence')}"
        )
    own, others = column_names(names, "s", matrix.shape[1]), set(taken)
    if len(set(own)) < len(own) or not others.isdisjoint(own):
        raise ParameterError(
            f"static_names {own} must all differ, also from {', '.join(sorted(others))}"
        )
    check_finite(matrix, own, "static")
    return StaticFeatures(matrix, own)


def split_off(
    features: FloatArray,
    names: tuple[str, ...],
    levels: Mapping[str, tuple[str, ...]],
    offsets: NDArray[np.int64],
    where: tuple[Source, NDArray[np.int64] | None, NDArray[Any] | None],
) -> tuple[FloatArray, StaticFeatures]:
    """Return the features without their last columns, and these: the static ones, ``names``.

    Parameters
    ----------
    features
        ``(N, F + K)``, with the rows of each sequence together.
    where
        For messages: the source; the row of the table that each row came from, or None if in
        order; and the ids of the sequences, or None for one series.

    Raises
    ------
    DataError
        A value changes within a sequence.
    """
    count = features.shape[1] - len(names)
    rows, starts = features[:, count:], offsets[:-1]
    values = np.ascontiguousarray(rows[starts])
    before = np.repeat(values, np.diff(offsets), axis=0)
    changes = (rows != before) & ~(np.isnan(rows) & np.isnan(before))
    if changes.any():
        row, column = divmod(int(np.argmax(changes)), len(names))
        source, order, ids = where
        name = names[column]
        first, later = (
            _written(value, levels.get(name)) for value in (before[row, column], rows[row, column])
        )
        sequence = int(np.searchsorted(offsets, row, side="right")) - 1
        whose = (
            "the series" if ids is None else f"id {shown(ids[sequence : sequence + 1].tolist()[0])}"
        )
        place = source.at(row if order is None else int(order[row]), name)
        raise DataError(
            f"{place}: {later}, and {first} in an earlier row of {whose}; a static feature has one "
            "value for all rows of a sequence: if it changes, leave it out of static= and name it "
            "in features="
        )
    own_levels = {name: own for name, own in levels.items() if name in names}
    return np.ascontiguousarray(features[:, :count]), StaticFeatures(values, names, own_levels)


def _written(value: Any, levels: tuple[str, ...] | None) -> str:
    """Return a value as it would be written in a table."""
    if levels is not None:
        return shown(levels[int(value)])
    return "missing" if np.isnan(value) else str(value).removesuffix(".0")


def of_ids(fields: Mapping[str, Any], ids: NDArray[Any], where: str) -> StaticFeatures:
    """Return the static features of sequences from a table with one row per id.

    Parameters
    ----------
    fields
        The fields of a data set read from the table.
    ids
        The ids of the sequences.
    where
        What error messages call the table.

    Raises
    ------
    DataError
        An id has several rows in the table, or none.
    """
    lengths = np.diff(fields["offsets"])
    own = fields["ids"]
    if (lengths > 1).any():
        at = int(np.argmax(lengths > 1))
        raise DataError(
            f"{where}: id {own.item(at)!r} has {lengths[at]} rows; a table of static features has "
            "one for each id"
        )
    rows = _rows_of(own, ids)
    if (rows < 0).any():
        missing = ids.item(int(np.argmax(rows < 0)))
        raise DataError(f"{where}: there is no row with id {missing!r}; give one for every id")
    values = np.ascontiguousarray(fields["features"][rows])
    return StaticFeatures(values, fields["feature_names"], fields["levels"])


def _rows_of(own: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Return the row of each wanted id, or -1 if it is missing."""
    from rnn_rust.base.polars import pl

    there, asked = pl.DataFrame({"id": own}), pl.DataFrame({"id": wanted})
    if own.dtype != wanted.dtype:
        # Ids that are integers in one table may be text in the other.
        there, asked = there.cast(pl.String), asked.cast(pl.String)
    both = asked.with_row_index("at").join(there.with_row_index("row"), on="id")
    rows = np.full(len(wanted), -1, dtype=np.int64)
    rows[both["at"].to_numpy()] = both["row"].to_numpy()
    return rows


def concatenated(parts: Several[StaticFeatures | None]) -> StaticFeatures | None:
    """Return the static features of several data sets, in order.

    Raises
    ------
    ShapeError
        The columns are not the same.
    DataError
        A column is text in only some of the data sets.
    """
    first = parts[0]
    if first is None or any(part is None for part in parts):
        if any(part is not None for part in parts):
            raise ShapeError("concat: some data sets alone have static features; give all or none")
        return None
    ordered = [part.in_order(first.names) for part in parts if part is not None]
    values, levels = merged(
        [part.values for part in ordered], [part.levels for part in ordered], first.names,
        TEXT_IN_SOME,
    )  # fmt: skip
    return StaticFeatures(values, first.names, levels)
