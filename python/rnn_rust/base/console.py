"""The console for people, which the log, the progress bar and the command line's errors share."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> Console:
    """Return the console for people, standard error: the bar and the log share it."""
    return new_console(stderr=True)


def new_console(**settings: Any) -> Console:
    """Return a console of rich that goes quiet where nobody reads its output any more.

    That of rich ends the process, and a training with it, for the sake of a line of its log.
    """
    from rich.console import Console

    class QuietConsole(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    return QuietConsole(**settings)
