"""From the cells of a table to a data set: the rows of each id together, in time order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import shown
from rnn_rust.base.polars import pl
from rnn_rust.data.columns import Columns, Roles
from rnn_rust.data.dates import TimeForm, order_of
from rnn_rust.data.numbers import Numbers
from rnn_rust.data.sequences import Sequences
from rnn_rust.data.source import Source
from rnn_rust.data.static import split_off
from rnn_rust.data.time_columns import joined_time
from rnn_rust.data.times import Times, describe_tie, read_times
from rnn_rust.errors import DataError

# Integers that text can be turned into and back without loss, and that fit 64 bits.
_PLAIN_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"

# With fewer rows, conversion is faster than starting a thread.
_WORTH_A_THREAD = 10_000

Order = tuple[NDArray[np.int64] | None, NDArray[np.int64]]
"""The order of rows (None for the order of the table), and where sequences start."""


@dataclass(frozen=True)
class Cells:
    """What was read from a table.

    Attributes
    ----------
    keys
        The id and time columns.
    numbers
        The other columns.
    source
        Where the cells are, for messages.
    is_text
        Whether all keys are text, as in a CSV file; plain integers then become integer ids.
    """

    keys: pl.DataFrame
    numbers: Numbers
    source: Source
    is_text: bool = False


def group_rows(cells: Cells, columns: Columns, roles: Roles) -> dict[str, Any]:
    """Return the fields of a data set, with the rows of each id together and in time order."""
    source, count = cells.source, len(cells.numbers.features)
    if count == 0:
        raise DataError(f"{source.name}: there are no rows; give one row per time step")
    ids, (times, form), (order, starts) = _ordered_keys(cells, columns, roles)
    numbers = cells.numbers
    rows: dict[str, Any] = {
        "ids": ids, "times": times, "features": numbers.features, "labels": numbers.labels,
        "weights": numbers.weights,
    }  # fmt: skip
    if order is not None:
        rows = {name: None if own is None else own[order] for name, own in rows.items()}
    offsets = np.append(starts, count).astype(np.int64)
    if not columns.time:
        rows["times"] = pl.Series(
            np.arange(count, dtype=np.int64) - np.repeat(starts, np.diff(offsets))
        )
    ids_of_sequences = rows["ids"][starts].to_numpy()
    static = None
    if columns.static:
        where = (source, order, None if columns.id is None else ids_of_sequences)
        rows["features"], static = split_off(
            rows["features"], columns.static, numbers.levels, offsets, where
        )
    return {
        "features": rows["features"],
        "static": static,
        "labels": rows["labels"],
        "weights": rows["weights"],
        "offsets": offsets,
        "ids": ids_of_sequences,
        "times": rows["times"].to_numpy(),
        "row_numbers": np.arange(count, dtype=np.int64) if order is None else order,
        "time_form": form,
        "keys": columns.read_by(roles, day_first=_order(form, roles)),
        **_names_and_levels(columns, numbers),
    }


def _order(form: TimeForm | None, roles: Roles) -> bool | None:
    """Return whether days come before months; None if neither table nor format shows it."""
    if roles.time_format is not None:
        return order_of(roles.time_format)
    return None if form is None else form.day_first


def _names_and_levels(columns: Columns, numbers: Numbers) -> dict[str, Any]:
    """Return the fields of a data set that describe its columns."""
    of_rows = columns.features[: len(columns.features) - len(columns.static)]
    own = set(of_rows)
    return {
        "feature_names": of_rows,
        "label_names": columns.labels,
        "id_name": columns.id,
        "time_name": ", ".join(columns.time) or None,
        "weights_name": columns.weights or Sequences.weights_name,
        "left_out": columns.left_out,
        "levels": {name: levels for name, levels in numbers.levels.items() if name in own},
        "label_levels": numbers.label_levels,
        "keeps_missing": columns.keeps_missing,
    }


def _ordered_keys(cells: Cells, columns: Columns, roles: Roles) -> tuple[pl.Series, Times, Order]:
    """Return ids and times in the order of the table, and the order of the data set."""
    source, count = cells.source, len(cells.numbers.features)
    column = joined_time(cells.keys, columns.time, source, count)

    def read_ids() -> pl.Series:
        if columns.id is None:
            return pl.Series("id", [0]).new_from_index(0, count)
        return _ids(cells.keys[columns.id], source, is_text=cells.is_text)

    if count < _WORTH_A_THREAD:
        ids, (times, form) = read_ids(), times_of(column, source, roles)
    else:
        # Polars uses one thread per column.
        with ThreadPoolExecutor(1) as executor:
            converted = executor.submit(times_of, column, source, roles)
            ids = read_ids()
            times, form = converted.result()
    if not columns.time:
        return ids, (times, form), _table_order(ids)

    def refusal(earlier: int, later: int) -> DataError:
        whose = "the series" if columns.id is None else f"id {shown(ids[later])}"
        return DataError(describe_tie(whose, column, (earlier, later), source))

    order = _sequence_order(ids, times, keep_ties=roles.ties == "keep", refusal=refusal)
    return ids, (times, form), order


def _sequence_order(
    ids: pl.Series,
    times: pl.Series,
    *,
    keep_ties: bool,
    refusal: Callable[[int, int], DataError],
) -> Order:
    """Return the order of the rows (None if they are in order) and where sequences start.

    ``refusal`` makes the error of two rows of an id at the same time.

    Ids keep the order of their first appearance; within an id, time increases. Data that is
    grouped already is common, and checking for it is much faster than sorting.
    """
    starts, stuck = _runs(ids, times, keep_ties=keep_ties)
    if stuck.size == 0 and starts.size == ids[starts].n_unique():
        return None, starts
    rows = pl.DataFrame({"id": ids, "time": times}).with_row_index("row")
    first = pl.col("row").min().over("id")
    sort = pl.arg_sort_by(first, "time", maintain_order=True)
    order = rows.select(sort.cast(pl.Int64)).to_series().to_numpy()
    starts, stuck = _runs(ids[order], times[order], keep_ties=keep_ties)
    if stuck.size:
        earlier, later = (int(row) for row in order[stuck[0] - 1 : stuck[0] + 1])
        raise refusal(earlier, later)
    return order, starts


def _table_order(ids: pl.Series) -> Order:
    """Return the order that puts the rows of each id together, otherwise in the table's order."""
    starts = np.flatnonzero((ids != ids.shift()).fill_null(True).to_numpy()).astype(np.int64)
    if starts.size == ids[starts].n_unique():
        return None, starts
    first = pl.DataFrame({"id": ids}).with_row_index("row").select(pl.col("row").min().over("id"))
    order = np.argsort(first.to_series().to_numpy(), kind="stable").astype(np.int64)
    together = ids[order]
    starts = np.flatnonzero((together != together.shift()).fill_null(True).to_numpy())
    return order, starts.astype(np.int64)


