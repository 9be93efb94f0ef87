"""What ``rnn-rust train`` chooses by the data: by the training part, whatever the test part has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import check_error, run, run_well

import rnn_rust as rnn

pytestmark = pytest.mark.usefixtures("folder", "logger_as_before")

SEQUENCES, STEPS = 20, 4
TEST_IDS = {1, 9, 14, 15}
"""Those that the split with the default seed puts into the test part."""
Change = Callable[[pl.DataFrame], pl.DataFrame]


def table(classes: list[object]) -> pl.DataFrame:
    rows = SEQUENCES * STEPS
    return pl.DataFrame(
        {
            "id": np.repeat(np.arange(SEQUENCES), STEPS),
            "t": np.tile(np.arange(STEPS), SEQUENCES),
            "x1": np.random.default_rng(0).normal(size=rows).round(3),
            "kind": [classes[row % len(classes)] for row in range(rows)],
        }
    )


def in_test(column: str, value: object, count: int = 1) -> Change:
    """Return a change of the first cells of a column in the test part."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        cells = frame[column].to_list()
        rows = [row for row, key in enumerate(frame["id"]) if key in TEST_IDS]
        for row in rows[:count]:
            cells[row] = value
        return frame.with_columns(pl.Series(column, cells, strict=False))

    return change


def train(frame: pl.DataFrame, name: str, *more: str) -> bytes:
    frame.write_csv("data.csv")
    columns = ("--features", "x1", "--labels", "kind", "--output", name, "--epochs", "2")
    run_well("train", "data.csv", *columns, *more)
    return Path(name).read_bytes()


def refused(frame: pl.DataFrame, *words: str, more: tuple[str, ...] = ()) -> None:
    frame.write_csv("data.csv")
    columns = ("--features", "x1", "--labels", "kind", "--output", "none.safetensors")
    check_error(run("train", "data.csv", *columns, *more), *words)
    assert not Path("none.safetensors").exists()


def test_the_test_part_is_the_one_assumed_here() -> None:
    train(table([0, 1]), "model.safetensors")
    read = rnn.Dataset.from_csv("data.csv", features="x1", labels="kind")
    assert set(read.split(0.8, seed=0)[1].ids.tolist()) == TEST_IDS


@pytest.mark.parametrize(
    ("classes", "change"),
    [
        ([0, 1], in_test("kind", 1, 99)),
        ([0, 1], in_test("kind", 0.5)),
        ([0, 1], in_test("x1", 1e6, 99)),
        # A class number that only the test part lacks, and labels that look like classes there.
        ([0, 1, 2], in_test("kind", 1, 99)),
        ([0.25, 1.5], in_test("kind", 1, 99)),
        (["high", "low"], in_test("kind", "low", 99)),
        (["high", "low"], in_test("kind", None, 3)),
    ],
)
@pytest.mark.parametrize("stopping", ["--early-stopping", "--no-early-stopping"])
def test_other_rows_to_test_on_leave_the_file_as_it_is(
    classes: list[object], change: Change, stopping: str
) -> None:
    plain = table(classes)
    before = train(plain, "before.safetensors", stopping)
    assert not change(plain).equals(plain)
    assert train(change(plain), "after.safetensors", stopping) == before


@pytest.mark.parametrize("row", range(3))
def test_gaps_to_test_on_leave_the_file_as_it_is(row: int) -> None:
    """Where the training part has gaps too, and so says what becomes of them."""
    plain = table([0, 1]).with_columns(
        x1=pl.when(pl.col("id") == 5).then(None).otherwise(pl.col("x1"))
    )
    before = train(plain, "before.safetensors")
    assert rnn.load("before.safetensors").settings["missing"] == "mean"
    assert train(in_test("x1", None, row)(plain), "after.safetensors") == before


def test_the_last_rows_of_a_series_choose_nothing() -> None:
    generator = np.random.default_rng(1)
    series = pl.DataFrame({"t": range(60), "x1": generator.normal(size=60).round(3)})
    series = series.with_columns(kind=pl.Series([0, 1, 2] * 20))
    changed = series.with_columns(kind=pl.when(pl.col("t") < 48).then("kind").otherwise(1))
    for how in ((), ("--split-at", "48"), ("--split-at", "40,48")):
        before = train(series, "before.safetensors", *how)
        assert train(changed, "after.safetensors", *how) == before


def test_a_test_part_that_cannot_be_evaluated_is_found_before_the_work() -> None:
    numbers = table([0, 1])
    refused(
        in_test("x1", None)(numbers),
        "the test part has missing numbers in x1, and the training part has none",
        "--missing mean or --missing forward",
    )
    loss = "7 is not what loss 'binary_cross_entropy' takes"
    refused(in_test("kind", 7.0)(numbers), "the test part: ", loss, "name a --loss that suits it")
    refused(
        in_test("kind", "mid")(table(["high", "low"])),
        "the test part: column 'kind' has 'mid', which is none of the classes known: high, low",
    )
    refused(
        in_test("kind", 3)(table([0, 1, 2])),
        "3 is not the number of a class", "split so that the training part has it",
        more=("--loss", "cross_entropy"),
    )  # fmt: skip


def test_what_the_messages_advise_works() -> None:
    numbers = table([0, 1])
    train(in_test("x1", None)(numbers), "filled.safetensors", "--missing", "mean")
    train(in_test("kind", 7.0)(numbers), "mse.safetensors", "--loss", "mse")
    model = rnn.load("mse.safetensors")
    assert model.loss_name == "mse"


def test_a_class_that_only_the_validation_part_has_gets_an_output() -> None:
    plain = table(["high", "low"])
    plain.write_csv("data.csv")
    data = rnn.Dataset.from_csv("data.csv", features="x1", labels="kind")
    held = data.split(0.8, seed=0)[0].split(0.8, seed=0)[1]
    rare = plain.with_columns(
        kind=pl.when(pl.col("id") == int(held.ids[0])).then(pl.lit("mid")).otherwise("kind")
    )
    train(rare, "model.safetensors")
    assert rnn.load("model.safetensors").classes == ("high", "low", "mid")


def test_a_ratio_that_leaves_a_part_empty_is_named_as_it_is_typed() -> None:
    refused(
        table([0, 1]).filter(pl.col("id") < 2),
        "--train-ratio 0.8 of 2 sequences leaves a part without any; choose another --train-ratio",
    )
    refused(
        table([0, 1]), "--train-ratio 0.01 of 20 sequences leaves", more=("--train-ratio", "0.01")
    )


def test_gaps_of_another_column_of_a_forecast_are_filled_where_that_is_asked_for() -> None:
    rows = range(60)
    series = pl.DataFrame(
        {"t": rows, "x1": [None if row == 3 else row % 7 for row in rows],
         "sold": [row % 5 for row in rows]}
    )  # fmt: skip
    series.write_csv("sales.csv")
    columns = ("--forecast", "sold", "--features", "x1", "--epochs", "2")
    message = "line 5, column 'x1': the cell is empty; give a finite number, leave the row out, or"
    check_error(run("train", "sales.csv", *columns), message, "--missing mean")
    run_well("train", "sales.csv", *columns, "--missing", "mean")
    assert rnn.load("model.safetensors").settings["missing"] == "mean"
    run_well("predict", "model.safetensors", "sales.csv")
