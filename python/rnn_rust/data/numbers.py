"""Numeric columns of a table: text and bools are converted, and every cell is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.checks import shown, written_number
from rnn_rust.base.polars import has_text, pl
from rnn_rust.data.arrays import is_weight
from rnn_rust.data.columns import Columns, argument
from rnn_rust.data.levels import merged as merged_levels
from rnn_rust.data.levels import merged_labels
from rnn_rust.data.source import Source
from rnn_rust.errors import DataError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none")
"""The text of a missing number, in lower case."""

# Numbers with a decimal comma, with or without points between thousands.
_COMMA_NUMBER = r"^[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)?(?:,[0-9]*)?(?:[eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Numbers:
    """The checked numeric columns of a table, in the order of its rows.

    Attributes
    ----------
    features, labels, weights
        ``(N, F)``, ``(N, L)`` and ``(N,)`` or None, with one dtype if the table does not give any.
    levels
        The levels of each category, by name; ``features`` hold their numbers.
    label_levels
        The classes of each label that is text, by name; ``labels`` hold their numbers.
    """

    features: FloatArray
    labels: FloatArray
    weights: FloatArray | None
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    label_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_numbers(
    frame: pl.DataFrame,
    columns: Columns,
    source: Source,
    dtype: str | None,
    *,
    from_text: bool = False,
    decimal_comma: bool = False,
) -> Numbers:
    """Return the numeric columns; DataError if a cell cannot be used.

    A feature is a category if its type is categorical, if the caller named it as a category, or if
    the caller named it and it is text without any number. Labels are classes by the same rules.
    ``from_text`` means that the table is a text file, in which words stand for missing cells.
    With ``decimal_comma``, text may have decimal commas; if any cell has one, it is the decimal
    sign of all cells.
    """
    levels: dict[str, tuple[str, ...]] = {}
    coded: dict[str, pl.Series] = {}
    static, categories = set(columns.static), set(columns.categories)
    for name in columns.features:
        named = columns.features_named or name in static
        if name in categories or _is_category(frame[name], named):
            coded[name], levels[name] = _codes(frame[name], source)
    label_levels: dict[str, tuple[str, ...]] = {}
    if columns.labels:
        frame = frame.with_columns(_without_type_of_numbers(frame[name]) for name in columns.labels)
    for name in columns.labels:
        if columns.labels_named and are_classes(frame[name], from_text=from_text):
            coded[name], label_levels[name] = _class_codes(frame[name], from_text=from_text)
    plain = {name: own for name, own in _advice(columns).items() if name not in coded}
    if decimal_comma and any(_has_comma(frame[name]) for name in plain):
        converted = [_decimal_commas(frame[name], source, own) for name, own in plain.items()]
    else:
        converted = [as_numbers(frame[name], source, own) for name, own in plain.items()]
    # Not a list: Polars would name a column whose name is empty.
    numbers = pl.DataFrame({column.name: column for column in (*converted, *coded.values())})
    features = _matrix(numbers, columns.features, dtype, frame.height)
    labels = _matrix(numbers, columns.labels, dtype, frame.height)
    _check_values(features, frame, columns.features, source, missing_allowed=columns.keeps_missing)
    _check_values(labels, frame, columns.labels, source, missing_allowed=True)
    weights = None
    if columns.weights is not None:
        weights = _matrix(numbers, (columns.weights,), dtype, frame.height)[:, 0]
        _check_weights(weights, frame[columns.weights], source)
    return Numbers(features, labels, weights, levels, label_levels)


HOW_TO_FILL = (
    "let a model fill gaps: train it with missing='mean' or 'forward' (--missing mean on the "
    "command line) on data read with missing='keep'"
)
"""Advice for messages about missing numbers in the features."""

_ADVICE = (
    f"correct the cell, leave the column out, or name it in {argument('categories')} if its "
    "values are categories"
)


def _advice(columns: Columns) -> dict[str, str]:
    """Return for each column, by name, the advice for a cell that is not a number."""
    of_labels = f"correct the cell, or name the column with {argument('labels')} if it has classes"
    if columns.labels_named:
        of_labels = "correct the cell (a label is a number in all rows, or in all a class by name)"
    weights = () if columns.weights is None else (columns.weights,)
    return {
        **dict.fromkeys(columns.features, _ADVICE),
        **dict.fromkeys(columns.labels, of_labels),
        **dict.fromkeys(weights, "correct the cell"),
    }


# A number, or text that may be meant as one: "$ 5", "1 000", "24h".
_LIKE_A_NUMBER = r"^[^\p{L}]*\p{N}"


def are_classes(labels: pl.Series, *, from_text: bool) -> bool:
    """Whether the labels of a column that the caller named are text classes."""
    return _is_category(labels, named=True, missing=_words_for_no_class(from_text))


def _words_for_no_class(from_text: bool) -> tuple[str, ...]:
    # "none" can be a class. A table that has nulls needs no words for missing cells.
    return tuple(word for word in MISSING if word != "none") if from_text else ("",)


def _is_category(column: pl.Series, named: bool, missing: tuple[str, ...] = MISSING) -> bool:
    """Whether a column is of a categorical type, or text without any cell like a number.

    Text counts only if the caller named the column: by default, columns are numeric. Cells with
    ``missing`` words are ignored.
    """
    if column.dtype in (pl.Categorical, pl.Enum):
        return True
    if column.dtype != pl.String or not named:
        return False
    word = column.str.strip_chars().str.to_lowercase()
    word = word.filter(word.is_not_null() & ~word.is_in(missing))
    numeric = word.str.contains(_LIKE_A_NUMBER) | word.is_in(("true", "false", "inf", "-inf"))
    return len(word) > 0 and not numeric.any()


def _without_type_of_numbers(column: pl.Series) -> pl.Series:
    """Return labels of a categorical type as numbers if all of them are numbers."""
    if column.dtype not in (pl.Categorical, pl.Enum):
        return column
    text = column.cast(pl.String)
    numbers = text.cast(pl.Float64, strict=False)
    return column if (numbers.is_null() & text.is_not_null()).any() else numbers


def as_integers(column: pl.Series) -> tuple[pl.Series, int | None]:
    """Return floats as integers (null where missing), and the first row with a fraction or None."""
    known = column.fill_nan(None)
    whole = known.cast(pl.Int64, strict=False)
    fractions = known.is_not_null() & (known != whole.cast(column.dtype)).fill_null(True)
    return whole, fractions.arg_max() if fractions.any() else None


def _codes(column: pl.Series, source: Source) -> tuple[pl.Series, tuple[str, ...]]:
    """Return the number of each cell's level, and the levels; an empty cell is a level too.

    Whole floats are the same levels as integers: pandas turns integers into floats beside gaps.
    """
    kind = column.dtype
    if not has_text(kind):
        raise DataError(
            f"{source.name}, column '{column.name}': type {kind} is no category, which are texts "
            "or whole numbers; convert it, or leave the column out"
        )
    if kind.is_float():
        column, fraction = as_integers(floats := column)
        if fraction is not None:
            raise DataError(
                f"{source.at(fraction, column.name)}: {floats[fraction]} is no category, which are "
                "texts or whole numbers; correct the cell, or leave the column out of categories="
            )
    # A single query, which does not keep a copy of each step.
    trimmed = pl.first().cast(pl.String).fill_null("").str.strip_chars()
    text = column.to_frame().select(trimmed).to_series()
    levels = text.unique().sort()
    codes = text.cast(pl.Enum(levels)).to_physical().cast(pl.Float64)
    return codes.rename(column.name), tuple(levels.to_list())


def _class_codes(column: pl.Series, *, from_text: bool) -> tuple[pl.Series, tuple[str, ...]]:
    """Return the number of each cell's class (null where missing), and the classes."""
    text = column.cast(pl.String).str.strip_chars()
    words = _words_for_no_class(from_text)
    missing = text.is_null() | text.str.to_lowercase().is_in(words)
    known = pl.select(pl.when(~missing).then(text)).to_series()
    classes = known.drop_nulls().unique().sort()
    codes = known.cast(pl.Enum(classes)).to_physical().cast(pl.Float64)
    return codes.rename(column.name), tuple(classes.to_list())


