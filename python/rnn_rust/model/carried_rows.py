"""What the events of an entity need from earlier ones: the last numbers and the last time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import positions
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.time_features import check_kind, kind_of
from rnn_rust.errors import ModelFileError
from rnn_rust.model.row_encoder import Carried


class CarriedRows:
    """What the next event of each entity needs from earlier ones, by the entity's row."""

    def __init__(self, numbers: int) -> None:
        self.numbers = np.full((0, numbers), np.nan)
        self.times: NDArray[Any] = np.zeros(0)
        self.known = np.zeros(0, dtype=bool)

    def grow(self, rows: int, times: np.dtype[Any]) -> None:
        """Make room for this number of rows, and for times of this type."""
        if not self.known.any():
            self.times = np.zeros(len(self.times), times)
        elif self.times.dtype != times:
            check_kind(None, times, kind_of(self.times.dtype), "in the events before")
            self.times = self.times.astype(np.result_type(self.times, times))
        more: int = max(rows, 2 * len(self.known)) - len(self.known)
        if rows > len(self.known):
            self.numbers = np.concatenate(
                [self.numbers, np.full((more, self.numbers.shape[1]), np.nan)]
            )
            self.times = np.concatenate([self.times, np.zeros(more, self.times.dtype)])
            self.known = np.concatenate([self.known, np.zeros(more, bool)])

    def get(self, row: int, names: Sequence[str]) -> Carried | None:
        """Return what an entity carries, or None."""
        if row >= len(self.known) or not self.known[row]:
            return None
        pairs = zip(names, self.numbers[row].tolist(), strict=True)
        last = {name: value for name, value in pairs if not np.isnan(value)}
        return Carried(last, self.times[row : row + 1])

    def put(self, row: int, carried: Carried, names: Sequence[str]) -> None:
        """Set what an entity carries."""
        time = np.zeros(1, self.times.dtype) if carried.time is None else carried.time
        self.grow(row + 1, time.dtype)
        self.numbers[row] = [carried.numbers.get(name, np.nan) for name in names]
        self.times[row], self.known[row] = time[0], True

    def drop(self, row: int) -> None:
        """Forget what an entity carries."""
        self.known[row : row + 1] = False

    def arrays(self, rows: NDArray[np.uint32]) -> tuple[dict[str, NDArray[Any]], str]:
        """Return what entities carry as arrays, and the type of the times."""
        if len(rows):
            self.grow(int(rows.max()) + 1, self.times.dtype)
        times = self.times[rows]
        return {
            "last_numbers": self.numbers[rows],
            "last_times": times.view(np.int64) if times.dtype.kind in "mM" else times,
            "carried": self.known[rows].astype(np.uint8),
        }, times.dtype.str

    def take(self, arrays: dict[str, NDArray[Any]], unit: str, count: int) -> None:
        """Take what :meth:`arrays` returned."""
        dtype = np.dtype(unit)
        numbers, times = arrays["last_numbers"], arrays["last_times"]
        known = arrays["carried"]
        wanted = np.int64 if dtype.kind in "mM" else dtype
        shapes = (numbers.shape, times.shape, known.shape)
        if shapes != ((count, self.numbers.shape[1]), (count,), (count,)) or times.dtype != wanted:
            raise ModelFileError("what entities carry has other shapes or types")
        self.numbers, self.known = numbers.astype(np.float64), known.astype(bool)
        self.times = times.view(dtype) if dtype.kind in "mM" else times.copy()


class Runs:
    """The runs of events in a data set; the events of a run continue from one state.

    A run begins with each sequence, and with each event that starts from the state 0. A run that
    continues from earlier events gets an extra first row: what its entity carries.

    Attributes
    ----------
    events
        The position of each row of the data set among all rows, including extra ones.
    """

    def __init__(
        self,
        data: Dataset,
        order: NDArray[np.int64],
        rows: NDArray[np.uint32],
        new: NDArray[np.bool_],
    ) -> None:
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        starts = new[place]
        starts[data.offsets[:-1]] = True
        self.data, self._starts = data, np.flatnonzero(starts)
        self._rows = rows[place[self._starts]].astype(np.int64)
        self._new = new[place[self._starts]]
        ends = np.append(self._starts[1:], len(order)) - 1
        # If several runs belong to the same entity row, the one that ends last comes last.
        self._by_end = np.argsort(place[ends], kind="stable")

    def encode(self, encoder: FeatureEncoder, carried: CarriedRows) -> Dataset:
        """Return the data set with the extra rows, its features encoded for the engine."""
        data, now = self.data, self.data.times
        if encoder.times:
            check_kind(data.time_name, now.dtype, encoder.time_kind)
        else:
            # Times that are not features may be of any kind.
            now = np.zeros(len(now), carried.times.dtype)
        carried.grow(int(self._rows.max()) + 1, now.dtype)
        goes_on = ~self._new & carried.known[self._rows]
        front, own = self._starts[goes_on], self._rows[goes_on]
        features = np.zeros((len(front), data.features.shape[1]), data.features.dtype)
        columns = positions(data.feature_names, encoder.numbers)
        features[:, columns] = carried.numbers[own]
        times = np.insert(now.astype(np.result_type(now, carried.times)), front, carried.times[own])
        shift: NDArray[np.int64] = np.cumsum(goes_on) - goes_on
        offsets = np.append(self._starts + shift, len(now) + len(front))
        before = np.zeros(len(now), np.int64)
        before[front] = 1
        self.events = np.arange(len(now)) + np.cumsum(before)
        self._raw = np.insert(data.features, front, features, axis=0)
        self._times, self._offsets, self._encoder = times, offsets, encoder
        nothing = np.zeros((len(self._raw), 0))
        return encoder.encode(
            replace(
                data, features=self._raw, times=times, offsets=offsets, labels=nothing,
                label_names=(), label_levels={}, weights=None,
                ids=np.arange(len(self._starts)), row_numbers=np.arange(len(self._raw)),
            )
        )  # fmt: skip

    def carry(self, carried: CarriedRows) -> None:
        """Set what the entities carry after their runs."""
        data = self.data
        columns = positions(data.feature_names, self._encoder.numbers)
        raw = self._raw[:, columns]
        places = np.where(np.isnan(raw), -1, np.arange(len(raw))[:, np.newaxis])
        ends, begins = self._offsets[1:] - 1, self._offsets[:-1, np.newaxis]
        last = np.maximum.accumulate(places, axis=0)[ends]
        numbers = raw[np.maximum(last, 0), np.arange(raw.shape[1])].astype(np.float64)
        numbers = np.where(last >= begins, numbers, np.nan)
        order = self._by_end
        rows = self._rows[order]
        carried.numbers[rows] = numbers[order]
        carried.times[rows] = self._times[ends][order]
        carried.known[rows] = True
