"""The scorer: whatever the order of events, an entity's outputs are the bits of a prediction."""

from __future__ import annotations

import copy
import itertools
import pickle
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

Model = rnn.RNN | rnn.GRU | rnn.LSTM
Events = list[tuple[Any, float, NDArray[Any]]]


def make_model(draw: st.DrawFn) -> Model:
    """A model of any kind that can read a stream, with a fitted scaler or none."""
    cell = draw(st.sampled_from([rnn.RNN, rnn.GRU, rnn.LSTM]))
    options: dict[str, Any] = {"reset_after": draw(st.booleans())} if cell is rnn.GRU else {}
    inputs, outputs = draw(st.integers(1, 33)), draw(st.integers(1, 3))
    scaler = draw(st.sampled_from([None, "minmax", "standard", "robust"]))
    model = cell(
        inputs, draw(st.integers(1, 40)), outputs, scaler=scaler,
        num_layers=draw(st.integers(1, 3)), dtype=draw(st.sampled_from(["float32", "float64"])),
        seed=draw(st.integers(0, 99)), **options,
    )  # fmt: skip
    if scaler is not None:
        random = np.random.default_rng(0)
        data = rnn.Dataset.from_arrays(
            5 + 3 * random.normal(size=(20, inputs)), 1e6 * random.normal(size=(20, outputs)),
            [0, 20],
        )  # fmt: skip
        model.fit(data, epochs=1, progress=False)
    return model


def key_of(number: int) -> Any:
    """Keys of all kinds; none is like another."""
    return (number, -number - 1, 2**63 + number, f"{number}", f"{number}".encode())[number % 5]


def expected(model: Model, events: Events, limit: int | None, after: float | None) -> Any:
    """Outputs by predict, and which events start anew: the states of a dict, and nothing else."""
    used: OrderedDict[Any, tuple[float, list[int]]] = OrderedDict()
    runs, new, evicted, expired = [], [], 0, 0
    for number, (key, time, _) in enumerate(events):
        for _ in range(2):
            oldest = next(iter(used), None)
            if after is None or oldest is None or used[oldest][0] >= time - after:
                break
            used.pop(oldest)
            expired += 1
        last, run = used.pop(key, (None, None))
        late = last is not None and after is not None and time - after > last
        expired += late
        if last is None and len(used) == limit:
            used.popitem(last=False)
            evicted += 1
        new.append(last is None or late)
        if run is None or late:
            runs.append(run := [])
        run.append(number)
        used[key] = (time if last is None else max(last, time), run)
    outputs: list[Any] = [None] * len(events)
    for run in runs:
        answers = model.predict(np.stack([events[number][2] for number in run]))
        for number, answer in zip(run, answers, strict=True):
            outputs[number] = answer
    return np.stack(outputs), new, (evicted, expired, list(used))


def scored(scorer: rnn.Scorer, events: Events, *, single: bool, out: bool) -> tuple[Any, list[Any]]:
    """Outputs of some events, one by one or together."""
    keys, times, features = zip(*events, strict=True)
    if not single:
        return scorer.score_batch(list(keys), np.stack(features), times=times, return_new=True)
    outputs, new = [], []
    for key, time, row in events:
        to = np.empty_like(outputs[0]) if out and outputs else None
        answer, is_new = scorer.score(key, row, to, time=time, return_new=True)
        assert to is None or answer is to
        outputs.append(answer)
        new.append(is_new)
    return np.stack(outputs), new


@st.composite
def streams(draw: st.DrawFn) -> tuple[Any, ...]:
    """A model, events of some entities, limits, and how the events are cut into batches."""
    model = make_model(draw)
    random = np.random.default_rng(draw(st.integers(0, 999)))
    entities = draw(st.integers(1, 50))
    count = draw(st.integers(1, 300))
    numbers = np.minimum(random.zipf(draw(st.sampled_from([1.2, 1.7, 3.0])), count), entities) - 1
    times = np.arange(count) - random.integers(0, 5, count)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rows = (5 + 3 * random.normal(size=(count, model.settings["input_size"]))).astype(dtype)
    events = [
        (key_of(int(number)), float(time), row)
        for number, time, row in zip(numbers, times, rows, strict=True)
    ]
    limit = draw(st.none() | st.integers(1, entities))
    after = draw(st.none() | st.integers(0, 40).map(float))
    cuts = draw(st.lists(st.integers(0, count), max_size=6))
    return model, events, limit, after, sorted({0, count, *cuts}), draw(st.booleans())


