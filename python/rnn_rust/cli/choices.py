"""What ``rnn-rust train`` lets one choose of a model and of its training."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rnn_rust.base.checks import decay_rate, from_0, from_1, positive, whole_number
from rnn_rust.cli.options import Command, option
from rnn_rust.learning.optimizers import OPTIMIZERS
from rnn_rust.models import MODELS

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.models import Model

_model = partial(option, "Model")
_training = partial(option, "Training")


def _one_of(classes: Iterable[str]) -> dict[str, Any]:
    """Return the settings of an option that takes the name of a class, in any case."""
    names = list(classes)
    return {"type": click.Choice(names, case_sensitive=False), "metavar": f"[{'|'.join(names)}]"}


# Names of activations and losses are the engine's to know: it lists them when one is unknown.
_MODEL_OPTIONS = (
    _model(
        "--cell", **_one_of(MODELS), default="RNN", help="Kind of the hidden units.",
    ),
    _model("--hidden", type=int, default=10, check=from_1, help="Hidden units of a layer."),
    _model("--num-layers", type=int, default=1, check=from_1, help="Layers, one on the other."),
    _model("--bidirectional", is_flag=True, help="Read sequences from their end too."),
    _model(
        "--readout", type=click.Choice(["each_step", "last", "mean"]), default="each_step",
        help="An output for each row, or one for a sequence: from its last state, or the mean.",
    ),
    _model(
        "--activation", metavar="NAME", default="tanh",
        help="Of the units of an RNN: tanh, relu, sigmoid, identity, elu, ...",
    ),
    _model(
        "--output-activation", metavar="NAME", default="identity",
        help="Of the outputs; some losses imply it.",
    ),
    _model(
        "--dropout", type=float, default=0.0, check=decay_rate,
        help="Share of the numbers dropped between layers in training.",
    ),
    _model(
        "--recurrent-dropout", type=float, default=0.0, check=decay_rate,
        help="Share of the units whose state is dropped between steps in training.",
    ),
    _model(
        "--scaler", type=click.Choice(["minmax", "standard", "none"]), default="minmax",
        help="How features and labels are scaled, by the training part alone.",
    ),
    _model(
        "--init", type=click.Choice(["pytorch", "glorot_uniform", "orthogonal", "uniform"]),
        default="pytorch", help="How the weights begin.",
    ),
    _model(
        "--dtype", type=click.Choice(["float32", "float64"]), default="float32",
        help="Of weights and arithmetic.",
    ),
)  # fmt: skip

_TRAINING_OPTIONS = (
    _training(
        "--loss", metavar="NAME", default="mse",
        help="What is made small: mse, mae, huber, quantile; of 0/1 labels binary_cross_entropy, "
        "focal; of numbers of classes cross_entropy.",
    ),
    _training(
        "--optimizer", **_one_of(OPTIMIZERS), default="SGD",
        help="How a gradient changes the weights.",
    ),
    _training(
        "--learning-rate", type=float, default=0.001, check=from_0, help="Size of a step."
    ),
    _training("--epochs", type=int, default=100, check=from_1, help="Passes over the data."),
    _training("--batch-size", type=int, default=1, check=from_1, help="Sequences per update."),
    _training(
        "--clip-norm", type=float, metavar="NUMBER", check=positive,
        help="Longest gradient of an update; a longer one is shortened.",
    ),
    _training(
        "--bptt-steps", type=int, metavar="N", check=from_1,
        help="Cut sequences into windows of so many steps, with an update each.",
    ),
    _training(
        "--class-weight", type=click.Choice(["balanced"]),
        help="Let all classes count the same, however rare they are.",
    ),
    _training(
        "--patience", type=int, metavar="N", check=from_1,
        help="Set a fifth of the training part aside, stop when its loss has not fallen for N "
        "epochs, and keep the weights of the best one.",
    ),
    _training(
        "--eval-every", type=int, default=10, check=from_1,
        help="Epochs from one line of the log, and one evaluation, to the next.",
    ),
    _training(
        "--seed", type=int, default=0, check=partial(whole_number, least=0),
        help="Of split, initial weights, order and dropout; the same seed gives the same model.",
    ),
)  # fmt: skip


def choices(command: Command) -> Command:
    """Add the options of the model and of its training."""
    for add in reversed(_MODEL_OPTIONS + _TRAINING_OPTIONS):
        command = add(command)
    return command


def build_model(
    dataset: Dataset,
    *,
    cell: str,
    hidden: int,
    activation: str,
    loss: str,
    optimizer: str,
    learning_rate: float,
    scaler: str,
    **settings: Any,
) -> Model:
    """Return the model that was chosen, of sizes that suit the data.

    Raises
    ------
    click.UsageError
        An activation for a cell that has its own.
    ParameterError, DataError
        Choices that do not go together, or labels that do not suit the loss.
    """
    if cell == "RNN":
        settings["activation"] = activation
    elif activation != "tanh":
        raise click.UsageError(f"--activation is for --cell RNN; the gates of a {cell} have theirs")
    return MODELS[cell](
        len(dataset.feature_names), hidden, output_size(dataset, loss), loss=loss,
        optimizer=OPTIMIZERS[optimizer](learning_rate),
        scaler=None if scaler == "none" else scaler, **settings,
    )  # fmt: skip


def output_size(dataset: Dataset, loss: str) -> int:
    """Return the outputs that a loss needs: one for each label column, or for each class.

    Raises
    ------
    DataError
        A label is not the number of a class where it has to be.
    """
    if loss != "cross_entropy":
        return len(dataset.label_names)
    import numpy as np

    from rnn_rust.learning.labels import check_classes

    labels = dataset.require_labels("loss 'cross_entropy'")
    # More classes than labels there cannot be: a mistaken label must not make a huge model.
    classes = max(2, min(int(np.nanmax(labels)) + 1, len(labels)))
    check_classes(labels, loss, classes, dataset.label_names)
    return classes
