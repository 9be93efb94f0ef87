"""A model with the states of many entities, which scores their events as they arrive."""

from __future__ import annotations

import copy
import os
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import boolean, counted, finite, whole_number
from rnn_rust.base.files import remove_leftovers
from rnn_rust.base.locks import NonReentrantLock
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.order import reorder
from rnn_rust.errors import ParameterError
from rnn_rust.model.description import describe
from rnn_rust.model.inputs import read
from rnn_rust.model.network import Network
from rnn_rust.model.rows import rows_by_name
from rnn_rust.model.scoring import with_outputs
from rnn_rust.model.streams import check_learns_values, check_reads_forward, scalers_of
from rnn_rust.storage.model_file import write_packed

STATES = "scorer/"
"""Prefix of the names of a scorer's arrays in a file."""


_MAKES_STATES = (
    "input_size", "hidden_size", "output_size", "num_layers", "dtype", "activation", "reset_after"
)  # fmt: skip
"""Settings that a new model must share with the scorer's model."""


class Snapshot:
    """The model and states of a scorer at one moment; made by ``scorer.snapshot()``."""

    def __init__(
        self,
        description: dict[str, Any],
        tensors: dict[str, NDArray[Any]],
        writing: NonReentrantLock,
    ) -> None:
        self._description, self._tensors, self._writing = description, tensors, writing

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, as :meth:`Scorer.save` does.

        Raises
        ------
        ModelFileError, BusyError
            As there.
        """
        with self._writing.hold():
            remove_leftovers(path)
            write_packed(path, self._description, self._tensors)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: only one file of a scorer is written at a time."""
        raise TypeError("a snapshot is not copied or pickled; use save(path) and load_scorer(path)")