@settings(deadline=None)
@given(stream=streams(), snapshots=st.booleans())
def test_outputs_are_the_bits_of_predictions(
    stream: tuple[Any, ...], snapshots: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model, events, limit, after, cuts, single = stream
    outputs, new, (evicted, expired, left) = expected(model, events, limit, after)
    scorer = model.scorer(max_entities=limit, expire_after=after)
    path = tmp_path_factory.mktemp("scorer") / "states.safetensors"
    parts, news = [], []
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        answer, is_new = scored(
            scorer, events[start:end], single=single and number % 2 == 0, out=number % 4 == 0
        )
        parts.append(answer)
        news += list(is_new)
        if snapshots:
            scorer.save(path)
            scorer = rnn.load_scorer(path)
    got = np.concatenate(parts)
    assert news == new
    assert got.dtype == outputs.dtype
    assert got.tobytes() == outputs.tobytes()
    assert (scorer.evicted, scorer.expired, len(scorer)) == (evicted, expired, len(left))
    assert all(key in scorer for key in left)


@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_threads_change_nothing(data: st.DataObject, seed: int) -> None:
    model = data.draw(st.composite(make_model)())
    random = np.random.default_rng(seed)
    threads, each = 4, 400
    inputs = model.settings["input_size"]
    rows = 5 + 3 * random.normal(size=(threads, each, inputs))
    keys = random.integers(0, 20, (threads, each)) * threads + np.arange(threads)[:, np.newaxis]
    scorer = model.scorer()
    answers: list[list[Any]] = [[] for _ in range(threads)]

    def work(own: int) -> None:
        start, sizes = 0, np.random.default_rng(own)
        while start < each:
            end = min(start + int(sizes.integers(1, 150)), each)
            if sizes.random() < 0.5:
                answers[own].append(scorer.score_batch(keys[own, start:end], rows[own, start:end]))
            else:
                for number in range(start, end):
                    answer = scorer.score(int(keys[own, number]), rows[own, number])
                    answers[own].append(answer[np.newaxis])
            start = end

    workers = [threading.Thread(target=work, args=(own,)) for own in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for own in range(threads):
        got = np.concatenate(answers[own])
        for key in np.unique(keys[own]):
            chosen = keys[own] == key
            np.testing.assert_array_equal(got[chosen], model.predict(rows[own][chosen]))


@pytest.mark.timing
def test_an_event_waits_for_a_slice_of_a_batch_not_for_the_batch() -> None:
    scorer, count = rnn.GRU(3, 16, 1).scorer(), 600_000
    x, keys = np.zeros((count, 3), np.float32), np.arange(count) % 5000
    worker = threading.Thread(target=scorer.score_batch, args=(keys, x))
    worker.start()
    while len(scorer) == 0:
        pass
    calls = 0
    while worker.is_alive():
        scorer.score(1, x[0])
        calls += 1
    worker.join()
    # A batch takes some tenths of a second, a slice some microseconds.
    assert calls > 1000, calls


# One by one ----------------------------------------------------------------------------------

DATA = np.random.default_rng(0).normal(size=(200, 3))


def test_keys_of_all_kinds_are_different_entities() -> None:
    model = rnn.GRU(3, 4, 1)
    keys = [1, -1, 2**64 - 1, -(2**63), "1", b"1", "", b"", "é"]
    scorer = model.scorer()
    first = scorer.score_batch(keys, DATA[:9])
    assert len(scorer) == 9
    for key, features, output in zip(keys, DATA[:9], first, strict=True):
        np.testing.assert_array_equal(model.predict(features[np.newaxis])[0], output)
        assert key in scorer
    second = scorer.score_batch(keys[::-1], DATA[9:18])
    two = np.stack([DATA[0], DATA[17]])
    np.testing.assert_array_equal(model.predict(two)[1], second[-1])


@pytest.mark.parametrize(
    "keys",
    [
        np.array([3, 1, 3]), np.array([3, 1, 3], np.uint64), np.array([3, 1, 3], np.int8),
        [3, 1, 3], (3, 1, 3), np.array([3, 1, 3], object), pl.Series([3, 1, 3]),
        np.array([3, 0, 1, 0, 3])[::2], np.array([3, 1, 3], np.uint8),
    ],
)  # fmt: skip
def test_keys_in_any_container(keys: Any) -> None:
    model = rnn.GRU(3, 4, 1)
    scorer = model.scorer()
    outputs = scorer.score_batch(keys, DATA[:3])
    np.testing.assert_array_equal(outputs[[0, 2]], model.predict(DATA[[0, 2]]))
    assert np.int64(3) in scorer
    assert 1 in scorer
    assert len(scorer) == 2


@pytest.mark.parametrize(
    "keys", [np.array(["a", "b", "a"]), pl.Series(["a", "b", "a"]), ["a", "b", "a"]]
)
def test_texts_in_any_container(keys: Any) -> None:
    model = rnn.GRU(3, 4, 1)
    scorer = model.scorer()
    outputs = scorer.score_batch(keys, DATA[:3])
    np.testing.assert_array_equal(outputs[[0, 2]], model.predict(DATA[[0, 2]]))
    assert "a" in scorer
    assert np.str_("b") in scorer


def test_what_is_no_event_is_refused_and_changes_nothing() -> None:
    scorer = rnn.GRU(3, 4, 2, scaler=None).scorer(expire_after=1.0)
    x = DATA[0]
    for key in (1.5, None, 2**64, -(2**63) - 1, (1, 2), np.float64(1)):
        with pytest.raises(TypeError, match="a key is an int of 64 bits, a str or bytes"):
            scorer.score(key, x, time=0)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="keys are floats"):
        scorer.score_batch(np.array([1.0]), DATA[:1], times=[0])
    with pytest.raises(ShapeError, match="one by one, or use predict"):
        scorer.score(1, DATA, time=0)
    with pytest.raises(ShapeError, match="features: expected 3, got 2"):
        scorer.score(1, x[:2], time=0)
    with pytest.raises(DataError, match="feature 1 is NaN"):
        scorer.score(1, [0.0, np.nan, 0.0], time=0)
    with pytest.raises(ParameterError, match="time must be a number for each event"):
        scorer.score(1, x)
    with pytest.raises(ParameterError, match="time must be a number for each event"):
        scorer.score(1, x, time=np.nan)
    bad = DATA[:70].copy()
    bad[66, 2] = np.inf
    with pytest.raises(DataError, match="row 66: feature 2 is inf"):
        scorer.score_batch(np.arange(70), bad, times=np.zeros(70))
    with pytest.raises(ShapeError, match="70 keys, 2 times"):
        scorer.score_batch(np.arange(70), DATA[:70], times=[0, 0])
    with pytest.raises(ParameterError, match="time"):
        scorer.score_batch(np.arange(70), DATA[:70], times=np.append(np.zeros(69), np.nan))
    with pytest.raises(ShapeError, match=r"of 70 events they have \(70, 3\)"):
        scorer.score_batch(np.arange(70), DATA[:69], times=np.zeros(70))
    with pytest.raises(ShapeError, match="give one for each event"):
        scorer.score_batch(np.zeros((2, 2), int), DATA[:4], times=np.zeros(4))
    for out in (np.zeros((70, 2)), np.zeros((2, 70), np.float32).T, np.zeros(140, np.float32), []):
        with pytest.raises(TypeError, match=r"shape \(70, 2\)"):
            scorer.score_batch(np.arange(70), DATA[:70], out, times=np.zeros(70))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"shape \(2,\)"):
        scorer.score(1, x, np.zeros(2), time=0)
    assert len(scorer) == 0
    assert scorer.score_batch([], np.zeros((0, 3)), times=[]).shape == (0, 2)


