"""Scorers for models with categories, missing numbers or time features."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import FloatArray, as_floats, positions
from rnn_rust.base.checks import boolean, counted, shown
from rnn_rust.base.locks import NonReentrantLock
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.model.carried_rows import CarriedRows, Runs
from rnn_rust.model.event_reader import EventReader
from rnn_rust.model.network import Network
from rnn_rust.model.row_encoder import Carried, RowEncoder
from rnn_rust.model.scorer import Scorer, check_events, order_of_events
from rnn_rust.model.streams import scalers_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class EncodedScorer(Scorer):
    """A scorer that takes the features of events by name, or in the order of ``feature_names``.

    Besides the state, it keeps the last numbers and the last time of each entity, to fill missing
    numbers and compute time features. Calls from several threads take turns; a signal handler that
    calls it while its own thread is in a call gets a BusyError.

    Attributes
    ----------
    feature_names
        Numbers, categories, and the time if it is needed.
    """

    feature_names: tuple[str, ...]

    _lock: NonReentrantLock
    """Held while anything that is kept besides the states is read or changed."""

    def _prepare(self) -> None:
        self._lock = NonReentrantLock("a scorer")
        self._take_model()
        self._carried = CarriedRows(len(self._encoder.numbers))

    def _take_model(self) -> None:
        """Store what rows need from the model, which a swap may have replaced."""
        model = self.model
        assert model.encoder is not None, "other models have another scorer"
        encoder: FeatureEncoder = model.encoder
        self._encoder = encoder
        scalers, (restored, _) = scalers_of(model)
        dtype = np.dtype(model.settings["dtype"])
        self._rows = RowEncoder(encoder, model.table, scalers, dtype)
        self.feature_names = self._rows.feature_names
        self._events = EventReader(encoder, self.feature_names, model.table)
        self._outputs: int = model.settings["output_size"]
        self._out_dtype = np.dtype(np.float64) if restored else dtype

    def score(
        self,
        key: Any,
        features: Any,
        out: NDArray[Any] | None = None,
        *,
        time: float | None = None,
        return_new: bool = False,
    ) -> Any:
        """Return the outputs after one more event, as :meth:`Scorer.score`.

        Raises
        ------
        ShapeError, DataError, ParameterError, TypeError
            As there.
        """
        boolean("return_new", return_new)
        with self._lock.hold():
            # Check first, so that unusable features change nothing.
            read = self._rows.read(features)
            self._rows.check_row(read)
            self._check_out(out, (self._outputs,))
            with self._admitted([key], None if time is None else [time]) as (rows, new):
                place = int(rows[0])
                carried = None if new[0] else self._carried.get(place, self._encoder.numbers)
                row, after = self._rows.after(carried or Carried(), read)
                if after.time is not None:
                    self._carried.grow(place + 1, after.time.dtype)
                outputs = self._outputs_after(rows, new, row[np.newaxis])[0]
                self._carried.put(place, after, self._encoder.numbers)
        if out is not None:
            out[...] = outputs
            outputs = out
        return (outputs, bool(new[0])) if return_new else outputs

    def score_batch(
        self,
        keys: Any,
        features: Any,
        out: NDArray[Any] | None = None,
        *,
        times: Any = None,
        return_new: bool = False,
    ) -> Any:
        """Return the outputs after events of any entities, as :meth:`Scorer.score_batch`.

        Parameters
        ----------
        keys, out, times, return_new
            As there.
        features
            A table with the columns ``feature_names``, or a list of rows, by name or in this order,
            as in :meth:`score`. If the time is needed, events of an entity are processed in time
            order.

        Raises
        ------
        ShapeError, DataError, ParameterError, TypeError
            As there.
        """
        boolean("return_new", return_new)
        own = _listed(keys)
        given = None if times is None else as_floats("times", times)
        if given is not None and given.shape != (len(own),):
            keys_given = counted(len(own), "key")
            raise ShapeError(f"{keys_given}, times of shape {given.shape}; give as many")
        self._check_out(out, (len(own), self._outputs))
        if not own:
            self._events.frame_of(features, 0)
            outputs = self._step(*self._admit([]), np.empty((0, len(self._encoder.feature_names))))
            was_new = np.empty(0, bool)
        else:
            outputs, was_new = self._score_read(own, features, given)
        if out is not None:
            out[...] = outputs
            outputs = out
        return (outputs, was_new) if return_new else outputs

    def _score_read(
        self, keys: list[Any], features: Any, times: FloatArray | None
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        with self._lock.hold():
            data = self._events.read(keys, features)
            order = order_of_events(data)
            events = data.row_numbers[order]
            given = None if times is None else times[events]
            scored, new = self._score_events(data, order, [keys[event] for event in events], given)
        outputs, was_new = np.empty_like(scored), np.empty_like(new)
        outputs[events], was_new[events] = scored, new
        return outputs, was_new

    def _outputs_of(self, whole: Any) -> FloatArray:
        with self._lock.hold():
            return super()._outputs_of(whole)

    def _check_out(self, out: Any, shape: tuple[int, ...]) -> None:
        """Raise TypeError if outputs cannot be written to an array, which may be None."""
        if out is None:
            return
        fits = type(out) is np.ndarray and (out.shape, out.dtype) == (shape, self._out_dtype)
        if not fits or not out.flags.writeable:
            raise TypeError(
                f"out must be a writable array of shape {shape} and dtype {self._out_dtype}"
            )

    def _score_rows(
        self,
        data: Dataset,
        order: NDArray[np.int64],
        keys: NDArray[Any],
        times: NDArray[np.float64] | None,
    ) -> FloatArray:
        return self._score_events(data, order, keys, times)[0]

    def _score_events(
        self, data: Dataset, order: NDArray[np.int64], keys: Any, times: Any
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return the outputs of a data set's rows in this order, and which entities were new."""
        columns = positions(data.feature_names, self._encoder.numbers)
        numbers = np.empty((len(order), len(columns)))
        numbers[data.row_numbers] = data.features[:, columns]
        self._rows.check_numbers(numbers)
        with self._admitted(keys, times) as (rows, new):
            runs = Runs(data, order, rows, new)
            encoded = runs.encode(self._encoder, self._carried)
            outputs = self._outputs_after(rows, new, encoded.features[runs.events][order])
            runs.carry(self._carried)
        return outputs, new

    def _outputs_after(
        self, rows: NDArray[np.uint32], new: NDArray[np.bool_], encoded: NDArray[Any]
    ) -> FloatArray:
        """Return the outputs after events whose features are encoded for the engine."""
        try:
            return self._step(rows, new, encoded)
        except DataError:
            # That message has only positions; name the feature.
            self._rows.check_numbers(encoded[:, : len(self._encoder.number_names)])
            raise

    @contextmanager
    def _admitted(
        self, keys: Any, times: Any
    ) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.bool_]]]:
        """Admit events; if they cannot be scored, forget their new entities.

        Entities that were removed to make room, by ``max_entities``, are not restored.
        """
        rows, new = self._admit(keys, times)
        try:
            yield rows, new
        except BaseException:
            for number in np.flatnonzero(new):
                super().forget(keys[number])
            raise

    def reset(self, key: Any) -> bool:
        """Set an entity's state to 0, as at the beginning; return whether it is known."""
        with self._lock.hold():
            row = self._row(key)
            if row is not None:
                self._carried.drop(row)
            return super().reset(key)

    def forget(self, key: Any) -> bool:
        """Forget an entity; return whether it was known."""
        with self._lock.hold():
            return super().forget(key)

    def clear(self) -> None:
        """Forget all entities."""
        with self._lock.hold():
            super().clear()

    def swap(self, model: Network, *, keep_states: bool = True) -> None:
        """Replace the model with another one, as :meth:`Scorer.swap`.

        Raises
        ------
        ParameterError
            As there; or the new model fills missing numbers, or takes times, in another way.
        """
        check_events(model)
        own, other = self._encoder, model.encoder
        ways = ("numbers", "fill", "indicators", "times")
        if other is None or any(getattr(own, way) != getattr(other, way) for way in ways):
            raise ParameterError("the model takes other features, or fills gaps in another way")
        if None not in (kinds := (other.time_kind, own.time_kind)) and kinds[0] != kinds[1]:
            raise ParameterError(
                f"the model was trained on times that are {kinds[0]}, and those of the scorer's "
                f"are {kinds[1]}"
            )
        super().swap(model, keep_states=keep_states)

    def _exchange(self, own: Network, keep_states: bool) -> None:
        with self._lock.hold():
            super()._exchange(own, keep_states)
            self._take_model()

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        with self._lock.hold():
            model, arrays, rows = self._snapshot()
            carried, unit = self._carried.arrays(rows)
            return self._described(model, arrays | carried, {"times": unit})

    def _take(self, description: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        super()._take(description, arrays)
        self._carried.take(arrays, description["scorer"]["times"], len(self))


def _listed(keys: Any) -> list[Any]:
    """Return the keys of events as a list, as :meth:`Scorer.score_batch` takes them."""
    if isinstance(keys, str | bytes):
        raise TypeError("keys are several, a list or an array; score takes a single one")
    if getattr(keys, "ndim", 1) != 1:
        raise ShapeError(f"keys: shape {list(keys.shape)}; give one for each event")
    try:
        own: list[Any] = keys.tolist() if hasattr(keys, "tolist") else list(keys)
    except TypeError:
        raise ShapeError(
            f"keys: {shown(keys)}; give a list or an array, one key for each event"
        ) from None
    return own
