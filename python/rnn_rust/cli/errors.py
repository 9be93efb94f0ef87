"""What the user sees when something goes wrong: one line, and an exit code."""

from __future__ import annotations

import logging

import click

from rnn_rust.base.console import console
from rnn_rust.errors import RnnRustError

BUG, MISUSE, INTERRUPTED = 1, 2, 130
"""Exit codes; the last is the one that shells use for a program ended by Ctrl-C."""


def report(error: Exception) -> int:
    """Write one line about an error to standard error; return the exit code.

    The traceback of a bug is only shown with ``--verbosity debug``.
    """
    from rich.text import Text

    message, code = _explain(error)
    if code == BUG:
        logging.getLogger("rnn_rust").debug("The traceback of the bug", exc_info=error)
    line = Text.assemble(("Error: ", "bold red"), " ".join(message.split()))
    # If standard error is full or closed, only the exit code shows the error.
    console().print(line, soft_wrap=True, highlight=False)
    return code


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, click.Abort):
        return "interrupted", INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.format_message() + _where_to_look(error), MISUSE
    if isinstance(error, RnnRustError) or _is_lacking(error):
        return str(error), MISUSE
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}", MISUSE
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}", MISUSE
    return (
        f"{type(error).__name__}: {error} (a bug in rnn-rust, please report it; "
        "--verbosity debug shows the traceback)"
    ), BUG


def _is_lacking(error: Exception) -> bool:
    """Whether a library is not installed."""
    return isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("rnn_rust")


def _where_to_look(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" (see {context.command_path} --help)" if context else ""
