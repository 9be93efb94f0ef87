"""The data of one training: its data sets, what records will have, and its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rnn_rust.base.checks import boolean, positive_integer
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.order import known_names, reorder, with_label_levels
from rnn_rust.data.sequences import require_dataset
from rnn_rust.learning.history import History, Record
from rnn_rust.model.network import Network
from rnn_rust.training.learnable import check_learnable


@dataclass
class Training:
    """One call of ``fit``; callbacks get it at its beginning and end.

    Attributes
    ----------
    model
        The model that learns, with its weights after the last finished epoch.
    data, validation
        The training and validation data, with columns in the model's order.
    history
        The records so far, including those of a checkpoint that is continued.
    epochs
        Number of records when training is finished.
    metrics
        Names of all metrics that the record of an epoch may have.
    accepted
        Whether training has begun. If it is False in ``on_end``, training was refused and must
        leave no trace.
    stopped_by
        The callbacks that have ended the training.
    setup
        What a checkpoint and the training that continues from it must have in common; empty if
        there is no checkpoint.
    """

    model: Network
    data: Dataset
    epochs: int
    batch_size: int
    shuffle: bool
    progress: bool = False
    validation: Dataset | None = None
    callbacks: list[Callable[[Record], object]] = field(default_factory=list)
    metrics: list[str] = field(init=False, default_factory=lambda: ["loss"])
    accepted: bool = field(init=False, default=False)
    stopped_by: list[Callable[[Record], object]] = field(init=False, default_factory=list)
    setup: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.epochs = positive_integer("epochs", self.epochs)
        self.batch_size = positive_integer("batch_size", self.batch_size)
        boolean("shuffle", self.shuffle)
        boolean("progress", self.progress)
        require_dataset(self.data, "training")
        self.model.build(self.data)
        levels = self.model.label_levels
        self.data = with_label_levels(self.data, levels)
        if isinstance(self.validation, Dataset):
            known = self.model.label_names or known_names(self.data)[1]
            self.validation = with_label_levels(self.validation, levels, known)
        preparation = self.model.preparation
        self.data = preparation.reordered(self.data)
        preparation.check_labelled(self.data, "training")
        check_learnable(self.model, self.data)
        if self.validation is not None:
            require_dataset(self.validation, "validation")
            # A model without column names takes the names in its training data.
            features, labels = known_names(self.data)
            self.validation = reorder(
                self.validation,
                features=preparation.feature_names or features,
                labels=preparation.label_names or labels,
            )
            preparation.check_labelled(self.validation, "validation")
            self.metrics.append("validation_loss")
        self.history = History(self.model.epochs_trained)

    def encode(self) -> None:
        """Encode features once for all epochs."""
        encoded = self.model.preparation.encoded
        self.data = encoded(self.data)
        if self.validation is not None:
            self.validation = encoded(self.validation)

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self.stopped_by)

    @property
    def is_over(self) -> bool:
        """Whether there is no epoch left to train."""
        return self.stopped or len(self.history) >= self.epochs
