"""The training of an estimator: held-out data, early stopping, and its state after an error."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from rnn_rust.base.checks import fraction, positive_integer
from rnn_rust.callbacks import EarlyStopping
from rnn_rust.data.dataset import Dataset
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.learning.history import Record
from rnn_rust.model.snapshot import restorer
from rnn_rust.sklearn.tasks import FitTask

# With more sequences than this, early_stopping="auto" holds out data.
_MANY = 10_000


def train(
    estimator: Any,
    data: Dataset,
    held_out: Dataset | None,
    epochs: int,
    *,
    seed: int | None,
    task: FitTask | None = None,
) -> None:
    """Train the network of an estimator, and record the loss of every epoch.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.
    """

    def note(record: Record) -> None:
        estimator.loss_curve_ = [*estimator.loss_curve_, record["loss"]]
        estimator.n_iter_ = len(estimator.loss_curve_)
        if held_out is not None:
            scores = estimator.validation_scores_ or []
            estimator.validation_scores_ = [*scores, -record["validation_loss"]]

    # Record first, so that other callbacks see an estimator as if training ended there.
    callbacks: list[Any] = [note, *([] if task is None else [task])]
    if seed is not None and _stops_early(estimator, data, held_out):
        if held_out is None:
            data, held_out = _hold_out(estimator, data, seed)
        patience = positive_integer("n_iter_no_change", estimator.n_iter_no_change)
        callbacks += [EarlyStopping(patience=patience, restore_best=True)]
    classes = estimator._known_classes()
    if classes is not None and classes.dtype.kind == "U":
        # For files and exports: labels in ``data`` are positions in these classes.
        levels = {data.label_names[0]: tuple(classes.tolist())}
        estimator.model_.label_levels = levels
        data = replace(data, label_levels=levels)
        held_out = None if held_out is None else replace(held_out, label_levels=levels)
    size = estimator.batch_size
    if size is None:
        size = len(data)
    elif isinstance(size, bool) or not isinstance(size, Integral):
        raise ParameterError(f"batch_size must be an integer or None, got {size!r}")
    history = estimator.model_.fit(
        data, epochs=epochs, batch_size=int(size), shuffle=estimator.batch_size is not None,
        validation=held_out, callbacks=callbacks, progress=False,
    )  # fmt: skip
    if history.interrupted:
        warnings.warn("training was interrupted", ConvergenceWarning, stacklevel=3)


def _stops_early(estimator: Any, data: Dataset, held_out: Dataset | None) -> bool:
    """Whether the loss on held-out data may end training early."""
    wanted = estimator.early_stopping
    if not isinstance(wanted, bool | np.bool_) and not (
        isinstance(wanted, str) and wanted == "auto"
    ):
        raise ParameterError(f"early_stopping must be True, False or 'auto', got {wanted!r}")
    if isinstance(wanted, str):
        return held_out is not None or len(data) > _MANY
    return bool(wanted)


def _hold_out(estimator: Any, data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Return the sequences for training, and the held-out ones."""
    share = fraction("validation_fraction", estimator.validation_fraction)
    by = estimator.validation
    if by not in ("random", "time"):
        raise ParameterError(f"validation={by!r} is not known; use 'random' or 'time'")
    if by == "time" and estimator.time is None:
        raise ParameterError("validation='time' needs time=, the column that orders the rows")
    kept, held_out = data.split(1 - share, seed=seed, by=by)
    return kept, held_out


@contextlib.contextmanager
def as_of(arguments: str) -> Iterator[None]:
    """Prefix data errors with the names of the arguments, if these are not X and y."""
    try:
        yield
    except (DataError, ParameterError, ShapeError) as error:
        raise type(error)(f"{arguments}: {error}") from error


@contextlib.contextmanager
def as_it_was_on_error(estimator: Any) -> Iterator[None]:
    """Restore the fitted attributes if training is refused or fails."""
    before = {name: value for name, value in vars(estimator).items() if _is_learnt(name)}
    # Continued training changes the network in place: weights, moments and optimiser.
    restore_model = restorer(estimator.model_) if "model_" in before else None
    try:
        yield
    except BaseException:
        for name in [*filter(_is_learnt, vars(estimator))]:
            delattr(estimator, name)
        for name, value in before.items():
            setattr(estimator, name, value)
        if restore_model is not None:
            restore_model()
        raise


def _is_learnt(name: str) -> bool:
    """Whether an attribute is set by a fit."""
    own = ("_categories", "_day_first", "_classes", "_outputs_wanted", "_made_of", "_goes_on")
    return name in own or (name.endswith("_") and not name.startswith("_"))
