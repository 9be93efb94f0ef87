"""The progress bar, on terminals and in notebooks, for training that takes a while."""

from __future__ import annotations

import sys
import time
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

# Seconds before a bar appears: shorter work needs none.
_PATIENCE = 0.5


@cache
def console() -> Console:
    """Return the console for people, standard error: the bar and the log share it."""
    from rich.console import Console

    return Console(stderr=True)


def _is_seen() -> bool:
    """Whether somebody may be looking: a terminal or a notebook."""
    return (sys.stderr is not None and sys.stderr.isatty()) or "ipykernel" in sys.modules


class Progress:
    """Shows epochs done and the last loss; a context manager.

    Parameters
    ----------
    epochs
        How many there will be.
    enabled
        Whether a bar is wanted; it is shown only where it can be seen.
    """

    def __init__(self, epochs: int, *, enabled: bool) -> None:
        self.enabled = enabled and _is_seen()
        self._epochs = epochs
        self._start = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        """Start the clock."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def update(self, epochs_done: int, loss: float) -> None:
        """Show how far training is."""
        if not self.enabled or time.monotonic() - self._start < _PATIENCE:
            return
        if self._bar is None:
            self._bar = _make_bar()
            self._bar.add_task("Training", total=self._epochs, loss=loss)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=epochs_done, loss=loss)


def _make_bar() -> Bar:
    from rich import progress as p

    return p.Progress(
        p.TextColumn("{task.description}"),
        p.BarColumn(),
        p.MofNCompleteColumn(),
        p.TextColumn("epochs · loss {task.fields[loss]:.6g} ·"),
        p.TimeRemainingColumn(),
        console=console(),
        transient=True,
    )
