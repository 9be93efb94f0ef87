"""Events in JSON, and the rows of features that a scorer takes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

import rnn_rust as rnn
from rnn_rust.errors import DataError

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float
Value = Number | str | bool | None


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """What happened to one entity.

    Attributes
    ----------
    key
        The key of the entity, such as a card or a machine.
    features
        A dict by name, or a list in the order of the model's features.
    time
        The time of the event, a number; for services that remove expired entities.
    """

    key: int | str
    features: dict[str, Value] | list[Value]
    time: float | None = None


_decoder = msgspec.json.Decoder(Event | list[Event])


def read_events(body: bytes) -> list[Event]:
    """Return the events in the body of a request: one event, or a list.

    Raises
    ------
    msgspec.DecodeError
        The body is not JSON; or (the subclass ValidationError) is not made of events.
    """
    decoded = _decoder.decode(body)
    return decoded if isinstance(decoded, list) else [decoded]


class Rows:
    """Makes rows of features for a scorer from events."""

    def __init__(self, scorer: rnn.Scorer) -> None:
        encoded = getattr(scorer, "feature_names", None)
        # Models with categories, gaps or times check the values themselves.
        self._plain = encoded is None
        self._names = encoded or scorer.model.feature_names
        self._count = len(self._names) if self._names else scorer.model.settings["input_size"]

    def __call__(self, events: list[Event]) -> list[list[Any]]:
        """Return a row for each event.

        Raises
        ------
        DataError
            A feature is missing or is not a number, or there are more or fewer than needed.
        """
        return [self._row(event, f"$[{place}]") for place, event in enumerate(events)]

    def _row(self, event: Event, where: str) -> list[Any]:
        if isinstance(event.key, int) and not -(2**63) <= event.key < 2**64:
            raise DataError(f"{where}.key: {event.key} has more than 64 bits; give it as text")
        where += ".features"
        if isinstance(event.features, list):
            row = event.features
            if len(row) != self._count:
                raise DataError(f"{where}: {len(row)} values; the model takes {self._count}")
        elif not self._names:
            raise DataError(f"{where}: the model's features have no names; give a list")
        else:
            missing = [name for name in self._names if name not in event.features]
            if missing:
                raise DataError(f"{where}: there is no {missing[0]!r}; give each by name")
            row = [event.features[name] for name in self._names]
        return (
            [self._number(value, where, at) for at, value in enumerate(row)] if self._plain else row
        )

    def _number(self, value: Value, where: str, at: int) -> float:
        name = repr(self._names[at]) if self._names else f"number {at}"
        if not isinstance(value, int | float):
            raise DataError(f"{where}: {name} is {value!r}; give a number")
        return float(value)
