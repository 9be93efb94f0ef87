"""Features of events as users give them: by name or in order, for one event or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray, as_floats
from rnn_rust.base.checks import counted, shown
from rnn_rust.errors import DataError, ShapeError

# Types of the items of a batch without names; checking only types is fast.
_WITHOUT_NAMES = frozenset({bool, int, float, list, tuple, np.ndarray, *np.sctypeDict.values()})


def row_of(what: str, values: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the features of one event by name; the result may have other names too.

    Parameters
    ----------
    what
        What messages call the features.
    values
        By name, in a dict, a named tuple or a Series whose index has names; or in order.
    names
        Names of all features.

    Raises
    ------
    DataError
        By name, a feature is missing or there twice.
    ShapeError
        In order, there are more or fewer values than names; or ``values`` is not a row.
    """
    named = None if _is_frame(values) else _by_name(what, values, names)
    if named is not None:
        return named
    is_row = hasattr(values, "__getitem__") and getattr(values, "ndim", 1) == 1
    if isinstance(values, str | bytes) or not is_row or _is_frame(values):
        raise ShapeError(
            f"{what}: {shown(values)}; give those of one row, by name or in the order "
            f"{', '.join(names)}"
        )
    row = list(values)
    if len(row) != len(names):
        raise ShapeError(f"{what}: {counted(len(row), 'value')} for {', '.join(names)}")
    return dict(zip(names, row, strict=True))


def rows_by_name(names: Iterable[str] | None) -> Callable[[str, Any], FloatArray]:
    """Return a function that makes arrays of features, in the order of these names.

    It takes a table or a dict of columns, a row as :func:`row_of` takes it, or a list of such rows;
    features without names are kept in their order. If a model's features have no names, columns of
    a table are taken by position, and events by name are refused.
    """
    own = None if names is None else tuple(names)

    def as_rows(what: str, values: Any) -> FloatArray:
        if what != "features":
            return as_floats(what, values)
        in_order = _in_order(what, values, own)
        try:
            return as_floats(what, in_order)
        except DataError:
            # That message has at most the position; say the name if there is one.
            if own is not None:
                _check_named(what, values, own)
            raise

    return as_rows


def _check_named(what: str, values: Any, names: tuple[str, ...]) -> None:
    """Raise DataError if a value given by name is not a number."""
    if isinstance(values, np.ndarray) or _is_frame(values):
        return
    values = with_names(values)
    many = isinstance(values, list | tuple) or _has_dicts(values)
    rows = values if many else [values]
    for event, row in enumerate(rows):
        where = f"{what} of event {event}" if many else what
        for name, value in (_by_name(where, row, names) or {}).items():
            if name in names and not _is_number(value):
                raise DataError(
                    f"{where}: '{name}' is {shown(value)}, which is not a number"
                ) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal | np.bool_) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "biuf"
    )


def with_names(values: Any) -> Any:
    """Return a named tuple as a dict, and anything else unchanged."""
    if isinstance(values, tuple) and hasattr(values, "_fields"):
        return dict(zip(values._fields, values, strict=True))
    return values


def _in_order(what: str, values: Any, names: tuple[str, ...] | None) -> Any:
    """Return features given by name in order, and any others unchanged."""
    if isinstance(values, np.ndarray):
        return values
    if _is_frame(values):
        return _of_frame(what, values, names)
    values = with_names(values)
    if names is None:
        _refuse_names(what, values)
        return values
    if isinstance(values, list | tuple) or _has_dicts(values):
        return _rows_in_order(what, values, names)
    if isinstance(values, Mapping) and any(np.ndim(column) for column in values.values()):
        return _columns_in_order(what, values, list(values), names)
    return _row_in_order(what, values, names)


