"""Results on standard output, in colour on a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.table import Table

# Columns of an output that is no terminal, where rich would assume 80.
_WIDTH = 100


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def section(title: str, body: str | Table) -> None:
    """Print a headline, the text or table, and an empty line."""
    console = _console()
    console.print(Text(title, style="bold cyan"))
    # Soft wrap: rich would break lines of text that are made to be aligned.
    console.print(Text(body) if isinstance(body, str) else body, soft_wrap=isinstance(body, str))
    console.print()


def next_steps(*commands: tuple[object, ...]) -> None:
    """Print commands that could be typed next, quoted for a shell."""
    lines = [shlex.join(["rnn-rust", *map(str, command)]) for command in commands]
    console = _console()
    console.print(Text("What to type next", style="bold cyan"))
    for line in lines:
        console.print(Text(f"  {line}", style="green"), soft_wrap=True)
