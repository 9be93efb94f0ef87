"""The data set: ragged sequences in arrays, never padded.

``features (N, F)`` and ``labels (N, L)`` hold one row per observed time step, sequences back to
back; ``offsets (S + 1,)`` says where each of the S sequences begins. ``weights (N,)``, if there are
any, say how much the labels of a row count in the loss.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from rnn_rust.base.arrays import FloatArray, as_numbers
from rnn_rust.base.checks import float_name
from rnn_rust.data.arrays import check_arrays
from rnn_rust.data.columns import Default, Names, Roles
from rnn_rust.data.derived import DerivableSequences
from rnn_rust.data.scale import MinMaxScaler
from rnn_rust.data.sequence import Sequence
from rnn_rust.data.several import equal
from rnn_rust.data.static import from_arrays
from rnn_rust.data.summary import sizes, summarise

if TYPE_CHECKING:
    import polars as pl

    from rnn_rust.data.files import Files

__all__ = ["Dataset", "Sequence"]


@dataclass(eq=False, repr=False, kw_only=True)
class Dataset(DerivableSequences):
    """Sequences of any length; make one with :meth:`from_csv`, `from_frame` or `from_arrays`.

    Its arrays are read-only and not shared with the input; only :meth:`normalize` replaces them.

    >>> ds = Dataset.from_arrays(features=[0.5, 0.7, 0.1], labels=[0, 1, 0], offsets=[0, 2, 3])
    >>> [len(sequence) for sequence in ds]
    [2, 1]

    Attributes
    ----------
    features
        ``(N, F)``, float32 or float64, finite, C-contiguous.
    labels
        ``(N, L)``, as above, but NaN where a label is missing. L = 0 without labels.
    offsets
        ``(S + 1,)`` int64: sequence ``s`` has rows ``offsets[s]`` to ``offsets[s + 1] - 1``.
    ids
        ``(S,)``, integers or strings (as objects), all distinct.
    times
        ``(N,)``, numbers, datetime64 (in UTC if there were time zones) or timedelta64; increasing
        in each sequence, or non-decreasing if ties were kept.
    row_numbers
        ``(N,)`` int64, the row of the input (from 0, without header and blank lines) that each
        row came from: ``output[ds.row_numbers] = predictions`` restores the order of the input.
    weights
        ``(N,)``, float32 or float64, finite and at least 0, or None: how much the labels of each
        row count in the loss, ``Σ w e / Σ w`` over the labels of a batch. A weight of 2 is like
        having the row twice. Evaluators ignore them; scalers leave out labels of weight 0.
    feature_names, label_names, id_name, time_name, weights_name
        The names of the columns; ``id_name`` is None for a single series, and ``time_name`` is
        None if the rows were already in the order of time.
    time_form
        How times were written, if they were text; else None.
    left_out
        Columns of the table that are not used.
    keys
        How ids and times were read, or None.
    levels
        The levels of each category, by the name of the feature; ``features`` hold the numbers of
        the levels, from 0.
    label_levels
        The classes of each label that is text, by name; ``labels`` hold their numbers, from 0.
    keeps_missing
        Whether features may be missing (NaN).
    static
        Features constant in a sequence, ``values (S, K)`` with ``names`` and ``levels``; or None.
    initial_state
        The states that a network starts from, one row per sequence; None for 0. See
        :meth:`with_initial_state`.
    ahead, present, seasonal
        For a data set made by :meth:`forecast`: what it forecasts; the present value ``(N,)`` of
        the series; and the value one season earlier (beyond a season ahead, the last known one of
        whole seasons earlier) ``(N, L)``, NaN where there is none. None otherwise.
    has_feature_names, has_label_names
        Whether the names come from the data. Otherwise they are placeholders (``x1``, ``y1``),
        and models match the columns by position.
    normalizer
        The scaler that :meth:`normalize` applied, or None.
    """

    normalizer: MinMaxScaler | None = None

    @classmethod
    def from_file(
        cls,
        files: Files,
        id: str | Default | None = Default.NAMES,
        time: str | Iterable[str] | Default | None = Default.NAMES,
        features: Names = None,
        labels: Names = None,
        *,
        static: Any = None,
        weights: str | None = None,
        categories: Names = None,
        missing: str = "error",
        time_format: str | None = None,
        ties: str = "refuse",
        separator: str | None = None,
        comment: str | None = None,
        dtype: str | None = None,
    ) -> Dataset:
        """Read a file, or several as one table: CSV, Parquet, Arrow or NDJSON, also compressed.

        The rows of an id may be anywhere in the file; they are sorted by time. Sequences keep the
        order in which their ids first appear. Only the columns needed are read.

        A number is missing where its cell is null, empty, or one of the words ``NA``, ``N/A``,
        ``#N/A``, ``NaN``, ``NULL`` and ``None``, in capitals or not. In a CSV file, a label that
        is a class is missing in the same cells, except that ``None`` is a class. Other tables have
        nulls: there a class is missing only if it is null or empty, and any word is a class.

        Parameters
        ----------
        files
            A path whose suffix gives the format: ``.csv``, ``.tsv``, ``.txt``, ``.parquet``,
            ``.arrow`` or ``.feather`` (also streams), ``.ndjson``; each may be followed by ``.gz``
            or ``.zst``. Or a pattern (``"2024-*.csv"``) or a list of paths of files with the same
            columns. Or an open binary file, whose format is found from its contents.
        id
            The column that says which sequence a row belongs to; by default ``id`` or ``name``. A
            table without one, or with ``id=None``, is one series. If the default column is named
            for another use, pass ``id=`` explicitly. Ids are integers if all of them are plain
            integers (``7``, not ``007``), else strings.
        time
            The column that orders the rows of a sequence; by default ``t``. Numbers, or dates in
            any of these forms: ``2024-01-31``, ``2024-01-31T12:00:00.5+01:00``, ``31/01/2024``,
            ``Jan 31 2024``, ``2024-01``, ``Jan 2024``, ``2024 Q1``, ``2024-W05``. Times with UTC
            offsets are converted to UTC. If days and months are both numbers, at least one row
            has to show which is which.
            Several columns can be combined (``["year", "quarter"]``, ``["date", "time"]``).
            None keeps the rows in the order of the table.
        features
            Column names; by default all named ``x`` or ``f`` and a number. A column is numeric if
            every cell is a number, ``true`` or ``false``. It is a category if no cell is, or if
            its type is categorical.
        labels
            Column names; by default all named ``y`` or ``l`` and a number, ``label`` and
            ``target``. Numbers or, if you name the column, text that gives the class. Labels may
            be missing. ``labels=[]`` reads a table without labels.
        static
            Features with one value for all rows of a sequence, such as a customer's age: column
            names; or a second table (a frame, or the ``Path`` of a file) with one row per id, whose
            other columns are the static features. Numbers or categories.
        weights
            A column of weights, finite and at least 0, one in every row; by default none.
        categories
            Features that are categories although their cells are numbers, such as merchant codes.
        missing
            What to do with missing numbers in the features: ``"error"``, or ``"keep"`` for a
            model that fills them in (``missing="mean"`` or ``"forward"``).
        time_format
            The format of times that are text, as for ``strptime``: ``"%d.%m.%y"``.
        ties
            What to do with rows of an id at the same time: by default they are refused; ``"keep"``
            leaves them in the order of the table.
        separator
            Between the cells of a CSV file; by default the comma, semicolon or tab found in its
            header. With semicolons and tabs, numbers may have decimal commas.
        comment
            The character that starts lines to skip in a CSV file.
        dtype
            ``"float64"`` or ``"float32"``, the type of features, labels and weights; float32 takes
            half the memory. By default float32 if the file says that all are.

        Raises
        ------
        DataError
            The file, a column or a cell cannot be used; the message says where, and what to do.
        ParameterError
            A column name is not a string, or another argument is not of the kind above.
        MissingFileError
            There is no such file.
        ForkError
            The process was forked from one that had used Polars; every method that reads or makes
            a frame raises this.
        """
        from rnn_rust.data.files import open_files, opened
        from rnn_rust.data.tables import read_table

        roles = Roles(
            id=id, time=time, features=features, labels=labels, static=opened(static),
            weights=weights, categories=categories, missing=missing, time_format=time_format,
            ties=ties,
        )  # fmt: skip
        table = open_files(files, separator=separator, comment=comment)
        return cls(**read_table(table, roles, None if dtype is None else float_name(dtype)))

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        id: str | Default | None = Default.NAMES,
        time: str | Iterable[str] | Default | None = Default.NAMES,
        features: Names = None,
        labels: Names = None,
        *,
        static: Any = None,
        weights: str | None = None,
        categories: Names = None,
        missing: str = "error",
        time_format: str | None = None,
        ties: str = "refuse",
        separator: str | None = None,
        comment: str | None = None,
        dtype: str = "float64",
    ) -> Dataset:
        """Read a CSV file in UTF-8 with a header line, whatever its name.

        Lines without any value are skipped. Quotes follow RFC 4180: they enclose a whole cell, and
        quotes inside it are doubled. For any other quote, the error names the line.

        Besides ``path``, the parameters ``id``, ``time``, ``features``, ``labels``, ``static``,
        ``weights``, ``categories``, ``missing``, ``time_format``, ``ties``, ``separator``,
        ``comment`` and ``dtype``, and the errors, are as in :meth:`from_file`.
        """
        from rnn_rust.data.csv_file import CsvFile
        from rnn_rust.data.csv_table import CsvTable
        from rnn_rust.data.files import opened
        from rnn_rust.data.tables import read_table

        roles = Roles(
            id=id, time=time, features=features, labels=labels, static=opened(static),
            weights=weights, categories=categories, missing=missing, time_format=time_format,
            ties=ties,
        )  # fmt: skip
        file = CsvFile(path, separator=separator, comment=comment)
        return cls(**read_table(CsvTable(file), roles, float_name(dtype)))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        id: str | Default | None = Default.NAMES,
        time: str | Iterable[str] | Default | None = Default.NAMES,
        features: Names = None,
        labels: Names = None,
        *,
        static: Any = None,
        weights: str | None = None,
        categories: Names = None,
        missing: str = "error",
        time_format: str | None = None,
        ties: str = "refuse",
        dtype: str | None = None,
    ) -> Dataset:
        """Take a table in memory with one row per time step.

        The parameters ``features``, ``labels``, ``static``, ``weights``, ``categories``,
        ``missing``, ``time_format`` and ``ties``, and the rules for missing values, are as in
        :meth:`from_file`. Error messages count rows from 0, as ``frame[row]`` does.

        Parameters
        ----------
        frame
            A Polars frame, eager or lazy; a pandas frame, whose index becomes columns if it has a
            name or is more than a row count; a pyarrow table or record-batch reader; a DuckDB
            relation; anything else with ``__arrow_c_stream__``; or a dict of arrays or lists, in
            which masked cells are missing values.
        id
            Strings or integers.
        time
            Numbers, dates, datetimes (converted to UTC if they have a time zone) or durations,
            which keep their type; or text as in a file.
        dtype
            By default float32 if all columns of the features, or of the labels, have that type.

        Raises
        ------
        DataError
            A column or a cell cannot be used.
        ParameterError
            ``frame`` is something else, or a column name is not a string.
        """
        from rnn_rust.data.files import opened
        from rnn_rust.data.tables import read_table, table_of

        roles = Roles(
            id=id, time=time, features=features, labels=labels, static=opened(static),
            weights=weights, categories=categories, missing=missing, time_format=time_format,
            ties=ties,
        )  # fmt: skip
        name = None if dtype is None else float_name(dtype)
        return cls(**read_table(table_of(frame), roles, name))

    @classmethod
    def from_arrays(
        cls,
        features: ArrayLike,
        labels: ArrayLike | None,
        offsets: ArrayLike,
        ids: ArrayLike | None = None,
        times: ArrayLike | None = None,
        *,
        static: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        feature_names: Iterable[str] | None = None,
        label_names: Iterable[str] | None = None,
        static_names: Iterable[str] | None = None,
    ) -> Dataset:
        """Copy arrays in which the sequences follow one another.

        Parameters
        ----------
        features
            ``(N, F)`` finite numbers; ``(N,)`` is one column. float32 is kept, any other type
            becomes float64.
        labels
            ``(N, L)`` or ``(N,)``, NaN where missing; None without labels.
        offsets
            ``(S + 1,)`` whole numbers: 0, strictly increasing, N.
        ids
            ``(S,)`` distinct strings or integers; by default 0, 1, ...
        times
            ``(N,)`` numbers, dates or strings, all of one kind, increasing in each sequence; by
            default 0, 1, ... in each.
        static
            ``(S, K)`` finite numbers, the static features of each sequence; None without any.
        weights
            ``(N,)`` finite numbers of at least 0; None without weights.
        static_names
            Names of the static features; by default ``s1, s2, ...``.
        feature_names, label_names
            The names by which a model recognises its columns, in any order. Without names, columns
            are matched by position; ``x1, x2, ...`` and ``y1, y2, ...`` are then placeholders that
            models neither keep nor compare.

        Raises
        ------
        DataError
            Values, weights, offsets, ids or times that cannot be used.
        ParameterError
            Names that are not strings, or not all different.
        ShapeError
            Arrays whose shapes do not fit together.
        """
        fields = check_arrays(
            features, labels, offsets, ids=ids, times=times, weights=weights,
            names=(feature_names, label_names), weights_name=cls.weights_name,
        )  # fmt: skip
        taken = {"id", "t", *fields["feature_names"], *fields["label_names"]}
        taken |= set() if weights is None else {cls.weights_name}
        sequences = len(fields["offsets"]) - 1
        return cls(**fields, static=from_arrays(static, static_names, sequences, taken))

    def __repr__(self) -> str:
        """Return the sizes; :meth:`summary` says more."""
        return sizes(self)

    def summary(self) -> str:
        """Return a few lines to print: rows, sequences, lengths, features, labels, weights."""
        return summarise(self)

    def to_frame(self) -> pl.DataFrame:
        """Return a Polars frame in the order of this data set: id, time, features, labels, weights.

        Static features are repeated in every row, after the other features.

        Columns keep their names (by default ``id``, ``t``, ``weights``); a missing label is null.
        ``Dataset.from_frame`` reads the frame back; name the weights if there are any. Rows are in
        the order of ``features`` and of predictions; sort by ``row_numbers`` for the input order.
        """
        from rnn_rust.data.frames import write_frame

        return write_frame(self)

    def head(self, rows: int = 5) -> pl.DataFrame:
        """Return the first ``rows`` of :meth:`to_frame`."""
        from rnn_rust.data.frames import first_rows, write_frame

        return write_frame(first_rows(self, index(rows)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same sequences: ids, times, columns and their names."""
        return equal(self, other) if isinstance(other, Dataset) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _repr_html_(self) -> str:
        """Return the summary and the first rows, for notebooks."""
        lines = html.escape(self.summary())
        return f"<pre>{lines}</pre>{self.head()._repr_html_()}"

    def normalize(self) -> Dataset:
        """Scale features and labels in place to [0, 1] by their bounds over all rows; return self.

        The data set and its subsets keep the bounds. A second call changes nothing. Static
        features, categories and named classes are not scaled.

        This uses **all** rows. If it is called before :meth:`split`, the bounds of the test part
        leak into training; for an unbiased evaluation, give the model a scaler, which is fitted on
        the training part only.

        Raises
        ------
        ParameterError
            The data set was made by :meth:`forecast`, with changes as labels.
        """
        if self.normalizer is None:
            normalizer = MinMaxScaler().fit(self)
            scaled = normalizer.transform(self)
            self.own_rows()
            self.features, self.labels = scaled.features, scaled.labels
            self.normalizer = normalizer
        return self

    def denormalize_labels(self, labels: ArrayLike) -> FloatArray:
        """Return labels or predictions ``(..., L)`` in the units before :meth:`normalize`, float64.

        If :meth:`normalize` was not called, they are returned unchanged, in their dtype.

        Raises
        ------
        ShapeError
            The number of columns is not the number of labels of the data set.
        """
        if self.normalizer is None:
            return as_numbers("labels", labels)
        return self.normalizer.inverse_transform_labels(labels)
