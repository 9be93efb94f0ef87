"""The progress bar, on terminals and in notebooks, for training that takes a while."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import time
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rnn_rust.base.console import console

# Seconds before a bar appears: shorter training does not need one.
_PATIENCE = 0.5

# Seconds between updates of the line in a notebook.
_LINE_EVERY = 0.2

# Show one bar at a time: a second training, nested or parallel, would garble the first one's bar.
_screen = threading.Lock()


def _is_terminal(stream: TextIO | Any | None) -> bool:
    """Whether a standard stream is a terminal; it may be missing, closed or replaced."""
    try:
        return bool(stream.isatty())  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return False


class Progress:
    """A context manager that shows epochs done and the last loss.

    On a terminal, or in a notebook with ipywidgets, it is a bar; in other notebooks, a line of
    text. Anywhere else, nothing is shown.

    Parameters
    ----------
    epochs
        Number of epochs in all.
    enabled
        Whether a bar is wanted; it is shown only where it can be seen.
    """

    def __init__(self, epochs: int, *, enabled: bool) -> None:
        self.enabled = enabled and (_is_terminal(sys.stderr) or "ipykernel" in sys.modules)
        self._epochs = epochs
        self._start = time.monotonic()
        self._display: _Display | None = None

    def __enter__(self) -> Self:
        """Start the clock."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar; a line stays, with its last state."""
        if self._display is not None:
            try:
                self._display.stop()
            finally:
                _screen.release()

    def update(self, epochs_done: int, loss: float) -> None:
        """Show the progress of training."""
        if not self.enabled or time.monotonic() - self._start < _PATIENCE:
            return
        if self._display is None and _screen.acquire(blocking=False):
            self._display = _display_for(self._epochs)
            if self._display is None:
                self.enabled = False
                _screen.release()
        if self._display is not None:
            self._display.update(epochs_done, loss)


class _Display(Protocol):
    def update(self, epochs_done: int, loss: float) -> None:
        """Show a state."""

    def stop(self) -> None:
        """Show the end."""


def _display_for(epochs: int) -> _Display | None:
    """Return the display that can be used here, if any."""
    if importlib.util.find_spec("rich") is None:
        return None
    here = console()
    if here.is_jupyter and importlib.util.find_spec("ipywidgets") is None:
        return _Line(epochs)
    # A bar needs a terminal that can move its cursor.
    return _Bar(epochs) if here.is_jupyter or here.is_interactive else None


class _Bar:
    """A bar of rich."""

    def __init__(self, epochs: int) -> None:
        from rich import progress as p

        self._bar = p.Progress(
            p.TextColumn("{task.description}"),
            p.BarColumn(),
            p.MofNCompleteColumn(),
            p.TextColumn("epochs · loss {task.fields[loss]:.6g} ·"),
            p.TimeRemainingColumn(),
            console=console(),
            transient=True,
            # Output that is redirected to a file or a pipe must still go there.
            redirect_stdout=_is_terminal(sys.stdout) or console().is_jupyter,
        )
        self._task = self._bar.add_task("Training", total=epochs, loss=float("nan"))
        self._is_started = False

    def update(self, epochs_done: int, loss: float) -> None:
        self._bar.update(self._task, completed=epochs_done, loss=loss)
        if not self._is_started:
            self._bar.start()
            self._is_started = True

    def stop(self) -> None:
        self._bar.stop()


class _Line:
    """A line in a notebook's output that is replaced by its next state."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._handle: Any = None
        self._text = ""
        self._shown_at = 0.0

    def update(self, epochs_done: int, loss: float) -> None:
        self._text = f"Training {epochs_done:,}/{self._epochs:,} epochs · loss {loss:.6g}"
        if time.monotonic() - self._shown_at >= _LINE_EVERY:
            self._show()

    def stop(self) -> None:
        self._show()

    def _show(self) -> None:
        content = {"text/plain": self._text}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
        self._shown_at = time.monotonic()
