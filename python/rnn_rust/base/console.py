"""The console for people, which the log, the progress bar and the command line's errors share."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> Console:
    """Return the console for people, standard error: the bar and the log share it."""
    from rich.console import Console

    return Console(stderr=True)
