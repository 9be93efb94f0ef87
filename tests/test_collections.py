"""Data sets as collections: by id, in slices, windows and folds, put together, compared, shown."""

from __future__ import annotations

import copy
import datetime
import pickle
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust import Dataset
from rnn_rust.errors import DataError, ParameterError, ShapeError


def make(*lengths: int, **more: object) -> Dataset:
    offsets = np.cumsum([0, *lengths])
    rows = np.arange(offsets[-1], dtype=float)
    ids = more.pop("ids", [f"s{number}" for number in range(len(lengths))])
    return Dataset.from_arrays(rows, rows % 2, offsets, ids=ids, **more)


def test_ids_index() -> None:
    data = make(2, 3, ids=["card-5", "card-7"])
    assert data["card-7"].features[:, 0].tolist() == [2, 3, 4]
    assert data.sequence("card-5").id == "card-5"
    with pytest.raises(KeyError, match=r"no sequence has the id 'card-6'; did you mean 'card-"):
        data["card-6"]
    numbered = make(2, 3, ids=[7, 0])
    assert numbered[0].id == 7  # a position
    assert numbered.sequence(0).features[:, 0].tolist() == [2, 3, 4]
    with pytest.raises(KeyError):
        numbered.sequence(1)


@pytest.mark.parametrize("ids", [[7, 0, -3, 5], ["card-5", "7", "", "é"]])
def test_ids_are_looked_up_in_each_data_set_by_itself(ids: list[int] | list[str]) -> None:
    data = make(1, 2, 3, 4, ids=ids)
    assert data.sequence(ids[3]).id == ids[3]  # ids have been looked up from here on
    others: list[Dataset] = [
        data, data[1:], data[::-1], data.subset([2, 0]), pickle.loads(pickle.dumps(data)),
        copy.copy(data), copy.deepcopy(data[:3]), data.split(at=1)[1],
        data.with_initial_state(np.zeros((4, 1))), Dataset.concat([data[2:], data[:1]]),
    ]  # fmt: skip
    for other in others:
        held = other.ids.tolist()
        for key in ids:
            if key not in held:
                with pytest.raises(KeyError, match="no sequence has the id"):
                    other.sequence(key)
                continue
            rows = slice(*other.offsets[held.index(key) :][:2])
            assert other.sequence(key).features.tolist() == other.features[rows].tolist()
            assert other.sequence(np.array(ids)[ids.index(key)]).id == key  # as NumPy has it
    assert b"_places" not in pickle.dumps(data)


def test_ids_that_are_written_to_are_looked_up_as_they_are() -> None:
    data = make(1, 2, ids=["a", "b"])
    assert [data.sequence("a").id for _ in range(3)] == ["a"] * 3
    data.ids.flags.writeable = True
    data.ids[:] = ["b", "c"]
    assert data.sequence("c").features[:, 0].tolist() == [1, 2]
    assert data.sequence("b").features[:, 0].tolist() == [0]
    with pytest.raises(KeyError, match="no sequence has the id 'a'"):
        data.sequence("a")


def test_what_is_no_id_is_a_key_error() -> None:
    for ids in ([0, 1], ["a", "b"]):
        data, other = make(1, 2, ids=ids), [["a"], [0], {}, None, (0,), np.zeros(1)]
        for _ in range(3):
            for key in other:
                with pytest.raises(KeyError, match="no sequence has the id"):
                    data.sequence(key)  # type: ignore[arg-type]


