"""Files as tables: CSV, Parquet, Arrow and NDJSON; single, several, compressed or open files."""

from __future__ import annotations

import codecs
import contextlib
import glob as globbing
import gzip
import json
import math
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn

from rnn_rust import _core
from rnn_rust.base.checks import shown, written_number
from rnn_rust.base.forks import require_polars
from rnn_rust.base.polars import FAILURES, pl
from rnn_rust.data.csv_file import CsvFile, refuse_wide, require_file
from rnn_rust.data.csv_table import CsvTable
from rnn_rust.data.tables import FrameTable, JoinedTable, Table
from rnn_rust.errors import DataError, MissingFileError, ParameterError

_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_KINDS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}  # fmt: skip
SUFFIXES = ".csv, .tsv, .txt, .parquet, .arrow, .feather or .ndjson, also with .gz or .zst"
"""The suffixes of files that can be read, for messages."""

# First bytes of each format, for files whose name does not tell the format.
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow", b"{": "ndjson"}
_ZSTD = b"\x28\xb5\x2f\xfd"

Path_ = str | os.PathLike[str]
Files = Path_ | BinaryIO | Iterable[Path_]


def open_files(files: Files, *, separator: str | None, comment: str | None) -> Table:
    """Return the table of a file, of several (a list or a pattern), or of an open binary file.

    Raises
    ------
    MissingFileError
        There is no such file, or none that matches the pattern.
    DataError
        The file is damaged, or its name does not tell its format.
    ParameterError
        ``files`` is something else.
    """
    require_polars()
    csv = {"separator": separator, "comment": comment}
    if hasattr(files, "read"):
        return _open_handle(files, csv)
    if isinstance(files, str | os.PathLike):
        pattern = os.fspath(files)
        if not isinstance(pattern, str):
            raise ParameterError(f"a file is a path or an open binary file, not {files!r}")
        if not globbing.has_magic(pattern) or os.path.exists(pattern):
            return _open_path(files, csv)
        paths: list[Any] = sorted(globbing.glob(pattern, recursive=True))
        if not paths:
            raise MissingFileError(f"{pattern}: no file fits the pattern; check it")
        return _join(pattern, paths, csv)
    if isinstance(files, Iterable) and not isinstance(files, bytes):
        paths = list(files)
        if paths and all(isinstance(path, str | os.PathLike) for path in paths):
            return _join(f"{paths[0]} and others" if len(paths) > 1 else str(paths[0]), paths, csv)
    raise ParameterError(
        f"from_file takes a path, a list of paths, a pattern or an open binary file, not {files!r}"
    )


def _join(name: str, paths: list[Path_], csv: dict[str, str | None]) -> Table:
    tables = [_open_path(path, csv) for path in paths]
    return tables[0] if len(tables) == 1 else JoinedTable(name, tables)


class _TemporaryFile:
    """An empty file that is removed when nothing refers to this object any more."""

    def __init__(self, name: str) -> None:
        """Make a file for a copy of the data that messages call ``name``."""
        self._name = name
        with self.writing():
            descriptor, path = tempfile.mkstemp(prefix="rnn-rust-")
        os.close(descriptor)
        self.path = Path(path)
        weakref.finalize(self, self.path.unlink, missing_ok=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Raise DataError if the copy cannot be written."""
        try:
            yield
        except OSError as error:
            folder = tempfile.tempdir or "the folder of temporary files"
            raise DataError(
                f"{self._name}: cannot write a temporary copy to {folder}: "
                f"{error.strerror or error}; free space there, or set the environment variable "
                "TMPDIR to another folder"
            ) from error

    def fill(self, parts: Iterable[bytes]) -> None:
        """Write the parts; making them must not raise OSError."""
        with self.writing(), self.path.open("wb") as target:
            target.writelines(parts)


def _suffixes(name: str) -> tuple[str, str]:
    """Return the suffix of the format, and the suffix of the compression (empty if none)."""
    stem, last = os.path.splitext(name.lower())
    return (os.path.splitext(stem)[1], last) if last in _COMPRESSED else (last, "")


def _open_path(path: Path_, csv: dict[str, str | None]) -> Table:
    """Return the table of a file, whose suffix gives its format."""
    name = str(path)
    suffix, compression = _suffixes(name)
    kind, packed = _KINDS.get(suffix), _COMPRESSED.get(compression)
    require_file(Path(path), name)
    if kind is None:
        raise DataError(f"{name}: its name does not say what it is; use {SUFFIXES}")
    if packed is None:
        return _open(Path(path), name, kind, csv)
    temporary = _decompressed(Path(path), packed, name)
    return _open(temporary.path, name, kind, csv, temporary)


def _open(
    path: Path,
    name: str,
    kind: str,
    csv: dict[str, str | None],
    temporary: _TemporaryFile | None = None,
) -> Table:
    """Return the table of a file; the table keeps a temporary file alive."""
    if kind == "csv":
        if _suffixes(name)[0] == ".tsv":
            csv = {**csv, "separator": csv["separator"] or "\t"}
        table: Table = CsvTable(CsvFile(path, name, **csv))
    else:
        table = FileTable(path, name, kind)
    table.temporary = temporary
    return table


def _frame(path: Path, name: str, kind: str) -> pl.LazyFrame | pl.DataFrame:
    """Return a frame of the file; lazy if possible, so that only the columns needed are read."""
    if not (begin := _begin(path)):
        raise DataError(f"{name} is empty; it needs a row for each time step")
    try:
        if kind == "parquet":
            frame: pl.LazyFrame | pl.DataFrame = pl.scan_parquet(path.absolute(), glob=False)
        elif kind == "ndjson":
            refuse_wide(begin, name)
            # Polars does not accept a byte order mark.
            marked = begin.startswith(codecs.BOM_UTF8)
            source = path.read_bytes()[len(codecs.BOM_UTF8) :] if marked else path.absolute()
            frame = pl.scan_ndjson(source, infer_schema_length=None)
        elif begin.startswith(b"ARROW1"):
            frame = pl.scan_ipc(path.absolute())
        else:
            frame = pl.read_ipc_stream(path.absolute())
        if not frame.lazy().collect_schema().names():
            raise ValueError("it has no columns")
        return frame
    except DataError:
        raise
    except (*FAILURES, OSError, ValueError) as error:
        raise _damage(path, name, kind, error) from error


def _damage(path: Path, name: str, kind: str, error: BaseException) -> DataError:
    """Return the error for a file that Polars cannot read."""
    if kind == "ndjson" and (broken := _broken_line(path)) is not None:
        line, problem = broken
        return DataError(f"{name}, line {line}: {problem}")
    reason = (str(error).splitlines() or [""])[0]
    # Polars' errors about binary formats are written for its developers.
    for_developers = "spec" in reason or "{" in reason or "unwrap" in reason
    if not reason or for_developers:
        reason = "it is damaged, or a part of it is missing"
    return DataError(f"{name}: not readable as {kind} ({reason}); write the file anew")


def _broken_line(path: Path) -> tuple[int, str] | None:
    """Return the number, from 1, of the first line that Polars cannot read, and what is wrong."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                sound = not text.strip() or isinstance(_DECODER.decode(text), dict)
            except OverflowError as error:
                return number, str(error)
            except (ValueError, RecursionError):
                sound = False
            if not sound:
                text = line.decode(errors="replace").strip()
                return number, f"{shown(text)} is not a JSON object; correct the line"
    return None


def _integer(text: str) -> int:
    # Up to 38 digits always fit.
    if len(text) > 38 and not -(2**127) <= Decimal(text) < 2**127:
        raise OverflowError(
            f"the integer {written_number(text)} does not fit 128 bits; write it with an exponent, "
            "as in 1e45"
        )
    return 0


def _float(text: str) -> float:
    if math.isinf(float(text)):
        raise OverflowError(f"{written_number(text)} is beyond all floats; correct it")
    return 0.0


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and infinities, which are not part of JSON."""
    raise ValueError(constant)


# Checks whether a line can be read, by Polars' rules; the values are not used.
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_refuse)


class FileTable(FrameTable):
    """A Parquet, Arrow or NDJSON file."""

    def __init__(self, path: Path, name: str, kind: str) -> None:
        self._path, self._kind = path, kind
        super().__init__(_frame(path, name, kind), name)

    def _unreadable(self, error: BaseException) -> DataError:
        return _damage(self._path, self.name, self._kind, error)


def _open_handle(handle: Any, csv: dict[str, str | None]) -> Table:
    """Return the table of a copy of an open file, whose format is found from its contents."""
    name = getattr(handle, "name", None)
    name = name if isinstance(name, str) else "the open file"
    temporary = _TemporaryFile(name)
    temporary.fill(_parts_of_handle(handle, name))
    if (packed := _packed(_begin(temporary.path))) is not None:
        temporary = _decompressed(temporary.path, packed, name)
    begin = _begin(temporary.path).removeprefix(codecs.BOM_UTF8).lstrip()
    if not begin:
        raise DataError(f"{name} is empty, or was read to its end; open it anew, or seek(0)")
    kind = next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), "csv")
    return _open(temporary.path, name, kind, csv, temporary)


def _parts_of_handle(handle: IO[Any], name: str) -> Iterator[bytes]:
    try:
        while part := handle.read(1 << 20):
            if not isinstance(part, bytes | bytearray | memoryview):
                raise ParameterError(f"{name} is open as text; open it in binary mode, 'rb'")
            yield bytes(part)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _packed(begin: bytes) -> str | None:
    return "gzip" if begin[:2] == b"\x1f\x8b" else "zstd" if begin[:4] == _ZSTD else None


def _decompressed(path: Path, packed: str, name: str) -> _TemporaryFile:
    """Return a temporary file with the decompressed contents; DataError if they are damaged."""
    temporary = _TemporaryFile(name)
    if packed == "gzip":
        temporary.fill(_parts_of_gzip(path, name))
        return temporary
    with temporary.writing():
        try:
            _core.decompress_zstd(path, temporary.path)
        except DataError as error:
            raise _not_readable(name, packed, error) from error
    return temporary


def _parts_of_gzip(path: Path, name: str) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as source:
            while part := source.read(1 << 20):
                yield part
    except (OSError, EOFError, zlib.error) as error:
        raise _not_readable(name, "gzip", error) from error


def _not_readable(name: str, packed: str, error: Exception) -> DataError:
    return DataError(f"{name}: not readable as {packed} ({error}); compress it anew")


def opened(static: Any) -> Any:
    """Return the argument ``static``; a ``Path`` becomes the table of its file."""
    is_path = isinstance(static, os.PathLike)
    return open_files(static, separator=None, comment=None) if is_path else static
