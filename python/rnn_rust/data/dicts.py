"""Dicts of arrays as Polars frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_rust.base.arrays import as_array, has_mask
from rnn_rust.base.polars import FAILURES, pl
from rnn_rust.data.cells import from_cells, from_times, unconvertible
from rnn_rust.errors import DataError, ParameterError


def from_dict(table: Mapping[Any, Any], where: str = "frame") -> pl.DataFrame:
    """Return a dict of columns as a frame; masked cells are missing.

    ``where`` is what messages call it.

    Raises
    ------
    DataError
        A column cannot be converted, two have the same name, or lengths differ.
    ParameterError
        A column is not a one-dimensional list or array.
    """
    columns: dict[str, pl.Series] = {}
    for key, cells in table.items():
        name = str(key)
        if name in columns:
            raise DataError(f"{where}: two columns are named '{name}'; rename one of them")
        try:
            columns[name] = _column(name, cells, where)
        except (DataError, ParameterError):
            raise
        except (*FAILURES, TypeError, ValueError, OverflowError) as error:
            raise unconvertible(name, "the cells", error, where) from error
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{where}: columns of different lengths, {lengths}; make all equally long")
    return pl.DataFrame(columns)


def _column(name: str, cells: Any, where: str) -> pl.Series:
    if isinstance(cells, pl.Series):
        return cells.alias(name)
    if has_mask(cells):
        hidden = np.ma.getmaskarray(cells)
        known = _column(name, cells.data, where)
        return pl.select(pl.when(pl.Series(~hidden)).then(known)).to_series().alias(name)
    if type(cells).__module__.partition(".")[0] == "pandas":
        from rnn_rust.data.pandas_frames import from_column

        return from_column(name, cells)
    if hasattr(cells, "__arrow_c_array__") or hasattr(cells, "__arrow_c_stream__"):
        return pl.Series(name, cells)
    array = as_array(f"{where}: column '{name}'", cells)
    if array.ndim != 1:
        raise ParameterError(
            f"{where}: column {name!r} has shape {array.shape}; every column of a dict is a list "
            "or an array of one dimension"
        )
    if array.dtype.kind in "mM":
        return from_times(name, array, where)
    # NumPy turns a list of numbers and text into text, and one with missing numbers into objects.
    return pl.Series(name, array) if array.dtype.kind not in "UO" else from_cells(name, cells)
