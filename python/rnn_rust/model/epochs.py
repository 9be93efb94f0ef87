"""Training a network: what it learns about columns first, the epochs, and the last step."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.forecast import changes_only
from rnn_rust.data.order import known_names
from rnn_rust.data.steps import pace_of
from rnn_rust.learning.losses import CUSTOM, CheckedLoss
from rnn_rust.model.base import BaseNetwork
from rnn_rust.model.preparation import LabelledInputs
from rnn_rust.model.state_dict import CheckedOptimizer

# Number of epochs whose learning rates are computed in advance: enough that the cost of a call of
# the engine does not matter.
_RATES_AHEAD = 1000
# If at least this share of rows have the level "other", training has seen enough of them.
_FEW_OTHERS = 0.01


@dataclass(frozen=True)
class EpochRun:
    """A span of epochs that the engine trains in one call.

    Attributes
    ----------
    starts_training
        Whether this is the first call of a training: what was learnt before is kept if the
        training diverges.
    epochs
        Number of epochs.
    batch_size, shuffle
        As in ``fit``.
    seed
        The seed for the order of the sequences and for dropout.
    time_budget
        Seconds after which the call ends, at the end of an epoch; None for no limit.
    """

    starts_training: bool
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    time_budget: float | None = None


def adapt(model: BaseNetwork, data: Dataset) -> None:
    """Learn what the model does not know yet about the training data, which is encoded.

    The scaler is fitted, balanced class weights are computed, and column names are set.
    """
    if model.scaler is not None and not model.scaler.is_fitted:
        scaler = copy.copy(model.scaler)
        # The fit method of a subclass may have no n_threads.
        takes_threads = "n_threads" in signature(scaler.fit).parameters
        threads = {"n_threads": model.n_threads} if takes_threads else {}
        model.scaler = scaler.fit(changes_only(data), **threads)
    if model.settings["class_weight"] == "balanced" and model.class_table is None:
        model.class_table = model.preparation.balanced_class_table(data)
    features, labels = known_names(data)
    model.feature_names = model.feature_names or features
    model.label_names = model.label_names or labels
    model.table = data.keys if model.table is None else model.table.completed_by(data.keys)
    model.ahead = model.ahead or data.ahead
    if data.ahead is not None and data.time_name is not None:
        model.pace = model.pace or pace_of(data.times, data.offsets)


def custom_loss(model: BaseNetwork) -> CheckedLoss | None:
    """Return the loss if it is computed in Python, else None."""
    return CheckedLoss(model.settings["loss"]) if model.loss_name == CUSTOM else None


def train_epochs(
    model: BaseNetwork, arrays: LabelledInputs, run: EpochRun
) -> tuple[list[float], list[float], BaseException | None]:
    """Train for a span of epochs.

    Parameters
    ----------
    model
        The network, whose ``epochs_trained`` is left to the caller.
    arrays
        What :meth:`Preparation.labelled_inputs` returned for the training data.
    run
        The epochs, and how to train.

    Returns
    -------
    (losses, seconds, error)
        Losses and seconds of the finished epochs, and the error that ended the call early or None.
        There may be fewer epochs than requested without an error: call again for the others.
    """
    first, settings = model.epochs_trained, model.settings
    ahead = range(first, first + min(run.epochs, _RATES_AHEAD))
    optimizer = model.optimizer_state.in_python
    return model._core.train(
        *arrays,
        {
            "starts_training": run.starts_training,
            "learning_rates": model.optimizer_state.learning_rates(ahead, settings["dtype"]),
            "clip_norm": settings["clip_norm"],
            "clip_value": settings["clip_value"],
            "bptt_steps": settings["bptt_steps"],
            "batch_size": run.batch_size,
            "shuffle": run.shuffle,
            "seed": run.seed,
            "first_epoch": first,
            "epochs": len(ahead),
            "time_budget": run.time_budget,
        },
        custom=custom_loss(model),
        optimizer=None if optimizer is None else CheckedOptimizer(optimizer),
    )


# Columns of weights, by the name of the tensor and the number of the input.
_Columns = dict[tuple[str, int], FloatArray]


def settle_other_levels(model: BaseNetwork) -> tuple[_Columns, _Columns]:
    """Give "other" levels, which training has hardly seen, the mean weights of the known levels.

    The mean is weighted by frequency: an unknown level counts as an average one. If
    ``max_categories`` left out levels that are not so rare, "other" keeps what it learnt from them.

    Return the weights that were replaced, and the new ones.
    """
    encoder = model.encoder
    if encoder is None or not any(part.levels for part in encoder.parts):
        return {}, {}
    state = model._core.state_dict()
    means = _means_of_known_levels(encoder, state)
    before = {(tensor, column): state[tensor][:, column].copy() for tensor, column in means}
    for (tensor, column), mean in means.items():
        state[tensor][:, column] = mean
    if means:
        model._core.load_state_dict(state)
    return before, means


@contextmanager
def settled_for_now(model: BaseNetwork) -> Iterator[None]:
    """Make the model, between epochs, what it would be if training ended there.

    Training continues with its own weights of "other" levels, so that it does not depend on who
    uses the model in between; weights that a callback has replaced are kept.
    """
    before, means = settle_other_levels(model)
    try:
        yield
    finally:
        if means:
            state = model._core.state_dict()
            for (tensor, column), mean in means.items():
                weights = state[tensor][:, column]
                if np.array_equal(weights, mean.astype(weights.dtype)):
                    weights[:] = before[tensor, column]
            model._core.load_state_dict(state)


def _means_of_known_levels(encoder: FeatureEncoder, state: dict[str, FloatArray]) -> _Columns:
    """Return the weights for those "other" levels that training has hardly seen."""
    means: _Columns = {}
    for part in encoder.parts:
        for name, first in part.first_inputs.items():
            shares = np.array(part.shares[name])
            if shares.sum() < 1 - _FEW_OTHERS:
                continue
            other = first + len(shares)
            for tensor in ("weight_ih_l0", "weight_ih_l0_reverse"):
                if tensor in state:
                    known = state[tensor][:, first:other]
                    means[tensor, other] = known @ (shares / shares.sum())
    return means
