"""Labels and their weights, as classification losses and readouts need them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.learning.class_weights import check_class_weight, class_weights, label_weights
from rnn_rust.learning.labels import (
    check_classes,
    class_count,
    labels_per_sequence,
    sequence_labels,
)

NAN = np.nan
few = settings(max_examples=60, deadline=None)


def column(*values: float, dtype: str = "f8") -> np.ndarray:
    return np.array(values, dtype).reshape(-1, 1)


# --- classes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        ("cross_entropy", column(0, 3, NAN, 1)),
        ("binary_cross_entropy", np.array([[0, 1], [NAN, 0.3]])),
        ("focal", np.array([[0, 1], [NAN, 1]])),
        ("mse", np.array([[-7.5, 1e9]])),
    ],
)
def test_labels_that_suit_the_loss(loss: str, labels: np.ndarray) -> None:
    check_classes(labels, loss, 4, ("a", "b"))
    check_classes(labels.astype(np.float32), loss, 4)


@pytest.mark.parametrize(
    ("loss", "labels", "message"),
    [
        ("cross_entropy", column(0, 4), r"row 1 .*, column 'a': 4 is not .* from 0 to 3; corr"),
        ("cross_entropy", column(0.5), r"labels, row 0 .*, column 'a': 0\.5 is not the number"),
        ("cross_entropy", column(1, NAN, -1), "row 2 .*, column 'a': -1 is not"),
        ("binary_cross_entropy", np.array([[0, 0], [1, 1.5]]), r"row 1 .*'b': 1\.5 .* 0 or 1"),
        ("binary_cross_entropy", column(-0.1), r"row 0 .*-0\.1 is not what loss 'binary_cr"),
        ("focal", column(0, 1, 0.5), "row 2 .*'a': 0.5 .*; loss 'focal' needs 0 or 1; correct"),
    ],
)
def test_labels_that_do_not(loss: str, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check_classes(labels, loss, 4, ("a", "b"))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"column \d: "):
        check_classes(labels, loss, 4)


def test_cross_entropy_takes_one_column() -> None:
    with pytest.raises(ShapeError, match=r"takes one label column.* the data has 2; name one"):
        check_classes(np.zeros((3, 2)), "cross_entropy", 2)


def test_class_count() -> None:
    assert class_count("cross_entropy", 7) == 7
    assert class_count("focal", 3) == class_count("binary_cross_entropy", 3) == 2
    assert class_count("huber", 3) is None


# --- one label per sequence -----------------------------------------------------------------


def test_a_sequence_takes_its_last_labelled_row() -> None:
    labels = np.array([[1, NAN], [NAN, NAN], [2, 3], [NAN, NAN], [NAN, 4], [NAN, NAN]])
    weights = np.array([5.0, 6, 7, 8, 9, 10])
    offsets = np.array([0, 2, 3, 4, 6])
    moved, moved_weights = sequence_labels(labels, weights, offsets)
    np.testing.assert_array_equal(moved[[1, 2, 5]], [[1, NAN], [2, 3], [NAN, 4]])
    assert np.isnan(moved[[0, 3, 4]]).all()
    assert moved_weights is not None
    assert moved_weights[[1, 2, 5]].tolist() == [5, 7, 9]
    assert weights.tolist() == [5, 6, 7, 8, 9, 10]
    assert sequence_labels(labels, None, offsets)[1] is None
    # A first sequence without a label takes none from another.
    found = labels_per_sequence(np.array([[NAN], [1.0]]), np.array([0, 1, 2]))
    np.testing.assert_array_equal(found, [[NAN], [1.0]])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@few
@given(data=st.data())
def test_sequence_labels_equal_a_plain_loop(dtype: str, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    offsets = np.append(0, np.cumsum(lengths))
    cells = st.lists(st.sampled_from([NAN, 0, 1, 2]), min_size=2, max_size=2)
    labels = np.array([data.draw(cells) for _ in range(offsets[-1])], dtype)
    weights = np.arange(offsets[-1], dtype=dtype)
    expected = np.full_like(labels, NAN)
    per_sequence = np.full((len(lengths), 2), NAN)
    weight_of = {}
    for s, (begin, end) in enumerate(itertools.pairwise(offsets)):
        for row in range(begin, end):
            if not np.isnan(labels[row]).all():
                expected[end - 1] = per_sequence[s] = labels[row]
                weight_of[end - 1] = weights[row]
    moved, moved_weights = sequence_labels(labels, weights, offsets)
    np.testing.assert_array_equal(moved, expected)
    assert moved_weights is not None
    assert {row: moved_weights[row] for row in weight_of} == weight_of
    found = labels_per_sequence(labels, offsets)
    np.testing.assert_array_equal(found, per_sequence)
    assert moved.dtype == found.dtype == labels.dtype


# --- weights --------------------------------------------------------------------------------


@few
@given(
    numbers=st.lists(st.sampled_from([0, 1, 2, 3, NAN]), min_size=1, max_size=30),
    repeats=st.lists(st.integers(0, 3), min_size=30, max_size=30),
)
def test_balanced_is_that_of_scikit_learn(numbers: list[float], repeats: list[int]) -> None:
    labels, weights = column(*numbers), np.array(repeats[: len(numbers)], np.float64)
    again = np.repeat(labels, weights.astype(int), axis=0)
    for rows, row_weights, counted in ((labels, None, labels), (labels, weights, again)):
        table = class_weights("balanced", rows, row_weights, 5)
        known = counted[~np.isnan(counted)]
        classes = np.unique(known)
        expected = np.ones((1, 5))
        if known.size:
            found = compute_class_weight("balanced", classes=classes, y=known)
            expected[0, classes.astype(int)] = found
        np.testing.assert_allclose(table, expected)


def test_balanced_goes_by_column() -> None:
    labels = np.array([[0, 1], [0, NAN], [0, NAN], [1, 0]])
    table = class_weights("balanced", labels, None, 2)
    np.testing.assert_allclose(table, [[4 / 6, 2], [1, 1]])
    weights = label_weights(labels, None, table)
    np.testing.assert_allclose(weights, [[4 / 6, 1], [4 / 6, 0], [4 / 6, 0], [2, 1]])


@few
@given(
    numbers=st.lists(st.sampled_from([0, 1, NAN]), min_size=2, max_size=20),
    repeats=st.lists(st.integers(0, 3), min_size=20, max_size=20),
)
def test_a_weight_of_two_is_the_row_counted_twice(numbers: list[float], repeats: list[int]) -> None:
    labels = column(0, 1, *numbers)
    weights = np.array([1, 2, *repeats[: len(numbers)]])
    errors = np.linspace(1, 2, len(labels))[:, None]
    again = np.repeat(labels, weights, axis=0)
    answers = []
    for rows, row_weights, e in (
        (labels, weights.astype(float), errors),
        (again, None, np.repeat(errors, weights, axis=0)),
    ):
        table = class_weights("balanced", rows, row_weights, 2)
        found = label_weights(rows, row_weights, table)
        w = ~np.isnan(rows) * (1.0 if found is None else found)
        answers.append((w * e).sum() / w.sum())
    assert answers[0] == pytest.approx(answers[1])


def test_row_and_class_weights_multiply() -> None:
    labels = column(0, 1, NAN, 2, dtype="f4")
    table = class_weights({0: 1, 1: 2, 2: 0}, labels, None, 3)
    found = label_weights(labels, np.array([3, 4, 5, 6.0]), table)
    assert found is not None
    assert found.ravel().tolist() == [3, 8, 0, 0]
    assert found.dtype == np.float32
    rows_alone = label_weights(np.array([[0.5, NAN]]), np.array([2.0]))
    assert rows_alone is not None
    assert rows_alone.tolist() == [[2, 0]]


def test_nothing_to_weigh_is_none() -> None:
    labels = column(0, 1, NAN)
    assert label_weights(labels) is None
    assert label_weights(labels, np.array([1.0, 1, 7])) is None
    assert class_weights(None, labels, None, 2) is None
    assert label_weights(labels, None, class_weights("balanced", labels, None, 2)) is None


@pytest.mark.parametrize(
    ("weights", "table", "message"),
    [
        ([0, 0, 5.0], None, "every label has the weight 0; give one"),
        ([1, 1, 1.0], [[0, 0.0]], "every label has the weight 0"),
        ([1e30, 1, 1], [[1e30, 1]], "weights are too large for float32; divide them"),
    ],
)
def test_weights_that_leave_nothing_or_overflow(
    weights: list[float], table: list[list[float]] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        label_weights(
            column(0, 1, NAN, dtype="f4"),
            np.array(weights),
            None if table is None else np.array(table),
        )


def test_only_classes_have_class_weights() -> None:
    message = "row 1 .*, column 'paid': 0.5 is not the number of a class; class_weight needs 0 or 1"
    with pytest.raises(DataError, match=message):
        class_weights("balanced", column(0, 0.5), None, 2, ("paid",))
    with pytest.raises(DataError, match=message):
        label_weights(column(0, 0.5), None, np.array([[1.0, 2.0]]), ("paid",))


def test_class_weights_are_checked_once() -> None:
    assert check_class_weight(None, 2) is None
    assert check_class_weight("balanced", 2) == "balanced"
    given = {1.0: np.float32(2), np.int64(0): 0}
    assert check_class_weight(given, 2) == {0: 0.0, 1: 2.0}


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("equal", "must be None, 'balanced' or a dict of weights, got 'equal'"),
        ([1, 2], r"or a dict of weights, got \[1, 2\]"),
        ({0: 1, 1: 1, 2: 1}, "2 is not a class; the classes are 0 to 1"),
        ({0: 1, "1": 1}, "'1' is not a class"),
        ({0: 1, 0.5: 1}, "0.5 is not a class"),
        ({1: 2}, "class 0 has no weight; give each class from 0 to 1 one"),
        ({0: 1, 1: -1}, "class 1 has the weight -1; give a finite number of at least 0"),
        ({0: 1, 1: NAN}, "class 1 has the weight nan"),
        ({0: "a", 1: 1}, "class 0 has the weight 'a'"),
        ({0: True, 1: 1}, "class 0 has the weight True"),
        ({0: 0, 1: 0.0}, "all weights are 0; give a class one above 0"),
    ],
)
def test_class_weights_that_are_none(class_weight: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_class_weight(class_weight, 2)


def classes_in(*labels: float) -> rnn.Dataset:
    rows = np.zeros((len(labels), 1))
    return rnn.Dataset.from_arrays(rows, np.array(labels), [0, len(labels)])


def built(data: rnn.Dataset) -> int:
    model = rnn.GRU(hidden_size=2, loss="cross_entropy").build(data)
    return int(model.settings["output_size"])


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (5.5, "5.5 is not the number of a class; .* needs whole numbers from 0 upwards; correct"),
        (-1, "-1 is not the number of a class; .* needs whole numbers from 0 upwards; correct"),
        (1e9, r"1e\+09 is not the number of a class, as there are fewer rows; number classes 0, 1"),
        (1e300, "needs whole numbers from 0 upwards"),
    ],
)
def test_classes_that_cannot_be_counted(label: float, message: str) -> None:
    with pytest.raises(DataError, match=f"row 1 .*, column 'y1': {message}|{message}"):
        built(classes_in(0, label, 1, 2))


def test_numbers_of_classes_that_leave_most_out_are_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for good in ((0, 1, 2, NAN), (1, 2, 1, 2), (0, 2, 2, 2), (0, 0)):
        built(classes_in(*good))
    assert not caplog.records
    assert built(classes_in(*(100, 200) * 200)) == 201
    assert [record.getMessage() for record in caplog.records] == [
        "Labels of 'y1' have 2 classes, and the model has an output for each number from 0 to 200: "
        "number classes 0, 1, 2, ... or name them as text"
    ]