def merged(parts: Sequence[Numbers], columns: Columns) -> Numbers:
    """Return the concatenated numbers of several tables, with the levels of all."""
    refusal = "column '{name}' is text in some files and numbers in others; "
    features, levels = merged_levels(
        [part.features for part in parts], [part.levels for part in parts], columns.features,
        refusal + "name it in categories= if it is a category",
    )  # fmt: skip
    labels, label_levels = merged_labels(
        [part.labels for part in parts], [part.label_levels for part in parts], columns.labels,
        refusal + "write its labels alike",
    )  # fmt: skip
    weights = [part.weights for part in parts if part.weights is not None]
    return Numbers(
        features, labels, np.concatenate(weights) if weights else None, levels, label_levels
    )


def as_numbers(column: pl.Series, source: Source, advice: str = _ADVICE) -> pl.Series:
    """Return a column of numbers or bools, null where a number is missing.

    ``advice`` is the advice in the message about a cell that is neither.
    """
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False)
        return _with_words(numbers, text, column, (source, advice))
    if not column.dtype.is_numeric() and column.dtype not in (pl.Boolean, pl.Null):
        raise DataError(
            f"{source.name}, column '{column.name}': type {column.dtype} is not numeric; convert "
            "it, or leave the column out"
        )
    return column


def _with_words(
    numbers: pl.Series, text: pl.Series, column: pl.Series, messages: tuple[Source, str]
) -> pl.Series:
    """Fill in cells that are true or false; refuse cells that are neither, nor missing."""
    source, advice = messages
    other = numbers.is_null() & text.is_not_null()
    if not other.any():
        return numbers
    word = text.str.to_lowercase()
    truth = word.replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    numbers = pl.select(pl.coalesce(numbers, truth)).to_series().rename(column.name)
    wrong = other & numbers.is_null() & ~word.is_in(MISSING)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(
            f"{source.at(row, column.name)}: {shown(column[row])} is not a number; {advice}"
        )
    return numbers


