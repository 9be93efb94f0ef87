"""One sequence as a data set."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from rnn_rust.data.dataset import Dataset, Sequence


def of_one(sequence: Sequence) -> Dataset:
    """Return a data set that holds one sequence."""
    others = {"id", "feature_names", "label_names", "initial_state"}
    kept = {field.name for field in fields(Sequence)} - others
    widths = sequence.features.shape[1], sequence.labels.shape[1]
    names, label_names = sequence.feature_names, sequence.label_names
    state = sequence.initial_state
    return Dataset(
        **{name: getattr(sequence, name) for name in kept},
        ids=np.array([sequence.id], dtype=object if isinstance(sequence.id, str) else np.int64),
        offsets=np.array([0, len(sequence)]), row_numbers=np.arange(len(sequence)),
        feature_names=names or tuple(f"x{at + 1}" for at in range(widths[0])),
        label_names=label_names or tuple(f"y{at + 1}" for at in range(widths[1])),
        has_feature_names=names is not None, has_label_names=label_names is not None,
        initial_state=None if state is None else state[np.newaxis],
    )  # fmt: skip
