"""The console, shared by the log, the progress bar and the command line's errors."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> Console:
    """Return the console on standard error that the progress bar and the log share."""
    return new_console(stderr=True)


def new_console(**settings: Any) -> Console:
    """Return a rich console that goes quiet when nobody reads its output any more.

    rich's own console would end the process, and training with it, if a log line cannot be shown.
    On standard error, failures to write are ignored.
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
    """A file that drops text it cannot write, if its terminal is gone or a disk is full."""

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
