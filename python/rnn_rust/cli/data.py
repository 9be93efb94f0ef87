"""``rnn-rust data``: creates CSV files to work with."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from rnn_rust.base.checks import counted, finite, whole_number
from rnn_rust.cli import options

_log = logging.getLogger("rnn_rust")

_csv_output = click.option(
    "--output", type=options.OutputFile(suffixes=[".csv"]), required=True,
    help="The CSV file to write.",
)  # fmt: skip


@click.group(invoke_without_command=True)
@click.pass_context
def data(ctx: click.Context) -> None:
    """Create CSV files to work with."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@data.command(short_help="Generate artificial card purchases, some of them fraudulent.")
@click.option(
    "--rows",
    type=int,
    default=284_807,
    show_default=True,
    callback=options.checked(whole_number, least=1),
    help="Number of purchases.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    callback=options.checked(whole_number, least=0),
    help="Random seed.",
)
@click.option(
    "--fraud-rate",
    type=float,
    default=0.00173,
    show_default=True,
    callback=options.checked(finite, least=0),
    help="Fraction of fraudulent purchases.",
)
@_csv_output
@options.verbosity
def fraud(rows: int, seed: int, fraud_rate: float, output: Path) -> None:
    """Generate artificial card purchases in which fraud is visible only over time.

    The layout is the same as in Kaggle's card-fraud file and so, by default, are the size and the
    share of frauds.
    """
    from rnn_rust.demos.fraud import generate, write_csv

    write_csv(generate(rows, seed, fraud_rate), output)
    _log.info("Wrote %s to %s", counted(rows, "row"), output)


@data.command(short_help="Turn Kaggle's creditcard.csv into sequences.")
@click.argument("source", type=options.INPUT, metavar="CREDITCARD.CSV")
@_csv_output
@click.option(
    "--length",
    type=int,
    default=10,
    show_default=True,
    callback=options.checked(whole_number, least=1),
    help="Number of rows per sequence.",
)
@options.verbosity
def kaggle(source: Path, output: Path, length: int) -> None:
    """Turn Kaggle's card-fraud file (Time, V1 to V28, Amount, Class) into sequences.

    The file has no card number: a sequence is a run of consecutive rows.
    """
    from rnn_rust.demos.kaggle import convert

    convert(source, output, length)
    _log.info("Wrote %s", output)
