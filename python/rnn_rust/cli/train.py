"""``rnn-rust train``: from a table to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnn_rust.base.checks import fraction
from rnn_rust.cli import options
from rnn_rust.cli.choices import build_model, choices
from rnn_rust.cli.fitting import LOGGERS, DataSplit, FitOptions, show_evaluations, show_saved


@click.command(cls=options.GroupedCommand, short_help="Train a model on a table and save it.")
@click.argument("data", type=options.INPUT, metavar="DATA")
@options.key_columns
@options.value_columns
@options.option(
    "Data", "--train-ratio", type=float, default=0.8, check=fraction,
    help="Fraction of the sequences to train on; the rest is the test part.",
)  # fmt: skip
@options.option(
    "Data", "--split-at", metavar="TIME",
    help="In place of a share, cut at this time: rows before it are for training, those from it "
    "on for testing. Of TIME,TIME what lies between is for validation.",
)  # fmt: skip
@options.threshold
@options.horizon
@choices
@options.model_output
@options.option(
    "Files", "--checkpoint", type=options.OutputFile(), metavar="FILE",
    help="Where to keep the state of the training, after every epoch.",
)  # fmt: skip
@options.option(
    "Files", "--resume", is_flag=True,
    help="Go on from the checkpoint, if there is one; all other options as before, but for "
    "--epochs, the number of --patience, and files.",
)  # fmt: skip
@options.option(
    "Files", "--log-file", type=options.OutputFile(suffixes=LOGGERS), metavar="FILE",
    help="Where to write the metrics of every epoch: .csv or .jsonl.",
)  # fmt: skip
@options.verbosity
def train(
    *, data: Path, features: tuple[str, ...] | None, labels: tuple[str, ...] | None,
    weights: str | None, train_ratio: float, split_at: str | None, seed: int,
    threshold: float | None, horizon: tuple[int, ...] | None, epochs: int,
    batch_size: int, eval_every: int, patience: int | None, output: Path, checkpoint: Path | None,
    resume: bool, log_file: Path | None, **chosen: Any,
) -> None:  # fmt: skip
    """Train a recurrent network on the sequences of DATA and save it.

    The sequences are split at random into a training and a test part, or at a point in time with
    --split-at; both parts are evaluated. Ctrl-C ends the training early and saves the weights of
    the last finished update, or with --patience the best ones.
    """
    from rnn_rust.cli import show
    from rnn_rust.evaluate import default_evaluator

    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint, the file to go on from")
    instants = _instants(split_at)
    options.refuse_overwriting([data], output=output, checkpoint=checkpoint, log_file=log_file)
    keys = options.typed(chosen)
    dataset = options.read(data, chosen, features=features, labels=labels, weights=weights)
    evaluator = default_evaluator(dataset, threshold, loss=chosen["loss"], horizon=horizon)
    if split_at is None:
        parts = DataSplit.of(*dataset.split(train_ratio, seed=seed), patience=patience, seed=seed)
    else:
        parts = DataSplit.cut(dataset, instants, patience=patience, seed=seed)
    model = build_model(dataset, seed=seed, **chosen)
    model.threshold = threshold
    show.section(f"Data: {data}", dataset.summary())
    fitting = FitOptions(
        epochs=epochs, batch_size=batch_size, eval_every=eval_every, patience=patience,
        checkpoint=checkpoint, resume=resume, log_file=log_file,
    )  # fmt: skip
    fitting.fit_and_save(model, parts, evaluator, output)
    show_evaluations(model, parts, evaluator)
    show_saved(model, output, data, keys, horizon=horizon)


def _instants(split_at: str | None) -> list[str]:
    if split_at is None:
        return []
    source = click.get_current_context().get_parameter_source("train_ratio")
    if source is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("--split-at and --train-ratio both say how to split; give one")
    instants = split_at.split(",")
    if len(instants) > 2:
        raise click.UsageError("--split-at takes one time, or two with a comma between")
    return instants
