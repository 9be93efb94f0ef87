"""A data set as a Polars frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.forks import require_polars
from rnn_rust.base.polars import pl
from rnn_rust.data.levels import Levels
from rnn_rust.data.sequences import AnySequences, Sequences


def write_frame(dataset: Sequences) -> pl.DataFrame:
    """Return the frame of :meth:`rnn_rust.Dataset.to_frame`."""
    require_polars()
    static = []
    if (own := dataset.static) is not None:
        rows = np.repeat(own.values, np.diff(dataset.offsets), axis=0)
        static = [_feature(own.levels, name, rows[:, at]) for at, name in enumerate(own.names)]
    labels = zip(dataset.label_names, dataset.labels.T, strict=True)
    weights = [] if dataset.weights is None else [pl.Series(dataset.weights_name, dataset.weights)]
    columns = [
        *key_columns(dataset),
        *(
            _feature(dataset.levels, name, dataset.features[:, at])
            for at, name in enumerate(dataset.feature_names)
        ),
        *static,
        *(_label(dataset, name, column) for name, column in labels),
        *weights,
    ]
    # Not a list: Polars would name a column whose name is empty.
    return pl.DataFrame({column.name: column for column in columns})


def first_rows(dataset: AnySequences, rows: int) -> AnySequences:
    """Return the first rows as a view; a negative number leaves out that many last rows."""
    total = int(dataset.offsets[-1])
    count = max(total + rows, 0) if rows < 0 else min(rows, total)
    sequences = int(np.searchsorted(dataset.offsets, count))
    ends = np.minimum(dataset.offsets[: sequences + 1], count)
    starts = dataset.shared_rows.starts[:sequences]
    # The rows are only shown, and initial states are for whole sequences.
    whole = dataset.with_initial_state(None)
    return whole.part(starts, np.diff(ends), np.arange(sequences, dtype=np.int64))


def _label(dataset: Sequences, name: str, values: NDArray[Any]) -> pl.Series:
    """Return a label, with named classes by name; null where it is missing."""
    classes = dataset.label_levels.get(name)
    if classes is None:
        return pl.Series(name, values, nan_to_null=True)
    return _named(name, values, classes)


def _feature(levels: Levels, name: str, values: NDArray[Any]) -> pl.Series:
    """Return a feature; a category as its levels."""
    if name not in levels:
        return pl.Series(name, values)
    return _named(name, values, levels[name])


def _named(name: str, numbers: NDArray[Any], levels: tuple[str, ...]) -> pl.Series:
    """Return the levels of these numbers, null for NaN."""
    places = pl.Series(numbers, nan_to_null=True).cast(pl.Int64)
    return pl.Series(name, levels, dtype=pl.Enum(levels)).gather(places)


def key_columns(dataset: Sequences) -> list[pl.Series]:
    """Return the id and time columns, if the data set has them."""
    columns = []
    if dataset.id_name is not None:
        places = np.repeat(np.arange(len(dataset)), np.diff(dataset.offsets))
        columns.append(_series(dataset.id_name, dataset.ids).gather(places))
    if dataset.time_name is not None:
        columns.append(_series(dataset.time_name, dataset.times))
    return columns


def _series(name: str, values: NDArray[Any]) -> pl.Series:
    # An array of str objects would become a column of Python objects.
    is_text = values.dtype == object
    return pl.Series(name, values.tolist(), pl.String) if is_text else pl.Series(name, values)