def test_the_first_of_several_parts_has_their_id() -> None:
    data = make(6, 2, ids=["a", "b"])
    before, after = data.split(at=1)
    both = before.part(
        np.array([3, 0, 6]), np.array([3, 2, 2]), np.zeros(3, int), np.array(["a", "a", "b"], "O")
    )
    assert both.sequence("a").features[:, 0].tolist() == [3, 4, 5]
    assert after.sequence("a").features[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_an_empty_slice_is_told_as_it_is_written() -> None:
    for which, written in (
        (slice(None, 0), "[:0]"), (slice(3, 2, 1), "[3:2:1]"), (slice(None, None), None),
    ):  # fmt: skip
        data = make(2, 3)
        if written is None:
            assert len(data[which]) == 2
            continue
        with pytest.raises(IndexError) as caught:
            data[which]
        assert str(caught.value) == f"no sequence is in {written} of a data set of 2 sequences"


@settings(max_examples=60, deadline=None)
@given(which=st.slices(6), count=st.integers(1, 6))
def test_slices_are_views(which: slice, count: int) -> None:
    data = make(*range(1, count + 1))
    wanted = list(data)[which]
    if not wanted:
        with pytest.raises(
            IndexError, match=r"no sequence is in \[[-0-9]*:[-0-9:]*\] of a data set"
        ):
            data[which]
        return
    part = data[which]
    assert isinstance(part, Dataset)
    assert part.shares_rows
    assert [s.id for s in part] == [s.id for s in wanted]
    for one, other in zip(part, wanted, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), length=st.integers(1, 9),
    step=st.none() | st.integers(1, 9),
)  # fmt: skip
def test_windows(lengths: list[int], length: int, step: int | None) -> None:
    data = make(*lengths)
    stride = step or length
    expected = [
        sequence.features[begin : begin + length, 0].tolist()
        for sequence in data
        for begin in range(0, len(sequence) - length + 1, stride)
    ]
    if not expected:
        with pytest.raises(DataError, match=f"no sequence has {length} rows, the longest has"):
            data.windows(length, step)
        return
    windows = data.windows(length, step)
    assert [window.features[:, 0].tolist() for window in windows] == expected
    assert len(set(windows.ids.tolist())) == len(expected)
    np.testing.assert_array_equal(windows.features[:, 0], np.concatenate(expected))


def test_windows_of_one_series() -> None:
    frame = pl.DataFrame({"t": range(24), "x1": np.arange(24.0)})
    series = Dataset.from_frame(frame, features="x1")
    assert len(series.windows(6, step=6)) == 4
    assert series.windows(6, step=6).ids.tolist() == [0, 1, 2, 3]
    model = rnn.RNN(1, 3, 1)
    overlapping = series.windows(6, step=1)
    assert model.predict(overlapping).shape == (19 * 6, 1)
    for wrong in (0, 1.5):
        with pytest.raises(ParameterError, match="length must be"):
            series.windows(wrong)  # type: ignore[arg-type]


def test_concat() -> None:
    one = make(2, 3, feature_names=["a"], label_names=["b"])
    other = make(1, ids=["z"], feature_names=["a"], label_names=["b"])
    both = Dataset.concat([one, other])
    assert [s.id for s in both] == ["s0", "s1", "z"]
    assert both.features[:, 0].tolist() == [0, 1, 2, 3, 4, 0]
    assert both.offsets.tolist() == [0, 2, 5, 6]
    assert Dataset.concat(part for part in both.split(0.5, seed=1)).features.shape == (6, 1)
    swapped = Dataset.from_arrays([[1.0, 2.0]], None, [0, 1], ids=["p"], feature_names=["v", "u"])
    plain = Dataset.from_arrays([[3.0, 4.0]], None, [0, 1], ids=["q"], feature_names=["u", "v"])
    assert Dataset.concat([plain, swapped]).features.tolist() == [[3, 4], [2, 1]]
    for parts, error, message in (
        ([one, one], DataError, "id 's0' is in several"),
        ([], ParameterError, "there is no data set"),
        ([one, None], ParameterError, "concat needs a Dataset"),
        ([one, plain], ShapeError, "columns"),
        ([one, make(1, ids=[3])], DataError, "ids are"),
        ([one, make(1, ids=["y"], weights=[1.0])], ShapeError, "weights in one alone"),
    ):
        with pytest.raises(error, match=message):
            Dataset.concat(parts)


def test_equality() -> None:
    assert make(2, 3) == make(2, 3)
    assert make(2, 3) == make(2, 3)[:]
    assert make(2, 3) != make(3, 2)
    assert make(2, 3) != make(2, 3, ids=["s0", "s2"])
    assert make(2, 3) != make(2, 3, times=[0, 1, 0, 1, 3])
    assert make(2) != make(2, weights=[1.0, 1.0])
    assert make(2) != make(2, feature_names=["other"])
    missing = Dataset.from_arrays([0.0], [np.nan], [0, 1])
    assert missing == Dataset.from_arrays([0.0], [np.nan], [0, 1])
    assert make(2) != "a data set"


def test_head_and_html() -> None:
    data = make(2, 9, ids=["<b>", "c"])
    assert data.head().height == 5
    assert data.head(2).equals(data.to_frame()[:2])
    shown = data._repr_html_()
    assert shown.startswith("<pre>rows       11\n")
    assert "<table" in shown
    assert "<b>" not in shown.replace("</b>", "").replace("&lt;b&gt;", "")