def test_limits_that_make_no_sense_are_refused() -> None:
    model = rnn.RNN(3, 4, 1)
    for limits in ({"max_entities": 0}, {"max_entities": 1.5}, {"expire_after": -1.0},
                   {"expire_after": np.nan}, {"expire_after": "1d"}):  # fmt: skip
        with pytest.raises(ParameterError, match=next(iter(limits))):
            model.scorer(**limits)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="bidirectional"):
        rnn.RNN(3, 4, 1, bidirectional=True).scorer()
    with pytest.raises(ParameterError, match="readout"):
        rnn.RNN(3, 4, 1, readout="mean").scorer()
    with pytest.raises(ParameterError, match="not fitted"):
        rnn.RNN(3, 4, 1, scaler="minmax").scorer()
    with pytest.raises(ParameterError, match="no sizes yet"):
        rnn.RNN(hidden_size=4).scorer()


def test_entities_are_reset_and_forgotten() -> None:
    model = rnn.LSTM(3, 4, 1, num_layers=2)
    scorer = model.scorer()
    x = DATA[0]
    first, second = scorer.score("card", x), scorer.score("card", x)
    stepper = model.stepper()
    stepper.step(x)
    stepper.step(x)
    np.testing.assert_array_equal(scorer.state("card"), stepper.state)
    assert scorer.reset("card")
    assert not scorer.state("card").any()
    output, new = scorer.score("card", x, return_new=True)
    assert (output, new) == (first, False)
    assert scorer.score("card", x) == second
    assert scorer.forget("card")
    assert "card" not in scorer
    assert scorer.state("card") is None
    assert not scorer.forget("card")
    assert not scorer.reset("card")
    assert scorer.score("card", x, return_new=True) == (first, True)
    scorer.clear()
    assert len(scorer) == 0
    assert scorer.score("card", x) == first


