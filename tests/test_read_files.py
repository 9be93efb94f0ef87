"""Every kind of file: the same values, also compressed, open, or in several."""

from __future__ import annotations

import codecs
import datetime
import errno
import gzip
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sources import TABLE, assert_same

from rnn_rust import Dataset
from rnn_rust.errors import DataError, MissingFileError, ParameterError


def write_ipc_stream(path: Path) -> None:
    TABLE.write_ipc_stream(path)


def write_csv(path: Path) -> None:
    TABLE.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


FILES: dict[str, Callable[[Path], object]] = {
    "table.csv": write_csv,
    "table.tsv": write_csv,
    "table.txt": write_csv,
    "table.parquet": TABLE.write_parquet,
    "table.arrow": TABLE.write_ipc,
    "table.feather": TABLE.write_ipc,
    "stream.arrow": write_ipc_stream,
    "table.ndjson": TABLE.write_ndjson,
}


def zstd(path: Path) -> Path:
    packed = path.with_name(path.name + ".zst")
    packed.write_bytes(pa.compress(path.read_bytes(), codec="zstd", asbytes=True))
    return packed


def gz(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


@pytest.mark.parametrize("pack", [None, gz, zstd])
@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path: Path, name: str, pack: Callable[[Path], Path] | None) -> None:
    path = tmp_path / name
    FILES[name](path)
    path = path if pack is None else pack(path)
    # NDJSON has dates as text, without the digits of a CSV file.
    assert_same(Dataset.from_file(path))
    assert_same(Dataset.from_file(str(path)))
    with path.open("rb") as file:
        assert_same(Dataset.from_file(file))
    assert_same(Dataset.from_file(io.BytesIO(path.read_bytes())))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_several_files_are_one_table(tmp_path: Path, suffix: str) -> None:
    for number in (0, 1):
        # The second has its columns in another order.
        part = TABLE[2 * number : 2 * number + 2].select(
            sorted(TABLE.columns, reverse=bool(number))
        )
        write = part.write_csv if suffix == ".csv" else part.write_parquet
        write(tmp_path / f"part-{number}{suffix}")
    assert_same(Dataset.from_file(tmp_path / f"part-*{suffix}"))
    paths = sorted(tmp_path.iterdir())
    assert_same(Dataset.from_file(paths))
    paths[1].with_suffix(".csv").write_text("id,t,x1,x2,y1\nb,2024-01-05 12:00:00,bad,1,1\n")
    if suffix == ".csv":
        message = r"part-1\.csv, line 2, column 'x1': 'bad' is not a number"
        with pytest.raises(DataError, match=message):
            Dataset.from_file(tmp_path / "part-*.csv")
        paths[1].write_text("id,t,x1,y1\nb,2024-01-05,1,1\n")
        with pytest.raises(DataError, match=r"part-1\.csv: no column 'x2', which .*part-0"):
            Dataset.from_file(paths)


def test_ids_of_several_files_are_numbers_only_if_all_are(tmp_path: Path) -> None:
    for name, key in (("a.csv", "7"), ("b.csv", "x")):
        (tmp_path / name).write_text(f"id,t,x1,y1\n{key},1,1,1\n")
    assert Dataset.from_file(tmp_path / "*.csv").ids.tolist() == ["7", "x"]
    assert Dataset.from_file(tmp_path / "a.csv").ids.tolist() == [7]


def test_days_of_one_file_and_numbers_of_another_are_no_common_time(tmp_path: Path) -> None:
    table = pl.DataFrame({"t": [1, 2], "x1": [1.0, 2.0]})
    table.write_parquet(tmp_path / "a.parquet")
    days = pl.Series([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)])
    table.with_columns(t=days).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="ids or times have other types in some files"):
        Dataset.from_file(tmp_path / "*.parquet", labels=[])


