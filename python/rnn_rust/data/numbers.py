"""Columns of a table that are numbers: text and truth values converted, every cell checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnn_rust.data.arrays import is_weight
from rnn_rust.data.columns import Columns
from rnn_rust.data.source import Source
from rnn_rust.errors import DataError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none")
"""Text of a cell that has no number, in small letters."""

# Numbers with a decimal comma, maybe with points between thousands.
_COMMA_NUMBER = r"^[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)?(?:,[0-9]*)?(?:[eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Numbers:
    """The columns of a table that are numbers, checked: in the order of its rows.

    Attributes
    ----------
    features, labels, weights
        ``(N, F)``, ``(N, L)`` and ``(N,)`` or None, of one dtype where the table says none.
    """

    features: FloatArray
    labels: FloatArray
    weights: FloatArray | None


def read_numbers(
    frame: pl.DataFrame,
    columns: Columns,
    source: Source,
    dtype: str | None,
    *,
    decimal_comma: bool = False,
) -> Numbers:
    """Return the columns of numbers; DataError if a cell cannot be used.

    With ``decimal_comma`` text may have a comma before the decimal places; where some of it has,
    it is the decimal sign of all.
    """
    converted = [
        as_numbers(frame[name], source) if not decimal_comma else frame[name]
        for name in columns.numbers
    ]
    if decimal_comma:
        converted = _with_decimal_commas(converted, source)
    numbers = pl.DataFrame(converted)
    features = _matrix(numbers, columns.features, dtype, frame.height)
    labels = _matrix(numbers, columns.labels, dtype, frame.height)
    _check_values(features, frame.select(columns.features), source, missing_allowed=False)
    _check_values(labels, frame.select(columns.labels), source, missing_allowed=True)
    weights = None
    if columns.weights is not None:
        weights = _matrix(numbers, (columns.weights,), dtype, frame.height)[:, 0]
        _check_weights(weights, frame[columns.weights], source)
    return Numbers(features, labels, weights)


def as_numbers(column: pl.Series, source: Source) -> pl.Series:
    """Return a column of numbers or truth values, null where a cell has none."""
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False)
        return _with_words(numbers, text, column, source)
    if column.dtype in (pl.Categorical, pl.Enum):
        return as_numbers(column.cast(pl.String), source)
    if not column.dtype.is_numeric() and column.dtype not in (pl.Boolean, pl.Null):
        raise DataError(
            f"{source.name}, column '{column.name}': type {column.dtype} is not numeric; convert "
            "it, or leave the column out"
        )
    return column


def _with_words(
    numbers: pl.Series, text: pl.Series, column: pl.Series, source: Source
) -> pl.Series:
    """Fill in what is not a number but a truth value; refuse what is neither, nor missing."""
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
            f"{source.at(row, column.name)}: '{column[row]}' is not a number; correct the cell, or "
            "leave the column out"
        )
    return numbers


def _with_decimal_commas(columns: list[pl.Series], source: Source) -> list[pl.Series]:
    texts = [column.str.strip_chars() for column in columns]
    commas = any(bool(text.str.contains(",", literal=True).any()) for text in texts)
    if not commas:
        return [as_numbers(column, source) for column in columns]
    return [_decimal_commas(*pair, source) for pair in zip(texts, columns, strict=True)]


def _decimal_commas(text: pl.Series, column: pl.Series, source: Source) -> pl.Series:
    """Return the numbers of text with decimal commas."""
    both = text.str.contains(r"\.") & text.str.contains(_COMMA_NUMBER)
    unclear = both & ~text.str.contains(",", literal=True)
    if unclear.any():
        row = int(unclear.arg_max() or 0)
        cell = column[row]
        raise DataError(
            f"{source.at(row, column.name)}: '{cell}' is {cell.strip().replace('.', '')} or "
            f"{cell.strip()}, and other numbers have decimal commas; write all with commas and "
            "without points between thousands"
        )
    sound = text.str.contains(_COMMA_NUMBER)
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    numbers = pl.select(pl.when(sound).then(plain.cast(pl.Float64, strict=False))).to_series()
    return _with_words(numbers.rename(column.name), text, column, source)


def _matrix(
    numbers: pl.DataFrame, names: tuple[str, ...], dtype: str | None, rows: int
) -> FloatArray:
    """Return the columns as a C-contiguous (N, columns) matrix, NaN where a cell is empty."""
    if not names:
        return np.empty((rows, 0), dtype or "float64")
    columns = numbers.select(names)
    single = all(kind == pl.Float32 for kind in columns.dtypes)
    if dtype is not None:
        single = dtype == "float32"
    floats = columns.cast(pl.Float32 if single else pl.Float64)
    matrix: NDArray[Any] = floats.to_numpy(order="c")
    return np.ascontiguousarray(matrix)


def _check_values(
    matrix: FloatArray, frame: pl.DataFrame, source: Source, *, missing_allowed: bool
) -> None:
    good = ~np.isinf(matrix) if missing_allowed else np.isfinite(matrix)
    if good.all():
        return
    row, position = divmod(int(np.argmin(good)), matrix.shape[1])
    problem = _problem(frame[row, position], matrix[row, position])
    wanted = "a finite label, or none" if missing_allowed else "a finite number"
    raise DataError(
        f"{source.at(row, frame.columns[position])}: {problem}; give {wanted}, or leave the row out"
    )


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
        return f"'{cell}' stands for a missing value"
    # A number that single precision cannot hold has become infinite.
    too_large = np.isinf(value) and np.isfinite(float(cell))
    if too_large:
        return f'{cell} is too large for float32 (dtype="float64" holds it)'
    return f"the value is {value}"
