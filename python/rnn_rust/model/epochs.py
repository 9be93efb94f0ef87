"""Training a network: what is learnt of columns before, epochs, what is settled after them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from rnn_rust.data.dataset import Dataset
from rnn_rust.data.forecast import changes_only
from rnn_rust.data.order import known_names
from rnn_rust.learning.losses import CUSTOM, CheckedLoss
from rnn_rust.model.base import BaseNetwork
from rnn_rust.model.preparation import LabelledInputs
from rnn_rust.model.state_dict import CheckedOptimizer

# Epochs whose learning rates are worked out ahead: enough for a call of the engine to cost nothing
# beside them.
_RATES_AHEAD = 1000
# The share of rows with other levels from which training has seen enough of them.
_FEW_OTHERS = 0.01


@dataclass(frozen=True)
class EpochRun:
    """A span of epochs that the engine trains in one call.

    Attributes
    ----------
    begins
        Whether it is the first of the calls that make up one training: what was learnt before is
        not taken back if the training diverges.
    epochs
        How many.
    batch_size, shuffle
        As in ``fit``.
    seed
        Of the orders of the sequences and of dropout.
    time_budget
        Seconds after which the call ends, at the end of an epoch; None without a limit.
    """

    begins: bool
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    time_budget: float | None = None


def adapt(model: BaseNetwork, data: Dataset) -> None:
    """Learn about the columns of training data what is not known yet.

    The scaler is fitted, balanced class weights are computed, and names of columns taken over.
    """
    model.build(data)
    data = model.preparation.encoded(data)
    if model.scaler is not None and not model.scaler.is_fitted:
        model.scaler = copy.copy(model.scaler).fit(changes_only(data))
    if model.settings["class_weight"] == "balanced" and model.class_table is None:
        model.class_table = model.preparation.balanced_class_table(data)
    features, labels = known_names(data)
    model.feature_names = model.feature_names or features
    model.label_names = model.label_names or labels
    model.table = model.table or data.keys
    model.ahead = model.ahead or data.ahead


def custom_loss(model: BaseNetwork) -> CheckedLoss | None:
    """Return the loss if it is computed in Python."""
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
        What :meth:`Preparation.labelled_inputs` returned of the training data.
    run
        Which epochs, and how.

    Returns
    -------
    (losses, seconds, error)
        Of the finished epochs, and what ended the call early or None. There may be fewer epochs
        than asked for without an error: call again for the others.
    """
    first, settings = model.epochs_trained, model.settings
    ahead = range(first, first + min(run.epochs, _RATES_AHEAD))
    optimizer = model.optimizer_state.in_python
    return model._core.train(
        *arrays,
        {
            "begins": run.begins,
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


def settle_other_levels(model: BaseNetwork) -> None:
    """Give "other" levels, which training has hardly seen, the mean weights of the known ones.

    Weighted by how frequent these are: an unknown level counts as an average one. Where
    ``max_categories`` has left levels out that are not that rare, it counts as one of these.
    """
    encoder = model.encoder
    if encoder is None:
        return
    state = model.state_dict()
    parts = (encoder,) if encoder.static is None else (encoder, encoder.static)
    categories = [
        (first, part.shares[name]) for part in parts for name, first in part.first_inputs().items()
    ]
    for first, known in categories:
        shares = np.array(known)
        if shares.sum() < 1 - _FEW_OTHERS:
            continue
        for tensor in ("weight_ih_l0", "weight_ih_l0_reverse"):
            if tensor in state:
                own = state[tensor][:, first : first + len(shares)]
                state[tensor][:, first + len(shares)] = own @ (shares / shares.sum())
    model.load_state_dict(state)
