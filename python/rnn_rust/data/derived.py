"""Data sets made from others: parts, folds, windows, forecasts and concatenations."""

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

        Fractions assign whole sequences to parts; ``at`` separates the rows before a point in time
        from the rows at or after it.

        Parameters
        ----------
        fractions
            The share of sequences in each part: several that sum to 1, or one, the training share.
        seed
            Seed of the random choice; the same seed gives the same parts.
        by
            ``"random"``, or ``"time"``: whole sequences ordered by their first row, the latest
            last. Sequences are not cut, so the parts may overlap in time; an
            :class:`rnn_rust.errors.OverlapWarning` then says so.
        stratify
            Whether to keep the share of sequences with a positive label in each part. A label is
            positive if it is above 0; of named classes, the rarest one is positive.
        at
            Instead of fractions, a point in time in the units of the time column: a number, or a
            date (text, Python or NumPy). Sequences that end before it form the first part, those
            that begin at or after it the second. Several increasing times make more parts.
        across
            What to do with a sequence that has rows on both sides. ``"cut"``: each part gets its
            own rows, under the same id. ``"context"``: the same, but later parts keep the earlier
            rows, without labels, so that a model sees them. ``"drop"``: leave it out. ``"train"``
            or ``"test"``: assign it whole to the part of its first or of its last row.

        Raises
        ------
        DataError
            A part would be empty; or times or labels that the split needs are missing. With
            ``by="time"``, times restart in every sequence.
        ParameterError
            An argument is not of the kind above, or cannot be combined with another.

        Notes
        -----
        A cut sequence restarts in the later part, unless that part has the earlier rows as context.
        Labels that lie h rows ahead are known only h rows later, so the last h training rows before
        the cut have labels from after it; labels made by :meth:`forecast` are set to missing there.

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
            The number of folds, at least 2.
        by
            ``"sequence"``: each sequence is in one test part. ``"time"``: whole sequences are
            ordered by their first row and divided into k + 1 blocks; each block but the first is
            tested, with the sequences that ended before it began as training part.
        stratify
            Whether to keep the share of sequences with a positive label in each fold.
        gap
            With ``by="time"``, how long before a test block training sequences have to end.
        seed
            Seed of the random folds.

        Raises
        ------
        DataError
            There are too few sequences; :meth:`windows` makes several out of one series.
        ParameterError
            An argument is not of the kind above, or cannot be combined with another.
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
        its end. A model trained on it can forecast any table with the same columns
        (:meth:`rnn_rust.RNN.forecast`). Evaluators compare it with the last value and, if
        ``season`` is given, with the value one season earlier. :meth:`split` with ``at=`` keeps
        labels from after the cut out of the part before it.

        Parameters
        ----------
        column
            The series: a feature or label that was read.
        horizon
            How many rows ahead; one label for each of 1 to ``horizon``.
        season
            The number of rows in a season, such as 12 for a year of months; None without seasons.
        lags
            How many previous rows (or which of them: ``[1, 12]``) are features too. The first rows
            of a sequence, which have no such rows before them, are left out.
        features
            Columns that are features; may include the series itself. By default all features but
            the series, and its change from the previous row or, with a season, from a season ago.
        relative_to
            What the model learns the change from. ``"season"`` (default if ``season`` is given):
            the value one season earlier (beyond a season ahead, the last known one of whole seasons
            earlier) or, in the first rows, which have none, the present value.
            ``"last"`` (default otherwise): the present value. None: learn the values themselves,
            which networks do not extrapolate beyond the range of the training part.

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

        A window starts every ``step`` rows of a sequence, by default where the previous one ends.
        Rows at the end that do not fill a window are left out, as are shorter sequences. If windows
        overlap or labels lie ahead, do not split the windows at random: split first.

        Raises
        ------
        DataError
            No sequence is long enough.
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

        Columns are matched by name; ``row_numbers`` are numbered consecutively.

        Raises
        ------
        DataError
            An id is in two of the ``datasets``; ids or times are of different kinds; or the data
            sets are normalised differently.
        ShapeError
            Their columns are not the same.
        ParameterError
            No data set is given, or one is something else.
        """
        return concatenate(list(datasets))

    def of_static_features(self) -> Self:
        """Return the static features as a data set, with a one-row sequence for each sequence.

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
