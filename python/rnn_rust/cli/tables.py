"""Writes tables to files, in the formats that can be read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_rust.base.files import replacing

if TYPE_CHECKING:
    import polars as pl

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys((".csv", ".txt"), ("write_csv", {})),
    ".tsv": ("write_csv", {"separator": "\t"}),
    **dict.fromkeys((".parquet", ".pq"), ("write_parquet", {})),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), ("write_ipc", {})),
    **dict.fromkeys((".ndjson", ".jsonl"), ("write_ndjson", {})),
}
"""Methods of Polars frames, with their arguments, by file suffix."""


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table in the format given by the file's suffix.

    Raises
    ------
    WriteError
        The file cannot be written.
    """
    method, options = WRITERS[path.suffix.lower()]
    # Write to memory first: Polars raises its own errors if a disk is full.
    contents = io.BytesIO()
    getattr(table, method)(contents, **options)
    with replacing(path) as file:
        file.write(contents.getbuffer())