def _has_comma(column: pl.Series) -> bool:
    return bool(column.str.contains(",", literal=True).any())


def _decimal_commas(column: pl.Series, source: Source, advice: str) -> pl.Series:
    """Return the numbers of text with decimal commas."""
    text = column.str.strip_chars()
    sound = text.str.contains(_COMMA_NUMBER)
    pointed = text.str.contains(".", literal=True) & ~text.str.contains(",", literal=True)
    pointed &= sound | text.cast(pl.Float64, strict=False).is_not_null()
    if pointed.any():
        row = int(pointed.arg_max() or 0)
        cell = text[row]
        problem = "has a decimal point"
        if sound[row]:
            problem = f"is {written_number(cell.replace('.', ''))} or {written_number(cell)}"
        raise DataError(
            f"{source.at(row, column.name)}: {shown(column[row])} {problem}, and other numbers "
            "have decimal commas; write all with commas and without points between thousands"
        )
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    numbers = pl.select(pl.when(sound).then(plain.cast(pl.Float64, strict=False))).to_series()
    return _with_words(numbers.rename(column.name), text, column, (source, advice))


def _matrix(
    numbers: pl.DataFrame, names: tuple[str, ...], dtype: str | None, rows: int
) -> FloatArray:
    """Return the columns as a C-contiguous (N, columns) matrix, NaN where a cell is empty."""
    if not names:
        return np.empty((rows, 0), dtype or "float64")
    # Column by column: for few rows, a query takes longer than all the work.
    columns = [numbers[name] for name in names]
    single = all(column.dtype == pl.Float32 for column in columns)
    if dtype is not None:
        single = dtype == "float32"
    kind = pl.Float32 if single else pl.Float64
    floats = pl.DataFrame({column.name: column.cast(kind) for column in columns})
    matrix: NDArray[Any] = floats.to_numpy(order="c")
    return np.ascontiguousarray(matrix)


def _check_values(
    matrix: FloatArray,
    table: pl.DataFrame,
    names: tuple[str, ...],
    source: Source,
    *,
    missing_allowed: bool,
) -> None:
    """Raise DataError if a number in the matrix of these columns cannot be used."""
    good = ~np.isinf(matrix) if missing_allowed else np.isfinite(matrix)
    if good.all():
        return
    row, position = divmod(int(np.argmin(good)), matrix.shape[1])
    name = names[position]
    problem = _problem(table[name][row], matrix[row, position])
    wanted = "a finite number, or none" if missing_allowed else "a finite number"
    advice = f"give {wanted}, or leave the row out"
    if np.isnan(matrix[row, position]):
        advice = f"give {wanted}, leave the row out, or {HOW_TO_FILL}"
    raise DataError(f"{source.at(row, name)}: {problem}; {advice}")


def _check_weights(weights: FloatArray, column: pl.Series, source: Source) -> None:
    good = is_weight(weights)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            f"{source.at(row, column.name)}: {_problem(column[row], weights[row])}; give a weight "
            "of at least 0, or leave the row out"
        )


def _problem(cell: Any, value: float) -> str:
    """Return what is wrong with a cell whose value cannot be used."""
    if cell is None or cell == "":
        return "the cell is empty"
    if isinstance(cell, str) and cell.strip().lower() in MISSING and cell.strip().lower() != "nan":
        return f"{shown(cell)} stands for a missing value"
    # A number too large for float32 has become infinite.
    too_large = np.isinf(value) and np.isfinite(float(cell))
    if too_large:
        return f'{written_number(cell)} is too large for float32 (dtype="float64" holds it)'
    return f"the value is {value}"
