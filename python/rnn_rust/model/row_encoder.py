"""How a row of a stream is encoded if features are not all plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from rnn_rust.base.arrays import as_number, positions
from rnn_rust.base.checks import shown
from rnn_rust.data import time_features
from rnn_rust.data.columns import Keys
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.instants import as_numpy
from rnn_rust.data.levels import is_missing, level_of
from rnn_rust.errors import DataError
from rnn_rust.model.rows import row_of


def number_of(where: str, name: str, value: Any) -> float:
    """Return a number, or NaN if it is missing; DataError if it is not a number."""
    try:
        return math.nan if is_missing(value) else as_number(value)
    except (TypeError, ValueError, OverflowError):
        raise not_a_number(where, name, value) from None


def not_a_number(where: str, name: str, value: Any) -> DataError:
    """Return the error for a feature that should be a number."""
    return DataError(
        f"{where}: '{name}' is {shown(value)}, which is not a number; give numbers, and "
        "text for categories"
    )


def _instant(name: str, value: Any, keys: Keys | None) -> Any:
    """Return a time (number, date or duration, also Python's or text) as an array of length 1.

    Text is read as in the training table, as described by ``keys``.

    Raises
    ------
    DataError
        It is missing, or not a time.
    """
    try:
        time = np.array([_date(name, value, keys) if _is_text(value, keys) else as_numpy(value)])
        is_time = time.shape == (1,) and time.dtype.kind in "iufmM" and np.isfinite(time[0])
    except DataError:
        raise
    except (TypeError, ValueError, OverflowError):
        is_time = False
    if not is_time:
        raise DataError(
            f"features: '{name}' is {shown(value)}, which is not a time; give a number, a "
            "date or a duration"
        )
    return time


def _is_text(value: Any, keys: Keys | None) -> bool:
    """Whether it is a date as text, or as a number (such as 20240131) that has a time format."""
    is_number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return isinstance(value, str) or (is_number and keys is not None and bool(keys.time_format))


def _date(name: str, value: str | int, keys: Keys | None) -> Any:
    """Return the date in a text."""
    text, time_format = str(value), None if keys is None else keys.time_format
    iso = re.fullmatch(r"\d{4}[-/]\d\d[-/]\d\d([T ][\d:.]+)?", text.strip())
    if iso and time_format is None:
        return np.datetime64(iso[0].replace("/", "-"))
    return _parsed(name, text, time_format, day_first=None if keys is None else keys.day_first)


def _parsed(name: str, text: str, time_format: str | None, *, day_first: bool | None) -> Any:
    """Return a date in any form that a time column may have."""
    from rnn_rust.base.arrays import row_at
    from rnn_rust.base.polars import pl
    from rnn_rust.data.source import Source
    from rnn_rust.data.times import read_times

    column = pl.Series(name, [text])
    times, _ = read_times(column, Source("features", row_at), time_format, day_first=day_first)
    return times.to_numpy()[0]


def time_name_of(keys: Keys | None) -> str:
    """Return the name by which the time of a row is given."""
    return keys.time[0] if keys is not None and len(keys.time) == 1 else "t"


@dataclass(frozen=True)
class Carried:
    """What a row needs from the rows before it: the last numbers by name, and the last time."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    time: np.ndarray[Any, Any] | None = None


@dataclass(frozen=True)
class ReadRow:
    """The checked features of a row: numbers in order, the time, and an input for each category."""

    numbers: list[float]
    time: np.ndarray[Any, Any] | None
    inputs: list[float]


class RowEncoder:
    """Encodes the features of single rows as :meth:`FeatureEncoder.encode` encodes data sets.

    Attributes
    ----------
    encoder
        What the model has learnt about its features.
    feature_names
        Numbers, categories, and the time if it is needed.

    Parameters
    ----------
    encoder
        As above.
    keys
        How times were read in training; None if there was no table.
    units
        Shift and scale of each number that the engine takes; both empty without a scaler.
    dtype
        The network's dtype.
    """

    _keys: Keys | None = None
    """Missing in steppers that were pickled by an earlier version."""

    def __init__(
        self,
        encoder: FeatureEncoder,
        keys: Keys | None,
        units: tuple[list[float], list[float]],
        dtype: np.dtype[Any],
    ) -> None:
        self.encoder, self._keys = encoder, keys
        self._time_name = time_name_of(keys)
        self._shift, self._scale = map(np.array, units)
        self._dtype = dtype
        timed = (self._time_name,) if encoder.times else ()
        self.feature_names = (*encoder.source_names, *timed)

    def encode(self, features: Any, carried: Carried) -> tuple[np.ndarray[Any, Any], Carried]:
        """Return a row as the engine takes it, and what the next row needs from it.

        Raises
        ------
        ShapeError, DataError
            As :meth:`read` and :meth:`after`.
        """
        return self.after(carried, self.read(features))

    def read(self, features: Any) -> ReadRow:
        """Return the features of a row, independent of the rows before it.

        Raises
        ------
        ShapeError
            There are more or fewer features.
        DataError
            A feature is missing by name, is not a number but should be, or is a time of another
            kind than in training.
        """
        encoder, values = self.encoder, row_of("features", features, self.feature_names)
        numbers = [number_of("features", name, values[name]) for name in encoder.numbers]
        if encoder.fill == "error":
            for name, value in zip(encoder.numbers, numbers, strict=True):
                if math.isnan(value):
                    raise DataError(f"features: '{name}' is missing")
        time = None
        if encoder.times:
            time = _instant(self._time_name, values[self._time_name], self._keys)
            time_features.check_kind(self._time_name, time.dtype, encoder.time_kind)
        inputs = [
            float(encoder.input_of(name, level_of("features", name, values[name])))
            for name in encoder.levels
        ]
        return ReadRow(numbers, time, inputs)

    def after(self, carried: Carried, row: ReadRow) -> tuple[np.ndarray[Any, Any], Carried]:
        """Return a row as the engine takes it after others, and what the next row needs from it.

        DataError if its time is of another kind than in earlier rows.
        """
        encoder, time = self.encoder, row.time
        last, values = dict(carried.numbers), []
        for name, value, mean in zip(encoder.numbers, row.numbers, encoder.means, strict=True):
            if not math.isnan(value):
                last[name] = value
                values.append(value)
            else:
                values.append(last.get(name, mean) if encoder.fill == "forward" else mean)
        values += [float(math.isnan(row.numbers[at])) for at in self._indicators]
        if time is not None:
            before = time if carried.time is None else carried.time
            kind = time_features.kind_of(before.dtype)
            time_features.check_kind(self._time_name, time.dtype, kind, "in the rows before")
            columns = time_features.columns(encoder.times, time, before)
            values += [float(column[0]) for column in columns]
        time = carried.time if time is None else time
        return np.array(values + row.inputs), Carried(last, time)

    @cached_property
    def _indicators(self) -> list[int]:
        """The positions of the numbers that have a missing indicator."""
        return positions(self.encoder.numbers, self.encoder.indicators)

    def check_row(self, row: ReadRow) -> None:
        """Raise DataError if a number of a row is too large for the network."""
        if not all(abs(value) <= self._surely_finite for value in row.numbers):
            self.check_numbers(np.array([row.numbers]))

    @cached_property
    def _surely_finite(self) -> float:
        """A size up to which each number stays finite when scaled; it makes a fast check."""
        largest, count = float(np.finfo(self._dtype).max) / 4, len(self.encoder.numbers)
        shift, scale = self._shift[:count], np.minimum(self._scale[:count], 1.0)
        return float((largest * scale - np.abs(shift)).min(initial=largest))

    def check_numbers(self, numbers: np.ndarray[Any, Any]) -> None:
        """Raise DataError if a number is too large for the network; NaN is a missing value.

        ``numbers (N, C)`` are the first C numbers that the engine takes, in original units.
        """
        count = numbers.shape[1]
        shift, scale = self._shift[:count], self._scale[:count]
        with np.errstate(over="ignore"):
            scaled = (numbers - shift) / scale if len(scale) else numbers
            infinite = np.isinf(scaled.astype(self._dtype))
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            where = f"row {row}: " if len(numbers) > 1 else ""
            raise DataError(
                f"{where}feature '{self.encoder.number_names[column]}' is {numbers[row, column]}; "
                "every feature must be finite in the model's type"
            )