@pytest.mark.parametrize("rows", [-12, -11, -4, -1, 0, 1, 2, 3, 10, 11, 40])
def test_head_has_the_first_rows_of_the_frame(rows: int) -> None:
    frame = pl.DataFrame(
        {
            "id": [*"aabbbbbbbbb"], "t": range(11), "x1": [*"uvuvwuvwuvw"], "x2": range(11),
            "age": [30] * 2 + [40] * 9, "y": ["up", None, *["down", "up", None] * 3],
            "w": np.arange(11) / 4,
        }
    )  # fmt: skip
    data = Dataset.from_frame(frame, features=["x1", "x2"], static=["age"], labels="y", weights="w")
    wanted = data.to_frame()
    assert wanted["x1"].to_list() == frame["x1"].to_list()
    assert wanted["y"].to_list() == frame["y"].to_list()
    assert data.head(rows).equals(wanted.head(rows))
    assert data.head(rows).schema == wanted.schema
    again = data.with_initial_state(np.zeros((2, 3)))[1:]
    assert again.head(rows).equals(wanted[2:].head(rows))
    assert repr(again) == repr(data[1:])
    assert "weights" in repr(again)


def test_what_is_shown_copies_no_rows_of_a_view() -> None:
    view = make(2, 9, 1, weights=np.ones(12))[:2]
    assert repr(view) == "<Dataset: 2 sequences, 11 rows, 1 feature, 1 label, weights>"
    assert view.head(1)["x1"].to_list() == [0.0]
    assert not {"features", "labels", "weights"} & set(vars(view))


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(2, 30), k=st.integers(2, 6), seed=st.integers(0, 5), stratify=st.booleans()
)
def test_folds_test_every_sequence_once(count: int, k: int, seed: int, stratify: bool) -> None:
    labels = (np.arange(count) % 3 == 0).astype(float)
    data = Dataset.from_arrays(np.arange(count, dtype=float), labels, range(count + 1))
    if count < k:
        with pytest.raises(DataError, match=f"{k} folds need at least {k} sequences"):
            list(data.folds(k, seed=seed))
        return
    folds = list(data.folds(k, seed=seed, stratify=stratify))
    assert len(folds) == k
    tested = sorted(key for _, test in folds for key in test.ids.tolist())
    assert tested == list(range(count))
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 1
    for train, test in folds:
        assert sorted([*train.ids, *test.ids]) == list(range(count))
    if stratify:
        positives = [int(test.labels.sum()) for _, test in folds]
        assert max(positives) - min(positives) <= 1
    again = list(data.folds(k, seed=seed, stratify=stratify))
    assert all(a[1] == b[1] for a, b in zip(folds, again, strict=True))


def test_folds_by_time_learn_from_what_has_ended() -> None:
    random = np.random.default_rng(0)
    begins, lengths = random.integers(0, 100, 40), random.integers(1, 9, 40)
    times = np.concatenate([b + np.arange(n) for b, n in zip(begins, lengths, strict=True)])
    offsets = np.cumsum([0, *lengths])
    data = Dataset.from_arrays(np.zeros(offsets[-1]), None, offsets, times=times)
    for gap in (None, 5):
        folds = list(data.folds(4, by="time", gap=gap))
        assert len(folds) == 4
        for train, test in folds:
            assert train.times.max() < test.times[test.offsets[:-1]].min() - (gap or 0)
        assert sum(len(test) for _, test in folds) == 32
    days = data.times * np.timedelta64(1, "D") + np.datetime64("2024-01-01")
    dated = Dataset.from_arrays(np.zeros(offsets[-1]), None, offsets, times=days)
    for gap_of_days in (datetime.timedelta(days=5), np.timedelta64(5, "D")):
        again = list(dated.folds(4, by="time", gap=gap_of_days))
        assert [len(train) for train, _ in again] == [len(train) for train, _ in folds]
    at_once = list(dated.folds(4, by="time", gap=datetime.timedelta(0)))
    without = list(dated.folds(4, by="time"))
    assert [len(train) for train, _ in at_once] == [len(train) for train, _ in without]
    for arguments, message in (
        ({"k": 1}, "k must be at least 2"),
        ({"by": "row"}, "by='row' is not known"),
        ({"gap": 1}, "gap= is for by='time'"),
        ({"by": "time", "stratify": True}, "cannot stratify"),
        ({"by": "time", "gap": datetime.timedelta(1)}, "folds: gap must be a number"),
        ({"by": "time", "gap": -1}, "folds: gap must be finite and at least 0"),
        ({"seed": -1}, "seed=-1 must be"),
    ):
        with pytest.raises(ParameterError, match=message):
            list(data.folds(**{"k": 4, **arguments}))  # type: ignore[arg-type]
    for gap_of_dates, message in (
        (3, "folds: gap=3 cannot be taken from times of dtype .*; give a timedelta"),
        (datetime.timedelta(days=-1), "must be a duration of at least 0"),
        (np.timedelta64("NaT", "s"), "must be a duration of at least 0"),
    ):
        with pytest.raises(ParameterError, match=message):
            list(dated.folds(4, by="time", gap=gap_of_dates))
    with pytest.raises(DataError, match="windows"):
        list(make(30).folds(2, by="time"))
    with pytest.raises(DataError, match="no sequence ends before"):
        list(make(9, 9, 9, 9).folds(2, by="time"))


