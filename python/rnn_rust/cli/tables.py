"""Tables that commands write to files, of the kinds that are read."""

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
"""Methods of Polars' frames, with their arguments, by the ends of files' names."""


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table as what its name says.

    Raises
    ------
    WriteError
        The file cannot be written.
    """
    method, options = WRITERS[path.suffix.lower()]
    # Of a file that is full Polars has errors of its own.
    contents = io.BytesIO()
    getattr(table, method)(contents, **options)
    with replacing(path) as file:
        file.write(contents.getbuffer())
