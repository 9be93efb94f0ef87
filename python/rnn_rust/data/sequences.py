"""Ragged sequences in arrays: held together, taken one by one, chosen in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import index
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.arrays import as_positions
from rnn_rust.data.columns import argument
from rnn_rust.errors import DataError, ParameterError

AnySequences = TypeVar("AnySequences", bound="Sequences")


@dataclass(frozen=True, eq=False)
class Sequence:
    """One sequence: its ``id``, ``times (T,)``, ``features (T, F)`` and ``labels (T, L)``.

    ``weights (T,)`` are those of its steps, ``feature_names`` and ``label_names`` those of its
    columns; None if the data set has none.
    """

    id: str | int
    times: NDArray[Any]
    features: FloatArray
    labels: FloatArray
    weights: FloatArray | None = None
    feature_names: tuple[str, ...] | None = None
    label_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Return the number of time steps T."""
        return len(self.features)


@dataclass(eq=False, repr=False, kw_only=True)
class Sequences:
    """What a :class:`rnn_rust.Dataset`, which describes the fields, holds and keeps together."""

    features: FloatArray
    labels: FloatArray
    offsets: NDArray[np.int64]
    ids: NDArray[Any]
    times: NDArray[Any]
    row_numbers: NDArray[np.int64]
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]
    id_name: str = "id"
    time_name: str = "t"
    weights: FloatArray | None = None
    weights_name: str = "weights"
    has_feature_names: bool = True
    has_label_names: bool = True

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the fields of a pickled or copied data set, whose arrays NumPy made writable."""
        vars(self).update(state)
        self.__post_init__()

    def __len__(self) -> int:
        """Return the number of sequences S."""
        return len(self.offsets) - 1

    def __getitem__(self, position: int) -> Sequence:
        """Return the sequence at a position; negative ones count from the end."""
        try:
            wanted = index(position)
        except TypeError:
            raise TypeError(
                f"a data set is indexed by one integer, not {position!r}; "
                "use subset(positions) for several sequences"
            ) from None
        at = wanted + len(self) if wanted < 0 else wanted
        if not 0 <= at < len(self):
            raise IndexError(f"sequence {wanted} of a data set of {len(self)} sequences")
        rows = slice(self.offsets[at], self.offsets[at + 1])
        return Sequence(
            id=self.ids.item(at),
            times=self.times[rows],
            features=self.features[rows],
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
            feature_names=self.feature_names if self.has_feature_names else None,
            label_names=self.label_names if self.has_label_names else None,
        )

    def __iter__(self) -> Iterator[Sequence]:
        """Yield the sequences in order."""
        return (self[position] for position in range(len(self)))

    def subset(self, indices: ArrayLike) -> Self:
        """Return the sequences at these positions, in this order.

        Parameters
        ----------
        indices
            Distinct positions, or a boolean mask of shape (S,).

        Raises
        ------
        ParameterError
            No position, one given twice, or one outside the data set.
        """
        chosen = as_positions(indices, len(self))
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            offsets=offsets,
            ids=self.ids[chosen],
            times=self.times[rows],
            row_numbers=self.row_numbers[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def with_values(self, features: FloatArray, labels: FloatArray) -> Self:
        """Return the same sequences with other ``features`` and ``labels`` of the same shapes.

        The arrays are kept, not copied.
        """
        return replace(self, features=features, labels=labels)

    @property
    def has_labels(self) -> bool:
        """Whether there is a label column."""
        return len(self.label_names) > 0

    def require_labels(self, purpose: str) -> FloatArray:
        """Return ``labels (N, L)``; raise DataError if there is not one label to work with."""
        if np.isnan(self.labels).all():
            lack = (
                "every label is missing; fill in some"
                if self.has_labels
                else f"the data has no label column; name one with {argument('labels')}"
            )
            raise DataError(f"{purpose} needs labels, but {lack}")
        return self.labels


def require_dataset(value: AnySequences, purpose: str) -> AnySequences:
    """Return ``value``, a data set; raise ParameterError if it is something else."""
    if not isinstance(value, Sequences):
        raise ParameterError(
            f"{purpose} needs a Dataset, not a {type(value).__name__}; dataset.subset([0]) is the "
            "Dataset of one sequence"
        )
    return value