def series(id: int, values: list[float]) -> Dataset:
    return Dataset.from_arrays(
        values, None, [0, len(values)], ids=[id], feature_names=["load"]
    ).forecast("load", 2, season=2)


def test_forecasts_put_together_are_those_of_all_rows() -> None:
    """Present and seasonal values belong to their rows, wherever these come to stand."""
    one, other = series(1, [0, 1, 3, 7, 2, 5]), series(2, [0, 10, 30, 20])
    rows = Dataset.from_arrays(
        [0, 1, 3, 7, 2, 5, 0, 10, 30, 20], None, [0, 6, 10], ids=[1, 2], feature_names=["load"]
    )
    both, whole = Dataset.concat([one, other]), rows.forecast("load", 2, season=2)
    assert both == whole
    np.testing.assert_array_equal(both.present, whole.present)
    np.testing.assert_array_equal(both.seasonal, whole.seasonal)
    model = rnn.GRU(1, 3, 2, seed=1)
    assert model.loss(both) == model.loss(whole)
    first, second = (rows.subset([at]) for at in range(2))
    changes = first.forecast("load", features="load")
    values = second.forecast("load", features="load", relative_to=None)
    with pytest.raises(DataError, match="forecast other values; make them by the same call"):
        Dataset.concat([changes, values])


def test_missing_numbers_of_one_data_set_are_those_of_all() -> None:
    full = Dataset.from_frame({"id": [1, 1], "t": [1, 2], "x1": [1.0, 2.0], "y1": [0, 1]})
    gaps = Dataset.from_frame(
        {"id": [2, 2], "t": [1, 2], "x1": [1.0, None], "y1": [0, 1]}, missing="keep"
    )
    both = Dataset.concat([full, gaps])
    assert both.keeps_missing
    model = rnn.RNN(1, 2, 1)
    with pytest.raises(DataError, match=r"column 'x1' is missing in row 3 \(counted from 0\)"):
        model.predict(both)


def test_classes_of_a_data_set_without_labels_yet_are_those_of_the_others() -> None:
    frame = {"id": ["a", "a"], "t": [1, 2], "x1": [1.0, 2.0]}
    known = Dataset.from_frame(frame | {"y1": ["up", "down"]}, features="x1", labels="y1")
    new = Dataset.from_frame(frame | {"id": ["b", "b"], "y1": [None, None]}, labels="y1")
    for parts in ([known, new], [new, known]):
        both = Dataset.concat(parts)
        assert both.label_levels == {"y1": ("down", "up")}
        assert both.to_frame().filter(id="a")["y1"].to_list() == ["up", "down"]
        assert both.to_frame().filter(id="b")["y1"].to_list() == [None, None]


DAYS = np.array(["2024-01-01", "2024-01-02"], "M8[D]")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.normalize(), "normalised differently, or one alone is"),
        (
            lambda d: Dataset.from_arrays(d.features, d.labels, d.offsets, ["b"], DAYS - DAYS[0]),
            r"times are datetime64\[D\] and timedelta64\[D\]; convert one",
        ),
        (
            lambda d: Dataset.from_arrays(d.features, d.labels, d.offsets, ["a"], d.times),
            "id 'a' is in several data sets; rename one",
        ),
    ],
)  # fmt: skip
def test_data_sets_that_cannot_be_put_together(
    change: Callable[[Dataset], Dataset], message: str
) -> None:
    first, second = (Dataset.from_arrays([1.0, 2.0], [0.0, 4.0], [0, 2], [id], DAYS) for id in "ab")
    with pytest.raises(DataError, match=message):
        Dataset.concat([first, change(second)])


def test_large_ids_are_not_rounded_when_put_together() -> None:
    large = Dataset.from_arrays([1.0], None, [0, 1], np.array([2**63 + 1], np.uint64))
    with pytest.raises(DataError, match="do not fit one of them; make them text"):
        Dataset.concat([large, Dataset.from_arrays([1.0], None, [0, 1], [1])])
