"""The command line ``rnn-rust``: train, evaluate, predict, summary, export, demo, data.

Results go to standard output; log, progress and errors go to standard error. A wrong argument or
wrong data end in one line and exit code 2, Ctrl-C in 130, a bug in 1. That nobody reads the output
any more, as after ``| head``, changes neither the work nor the exit code.
"""

from __future__ import annotations

import sys
from typing import Any

try:
    import click
    import rich as _rich  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the command line takes click and rich: pip install click rich", name=error.name
    ) from error

from rnn_rust import _core
from rnn_rust.cli.data import data
from rnn_rust.cli.demo import demo
from rnn_rust.cli.errors import report
from rnn_rust.cli.export import export
from rnn_rust.cli.score import evaluate, predict, summary
from rnn_rust.cli.streams import discard_unread, escape_unencodable
from rnn_rust.cli.train import train


class CommandLine(click.Group):
    """A group of commands that reports every error in one line."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line of ``args``, by default of the process, and exit."""
        escape_unencodable()
        try:
            code = super().main(*args, **extra | {"standalone_mode": False})
        except Exception as error:
            code = report(error)
        except SystemExit as error:
            # Click ends the process where nobody reads the help, which is no error.
            code = 0 if isinstance(error.__context__, BrokenPipeError) else error.code
        discard_unread()
        sys.exit(code or 0)


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: rnn-rust demo",
)
@click.version_option(_core.__version__, prog_name="rnn-rust")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Small recurrent networks on the CPU, for sequences in a CSV file.

    The file has a header and a line per time step: an id or name column, a time column t, feature
    columns x... or f..., label columns y... or l...
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (train, evaluate, predict, summary, export, demo, data):
    main.add_command(command)
