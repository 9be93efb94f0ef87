"""What the arguments of an estimator say: its network, and the part that is held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_rust.data.dataset import Dataset
from rnn_rust.errors import ParameterError
from rnn_rust.learning.optimizers import OPTIMIZERS
from rnn_rust.models import MODELS, Model

# Sequences from which on early stopping is worth its validation part, if it is "auto".
_MANY = 10_000


def new_model(estimator: Any, seed: int, loss: Any, outputs: int, class_weight: Any) -> Model:
    """Return an untrained network.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.
    """
    if estimator.cell not in ("rnn", "gru", "lstm"):
        raise ParameterError(f"cell={estimator.cell!r} is not known; use 'rnn', 'gru' or 'lstm'")
    own = (
        "num_layers", "bidirectional", "reverse", "dropout", "readout", "clip_norm", "scaler",
        "max_categories", "missing", "missing_indicator", "time_features", "dtype", "n_threads",
    )  # fmt: skip
    return MODELS[estimator.cell.upper()](
        None, estimator.hidden_size, outputs, loss=loss, class_weight=class_weight, seed=seed,
        optimizer=_optimizer(estimator.optimizer, estimator.learning_rate),
        **{name: getattr(estimator, name) for name in own},
    )  # fmt: skip


def _optimizer(optimizer: Any, learning_rate: float) -> Any:
    """Return the optimiser of a name, or the one that was given."""
    if not isinstance(optimizer, str):
        return optimizer
    known = {name.lower(): kind for name, kind in OPTIMIZERS.items()}
    if optimizer.lower() not in known:
        names = ", ".join(map(repr, known))
        raise ParameterError(f"optimizer={optimizer!r} is not known; use {names}")
    return known[optimizer.lower()](learning_rate)


def stops_early(estimator: Any, data: Dataset, held_out: Dataset | None) -> bool:
    """Whether the loss of held-out data may end the training."""
    wanted = estimator.early_stopping
    if not isinstance(wanted, bool | np.bool_) and not (
        isinstance(wanted, str) and wanted == "auto"
    ):
        raise ParameterError(f"early_stopping must be True, False or 'auto', got {wanted!r}")
    if isinstance(wanted, str):
        return held_out is not None or len(data) > _MANY
    return bool(wanted)


def hold_out(estimator: Any, data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Return the sequences to train on, and those held out."""
    share: Any = estimator.validation_fraction
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise ParameterError(f"validation_fraction must be between 0 and 1, got {share!r}")
    train, held_out = data.split(1 - share, seed=seed, by=estimator.validation)
    return train, held_out
