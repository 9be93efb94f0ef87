"""Data sets made of data sets: parts, folds, windows, forecasts, and several put together."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np

from rnn_rust.data.ahead import Forecast
from rnn_rust.data.cut import Instants, split_at
from rnn_rust.data.folds import folds
from rnn_rust.data.forecast import check_season, forecast
from rnn_rust.data.sequences import Sequences
from rnn_rust.data.several import concatenate
from rnn_rust.data.split import split_indices
from rnn_rust.data.windows import windows
from rnn_rust.errors import ParameterError


class DerivableSequences(Sequences):
    """The methods of a :class:`rnn_rust.Dataset` that return other data sets."""

    def split(
        self,
        *fractions: float,
        seed: int = 0,
        by: str = "random",
        stratify: bool = False,
        at: Instants | None = None,
        across: str = "cut",
    ) -> tuple[Self, ...]:
        """Split into parts, each in the order of this data set.

        Fractions assign whole sequences to parts; ``at`` separates the rows before an instant from
        those at or after it.

        Parameters
        ----------
        fractions
            The share of sequences in each part: several that sum to 1, or one, the training share.
        seed
            Of the random choice; the same seed gives the same parts.
        by
            ``"random"``, or ``"time"``: whole sequences ordered by their first row, the latest
            last. They are not cut, so that parts may overlap in time, of which an
            :class:`rnn_rust.errors.OverlapWarning` tells.
        stratify
            Whether to keep the share of sequences with a positive label in each part: any above 0,
            or of classes by name the rarest one.
        at
            In place of fractions, an instant in the terms of the time column: a number, or a date
            (as text, of Python or of NumPy). Sequences that end before it are the first part, those
            that begin at it or after it the second. Several increasing instants make more parts.
        across
            What becomes of a sequence that has rows on both sides: ``"cut"`` there, so that each
            part has its own rows under the same id; ``"context"``, the same, but later parts keep
            the rows before theirs, without labels, so that a model has seen them; ``"drop"``; or
            assigned whole to the part of its first row (``"train"``) or of its last (``"test"``).

        Raises
        ------
        DataError
            A part would be empty; or the times, or the labels, that the split needs are missing.
            With ``by="time"``, times restart in every sequence.
        ParameterError
            An argument is not of the kind above, or does not go together with another.

        Notes
        -----
        A cut sequence restarts in the later part, unless that has it as context. Labels that lie h
        rows ahead are known h rows later only, so that the last h training rows before the instant
        have labels from after it; those made by :meth:`forecast` are set to missing there.

        >>> import numpy as np
        >>> from rnn_rust import Dataset
        >>> ds = Dataset.from_arrays(np.zeros(30), None, range(0, 31, 3))
        >>> [len(part) for part in ds.split(0.7, 0.2, 0.1, seed=0)]
        [7, 2, 1]
        >>> series = Dataset.from_arrays(np.zeros(30), None, [0, 30])
        >>> [part.times.tolist() for part in series.split(at=28)][1]
        [28, 29]
        """
        if at is not None:
            if fractions or stratify:
                raise ParameterError("split: at= takes neither fractions nor stratify; drop them")
            return split_at(self, at, across)
        if across != "cut":
            raise ParameterError("split: across= says what at= does with a sequence; give at=")
        parts = split_indices(self, *fractions, seed=seed, by=by, stratify=stratify)
        return tuple(self.chosen(part) for part in parts)

    def folds(
        self,
        k: int,
        *,
        by: str = "sequence",
        stratify: bool = False,
        gap: float | datetime.timedelta | np.timedelta64 | None = None,
        seed: int = 0,
    ) -> Iterator[tuple[Self, Self]]:
        """Yield ``k`` pairs ``(train, test)`` for cross-validation; no sequence is cut.

        Parameters
        ----------
        k
            How many folds, from 2.
        by
            ``"sequence"``: each is tested once, by a model of all others. ``"time"``: whole
            sequences ordered by their first row, in k + 1 blocks; each block but the first is
            tested by a model of the sequences that ended before it began.
        stratify
            Whether to keep the share of sequences with a positive label in each fold.
        gap
            By time, how much earlier than a test block training sequences have to end.
        seed
            Of the random folds.

        Raises
        ------
        DataError
            There are too few sequences; of one series, :meth:`windows` makes several.
        ParameterError
            An argument is not of the kind above, or does not go together with another.
        """
        return folds(self, k, by=by, stratify=stratify, gap=gap, seed=seed)

    def forecast(
        self,
        column: str,
        horizon: int = 1,
        *,
        season: int | None = None,
        lags: int | Iterable[int] = 0,
        features: str | Iterable[str] | None = None,
        relative_to: str | None = "default",
    ) -> Self:
        """Return the data set whose labels are the next values of a series.

        The label ``column+h`` of a row is the value h rows later in the same sequence, missing at
        its end. A model that is trained on it forecasts any table with the same columns
        (:meth:`rnn_rust.RNN.forecast`). Evaluators compare it with the last value and, where a
        season is named, with the same time of the last season; :meth:`split` with ``at=`` keeps
        labels from after an instant out of the part before it.

        Parameters
        ----------
        column
            The series: a feature or label that was read.
        horizon
            How many rows ahead; one label for each of 1 to ``horizon``.
        season
            The rows of a season, 12 of a year in months; None without seasons.
        lags
            How many rows before (or which of them: ``[1, 12]``) are features too; the first rows
            of a sequence, which have no such rows before them, are left out.
        features
            Columns that are features, maybe the series itself. By default all features but the
            series, and its change from the row before or, with a season, from a season before.
        relative_to
            What the model learns the change from: ``"season"``, the same time of the last season
            (default where a season is named), in the first rows, before which none has passed, the
            present value; ``"last"``, the present value (else the default); or
            None to learn the values themselves, which networks do not carry beyond those of the
            training part.

        Raises
        ------
        DataError
            There is no such column, it has missing values, or no sequence is longer than the lags
            or the season.
        ParameterError
            An argument is not of the kind above, or the data set was changed after reading.

        >>> from rnn_rust import Dataset
        >>> series = Dataset.from_arrays([1.0, 2.0, 4.0], None, [0, 3], feature_names=["load"])
        >>> series.forecast("load", 2).labels.tolist()
        [[2.0, 4.0], [4.0, nan], [nan, nan]]
        """
        plan = Forecast.checked(
            column, horizon, season=season, lags=lags, features=features, relative_to=relative_to
        )
        check_season(self, plan)
        return forecast(self, plan)

    def windows(self, length: int, step: int | None = None) -> Self:
        """Return all windows of ``length`` rows as sequences, a view.

        One begins every ``step`` rows of a sequence, by default where the last one ends; rows at
        the end that do not fill a window are left out, as are shorter sequences. Windows that
        overlap, or labels that lie ahead, must not be split at random: split first.

        Raises
        ------
        DataError
            No sequence is so long.
        ParameterError
            ``length`` or ``step`` is not an integer above 0.

        >>> from rnn_rust import Dataset
        >>> series = Dataset.from_arrays(range(24), None, [0, 24])
        >>> len(series.windows(6)), len(series.windows(6, step=1))
        (4, 19)
        """
        return windows(self, length, step)

    @classmethod
    def concat(cls, datasets: Iterable[Self]) -> Self:
        """Return the sequences of several data sets with the same columns, in order.

        Columns are matched by name; ``row_numbers`` count on.

        Raises
        ------
        DataError
            An id is in two of the ``datasets``; or ids or times are of different kinds; or they
            are normalised differently.
        ShapeError
            Their columns are not the same.
        ParameterError
            There is none, or one is something else.
        """
        return concatenate(list(datasets))

    def of_static_features(self) -> Self:
        """Return the static features as a data set: a sequence of one row for each sequence.

        Raises
        ------
        ParameterError
            There are none.
        """
        if self.static is None:
            raise ParameterError("the data set has no static features; name some with static=")
        rows = np.arange(len(self), dtype=np.int64)
        return type(self)(
            features=self.static.values, labels=np.empty((len(self), 0)), ids=self.ids,
            offsets=np.arange(len(self) + 1, dtype=np.int64), times=np.zeros(len(self)),
            row_numbers=rows, feature_names=self.static.names, label_names=(),
            levels=dict(self.static.levels), keeps_missing=self.keeps_missing,
        )  # fmt: skip
