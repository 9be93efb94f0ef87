"""What happened during training, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from rnn_rust.base.arrays import as_number
from rnn_rust.base.checks import counted, shown
from rnn_rust.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Record = dict[str, float]


class History:
    """The record of one call to ``fit``.

    Every epoch has a ``loss`` (over its labels, each batch before its update) and ``seconds``;
    epochs with an evaluation have more. Stored by column: a million epochs fit in 16 MB.

    >>> history = History()
    >>> history.extend([0.5, 0.25], [0.01, 0.01])
    >>> history.add_to_last({"validation_loss": 0.3})
    >>> history[-1]
    {'epoch': 2, 'loss': 0.25, 'seconds': 0.01, 'validation_loss': 0.3}

    Attributes
    ----------
    loss
        The training loss of every epoch.
    seconds
        The wall time of every epoch.
    interrupted
        Whether Ctrl-C ended the training before its last epoch.
    first_epoch
        Number of epochs that the model was trained for before.
    """

    def __init__(self, first_epoch: int = 0) -> None:
        self.first_epoch = first_epoch
        self.loss: list[float] = []
        self.seconds: list[float] = []
        self.interrupted = False
        # For each metric, in the order of appearance: its values by position of the record.
        self._metrics: dict[str, dict[int, float]] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled history; an earlier version stored the metrics by record."""
        vars(self).update({"_metrics": {}} | state)
        for at, metrics in vars(self).pop("_more", {}).items():
            for name, value in metrics.items():
                self._metrics.setdefault(name, {})[at] = value

    def __len__(self) -> int:
        """Return the number of finished epochs."""
        return len(self.loss)

    @overload
    def __getitem__(self, position: int) -> Record: ...

    @overload
    def __getitem__(self, position: slice) -> list[Record]: ...

    def __getitem__(self, position: int | slice) -> Record | list[Record]:
        """Return one record: epoch (counted from 1), loss, seconds, and evaluated metrics.

        For a slice, return a list of records.

        Raises
        ------
        IndexError
            There is no such record.
        TypeError
            ``position`` is not a number.
        """
        if isinstance(position, slice):
            return self.records[position]
        try:
            at = range(len(self))[position]
        except IndexError:
            raise IndexError(
                f"there is no record {position} in a history of {len(self):,}"
            ) from None
        except TypeError:
            raise TypeError(
                f"a history has a record for each number, not for {position!r}; to_frame() has a "
                "column for each metric"
            ) from None
        record: Record = {
            "epoch": self.first_epoch + at + 1,
            "loss": self.loss[at],
            "seconds": self.seconds[at],
        }
        metrics = {name: own[at] for name, own in self._metrics.items() if at in own}
        return record | metrics

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in order."""
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        """Return the number of epochs and the last loss."""
        if not self.loss:
            return "<History: no epoch finished>"
        ending = ", interrupted" if self.interrupted else ""
        return (
            f"<History: {counted(len(self), 'epoch')} in {sum(self.seconds):.2f} s, "
            f"last loss {self.loss[-1]:.6g}{ending}>"
        )

    @property
    def records(self) -> list[Record]:
        """All records, one per epoch."""
        return list(self)

    @property
    def best(self) -> Record:
        """The record with the lowest ``validation_loss``, or lowest ``loss`` without validation.

        If several are equal, the first one. The loss of an epoch is measured while the weights
        change, the validation loss after the epoch.

        Raises
        ------
        DataError
            No epoch is finished.
        """
        if not self.loss:
            raise DataError("there is no best epoch, as no epoch has finished")
        values = self.loss
        if (measured := self._metrics.get("validation_loss")) is not None:
            values = [measured.get(at, math.inf) for at in range(len(self))]
        ranks = [math.inf if math.isnan(value) else value for value in values]
        return self[ranks.index(min(ranks))]

    def extend(self, losses: Sequence[float], seconds: Sequence[float]) -> None:
        """Add finished epochs by their ``losses`` and ``seconds``."""
        self.loss.extend(losses)
        self.seconds.extend(seconds)

    def add_to_last(self, values: Record) -> None:
        """Add evaluated values to the record of the last epoch.

        Raises
        ------
        DataError
            A value is not a number; then none is added.
        """
        numbers = {name: _number(name, value) for name, value in values.items()}
        for name, value in numbers.items():
            self._metrics.setdefault(name, {})[len(self) - 1] = value

    def to_frame(self) -> pl.DataFrame:
        """Return a Polars frame with one row per epoch; metrics not evaluated are null."""
        from rnn_rust.base.forks import require_polars
        from rnn_rust.base.polars import pl

        require_polars()
        columns: dict[str, list[float | None]] = {
            "epoch": [self.first_epoch + at + 1 for at in range(len(self))],
            "loss": list(self.loss),
            "seconds": list(self.seconds),
        }
        for name, own in self._metrics.items():
            columns[name] = [own.get(at) for at in range(len(self))]
        types = dict.fromkeys(columns, pl.Float64) | {"epoch": pl.Int64}
        return pl.DataFrame(columns, schema=types)

    def state_dict(self) -> dict[str, Any]:
        """Return the records so far as arrays ``(epochs,)``, for a checkpoint.

        Metrics that only some epochs have are NaN in the others; ``present`` says which exist.
        """
        more = {}
        for name, own in self._metrics.items():
            at = np.fromiter(own, np.int64, len(own))
            value, present = np.full(len(self), math.nan), np.zeros(len(self), np.bool_)
            value[at], present[at] = np.fromiter(own.values(), np.float64, len(own)), True
            more[name] = {"value": value, "present": present}
        return {
            "first_epoch": self.first_epoch,
            "loss": np.array(self.loss, np.float64),
            "seconds": np.array(self.seconds, np.float64),
            "more": more,
            # A file sorts the names.
            "order": list(more),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replace the records with the records of another history.

        Raises
        ------
        ValueError
            The columns differ in length, or the first epoch is not valid.
        """
        more = state["more"]
        columns = [state["loss"], state["seconds"]]
        columns += [part for column in more.values() for part in column.values()]
        if len({len(column) for column in columns}) != 1:
            raise ValueError("the columns of the history differ in length")
        first = int(state["first_epoch"])
        if not 0 <= first < 2**63:
            raise ValueError(f"the history begins after {first} epochs")
        self.first_epoch = first
        self.loss, self.seconds = state["loss"].tolist(), state["seconds"].tolist()
        self._metrics = {}
        # An earlier version did not store the order.
        for name in state.get("order", more):
            at = np.flatnonzero(more[name]["present"])
            values = more[name]["value"][at].tolist()
            self._metrics[name] = dict(zip(at.tolist(), values, strict=True))


def _number(name: str, value: object) -> float:
    try:
        return as_number(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"metric '{name}' is {shown(value)}; give a number") from None
