"""Features of events by name or in order, as steppers and scorers take them."""

from __future__ import annotations

import contextlib
import copy
import pickle
import sqlite3
from collections import ChainMap, namedtuple
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.errors import DataError, ShapeError

ROWS = np.random.default_rng(0).normal(size=(6, 2))
FRAME = pl.DataFrame({"t": range(6), "a": ROWS[:, 0], "b": ROWS[:, 1], "y": 0.0})
TURNED = FRAME.select("y", "b", "a")
WAYS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda stepper: stepper,
    "copy": copy.copy,
    "pickle": lambda stepper: pickle.loads(pickle.dumps(stepper)),
}


class Row(NamedTuple):
    """Beside the features it has a field of another name, and one like a method of tuples."""

    b: float
    index: int
    a: float


def made(missing: str = "error") -> rnn.GRU:
    """A model of features with names; with ``"mean"`` it has an encoder."""
    model = rnn.GRU(hidden_size=4, missing=missing, scaler="standard")
    data = rnn.Dataset.from_frame(FRAME, features=["a", "b"], labels="y")
    model.fit(data, epochs=1, progress=False)
    return model


def sqlite_rows() -> list[sqlite3.Row]:
    """The rows as a database returns them."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        database.execute("create table events (b real, a real)")
        database.executemany("insert into events values (?, ?)", ROWS[:, ::-1].tolist())
        return database.execute("select * from events").fetchall()


BATCHES: dict[str, Callable[[], Any]] = {
    "Polars": lambda: TURNED,
    "Polars lazily": TURNED.lazy,
    "pandas": TURNED.to_pandas,
    "Arrow": TURNED.to_arrow,
    "Arrow batch": lambda: TURNED.to_arrow().to_batches()[0],
    "Arrow reader": lambda: TURNED.to_arrow().to_reader(),
    "DuckDB": lambda: duckdb.from_arrow(TURNED.to_arrow()),
    "columns": lambda: TURNED.to_dict(as_series=False),
    "Series by name": TURNED.to_dict,
    "columns in a named tuple": lambda: namedtuple("Columns", ["b", "a"])(*ROWS.T[::-1].tolist()),
    "dicts": TURNED.to_dicts,
    "rows of pandas": lambda: [row for _, row in TURNED.to_pandas().iterrows()],
    "tuples of pandas": lambda: list(TURNED.to_pandas().itertuples()),
    "a tuple of named tuples": lambda: tuple(Row(b, 0, a) for a, b in ROWS.tolist()),
    "rows of SQLite": sqlite_rows,
    "structs": TURNED.to_struct,
    "arrays": lambda: list(ROWS),
    "in order": ROWS.tolist,
    "of all kinds": lambda: [
        *ROWS[:2].tolist(), ROWS[2], Row(ROWS[3, 1], 0, ROWS[3, 0]), TURNED.row(4, named=True),
        TURNED.to_pandas().iloc[5],
    ],
}  # fmt: skip


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize("kind", BATCHES)
def test_batches_of_all_kinds(missing: str, kind: str) -> None:
    model = made(missing)
    expected = model.predict(FRAME)
    assert not np.array_equal(model.scorer().score_batch([1] * 6, ROWS[:, ::-1]), expected)
    scored = model.scorer().score_batch([1] * 6, BATCHES[kind]())
    np.testing.assert_array_equal(scored, expected)


@pytest.mark.parametrize("types", [(pl.Int8, pl.Float32), (pl.Boolean, pl.Float32)])
def test_columns_of_different_types_give_the_bits_of_a_prediction(types: Any) -> None:
    frame = FRAME.with_columns((pl.col("a") > 0).cast(types[0]), pl.col("b").cast(types[1]))
    model = rnn.GRU(hidden_size=4, scaler="standard", dtype="float64")
    data = rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y")
    model.fit(data, epochs=1, progress=False)
    for table in (frame, frame.lazy(), frame.to_pandas(), frame.to_arrow(), frame.to_dict()):
        scored = model.scorer().score_batch([1] * 6, table)
        np.testing.assert_array_equal(scored, model.predict(frame))


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize(
    "kind", ["dicts", "rows of pandas", "tuples of pandas", "a tuple of named tuples",
             "rows of SQLite", "structs", "arrays", "in order", "of all kinds"]
)  # fmt: skip
def test_rows_of_all_kinds_one_by_one(missing: str, kind: str) -> None:
    model = made(missing)
    scorer, stepper, expected = model.scorer(), model.stepper(), model.predict(FRAME)
    for row, outputs in zip(BATCHES[kind](), expected, strict=True):
        np.testing.assert_array_equal(scorer.score(1, row), outputs)
        np.testing.assert_array_equal(stepper.step(row), outputs)


@pytest.mark.parametrize("kind", ["Polars", "Polars lazily", "pandas", "Arrow", "Arrow reader"])
def test_tables_go_by_position_where_features_have_no_names(kind: str) -> None:
    table = {
        "Polars": TURNED.drop("y"), "Polars lazily": TURNED.drop("y").lazy(),
        "pandas": TURNED.drop("y").to_pandas(), "Arrow": TURNED.drop("y").to_arrow(),
        "Arrow reader": TURNED.drop("y").to_arrow().to_reader(),
    }  # fmt: skip
    model = rnn.GRU(2, 4, 1)
    expected = model.predict(ROWS[:, ::-1])
    np.testing.assert_array_equal(model.scorer().score_batch([1] * 6, table[kind]), expected)


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize("way", WAYS)
def test_a_series_goes_by_the_names_of_its_index(missing: str, way: str) -> None:
    stepper = WAYS[way](made(missing).stepper())

    def outputs(features: Any) -> Any:
        stepper.reset()
        return stepper.step(features)

    expected = outputs({"a": 1.0, "b": 3.0})
    assert not np.array_equal(outputs({"a": 3.0, "b": 1.0}), expected)
    # A row of a frame has the other columns too.
    series = pd.Series({"y": 0.0, "b": 3.0, "t": 0.0, "a": 1.0})
    for features in (series, MappingProxyType(series.to_dict()), Row(3.0, 0, 1.0)):
        np.testing.assert_array_equal(outputs(features), expected)
    for index in (None, [7, 3], pd.to_datetime(["2026-01-02", "2026-01-01"])):
        np.testing.assert_array_equal(outputs(pd.Series([1.0, 3.0], index)), expected)
    for without in (pd.Series({"a": 1.0, "c": 3.0}), namedtuple("Other", ["a", "c"])(1.0, 3.0)):
        with pytest.raises(DataError, match="features: there is no 'b'; give each by name"):
            stepper.step(without)
    with pytest.raises(DataError, match="features: 'a' is there twice"):
        stepper.step(pd.Series([1.0, 2.0, 3.0], ["a", "a", "b"]))


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize("kind", ["Polars", "Polars lazily", "pandas", "Arrow", "DuckDB"])
def test_a_table_is_no_row(missing: str, kind: str) -> None:
    model, table = made(missing), BATCHES[kind]()
    with pytest.raises(ShapeError, match="one row"):
        model.stepper().step(table)
    with pytest.raises(ShapeError, match="one row"):
        model.scorer().score(1, table)


def test_columns_by_name_are_never_taken_for_rows() -> None:
    model = made()
    # As many events as there are features.
    expected = model.scorer().score_batch([1, 1], [[1.0, 3.0], [2.0, 4.0]])
    columns = {"b": [3.0, 4.0], "a": [1.0, 2.0]}
    assert np.array_equal(model.scorer().score_batch([1, 1], columns), expected)
    for wrong, words in (
        ({"a": [1.0, 2.0], "b": [3.0]}, "columns of different lengths"),
        ({"a": [1.0, 2.0], "b": 3.0}, "columns of different lengths"),
        ({"b": [1.0, 2.0]}, "there is no column 'a'"),
        (FRAME.select("a"), "there is no column 'b'"),
        (FRAME.select("a").lazy(), "there is no column 'b'"),
        (FRAME.select("a").to_arrow(), "there is no column 'b'"),
        (FRAME.with_columns(a=pl.date(2026, 1, 1)), "column 'a' must be an array of real numbers"),
        (FRAME.with_columns(a=pl.lit(None, pl.Float64)), "feature 'a' is NaN"),
        (pd.DataFrame([[1.0, 2.0, 3.0]] * 2, columns=["a", "b", "a"]), "column 'a' is there twice"),
    ):
        keys = [1] * (len(wrong) if isinstance(wrong, pl.DataFrame) else 2)
        with pytest.raises(DataError, match=words):
            model.scorer().score_batch(keys, wrong)
    with pytest.raises(DataError, match="feature 'b' is inf; every feature must be finite"):
        model.stepper().step({name: np.inf if name == "b" else 1.0 for name in FRAME.columns})
    row = {"a": 1.0, "b": 3.0}
    for one in (row, pd.Series(row), Row(3.0, 0, 1.0)):
        with pytest.raises(ShapeError, match=r"features have shape \(2,\)"):
            model.scorer().score_batch([1, 1], one)
    series = BATCHES["rows of pandas"]()
    with pytest.raises(DataError, match="features of event 4: there is no 'b'"):
        model.scorer().score_batch([1] * 6, [*series[:4], series[4][["a"]], series[5]])


def test_dicts_of_one_event() -> None:
    frame = pl.DataFrame({"id": [1, 1, 2], "t": [0, 1, 0], "a": [1.0, 2, 3], "b": [4.0, 5, 6],
                          "y": [0.0, 1, 0]})  # fmt: skip
    model = rnn.GRU(hidden_size=3, scaler="standard")
    data = rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y")
    model.fit(data, epochs=1, progress=False)
    one, other = model.scorer(), model.scorer()
    for row in frame.iter_rows(named=True):
        expected = other.score(row["id"], [row["a"], row["b"]])
        np.testing.assert_array_equal(one.score(row["id"], row), expected)
    with pytest.raises(DataError, match="'b' is missing"):
        one.score(1, {"a": 1.0})
    with pytest.raises(DataError, match="'b' is 'x', which is not a number"):
        one.score(1, {"a": 1.0, "b": "x"})
    with pytest.raises(DataError, match="the model have none"):
        rnn.GRU(2, 3, 1).scorer().score(1, {"a": 1.0, "b": 2.0})


def test_what_an_encoder_cannot_read_is_named() -> None:
    scorer = made("mean").scorer()
    large = {"a": 10**400, "b": 1.0}
    with pytest.raises(DataError, match=r"features: 'a' is 1000.*, which is not a number"):
        scorer.score(1, large)
    for rows in ([large, large], [{"a": 2.5, "b": 1.0}, large]):
        with pytest.raises(DataError, match=r"features of event \d: 'a' is 1000.*, which is not"):
            scorer.score_batch([1, 2], rows)
    for features in (None, 3, Path("events.csv"), np.array(1.0)):
        with pytest.raises(ShapeError, match="give a table, or a list of rows, by name or in the"):
            scorer.score_batch([1, 2], features)
    assert len(scorer) == 0


@pytest.mark.parametrize("value", ["x", None, 2j])
def test_a_value_by_name_that_is_no_number_is_found(value: Any) -> None:
    model = made()
    good, bad = {"b": 2.0, "a": 1.0}, {"t": "y", "b": 1.0, "a": value}
    Other = namedtuple("Other", ["t", "b", "a"])
    for row in (bad, MappingProxyType(bad), Other(**bad), pd.Series(bad)):
        with pytest.raises(DataError, match=r"features of event 2: 'a' is .*, which is not a num"):
            model.scorer().score_batch([1] * 3, [good, [1.0, 2.0], row])
        for call in (model.stepper().step, partial(model.scorer().score, 1)):
            with pytest.raises(DataError, match=r"features: 'a' is .*, which is not a number"):
                call(row)
    with pytest.raises(DataError, match=r"features of event 0: 'a' is \[1.0\], which is not a num"):
        model.scorer().score_batch([1], [good | {"a": [1.0]}])
    with pytest.raises(DataError, match="real numbers, got dtype object, which has Decimal"):
        model.scorer().score_batch([1], [{"a": Decimal(1), "b": 2.0}])


def test_names_are_refused_where_features_have_none() -> None:
    scorer = rnn.GRU(2, 3, 1).scorer()
    row = {"a": 1.0, "b": 2.0}
    for rows in (
        [row, row], (row,), [[1.0, 2.0], row], [ChainMap(row)], ChainMap(row), row,
        {"a": [1.0, 2.0], "b": [3.0, 4.0]},
    ):  # fmt: skip
        with pytest.raises(DataError, match="by name, but those of the model have none; give the"):
            scorer.score_batch([1, 2], rows)
    for values in (ChainMap(row), pd.Series(row), Row(1.0, 2, 3.0), sqlite_rows()[0]):
        for call in (partial(scorer.score, 1), rnn.GRU(2, 3, 1).stepper().step):
            with pytest.raises(DataError, match="by name, but those of the model have none; give"):
                call(values)
        with pytest.raises(DataError, match="by name, but those of the model have none; give the"):
            scorer.score_batch([1, 2], [[1.0, 2.0], values])
    by_position = scorer.score(1, pd.Series([1.0, 2.0]))
    np.testing.assert_array_equal(by_position, scorer.score(2, [1.0, 2.0]))
    # What is wrong otherwise is told as before.
    with pytest.raises(DataError, match="got dtype <U32"):
        scorer.score_batch([1], [[1.0, "x"]])