def _runs(
    ids: pl.Series, times: pl.Series, *, keep_ties: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows where the id changes, and those where only time does not increase."""
    starts = (ids != ids.shift()).fill_null(True)
    before = times.shift()
    rises = times >= before if keep_ties else times > before
    stuck = ~starts & ~rises.fill_null(False)
    return (
        np.flatnonzero(starts.to_numpy()).astype(np.int64),
        np.flatnonzero(stuck.to_numpy()).astype(np.int64),
    )


def _ids(column: pl.Series, source: Source, *, is_text: bool) -> pl.Series:
    if is_text:
        _require_all(column, source)
        heads = column.filter(column.ne_missing(column.shift()))  # Ids often repeat in a row.
        plain = heads.str.contains(_PLAIN_INTEGER).all()
        return column.cast(pl.Int64) if plain else column
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
        if column.str.contains(_PLAIN_INTEGER).all():
            column = column.cast(pl.Int64)
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


def times_of(column: pl.Series, source: Source, roles: Roles) -> Times:
    """Return the times of a column and their format; DataError if one is missing."""
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    kind = column.dtype
    if kind not in (pl.String, pl.Date, pl.Datetime, pl.Duration) and not kind.is_numeric():
        raise DataError(
            f"{source.name}, column '{column.name}': times are {kind}; "
            "convert them to numbers or dates"
        )
    _require_all(column, source)
    return read_times(column, source, roles.time_format, day_first=roles.day_first)


def _require_all(column: pl.Series, source: Source) -> None:
    empty = column.is_null() | (column == "") if column.dtype == pl.String else column.is_null()
    if empty.any():
        row = int(empty.arg_max() or 0)
        raise DataError(
            f"{source.at(row, column.name)}: the cell is empty; every row needs an id and a time"
        )
