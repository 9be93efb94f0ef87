"""The data set itself: arrays in, sequences, subsets, frames and scaled values out."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import doctest
import pickle
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust.data.dataset
from rnn_rust import Dataset, Sequence
from rnn_rust.errors import DataError, ParameterError, ShapeError

X = np.arange(12.0).reshape(6, 2)
Y = np.array([[0.0], [1.0], [np.nan], [1.0], [0.0], [0.0]])
OFFSETS = [0, 3, 4, 6]


@pytest.fixture
def ds() -> Dataset:
    return Dataset.from_arrays(X, Y, OFFSETS, ids=["a", "b", "c"], times=[1, 2, 5, 0, 3, 4])


def test_sequences(ds: Dataset) -> None:
    assert len(ds) == 3
    assert [(sequence.id, len(sequence)) for sequence in ds] == [("a", 3), ("b", 1), ("c", 2)]
    last = ds[-1]
    assert isinstance(last, Sequence)
    assert last.times.tolist() == [3, 4]
    np.testing.assert_array_equal(last.features, X[4:])
    np.testing.assert_array_equal(last.labels, Y[4:])
    assert ds[np.int64(1)].id == "b"


@pytest.mark.parametrize("position", [3, -4])
def test_positions_outside(ds: Dataset, position: int) -> None:
    with pytest.raises(IndexError, match=f"sequence {position} of a data set of 3"):
        ds[position]


@pytest.mark.parametrize("position", [(0, 2), None, 1.0])
def test_positions_are_integers(ds: Dataset, position: object) -> None:
    with pytest.raises(TypeError, match="use subset"):
        ds[position]  # type: ignore[index]


def test_nothing_can_be_changed_from_outside(ds: Dataset) -> None:
    features = X.copy()
    copied = Dataset.from_arrays(features, None, OFFSETS)
    features[:] = -1
    np.testing.assert_array_equal(copied.features, X)
    for array in (ds.features, ds.labels, ds.offsets, ds.times, ds[0].features):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        ds[0].id = "z"  # type: ignore[misc]


@pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda ds: pickle.loads(pickle.dumps(ds))]
)
def test_copies_are_read_only_too(ds: Dataset, way: Callable[[Dataset], Dataset]) -> None:
    again = way(ds.normalize())
    assert again.to_frame().equals(ds.to_frame())
    assert again.denormalize_labels([0.5]) == ds.denormalize_labels([0.5])
    for array in (again.features, again.labels, again.offsets, again.ids, again.times):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    "features",
    [
        X.tolist(),
        X.astype(int),
        X.astype(np.float16),
        X.astype(">f8"),
        X.astype(np.longdouble),
        X.astype(object),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        X[::-1].copy()[::-1],
        pl.DataFrame(X),
        np.ma.masked_invalid(X),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_types_and_layouts_are_converted(features: object) -> None:
    ds = Dataset.from_arrays(features, None, OFFSETS)
    assert ds.features.dtype == np.float64
    assert ds.features.flags.c_contiguous
    np.testing.assert_array_equal(ds.features, X)


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_float32_stays(dtype: str) -> None:
    ds = Dataset.from_arrays(X.astype(dtype), None, OFFSETS)
    assert ds.features.dtype == np.float32
    assert ds.labels.dtype == np.float32
    np.testing.assert_array_equal(ds.features, X)


def test_one_dimension_is_one_column() -> None:
    ds = Dataset.from_arrays([1, 2], [True, None], [0, 2])
    np.testing.assert_array_equal(ds.features, [[1.0], [2.0]])
    np.testing.assert_array_equal(ds.labels, [[1.0], [np.nan]])
    masked = np.ma.masked_array([3, 4], mask=[False, True])
    np.testing.assert_array_equal(
        Dataset.from_arrays([1, 2], masked, [0, 2]).labels, [[3.0], [np.nan]]
    )


def test_default_ids_times_and_names() -> None:
    ds = Dataset.from_arrays(X, Y, OFFSETS)
    assert ds.ids.tolist() == [0, 1, 2]
    assert ds.times.tolist() == [0, 1, 2, 0, 0, 1]
    assert ds.row_numbers.tolist() == list(range(6))
    assert (ds.feature_names, ds.label_names) == (("x1", "x2"), ("y1",))
    named = Dataset.from_arrays(X, Y, OFFSETS, feature_names=["u", "v"], label_names=["w"])
    assert named.to_frame().columns == ["id", "t", "u", "v", "w"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"features": X[:5]}, ShapeError, r"features have shape \(5, 2\), labels \(6, 1\)"),
        ({"features": X[:, :0]}, ShapeError, "at least one column"),
        ({"features": X.reshape(3, 2, 2)}, ShapeError, r"features: shape \(3, 2, 2\) is not"),
        ({"features": 1.0}, ShapeError, r"features: shape \(\) is not"),
        ({"features": [[1, 2], [3]]}, ShapeError, "features: rows of different lengths"),
        ({"features": X.astype(str)}, DataError, "features: dtype <U32 is not numeric"),
        ({"features": X.astype(complex)}, DataError, "features: dtype complex128 is not numeric"),
        ({"features": [["a", None]] * 6}, DataError, "features: not all values are numbers"),
        (
            {"features": np.where(X == 5, np.nan, X)},
            DataError,
            "features, row 2 .counted from 0., column 'x2': nan",
        ),
        (
            {"labels": np.where(Y == 1, np.inf, Y)},
            DataError,
            "labels, row 1 .counted from 0., column 'y1': inf",
        ),
        ({"offsets": [0, 3, 3, 6]}, DataError, "offsets: 3 at position 2 .* follows 3"),
        ({"offsets": [0, 4, 3, 6]}, DataError, "offsets: 3 at position 2 .* follows 4"),
        ({"offsets": [1, 6]}, DataError, "offsets: they run from 1 to 6"),
        ({"offsets": [0, 3, 5]}, DataError, "offsets: they run from 0 to 5"),
        ({"features": [[10**400, 1]] * 6}, DataError, "features: not all values are numbers of 64"),
        (
            {"offsets": [0, 2.5, 6]},
            DataError,
            "offsets: 2.5 at position 1 .* is not a whole number",
        ),
        (
            {"offsets": [0, np.nan, 6]},
            DataError,
            "offsets: nan at position 1 .* is not a whole number",
        ),
        ({"offsets": [0, "a", 6]}, DataError, r"offsets: dtype <U21, shape \(3,\)"),
        ({"offsets": [[0], [3, 6]]}, ShapeError, "offsets: rows of different lengths"),
        ({"offsets": [0]}, DataError, r"offsets: dtype int64, shape \(1,\)"),
        ({"offsets": np.array([0, 2**63], "u8")}, DataError, f"they run from 0 to {2**63}"),
        ({"offsets": np.array([0, 2**63, 6], "u8")}, DataError, f"offsets: 6 .* follows {2**63}"),
        ({"ids": ["a", "b"]}, ShapeError, r"ids: shape \(2,\)"),
        ({"ids": ["a", "b", "a"]}, DataError, "ids: a stands for 2 sequences"),
        ({"ids": [1.0, 2.0, 3.0]}, DataError, "ids: dtype float64"),
        ({"ids": ["a", None, 3]}, DataError, "ids: dtype object"),
        ({"ids": ["a", "b", 1]}, DataError, "ids: dtype object; give strings or integers, all of"),
        ({"ids": [[1], [2, 3], 4]}, ShapeError, "ids: rows of different lengths"),
        ({"times": [1, 2]}, ShapeError, r"times: shape \(2,\)"),
        (
            {"times": [1, 2, 2, 0, 0, 1]},
            DataError,
            "times, row 2 .counted from 0.: 2 does not come after 2",
        ),
        (
            {"times": [1, 2, np.nan, 0, 0, 1]},
            DataError,
            "times, row 2 .counted from 0.: nan is not a time",
        ),
        (
            {
                "times": [
                    *(
                        [
                            "2024-01-01",
                            "2024-01-02",
                            "2024-01-03",
                            "2024-01-01",
                            "2024-01-04",
                            "2024-01-03",
                        ]
                    )
                ]
            },
            DataError,
            "times, row 5 .counted from 0.: 2024-01-03 does not come after 2024-01-04",
        ),
        ({"times": [b"a"] * 6}, DataError, r"times: dtype \|S1"),
        ({"times": [1, 2, "3", 0, 0, 1]}, DataError, "times: dtype object; give numbers, dates"),
        ({"times": [10**20] * 6}, DataError, r"times: dtype object; .*\(integers of 64 bits\)"),
        ({"times": [datetime.datetime.now(datetime.UTC)] * 6}, DataError, "have a time zone"),
        ({"feature_names": [1, 2]}, ParameterError, r"list of strings, got \[1, 2\]"),
        ({"feature_names": "uv"}, ParameterError, "list of strings, got 'uv'"),
        ({"label_names": 5}, ParameterError, "list of strings, got 5"),
        ({"feature_names": ["u"]}, ShapeError, r"1 name \('u',\) for 2 columns"),
        ({"feature_names": ["u", "y1"]}, ParameterError, "must all differ"),
        ({"label_names": ["id"]}, ParameterError, "must all differ, also from 'id'"),
    ],
)
def test_bad_arrays(changes: dict[str, object], error: type[Exception], message: str) -> None:
    arguments = {"features": X, "labels": Y, "offsets": OFFSETS} | changes
    with pytest.raises(error, match=message):
        Dataset.from_arrays(**arguments)


@pytest.mark.parametrize(
    "offsets",
    [[0.0, 3.0, 4.0, 6.0], np.array(OFFSETS, object), np.array(OFFSETS, "f4"), range(0, 7, 2)],
)
def test_offsets_are_whole_numbers_of_any_type(offsets: object) -> None:
    ds = Dataset.from_arrays(X, Y, offsets)
    assert ds.offsets.dtype == np.int64
    assert ds.offsets.tolist() == [int(bound) for bound in offsets]


def test_names_may_be_an_array() -> None:
    ds = Dataset.from_arrays(X, None, OFFSETS, feature_names=np.array(["u", "v"]), label_names=[])
    assert (ds.feature_names, ds.label_names) == (("u", "v"), ())


def test_dates_of_python_as_times() -> None:
    days = [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]
    ds = Dataset.from_arrays([1, 2], None, [0, 2], times=days)
    assert ds.times.dtype == np.dtype("M8[D]")
    assert ds.to_frame()["t"].to_list() == days
    moments = [datetime.datetime(2024, 1, 1, 12), datetime.datetime(2024, 1, 1, 12, 0, 0, 1)]
    ds = Dataset.from_arrays([1, 2], None, [0, 2], times=moments)
    assert ds.to_frame()["t"].to_list() == moments


def test_dates_and_text_as_times() -> None:
    days = np.array(["2024-01-01", "2024-01-02"], "M8[D]")
    assert Dataset.from_arrays([1, 2], None, [0, 2], times=days)[0].times[1] == days[1]
    text = Dataset.from_arrays([1, 2], None, [0, 2], times=["2024", "2025"])
    assert text.to_frame()["t"].to_list() == [2024, 2025]
    words = Dataset.from_arrays([1, 2], None, [0, 2], times=["Jan 2024", "Feb 2024"])
    assert words.times.tolist() == [datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)]
    with pytest.raises(DataError, match="'a' is not a time; give numbers"):
        Dataset.from_arrays([1, 2], None, [0, 2], times=["a", "b"])
    dated = Dataset.from_arrays([1, 2], None, [0, 2], times=days).to_frame()
    assert dated["t"].to_list()[0] == datetime.date(2024, 1, 1)


def test_subset_keeps_whole_sequences_in_the_given_order(ds: Dataset) -> None:
    part = ds.subset([2, 0])
    assert part.ids.tolist() == ["c", "a"]
    assert part.offsets.tolist() == [0, 2, 5]
    assert part.row_numbers.tolist() == [4, 5, 0, 1, 2]
    np.testing.assert_array_equal(part.features, X[[4, 5, 0, 1, 2]])
    np.testing.assert_array_equal(part[1].labels, ds[0].labels)
    assert part.feature_names == ds.feature_names
    assert ds.subset(np.array([True, False, True])).ids.tolist() == ["a", "c"]


@pytest.mark.parametrize("indices", [[], [0, 3], [-1], [1, 1], [0.0], [[0]], [True, False]])
def test_bad_subsets(ds: Dataset, indices: object) -> None:
    with pytest.raises(ParameterError, match="positions"):
        ds.subset(indices)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=8), data=st.data())
def test_a_subset_has_the_sequences_asked_for(lengths: list[int], data: st.DataObject) -> None:
    chosen = data.draw(st.permutations(range(len(lengths))))
    chosen = chosen[: data.draw(st.integers(1, len(lengths)))]
    offsets = np.append(0, np.cumsum(lengths))
    ds = Dataset.from_arrays(np.arange(offsets[-1]), None, offsets)
    part = ds.subset(chosen)
    for position, sequence in zip(chosen, part, strict=True):
        assert sequence.id == position
        np.testing.assert_array_equal(sequence.features, ds[position].features)


def test_labels_when_there_are_none(ds: Dataset) -> None:
    assert ds.has_labels
    assert ds.require_labels("a test") is ds.labels
    bare = Dataset.from_arrays(X, None, OFFSETS)
    assert bare.labels.shape == (6, 0)
    assert not bare.has_labels
    with pytest.raises(DataError, match="fit needs labels, but the data has no label column"):
        bare.require_labels("fit")
    unlabelled = Dataset.from_arrays(X, np.full(6, np.nan), OFFSETS)
    with pytest.raises(DataError, match="fit needs labels, but every label is missing"):
        unlabelled.require_labels("fit")


def test_frame_is_in_the_order_of_the_data_set(ds: Dataset) -> None:
    frame = ds.subset([1, 0]).to_frame()
    assert frame.to_dict(as_series=False) == {
        "id": ["b", "a", "a", "a"],
        "t": [0, 1, 2, 5],
        "x1": [6.0, 0.0, 2.0, 4.0],
        "x2": [7.0, 1.0, 3.0, 5.0],
        "y1": [1.0, 0.0, 1.0, None],
    }
    assert Dataset.from_frame(frame).to_frame().equals(frame)


def test_summary(ds: Dataset) -> None:
    assert ds.summary().splitlines() == [
        "rows       6",
        "sequences  3",
        "length     min 1, median 2, max 3",
        "features   2: x1, x2",
        "label      y1: 0.4 positive (2 of 5), 1 missing",
    ]
    wide = Dataset.from_arrays(np.ones((2, 9)), [[1.5, np.nan], [-2, np.nan]], [0, 2]).summary()
    assert "features   9: x1, x2, ..., x9" in wide
    assert "label      y1: -2 to 1.5, mean -0.25, 0 missing" in wide
    assert "label      y2: 2 missing" in wide
    assert "label      none" in Dataset.from_arrays(X, None, OFFSETS).summary()
    assert repr(ds) == "<Dataset: 3 sequences, 6 rows, 2 features, 1 label>"


def test_a_summary_counts_classes_by_name() -> None:
    frame = pl.DataFrame({"t": range(5), "x1": range(5), "y1": ["ok", "fraud", None, "ok", "ok"]})
    data = Dataset.from_frame(frame, features="x1", labels="y1")
    assert "label      y1: 2 classes, fraud (1), ok (3); 1 missing" in data.summary()
    assert (
        "label      y1: 1 class, ok (1); 1 missing" in data.split(at=2)[1].split(at=4)[0].summary()
    )


def test_an_id_of_another_type_is_told(ds: Dataset) -> None:
    numbered = Dataset.from_arrays(X, Y, OFFSETS, ids=[1, 2, 3])
    with pytest.raises(KeyError, match="no sequence has the id '3'; ids are integers: 1"):
        numbered.sequence("3")
    with pytest.raises(KeyError, match="no sequence has the id 3; ids are text: 'a'"):
        ds.sequence(3)


def test_normalize_in_place_and_back() -> None:
    ds = Dataset.from_arrays([1.0, 3.0, 2.0], [[10.0], [20.0], [np.nan]], [0, 2, 3])
    before = ds.features
    assert ds.normalize() is ds
    assert ds.features[:, 0].tolist() == [0, 1, 0.5]
    np.testing.assert_array_equal(ds.labels, [[0], [1], [np.nan]])
    assert before[:, 0].tolist() == [1, 3, 2]
    assert ds.normalize().features[:, 0].tolist() == [0, 1, 0.5]
    for part in (ds, *ds.split(0.5), ds.subset([1])):
        assert part.denormalize_labels([[0.5], [2.0]]).tolist() == [[15], [30]]
    with pytest.raises(ShapeError, match=r"labels of shape \(3, 2\)"):
        ds.denormalize_labels(np.ones((3, 2)))


def test_denormalize_without_normalize_changes_nothing(ds: Dataset) -> None:
    assert ds.denormalize_labels([[0.5]]).tolist() == [[0.5]]


def test_arrays_work_with_numpy_alone() -> None:
    code = (
        "import sys; from rnn_rust import Dataset;"
        "Dataset.from_arrays([1, 2], [0, 1], [0, 1, 2]).normalize().split(0.5);"
        "assert 'polars' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_docstring_examples() -> None:
    results = doctest.testmod(rnn_rust.data.dataset)
    assert results.attempted > 0
    assert results.failed == 0
