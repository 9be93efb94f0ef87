"""Weights of rows: read, checked, and carried along with everything a data set does."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rnn_rust import Dataset
from rnn_rust.data import MinMaxScaler
from rnn_rust.errors import DataError, ParameterError, ShapeError

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0.0, 1.0, np.nan, 1.0, 0.0, 0.0])
OFFSETS = [0, 3, 4, 6]
WEIGHTS = [1.0, 2.0, 0.0, 0.5, 3.0, 7.0]


@pytest.fixture
def ds() -> Dataset:
    return Dataset.from_arrays(X, Y, OFFSETS, weights=WEIGHTS)


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_weights_of_a_file_follow_their_rows(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,t,x1,f1,y1\nb,2,1,5,0\na,5,3,6,1\n\nb,1,5,7,\na,7,7,0,nan\n")
    ds = Dataset.from_csv(path, weights="f1")
    assert ds.feature_names == ("x1",)
    assert ds.weights is not None
    assert ds.weights.tolist() == [7, 5, 6, 0]
    assert ds.features[:, 0].tolist() == [5, 1, 3, 7]
    assert ds.weights_name == "f1"
    assert Dataset.from_csv(path).feature_names == ("x1", "f1")
    assert Dataset.from_csv(path).weights is None


def test_a_frame_comes_back(ds: Dataset) -> None:
    frame = ds.to_frame()
    assert frame.columns == ["id", "t", "x1", "x2", "y1", "weights"]
    again = Dataset.from_frame(frame, weights="weights")
    assert again.to_frame().equals(frame)
    np.testing.assert_array_equal(again.weights, WEIGHTS)
    renamed = Dataset.from_frame(frame.rename({"weights": "w"}), weights="w")
    assert renamed.subset([2]).to_frame()["w"].to_list() == [3, 7]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?", object])
def test_weights_are_floats(dtype: str) -> None:
    ds = Dataset.from_arrays(X, Y, OFFSETS, weights=np.ones(6, dtype))
    assert ds.weights is not None
    assert ds.weights.dtype == (np.float32 if dtype == "f4" else np.float64)
    assert ds.weights.shape == (6,)
    narrow = ds.to_frame().cast({"weights": pl.Float32})
    assert Dataset.from_frame(narrow, weights="weights").weights.dtype == np.float32


def test_sequences_and_subsets_keep_their_weights(ds: Dataset) -> None:
    assert [sequence.weights.tolist() for sequence in ds] == [[1, 2, 0], [0.5], [3, 7]]
    part = ds.subset([2, 0])
    assert part.weights.tolist() == [3, 7, 1, 2, 0]
    for half in ds.split(0.7, seed=1):
        np.testing.assert_array_equal(half.weights, np.array(WEIGHTS)[half.row_numbers])
    assert Dataset.from_arrays(X, Y, OFFSETS)[0].weights is None


def test_scaling_leaves_weights_alone(ds: Dataset) -> None:
    scaled = MinMaxScaler().fit_transform(ds)
    np.testing.assert_array_equal(scaled.weights, WEIGHTS)
    np.testing.assert_array_equal(ds.normalize().weights, WEIGHTS)
    assert ds.features.max() == 1


@pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda ds: pickle.loads(pickle.dumps(ds)), lambda ds: ds]
)
def test_copies_have_read_only_weights(ds: Dataset, way: Callable[[Dataset], Dataset]) -> None:
    again = way(ds)
    np.testing.assert_array_equal(again.weights, WEIGHTS)
    for weights in (again.weights, again[0].weights):
        with pytest.raises(ValueError, match="read-only"):
            weights[0] = 5


def test_the_arrays_of_the_caller_are_copied() -> None:
    weights = np.ones(6)
    ds = Dataset.from_arrays(X, Y, OFFSETS, weights=weights)
    weights[:] = 9
    assert ds.weights.tolist() == [1] * 6


def test_text_about_weights(ds: Dataset) -> None:
    assert repr(ds).endswith("2 features, 1 label, weights>")
    assert ds.summary().splitlines()[-1] == "weights    weights: 0 to 7, mean 2.25"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "line 4, column 'w': the cell is empty; give a weight of at least 0, or leave"),
        ("nan", "line 4, column 'w': the value is nan; give a weight"),
        ("inf", "line 4, column 'w': the value is inf; give a weight"),
        ("-0.5", "line 4, column 'w': the value is -0.5; give a weight"),
        ("much", "line 4, column 'w': 'much' is not a number"),
    ],
)
def test_a_bad_weight_is_named_by_line_and_column(tmp_path: Path, cell: str, message: str) -> None:
    path = csv_file(tmp_path, f"id,t,x1,y1,w\na,2,1,1,1\n\na,1,2,1,{cell}\n")
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, weights="w")
    assert str(caught.value).startswith(f"{path}, {message}")


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (
            [1, 2, None, 1, 1, 1],
            DataError,
            "weights, row 2 .counted from 0.: nan is not a weight; give a finite",
        ),
        (
            [1, np.inf, 1, 1, 1, 1],
            DataError,
            "weights, row 1 .counted from 0.: inf is not a weight",
        ),
        ([1, 1, 1, 1, 1, -1], DataError, "weights, row 5 .counted from 0.: -1.0 is not a weight"),
        (["a"] * 6, DataError, "weights: dtype <U1 is not numeric"),
        ([1, 1], ShapeError, r"weights: shape \(2,\); the features need \(6,\)"),
        (np.ones((6, 2)), ShapeError, r"weights: shape \(6, 2\); the features need \(6,\)"),
    ],
)
def test_bad_arrays(weights: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Dataset.from_arrays(X, Y, OFFSETS, weights=weights)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"weights": "u"}, DataError, "frame: no column 'u', asked for as weights; columns seen"),
        (
            {"weights": "x1", "features": ["x1"]},
            DataError,
            "'x1' is asked for as features, and again",
        ),
        ({"weights": "y1", "labels": "y1"}, DataError, "as labels, and again as weights; use each"),
        ({"weights": "id", "id": "id"}, DataError, "'id' is asked for as id, and again as weights"),
        ({"weights": ["w"]}, ParameterError, r"weights must be the name of a column, got \['w'\]"),
        ({"weights": "x1"}, DataError, "no feature column"),
    ],
)
def test_bad_choices_of_a_column(
    columns: dict[str, object], error: type[Exception], message: str
) -> None:
    frame = pl.DataFrame({"id": [1], "t": [1], "x1": [1.0], "y1": [0], "w": [2]})
    with pytest.raises(error, match=message):
        Dataset.from_frame(frame, **columns)


def test_a_label_may_have_the_name_only_where_there_are_no_weights() -> None:
    names = ["weights"]
    assert Dataset.from_arrays(X, Y, OFFSETS, label_names=names).label_names == ("weights",)
    with pytest.raises(ParameterError, match="also from 'id' and 't' and 'weights'"):
        Dataset.from_arrays(X, Y, OFFSETS, label_names=names, weights=WEIGHTS)
