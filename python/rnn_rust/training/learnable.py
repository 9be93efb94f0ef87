"""Whether a model can learn from training data."""

from __future__ import annotations

import numpy as np

from rnn_rust.base.checks import counted
from rnn_rust.data.dataset import Dataset
from rnn_rust.errors import DataError, ParameterError
from rnn_rust.learning.labels import labels_per_sequence
from rnn_rust.model.network import Network


def check_learnable(model: Network, data: Dataset) -> None:
    """Check that the data has labels for each output, and is for the forecast learnt before.

    Parameters
    ----------
    model
        The model; once trained, it may learn from only some of its labels.
    data
        The data, with columns in the model's order.

    Raises
    ------
    DataError
        A label column has no value; or changes from the last season cannot be computed.
    ParameterError
        The data is for another forecast than the model, or for a forecast although the model has
        one output per sequence.
    """
    _check_forecast(model, data)
    if model.epochs_trained:
        return
    each_step = model.readout == "each_step"
    labels = data.labels if each_step else labels_per_sequence(data.labels, data.offsets)
    lacking = np.flatnonzero(np.isnan(labels).all(axis=0))
    if lacking.size:
        raise DataError(
            f"training needs a value of every label, and '{data.label_names[lacking[0]]}' has none"
            f"{_why(data, int(lacking[0]), each_step=each_step)}"
        )
    plan = data.ahead
    if plan is not None and plan.relative_to == "season":
        assert data.seasonal is not None, "a season is named"
        if np.isnan(labels + data.seasonal).all():
            raise DataError(
                "training needs changes from the last season, and no label has a value "
                f"{plan.season} rows or more before it; give more rows, or relative_to='last'"
            )


def _why(data: Dataset, column: int, *, each_step: bool) -> str:
    if data.ahead is not None:
        longest, ahead = int(np.diff(data.offsets).max()), column + 1
        return (
            f": no row has a value {counted(ahead, 'row')} later in its sequence, the longest of "
            f"which has {counted(longest, 'row')}; give longer sequences, or a shorter horizon"
        )
    rows = "" if each_step else " in the last labelled row of any sequence"
    return f"{rows}; fill in some, or leave the column out"


def _check_forecast(model: Network, data: Dataset) -> None:
    plan, own = model.ahead, data.ahead
    if own is not None and model.readout != "each_step":
        raise ParameterError(
            f"readout={model.readout!r} has one output for a sequence, and a forecast has one for "
            "each row; use readout='each_step'"
        )
    if not model.epochs_trained or plan is None:
        return
    if own is None and plan.relative_to is not None:
        raise ParameterError(
            f"the model forecasts {plan.in_words()}, and the data set was not made to forecast; "
            f"use dataset.forecast with the same arguments"
        )
    if own is not None and own.learns != plan.learns:
        raise ParameterError(
            f"the model forecasts {plan.in_words()}, and the data set was made to forecast "
            f"{own.in_words()}; use dataset.forecast with the same arguments"
        )
