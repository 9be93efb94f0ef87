"""Quotes, line ends and blanks in CSV files: the rows are those of Python's csv, or refused."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import Write

from rnn_rust import Dataset
from rnn_rust.errors import DataError


def read_error(path: Path, **columns: str) -> str:
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, **columns)
    return str(caught.value).removeprefix(str(path)).lstrip(", ")


NOTES = "id,t,x1,note,y1\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ['a,1,0.1,"size 3\\" pipe",1', "a,2,0.2,ok,1", 'b,1,0.3,"size 4\\" pipe",0'],
            "line 2: text follows the closing quote of a cell; double each quote",
        ),
        (
            ['a,1,0.1,"3"",1', "a,2,0.2,ok,1", 'b,1,0.3,"4"",0', "b,2,0.4,ok,1"],
            "line 4: text follows the closing quote of a cell, which begins on line 2; double",
        ),
        (
            ["a,1,0.1,ok,1", 'a,2,0.2,valve 3",1', "b,1,0.3,ok,0"],
            "line 3: a quote stands inside a cell that does not begin with one;",
        ),
        (['a,1,0.1, "ok",1'], "line 2: a quote stands inside a cell"),
        (['a,1,0.1,"ok" ,1'], "line 2: text follows the closing quote"),
        (["a,1,0.1,ok,1", 'a,2,0.2,"ok,1', "a,3,0.3,ok,1"], "line 3: the quote that opens a cell"),
        (['a,1,0.1,"o\nk",1', 'a,2,0.2,"ok",1,7'], "line 4: the row is too long: 6 cells where"),
        (['a,1,0.1,"ok",1', "a,2,0.2"], "line 3: the row is too short: 3 cells where"),
        (['a,1,0.1,"ok",1', ",,,,,"], "line 3: the row is too long: 6 cells"),
        (["a,1,0.1,ok,1", "a,2,0.2,o\rk,1"], "line 3: the line ends with a carriage return alone"),
        (["a,1,0.1,ok,1\r\r"], "line 2: the line ends with a carriage return alone"),
    ],
)
def test_rows_that_are_no_csv_are_refused_with_their_line(
    write: Write, rows: list[str], message: str
) -> None:
    assert read_error(write(NOTES + "\n".join(rows) + "\n")).startswith(message)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_comma_in_an_unused_column_does_not_shift_the_columns_after_it(
    write: Write, end: str
) -> None:
    rows = ["x1,t,y1,note,id", "0,0,0,,a", "1,1,1,o,k,a", "2,2,2,ok,a"]
    assert read_error(write(end.join(rows))).startswith("line 3: the row is too long: 6 cells")


def test_a_carriage_return_at_the_very_end_is_refused(write: Write) -> None:
    assert read_error(write(NOTES + "a,1,0.1,ok,1\r")).startswith(
        "line 2: the line ends with a carr"
    )


def test_quotes_that_are_doubled_are_read(write: Write) -> None:
    rows = 'a,1,0.1,"3"" pipe",1\r\na,2,0.2,"""",1\r\n\r\n"b",1,"0.3","4"",\n""5",0\r\nb,2,0.4,"",1'
    ds = Dataset.from_csv(write(NOTES + rows))
    assert ds.features[:, 0].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert ds.labels[:, 0].tolist() == [1, 1, 0, 1]
    assert ds.ids.tolist() == ["a", "b"]
    assert ds.row_numbers.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("header", "features"),
    [
        ('id,t,"x1 ""raw""",y1', ('x1 "raw"',)),
        ('id, t, "x1, upper", y1', ("x1, upper",)),
        (",,,\nid,t,x1,y1", ("x1",)),
        ('"","",,\n\nid,t,"x1\n(mm)",y1\n\n\n""\n,,', ("x1\n(mm)",)),
    ],
)
def test_headers(write: Write, header: str, features: tuple[str, ...]) -> None:
    path = write(header + "\na,1,0.5,0\na,2,0.6,1\n")
    ds = Dataset.from_csv(path, features=features)
    assert (ds.id_name, ds.time_name, ds.label_names) == ("id", "t", ("y1",))
    assert ds.feature_names == features
    assert ds.features.tolist() == [[0.5], [0.6]]


def test_lines_are_counted_from_the_beginning_of_the_file(write: Write) -> None:
    content = ',,,\n\nid,t,"x\n1",y1\n\na,1,0.5,0\n\na,2,bad,0\n'
    assert read_error(write(content), features="x\n1").startswith(
        "line 8, column 'x\\n1': 'bad' is not a number"
    )


