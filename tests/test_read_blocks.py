"""Reading CSV files block by block, into numbers of either dtype."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Write, read_error
from hypothesis import given
from hypothesis import strategies as st

from rnn_rust import Dataset, _core
from rnn_rust.data import csv_file
from rnn_rust.errors import DataError, ParameterError

HEADER = "id,t,x1,x2,y1\n"


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype(np.float64)])
def test_numbers_are_kept_in_the_dtype_asked_for(write: Write, dtype: Any) -> None:
    path = write("id,t,x,y,w\n1,0,0.1,1e-3,0.7\n1,1,-3e38,,0.2\n")
    columns: dict[str, Any] = {"features": ["x"], "labels": "y", "weights": "w", "dtype": dtype}
    frame = pl.read_csv(path)
    for ds in (Dataset.from_csv(path, **columns), Dataset.from_frame(frame, **columns)):
        assert ds.weights is not None
        assert {ds.features.dtype, ds.labels.dtype, ds.weights.dtype} == {np.dtype(dtype)}
        np.testing.assert_array_equal(ds.features, np.array([[0.1], [-3e38]], dtype))
        np.testing.assert_array_equal(ds.labels, np.array([[1e-3], [np.nan]], dtype))
        np.testing.assert_array_equal(ds.weights, np.array([0.7, 0.2], dtype))
        assert ds.subset([0]).features.dtype == np.dtype(dtype)


@pytest.mark.parametrize("column", ["x", "y", "w"])
def test_numbers_too_large_for_float32_are_named(write: Write, column: str) -> None:
    cells = {"x": "1", "y": "1", "w": "1"} | {column: "1e39"}
    path = write("id,t,x,y,w\n1,0,1,1,1\n1,1," + ",".join(cells.values()) + "\n")
    columns: dict[str, Any] = {"features": ["x"], "labels": "y", "weights": "w"}
    message = read_error(path, **columns, dtype="float32")
    assert message.startswith("line 3")
    assert f"column '{column}'" in message
    assert "1e39 is too large for float32" in message
    assert len(Dataset.from_csv(path, **columns).features) == 2
    with pytest.raises(DataError, match=r"row 1.*too large for float32"):
        Dataset.from_frame(pl.read_csv(path), **columns, dtype="float32")


@pytest.mark.parametrize("dtype", ["float16", "int64", "double precision", 32, int])
def test_other_dtypes_are_refused(write: Write, dtype: Any) -> None:
    path = write(HEADER + "a,0,1,2,0\n")
    with pytest.raises(ParameterError, match="dtype must be 'float32' or 'float64', got"):
        Dataset.from_csv(path, dtype=dtype)
    with pytest.raises(ParameterError, match="dtype must be 'float32' or 'float64', got"):
        Dataset.from_frame(pl.read_csv(path), dtype=dtype)


BLANK_ROWS = ("\n", ",,,,\n", '"",,"",,\n')


@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_a_file_of_many_blocks(write: Write, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Blank rows and quoted line feeds stand at the boundaries of blocks of every size."""
    generator = random.Random(7)
    rows, values = [], []
    for number in range(60):
        rows.append(f'"id\n{number // 4}",{number},{number},"{number / 3}",{-number}\n')
        values.append([number, number / 3])
        rows += generator.choices(BLANK_ROWS, k=generator.randrange(3))
    path = write(HEADER + "".join(rows).rstrip("\n") + ending)
    for size in (1, 30, 100, 1000, 1 << 20):
        monkeypatch.setattr(csv_file, "_BLOCK_BYTES", size)
        ds = Dataset.from_csv(path)
        np.testing.assert_array_equal(ds.features, values)
        np.testing.assert_array_equal(ds.labels[:, 0], [-row[0] for row in values])
        assert ds.ids.tolist() == [f"id\n{number}" for number in range(15)]
        assert ds.times.tolist() == list(range(60))


def test_a_bad_cell_of_a_late_block_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK_BYTES", 50)
    rows = [f"a,{number},1,2,3\n" for number in range(40)]
    for cell, problem in (("oops", "'oops'"), ("inf", "inf"), ("", "empty")):
        rows[33] = f"a,33,1,{cell},3\n"
        message = read_error(write(HEADER + "\n" + "".join(rows)))
        assert message.startswith("line 36, column 'x2'")
        assert problem in message


