"""The console for people, which the log, the progress bar and the command line's errors share."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> Console:
    """Return the console for people, standard error: the bar and the log share it."""
    return new_console(stderr=True)


def new_console(**settings: Any) -> Console:
    """Return a console of rich that goes quiet where nobody reads its output any more.

    A console of rich itself would end the process, and a training with it, because a line of the
    log cannot be shown. On standard error no failure to write is an error.
    """
    from rich.console import Console

    class QuietConsole(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

        @property
        def file(self) -> IO[str]:
            return cast("IO[str]", _Unfailing(super().file)) if self.stderr else super().file

        @file.setter
        def file(self, new: IO[str]) -> None:
            self._file = new

    return QuietConsole(**settings)


class _Unfailing:
    """A file that drops what it cannot take, as of a terminal that is gone, or on a full disk."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()