def test_a_row_with_text_in_an_unused_column_alone_is_named(write: Write) -> None:
    content = NOTES + "\na,1,0.1,ok,1\n\n,,,hello,\n"
    assert read_error(write(content)).startswith("line 5, column 'x1': the cell is empty")


def test_rows_that_polars_does_not_find_are_an_error(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(NOTES + 'a,1,0.1,"ok",1\na,2,0.2,ok,0\n')
    collect = pl.LazyFrame.collect
    monkeypatch.setattr(pl.LazyFrame, "collect", lambda frame: collect(frame).head(1))
    assert read_error(path).startswith(": the file has 2 rows, of which Polars reads 1;")


# Random files --------------------------------------------------------------------------------

COLUMNS = ["id", "t", "x1", "note", "y1"]
TEXTS = ["ok", "", "a b", "a, b", '3" pipe', '"', '""', "two\nlines", "two\r\nlines", "é\0", " "]
FAULTS = ['"', '\\"', "\n", "\r", "\r\n", ",", '""', ' "', '" ', "\0", "x", "\n\n", ',"', '",']


def random_file(rng: random.Random) -> str:
    """A table whose every row differs, written well, then damaged in half of the cases."""
    columns = rng.sample(COLUMNS, 5)
    end = rng.choice(["\n", "\n", "\r\n"])
    count = rng.choice([*range(12), rng.randrange(20, 200), rng.randrange(200, 4000)])
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    texts = rng.choice([TEXTS, TEXTS, ["ok", "", "no quotes"]])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    writer.writerow(columns)
    for row in range(count):
        cells = {"id": f"s{row % 3}", "t": row, "x1": row / 8, "note": rng.choice(texts)}
        cells["y1"] = rng.choice(["", row % 7]) if columns[-1] == "y1" else row % 7
        writer.writerow([cells[name] for name in columns])
        if rng.random() < 0.02:
            out.write(rng.choice([end, ",,,," + end, '""' + end]))
    text = out.getvalue()
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        at = rng.randrange(len(text) + 1)
        cut = at + rng.choice([0, 0, 1, 3])
        text = text[:at] + rng.choice(FAULTS) + text[cut:]
    if rng.random() < 0.3:
        text = text.rstrip("\r\n")
    return rng.choice(["", "", "\ufeff", "\n", ",,,,\n"]) + text


def expected_rows(text: str) -> list[dict[str, str]] | None:
    """The rows as Python's csv reads them, None if it does not or if a row has another width."""
    # As the package does: the header alone may have blanks before a cell.
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    try:
        header = next(
            cells for cells in csv.reader(lines, strict=True, skipinitialspace=True) if any(cells)
        )
        rows = [cells for cells in csv.reader(lines, strict=True) if any(cells)]
    except (csv.Error, StopIteration):
        return None
    if any(len(cells) != len(header) for cells in rows):
        return None
    return [dict(zip((name.strip() for name in header), cells, strict=True)) for cells in rows]


def check_file(seed: int, path: Path) -> str:
    """Compare one file; return "read" or "refused"."""
    text = random_file(random.Random(seed))
    path.write_text(text, encoding="utf-8", newline="")
    rows = expected_rows(text)
    try:
        ds = Dataset.from_csv(path, id="id")
    except DataError as error:
        message = str(error).removeprefix(str(path))
        whole = (": there are no rows", " is empty", ": no ", ": columns ")
        assert message.startswith((", line ", *whole)), (seed, message)
        return "refused"
    assert rows is not None, seed
    place = np.argsort(ds.row_numbers)
    ids = np.repeat(ds.ids, np.diff(ds.offsets))[place]
    read = zip(ids, ds.times[place], ds.features[place], ds.labels[place], strict=True)
    assert len(rows) == len(place), seed
    for row, (key, time, x, y) in zip(rows, read, strict=True):
        assert (str(key), float(time)) == (row["id"], float(row["t"])), seed
        assert x.tolist() == [float(row[name]) for name in ds.feature_names], seed
        labels = [float(row[name].strip() or "nan") for name in ds.label_names]
        np.testing.assert_array_equal(y, labels, err_msg=str(seed))
    return "read"


def test_random_files_are_read_as_python_reads_them_or_refused(tmp_path: Path) -> None:
    outcomes = [check_file(seed, tmp_path / "data.csv") for seed in range(400)]
    assert min(outcomes.count("read"), outcomes.count("refused")) > 100