class Scorer(_core.Scorer):
    """A model with one state for each entity (card, machine); made by ``model.scorer()``.

    Events of different entities may come in any order, one by one or in batches. An entity's
    outputs have the same bits as ``predict`` on its whole sequence, whatever the batches. Calls
    from several threads are safe: each runs between two events, and a single event waits only for a
    slice of a batch. The scorer keeps the weights that the model had when the scorer was made.

    Keys are 64-bit ints, strs or bytes, which may be mixed: ``1``, ``"1"`` and ``b"1"`` are three
    entities.

    Parameters
    ----------
    model
        A model that reads its sequences forward.
    max_entities, expire_after
        See :meth:`rnn_rust.RNN.scorer`.

    Attributes
    ----------
    model
        A copy of the model.
    max_entities, expire_after
        As given.
    evicted, expired
        How many entities were removed to make room for others, and because they had expired.
    """

    def __new__(
        cls, model: Network, max_entities: int | None = None, expire_after: float | None = None
    ) -> Self:
        """Make a scorer without entities."""
        if max_entities is not None:
            max_entities = whole_number("max_entities", max_entities, least=1)
        if expire_after is not None:
            expire_after = finite("expire_after", expire_after, least=0.0)
        check_events(model)
        if cls is Scorer and model.encoder is not None:
            raise ParameterError(
                "the model has learnt of categories, gaps or times; model.scorer() makes a scorer "
                "that encodes them"
            )
        own = copy.copy(model)
        names = None if own.feature_names is None else list(own.feature_names)
        scorer = super().__new__(
            cls, own, own._core, scalers_of(own), rows_by_name(own.feature_names), names,
            (max_entities, expire_after),
        )  # fmt: skip
        scorer._limits, scorer._writing = (
            (max_entities, expire_after),
            NonReentrantLock("a scorer's save()"),
        )
        scorer._prepare()
        return scorer

    _limits: tuple[int | None, float | None]
    _writing: NonReentrantLock

    @property
    def model(self) -> Network:
        """A copy of the model."""
        # Stored in the base class with the states, so that a copy of both is consistent.
        model: Network = self._model
        return model

    @property
    def max_entities(self) -> int | None:
        """The maximum number of entities."""
        return self._limits[0]

    @property
    def expire_after(self) -> float | None:
        """How long an entity is kept after its last event."""
        return self._limits[1]

    def _prepare(self) -> None:
        """Prepare for what the model has learnt about its features."""

    def score_frame(self, table: Any) -> Any:
        """Return the table with the outputs after each row as additional columns.

        The rows are events: the model's id column is their key, and the rows of an entity are
        processed in time order. Columns and the names of the outputs are as in
        :meth:`rnn_rust.RNN.score_frame`. With ``expire_after``, elapsed time is computed from the
        time column, in seconds for dates.

        Raises
        ------
        DataError
            A column is missing, or has the name of a prediction; or a cell cannot be used.
        ParameterError
            ``table`` is something else, or the model was trained to forecast; or ``expire_after``
            is set, and the model has no time column.
        """
        if self.model.ahead is not None:
            raise ParameterError(
                "the model was trained to forecast, from rows before that a scorer does not keep; "
                "use forecast(table)"
            )
        keys = self.model.table
        if self.expire_after is not None and keys is not None and not keys.time:
            raise ParameterError(
                "expire_after needs the time of each row, and the model was trained without a time "
                "column; use score_batch(keys, features, times=...)"
            )
        return with_outputs(self.model, table, self._outputs_of)

    def _outputs_of(self, whole: Any) -> FloatArray:
        data = read(self.model, whole)
        order = order_of_events(data)
        keys = np.repeat(data.ids, np.diff(data.offsets))[order]
        times = _seconds(data.times)[order] if self.expire_after is not None else None
        scored = self._score_rows(data, order, keys, times)
        outputs = np.empty_like(scored)
        outputs[data.row_numbers[order]] = scored
        return outputs

    def _score_rows(
        self,
        data: Dataset,
        order: NDArray[np.int64],
        keys: NDArray[Any],
        times: NDArray[np.float64] | None,
    ) -> FloatArray:
        preparation = self.model.preparation
        prepared = reorder(preparation.encoded(data), features=self.model.feature_names)
        return self.score_batch(keys, prepared.features[order], times=times)

    def swap(self, model: Network, *, keep_states: bool = True) -> None:
        """Replace the model with another one of the same sizes, between two batches.

        Its scaler and the categories it has learnt are replaced along with the weights.

        Parameters
        ----------
        model
            A model with the same cell, sizes, layers and dtype; for example trained further.
        keep_states
            Whether entities keep their states; otherwise they are forgotten.

        Raises
        ------
        ParameterError
            The model has other sizes, takes other features, or forecasts changes.
        BusyError
            As :meth:`save`.
        """
        check_events(model)
        boolean("keep_states", keep_states)
        if (model.encoder is None) != (self.model.encoder is None):
            raise ParameterError(
                "one model takes numbers alone, the other categories, gaps or times too; make a "
                "scorer of the new one"
            )
        own = copy.copy(model)
        if own.feature_names != self.model.feature_names:
            raise ParameterError(
                f"the model takes the features {_shown(own.feature_names)}, the scorer's "
                f"{_shown(self.model.feature_names)}; give one of the same"
            )
        _check_alike(own, self.model)
        self._exchange(own, keep_states)

    def _exchange(self, own: Network, keep_states: bool) -> None:
        """Replace the model with this one, which belongs to the scorer."""
        self._replace_network(own, own._core, scalers_of(own), keep_states)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write model and states to a file for :func:`rnn_rust.load_scorer`.

        All states are saved as of one moment, between two events. Other threads wait while they are
        copied in memory, not while the file is written. An existing file is replaced in one step:
        if the process is killed, either the old file or the new one is there.

        Raises
        ------
        WriteError
            The file cannot be written there.
        BusyError
            A signal handler called it while its own thread was in a call of the scorer.
        """
        self.snapshot().save(path)

    def snapshot(self) -> Snapshot:
        """Return model and states as of one moment, between two events, to be saved later.

        It takes as long as a copy. If you count the events scored, to continue from there, hold a
        lock while scoring and counting, and while calling this and copying the counts.
        """
        return Snapshot(*self._contents(), self._writing)

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the contents of a file: a description, and arrays."""
        model, arrays, _ = self._snapshot()
        return self._described(model, arrays, {})

    def _described(
        self, model: Network, arrays: dict[str, NDArray[Any]], more: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        limits = {"max_entities": self.max_entities, "expire_after": self.expire_after}
        description = {"scorer": limits | more, "model": describe(model)}
        tensors: dict[str, NDArray[Any]] = dict(model.state_dict())
        return description, tensors | {STATES + name: array for name, array in arrays.items()}

    def _take(self, description: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take the entities that :meth:`_contents` returned."""
        self._restore(arrays)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: two scorers would each see only some of the events."""
        raise TypeError("a scorer is not copied or pickled; use save(path) and load_scorer(path)")

    def __repr__(self) -> str:
        """Return the model, the number of entities, and the limits."""
        limits = "".join(
            f", {name}={getattr(self, name)}"
            for name in ("max_entities", "expire_after")
            if getattr(self, name) is not None
        )
        return f"Scorer({self.model!r}{limits}): {counted(len(self), 'entity', 'entities')}"


def check_events(model: Network) -> None:
    """Raise ParameterError if it is not a model, or needs more than the events so far."""
    if not isinstance(model, Network):
        raise ParameterError(f"model must be an RNN, GRU or LSTM, got {model!r}")
    model.require_sizes()
    check_learns_values(model, "a scorer")
    check_reads_forward(model, "a scorer")
    if model.encoder is not None and model.encoder.static is not None:
        static = ", ".join(model.encoder.static.source_names)
        raise ParameterError(
            f"a scorer takes the features of events, and the model has static ones ({static}"
            "); train on them in features="
        )


def _check_alike(model: Network, own: Network) -> None:
    """Raise ParameterError if a scorer cannot replace its ``own`` model with another."""
    if model.cell != own.cell:
        raise ParameterError(
            f"the model's cell is {model.cell}, that of the scorer's model {own.cell}; give one of "
            "the same cell and sizes"
        )
    others = [
        f"{name} is {model.settings[name]!r}, the scorer's model has {value!r}"
        for name, value in own.settings.items()
        if name in _MAKES_STATES and model.settings[name] != value
    ]
    if model.encoder is not None and own.encoder is not None:
        levels = own.encoder.levels
        others += [
            f"category '{name}' has {counted(len(given), 'level')}, in the scorer's model "
            f"{len(levels[name])}"
            for name, given in model.encoder.levels.items()
            if len(given) != len(levels[name])
        ]
    if others:
        raise ParameterError(
            f"the model is of another kind: {'; '.join(others)}; give one of the same"
        )


def _shown(names: tuple[str, ...] | None) -> str:
    return "without names" if names is None else ", ".join(names)


def order_of_events(data: Dataset) -> NDArray[np.int64]:
    """Return the order that puts a data set's rows as they are in the table.

    If the table does not have the rows of a sequence in time order, these rows are swapped among
    themselves.
    """
    places = data.row_numbers.copy()
    sequence = np.repeat(np.arange(len(data)), np.diff(data.offsets))
    return np.argsort(places[np.lexsort((places, sequence))], kind="stable")


def _seconds(times: NDArray[Any]) -> NDArray[np.float64]:
    """Return times as numbers: dates and durations in seconds."""
    if times.dtype.kind in "mM":
        unit = np.datetime64(0, "s") if times.dtype.kind == "M" else np.timedelta64(0, "s")
        seconds: NDArray[np.float64] = (times - unit.astype(times.dtype)) / np.timedelta64(1, "s")
        return seconds
    return times.astype(np.float64)
