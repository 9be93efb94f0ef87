"""The command line ``rnn-rust``: train, evaluate, predict, summary, export, demo, data.

Results go to standard output; log, progress and errors go to standard error. A wrong argument or
wrong data ends in one line and exit code 2, Ctrl-C in 130, a bug in 1. If the reader of the output
stops early, as ``| head`` does, neither the work nor the exit code changes.
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

from rnn_rust.cli.errors import report
from rnn_rust.cli.streams import discard_unread, escape_unencodable


class CommandLine(click.Group):
    """A group of commands that reports every error in one line."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line ``args``, by default the process's own, and exit."""
        escape_unencodable()
        try:
            code = super().main(*args, **extra | {"standalone_mode": False})
        except Exception as error:
            code = report(error)
        except SystemExit as error:
            # Click exits if the reader of the help stops early, which is not an error.
            code = 0 if isinstance(error.__context__, BrokenPipeError) else error.code
        discard_unread()
        sys.exit(code or 0)


class LaterCommand(click.Command):
    """A command that is imported when it is called; the list of commands only needs its line."""

    def make_context(self, info_name: str | None, *args: Any, **extra: Any) -> click.Context:
        """Return the context of the command itself, which it is called in."""
        return _imported(self.name).make_context(info_name, *args, **extra)


def _imported(name: str | None) -> click.Command:
    command: click.Command
    match name:
        case "train":
            from rnn_rust.cli.train import train as command
        case "evaluate":
            from rnn_rust.cli.score import evaluate as command
        case "predict":
            from rnn_rust.cli.score import predict as command
        case "summary":
            from rnn_rust.cli.score import summary as command
        case "export":
            from rnn_rust.cli.export import export as command
        case "demo":
            from rnn_rust.cli.demo import demo as command
        case "data":
            from rnn_rust.cli.data import data as command
        case _:
            raise AssertionError(f"no command is called {name!r}")
    return command


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from rnn_rust import __version__

        click.echo(f"rnn-rust, version {__version__}")
        ctx.exit()


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: rnn-rust demo",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version,
    help="Show the version and exit.",
)  # fmt: skip
@click.pass_context
def main(ctx: click.Context) -> None:
    """Small recurrent networks on the CPU, for sequences in a CSV file.

    The file has a header and one line per time step. By default, the id column is called id or
    name, the time column t, feature columns x1, x2, f1, ..., and label columns y1, l1, ...
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for _command in (
    LaterCommand("train", short_help="Train a model on a table and save it."),
    LaterCommand("evaluate", short_help="Compare a saved model with the labels of a CSV file."),
    LaterCommand("predict", short_help="Write the predictions of a saved model to a file."),
    LaterCommand("summary", short_help="Show the settings and layers of a saved model."),
    LaterCommand("export", short_help="Write a saved model as C source for devices."),
    LaterCommand("demo", short_help="Show a complete run on data from the project."),
    LaterCommand("data", short_help="Create CSV files to work with."),
):
    main.add_command(_command)
