"""Encoding features for a network: filled-in numbers, time features and categories.

A network's inputs are the numbers, the features derived from them and from the times of rows, and
one input per level of each category. A data set stores a level as its position in the ``levels`` of
the column. A model has its own levels: those of its training part, and "other" for all levels not
seen there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import as_number, positions
from rnn_rust.base.checks import shown, whole_number
from rnn_rust.data import time_features
from rnn_rust.data.levels import is_missing, level_of
from rnn_rust.data.missing import FILLS, fill_missing, missing_static
from rnn_rust.data.static import StaticFeatures
from rnn_rust.errors import DataError, ModelFileError, ShapeError

Data = TypeVar("Data", bound=Any)
"""A data set, or one of its sequences."""

_log = logging.getLogger("rnn_rust")

OTHER = "other"
"""The name of the level that stands for all levels not seen in training."""


def _are_numbers(values: tuple[Any, ...]) -> bool:
    return all(isinstance(value, float) and math.isfinite(value) for value in values)


@dataclass(frozen=True)
class FeatureEncoder:
    """What a network has learnt about its features from the training part.

    Attributes
    ----------
    numbers
        Names of the features that are numbers, in the network's order.
    means
        The mean of each number.
    fill
        ``"error"``, ``"mean"`` or ``"forward"``: how missing numbers are filled.
    indicators
        The numbers that have an extra feature saying whether they were missing.
    times
        Names of the features derived from times; see `rnn_rust.data.time_features`.
    levels
        For each category, by name, the levels that have their own input, the most frequent first.
        One more input is for all others.
    shares
        For each category, by name, the frequency of each of these levels in the training part.
    static
        The encoder of the static features, or None if there are none.
    first
        The number of the first input.
    shift, scale
        What is subtracted from each number, and its divisor; empty if a scaler does this.
    time_kind
        The kind of times that ``times`` are derived from, as in `rnn_rust.data.time_features`; None
        if there are no such features, or the model file does not say.
    """

    numbers: tuple[str, ...]
    means: tuple[float, ...]
    fill: str
    indicators: tuple[str, ...]
    times: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    shares: dict[str, tuple[float, ...]]
    static: FeatureEncoder | None = None
    first: int = 0
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    time_kind: str | None = None

    @classmethod
    def of_numbers(cls, names: tuple[str, ...]) -> FeatureEncoder:
        """Return an encoder of numbers, none of which may be missing."""
        return cls(names, (float("nan"),) * len(names), "error", (), (), {}, {})

    @property
    def source_names(self) -> tuple[str, ...]:
        """The features of a data set, in the network's order."""
        return (*self.numbers, *self.levels)

    @property
    def number_names(self) -> tuple[str, ...]:
        """The inputs that are numbers: features, and those derived from them and from times."""
        missing = (f"{name} missing" for name in self.indicators)
        return (*self.numbers, *missing, *time_features.column_names(self.times))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that the engine takes: first numbers, then categories."""
        return (*self.number_names, *self.levels)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The name of each input of the network: ``amount``, ..., ``merchant=other``."""
        of_categories = (
            f"{name}={level}" for name, own in self.levels.items() for level in (*own, OTHER)
        )
        static = () if self.static is None else self.static.input_names
        return (*self.number_names, *of_categories, *static)

    @property
    def input_count(self) -> int:
        """The number of inputs of the network."""
        static = 0 if self.static is None else self.static.input_count
        return len(self.number_names) + self.category_inputs + static

    @property
    def category_inputs(self) -> int:
        """The number of inputs for categories."""
        return sum(len(own) + 1 for own in self.levels.values())

    @property
    def parts(self) -> tuple[FeatureEncoder, ...]:
        """The encoder itself, and the one of the static features if there are any."""
        return (self,) if self.static is None else (self, self.static)

    @cached_property
    def first_inputs(self) -> dict[str, int]:
        """The number of the first input of each category."""
        first, found = self.first + len(self.number_names), {}
        for name, own in self.levels.items():
            found[name] = first
            first += len(own) + 1
        return found

    @cached_property
    def _input_by_level(self) -> dict[str, dict[str, int]]:
        """The input of each level, by the name of the category."""
        first = self.first_inputs
        return {
            name: {level: number for number, level in enumerate(own, first[name])}
            for name, own in self.levels.items()
        }

    def _other_input(self, name: str) -> int:
        return self.first_inputs[name] + len(self.levels[name])

    def input_of(self, name: str, level: str) -> int:
        """Return the number of the input for a level of a category."""
        return self._input_by_level[name].get(level, self._other_input(name))

    def _inputs_of(
        self, name: str, codes: NDArray[np.int64], known: tuple[str, ...]
    ) -> NDArray[np.int64]:
        """Return the inputs of rows, given as positions in the ``known`` levels of a data set."""
        own, other = self._input_by_level[name], self._other_input(name)
        # For few rows, look up only their levels: the column may have very many.
        few = len(codes) < len(known)
        wanted = (known[code] for code in codes.tolist()) if few else known
        inputs = np.array([own.get(level, other) for level in wanted], dtype=np.int64)
        return inputs if few else inputs[codes]

    def encode(self, data: Data) -> Data:
        """Return data with the features that the engine takes, in the engine's order.

        Raises
        ------
        ShapeError
            The data has other columns.
        DataError
            A category of the model is a number in the data, or the reverse; a number is missing
            that must not be; or times are of another kind than in training.
        """
        if data.encoder == self:
            return data
        offsets = getattr(data, "offsets", np.array([0, len(data.features)]))
        source = (data.features, self._names_of(data), data.levels)
        time_name = getattr(data, "time_name", None)
        changes: dict[str, Any] = {
            "features": self._encoded(source, offsets, data.times, time_name),
            "feature_names": self.feature_names, "levels": dict(self.levels), "encoder": self,
            "static": self._encoded_static(data.static),
        }  # fmt: skip
        return replace(data, **changes)

    def _names_of(self, data: Any) -> tuple[str, ...]:
        """Return the column names; columns without names get the model's names by position."""
        own: tuple[str, ...] = data.feature_names or ()
        if getattr(data, "has_feature_names", bool(own)) or self.levels or self.times:
            return own
        return self.numbers if data.features.shape[1] == len(self.numbers) else own

    def _encoded_static(self, given: StaticFeatures | None) -> StaticFeatures | None:
        own = self.static
        if own is None:
            if given is not None:
                raise ShapeError(
                    f"the data has static features, {', '.join(given.names)}, and the model was "
                    "trained without any; leave static= out"
                )
            return None
        if given is None:
            raise ShapeError(
                f"the model was trained with static features, {', '.join(own.source_names)}, and "
                "the data has none; name them with static="
            )
        given = given.in_order(own.source_names)
        if own.fill == "error" and (gaps := np.isnan(given.values)).any():
            sequence, column = divmod(int(np.argmax(gaps)), gaps.shape[1])
            raise missing_static(given.names[column], f" of sequence {sequence}, counted from 0,")
        rows = np.arange(len(given.values) + 1)
        values = own._encoded((given.values, given.names, given.levels), rows, rows[:-1])
        return StaticFeatures(values, own.feature_names, dict(own.levels))

    def _encoded(
        self,
        source: tuple[NDArray[Any], tuple[str, ...], Mapping[str, tuple[str, ...]]],
        offsets: NDArray[np.int64],
        times: NDArray[Any],
        time_name: str | None = None,
    ) -> NDArray[Any]:
        """Return the features for the engine, given a matrix with its names and levels."""
        matrix, names, levels = source
        if sorted(names) != sorted(self.source_names):
            raise ShapeError(
                f"the feature columns are {', '.join(names) or 'without names'}, the model was "
                f"trained on {', '.join(self.source_names)}; give a table with these"
            )
        self._check_kinds(names, levels)
        encoded = np.empty((len(matrix), len(self.feature_names)), dtype=matrix.dtype)
        count, places = len(self.numbers), positions(names, self.numbers)
        # Usually they are the first columns in the same order: a view avoids a copy.
        numbers = matrix[:, :count] if places == list(range(count)) else matrix[:, places]
        missing = fill_missing(
            numbers, encoded[:, :count], names=self.numbers, means=self.means, fill=self.fill,
            offsets=offsets,
        )  # fmt: skip
        derived = list(missing.T[positions(self.numbers, self.indicators)])
        derived += self._of_times(times, offsets, time_name)
        first = len(self.number_names)
        if self.shift:
            encoded[:, :first] = self._scaled(encoded[:, :count], derived)
        elif derived:
            encoded[:, count:first] = np.stack(derived, axis=1)
        for at, (name, place) in enumerate(
            zip(self.levels, positions(names, self.levels), strict=True), start=first
        ):
            inputs = self._inputs_of(name, matrix[:, place].astype(np.int64), levels[name])
            self._report(name, inputs)
            encoded[:, at] = inputs
        return encoded

    def _scaled(self, numbers: NDArray[Any], derived: list[NDArray[Any]]) -> NDArray[np.float64]:
        """Return numbers and derived features as columns, scaled in double precision."""
        columns = np.stack([*numbers.T.astype(np.float64), *derived], axis=1)
        scaled: NDArray[np.float64] = (columns - np.array(self.shift)) / np.array(self.scale)
        return scaled

    def _of_times(
        self, times: NDArray[Any], offsets: NDArray[np.int64], time_name: str | None
    ) -> list[NDArray[Any]]:
        """Return the features derived from the times of rows."""
        if not self.times:
            return []
        time_features.check_kind(time_name, times.dtype, self.time_kind)
        before = np.concatenate([times[:1], times[:-1]])
        before[offsets[:-1]] = times[offsets[:-1]]
        return [*time_features.columns(self.times, times, before)]

    def encode_one(self, values: Mapping[str, Any]) -> list[float]:
        """Return the static features of one sequence, given by name, for the engine.

        Raises
        ------
        DataError
            A number is infinite, is not a number, or is missing and must not be.
        """
        names = self.source_names
        levels = {name: (level_of("static features", name, values[name]),) for name in self.levels}
        row = []
        for name in names:
            value = 0.0 if name in levels else values[name]
            try:
                row.append(np.nan if is_missing(value) else as_number(value))
            except (TypeError, ValueError, OverflowError) as error:
                raise DataError(
                    f"static feature '{name}': {shown(value)} is not a number"
                ) from error
            if np.isinf(row[-1]):
                raise DataError(f"static feature '{name}': {value!r} is not finite")
            if np.isnan(row[-1]) and self.fill == "error":
                raise missing_static(name)
        ends = np.array([0, 1])
        encoded = self._encoded((np.array([row]), names, levels), ends, ends[:1])
        return [float(value) for value in encoded[0]]

    def _check_kinds(self, names: tuple[str, ...], levels: Mapping[str, Any]) -> None:
        for name in names:
            if (name in levels) != (name in self.levels):
                is_now = "text" if name in levels else "numbers"
                raise DataError(
                    f"column '{name}' is {is_now}, and was not when the model was trained; give "
                    "the same kind of column"
                )

    def _report(self, name: str, inputs: NDArray[Any]) -> None:
        count = int(np.count_nonzero(inputs == self._other_input(name)))
        if count:
            _log.info(
                "Column '%s': %d of %d rows have a level without an input of its own (unseen, or "
                "left out by max_categories), and count as 'other'", name, count, len(inputs),
            )  # fmt: skip

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureEncoder:
        """Return the encoder itself: it is immutable, and may have very many levels."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Return only the fields; cached properties are computed again."""
        return {own.name: getattr(self, own.name) for own in fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """Return the contents as plain values."""
        columns = [
            {"name": name, "levels": own, "shares": self.shares[name]}
            for name, own in self.levels.items()
        ]
        plain = (
            "numbers", "means", "fill", "indicators", "times", "first", "shift", "scale",
            "time_kind",
        )  # fmt: skip
        static = None if self.static is None else self.static.to_dict()
        return {name: getattr(self, name) for name in plain} | {
            "columns": columns, "static": static
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureEncoder:
        """Return the encoder that :meth:`to_dict` described; ModelFileError if it is invalid."""
        columns = values["columns"]
        numbers, means, indicators = (
            tuple(values[name]) for name in ("numbers", "means", "indicators")
        )
        levels = {column["name"]: tuple(column["levels"]) for column in columns}
        shares = {column["name"]: tuple(column["shares"]) for column in columns}
        names = (*numbers, *levels)
        sound = all(isinstance(name, str) for name in names) and len(levels) == len(columns)
        sound = sound and len(means) == len(numbers) and _are_numbers(means)
        sound = sound and values["fill"] in FILLS and set(indicators) <= set(numbers)
        for name, own in levels.items():
            sound = sound and len(own) == len(shares[name]) == len(set(own))
            sound = sound and all(isinstance(level, str) for level in own)
            sound = sound and _are_numbers(shares[name])
        shift, scale = (tuple(values.get(name, ())) for name in ("shift", "scale"))
        sound = sound and _are_numbers((*shift, *scale))
        if not sound or len(set(names)) < len(names):
            raise ModelFileError("the features are not those of a model")
        times = time_features.checked("times", values["times"])
        if (time_kind := values.get("time_kind")) not in (None, *time_features.KINDS):
            raise ModelFileError("the times are not those of a model")
        static = None if values.get("static") is None else cls.from_dict(values["static"])
        made = cls(
            numbers, means, values["fill"], indicators, times, levels, shares, static,
            whole_number("first", values.get("first", 0), least=0), shift, scale,
            time_kind,
        )  # fmt: skip
        count = len(made.number_names)
        if len(shift) != len(scale) or len(shift) not in (0, count):
            raise ModelFileError("the scaling of static features is not that of a model")
        if static is not None and static.first != made.first + count + made.category_inputs:
            raise ModelFileError("the static features are not those of a model")
        return made
