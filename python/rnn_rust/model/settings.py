"""The settings of a network: checked one by one and together, and converted for the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnn_rust.errors import ParameterError
from rnn_rust.learning.class_weights import check_class_weight, is_by_name
from rnn_rust.learning.labels import class_count
from rnn_rust.learning.losses import CUSTOM, engine_loss
from rnn_rust.model.arguments import GRUOptions, LSTMOptions, RNNOptions
from rnn_rust.model.declaration import Argument, described

if TYPE_CHECKING:
    from rnn_rust import _core
    from rnn_rust.data.encoder import FeatureEncoder

# The engine gets the arguments of all cells, whichever cell is used.
_OF_ALL_CELLS = {
    name: argument.default
    for options in (RNNOptions, GRUOptions, LSTMOptions)
    for name, argument in described(options).items()
    if argument.is_setting
}


def checked_settings(arguments: Mapping[str, Argument], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings, checked; those not given have their defaults.

    Parameters
    ----------
    arguments
        The description of each argument; those that are not settings are skipped.
    given
        Values by name.

    Raises
    ------
    ParameterError
        A setting is outside its allowed values, or has no effect with the others.
    """
    settings = {
        name: argument.check(name, given.get(name, argument.default))
        for name, argument in arguments.items()
        if argument.is_setting
    }
    _check_together(settings)
    return settings


def _check_together(settings: dict[str, Any]) -> None:
    """Check the settings against each other; complete those that depend on others."""
    loss, _ = engine_loss(settings["loss"], settings["pos_weight"])
    _check_classes(settings, loss)
    if settings["num_layers"] == 1 and settings["dropout"] > 0:
        raise ParameterError(
            "dropout has no effect with num_layers=1, as it acts between layers; "
            "recurrent_dropout acts within one"
        )
    _check_windows(settings, loss)
    if settings["reverse"] and settings["bidirectional"]:
        raise ParameterError("reverse has no effect with bidirectional=True, which reads both ways")
    if settings["missing_indicator"] and settings["missing"] == "error":
        raise ParameterError(
            "missing_indicator has no effect with missing='error'; use 'mean' or 'forward'"
        )
    if loss == CUSTOM and settings["reduction"] != "mean":
        raise ParameterError("reduction has no effect on a loss in Python, which reduces by itself")


def _check_classes(settings: dict[str, Any], loss: str) -> None:
    """Check the settings that depend on whether the loss is a classification loss."""
    known = settings["output_size"] is not None
    # The number of classes may be found later, from data.
    classes = class_count(loss, settings["output_size"] if known else 2)
    if classes is None:
        if settings["class_weight"] is not None:
            raise ParameterError(
                f"class_weight has no effect on loss {loss!r}; it is for binary_cross_entropy, "
                "focal and cross_entropy"
            )
        return
    if settings["output_activation"] != "identity":
        raise ParameterError(
            f"output_activation has no effect: loss {loss!r} implies the activation of the outputs"
        )
    weights = settings["class_weight"]
    if known or weights is None or is_by_name(weights):
        settings["class_weight"] = check_class_weight(weights, classes)
    if loss == "cross_entropy" and settings["output_size"] == 1:
        raise ParameterError(
            "loss 'cross_entropy' needs an output for each class, output_size=1 is one; use "
            "'binary_cross_entropy', or output_size=2"
        )


def _check_windows(settings: dict[str, Any], loss: str) -> None:
    """Check that sequences are cut into windows only if each can be computed on its own."""
    whole = {
        "bidirectional=True": settings["bidirectional"],
        "readout='mean'": settings["readout"] == "mean",
        "reduction='sum'": settings["reduction"] == "sum",
        "a loss in Python": loss == CUSTOM,
    }
    if settings["bptt_steps"] is not None and any(whole.values()):
        first = next(name for name, present in whole.items() if present)
        raise ParameterError(
            f"bptt_steps cuts sequences into windows, and {first} needs all steps at once"
        )


def engine_settings(
    cell: str, settings: dict[str, Any], encoder: FeatureEncoder | None
) -> _core.Settings:
    """Return the engine's settings; inputs are the numbers, and one for each level."""
    inputs = {
        "input_size": settings["input_size"], "category_columns": 0, "category_levels": 0,
        "static_numbers": 0, "static_category_columns": 0, "static_category_levels": 0,
    }  # fmt: skip
    if encoder is not None:
        inputs |= {
            "input_size": encoder.input_count, "category_columns": len(encoder.levels),
            "category_levels": encoder.category_inputs,
        }  # fmt: skip
        if (static := encoder.static) is not None:
            inputs |= {
                "static_numbers": len(static.number_names),
                "static_category_columns": len(static.levels),
                "static_category_levels": static.category_inputs,
            }
    name, parameters = engine_loss(settings["loss"], settings["pos_weight"])
    given: Any = (
        _OF_ALL_CELLS
        | settings
        | inputs
        | {"cell": cell, "loss": name, "loss_parameters": parameters}
    )
    return given  # type: ignore[no-any-return]
