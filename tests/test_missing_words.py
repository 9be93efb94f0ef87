"""Words that stand for missing cells: numbers, and classes by name, in files and in frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import Write

import rnn_rust as rnn
from rnn_rust.data.numbers import MISSING
from rnn_rust.errors import DataError

WORDS = ("NA", "na", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null")
NONE = ("none", "None", "NONE")


def read(frame: Any, labels: str | list[str] = "damage") -> rnn.Dataset:
    return rnn.Dataset.from_frame(frame, labels=labels)


def named(data: rnn.Dataset) -> list[str | None]:
    """Return the classes of the only label, row by row."""
    levels = data.label_levels[data.label_names[0]]
    return [None if np.isnan(code) else levels[int(code)] for code in data.labels[:, 0]]


def table(damage: list[str | None]) -> dict[str, list[Any]]:
    rows = len(damage)
    numbers = list(range(rows))
    return {"id": ["a"] * rows, "t": numbers, "x1": [float(n) for n in numbers], "damage": damage}


def as_csv(damage: list[str], separator: str = ",") -> str:
    rows = [f"a,{row},{row}.5,{word}" for row, word in enumerate(damage)]
    return "\n".join(["id,t,x1,damage", *rows, ""]).replace(",", separator)


def test_the_words_are_those_of_the_documentation() -> None:
    text = " ".join((rnn.Dataset.from_file.__doc__ or "").split())
    found = re.search(r"one of the words (.*?), in capitals or not", text)
    assert found is not None
    assert {word.lower() for word in re.findall(r"``(.*?)``", found[1])} == {*MISSING} - {""}
    assert {word.lower() for word in WORDS + NONE} == {*MISSING} - {""}


@pytest.mark.parametrize("kind", ["polars", "pandas", "categories", "pyarrow", "dict", "parquet"])
def test_every_word_is_a_class_in_a_table_with_nulls(kind: str, tmp_path: Path) -> None:
    words: list[str | None] = [*WORDS, *NONE, "minor", None, ""]
    given = table(words)
    polars = pl.DataFrame(given)
    if kind == "parquet":
        polars.write_parquet(tmp_path / "a.parquet")
        data = rnn.Dataset.from_file(tmp_path / "a.parquet", labels="damage")
    else:
        frames: dict[str, Any] = {
            "polars": polars, "pandas": pd.DataFrame(given), "pyarrow": polars.to_arrow(),
            "categories": pd.DataFrame(given).astype({"damage": "category"}), "dict": given,
        }  # fmt: skip
        data = read(frames[kind])
    assert named(data) == [*WORDS, *NONE, "minor", None, None]
    assert data.label_levels["damage"] == tuple(sorted({*WORDS, *NONE, "minor"}))
    assert data.to_frame()["damage"].to_list() == [*WORDS, *NONE, "minor", None, None]


def test_a_table_whose_labels_are_all_none_has_that_class() -> None:
    assert named(read(table(["none", None, "none"]))) == ["none", None, "none"]
    # Text that is empty says no more than a null.
    assert read(table(["", None])).label_levels == {}


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("others", [[], ["minor", "major"]])
def test_in_a_file_none_is_a_class_and_other_words_are_missing(
    separator: str, others: list[str], write: Write
) -> None:
    path = write(as_csv([*NONE, *WORDS, "", *others], separator))
    data = rnn.Dataset.from_csv(path, labels="damage")
    assert named(data) == [*NONE, *[None] * len(WORDS), None, *others]


def test_files_that_have_but_one_class_are_read_beside_others(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(as_csv(["minor", "none", ""]))
    (tmp_path / "2.csv").write_text(as_csv(["none", "NA"]).replace("a,", "b,"))
    (tmp_path / "3.csv").write_text(as_csv(["", "NA"]).replace("a,", "c,"))
    data = rnn.Dataset.from_file(tmp_path / "*.csv", labels="damage")
    assert named(data) == ["minor", "none", None, "none", None, None, None]


def test_among_numbers_all_words_are_missing(write: Write) -> None:
    words = [*NONE, *WORDS, "", "1.5"]
    expected = [*[np.nan] * (len(words) - 1), 1.5]
    for data in (
        rnn.Dataset.from_csv(write(as_csv(words)), labels="damage"), read(table([*words]))
    ):  # fmt: skip
        np.testing.assert_array_equal(data.labels[:, 0], expected)
        assert data.label_levels == {}
    # By its default name a label is a number.
    renamed = as_csv([*NONE, *WORDS, ""]).replace("damage", "y1")
    assert np.isnan(rnn.Dataset.from_csv(write(renamed)).labels).all()
    with pytest.raises(DataError, match="'minor' is not a number; correct the cell, or name"):
        rnn.Dataset.from_csv(write(as_csv(["none", "minor"]).replace("damage", "y1")))


def test_a_model_learns_the_class_none_and_answers_with_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kind = random.integers(0, 3, 300)
    words = ["none", "minor", "major"]
    frame = pl.DataFrame(
        {
            "id": np.arange(300) // 5, "t": np.arange(300) % 5, "x1": kind + 0.0,
            "damage": [words[one] for one in kind],
        }
    )  # fmt: skip
    model = rnn.GRU(hidden_size=8, loss="cross_entropy", optimizer=rnn.Adam(0.02))
    model.fit(read(frame), epochs=40, progress=False)
    assert model.classes == ("major", "minor", "none")
    right = np.mean(model.predict_classes(frame) == frame["damage"].to_numpy())
    assert right > 0.9
    assert model.evaluate(frame).accuracy == pytest.approx(right)
    # Of rows that are all of this class too, in a frame and in a file.
    only = frame.filter(pl.col("damage") == "none")
    share = np.mean(model.predict_classes(only) == "none")
    only.write_csv(tmp_path / "only.csv")
    for given in (only, tmp_path / "only.csv"):
        assert model.evaluate(given).accuracy == pytest.approx(share)
