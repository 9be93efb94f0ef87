"""``rnn-rust export``: a saved model as C for devices."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import click

from rnn_rust.cli import options

_log = logging.getLogger("rnn_rust")


@click.command
@click.argument("model", type=options.INPUT, metavar="MODEL.SAFETENSORS")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
    help="The folder to write: a new one, or one with an earlier export of the same name.",
)  # fmt: skip
@click.option(
    "--name",
    help="Prefix of the names of files, functions and constants.  [default: the model's file]",
)
@options.verbosity
def export(model: Path, output: Path, name: str | None) -> None:
    """Write a saved model as one C99 source file with its header, which need only math.h.

    The code reads a sequence event by event: NAME.h says how. The folder also gets made-up events
    with the model's outputs, and a program that checks them: "cc -std=c99 FOLDER/*.c -lm &&
    ./a.out". Models that are bidirectional, read backwards or read out a mean need whole sequences,
    and are refused.
    """
    from rnn_rust import load

    chosen = name or re.sub(r"\W+", "_", model.name.partition(".")[0], flags=re.ASCII)
    load(model).to_c(output, name=chosen)
    _log.info("Wrote %s.c, its header and its test to %s", chosen, output)
