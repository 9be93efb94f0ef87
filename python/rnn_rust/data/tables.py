"""Tables to read rows from: frames of several libraries, files, and several tables as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from rnn_rust.base.arrays import row_at
from rnn_rust.base.forks import require_polars
from rnn_rust.base.polars import FAILURES, pl
from rnn_rust.data.columns import (
    Columns,
    Roles,
    as_names,
    choose_columns,
    reject_repeats,
)
from rnn_rust.data.dicts import from_dict
from rnn_rust.data.grouping import Cells, group_rows
from rnn_rust.data.numbers import merged, read_numbers
from rnn_rust.data.source import JoinedSource, Source
from rnn_rust.data.static import of_ids
from rnn_rust.errors import DataError, ParameterError

KINDS = (
    "a Polars DataFrame or LazyFrame, a pandas DataFrame, a pyarrow Table or RecordBatchReader, a "
    "DuckDB relation or anything else with __arrow_c_stream__, or a dict of arrays"
)
"""The types that a table may have, for messages."""


class Table(ABC):
    """A table.

    Attributes
    ----------
    name
        The name in error messages: a path, or "frame".
    names
        The names of its columns.
    temporary
        An object that keeps the temporary file of the table in existence, or None.
    """

    name: str
    names: list[str]
    temporary: object = None

    @abstractmethod
    def read(self, columns: Columns, dtype: str | None) -> Cells:
        """Return the cells of these columns; DataError if one cannot be used."""

    @abstractmethod
    def keys(self, names: Sequence[str]) -> pl.DataFrame:
        """Return columns unconverted, as they are in the table."""


def read_table(table: Table, roles: Roles, dtype: str | None) -> dict[str, Any]:
    """Return the fields of a data set, read from a table.

    Raises
    ------
    DataError
        A column or a cell cannot be used; the message says where, and what to do.
    ParameterError
        A column name is not a string, or another argument cannot be used.
    """
    require_polars()
    if is_table(roles.static):
        return _read_two(table, table_of(roles.static, "static"), roles, dtype)
    columns = choose_columns(table.names, roles, table.name)
    return group_rows(table.read(columns, dtype), columns, roles)


def _read_two(table: Table, second: Table, roles: Roles, dtype: str | None) -> dict[str, Any]:
    """Return the fields of a data set whose static features are in a second table, by id."""
    named = () if roles.categories is None else as_names("categories", roles.categories)
    categories = [name for name in named if name not in second.names]
    fields = read_table(table, replace(roles, static=None, categories=categories), dtype)
    key = fields["id_name"]
    if key is None:
        raise DataError(
            f"{table.name}: a table of static features goes by ids, and this is one series; name "
            "the column with id="
        )
    features = [name for name in second.names if name != key]
    if not features:
        raise DataError(f"{second.name}: there is no column beside '{key}'; give some, or no table")
    used = {*fields["feature_names"], *fields["label_names"], fields["time_name"]}
    used |= {*fields["keys"].time, roles.weights}
    if taken := [name for name in features if name in used]:
        raise DataError(
            f"{second.name}: {table.name} has a column '{taken[0]}' too, which is used; rename one"
        )
    own = Roles(
        id=key, time=None, features=features, labels=(), missing="keep",
        categories=[name for name in named if name in features],
    )  # fmt: skip
    static = of_ids(read_table(second, own, dtype), fields["ids"], second.name)
    if roles.missing == "error" and (gaps := np.isnan(static.values)).any():
        row, column = divmod(int(np.argmax(gaps)), gaps.shape[1])
        raise DataError(
            f"{second.name}: '{static.names[column]}' of id {fields['ids'][row]} is missing; fill "
            "it, or give missing='keep'"
        )
    return fields | {"static": static}


class FrameTable(Table):
    """A Polars frame, in memory or lazy; a ``source``, if given, names its rows in messages."""

    _source: Source | None = None

    def __init__(
        self,
        frame: pl.DataFrame | pl.LazyFrame,
        name: str = "frame",
        source: Source | None = None,
    ) -> None:
        self.name, self._source, self._frame = name, source, frame
        try:
            self.names = frame.collect_schema().names()
        except (*FAILURES, OSError) as error:
            raise self._unreadable(error) from error

    def read(self, columns: Columns, dtype: str | None) -> Cells:
        """See the base class."""
        frame = self._collect([*columns.keys, *columns.numbers])
        ids = None if columns.id is None else frame[columns.id]
        source = self._source
        if source is None:
            source = Source(self.name, row_at, ids)
        if frame.height == 0:
            raise DataError(f"{self.name}: there are no rows; give one row per time step")
        numbers = read_numbers(frame, columns, source, dtype)
        return Cells(frame.select(columns.keys), numbers, source)

    def keys(self, names: Sequence[str]) -> pl.DataFrame:
        """See the base class."""
        return self._collect(list(names))

    def _collect(self, names: list[str]) -> pl.DataFrame:
        frame = self._frame
        if isinstance(frame, pl.DataFrame) and names and set(names).issubset(self.names):
            return frame[names]  # For few rows, a query takes longer than all the work.
        try:
            return frame.lazy().select(names).collect()
        except (*FAILURES, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> DataError:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return DataError(f"{self.name}: it cannot be read ({reason}); check the table")


class PandasTable(FrameTable):
    """A pandas frame, of which only the columns requested are converted."""

    def __init__(self, frame: Any, name: str = "frame") -> None:
        from rnn_rust.data.pandas_frames import columns_of

        self.name, self._columns = name, columns_of(frame)
        self.names = list(self._columns)

    def _collect(self, names: list[str]) -> pl.DataFrame:
        from rnn_rust.data.pandas_frames import converted

        return pl.DataFrame({name: converted(name, self._columns[name]) for name in names})


class JoinedTable(Table):
    """Several concatenated tables with the same columns."""

    def __init__(self, name: str, parts: Sequence[Table]) -> None:
        self.name, self.names, self._parts = name, parts[0].names, parts

    def read(self, columns: Columns, dtype: str | None) -> Cells:
        """See the base class."""
        wanted = {*columns.keys, *columns.numbers}
        for part in self._parts:
            reject_repeats(part.names, part.name)
            if missing := sorted(wanted.difference(part.names)):
                raise DataError(
                    f"{part.name}: no column '{missing[0]}', which {self._parts[0].name} has; give "
                    "files with the same columns"
                )
        cells = [part.read(columns, dtype) for part in self._parts]
        ends = list(accumulate(len(part.numbers.features) for part in cells))
        source = JoinedSource(self.name, [part.source for part in cells], ends)
        keys = self._joined([part.keys for part in cells])
        numbers = merged([part.numbers for part in cells], columns)
        return Cells(keys, numbers, source, is_text=all(part.is_text for part in cells))

    def keys(self, names: Sequence[str]) -> pl.DataFrame:
        """See the base class."""
        return self._joined([part.keys(names) for part in self._parts])

    def _joined(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return concatenated keys; DataError if their types differ in kind."""
        unlike = DataError(
            f"{self.name}: ids or times have other types in some files than in others; write "
            "them alike"
        )
        for name in frames[0].columns:
            kinds = [frame[name].dtype for frame in frames]
            # Polars would convert dates to days since 1970.
            dates = any(kind.is_temporal() for kind in kinds)
            if dates and any(kind.is_numeric() for kind in kinds):
                raise unlike
        try:
            return pl.concat(frames, how="vertical_relaxed")
        except FAILURES as error:
            raise unlike from error


