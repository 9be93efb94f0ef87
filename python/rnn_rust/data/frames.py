"""A data set as a Polars frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.forks import require_polars
from rnn_rust.base.polars import pl
from rnn_rust.data.levels import Levels
from rnn_rust.data.sequences import Sequences


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
    # Not as a list, in which a column without a name would be given one.
    return pl.DataFrame({column.name: column for column in columns})


def _label(dataset: Sequences, name: str, values: NDArray[Any]) -> pl.Series:
    """Return a label, classes by name where they have one; null where it is missing."""
    classes = dataset.label_levels.get(name)
    if classes is None:
        return pl.Series(name, values, nan_to_null=True)
    named = [None if np.isnan(code) else classes[int(code)] for code in values]
    return pl.Series(name, named, dtype=pl.Enum(classes))


def _feature(levels: Levels, name: str, values: NDArray[Any]) -> pl.Series:
    """Return a feature, categories as such."""
    if name not in levels:
        return pl.Series(name, values)
    own = levels[name]
    return pl.Series(name, [own[int(code)] for code in values], dtype=pl.Enum(own))


def key_columns(dataset: Sequences) -> list[pl.Series]:
    """Return the id and the time of every row, as far as the data set has them."""
    columns = []
    if dataset.id_name is not None:
        ids = np.repeat(dataset.ids, np.diff(dataset.offsets))
        columns.append(_series(dataset.id_name, ids))
    if dataset.time_name is not None:
        columns.append(_series(dataset.time_name, dataset.times))
    return columns


def _series(name: str, values: NDArray[Any]) -> pl.Series:
    # An array of str objects would become a column of Python objects.
    return pl.Series(name, values.tolist() if values.dtype == object else values)