def test_a_model_is_swapped_between_events() -> None:
    model, other = rnn.GRU(3, 4, 1, seed=1), rnn.GRU(3, 4, 1, seed=2)
    scorer, x = model.scorer(), DATA[0]
    first = scorer.score("card", x)
    scorer.swap(other)
    stepper = other.stepper()
    state = model.stepper()
    state.step(x)
    stepper.state = state.state
    np.testing.assert_array_equal(scorer.score("card", x), stepper.step(x))
    scorer.swap(model, keep_states=False)
    assert len(scorer) == 0
    assert scorer.score("card", x) == first
    for wrong in (rnn.GRU(3, 5, 1), rnn.LSTM(3, 4, 1), rnn.GRU(3, 4, 1, dtype="float64"),
                  rnn.GRU(3, 4, 1, reset_after=False), rnn.GRU(3, 4, 1, num_layers=2)):  # fmt: skip
        with pytest.raises(ParameterError, match="model"):
            scorer.swap(wrong)
    with pytest.raises(ParameterError, match="reverse=True"):
        scorer.swap(rnn.GRU(3, 4, 1, reverse=True))
    with pytest.raises(ParameterError, match="no sizes yet"):
        scorer.swap(rnn.GRU(hidden_size=4))
    assert "card" in scorer


def test_a_scorer_keeps_the_weights_it_was_made_with() -> None:
    model = rnn.GRU(3, 4, 1)
    scorer = model.scorer()
    before = model.predict(DATA[:1])
    model.fit(rnn.Dataset.from_arrays(DATA, DATA[:, :1], [0, 200]), epochs=3, progress=False)
    np.testing.assert_array_equal(scorer.score_batch([1], DATA[:1]), before)


def test_features_by_name() -> None:
    frame = pl.DataFrame({"id": [1, 1, 2], "t": [0, 1, 0], "a": [1.0, 2, 3], "b": [4.0, 5, 6],
                          "y": [0.0, 1, 0]})  # fmt: skip
    model = rnn.GRU(hidden_size=3, scaler="standard")
    data = rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y")
    model.fit(data, epochs=1, progress=False)
    one, other = model.scorer(), model.scorer()
    for row in frame.iter_rows(named=True):
        expected_ = other.score(row["id"], [row["a"], row["b"]])
        np.testing.assert_array_equal(one.score(row["id"], row), expected_)
    with pytest.raises(DataError, match="'b' is missing"):
        one.score(1, {"a": 1.0})
    with pytest.raises(DataError, match="'b' is 'x', which is not a number"):
        one.score(1, {"a": 1.0, "b": "x"})
    with pytest.raises(DataError, match="the model have none"):
        rnn.GRU(2, 3, 1).scorer().score(1, {"a": 1.0, "b": 2.0})


