"""pandas frames as Polars frames, with or without pyarrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_rust.base.polars import FAILURES, pl
from rnn_rust.data.cells import from_cells, from_times, unconvertible
from rnn_rust.data.columns import reject_repeats
from rnn_rust.errors import DataError


def from_pandas(frame: Any) -> pl.DataFrame:
    """Return a pandas frame, converted by column; errors as in `columns_of` and `converted`."""
    columns = columns_of(frame)
    return pl.DataFrame({name: converted(name, column) for name, column in columns.items()})


def columns_of(frame: Any) -> dict[str, Any]:
    """Return the columns of a pandas frame by name; levels of its index come first.

    An index that only counts rows is left out; a level without a name is called ``index``.

    Raises
    ------
    DataError
        Two columns have the same name.
    """
    levels = dict(_index_levels(frame.index))
    names = [str(name) for name in frame.columns]
    reject_repeats(names, "frame")
    if taken := [name for name in names if name in levels]:
        raise DataError(
            f"frame: a column and a level of the index are both named '{taken[0]}'; rename one of "
            "them"
        )
    return levels | {name: frame.iloc[:, at] for at, name in enumerate(names)}


def from_column(name: str, cells: Any) -> pl.Series:
    """Return a pandas series, index or array as a Polars series; errors as in `converted`."""
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    return converted(name, pd.Series(cells))


def _index_levels(index: Any) -> list[tuple[str, Any]]:
    counts_rows = type(index).__name__ == "RangeIndex" and index.name is None
    if counts_rows:
        return []
    levels = [index.get_level_values(level) for level in range(index.nlevels)]
    names = [level.name for level in levels]
    return [
        (("index" if len(levels) == 1 else f"index_{at}") if name is None else str(name),
         level.to_series())
        for at, (name, level) in enumerate(zip(names, levels, strict=True))
    ]  # fmt: skip


def converted(name: str, column: Any) -> pl.Series:
    """Return a pandas column as a Polars series, also where Polars itself would need pyarrow.

    Raises
    ------
    DataError
        It cannot be converted.
    """
    kind = str(column.dtype)
    try:
        if kind.endswith("[pyarrow]") or hasattr(column.dtype, "pyarrow_dtype"):
            return pl.Series(name, column.array.__arrow_array__())
        if kind == "category":
            categories = converted(name, column.cat.categories.to_series())
            places = pl.Series(column.cat.codes.to_numpy()).cast(pl.Int64)
            cells = categories.gather(places.set(places < 0, None))
            # Integers and text of a categorical type are categories, not quantities.
            is_category = cells.dtype.is_integer() or cells.dtype == pl.String
            return cells.cast(pl.String).cast(pl.Categorical) if is_category else cells
        if kind.startswith("datetime64") and column.dt.tz is not None:
            return _moments(name, column)
        if kind.startswith("Sparse"):
            return converted(name, column.sparse.to_dense())
        if isinstance(column.dtype, np.dtype) and kind != "object":
            array = column.to_numpy()
            return from_times(name, array) if array.dtype.kind in "mM" else pl.Series(name, array)
        return _cells(name, column, kind)
    except DataError:
        raise
    except (*FAILURES, TypeError, ValueError, OverflowError) as error:
        raise unconvertible(name, f"cells of type {kind}", error) from error


def _moments(name: str, column: Any) -> pl.Series:
    # Zones of zoneinfo and pytz have names; fixed offsets and zones from files have none.
    zone = getattr(column.dt.tz, "key", None) or getattr(column.dt.tz, "zone", None)
    moments = from_times(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    utc = moments.dt.replace_time_zone("UTC")
    return utc if zone is None else utc.dt.convert_time_zone(zone)


def _text(name: str, column: Any) -> pl.Series:
    """Return text, which pandas stores as Arrow arrays or Python strings."""
    if column.dtype.storage.startswith("pyarrow"):
        cells = pl.Series(name, column.array.__arrow_array__())
    else:
        cells = pl.Series(name, column.to_numpy(object, na_value=None).tolist(), pl.String)
    # If all cells are missing, nothing shows that the column is text.
    return cells.cast(pl.Null) if cells.null_count() == len(cells) else cells


def _cells(name: str, column: Any, kind: str) -> pl.Series:
    """Return objects, text, periods, and numbers that may be missing."""
    if kind in ("str", "string"):
        return _text(name, column)
    missing = column.isna().to_numpy()
    if kind.startswith("period"):
        # A week is written as first day/last day.
        texts = zip(missing, column.astype(str).str.partition("/")[0], strict=True)
        return pl.Series(name, [None if gone else cell for gone, cell in texts], dtype=pl.String)
    if kind.lower().startswith(("int", "uint", "float", "bool")):
        values = column.to_numpy(dtype=kind.lower().replace("boolean", "bool"), na_value=0)
        nothing = pl.Series([None]).new_from_index(0, len(values))
        return pl.Series(name, values).zip_with(pl.Series(~missing), nothing)
    cells = column.to_numpy(object, copy=True)
    cells[missing] = None
    return from_cells(name, cells.tolist())
