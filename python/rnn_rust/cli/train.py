"""``rnn-rust train``: from a table to a model file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnn_rust.base.checks import fraction, positive_integer
from rnn_rust.cli import options
from rnn_rust.cli.choices import build_model, choices
from rnn_rust.cli.defaults import infer_batch_size, infer_loss, infer_missing
from rnn_rust.cli.fitting import LOGGERS, DataSplit, FitOptions, show_evaluations, show_saved

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

_log = logging.getLogger("rnn_rust")


@click.command(cls=options.GroupedCommand)
@click.argument("data", type=options.INPUT, metavar="DATA")
@options.key_columns
@options.value_columns
@options.option(
    "Data", "--train-ratio", type=float, default=0.8, check=fraction,
    help="Fraction of the sequences to train on; the rest is the test part.",
)  # fmt: skip
@options.option(
    "Data", "--split-at", metavar="TIME",
    help="Instead of a ratio, split at this time: rows before it are for training, later rows for "
    "testing. The validation part is the end of the training rows or, with TIME,TIME, the rows "
    "in between.",
)  # fmt: skip
@options.option(
    "Data",
    "--forecast",
    metavar="NAME",
    help="Instead of labels, learn the next values of this column, for --horizon rows.",
)
@options.option(
    "Data",
    "--season",
    type=int,
    metavar="ROWS",
    check=positive_integer,
    help="With --forecast, the rows in a season, such as 12 for a year of months.",
)
@options.option(
    "Data",
    "--lags",
    type=int,
    metavar="ROWS",
    default=0,
    help="With --forecast, how many previous rows are features too.",
)
@options.threshold
@options.horizon
@choices
@options.model_output
@options.option(
    "Files", "--checkpoint", type=options.OutputFile(), metavar="FILE",
    help="Where to save the state of the training after every epoch.",
)  # fmt: skip
@options.option(
    "Files", "--resume", is_flag=True,
    help="Continue from the checkpoint, if there is one; all other options must be the same, "
    "except --epochs, the number of --patience, and files.",
)  # fmt: skip
@options.option(
    "Files", "--log-file", type=options.OutputFile(suffixes=LOGGERS), metavar="FILE",
    help="Where to write the metrics of every epoch: .csv or .jsonl.",
)  # fmt: skip
@options.verbosity
def train(
    *, data: Path, features: tuple[str, ...] | None, labels: tuple[str, ...] | None,
    categories: tuple[str, ...] | None, static: tuple[str, ...] | None, weights: str | None,
    train_ratio: float,
    split_at: str | None, seed: int,
    threshold: float | None, horizon: tuple[int, ...] | None, forecast: str | None,
    season: int | None, lags: int, epochs: int, batch_size: int | None, eval_every: int,
    early_stopping: bool, patience: int, output: Path, checkpoint: Path | None, resume: bool,
    log_file: Path | None, **chosen: Any,
) -> None:  # fmt: skip
    """Train a recurrent network on the sequences of DATA and save it.

    Without further options, this trains a GRU with Adam and a loss that suits the labels. The
    sequences are split at random into a training, a validation and a test part. A single series and
    a forecast are split in time order, and so are all rows with --split-at. All parts are
    evaluated. Ctrl-C ends the training early and saves the model with the best weights so far or,
    without early stopping, with the last ones.

    Settings chosen from the data (classes, the loss, whether to fill missing numbers) depend only
    on the training and the validation part.
    """
    from rnn_rust.cli import show
    from rnn_rust.evaluate import default_evaluator

    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint, the file to go on from")
    _refuse_without_effect()
    instants = _instants(split_at)
    options.refuse_overwriting([data], output=output, checkpoint=checkpoint, log_file=log_file)
    keys = options.typed(chosen)
    dataset = _read(
        data, chosen, forecast, features=features, labels=labels, static=static, weights=weights,
        categories=categories, horizon=horizon, season=season, lags=lags,
    )  # fmt: skip
    if forecast is not None:
        horizon = None
    stop_after = patience if early_stopping else None
    parts = (
        DataSplit.cut(dataset, instants, patience=stop_after)
        if instants
        else DataSplit.by_default(dataset, train_ratio, patience=stop_after, seed=seed)
    )
    if chosen["missing"] == "auto":
        chosen["missing"] = infer_missing(parts.past)
    loss, reason = chosen.pop("loss"), None
    if loss == "auto":
        loss, reason = infer_loss(parts.past)
    model = build_model(parts.past, loss=loss, seed=seed, **chosen).build(parts.train)
    may_be_another = reason is not None and not dataset.label_levels
    parts.check_evaluable(
        model,
        "or name a --loss that suits it"
        if may_be_another
        else "or split so that the training part has it (--seed, --train-ratio, --split-at)",
    )
    evaluator = default_evaluator(dataset, threshold, loss=model.loss_name, horizon=horizon)
    if reason is not None:
        _log.info("Loss: %s, as %s (--loss chooses another)", loss, reason)
    model.threshold = threshold
    show.section(f"Data: {data}", dataset.summary())
    fitting = FitOptions(
        epochs=epochs, batch_size=batch_size or infer_batch_size(parts.train),
        eval_every=eval_every, patience=stop_after, checkpoint=checkpoint, resume=resume,
        log_file=log_file,
    )  # fmt: skip
    fitting.fit_and_save(model, parts, evaluator, output)
    show_evaluations(model, parts, evaluator)
    show_saved(model, output, data, keys, horizon=horizon)


# Options, and the switches that they need to have an effect.
_NEED = {"patience": "early_stopping", "clip_norm": "clipping"}


def _refuse_without_effect() -> None:
    """Refuse an option whose switch is off, on the command line or in the preset."""
    context = click.get_current_context()
    for name, switch in _NEED.items():
        is_given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if is_given and not context.params[switch]:
            flag, needed = (f"--{each.replace('_', '-')}" for each in (name, switch))
            raise click.UsageError(f"{flag} has no effect without {needed}; drop it, or add that")


def _reading_gaps(chosen: dict[str, Any]) -> str:
    """Return how to read missing numbers: kept until the training part decides how to fill them."""
    return "error" if chosen["missing"] == "error" else "keep"


def _read(
    path: Path,
    chosen: dict[str, Any],
    forecast: str | None,
    *,
    weights: str | None,
    categories: tuple[str, ...] | None,
    horizon: tuple[int, ...] | None,
    season: int | None,
    lags: int,
    **columns: Any,
) -> Dataset:
    """Return the data set of a file: for a forecast, or with labels from the file."""
    if forecast is not None:
        return _forecast(
            path, chosen, forecast, **columns, horizon=horizon, season=season, lags=lags
        )
    if season is not None or lags:
        raise click.UsageError("--season and --lags go with --forecast")
    return options.read(
        path, chosen, **columns, weights=weights, categories=categories,
        missing=_reading_gaps(chosen),
    )  # fmt: skip


def _forecast(
    path: Path,
    chosen: dict[str, Any],
    column: str,
    *,
    features: tuple[str, ...] | None,
    labels: tuple[str, ...] | None,
    static: tuple[str, ...] | None,
    horizon: tuple[int, ...] | None,
    season: int | None,
    lags: int,
) -> Dataset:
    """Return the data set for forecasting one column."""
    if chosen["missing"] == "auto":
        chosen["missing"] = "error"
    if labels is not None:
        raise click.UsageError("--forecast makes the labels; drop --labels")
    if horizon is not None and len(horizon) > 1:
        raise click.UsageError("--forecast takes one --horizon, up to which it goes")
    read = tuple(dict.fromkeys((*(features or ()), column)))
    dataset = options.read(
        path, chosen, features=read, labels=(), static=static, missing=_reading_gaps(chosen)
    )
    return dataset.forecast(
        column, 1 if horizon is None else horizon[0], season=season, lags=lags, features=features
    )


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
