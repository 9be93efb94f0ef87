"""Labels and weights that estimators are given: missing, of any kind, or of the wrong one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cards import CARDS, KEYS, STEPS, purchases
from sklearn.base import clone

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.sklearn import (
    SequenceClassifier,
    SequenceKFold,
    SequenceRegressor,
    SequenceTransformer,
)
from rnn_rust.sklearn.labels import as_labels, as_targets, class_codes, is_missing, present

LENGTHS = [3, 1, 5, 2]
ARRAYS = [np.random.default_rng(0).normal(size=(length, 2)) for length in LENGTHS]


def test_labels_may_be_missing_and_then_do_not_count() -> None:
    frame, classes, count = purchases()
    last = frame["t"].to_numpy() == STEPS - 1
    whole = SequenceClassifier(**KEYS, readout="last", epochs=30)
    text = pd.Series(np.where(last, classes, None), index=frame.index)
    expected = whole.fit(frame, text).predict(frame)
    accuracy = (expected == classes)[last].mean()
    known = [label if is_last else None for label, is_last in zip(classes, last, strict=True)]
    for labels in (text, text.astype("string"), text.tolist(), known, pl.Series(known)):
        assert clone(whole).fit(frame, labels).score(frame, labels) == pytest.approx(accuracy)
    # Labels before the last one do not count either.
    others = np.where(last, classes, "no")
    assert whole.fit(frame, others).score(frame, others) == pytest.approx(accuracy)
    numbers = np.where(last, count, np.nan)
    regressor = SequenceRegressor(**KEYS, readout="last", epochs=30).fit(frame, numbers)
    assert regressor.score(frame, numbers) <= 1
    states = SequenceTransformer(**KEYS, readout="last").fit(frame, text).transform(frame)
    assert len(np.unique(states, axis=0)) == CARDS
    with pytest.raises(DataError, match="all are missing"):
        whole.fit(frame, np.full(len(frame), np.nan))
    for _, test in SequenceKFold(3, id="card", stratify=True).split(frame, text):
        shares = (text.to_numpy()[test] == "yes").sum() / (CARDS / 3)
        assert abs(shares - (classes[last] == "yes").mean()) < 0.06


def test_lists_need_a_label_for_each_sequence_or_step() -> None:
    X = [np.zeros((2, 1)), np.ones((3, 1))]
    with pytest.raises(ShapeError, match="y has 1 labels for 2 sequences"):
        SequenceRegressor(readout="last").fit(X, [1.0])
    for y in ([np.zeros(3), np.zeros(2)], np.zeros(5), [1.0, 2.0]):
        with pytest.raises(ShapeError, match="an array for each of the 2 sequences"):
            SequenceRegressor().fit(X, y)
    with pytest.raises(ShapeError, match="X has no sequence; give at least one"):
        SequenceRegressor().fit(np.empty((0, 4, 2)), np.empty((0, 4)))
    with pytest.raises(ShapeError, match=r"sequence 1 of X \(counted from 0\) has no steps"):
        SequenceRegressor().fit([X[0], np.zeros((0, 1))], [np.zeros(2), np.zeros(0)])
    with pytest.raises(DataError, match="masked"):
        SequenceRegressor().fit(np.ma.masked_less(np.zeros((2, 3, 1)), 1), np.zeros((2, 3)))
    each = SequenceRegressor(epochs=2).fit(X, [np.arange(2), np.arange(3)], sample_weight=[1, 2])
    assert each.score(X, [np.arange(2), np.arange(3)], sample_weight=[1, 2]) <= 1
    with pytest.raises(ShapeError, match="fitted on arrays"):
        SequenceRegressor(**KEYS, epochs=1).fit(X, [np.arange(2), np.arange(3)]).predict(
            purchases()[0]
        )


def test_labels_that_are_no_finite_numbers_are_named() -> None:
    frame, classes, count = purchases()
    model = SequenceRegressor(**KEYS, epochs=1)
    for wrong, message in (
        (classes, "y has the label '(yes|no)', which is no number"),
        (count + 1j, "complex"),
        (np.where(np.arange(len(count)) == 7, np.inf, count), r"y, row 7 .*infinite"),
    ):
        with pytest.raises(DataError, match=message):
            model.fit(frame, wrong)
    mixed = np.array([1, "a", None] * (len(frame) // 3), dtype=object)
    with pytest.raises(DataError, match="several types, 'a' and 1; give all one type"):
        SequenceClassifier(**KEYS).fit(frame, mixed)
    with pytest.raises(DataError, match="there are no rows, or all are missing"):
        SequenceClassifier(**KEYS).fit(frame[:0], classes[:0])

    class Sparse:
        """What looks like a matrix of SciPy."""

        def toarray(self) -> None: ...

    with pytest.raises(ShapeError, match="sparse"):
        model.fit(frame, Sparse())
    # A missing label of pandas is one in a list, too, and in a second column.
    known = np.where(frame["t"] == 0, None, count)
    gaps = [pd.NA if label is None else label for label in known]
    expected = model.fit(frame, known.astype(float)).predict(frame)
    np.testing.assert_array_equal(model.fit(frame, gaps).predict(frame), expected)
    nullable = pd.DataFrame({"a": count, "b": pd.array(gaps, dtype="Float64")})
    several = np.column_stack([count, known.astype(float)])
    expected = clone(model).fit(frame, several).predict(frame)
    model.fit(frame, nullable)
    np.testing.assert_array_equal(model.predict(frame), expected)
    assert model.score(frame, nullable) == model.score(frame, several)


def test_a_missing_label_is_a_step_without_one_however_x_and_y_are_given() -> None:
    """The gaps are those of a frame with the same rows, whose missing labels train nothing."""
    random = np.random.default_rng(1)
    known = [random.normal(size=length) for length in LENGTHS]
    frame = pl.DataFrame(np.concatenate(ARRAYS), schema=["a", "b"]).with_columns(
        id=np.repeat(range(4), LENGTHS), t=np.concatenate([np.arange(n) for n in LENGTHS])
    )
    flat = np.where(np.arange(11) % 4 == 1, np.nan, np.concatenate(known))
    parts = np.split(flat, np.cumsum(LENGTHS)[:-1])
    options: dict[str, Any] = {"epochs": 3, "random_state": 0}
    expected = SequenceRegressor(id="id", time="t", **options).fit(frame, flat).predict(frame)
    gaps = [[None if np.isnan(label) else label for label in part] for part in parts]
    packed = np.empty(4, dtype=object)
    packed[:] = parts
    for y in (
        parts, gaps, packed, [pl.Series(part) for part in gaps],
        [pd.Series(part, dtype="Float64") for part in gaps],
        [[pd.NA if label is None else label for label in part] for part in gaps],
    ):  # fmt: skip
        model = SequenceRegressor(**options).fit(ARRAYS, y)
        np.testing.assert_array_equal(model.predict(ARRAYS), expected)
        assert model.score(ARRAYS, y) == pytest.approx(
            SequenceRegressor(id="id", time="t", **options).fit(frame, flat).score(frame, flat)
        )
    # Of rows, of an array (B, T, F), and of sequences that are read out.
    rows, cube = random.normal(size=(8, 2)), random.normal(size=(8, 3, 2))
    labels = np.where(np.arange(8) == 3, np.nan, rows[:, 0])
    for X, options in ((rows, {}), (cube, {"readout": "last"})):
        fitted = [
            SequenceRegressor(**options, epochs=2, random_state=0).fit(X, y).predict(X)
            for y in (labels, labels.tolist(), pd.Series(labels), pl.Series(labels))
        ]
        assert np.isfinite(fitted[0]).all()
        for each in fitted[1:]:
            np.testing.assert_array_equal(each, fitted[0])
    steps = np.repeat(labels[:, None], 3, axis=1)
    assert np.isfinite(SequenceRegressor(epochs=1).fit(cube, steps).predict(cube)).all()
    with pytest.raises(DataError):
        SequenceRegressor().fit(rows, np.full(8, np.nan))


def test_text_of_arrays_is_read_as_that_of_a_frame() -> None:
    steps: list[list[Any]] = [["a", None, "b"], ["b"], ["a", "a", np.nan, "b", pd.NA], ["b", "a"]]
    model = SequenceClassifier(epochs=1).fit(ARRAYS, steps)
    assert model.classes_.tolist() == ["a", "b"]
    assert 0 <= model.score(ARRAYS, steps) <= 1
    for wrong in ([["a", 1, "b"], *steps[1:]], [["a", "a", "b"], [1], *steps[2:]]):
        with pytest.raises(DataError, match="several types"):
            SequenceClassifier().fit(ARRAYS, wrong)
    two = [np.zeros((length, 2)) for length in LENGTHS]
    with pytest.raises(ShapeError, match="y has arrays of 1 and of 2 columns"):
        SequenceRegressor().fit(ARRAYS, [two[0][:, :1], *two[1:]])
    assert SequenceRegressor(epochs=1).fit(ARRAYS, two).n_outputs_ == 2
    per_step = [np.arange(length) for length in LENGTHS]
    for estimator in (SequenceClassifier, SequenceRegressor):
        with pytest.raises(ShapeError, match=r"different lengths.*readout='each_step'"):
            estimator(readout="last").fit(ARRAYS, per_step)


def test_a_score_has_a_label_for_each_row_or_sequence() -> None:
    frame, classes, _ = purchases()
    for readout in ("each_step", "last"):
        model = SequenceClassifier(**KEYS, readout=readout, epochs=1).fit(frame, classes)
        for y in (classes[:-7], classes[:CARDS], [*classes, "no"]):
            with pytest.raises(ShapeError, match=f"y has {len(y)} labels for 360 rows of X"):
                model.score(frame, y)
    whole = SequenceRegressor(readout="last", epochs=1).fit(ARRAYS, [1.0, 2, 3, 4])
    for count in (3, 5):
        with pytest.raises(ShapeError, match=f"y has {count} labels for 4 sequences of X"):
            whole.score(ARRAYS, np.arange(float(count)))


class Absolute:
    """A loss in Python."""

    def value_and_gradient(self, predictions: Any, labels: Any) -> tuple[float, Any]:
        return float(np.abs(predictions - labels).mean()), np.sign(predictions - labels)


@pytest.mark.parametrize("loss", [rnn.Huber(1.0), rnn.Quantile(0.9), Absolute(), "mae"])
def test_a_loss_that_is_none_of_classes_is_refused(loss: Any) -> None:
    frame, classes, count = purchases()
    for y in (classes, frame["kind"]):
        with pytest.raises(ParameterError, match="is not one of classes; use 'binary_cross"):
            SequenceClassifier(**KEYS, loss=loss).fit(frame, y)
    SequenceRegressor(**KEYS, loss=loss, epochs=1).fit(frame, count)
    with pytest.raises(ParameterError, match=r"Focal\(gamma=2.0\) is for two classes, and y has 3"):
        SequenceClassifier(**KEYS, loss=rnn.Focal()).fit(frame, frame["kind"])
    proba = SequenceClassifier(**KEYS, loss=rnn.Focal(), epochs=1).fit(frame, classes)
    assert proba.predict_proba(frame).min() >= 0


def test_masked_arrays_are_refused_wherever_they_are() -> None:
    frame, _, count = purchases()
    rows, hidden = np.arange(12.0).reshape(6, 2), np.ma.masked_less
    model = SequenceRegressor(epochs=1)
    for call in (
        lambda: model.fit(hidden(rows, 3), rows[:, 0]),
        lambda: model.fit(rows, hidden(rows[:, 0], 3)),
        lambda: model.fit(rows, rows[:, 0], sample_weight=hidden(rows[:, 0], 3)),
        lambda: model.fit(rows, rows[:, 0]).predict(hidden(rows, 3)),
        lambda: SequenceRegressor(**KEYS).fit(frame, hidden(count, 1)),
        lambda: SequenceRegressor().fit(ARRAYS, [hidden(part[:, 0], 0) for part in ARRAYS]),
    ):
        with pytest.raises(DataError, match="masked values"):
            call()
    # A mask that hides nothing is none.
    model.fit(hidden(rows, -1), hidden(rows[:, 0], -1))


@pytest.mark.parametrize("estimator", [SequenceClassifier, SequenceRegressor])
def test_dates_are_no_labels(estimator: Any) -> None:
    frame, _, _ = purchases()
    dates = pd.Series(pd.date_range("2020-01-01", periods=len(frame)))
    gaps = dates.where(dates.index != 3)
    for y in (dates, gaps, gaps.to_numpy(), gaps.tolist(), gaps - dates[0], pl.Series(dates)):
        with pytest.raises(DataError, match="y has dates or durations"):
            estimator(**KEYS).fit(frame, y)


def test_targets_keep_their_digits() -> None:
    """Of 2**24 + 1 float32 makes 2**24."""
    for y in ([2**24 + 1, None], np.array([2**24 + 1, np.nan]), pd.Series([2**24 + 1, None])):
        np.testing.assert_array_equal(as_targets(as_labels(y)), [2.0**24 + 1, np.nan])


def test_weights_and_tables_of_the_wrong_shape_are_named() -> None:
    frame, _, count = purchases()
    ones = [np.ones(length) for length in LENGTHS]
    packed = np.empty(4, dtype=object)
    packed[:] = ones
    for weights in (ones, packed):
        with pytest.raises(ShapeError, match="one number for each sequence of X, got several"):
            SequenceRegressor().fit(ARRAYS, ones, sample_weight=weights)
    for weights in ([1, 2, 1, 1], pl.Series([1.0, 2, 1, 1]), pd.Series([1, 2, 1, 1], dtype=object)):
        assert SequenceRegressor(epochs=1).fit(ARRAYS, ones, sample_weight=weights).n_iter_ == 1
    with pytest.raises(ShapeError, match="one number for each row of X, got several"):
        SequenceRegressor(**KEYS).fit(frame, count, sample_weight=[[1.0]] * len(frame))
    assert SequenceRegressor(epochs=1).fit(ARRAYS, ones, sample_weight=2.0).n_iter_ == 1
    model = SequenceRegressor(**KEYS, epochs=1)
    for call in (
        lambda: model.fit(frame[:0], count[:0]),
        lambda: model.partial_fit(frame[:0], count[:0]),
        lambda: SequenceTransformer(**KEYS).fit(frame[:0]),
        lambda: next(SequenceKFold(3, id="card").split(frame[:0])),
    ):
        with pytest.raises(DataError, match="X has no rows"):
            call()
    with pytest.raises(DataError, match="X_val and y_val: X has no rows"):
        model.fit(frame, count, X_val=frame[:0], y_val=count[:0])
    with pytest.raises(ShapeError, match="lists of different lengths"):
        model.fit(frame, [[1, 2], *[[1]] * (len(frame) - 1)])
    lists = np.empty(len(frame), dtype=object)
    lists[:] = [[1.0, 2.0], *count[1:]]
    for y in (lists, pd.Series(lists)):
        with pytest.raises(ShapeError, match="lists of different lengths"):
            model.fit(frame, y)
    with pytest.raises(DataError, match="labels of several types"):
        SequenceClassifier(epochs=1).fit(ARRAYS, [[1, 0, 1], ["yes"], [1] * 5, [0, 1]])
    model.fit(frame, count)
    for keys in ({"id": "x"}, {"time": "x"}):
        with pytest.raises(ParameterError, match="'x', a feature that the estimator was fitted on"):
            clone(model).fit(frame, count).set_params(**keys).predict(frame)


def test_labels_of_weight_0_do_not_set_the_scale() -> None:
    frame, _, count = purchases()
    none = np.arange(len(frame)) % 7 == 0
    weights = np.where(none, 0.0, 1.0)
    found, expected = (
        SequenceRegressor(**KEYS, epochs=5, dtype="float64")
        .fit(frame, np.where(none, label, count), sample_weight=weights)
        .predict(frame)
        for label in (1e6, np.nan)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_argument_that_labels_are_of_is_named() -> None:
    frame, classes, _ = purchases()
    model = SequenceClassifier(**KEYS, epochs=1)
    with pytest.raises(DataError, match="X_val and y_val: y has the class 'zz'"):
        model.fit(frame, classes, X_val=frame, y_val=["zz"] * len(frame))
    with pytest.raises(ShapeError, match="X_val and y_val: y has 9 labels for 360 rows"):
        model.fit(frame, classes, X_val=frame, y_val=classes[:9])
    for wrong in ("ab", {"no": 1}, 3, [["no"], ["yes"]]):
        with pytest.raises(ParameterError, match="classes must be a list or an array of the"):
            model.partial_fit(frame, classes, classes=wrong)
    for wrong, message in (({1, "a"}, "several types, 'a' and 1"), ([None], "no label")):
        with pytest.raises(DataError, match=f"classes has .*{message}"):
            model.partial_fit(frame, classes, classes=wrong)
    named = {"yes": 1, "no": 2}
    for told in ({*named}, named.keys(), {1: "yes", 2: "no"}.values()):
        learnt = clone(model).partial_fit(frame, classes, told)
        assert learnt.classes_.tolist() == ["no", "yes"]
    with pytest.raises(ShapeError, match=r"a label for each row, got \{0: 0, 1: 1, .*\.\.\.\}"):
        model.fit(frame, {at: at for at in range(len(frame))})
    two = frame.rename(columns={"card": "a__card", "x": "b__card"})
    with pytest.raises(DataError, match="several columns that end with '__card', a__card, b__card"):
        model.fit(two, classes)
    with pytest.raises(ParameterError, match="static= names columns of X, and is a frame"):
        clone(model).set_params(static=frame).fit(frame, classes)


@pytest.mark.parametrize(
    "labels",
    [
        ["b", None, "a", "b"],
        ["b", float("nan"), pd.NA, "a"],
        [None, np.str_("a"), "b", pd.NaT, np.float32("nan")],
        [3, 1, 2, 1],
        [2, None, True, np.int64(1)],
        [0.5, float("nan"), 2.5, 0.5],
    ],
)
@pytest.mark.parametrize("kind", [list, np.array, pl.Series, pd.Series])
def test_classes_and_their_numbers_are_those_found_one_by_one(labels: list, kind: Any) -> None:
    if kind is np.array:
        given: Any = np.empty(len(labels), dtype=object)
        given[:] = labels
    elif kind is pl.Series:
        given = pl.Series([None if pd.isna(one) else one for one in labels], strict=False)
    else:
        given = kind(labels)
    read = as_labels(given)
    assert is_missing(read).tolist() == [bool(pd.isna(one)) for one in labels]
    classes = sorted({one for one in labels if not pd.isna(one)})
    assert np.unique(present(read)).tolist() == classes
    expected = [np.nan if pd.isna(one) else classes.index(one) for one in labels]
    np.testing.assert_array_equal(class_codes(read, np.array(classes)), expected)
    with pytest.raises(DataError, match=f"y has the class {classes[-1]!r}, which is none of"):
        class_codes(read, np.array(classes[:-1]))


def test_folds_have_all_rows_of_their_sequences_wherever_these_stand() -> None:
    ids = np.random.default_rng(0).integers(0, 40, 300)
    frame = pl.DataFrame({"card": ids, "t": np.arange(300), "x1": np.ones(300)})
    tested = []
    for train, test in SequenceKFold(4, id="card", time="t").split(frame):
        held_out = set(ids[test].tolist())
        assert test.tolist() == [row for row in range(300) if ids[row] in held_out]
        assert train.tolist() == [row for row in range(300) if ids[row] not in held_out]
        tested += test.tolist()
    assert sorted(tested) == list(range(300))