PLAIN_CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(-1000, 1000, places=5).map(str),
    st.sampled_from(["-0", "007", ".5", "5.", "1E5", "4.9e-324", "0.1e-400", "1e-5"]),
)
ODD_CELLS = st.sampled_from(["+1", " 2", "3 ", '"4"', "nan", "true", "1e999", "-inf", "1_0", "0x1"])


@given(st.lists(st.tuples(PLAIN_CELLS, PLAIN_CELLS), min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_plain_numbers_are_those_of_polars(rows: list[tuple[str, str]], end: str) -> None:
    text = "".join(f"a,{x},,{y}{end}" for x, y in rows).encode()
    features, labels = np.empty((len(rows), 2)), np.empty((len(rows), 1))
    found = _core.fill_from_csv(text, ord(","), [True, (0, 1), (1, 0), (0, 0)], [features, labels])
    assert found == (b"a\n" * len(rows), [False, True])
    schema = {"id": pl.String, "x2": pl.Float64, "y1": pl.Float64, "x1": pl.Float64}
    cells = pl.read_csv(text, has_header=False, schema=schema)
    bits = features.view(np.int64)
    np.testing.assert_array_equal(bits[:, 1], cells["x2"].to_numpy().view(np.int64))
    np.testing.assert_array_equal(bits[:, 0], cells["x1"].to_numpy().view(np.int64))
    assert np.isnan(labels).all()


@given(PLAIN_CELLS, ODD_CELLS)
def test_text_that_is_not_plain_is_left_to_polars(plain: str, odd: str) -> None:
    numbers = np.empty((1, 2))
    for row in (f"{plain},{odd}", f"{odd},{plain}", f"{plain}\n{plain},1", f"{plain},1,2"):
        assert _core.fill_from_csv(row.encode(), ord(","), [(0, 0), (0, 1)], [numbers]) is None
    # Rows that are too many or too few.
    for text in (b"1,2\n3,4", b"", b",\n"):
        assert _core.fill_from_csv(text, ord(","), [(0, 0), (0, 1)], [numbers]) is None


def test_text_that_is_not_utf8_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for cell in (b"\xff", b'"\xff"'):
        path.write_bytes(b"id,t,x1,y1,junk\n1,0,1,1," + cell + b"\n1,1,2,1,a\n")
        assert "line 2: not UTF-8 text" in read_error(path)


@pytest.mark.parametrize("where", ["cell", "comment", "error", "unclosed"])
def test_rows_of_a_large_file_are_found_by_several_threads(write: Write, where: str) -> None:
    """Near the middle of the file, where a second thread begins, stands a cell with line feeds."""
    half = [f"{row // 100},{row},0.123456789012345,1\n" for row in range(80_000)]
    cell = "\n5,5" * 200_000
    middle = {
        "cell": f'"{cell}",0,1,1\n',
        "comment": '# "note\n' * 200_000,
        "error": "1,1,1,1,1\n",
        "unclosed": f'"{cell}\n',
    }[where]
    path = write("id,t,x1,y1\n" + "".join(half) + middle + "".join(half).replace(",", "z,", 1))
    comment = "#" if where == "comment" else None
    if where in {"error", "unclosed"}:
        assert read_error(path).startswith("line 80002")
        return
    data = Dataset.from_csv(path, comment=comment, ties="keep")
    assert len(data.features) == 160_000 + (where == "cell")
    assert "0z" in data.ids
    assert (cell in data.ids) == (where == "cell")


def test_blocks_without_rows_lie_beside_others() -> None:
    numbers = np.zeros((4, 2))
    none = numbers[:0]
    assert _core.fill_rows([none[:, 0], none[:, 1]], none) == (True, True)
    found = _core.fill_from_csv(b"", ord(","), [(0, 0), (1, 0)], [none, numbers[:0]])
    assert found == (b"", [False, False])


@pytest.mark.timing
def test_many_columns_take_a_time_in_proportion_to_their_number(write: Write) -> None:
    def seconds(columns: int) -> float:
        names = [f"c{at}" for at in range(columns)]
        path = write(f"{','.join(names)}\n" + ",".join(map(str, range(columns))) + "\n")
        start = time.perf_counter()
        for part in ("features", "labels"):
            rest = {"features": names[0], "labels": []} | {part: names[:0:-1]}
            data = Dataset.from_csv(path, id=None, time=None, **rest)
            assert getattr(data, part)[0].tolist() == list(range(columns - 1, 0, -1))
        return time.perf_counter() - start

    few = min(seconds(2_000) for _ in range(3))
    assert seconds(20_000) < 30 * few
