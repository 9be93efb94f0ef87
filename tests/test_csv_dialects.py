"""CSV files as they are found: separators, decimal commas, words for missing values, comments."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from conftest import Write, read_error

from rnn_rust import Dataset
from rnn_rust.errors import DataError, ParameterError


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("given", [True, False])
def test_separators(write: Write, separator: str, given: bool) -> None:
    text = 'id,t,x1,"note, long",y1\na,1,0.5,"x,y;z",0\nb,1,1.5,,1\n'
    quoted = text.replace(",", separator).replace(f'"note{separator} long"', '"note, long"')
    path = write(quoted.replace(f"x{separator}y", "x,y"))
    data = Dataset.from_csv(path, separator=separator if given else None)
    assert data.features.tolist() == [[0.5], [1.5]]
    assert data.labels.tolist() == [[0], [1]]
    assert data.left_out == ("note, long",)


def test_a_separator_of_ones_own(write: Write) -> None:
    path = write("id|t|x1|y1\na|1|0.5|0\n")
    assert Dataset.from_csv(path, separator="|").features.tolist() == [[0.5]]
    for wrong in ("||", "", '"', "\n", "é", 1):
        with pytest.raises(ParameterError, match="separator must be one ASCII character"):
            Dataset.from_csv(path, separator=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0,5", "1.234,5"], [0.5, 1234.5]),
        (["0.5", "1e3"], [0.5, 1000]),
        (["0,5", "-3"], [0.5, -3]),
        (["0,5", "1.234.567,25"], [0.5, 1_234_567.25]),
        (["-0,5e-3", ",25"], [-0.0005, 0.25]),
        (["0,5", "true"], [0.5, 1]),
    ],
)
def test_decimal_commas(write: Write, cells: list[str], numbers: list[float]) -> None:
    path = write("id;t;x1;y1\n" + "".join(f"a;{n};{cell};0\n" for n, cell in enumerate(cells)))
    assert Dataset.from_csv(path).features[:, 0].tolist() == numbers


def test_decimal_commas_that_cannot_be_read(write: Write) -> None:
    path = write("id;t;x1;y1\na;1;0,5;0\na;2;1.234;1\n")
    assert read_error(path).startswith("line 3, column 'x1': '1.234' is 1234 or 1.234, and other")
    path = write("id;t;x1;y1\na;1;0,5;0\na;2;1,2,3;1\n")
    assert read_error(path).startswith("line 3, column 'x1': '1,2,3' is not a number")
    path = write("id;t;x1;y1\na;1;0,5;0\na;2;2.5;1\n")
    assert read_error(path).startswith("line 3, column 'x1': '2.5' has a decimal point, and other")
    path = write("id;t;x1;y1\na;1;0,5;0\na;2;v2.5;1\n")
    assert read_error(path).startswith("line 3, column 'x1': 'v2.5' is not a number")
    path = write('id,t,x1,y1\na,1,"0,5",0\n')
    assert read_error(path).startswith("line 2, column 'x1': '0,5' is not a number")


WORDS = ["", "NA", "N/A", "#N/A", "NULL", "null", "NaN", "nan", "None", " NA "]


@pytest.mark.parametrize("word", WORDS)
def test_words_for_missing_labels(write: Write, word: str) -> None:
    path = write(f"id,t,x1,y1\nNA,1,true,0\nNA,2,FALSE,{word}\nb,1,True,1\n")
    data = Dataset.from_csv(path)
    np.testing.assert_array_equal(data.labels[:, 0], [0, np.nan, 1])
    assert data.features[:, 0].tolist() == [1, 0, 1]
    assert data.ids.tolist() == ["NA", "b"]  # of Namibia, say


def test_a_missing_feature_is_named(write: Write) -> None:
    message = read_error(write("id,t,x1,y1\na,1,0,0\na,2,NA,1\n"))
    assert message.startswith("line 3, column 'x1': 'NA' stands for a missing value; give a finite")


def test_blocks_with_words_are_read_like_others(write: Write) -> None:
    """Only some blocks of a large file have words in them."""
    rows = 200_000
    x, y = np.arange(rows) % 97 / 8, np.arange(rows) % 3.0
    lines = [f"{n // 50},{n},{x[n]},{y[n]:g}" for n in range(rows)]
    lines[150_000] = "3000,150000,true,NA"
    x[150_000], y[150_000] = 1, np.nan
    data = Dataset.from_csv(write("\n".join(["id,t,x1,y1", *lines]) + "\n"), dtype="float32")
    np.testing.assert_array_equal(data.features[:, 0], x.astype(np.float32))
    np.testing.assert_array_equal(data.labels[:, 0], y.astype(np.float32))


def test_comments(write: Write) -> None:
    text = '# by a logger\n#,,\nid,t,x1,y1\na,1,0.5,0\n# a break, "of" 5 minutes\na,2,b,1\n#end'
    path = write(text)
    assert read_error(path, comment="#").startswith("line 6, column 'x1': 'b' is not a number")
    data = Dataset.from_csv(write(text.replace("b,1", "1.5,1")), comment="#")
    assert data.features[:, 0].tolist() == [0.5, 1.5]
    assert data.row_numbers.tolist() == [0, 1]
    # Without the request the first line is the header.
    assert "columns seen" in read_error(write(text))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_at_the_borders_of_chunks(write: Write, end: str) -> None:
    lines = ["id,t,x1,y1"]
    for n in range(60_000):
        lines += [f"a,{n},{n / 4},0"] + ["#" + "c" * (n % 40)] * (n % 3 == 0)
    data = Dataset.from_csv(write(end.join(lines) + end), comment="#")
    assert data.features[:, 0].tolist() == [n / 4 for n in range(60_000)]


def test_a_column_without_a_name_goes_by_its_position(write: Write) -> None:
    path = write(",t,x1,,y1\n7,1,0.5,3,0\n8,2,0.6,4,1\n")
    data = Dataset.from_csv(path)
    assert data.feature_names == ("x1",)
    assert data.left_out == ("column_1", "column_4")
    assert Dataset.from_csv(path, features=["column_4"]).features.tolist() == [[3], [4]]
    assert Dataset.from_csv(path, id="column_1").ids.tolist() == [7, 8]


def test_no_column_is_taken_by_its_first_letter(write: Write) -> None:
    text = "card,when,amount,fraud_flag,latitude,year,x1\na,2024-01-01,1,0,2,3,4\n"
    message = read_error(write(text))
    assert "no time column ('t')" in message
    message = read_error(write(text), id="card", time="when")
    assert "no label column" in message
    assert "'amount', 'fraud_flag', 'latitude', 'year', 'x1'" in message
    data = Dataset.from_csv(write(text), id="card", time="when", labels="fraud_flag")
    assert (data.feature_names, data.label_names) == (("x1",), ("fraud_flag",))
    assert data.left_out == ("amount", "latitude", "year")


def test_a_name_that_is_mistaken_gets_a_suggestion(write: Write) -> None:
    path = write("card,when,amount,fraud\na,1,2,0\n")
    options: dict[str, Any] = {"id": "card", "time": "when", "features": "amuont"}
    with pytest.raises(DataError, match=r"no column 'amuont', .*; did you mean 'amount'\?"):
        Dataset.from_csv(path, **options)


def test_what_to_do_about_a_label_that_is_no_number(write: Write) -> None:
    path = write("id,t,x1,label\na,1,0.5,yes\na,2,1.5,no\n")
    assert "or name the column with labels (--labels on the command line)" in read_error(path)
    assert Dataset.from_csv(path, labels="label").label_levels == {"label": ("no", "yes")}
    path = write("id,t,x1,label\na,1,0.5,yes\na,2,1.5,1\n")
    with pytest.raises(
        DataError, match=r"'yes' is not a number; correct the cell .a label is a nu"
    ):
        Dataset.from_csv(path, labels="label")


def test_a_csv_file_is_a_path() -> None:
    with pytest.raises(ParameterError, match=r"a CSV file is given by its path, not 5$"):
        Dataset.from_csv(5)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="path, not a BytesIO; from_file takes open files"):
        Dataset.from_csv(io.BytesIO(b"id,t,x1,y1"))  # type: ignore[arg-type]
