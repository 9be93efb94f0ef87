"""Where a table came from, for messages about its cells."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnn_rust.base.checks import shown

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Source:
    """Where a table came from, for error messages.

    Attributes
    ----------
    name
        The name of the table: a path, or "frame".
    place
        Returns what messages call a row (counted from 0).
    ids
        The id of each row if messages should include it, else None.
    """

    name: str
    place: Callable[[int], str]
    ids: Sequence[Any] | pl.Series | None = None

    def at(self, row: int, column: str) -> str:
        """Return the beginning of a message about one cell."""
        of = "" if self.ids is None or self.ids[row] is None else f", id {shown(self.ids[row])}"
        return f"{self.row(row)}{of}, column {shown(column)}"

    def row(self, row: int) -> str:
        """Return the beginning of a message about a row."""
        return f"{self.name}, {self.place(row)}"


class EventSource(Source):
    """Events of entities, which messages identify by number and key."""

    def __init__(self, keys: Sequence[Any]) -> None:
        """Set the key of each event."""
        super().__init__("features", lambda row: f"event {row}", keys)

    def at(self, row: int, column: str) -> str:
        """Return the beginning of a message about one feature."""
        return f"{self.row(row)}, feature {shown(column)}"

    def row(self, row: int) -> str:
        """Return the beginning of a message about an event."""
        key = self.ids[row] if self.ids is not None else None
        return f"event {row} (counted from 0), key {shown(key)}"


class JoinedSource(Source):
    """Several concatenated tables."""

    def __init__(self, name: str, parts: Sequence[Source], ends: Sequence[int]) -> None:
        """Set the parts, and the number of rows up to the end of each."""
        starts = [0, *ends]

        def place(row: int) -> str:
            part = bisect_right(ends, row)
            return parts[part].row(row - starts[part])

        super().__init__(name, place)

    def row(self, row: int) -> str:
        """Return the beginning of a message about a row, with the name of its own table."""
        return self.place(row)
