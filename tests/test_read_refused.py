"""CSV files that cannot be read as they are: what is wrong, and where."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Write, read_error

from rnn_rust import Dataset
from rnn_rust.errors import DataError, MissingFileError, ParameterError

HEADER = "id,t,x1,x2,y1\n"
GOOD = "a,1,1,2,3\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,2,3,4\n", "line 3: the row is too short: 4 cells where the header has 5"),
        ("a,2,3,4", "line 3: the row is too short"),
        ("a,2,3,4,\na,5,6\n", "line 4: the row is too short"),
        ("a,2,3,4,5,6\n", "line 3: the row is too long: 6 cells"),
        ("a,2,3,4,5,\n", "line 3: the row is too long"),
        ("\n\na,2,abc,4,5\n", "line 5, column 'x1': 'abc' is not a number"),
        ('"b\nc",2,1,2,3\na,2,1,abc,5\n', "line 5, column 'x2': 'abc' is not a number"),
        ("a,2,3,4,fraud\n", "line 3, column 'y1': 'fraud' is not a number"),
        ("a,2,3,,5\n", "line 3, column 'x2': the cell is empty"),
        ('a,2,3,"",5\n', "line 3, column 'x2': the cell is empty"),
        ("a,2,3,nan,5\n", "line 3, column 'x2': the value is nan"),
        ("a,2,-inf,4,5\n", "line 3, column 'x1': the value is -inf"),
        ("a,2,1e999,4,5\n", "line 3, column 'x1': the value is inf"),
        ("a,2,3,4,inf\n", "line 3, column 'y1': the value is inf"),
        (",2,3,4,5\n", "line 3, column 'id': the cell is empty"),
        ('"",2,3,4,5\n', "line 3, column 'id': the cell is empty"),
        ("a,,3,4,5\n", "line 3, column 't': the cell is empty"),
        ("a,nan,3,4,5\n", "line 3, column 't': nan is not usable as a time"),
        (f"a,{10**19},3,4,5\n", f"line 3, column 't': {10**19} is not usable as a time"),
        ("a,noon,3,4,5\n", "line 3, column 't': 'noon' is not a time"),
        ("a,2024-01-31,3,4,5\n", "line 3, column 't': '2024-01-31' is not a time like '1', line 2"),
        ("b,1,3,4,5\na,1,3,4,5\n", "line 4: id 'a' has a row at time 1 already, line 2"),
        ("a,2,\x1b[31mred,4,5\n", r"line 3, column 'x1': '\x1b[31mred' is not a number"),
        ("a,2,\ufeff1,4,5\n", r"line 3, column 'x1': '\ufeff1' is not a number"),
        (f"a,2,{'z' * 10**6},4,5\n", f"line 3, column 'x1': '{'z' * 27}...{'z' * 28}' is not a"),
        ("a,\x00,3,4,5\n", r"line 3, column 't': '\x00' is not a time"),
        ("\x1b[31m,2,3,4,5\n\x1b[31m,2,3,4,5\n", r"line 4: id '\x1b[31m' has a row at time 2 alr"),
        ('a,2,3,4,5\n"a,3,4,5,6\n', "line 4: the quote that opens a cell here is never closed"),
        ('"' + "a" * 200_000 + "\n", "line 3: the quote that opens a cell here is never closed"),
    ],
)
def test_bad_rows(write: Write, rows: str, message: str) -> None:
    assert read_error(write(HEADER + GOOD + rows)).startswith(message)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["1/2/2024"], "line 2, column 't': '1/2/2024' is 1 February 2024 or 2 January 2024"),
        (["2024-31-01"], "line 2, column 't': '2024-31-01' is not a time"),
        (["2024-01-31", "7"], "line 3, column 't': '7' is not a time"),
        (["2024-01-31", "2024-02-01T00:00"], "line 3, column 't': '2024-02-01T00:00' has another"),
        (
            ["2024-01-01T00:00Z", "2024-02-01T00:00"],
            "line 3, column 't': '2024-02-01T00:00' has an",
        ),
    ],
)
def test_dates_that_have_no_order(write: Write, times: list[str], message: str) -> None:
    path = write(HEADER + "".join(f"a,{t},0,0,0\n" for t in times))
    assert read_error(path).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs a header line"),
        ("\n\r\n", "is empty; it needs a header line"),
        (HEADER, "there are no rows"),
        (HEADER.strip() + "\n\n\n", "there are no rows"),
        ("id|t|x1|y1\na|1|2|3\n", "no time column ('t'); columns seen: 'id|t|x1|y1'"),
        ("id,t,x1,x1,y1\na,1,2,3,4\n", "columns 3 and 4 are both named 'x1'"),
        ("card,t,x1,y1\na,1,2,3\nb,1,4,5\n", "line 3: the series has a row at time 1 already, "),
        ("id,time,x1,y1\na,1,2,3\n", "no time column ('t'); columns seen: 'id', 'time', 'x1'"),
        ("id,t,a,y1\na,1,2,3\n", "no feature column ('x' or 'f' and a number); columns seen: "),
        (
            "id,t,x1,a\na,1,2,3\n",
            "no label column ('y' or 'l' and a number, 'label' or 'target'); columns",
        ),
        ((HEADER + "b,1,1,2,3\nä,1,1,2,3\n").encode("latin-1"), "line 3: not UTF-8 text"),
        ((HEADER + GOOD).encode("utf-16"), "the text is UTF-16; save the file in UTF-8"),
        ((HEADER + GOOD).encode("utf-32"), "the text is UTF-32; save the file in UTF-8"),
        ((HEADER + GOOD).encode("utf-16-le"), "line 1: there are null characters, as in UTF-16"),
        ((HEADER + GOOD).encode("utf-16-be"), "line 1: there are null characters, as in UTF-16"),
        (
            "id,t,\x1b[31mx,y1\na,1,2,3\n",
            r"no feature column ('x' or 'f' and a number); columns seen: 'id', 't', '\x1b[31mx', ",
        ),
        ("id,t,\x1b,\x1b,y1\na,1,2,3,4\n", r"columns 3 and 4 are both named '\x1b'"),
        ((HEADER + GOOD).replace("\n", "\r"), "line 1: the line ends with a carriage return alone"),
        (HEADER + GOOD.replace("\n", "\r") * 3, "line 2: the line ends with a carriage"),
    ],
)
def test_bad_files(write: Write, content: str | bytes, message: str) -> None:
    assert read_error(write(content)).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": "card"}, "no column 'card', asked for as id; columns seen: 'id', 't', 'x1'"),
        ({"features": ["x1", "x9"]}, "no column 'x9', asked for as features;"),
        ({"features": []}, "no feature column"),
        ({"features": ["x1", "y1"], "labels": "y1"}, "column 'y1' is asked for as features, and"),
        ({"features": ["x1", "x1"]}, "column 'x1' is named twice in features; name it once"),
        ({"id": "x1", "time": "x1"}, "column 'x1' is asked for as id, and again as time"),
    ],
)
def test_bad_choices_of_columns(write: Write, columns: dict[str, object], message: str) -> None:
    assert read_error(write(HEADER + GOOD), **columns).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": 1}, "id must be the name of a column, got 1"),
        ({"time": ["t", 1]}, r"time must be column names, got \['t', 1\]"),
        ({"features": 7}, "features must be column names, got 7"),
        ({"labels": ["y1", 2]}, r"labels must be column names, got \['y1', 2\]"),
    ],
)
def test_column_names_are_text(write: Write, columns: dict[str, Any], message: str) -> None:
    path = write(HEADER + GOOD)
    with pytest.raises(ParameterError, match=message):
        Dataset.from_csv(path, **columns)
    with pytest.raises(ParameterError, match=message):
        Dataset.from_frame(pl.read_csv(path), **columns)


def test_a_column_that_is_not_there_is_taken_for_a_similar_one_without_a_role() -> None:
    def advice(wanted: str, *others: str, **roles: str) -> str:
        table = {name: [1] for name in ("card", "t", "y1", *others)}
        with pytest.raises(DataError) as caught:
            Dataset.from_frame(table, **{"id": "card", "features": wanted, **roles})
        return str(caught.value).rpartition("; ")[2]

    add = "correct the name, or add the column"
    assert advice("amount", "amuont") == "did you mean 'amuont'?"
    assert advice("cards") == add  # the id
    assert advice("abroad", "board") == "did you mean 'board'?"
    assert advice("abroad", "card2") == add  # not similar
    assert advice("y2", labels="y1") == add
    assert advice("tt") == add  # the time, by its default name
    assert advice("x1", "x1", id="crad") == "did you mean 'card'?"


def test_an_empty_cell_among_features_may_be_kept(write: Write) -> None:
    path = write("id,t,x1,y1\na,1,,3\n")
    message = read_error(path)
    assert "line 2, column 'x1': the cell is empty" in message
    assert "train it with missing='mean' or 'forward' (--missing mean on the comm" in message
    assert message.endswith("on data read with missing='keep'")
    assert np.isnan(Dataset.from_csv(path, missing="keep").features).all()
    # What no model fills: an infinite number, and a weight.
    assert read_error(write("id,t,x1,y1\na,1,inf,3\n")).endswith("or leave the row out")
    weighted = write("id,t,x1,y1,w\na,1,1,3,\n")
    assert read_error(weighted, weights="w").endswith("or leave the row out")
    with pytest.raises(DataError, match="a table read with missing='keep' may have gaps"):
        Dataset.from_arrays([1.0, np.nan], None, [0, 2])
    with pytest.raises(DataError, match="inf is not a finite number; correct it or leave the row"):
        Dataset.from_arrays([1.0, np.inf], None, [0, 2])


def test_advice_is_for_python_and_the_command_line(write: Write) -> None:
    message = read_error(write("card,t,x1\na,1,2\n"), id="card")
    advice = "name at least one with labels (--labels on the command line); labels=[] in Python"
    assert advice in message
    assert "time (--time on the command line)" in read_error(write("id,when,x1\na,1,2\n"))


def test_a_long_header_is_not_printed_in_full(write: Write) -> None:
    message = read_error(write(",".join(f"c{i}" for i in range(500)) + "\n"))
    assert "'c11', ... (500 in all)" in message


def test_a_row_short_of_an_unused_column_is_reported(write: Write) -> None:
    path = write("id,t,x1,y1,note\na,1,2,3,\na,2,3,4\n")
    assert read_error(path).startswith("line 3: the row is too short")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.csv: there is no such file"):
        Dataset.from_csv(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError):
        Dataset.from_csv("nowhere.csv")
    for path in (Path(__file__) / "below_a_file.csv", "with\0nul.csv"):
        with pytest.raises(MissingFileError):
            Dataset.from_csv(path)
    assert read_error(tmp_path).startswith("is a directory")
    assert read_error(Path(os.devnull)).startswith("is not a regular file")


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = write(HEADER + GOOD)
    monkeypatch.setattr(Path, "open", refuse)
    assert read_error(path).startswith("cannot be read: Permission denied; ")
