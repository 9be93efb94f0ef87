"""A network's description, without its tensors, as plain values for a file; and the reverse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import whole_number
from rnn_rust.data.arrays import is_weight
from rnn_rust.data.scalers import scaler_from_dict
from rnn_rust.errors import ModelFileError, RnnRustError
from rnn_rust.learning import losses, optimizers
from rnn_rust.learning.class_weights import require_numbers
from rnn_rust.learning.labels import class_count
from rnn_rust.model import described
from rnn_rust.model.base import to_be_loaded
from rnn_rust.model.network import Network
from rnn_rust.storage.model_file import BAD_VALUES

AnyNetwork = TypeVar("AnyNetwork", bound=Network)

# Tensors whose names begin with this are not weights: they belong to a checkpoint.
TRAINING_PREFIX = "training/"


def describe(network: Network) -> dict[str, Any]:
    """Return everything that a file stores about a network besides its weights.

    Raises
    ------
    ParameterError
        A size of the network is not known yet.
    ShapeError
        The scaler was fitted on other columns: the file could not be loaded.
    """
    network.require_sizes()
    scaler, class_table = network.scaler, network.class_table
    if scaler is not None and scaler.is_fitted:
        network.preparation.check_scaler()
    # A function for the learning rate may not be defined beyond the last epoch.
    last_epoch = max(network.epochs_trained - 1, 0)
    return {
        "architecture": describe_architecture(network),
        "optimizer": optimizers.to_dict(network.optimizer, last_epoch),
        "scaler": None if scaler is None else scaler.to_dict(),
        "feature_names": network.feature_names,
        "label_names": network.label_names,
        "table": None if network.table is None else asdict(network.table),
        "forecast": None if network.ahead is None else asdict(network.ahead),
        "pace": None if network.pace is None else asdict(network.pace),
        "class_table": None if class_table is None else class_table.tolist(),
        "features": None if network.encoder is None else network.encoder.to_dict(),
        "classes": [[name, own] for name, own in network.label_levels.items()],
        "threshold": network.threshold,
        "epochs_trained": network.epochs_trained,
    }


def describe_architecture(network: Network) -> dict[str, Any]:
    """Return the cell and the settings of a network."""
    settings = network.settings
    if isinstance(settings["class_weight"], dict):
        require_numbers(settings["class_weight"])
        # Keys in JSON are strings, so store a list of the weights in the order of the classes.
        settings["class_weight"] = list(settings["class_weight"].values())
    return {"cell": network.cell} | settings | {"loss": losses.to_dict(settings["loss"])}


def build(
    models: Mapping[str, type[AnyNetwork]],
    description: dict[str, Any],
    tensors: Mapping[str, FloatArray],
) -> AnyNetwork:
    """Return the network that :func:`describe` described, with its weights.

    Parameters
    ----------
    models
        The class of each cell.
    description, tensors
        The contents of a model file or a checkpoint; the state of training is ignored.

    Raises
    ------
    ModelFileError
        Something is missing or not valid.
    """
    weights = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING_PREFIX)
    }
    try:
        return _build(models, description, weights)
    except (*BAD_VALUES, RnnRustError) as error:
        raise ModelFileError(f"this model file is damaged: {error}") from error


def _build(
    models: Mapping[str, type[AnyNetwork]],
    description: dict[str, Any],
    weights: Mapping[str, FloatArray],
) -> AnyNetwork:
    settings = dict(description["architecture"])
    if (cell := settings.pop("cell")) not in models:
        raise ModelFileError(f"cell {cell!r} is not known")
    if isinstance(class_weight := settings["class_weight"], list):
        settings["class_weight"] = dict(enumerate(class_weight))
    settings["loss"] = losses.from_dict(settings["loss"])
    scaler = description["scaler"]
    settings["optimizer"] = optimizers.from_dict(description["optimizer"])
    settings["scaler"] = None if scaler is None else scaler_from_dict(scaler)
    with to_be_loaded(models[cell], settings) as network:
        if (encoder := described.encoder(description.get("features"))) is not None:
            network.take_encoder(encoder)
    network.load_state_dict(weights)
    sizes = (settings["input_size"], network.label_columns)
    if network.scaler is not None and network.scaler.is_fitted:
        network.preparation.check_scaler()
    network.class_table = _class_table(description["class_table"], network)
    for name, size in zip(("feature_names", "label_names"), sizes, strict=True):
        setattr(network, name, described.names(name, description[name], size))
    network.label_levels = described.label_levels(description.get("classes", []), network)
    network.table = described.keys(description.get("table"))
    network.ahead = described.forecast(description.get("forecast"), network)
    network.pace = described.pace(description.get("pace"))
    network.threshold = description["threshold"]
    network.epochs_trained = whole_number("epochs_trained", description["epochs_trained"], least=0)
    return network


def _class_table(rows: Any, network: Network) -> FloatArray | None:
    if rows is None:
        return None
    table = np.array(rows, dtype=np.float64)
    classes = class_count(network.loss_name, network.settings["output_size"])
    if table.shape != (network.label_columns, classes) or not is_weight(table).all():
        raise ModelFileError("the weights of classes are not those of the model")
    return table
