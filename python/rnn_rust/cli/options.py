"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rnn_rust import log

Command = TypeVar("Command", bound=Callable[..., Any])

INPUT = click.Path(path_type=Path)
"""A file to read. The code that reads it says best what is wrong with it."""


class OutputFile(click.Path):
    """A file to write: found impossible before the work is done, not after."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, if a regular file can stand there."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not path.is_file():
            self.fail(f"{path} is not a regular file", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}; create it first", param, ctx)
        return path


def refuse_overwriting(inputs: list[Path], output: Path) -> None:
    """Refuse an output file that is one of the input files.

    Raises
    ------
    click.BadParameter
        It is one, maybe under another name.
    """
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise click.BadParameter(
                f"{output} is an input of this command; choose another name",
                param_hint="'--output'",
            )


def model_output(command: Command) -> Command:
    """Add ``--output`` for a model."""
    return click.option(
        "--output", type=OutputFile(), default="model.safetensors", show_default=True,
        help="Where to save the model.",
    )(command)  # fmt: skip


def verbosity(command: Command) -> Command:
    """Add ``--verbosity``, which sets up the log before anything else."""
    return click.option(
        "--verbosity", type=click.Choice(log.LEVELS), default="info", show_default=True,
        is_eager=True, expose_value=False, callback=lambda ctx, param, value: log.setup(value),
        help="The least important messages to show; warning and error hide the progress bar too.",
    )(command)  # fmt: skip


def threshold(command: Command) -> Command:
    """Add ``--threshold``."""
    return click.option(
        "--threshold", type=float, metavar="NUMBER",
        help="0/1 labels: an output above it is positive.  [default: 0.5]  Other labels: the "
        "relative error that counts as right.  [default: 0.1]",
    )(command)  # fmt: skip


def key_columns(command: Command) -> Command:
    """Add ``--id`` and ``--time``."""
    command = click.option(
        "--time", metavar="NAME", help="Column that orders the rows of a sequence.  [default: t]"
    )(command)
    return click.option(
        "--id", metavar="NAME", help="Column that names a row's sequence.  [default: id or name]"
    )(command)


def value_columns(command: Command) -> Command:
    """Add ``--features`` and ``--labels``."""
    command = click.option(
        "--labels", metavar="NAMES", callback=_names,
        help="Label columns, separated by commas.  [default: all named y... or l...]",
    )(command)  # fmt: skip
    return click.option(
        "--features", metavar="NAMES", callback=_names,
        help="Feature columns, separated by commas.  [default: all named x... or f...]",
    )(command)  # fmt: skip


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(name.strip() for name in value.split(","))
