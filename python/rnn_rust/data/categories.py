"""Categories: features that are one of several levels, and the inputs of a network these take.

A data set holds a level as its number among the ``levels`` of the column; a model has levels of its
own, those of its training part, and "other" for all that it has not seen there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.errors import DataError, ModelFileError, ShapeError

Data = TypeVar("Data", bound=Any)
"""A data set, or one of its sequences."""

_log = logging.getLogger("rnn_rust")

OTHER = "other"
"""The name of the level that stands for all that training has not seen."""

Levels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class CategoryEncoder:
    """What a network knows of the categories among its features.

    Attributes
    ----------
    numbers
        Names of the features that are numbers, in the network's order.
    levels
        By the name of each category the levels that have an input of their own, the most frequent
        first; one more input is for all others.
    shares
        By the same names how frequent each of these levels is in the training part.
    """

    numbers: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    shares: dict[str, tuple[float, ...]]

    @classmethod
    def fitted(cls, dataset: Any, most: int) -> CategoryEncoder:
        """Learn the levels of a data set, at most ``most`` of each category."""
        levels, shares = {}, {}
        for name, known in dataset.levels.items():
            codes = dataset.features[:, dataset.feature_names.index(name)].astype(np.int64)
            counts = np.bincount(codes, minlength=len(known))
            # Of equally frequent ones the first by name, so that the order of rows does not matter.
            order = sorted(np.flatnonzero(counts).tolist(), key=lambda c: (-counts[c], known[c]))
            kept = order[:most]
            levels[name] = tuple(known[code] for code in kept)
            shares[name] = tuple((counts[kept] / counts.sum()).tolist())
        numbers = tuple(name for name in dataset.feature_names if name not in levels)
        return cls(numbers, levels, shares)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Numbers and then categories."""
        return (*self.numbers, *self.levels)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The name of each input of the network: ``amount``, ..., ``merchant=other``."""
        of_categories = (
            f"{name}={level}" for name, own in self.levels.items() for level in (*own, OTHER)
        )
        return (*self.numbers, *of_categories)

    @property
    def category_inputs(self) -> int:
        """How many inputs categories take."""
        return sum(len(own) + 1 for own in self.levels.values())

    def first_inputs(self) -> dict[str, int]:
        """Return the number of the first input of each category."""
        first, found = len(self.numbers), {}
        for name, own in self.levels.items():
            found[name] = first
            first += len(own) + 1
        return found

    def inputs_of(self, name: str, known: tuple[str, ...]) -> NDArray[np.int64]:
        """Return the input that each level of a data set's column has."""
        own = {level: number for number, level in enumerate(self.levels[name])}
        other = len(own)
        first = self.first_inputs()[name]
        return np.array([first + own.get(level, other) for level in known], dtype=np.int64)

    def encode(self, data: Data) -> Data:
        """Return data whose categories are the numbers of inputs, with features in this order.

        Raises
        ------
        ShapeError
            It has other columns.
        DataError
            A category is a number in the data, or a number a category.
        """
        if data.encoder == self:
            return data
        names = data.feature_names or ()
        if sorted(names) != sorted(self.feature_names):
            raise ShapeError(
                f"the feature columns are {', '.join(names) or 'without names'}, the model was "
                f"trained on {', '.join(self.feature_names)}; give a table with these"
            )
        levels = data.levels or {}
        for name in names:
            if (name in levels) != (name in self.levels):
                is_now = "text" if name in levels else "numbers"
                raise DataError(
                    f"column '{name}' is {is_now}, and was not when the model was trained; give "
                    "the same kind of column"
                )
        columns = [data.features[:, names.index(name)] for name in self.feature_names]
        for at, name in enumerate(self.levels, start=len(self.numbers)):
            inputs = self.inputs_of(name, levels[name])
            columns[at] = inputs[columns[at].astype(np.int64)]
            self._report(name, columns[at])
        features = np.stack(columns, axis=1).astype(data.features.dtype)
        changes: dict[str, Any] = {
            "features": features, "feature_names": self.feature_names, "levels": dict(self.levels),
            "encoder": self,
        }  # fmt: skip
        return replace(data, **changes)

    def _report(self, name: str, inputs: NDArray[Any]) -> None:
        other = self.first_inputs()[name] + len(self.levels[name])
        count = int(np.count_nonzero(inputs == other))
        if count:
            _log.info(
                "Column '%s': %d of %d rows have a level that the model does not know, and count "
                "as 'other'", name, count, len(inputs),
            )  # fmt: skip

    def row(self, values: Mapping[str, Any]) -> list[float]:
        """Return the features of one row as the engine takes them; KeyError if one is missing."""
        row = [float(values[name]) for name in self.numbers]
        for name in self.levels:
            row.append(float(self.inputs_of(name, (str(values[name]),))[0]))
        return row

    def to_dict(self) -> dict[str, Any]:
        """Return the contents as plain values."""
        columns = [
            {"name": name, "levels": own, "shares": self.shares[name]}
            for name, own in self.levels.items()
        ]
        return {"numbers": self.numbers, "columns": columns}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CategoryEncoder:
        """Return what :meth:`to_dict` described; ModelFileError if that cannot be."""
        numbers, columns = tuple(values["numbers"]), values["columns"]
        levels = {column["name"]: tuple(column["levels"]) for column in columns}
        shares = {column["name"]: tuple(column["shares"]) for column in columns}
        names = (*numbers, *levels)
        sound = all(isinstance(name, str) for name in names) and len(levels) == len(columns)
        for name, own in levels.items():
            sound = sound and len(own) == len(shares[name]) == len(set(own))
            sound = sound and all(isinstance(level, str) for level in own)
            sound = sound and all(isinstance(share, float) for share in shares[name])
        if not sound or len(set(names)) < len(names):
            raise ModelFileError("the categories are not those of a model")
        return cls(numbers, levels, shares)
