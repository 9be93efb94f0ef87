"""Long sequences cut into windows."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from rnn_rust.base.checks import counted, positive_integer
from rnn_rust.data.sequences import Sequences
from rnn_rust.errors import DataError

Cut = TypeVar("Cut", bound=Sequences)


def windows(dataset: Cut, length: int, step: int | None) -> Cut:
    """Return all windows of ``length`` rows; see :meth:`rnn_rust.Dataset.windows`.

    Raises
    ------
    DataError
        No sequence is long enough.
    ParameterError
        An argument is not an integer above 0.
    """
    length = positive_integer("length", length)
    step = length if step is None else positive_integer("step", step)
    lengths = np.diff(dataset.offsets)
    counts = np.maximum((lengths - length) // step + 1, 0)
    if not counts.any():
        raise DataError(
            f"windows: no sequence has {counted(length, 'row')}, the longest has "
            f"{lengths.max():,}; ask for shorter windows"
        )
    sequence = np.repeat(np.arange(len(dataset)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = dataset.shared_rows.starts[sequence] + number * step
    if dataset.id_name is None:
        ids = number
    else:
        pairs = zip(dataset.ids[sequence].tolist(), number.tolist(), strict=True)
        ids = np.array([f"{key}/{at}" for key, at in pairs], dtype=object)
    return dataset.part(starts, np.full(len(sequence), length), sequence, ids)