def frame_of_events(rows: int = 60) -> pl.DataFrame:
    random = np.random.default_rng(3)
    return pl.DataFrame(
        {
            "card": [f"card {n}" for n in random.integers(0, 9, rows)],
            "t": np.arange(rows) * 10,
            "a": random.normal(size=rows),
            "b": random.normal(size=rows),
            "y": random.integers(0, 2, rows),
        }
    )


def fitted(frame: pl.DataFrame, **options: Any) -> Model:
    model = rnn.GRU(
        hidden_size=5, loss="binary_cross_entropy", scaler="standard",
        **options,
    )  # fmt: skip
    data = rnn.Dataset.from_frame(frame, id="card", features=["a", "b"], labels="y")
    model.fit(data, epochs=1, progress=False)
    return model


def test_frames_are_scored_as_by_score_frame() -> None:
    frame = frame_of_events()
    model = fitted(frame)
    whole = model.score_frame(frame)
    scorer = model.scorer()
    parts = [scorer.score_frame(frame[start : start + 7]) for start in range(0, 60, 7)]
    assert pl.concat(parts).equals(whole)
    again = model.scorer()
    assert again.score_frame(frame.to_pandas()).equals(model.score_frame(frame.to_pandas()))
    assert "card 3" in again
    assert len(again) == frame["card"].n_unique()
    # Rows of an entity that are not in the order of time are taken in it.
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert model.scorer().score_frame(shuffled).equals(model.score_frame(shuffled))
    timed = model.scorer(expire_after=25.0)
    timed.score_frame(frame)
    direct = model.scorer(expire_after=25.0)
    direct.score_batch(frame["card"], frame[["a", "b"]].to_numpy(), times=frame["t"])
    assert (timed.expired, len(timed)) == (direct.expired, len(direct))
    assert timed.expired > 0
    with pytest.raises(DataError, match="no column 'b'"):
        scorer.score_frame(frame.drop("b"))


def test_rows_without_times_do_not_expire() -> None:
    frame = frame_of_events().drop("t")
    data = rnn.Dataset.from_frame(frame, id="card", time=None, features=["a", "b"], labels="y")
    model = rnn.GRU(hidden_size=5, loss="binary_cross_entropy")
    model.fit(data, epochs=1, progress=False)
    model.scorer().score_frame(frame)
    with pytest.raises(ParameterError, match="without a time column"):
        model.scorer(expire_after=5.0).score_frame(frame)


def test_a_scorer_shows_itself() -> None:
    scorer = rnn.GRU(3, 4, 1).scorer(max_entities=5)
    scorer.score(1, DATA[0])
    assert repr(scorer).startswith("Scorer(GRU(3, 4, 1")
    assert "max_entities=5" in repr(scorer)
    assert repr(scorer).endswith(": 1 entities")
    assert rnn.Scorer is type(scorer)
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"use save\(path\)"):
            way(scorer)


class Itself:
    """An array that converts to nothing else."""

    def __array__(self) -> Itself:
        return self


@pytest.mark.parametrize(
    "keys",
    [
        "abc", b"abc", Itself(), np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        np.array(["2026-01-01"] * 3, dtype="datetime64[ns]"), np.ones(3),
    ],
)  # fmt: skip
def test_keys_of_other_kinds_are_refused(keys: Any) -> None:
    with pytest.raises(TypeError, match=r"key|iter"):
        rnn.GRU(3, 4, 1).scorer().score_batch(keys, np.zeros((3, 3)))


def test_limits_stay_as_given() -> None:
    scorer = rnn.GRU(3, 4, 1).scorer(max_entities=3, expire_after=2.0)
    assert (scorer.max_entities, scorer.expire_after) == (3, 2.0)
    with pytest.raises(AttributeError):
        scorer.max_entities = 5
