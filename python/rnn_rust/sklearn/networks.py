"""Making the network of an estimator, and changing its arguments between fits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import non_negative
from rnn_rust.errors import ParameterError
from rnn_rust.learning.losses import engine_loss
from rnn_rust.learning.optimizers import OPTIMIZERS
from rnn_rust.models import MODELS, Model

# Arguments that an estimator passes to its network, and that must not change between fits.
_OF_NETWORK = (
    "num_layers", "bidirectional", "reverse", "dropout", "readout", "clip_norm", "scaler",
    "max_categories", "missing", "missing_indicator", "time_features", "dtype",
)  # fmt: skip
# Losses whose outputs are probabilities.
CLASS_LOSSES = ("binary_cross_entropy", "focal", "cross_entropy")
# All arguments of an estimator that a fitted network cannot change.
_FIXED = ("cell", "hidden_size", *_OF_NETWORK, "loss", "class_weight", "categories", "static")


def new_model(estimator: Any, seed: int, loss: Any, outputs: int, class_weight: Any) -> Model:
    """Return an untrained network.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.
    """
    if estimator.cell not in ("rnn", "gru", "lstm"):
        raise ParameterError(f"cell={estimator.cell!r} is not known; use 'rnn', 'gru' or 'lstm'")
    return MODELS[estimator.cell.upper()](
        None, estimator.hidden_size, outputs, loss=loss, class_weight=class_weight, seed=seed,
        optimizer=_optimizer(estimator.optimizer, estimator.learning_rate),
        n_threads=estimator.n_threads, **{name: getattr(estimator, name) for name in _OF_NETWORK},
    )  # fmt: skip


def made_of(estimator: Any) -> dict[str, Any]:
    """Return the arguments that a network was made with: the fixed and the changeable ones."""
    changing = ("optimizer", "learning_rate", "n_threads")
    return {name: getattr(estimator, name) for name in (*_FIXED, *changing)}


def continue_model(estimator: Any) -> None:
    """Update the network of an estimator with arguments that were set since it was made.

    Raises
    ------
    ParameterError
        One of them cannot change between fits.
    """
    before, now = estimator._made_of, made_of(estimator)
    changed = [name for name, value in now.items() if not _is_same(value, before[name])]
    for name in changed:
        if name in _FIXED:
            raise ParameterError(
                f"{name}={now[name]!r}: the network that training goes on with has "
                f"{before[name]!r}; set it back, or fit anew with warm_start=False"
            )
    if {"optimizer", "learning_rate"} & {*changed}:
        estimator.model_.optimizer = _optimizer(estimator.optimizer, estimator.learning_rate)
    if "n_threads" in changed:
        estimator.model_.n_threads = estimator.n_threads
    estimator._made_of = now


def _is_same(one: Any, other: Any) -> bool:
    return one is other or bool(np.all(one == other))


def _optimizer(optimizer: Any, learning_rate: float) -> Any:
    """Return the optimiser of this name; an optimiser object is returned unchanged."""
    if not isinstance(optimizer, str):
        return optimizer
    known = {name.lower(): kind for name, kind in OPTIMIZERS.items()}
    if optimizer.lower() not in known:
        names = ", ".join(map(repr, known))
        raise ParameterError(f"optimizer={optimizer!r} is not known; use {names}")
    return known[optimizer.lower()](learning_rate)


def coded_weights(class_weight: Any, classes: NDArray[Any]) -> Any:
    """Return class weights by position in ``classes``; anything but a dict is unchanged.

    Raises
    ------
    ParameterError
        A weight is for an unknown class, or is not a finite number of at least 0.
    """
    if not isinstance(class_weight, dict):
        return class_weight
    names = classes.tolist()
    if unknown := [str(label) for label in class_weight if label not in names]:
        raise ParameterError(f"class_weight has {', '.join(unknown)}, of which y has none")
    for label, weight in class_weight.items():
        non_negative(f"class_weight of {label!r}", weight)
    return {place: class_weight.get(label, 1.0) for place, label in enumerate(names)}


def refuse_balanced(class_weight: Any) -> None:
    """Raise ParameterError for balanced weights, which need all labels, not a part of them."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        raise ParameterError(
            "class_weight='balanced' needs the labels of all data at once, and partial_fit has "
            "those of a part; give a dict with a weight for each class: "
            "sklearn.utils.compute_class_weight computes them from a sample of labels; or begin "
            "with fit"
        )


def loss_of_classes(loss: Any, count: int) -> tuple[Any, int]:
    """Return the loss for ``count`` classes, and the number of outputs.

    Raises
    ------
    ParameterError
        The loss is not for classes, or is for two classes and there are others.
    """
    if loss is None:
        loss = "binary_cross_entropy" if count == 2 else "cross_entropy"
    name, _ = engine_loss(loss, None)
    if name not in CLASS_LOSSES:
        known = ", ".join(map(repr, CLASS_LOSSES))
        raise ParameterError(f"loss={loss!r} is not one of classes; use {known}")
    if name == "cross_entropy":
        return loss, count
    if count != 2:
        raise ParameterError(f"loss={loss!r} is for two classes, and y has {count}; leave it out")
    return loss, 1


def loss_of_numbers(loss: Any) -> Any:
    """Return the loss for numeric labels.

    Raises
    ------
    ParameterError
        The loss is cross-entropy, which is for classes.
    """
    # No loss object is for several classes, only this name.
    if isinstance(loss, str) and loss == "cross_entropy":
        raise ParameterError(
            "loss='cross_entropy' learns classes, and these labels are numbers; use "
            "SequenceClassifier, or another loss"
        )
    return "mse" if loss is None else loss