def _refuse_names(what: str, values: Any) -> None:
    """Raise DataError if an event has names; the model's features have none."""
    rows = values if isinstance(values, list | tuple) or _has_dicts(values) else [values]
    if _WITHOUT_NAMES.issuperset(map(type, rows)):
        return
    if any(_by_name(what, row, ()) is not None for row in rows):
        raise DataError(f"{what} by name, but those of the model have none; give them in order")


def _is_frame(values: Any) -> bool:
    """Whether it has columns, like the tables of all libraries; a Series has none."""
    kind = type(values)
    # An Arrow reader is a stream; so are a Series and an Arrow array, but these have __array__.
    is_stream = hasattr(kind, "__arrow_c_stream__") and not hasattr(kind, "__array__")
    return is_stream or hasattr(kind, "columns")


def _has_dicts(values: Any) -> bool:
    """Whether it is a container of dicts, such as a Polars Series of structs."""
    return hasattr(values, "__len__") and isinstance(next(iter(values), None), Mapping)


def _of_frame(what: str, table: Any, names: tuple[str, ...] | None) -> Any:
    """Return the columns with these names, side by side; without names, all of the table."""
    if hasattr(type(table), "iloc"):  # A pandas frame, which does not need Polars.
        return table if names is None else _columns_in_order(what, table, list(table), names)
    from rnn_rust.base.polars import pl
    from rnn_rust.data.tables import table_of

    if isinstance(table, pl.DataFrame):
        return table if names is None else _columns_in_order(what, table, table.columns, names)
    read = table_of(table, what)
    own = tuple(read.names) if names is None else names
    _check_names(what, read.names, own)
    return _columns_in_order(what, read.keys(own), read.names, own)


def _check_names(what: str, given: list[Any], names: tuple[str, ...]) -> None:
    """Raise DataError if a column is missing or there twice."""
    if missing := [name for name in names if name not in given]:
        raise DataError(f"{what}: there is no column '{missing[0]}'; give each by name")
    if twice := [name for name in names if given.count(name) > 1]:
        raise DataError(f"{what}: column '{twice[0]}' is there twice; give each once")


def _columns_in_order(what: str, table: Any, given: list[Any], names: tuple[str, ...]) -> Any:
    """Return the columns with these names, side by side, from a frame or a dict of columns."""
    _check_names(what, given, names)
    columns = [as_floats(f"{what}: column '{name}'", table[name]) for name in names]
    if len({column.shape for column in columns}) > 1:
        raise DataError(f"{what}: columns of different lengths; make all equally long")
    return np.stack(columns, axis=-1)


def _rows_in_order(what: str, rows: Any, names: tuple[str, ...]) -> Any:
    """Return a list of rows with features in order, or a list of the numbers of one row."""
    if _WITHOUT_NAMES.issuperset(map(type, rows)):
        return rows
    return [_row_in_order(what, row, names, at) for at, row in enumerate(rows)]


def _row_in_order(what: str, row: Any, names: tuple[str, ...], event: int | None = None) -> Any:
    """Return a row with its features in order if they have names, else unchanged."""
    if type(row) is dict:
        # A fast path for the most frequent type; the code below reports a missing name.
        try:
            return [row[name] for name in names]
        except KeyError:
            pass
    named = _by_name(what if event is None else f"{what} of event {event}", row, names)
    return row if named is None else [named[name] for name in names]


def _by_name(what: str, values: Any, names: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return values by name, with all of ``names``; None if the values have no names."""
    named: Mapping[str, Any] = with_names(values)
    if not isinstance(named, Mapping):
        # The names of a Series are its index; if that has numbers or dates, they are positions.
        labels = list(values.keys()) if hasattr(values, "keys") else []
        if not any(isinstance(label, str) for label in labels):
            return None
        named = dict(zip(labels, values, strict=True))
        twice = [name for name in names if len(named) < len(labels) and labels.count(name) > 1]
        if twice:
            raise DataError(f"{what}: '{twice[0]}' is there twice; give each once")
    for name in names:
        if name not in named:
            raise DataError(f"{what}: there is no '{name}'; give each by name")
    return named
