"""Where a table came from, for messages about its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a table came from, for error messages: its name, and the place of a row in it."""

    name: str
    place: Callable[[int], str]

    def at(self, row: int, column: str) -> str:
        """Return the beginning of a message about one cell."""
        return f"{self.name}, {self.place(row)}, column '{column}'"
