"""Columns that are categories: which are read as such, and their levels, from any table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from categories import FEATURES, dataset, frame

import rnn_rust as rnn
from rnn_rust.errors import DataError


def test_what_is_read_as_a_category(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    frame().write_csv(path)
    read = rnn.Dataset.from_csv(path, features=FEATURES, categories=["code"])
    assert read == dataset()
    assert read.levels == {
        "merchant": ("", "food", "fuel", "zoo"), "code": ("100", "200", "300"),
    }  # fmt: skip
    assert "category   merchant: 4 levels, , food, fuel, ..." in read.summary().splitlines()
    assert read.to_frame()["merchant"].to_list() == frame()["merchant"].to_list()
    assert rnn.Dataset.from_frame(read.to_frame(), features=FEATURES) == read
    pandas = frame().to_pandas().astype({"merchant": "category"})
    assert dataset(pandas).levels["merchant"] == read.levels["merchant"]
    numbers = rnn.Dataset.from_csv(path, features=FEATURES)
    assert list(numbers.levels) == ["merchant"]
    assert read.features.dtype == np.float64
    halves = tmp_path / "half-0.csv", tmp_path / "half-1.csv"
    frame()[:100].filter(pl.col("merchant") != "zoo").write_csv(halves[0])
    frame()[100:].filter(pl.col("merchant") != "food").write_csv(halves[1])
    both = rnn.Dataset.from_file(tmp_path / "half-*.csv", features=FEATURES, categories="code")
    together = pl.concat([pl.read_csv(half) for half in halves])
    assert both == dataset(together)


@pytest.mark.parametrize("cell", ["12a", "$5", "1 000", "1,5", "３"])
def test_text_like_numbers_is_no_category_by_itself(cell: str) -> None:
    table = frame(8).with_columns(amount=pl.lit(cell))
    with pytest.raises(DataError, match=r"is not a number; .* or name it in categories \(--cat"):
        dataset(table)
    assert dataset(table, categories=["amount", "code"]).levels["amount"] == (cell,)


def test_text_is_no_category_where_features_go_by_default() -> None:
    table = frame(8).select("id", "t", "y1", x1=pl.lit("text"))
    with pytest.raises(DataError, match="'text' is not a number"):
        rnn.Dataset.from_frame(table)
    assert rnn.Dataset.from_frame(table, features="x1").levels == {"x1": ("text",)}


def test_numbers_of_a_categorical_type_of_pandas_are_categories() -> None:
    table = frame().to_pandas()
    table["y1"] = (table["y1"] > 0).astype(int)
    plain = rnn.Dataset.from_frame(table, features=FEATURES, categories="code")
    typed = table.astype({"code": "category", "id": "category", "y1": "category"})
    assert rnn.Dataset.from_frame(typed, features=FEATURES) == plain


@pytest.mark.parametrize("cells", [["u", "v", "u", None], ["10", "7", "10", None]], ids=str)
@pytest.mark.parametrize("named", [{}, {"features": "x1", "labels": "y1"}])
def test_text_of_a_categorical_type_is_a_category_by_its_default_name(
    cells: list[Any], named: dict[str, Any]
) -> None:
    rows: dict[str, Any] = {"id": ["7", "7", "8", "8"], "t": [1, 2, 1, 2], "y1": [0, 1, 0, 1]}
    pandas = pd.DataFrame(rows | {"x1": cells}).astype({"x1": "category", "id": "category"})
    polars = pl.DataFrame(rows | {"x1": cells}).cast({"x1": pl.Categorical, "id": pl.Categorical})
    tables: list[Any] = [pandas, polars, polars.to_arrow(), polars.to_pandas()]
    for table in (*tables, pandas.convert_dtypes(dtype_backend="pyarrow")):
        data = rnn.Dataset.from_frame(table, **named)
        levels = ["", *sorted({cell for cell in cells if cell})]
        assert data.levels == {"x1": tuple(levels)}
        assert data.features[:, 0].tolist() == [levels.index(cell or "") for cell in cells]
        assert data.ids.tolist() == [7, 8]
        assert data.labels[:, 0].tolist() == [0, 1, 0, 1]
    # Labels whose categories are all numbers are these, whatever the type.
    labels = pd.DataFrame(rows).assign(x1=0.5).astype({"y1": str}).astype({"y1": "category"})
    assert rnn.Dataset.from_frame(labels, **named).labels[:, 0].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "values", [[3, 1, 10], [0.5, 0.25, 8.0], [True, False, True], ["u", "v", "w"]], ids=str
)
def test_a_categorical_type_of_pandas_may_lack_cells(values: list[Any]) -> None:
    cells = pd.Series(values, dtype="category")
    cells[1] = None
    table = pd.DataFrame({"id": [0, 0, 0], "t": [0, 1, 2], "x1": cells, "y1": cells})
    data = rnn.Dataset.from_frame(table, features="x1", labels="y1", missing="keep")
    plain = [None if at == 1 else value for at, value in enumerate(values)]
    is_category = isinstance(values[0], str) or type(values[0]) is int
    assert bool(data.levels) == is_category
    named = {"categories": "x1"} if is_category else {}
    same = pl.DataFrame({"id": [0, 0, 0], "t": [0, 1, 2], "x1": plain, "y1": plain})
    assert data == rnn.Dataset.from_frame(same, features="x1", labels="y1", missing="keep", **named)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_categories_of_a_csv_file_may_be_numbers(tmp_path: Path, separator: str) -> None:
    cells = [["id", "t", "code", "x1"], ["1", "1", "10", "1.5"], ["1", "2", "007", "2"]]
    cells += [["1", "3", "7", "4"], ["1", "4", "10", "8"]]
    path = tmp_path / "codes.csv"
    path.write_text("".join(separator.join(row) + "\n" for row in cells))
    data = rnn.Dataset.from_csv(path, features=["x1", "code"], labels=[], categories="code")
    assert data.levels == {"code": ("007", "10", "7")}
    assert data.features.tolist() == [[1.5, 1.0], [2.0, 0.0], [4.0, 2.0], [8.0, 1.0]]


def test_a_file_whose_codes_are_numbers_goes_with_one_where_they_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,t,code\n1,1,b\n1,3,7\n")
    (tmp_path / "b.csv").write_text("id,t,code\n1,2,7\n")
    (tmp_path / "shops.csv").write_text("id,region\n1,44\n")
    data = rnn.Dataset.from_file(
        [tmp_path / "a.csv", tmp_path / "b.csv"],
        features="code", labels=[], categories=["code", "region"], static=tmp_path / "shops.csv",
    )  # fmt: skip
    assert data.levels == {"code": ("7", "b")}
    assert data.features.ravel().tolist() == [1.0, 0.0, 0.0]
    assert data.static is not None
    assert data.static.levels == {"region": ("44",)}


def test_parts_of_a_data_set_put_together_again() -> None:
    data = dataset()
    few, many = data[:1], data[1:]
    assert rnn.Dataset.concat([few, many]) == data
    apart = [dataset(frame().filter(pl.col("id") == number)) for number in range(3)]
    joined = rnn.Dataset.concat(apart)
    assert joined.to_frame().cast({"merchant": pl.String}).rows() == (
        dataset(frame()[:24]).to_frame().cast({"merchant": pl.String}).rows()
    )