def table_of(value: object, name: str = "frame") -> Table:
    """Return a table for any of :data:`KINDS`; ``name`` is what error messages call it.

    Raises
    ------
    ParameterError
        ``value`` is something else.
    DataError
        Its columns cannot be converted.
    """
    if isinstance(value, Table):
        return value
    require_polars()
    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        return FrameTable(value, name)
    if _is_pandas(value):
        return PandasTable(value, name)
    if isinstance(value, Mapping):
        return FrameTable(from_dict(value, name), name)
    if _is_stream(value):
        return FrameTable(_of_stream(value), name)
    raise ParameterError(
        f"a table is {KINDS}, not a {type(value).__module__}.{type(value).__qualname__}"
    )


def is_table(value: object) -> bool:
    """Whether :func:`table_of` accepts the value."""
    return (
        isinstance(value, Table | pl.DataFrame | pl.LazyFrame | Mapping)
        or _is_pandas(value)
        or _is_stream(value)
    )


def _is_pandas(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def _is_stream(value: object) -> bool:
    """Whether the value is an Arrow stream of columns, not one Polars or pandas column."""
    package = type(value).__module__.partition(".")[0]
    is_column = isinstance(value, pl.Series) or package == "pandas"
    return hasattr(value, "__arrow_c_stream__") and not is_column


def _of_stream(value: Any) -> pl.DataFrame:
    kind = type(value).__name__
    again = "a stream is read once, by one reader at a time: make a new one"
    if hasattr(value, "num_rows"):
        again = "check the table"
    try:
        frame = pl.DataFrame(value)
    except (Exception, *FAILURES) as error:  # the library that made the stream may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"frame: the {kind} cannot be read ({reason}); {again}") from error
    if frame.height == 0:
        raise DataError(f"frame: the {kind} has no rows, or was read before; {again}")
    return frame
