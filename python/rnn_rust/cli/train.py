"""``rnn-rust train``, and the part of it that the demos share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from rnn_rust.checks import finite, open_share, whole_number
from rnn_rust.cli import options
from rnn_rust.cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_rust.data.dataset import Dataset
    from rnn_rust.evaluate import Evaluator
    from rnn_rust.network import Network

ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")

_log = logging.getLogger("rnn_rust")


class Schedule(TypedDict):
    """The arguments of :meth:`rnn_rust.RNN.fit` that are numbers."""

    epochs: int
    batch_size: int
    eval_every: int


@click.command(short_help="Train a model on a CSV file and save it.")
@click.argument("data", type=options.INPUT, metavar="DATA.CSV")
@click.option(
    "--hidden",
    type=int,
    default=10,
    show_default=True,
    callback=options.checked(whole_number, least=1),
    help="Hidden units.",
)
@click.option(
    "--activation",
    type=click.Choice(ACTIVATIONS),
    default="tanh",
    show_default=True,
    help="Of the hidden units.",
)
@click.option(
    "--output-activation",
    type=click.Choice(ACTIVATIONS),
    default="identity",
    show_default=True,
    help="Of the outputs; sigmoid suits 0/1 labels.",
)
@click.option(
    "--learning-rate",
    type=float,
    default=0.001,
    show_default=True,
    callback=options.checked(finite, least=0),
    help="Size of a step.",
)
@click.option(
    "--epochs",
    type=int,
    default=100,
    show_default=True,
    callback=options.checked(whole_number, least=1),
    help="Passes over the training part.",
)
@click.option(
    "--train-ratio",
    type=float,
    default=0.8,
    show_default=True,
    callback=options.checked(open_share),
    help="Share of the sequences to train on; the others are for testing.",
)
@click.option(
    "--eval-every",
    type=int,
    default=10,
    show_default=True,
    callback=options.checked(whole_number, least=1),
    help="Epochs between two evaluations in the log.",
)
@click.option(
    "--batch-size",
    type=int,
    default=1,
    show_default=True,
    callback=options.checked(whole_number, least=1),
    help="Sequences per update.",
)
@click.option(
    "--scaler",
    type=click.Choice(["minmax", "standard", "none"]),
    default="minmax",
    show_default=True,
    help="How features and labels are scaled, by the training part alone.",
)
@click.option(
    "--init",
    type=click.Choice(["pytorch", "glorot_uniform", "orthogonal", "uniform"]),
    default="pytorch",
    show_default=True,
    help="How the weights begin.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of weights and arithmetic.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    callback=options.checked(whole_number, least=0),
    help="Of split, initial weights and order; the same seed gives the same model.",
)
@options.threshold
@options.key_columns
@options.value_columns
@options.model_output
@options.verbosity
def train(
    *, data: Path, id: str | None, time: str | None, features: tuple[str, ...] | None,
    labels: tuple[str, ...] | None, train_ratio: float, seed: int, hidden: int, scaler: str,
    learning_rate: float, threshold: float | None, epochs: int, batch_size: int, eval_every: int,
    output: Path, **model_options: Any,
) -> None:  # fmt: skip
    """Train a recurrent network on the sequences of DATA.CSV and save it.

    The sequences are split at random into a training and a test part; both are evaluated. Ctrl-C
    ends the training early and saves the weights of the last finished update.
    """
    from rnn_rust import RNN, SGD, Dataset
    from rnn_rust.cli import show
    from rnn_rust.evaluate import default_evaluator

    options.refuse_overwriting([data], output)
    dataset = Dataset.from_csv(data, id=id, time=time, features=features, labels=labels)
    judge = default_evaluator(dataset, threshold)
    parts = dataset.split(train_ratio, seed=seed)
    model = RNN(
        len(dataset.feature_names), hidden, len(dataset.label_names), seed=seed,
        optimizer=SGD(learning_rate), scaler=None if scaler == "none" else scaler,
        **model_options,
    )  # fmt: skip
    model.threshold = threshold
    show.section(f"Data: {data}", dataset.summary())
    schedule = Schedule(epochs=epochs, batch_size=batch_size, eval_every=eval_every)
    fit_and_save(model, *parts, judge=judge, schedule=schedule, output=output)
    show_evaluations(model, *parts, judge=judge)
    keys = [word for pair in (("--id", id), ("--time", time)) if pair[1] for word in pair]
    show_saved(model, output, data, keys)


def fit_and_save(
    model: Network,
    train: Dataset,
    test: Dataset,
    *,
    judge: Evaluator,
    schedule: Schedule,
    output: Path,
) -> None:
    """Train and save; after Ctrl-C save what there is and leave with exit code 130.

    Raises
    ------
    DataError
        A part of the data has no label.
    click.exceptions.Exit
        Ctrl-C ended the training.
    """
    train.require_labels("the training part")
    test.require_labels("the test part")
    _log.info("Training on %d sequences, testing on %d", len(train), len(test))
    _log.debug("%r, %s", model, schedule)
    history = model.fit(
        train, validation=test, evaluator=judge, progress=_log.isEnabledFor(logging.INFO),
        **schedule,
    )  # fmt: skip
    model.save(output)
    if history.interrupted:
        _log.warning("Saved the model, trained for %d epochs, to %s", len(history), output)
        raise click.exceptions.Exit(INTERRUPTED)
    _log.info("Trained for %d epochs in %.3f s", len(history), sum(history.seconds))


def show_evaluations(model: Network, train: Dataset, test: Dataset, *, judge: Evaluator) -> None:
    """Print what the model is worth on either part."""
    from rnn_rust.cli import show

    for name, part in (("Training", train), ("Test", test)):
        title = f"{name} part: {len(part):,} sequences"
        show.section(title, str(judge.evaluate(model, part)))


def show_saved(
    model: Network,
    output: Path,
    data: Path,
    column_options: Iterable[object] = (),
    *,
    first: Iterable[tuple[object, ...]] = (),
) -> None:
    """Print where the model is, and what to type next: ``first``, then its use on ``data``."""
    from rnn_rust.cli import show

    show.section("Model", f"{model}\nsaved to {output}")
    show.next_steps(
        *first,
        ("predict", output, data, *column_options, "--output", "predictions.csv"),
        ("evaluate", output, data, *column_options),
        note=f"{data} holds the training part too, which flatters: evaluate on new data.",
    )