def test_files_without_a_label_yet_go_with_those_that_have_classes(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("t,x1,kind\n1,1,walk\n2,2,run\n")
    (tmp_path / "2.csv").write_text("t,x1,kind\n3,3,\n4,4,NA\n")
    paths = [tmp_path / f"{number}.csv" for number in (1, 2, 3)]
    for some in (paths[:2], paths[1::-1]):
        data = Dataset.from_file(some, features="x1", labels="kind")
        assert data.label_levels == {"kind": ("run", "walk")}
        np.testing.assert_array_equal(data.labels.ravel(), [1, 0, np.nan, np.nan])
    for numbers in ("5,3,7\n", "5,3,7\n6,3,\n"):
        (tmp_path / "3.csv").write_text(f"t,x1,kind\n{numbers}")
        with pytest.raises(DataError, match=r"'kind' is text in some .*; write its labels alike"):
            Dataset.from_file(paths, features="x1", labels="kind")


def test_only_needed_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.ndjson"
    path.write_text('{"id":1,"t":1,"x1":1,"y1":0,"z":[1]}\n{"id":1,"t":2,"x1":1,"y1":0,"z":[2]}\n')
    assert Dataset.from_file(path).left_out == ("z",)
    frame = TABLE.lazy().with_columns(note=pl.col("note").str.to_integer())  # fails if it is read
    assert_same(Dataset.from_frame(frame))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def refused(path: Any, error: type[Exception], message: str, content: bytes = b"") -> None:
        if isinstance(path, str):
            path = tmp_path / path
            path.write_bytes(content)
        with pytest.raises(error, match=message) as caught:
            Dataset.from_file(path)
        assert "rnn-rust-" not in str(caught.value)  # the name of a temporary file

    csv = b"id,t,x1,y1\na,1,1,2\n"
    refused("table.xlsx", DataError, r"its name does not say what it is; use \.csv", b"x")
    refused("table", DataError, "its name does not say what it is", b"x")
    refused("table.gz", DataError, "its name does not say what it is", gzip.compress(csv))
    refused("broken.parquet", DataError, "not readable as parquet", b"PAR1 nothing")
    sound = b'{"id": 1, "t": 1, "x1": 1, "y1": 0}\n'
    for line in (b'{"id": 1,', b"[1]", b"5", b'{"id": 1, "t": NaN}', b"\xff"):
        message = r"broken\.ndjson, line 3: .* is not a JSON object; correct the line"
        refused("broken.ndjson", DataError, message, sound + b"\n" + line + b"\n" + sound)
    table, damaged = io.BytesIO(), r"\((?!.*spec).*\); write the file anew"
    TABLE.write_ipc(table)
    for name in ("cut.arrow", "cut.feather"):
        refused(name, DataError, f"not readable as arrow {damaged}", table.getvalue()[:-9])
    stream = io.BytesIO()
    TABLE.write_ipc_stream(stream)
    for length in (10, 99, 200, len(stream.getvalue()) // 2):
        refused(
            "cut.ipc", DataError, f"not readable as arrow {damaged}", stream.getvalue()[:length]
        )
    refused("cut.csv.gz", DataError, "not readable as gzip", gzip.compress(csv * 999)[:-20])
    refused("no.csv.gz", DataError, "not readable as gzip", csv)
    refused("no.csv.zst", DataError, "not readable as zstd", csv)
    packed = pa.compress(csv * 999, codec="zstd", asbytes=True)
    refused("cut.csv.zst", DataError, "not readable as zstd", packed[:-9])
    refused(
        "bad.csv.gz",
        DataError,
        r"bad.csv.gz, line 2, column 'x1'",
        gzip.compress(csv.replace(b"1,2", b"b,2")),
    )
    refused("utf16.csv", DataError, "the text is UTF-16", csv.decode().encode("utf-16"))
    refused("decimal.csv", DataError, "line 2: the row is too long", b"id,t,x1,y1\na,1,0,5,2\n")
    empty = tmp_path / "empty.parquet"
    TABLE.clear().write_parquet(empty)
    refused(empty, DataError, "there are no rows")
    refused(tmp_path / "nothing.csv", MissingFileError, "there is no such file")
    refused(tmp_path / "none-*.csv", MissingFileError, "no file fits the pattern")
    refused(io.BytesIO(b""), DataError, "the open file is empty, or was read to its end")
    refused(io.StringIO("id"), ParameterError, "is open as text")
    refused(7, ParameterError, "from_file takes a path")
    refused([], ParameterError, "from_file takes a path")


def test_what_stands_in_front_of_ndjson(tmp_path: Path) -> None:
    path, row = tmp_path / "table.ndjson", '{"id": 1, "t": 1, "x1": 2.5, "y1": 0}\n'
    path.write_bytes(codecs.BOM_UTF8 + row.encode())
    assert Dataset.from_file(path).features.tolist() == [[2.5]]
    assert Dataset.from_file(io.BytesIO(path.read_bytes())).features.tolist() == [[2.5]]
    path.write_bytes(row.encode("utf-16"))
    with pytest.raises(DataError, match=r"ndjson: the text is UTF-16; save the file in UTF-8"):
        Dataset.from_file(path)
    path.write_bytes(row.encode() + codecs.BOM_UTF8 + row.encode())
    with pytest.raises(DataError, match=r"line 2: '\\ufeff\{.*' is not a JSON object"):
        Dataset.from_file(path)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (str(2**127), f"line 2: the integer {2**127} does not fit 128 bits; write it with"),
        (f"-{10**44}", f"line 2: the integer -{10**44} does not fit 128 bits; write it with"),
        (
            "9" * 10**5,
            "line 2: the integer 999999999999999999999999999...9999999999999999999999999999",
        ),
        ("1e400", "line 2: 1e400 is beyond all floats; correct it"),
        (str(2**127 - 1), ""),
        ("1e308", ""),
    ],
)
def test_numbers_of_ndjson_that_nothing_holds_are_named(
    tmp_path: Path, number: str, message: str
) -> None:
    path, row = tmp_path / "table.ndjson", '{{"id": 1, "t": {}, "x1": {}, "y1": 0}}\n'
    path.write_text(row.format(1, 1) + row.format(2, number))
    if message:
        with pytest.raises(DataError, match=re.escape(message)):
            Dataset.from_file(path)
    else:
        assert Dataset.from_file(path).features.tolist() == [[1.0], [float(number)]]


