"""Streams of events: how a model makes a stepper, and what steppers and scorers need from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from rnn_rust.errors import ParameterError
from rnn_rust.model.base import BaseNetwork
from rnn_rust.model.encoded_stepper import EncodedStepper
from rnn_rust.model.pickled_stepper import make_stepper
from rnn_rust.model.row_encoder import RowEncoder
from rnn_rust.model.rows import rows_by_name
from rnn_rust.model.settings import engine_settings


def stepper_of(model: BaseNetwork, static: Mapping[str, Any] | None, initial_state: Any) -> Any:
    """Carry out :meth:`rnn_rust.RNN.stepper`."""
    check_learns_values(model, "a stepper")
    check_reads_forward(model, "a stepper")
    names = None if model.feature_names is None else list(model.feature_names)
    settings = engine_settings(model.cell, model.settings, model.encoder)
    remake = partial(make_stepper, settings)
    features, labels = scalers_of(model)
    stepper: Any = model._core.stepper(features, labels, rows_by_name(names), names, remake)
    if model.encoder is not None:
        dtype = np.dtype(model.settings["dtype"])
        rows = RowEncoder(model.encoder, model.table, features, dtype)
        stepper = EncodedStepper(stepper, rows, static)
    elif static is not None:
        raise ParameterError("the model was trained without static features; give none")
    if initial_state is not None:
        stepper.state = initial_state
    return stepper


def check_reads_forward(model: BaseNetwork, what: str) -> None:
    """Raise ParameterError if a model reads sequences from the end, which a stream lacks."""
    if model.settings["reverse"]:
        raise ParameterError(
            f"{what} knows no later rows, and reverse=True reads sequences from their ends; use "
            "predict on whole sequences"
        )


def check_learns_values(model: BaseNetwork, what: str) -> None:
    """Raise ParameterError if a model forecasts changes from values that only a table has."""
    plan = model.ahead
    if plan is not None and plan.relative_to is not None:
        raise ParameterError(
            f"the model forecasts changes of '{plan.column}', to which predict adds the value "
            f"itself: {what} has no table to find it in; train on "
            "dataset.forecast(..., relative_to=None)"
        )


def scalers_of(model: BaseNetwork) -> tuple[Any, Any]:
    """Return the shifts and scales of features and of labels; empty if these are not scaled.

    Raises
    ------
    ParameterError, ShapeError
        The model's scaler is not fitted yet, or was fitted on other columns.
    """
    features: Any = ([], [])
    labels: Any = ([], [])
    model.preparation.check_scaler()
    if model.scaler is not None:
        features, labels = model.scaler.shifts_and_scales()
        labels = labels if model.scaler.labels else ([], [])
    return features, labels
