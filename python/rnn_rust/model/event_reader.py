"""Reads the features of several events, in a table or a list of rows, as a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_rust.base.checks import counted, shown
from rnn_rust.data.columns import Columns, Keys, Roles
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.levels import level_of
from rnn_rust.data.source import EventSource
from rnn_rust.errors import ShapeError
from rnn_rust.model.row_encoder import not_a_number, number_of
from rnn_rust.model.rows import row_of, with_names

if TYPE_CHECKING:
    from rnn_rust.base.polars import pl


class EventReader:
    """Reads the features of events for a model.

    The general way to read and group tables takes milliseconds even for a few rows.

    Parameters
    ----------
    encoder
        What the model has learnt about its features.
    names
        Numbers, categories, and the time if it is needed.
    keys
        How times were read in training; None if there was no table.
    """

    def __init__(self, encoder: FeatureEncoder, names: tuple[str, ...], keys: Keys | None) -> None:
        self._encoder, self._names = encoder, names
        self._columns = Columns(
            id=None, time=names[len(encoder.source_names) :], features=encoder.source_names,
            labels=(), categories=tuple(encoder.levels), features_named=True,
            keeps_missing=encoder.fill != "error",
        )  # fmt: skip
        self._roles = Roles()
        if keys is not None:
            self._roles = Roles(time_format=keys.time_format, day_first=keys.day_first)

    def frame_of(self, features: Any, events: int) -> pl.DataFrame:
        """Return features of this number of events as a frame with the model's columns."""
        from rnn_rust.base.polars import pl
        from rnn_rust.data.tables import is_table, table_of

        features = with_names(features)
        if not is_table(features):
            rows = _rows_of(features, self._names)
            features = _columns_of(rows, self._names, self._encoder)
        frame = table_of(features, "features").keys([*self._names])
        if len(frame) != events:
            given = counted(len(frame), "event")
            raise ShapeError(f"{counted(events, 'key')}, features of {given}; give as many")
        for name in self._encoder.numbers:
            # Text in a file may be a number; text in an event is not.
            if frame[name].dtype == pl.String and (known := frame[name].is_not_null()).any():
                event = known.arg_max() or 0
                raise not_a_number(f"features of event {event}", name, frame[name][event])
        return frame

    def read(self, keys: list[Any], features: Any) -> Dataset:
        """Return the features of events as a data set with one sequence per key."""
        from rnn_rust.data.grouping import times_of
        from rnn_rust.data.numbers import read_numbers

        frame, source = self.frame_of(features, len(keys)), EventSource(keys)
        numbers: dict[Any, int] = {}
        # 1, True and NumPy's 1 are one entity.
        try:
            codes = [numbers.setdefault((isinstance(k, bytes), k), len(numbers)) for k in keys]
        except TypeError:
            raise TypeError("a key is an int of 64 bits, a str or bytes, not a list") from None
        read = read_numbers(frame, self._columns, source, None)
        # Without times, keep the order of events.
        name, times = None, np.arange(len(codes))
        if self._columns.time:
            name = self._columns.time[0]
            times = times_of(frame[name], source, self._roles)[0].to_numpy()
        sequence = np.array(codes, np.int64)
        order = np.lexsort((times, sequence))
        starts = np.searchsorted(sequence[order], np.arange(len(numbers)))
        offsets = np.append(starts, len(codes))
        return Dataset(
            features=read.features[order], labels=np.empty((len(codes), 0)), offsets=offsets,
            ids=np.arange(len(numbers), dtype=np.int64), row_numbers=order,
            times=times[order], feature_names=self._columns.features, label_names=(),
            time_name=name,
            levels=read.levels, keeps_missing=self._columns.keeps_missing,
        )  # fmt: skip


def _rows_of(features: Any, names: tuple[str, ...]) -> list[Any]:
    """Return the features of events as a list of rows."""
    shape = getattr(features, "shape", None)
    is_matrix = shape is None or len(shape) != 2 or shape[1] == len(names)
    try:
        if isinstance(features, str | bytes) or not is_matrix:
            raise TypeError
        rows = iter(features)
    except TypeError:
        raise ShapeError(
            f"features: {shown(features)}; give a table, or a list of rows, by name or in "
            f"the order {', '.join(names)}"
        ) from None
    return list(rows)


def _columns_of(
    rows: list[Any], names: tuple[str, ...], encoder: FeatureEncoder
) -> dict[str, list[Any]]:
    """Return the features of events (each a dict or a row) as columns of a table."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, row in enumerate(rows):
        where = f"features of event {number}"
        values = row_of(where, row, names)
        for name in encoder.numbers:
            columns[name].append(number_of(where, name, values[name]))
        for name in encoder.levels:
            columns[name].append(level_of(where, name, values[name]))
        if encoder.times:
            columns[names[-1]].append(values[names[-1]])
    return columns
