"""A splitter that never cuts a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import column_or_1d

from rnn_rust.base.checks import whole_number
from rnn_rust.data.folds import fold_indices
from rnn_rust.errors import ParameterError
from rnn_rust.sklearn.labels import as_labels, class_codes, present
from rnn_rust.sklearn.tables import Reading, Rows, Table, check_lengths, from_frame, require_table


class SequenceKFold(BaseEstimator):
    """Folds of whole sequences, for ``cv=`` of ``cross_val_score``, ``GridSearchCV`` and the like.

    Parameters
    ----------
    n_splits
        The number of folds, at least 2.
    id, time
        The columns of X that say which sequence a row belongs to, and that order its rows.
    time_format
        As in the estimators.
    by
        ``"sequence"``: each sequence is in one test part. ``"time"``: sequences are ordered by
        their first row and divided into blocks; each block but the first is tested, with the
        sequences that ended before it began as training part.
    stratify
        Whether to keep the share of sequences with a positive label (the second of two classes, in
        sorted order) in each fold.
    gap
        With ``by="time"``, how long before a test block training sequences have to end.
    random_state
        Seed of the random folds, an integer.

    Examples
    --------
    >>> import polars as pl
    >>> X = pl.DataFrame({"card": [1, 2, 1, 3], "t": [0, 0, 1, 0], "x1": [0.0, 1.0, 2.0, 3.0]})
    >>> [test.tolist() for _, test in SequenceKFold(3, id="card", time="t").split(X)]
    [[3], [0, 2], [1]]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        id: str,
        time: str | None = None,
        time_format: str | None = None,
        by: str = "sequence",
        stratify: bool = False,
        gap: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_splits = n_splits
        self.id = id
        self.time = time
        self.time_format = time_format
        self.by = by
        self.stratify = stratify
        self.gap = gap
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield the training rows and the test rows of X for each fold.

        Raises
        ------
        ParameterError
            An argument is outside its allowed values, or ``stratify`` is set without y.
        DataError
            A column is missing, or there are too few sequences.
        """
        whole_number("n_splits", self.n_splits, least=2)
        if self.id is None:
            raise ParameterError("SequenceKFold needs id=, the column that tells sequences apart")
        require_table(X, is_frame_wanted=True)
        seed = whole_number("random_state", self.random_state, least=0)
        if self.by == "time" and self.time is None:
            raise ParameterError("by='time' needs time=, the column that orders the rows")
        labels = None
        if self.stratify:
            if y is None:
                raise ParameterError("stratify=True needs y")
            labels = column_or_1d(as_labels(y))
            check_lengths(X, labels)
            labels = class_codes(labels, np.unique(present(labels)))
        reading = Reading(self.id, self.time, None, "error", "keep", time_format=self.time_format)
        table = from_frame(X, labels, None, reading, names=[])
        parts = fold_indices(
            table.data, self.n_splits, by=self.by, stratify=self.stratify, gap=self.gap,
            seed=seed,
        )  # fmt: skip
        for train, test in parts:
            yield _rows(table, train), _rows(table, test)


def _rows(table: Table, sequences: Rows) -> Rows:
    """Return the rows of X that belong to some sequences, in increasing order."""
    chosen = np.zeros(len(table.data), dtype=bool)
    chosen[sequences] = True
    of_table = np.zeros(len(table.rows), dtype=bool)
    of_table[table.rows] = np.repeat(chosen, table.lengths)
    return np.flatnonzero(of_table)
