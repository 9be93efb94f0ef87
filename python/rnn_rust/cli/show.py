"""Results on standard output, in colour on a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from rnn_rust.base.console import new_console
from rnn_rust.cli.streams import named_output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Width of an output that is not a terminal; rich would assume 80.
_WIDTH = 100


def _console() -> Console:
    console = new_console()
    return console if console.is_terminal else new_console(width=_WIDTH)


def section(title: str, body: str | Table) -> None:
    """Print a headline, the text or table, and an empty line."""
    console = _console()
    with named_output():
        console.print(Text(title, style="bold cyan"))
        # Soft wrap: rich would otherwise break aligned lines.
        is_text = isinstance(body, str)
        console.print(Text(body) if isinstance(body, str) else body, soft_wrap=is_text)
        console.print()


def next_steps(*commands: tuple[object, ...], note: str) -> None:
    """Print commands to try next, quoted for a shell, and a note on them."""
    lines = [shlex.join(["rnn-rust", *map(str, command)]) for command in commands]
    console = _console()
    with named_output():
        console.print(Text("What to type next", style="bold cyan"))
        for line in lines:
            console.print(Text(f"  {line}", style="green"), soft_wrap=True)
        console.print(Text(note), soft_wrap=True)
