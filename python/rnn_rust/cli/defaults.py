"""What ``rnn-rust train`` chooses by default, from the data and from presets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

_log = logging.getLogger("rnn_rust")

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # The settings of the Rust project RNN-Rust.
    "rnn-rust": {
        "cell": "RNN", "hidden_size": 10, "loss": "mse", "optimizer": "SGD",
        "learning_rate": 0.001, "scaler": "minmax", "batch_size": 1, "epochs": 100,
        "early_stopping": False, "clipping": False,
    },
}  # fmt: skip
"""Options by parameter name; options on the command line override them."""

# Maximum number of classes to infer from numeric labels; with more values, they are counts.
_MOST_CLASSES = 20
# Maximum number of sequences in a batch, and minimum number of updates per epoch.
_LARGEST_BATCH, _UPDATES = 32, 16


def apply_preset(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Use the options of a preset as defaults."""
    ctx.default_map = PRESETS[value]
    return value


def infer_loss(dataset: Dataset) -> tuple[str, str]:
    """Return the loss that suits the labels (0 and 1, classes, or numbers), and why."""
    import numpy as np

    labels = dataset.require_labels("training")
    known = labels[~np.isnan(labels)]
    distinct = np.unique(known)
    if dataset.label_levels:
        return "cross_entropy", "labels are classes by name"
    if dataset.ahead is not None:
        return "mse", "labels are the next values of a series"
    if np.isin(distinct, (0, 1)).all():
        return "binary_cross_entropy", "labels are 0 and 1"
    if labels.shape[1] == 1 and _are_classes(distinct):
        return "cross_entropy", f"labels are the numbers 0 to {int(distinct[-1])}"
    return "mse", "labels are numbers"


def _are_classes(distinct: Any) -> bool:
    """Whether the values are exactly 0, 1, 2, ..."""
    count = len(distinct)
    return 2 < count <= _MOST_CLASSES and (distinct == range(count)).all()


def infer_missing(dataset: Dataset) -> str:
    """Return how to fill missing numbers: with the mean if there are any; the log says so."""
    if not (names := columns_with_gaps(dataset)):
        return "error"
    _log.info("Missing numbers of %s: the mean (--missing chooses another)", ", ".join(names))
    return "mean"


def columns_with_gaps(dataset: Dataset) -> list[str]:
    """Return the names of features, including static ones, with missing numbers."""
    import numpy as np

    columns = []
    # Do not copy the rows of a view if no row has a missing number.
    if np.isnan(dataset.shared_rows.arrays["features"]).any():
        columns.append((dataset.feature_names, dataset.features))
    if (static := dataset.static) is not None:
        columns.append((static.names, static.values))
    return [
        name for own, values in columns
        for name, column in zip(own, values.T, strict=True) if np.isnan(column).any()
    ]  # fmt: skip


def infer_batch_size(train: Dataset) -> int:
    """Return a power of two that is small enough for enough updates per epoch."""
    size = 1
    while 2 * size * _UPDATES <= len(train) and size < _LARGEST_BATCH:
        size *= 2
    _log.info(
        "Batch size: %d, for %s sequences to train on (--batch-size chooses another)", size,
        f"{len(train):,}",
    )  # fmt: skip
    return size
