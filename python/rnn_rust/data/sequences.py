"""Ragged sequences in arrays: storage, access to single sequences, and subsets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import index
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust.base.arrays import FloatArray, as_floats
from rnn_rust.base.checks import counted, named
from rnn_rust.base.suggest import suggestion
from rnn_rust.data.ahead import Forecast, known_values
from rnn_rust.data.arrays import as_positions
from rnn_rust.data.columns import Keys, argument
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.sequence import Sequence
from rnn_rust.data.shared_rows import SharedRows
from rnn_rust.data.static import StaticFeatures
from rnn_rust.errors import DataError, ParameterError, ShapeError

if TYPE_CHECKING:
    from rnn_rust.data.dates import TimeForm

AnySequences = TypeVar("AnySequences", bound="Sequences")
# Advice in the error for an argument that is not a data set.
HOW_TO_MAKE = "Dataset.from_frame, from_file and from_arrays make one"
_ROW_ARRAYS = (
    "features", "labels", "times", "row_numbers", "weights", "present", "seasonal",
)  # fmt: skip
# Not fields: the shared arrays of a view, and the positions of ids once they were looked up.
_DERIVED = ("_shared", "_places")


@dataclass(eq=False, repr=False, kw_only=True)
class Sequences:
    """The storage of a :class:`rnn_rust.Dataset`; the fields are described there."""

    features: FloatArray
    labels: FloatArray
    offsets: NDArray[np.int64]
    ids: NDArray[Any]
    times: NDArray[Any]
    row_numbers: NDArray[np.int64]
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]
    id_name: str | None = "id"
    time_name: str | None = "t"
    weights: FloatArray | None = field(default_factory=lambda: None)  # no attribute of the class
    weights_name: str = "weights"
    has_feature_names: bool = True
    has_label_names: bool = True
    time_form: TimeForm | None = None
    left_out: tuple[str, ...] = ()
    keys: Keys | None = None
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    label_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    encoder: FeatureEncoder | None = None
    keeps_missing: bool = False
    ahead: Forecast | None = None
    static: StaticFeatures | None = None
    initial_state: FloatArray | None = field(default_factory=lambda: None)
    present: FloatArray | None = field(default_factory=lambda: None)
    seasonal: FloatArray | None = field(default_factory=lambda: None)

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Copy the rows of a view out of a shared array, at the first access."""
            shared = vars(self).get("_shared")
            if shared is None or name not in _ROW_ARRAYS:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            array = shared.take(name, self.offsets)
            if array is not None:
                array.flags.writeable = False
            vars(self)[name] = array
            return array

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, with a copy of the rows if they are shared."""
        for name in _ROW_ARRAYS:
            getattr(self, name)
        return {name: value for name, value in vars(self).items() if name not in _DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields of a pickled or copied data set, whose arrays NumPy made writable."""
        vars(self).update(state)
        self.__post_init__()

    @property
    def shares_rows(self) -> bool:
        """Whether this is a view of rows in arrays shared with other data sets."""
        return "_shared" in vars(self)

    @property
    def shared_rows(self) -> SharedRows:
        """The arrays that hold the rows, and may also hold rows of other data sets."""
        shared: SharedRows | None = vars(self).get("_shared")
        if shared is not None:
            return shared
        return SharedRows({name: getattr(self, name) for name in _ROW_ARRAYS}, self.offsets[:-1])

    def own_rows(self) -> None:
        """Copy shared rows, so that arrays may be replaced."""
        vars(self).update(self.__getstate__())
        vars(self).pop("_shared", None)

    def part(
        self,
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        positions: NDArray[np.int64],
        ids: NDArray[Any] | None = None,
    ) -> Self:
        """Return a view of sequences whose rows are consecutive in the shared arrays.

        Parameters
        ----------
        starts, lengths
            ``(S,)`` int64: the first row of each sequence, and its number of rows.
        positions
            ``(S,)`` int64: the position in this data set of the sequence it comes from.
        ids
            ``(S,)``; by default the ids of those sequences.
        """
        if self.initial_state is not None and (self._lengths(positions) != lengths).any():
            raise ParameterError(
                "the sequences start from states of their own, which their later rows do not; cut "
                "them first, and give the parts initial states"
            )
        view = object.__new__(type(self))
        own = (*_ROW_ARRAYS, *_DERIVED, "offsets", "ids", "static", "initial_state")
        vars(view).update({name: value for name, value in vars(self).items() if name not in own})
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        shared = SharedRows(self.shared_rows.arrays, starts)
        vars(view).update(
            offsets=offsets, ids=self.ids[positions] if ids is None else ids, _shared=shared,
            static=None if self.static is None else self.static.take(positions),
            initial_state=None if self.initial_state is None else self.initial_state[positions],
        )  # fmt: skip
        view.__post_init__()
        return view

    def __len__(self) -> int:
        """Return the number of sequences S."""
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, which: int | str) -> Sequence: ...

    @overload
    def __getitem__(self, which: slice) -> Self: ...

    def __getitem__(self, which: int | str | slice) -> Sequence | Self:
        """Return a sequence by its position (negative ones count from the end) or by its id.

        A slice returns a data set, a view of those sequences. To look up an integer id, use
        :meth:`sequence`.
        """
        if isinstance(which, slice):
            return self._slice(which)
        if isinstance(which, str):
            return self.sequence(which)
        try:
            wanted = index(which)
        except TypeError:
            raise TypeError(
                f"a data set is indexed by a position, an id or a slice, not {which!r}; "
                "use subset(positions) for several sequences"
            ) from None
        at = wanted + len(self) if wanted < 0 else wanted
        if not 0 <= at < len(self):
            raise IndexError(f"sequence {wanted} of a data set of {counted(len(self), 'sequence')}")
        return self._sequence_at(at)

    def sequence(self, id: str | int) -> Sequence:
        """Return the sequence with an id; raise KeyError if there is none."""
        key = id
        with suppress(TypeError):  # integers of other libraries need not hash like those of Python
            key = index(id)  # type: ignore[arg-type]
        at = self._place_of(key) if isinstance(key, str | int) else None
        if at is None:
            raise KeyError(f"no sequence has the id {id!r}{self._close_id(id)}")
        return self._sequence_at(at)

    def _place_of(self, key: str | int) -> int | None:
        """Return the position of the first sequence with an id; None if there is none."""
        ids, places = vars(self).get("_places", (None, None))
        if ids is not self.ids:
            # For a single lookup, a search is faster than making a table of all ids.
            vars(self)["_places"] = self.ids, None
        else:
            if places is None:
                backwards = range(len(self) - 1, -1, -1)
                places = dict(zip(ids[::-1].tolist(), backwards, strict=True))
                vars(self)["_places"] = ids, places
            at: int | None = places.get(key)
            # The array may have been written to since.
            if at is not None and self.ids[at] == key:
                return at
        found = np.flatnonzero(self.ids == key)
        return int(found[0]) if found.size else None

    def _close_id(self, id: str | int) -> str:
        some = self.ids[:10_000].tolist()
        if not isinstance(id, type(some[0])):
            return f"; ids are {'text' if isinstance(some[0], str) else 'integers'}: {some[0]!r}"
        return suggestion(str(id), map(str, some))

    def _slice(self, which: slice) -> Self:
        positions = np.arange(*which.indices(len(self)), dtype=np.int64)
        if positions.size == 0:
            ends = [which.start, which.stop, *([] if which.step is None else [which.step])]
            written = ":".join("" if end is None else str(end) for end in ends)
            raise IndexError(
                f"no sequence is in [{written}] of a data set of {counted(len(self), 'sequence')}"
            )
        return self.chosen(positions)

    def _sequence_at(self, at: int) -> Sequence:
        shared = self.shared_rows
        first = shared.starts[at]
        rows = slice(first, first + self.offsets[at + 1] - self.offsets[at])
        names = ("times", "features", "labels", "weights", "present", "seasonal")
        arrays: dict[str, Any] = {name: shared.arrays[name] for name in names}
        own: dict[str, Any] = {n: a if a is None else a[rows] for n, a in arrays.items()}
        return Sequence(
            id=self.ids.item(at),
            **own,
            feature_names=self.feature_names if self.has_feature_names else None,
            label_names=self.label_names if self.has_label_names else None,
            ahead=self.ahead,
            levels=self.levels,
            encoder=self.encoder,
            keeps_missing=self.keeps_missing,
            label_levels=self.label_levels,
            static=None if self.static is None else self.static.take(slice(at, at + 1)),
            initial_state=None if self.initial_state is None else self.initial_state[at],
        )

    def __iter__(self) -> Iterator[Sequence]:
        """Yield the sequences in order."""
        return (self._sequence_at(position) for position in range(len(self)))

    def subset(self, indices: ArrayLike) -> Self:
        """Return the sequences at these positions, in this order.

        The result is a view: it shares the arrays of this data set, and copies its rows of an array
        only when you first access that array.

        Parameters
        ----------
        indices
            Distinct positions, or a boolean mask of shape (S,).

        Raises
        ------
        ParameterError
            There is no position, one is given twice, or one is outside the data set.
        """
        return self.chosen(as_positions(indices, len(self)))

    def chosen(self, positions: NDArray[np.int64]) -> Self:
        """Return the sequences at positions that are known to be distinct and within bounds."""
        return self.part(self.shared_rows.starts[positions], self._lengths(positions), positions)

    def _lengths(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.offsets[positions + 1] - self.offsets[positions]

    def with_initial_state(self, state: ArrayLike | None) -> Self:
        """Return the same sequences with the states that a network starts them from, instead of 0.

        The states do not include the last number for ``missing="forward"`` or the last time for
        ``"elapsed"``: both treat the first row as if nothing came before it.

        Parameters
        ----------
        state
            ``(S, H)``, or ``(S, layers, H)`` for several layers, with 2 H numbers for an LSTM, as
            ``predict(return_state=True)`` returns them. None for 0.

        Raises
        ------
        DataError
            A number is not finite.
        ShapeError
            The number of states is not the number of sequences.
        """
        if state is None:
            return self._starting_from(None)
        array = as_floats("initial_state", state).copy()
        if array.ndim < 2 or len(array) != len(self):
            raise ShapeError(
                f"initial_state: shape {array.shape}; give a state for each of the {len(self)} "
                "sequences"
            )
        check_finite_states(array)
        return self._starting_from(array)

    def _starting_from(self, state: FloatArray | None) -> Self:
        # Not `replace`, which would make a view copy its rows.
        made = object.__new__(type(self))
        vars(made).update(vars(self), initial_state=state)
        made.__post_init__()
        return made

    def with_values(self, features: FloatArray, labels: FloatArray) -> Self:
        """Return the same sequences with other ``features`` and ``labels`` of the same shapes.

        The arrays are kept, not copied.
        """
        return replace(self, features=features, labels=labels)

    def written_time(self, time: Any) -> str:
        """Return a time as it would be written in the time column."""
        return str(time) if self.time_form is None else self.time_form.write(time)

    @property
    def known(self) -> FloatArray | None:
        """Values ``(N, L)`` that labels are learnt as changes from; None if there are none."""
        return known_values(self.present, self.seasonal, self.ahead)

    @property
    def has_labels(self) -> bool:
        """Whether there is a label column."""
        return len(self.label_names) > 0

    def require_labels(self, purpose: str) -> FloatArray:
        """Return ``labels (N, L)``; raise DataError if all labels are missing."""
        if np.isnan(self.labels).all():
            lack = "every label is missing; fill in some"
            if not self.has_labels:
                lack = f"the data has no label column; name one with {argument('labels')}"
            elif self.ahead is not None:
                lack = "no row is followed by another of its sequence; give longer sequences"
            raise DataError(f"{purpose} needs labels, but {lack}")
        return self.labels


def check_finite_states(states: FloatArray) -> None:
    """Raise DataError if a number of initial states is NaN or infinite."""
    if not np.isfinite(states).all():
        raise DataError("initial_state: a number is not finite; give those that predict returned")


def require_dataset(value: AnySequences, purpose: str) -> AnySequences:
    """Return ``value``, a data set; raise ParameterError if it is something else."""
    if not isinstance(value, Sequences):
        single = isinstance(value, Sequence)
        advice = "dataset.subset([0]) is the Dataset of one sequence" if single else HOW_TO_MAKE
        raise ParameterError(f"{purpose} needs a Dataset, not {named(value)}; {advice}")
    return value
