"""Kaggle's card-fraud file (ULB, `creditcard.csv`) turned into sequences of this package's layout.

The file may not be passed on; whoever has downloaded it converts it with `convert`.
"""

import os
from pathlib import Path

import polars as pl

from rnn_rust.checks import whole_number
from rnn_rust.data.fraud import ANONYMOUS_FEATURES, write_csv
from rnn_rust.errors import DataError, MissingFileError

FEATURES = [*(f"V{k}" for k in range(1, ANONYMOUS_FEATURES + 1)), "Amount"]
COLUMNS = ["Time", *FEATURES, "Class"]


def convert(
    source_csv: str | os.PathLike[str], output_csv: str | os.PathLike[str], length: int = 10
) -> None:
    """Cut Kaggle's table into sequences of consecutive rows and write them as CSV.

    Kaggle's file has no card number, so these sequences are neighbours in time and not the
    purchases of one card: what a model finds in them over time is no habit of anybody.

    Parameters
    ----------
    source_csv
        The downloaded file, with the columns Time, V1 to V28, Amount and Class.
    output_csv
        The file to write: `id` (1, 2, ...), `t` (1 to length, the position in the sequence, as
        Time has ties), `x1` to `x28` (V1 to V28), `x29` (Amount) and `y1` (Class). It is written
        completely or not at all.
    length
        Rows of a sequence; the last one is shorter where the rows do not divide evenly.

    Raises
    ------
    rnn_rust.errors.MissingFileError
        If the source file or the folder of the output does not exist.
    rnn_rust.errors.DataError
        If the source lacks a column or holds something else than numbers.
    rnn_rust.errors.ParameterError
        If length is below 1.
    """
    length = whole_number("length", length, least=1)
    source = Path(source_csv)
    if not source.is_file():
        raise MissingFileError(f"{source}: no such file; download creditcard.csv from Kaggle first")
    row = pl.col("row").cast(pl.Int64)
    try:
        # Text first: Kaggle quotes the classes and writes some times as 1e+05.
        table = pl.scan_csv(source, infer_schema=False)
        _check_header(source, table.collect_schema().names())
        sequences = table.with_row_index("row").select(
            (row // length + 1).alias("id"),
            (row % length + 1).alias("t"),
            *(pl.col(c).cast(pl.Float64).alias(f"x{k}") for k, c in enumerate(FEATURES, start=1)),
            pl.col("Class").cast(pl.Int8).alias("y1"),
        )
        write_csv(sequences, output_csv)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{source}: not Kaggle's card-fraud table: {reason}") from error


def _check_header(source: Path, header: list[str]) -> None:
    """Raise a DataError naming the columns that the header lacks."""
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{source}, line 1: the header lacks {', '.join(missing)}; "
            "it must have Time, V1 to V28, Amount and Class, as Kaggle's creditcard.csv has"
        )
