"""The options of ``rnn-rust train`` for the model and its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import click

from rnn_rust.base.checks import non_negative, positive_integer
from rnn_rust.cli.defaults import PRESETS, apply_preset
from rnn_rust.cli.options import Command, checked_names, option
from rnn_rust.learning.labels import outputs_for
from rnn_rust.learning.optimizers import OPTIMIZERS
from rnn_rust.model.arguments import Sizes
from rnn_rust.model.declaration import Argument, argument_types, described
from rnn_rust.models import MODELS

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.models import Model

_training = partial(option, "Training")


def _one_of(classes: Iterable[str]) -> dict[str, Any]:
    """Return the settings of an option that takes the name of a class, ignoring case."""
    names = list(classes)
    return {"type": click.Choice(names, case_sensitive=False), "metavar": f"[{'|'.join(names)}]"}


def _option_of(name: str, argument: Argument, hint: Any) -> Callable[[Command], Command]:
    """Return the option for an argument that has one."""
    offered = argument.option
    assert offered is not None
    settings: dict[str, Any] = {"help": offered.help}
    types = {hint, *get_args(hint)}
    flag = offered.flag or "--" + name.replace("_", "-")
    if hint is bool:
        settings["is_flag"] = True
    elif hint == tuple[str, ...]:
        callback = checked_names(argument.check)
        settings |= {"multiple": True, "callback": callback, "metavar": offered.metavar}
        return option(offered.group, flag, name, **settings)
    elif offered.choices:
        settings["type"] = click.Choice(offered.choices)
    elif number := next((kind for kind in (int, float) if kind in types), None):
        settings |= {"type": number, "check": argument.check}
    default = argument.default if offered.default is None else offered.default
    if hint is not bool:
        settings |= {"default": default, "metavar": offered.metavar}
    return option(offered.group, flag, name, **settings)


def _model_options() -> dict[str, Callable[[Command], Command]]:
    """Return the options for the arguments of all models, by name."""
    found = {}
    for arguments in (Sizes, *(model.options for model in MODELS.values())):
        types = argument_types(arguments)
        for name, argument in described(arguments).items():
            if argument.option is not None:
                found[name] = _option_of(name, argument, types[name])
    return found


_TRAINING_OPTIONS = (
    _training(
        "--preset", type=click.Choice(list(PRESETS)), default="default", is_eager=True,
        expose_value=False, callback=apply_preset,
        help="Default settings; rnn-rust takes them from the Rust project RNN-Rust: an RNN of 10 "
        "units, mse, SGD with 0.001, minmax scaling, batches of one, 100 epochs.",
    ),
    _training(
        "--optimizer", **_one_of(OPTIMIZERS), default="Adam",
        help="Optimiser that updates the weights.",
    ),
    _training(
        "--learning-rate", type=float, default=0.005, check=non_negative,
        help="Learning rate of the optimiser.",
    ),
    _training(
        "--epochs", type=int, default=200, check=positive_integer,
        help="Maximum number of passes over the data.",
    ),
    _training(
        "--batch-size", type=int, check=positive_integer, metavar="N",
        help="Sequences per update.  [default: 1 to 32, depending on their number]",
    ),
    _training(
        "--clipping/--no-clipping", default=True, help="Whether to apply --clip-norm."
    ),
    _training(
        "--early-stopping/--no-early-stopping", default=True,
        help="Hold out a fifth of the training part, stop when its loss has not improved for "
        "--patience epochs, and keep the weights of the best epoch.",
    ),
    _training(
        "--patience", type=int, metavar="N", default=20, check=positive_integer,
        help="Epochs without improvement before early stopping.",
    ),
    _training(
        "--eval-every", type=int, default=10, check=positive_integer,
        help="Epochs between lines of the log, each with an evaluation.",
    ),
)  # fmt: skip


def choices(command: Command) -> Command:
    """Add the options of the model and of its training."""
    cell = option(
        "Model", "--cell", **_one_of(MODELS), default="GRU", help="Type of recurrent cell."
    )
    for add in reversed([cell, *_model_options().values(), *_TRAINING_OPTIONS]):
        command = add(command)
    return command


def build_model(
    dataset: Dataset,
    *,
    cell: str,
    optimizer: str,
    learning_rate: float,
    scaler: str,
    loss: str,
    clipping: bool,
    **arguments: Any,
) -> Model:
    """Return the chosen model, with sizes and a loss that suit the data.

    Raises
    ------
    click.UsageError
        An argument is only for another cell.
    ParameterError, DataError
        Choices contradict each other, or labels do not suit the loss.
    """
    if not clipping:
        arguments["clip_norm"] = None
    return MODELS[cell](
        output_size=outputs_for(dataset, loss), loss=loss,
        optimizer=OPTIMIZERS[optimizer](learning_rate),
        scaler=None if scaler == "none" else scaler, **_of_cell(cell, arguments),
    )  # fmt: skip


def _of_cell(cell: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a cell; refuse chosen arguments that only other cells have."""
    own = described(Sizes) | described(MODELS[cell].options)
    for owner, model in MODELS.items():
        for name, argument in described(model.options).items():
            if name in arguments and name not in own and arguments[name] != argument.default:
                flag = "--" + name.replace("_", "-")
                raise click.UsageError(f"{flag} is for --cell {owner}; a {cell} has no such choice")
    return {name: value for name, value in arguments.items() if name in own}