def test_a_panic_of_polars_at_a_damaged_file_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(*args: Any, **kwargs: Any) -> None:
        raise pl.exceptions.PanicException("called `Option::unwrap()` on a `None` value")

    path = tmp_path / "table.parquet"
    TABLE.write_parquet(path)
    damaged = r"table\.parquet: not readable as parquet \(it is damaged, .*; write the file anew"
    for at_fault in ("collect", "collect_schema"):
        with monkeypatch.context() as patched:
            patched.setattr(pl.LazyFrame, at_fault, panic)
            with pytest.raises(DataError, match=damaged):
                Dataset.from_file(path)


def test_temporary_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = b"id,t,x1,y1\na,1,1,2\n"
    assert len(Dataset.from_file(io.BytesIO(gzip.compress(content)))) == 1
    with pytest.raises(DataError):
        Dataset.from_file(io.BytesIO(content + b'a,"2\n'))
    assert list(tmp_path.iterdir()) == []


def test_several_zstandard_frames_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.zst"
    parts = (b"id,t,x1,y1\na,1,1,2\n", b"a,2,3,4\n" * 1)
    path.write_bytes(b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in parts))
    assert Dataset.from_file(path).features.tolist() == [[1], [3]]


def test_a_folder_may_have_the_name_of_a_kind_of_file(tmp_path: Path) -> None:
    folder = tmp_path / "export.tsv.old"
    folder.mkdir()
    (folder / "a.csv").write_text("t,x1\n1,2\n")
    assert Dataset.from_file(folder / "a.csv", labels=[]).features.tolist() == [[2.0]]
    (folder / "empty.ndjson").touch()
    with pytest.raises(DataError, match=r"empty\.ndjson is empty; it needs a row"):
        Dataset.from_file(folder / "empty.ndjson")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files")
def test_a_temporary_copy_without_a_place_is_told_apart_from_damage(tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that is full."""
    import resource

    path = tmp_path / "table.csv"
    path.write_text("id,t,x1,y1\n" + "".join(f"1,{at},{at},{at}\n" for at in range(5000)))
    packed = [gz(path), zstd(path)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for give in (packed[0], packed[1], io.BytesIO(packed[0].read_bytes())):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            with pytest.raises(
                DataError, match=r"cannot write a temporary copy to .*; free"
            ) as told:
                Dataset.from_file(give)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "File too large" in str(told.value)
        assert "compress it anew" not in str(told.value)


def test_an_open_file_that_fails_is_told_apart_too() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(DataError, match="the open file cannot be read: Input/output error"):
        Dataset.from_file(Broken())
