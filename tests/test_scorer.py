"""The scorer: whatever the order of events, an entity's outputs are the bits of a prediction."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections import OrderedDict
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import rnn_rust as rnn

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
@pytest.mark.parametrize("swapping", [False, True])
def test_an_event_waits_for_a_slice_of_a_batch_not_for_the_batch(swapping: bool) -> None:
    model = rnn.GRU(3, 16, 1)
    scorer, count = model.scorer(), 600_000
    x, keys = np.zeros((count, 3), np.float32), np.arange(count) % 5000
    worker = threading.Thread(target=scorer.score_batch, args=(keys, x))
    worker.start()
    while len(scorer) == 0:
        pass
    swap = threading.Thread(target=scorer.swap, args=(model,))
    if swapping:  # It waits for the batch.
        swap.start()
        swap.join(0.02)
    calls = 0
    while worker.is_alive():
        scorer.score(1, x[0])
        calls += 1
    worker.join()
    if swapping:
        swap.join()
    # A batch takes some tenths of a second, a slice some microseconds.
    assert calls > 1000, calls


@pytest.mark.timing
def test_a_swap_waits_for_the_batches_that_run_and_not_for_later_ones() -> None:
    """Batches overlap, and threads in Python delay each look at signals."""
    model = rnn.GRU(3, 16, 1)
    scorer, count, over = model.scorer(), 60_000, threading.Event()
    x, keys = np.zeros((count, 3), np.float32), np.arange(count) % 500

    def score() -> None:
        while not over.is_set():
            scorer.score_batch(keys, x)

    def compute() -> None:
        while not over.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=work) for work in [score] * 3 + [compute] * 2]
    start = perf_counter()
    scorer.score_batch(keys, x)
    batch = perf_counter() - start
    for thread in threads:
        thread.start()
    try:
        times = []
        for _ in range(5):
            start = perf_counter()
            scorer.swap(model)
            times.append(perf_counter() - start)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    # Three batches run on two processors, beside two threads more.
    assert max(times) < 1 + 20 * batch, (times, batch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scorer_that_its_model_refers_to_is_collected(dtype: Any) -> None:
    model = rnn.GRU(2, 3, 1, dtype=dtype)
    scorer: Any = model.scorer()
    own = scorer.model
    own.user_data = scorer
    gc.collect()
    assert scorer.model is own
    assert scorer.score(1, [1.0, 2.0]).shape == (1,)
    gone = weakref.ref(own)
    del scorer, own
    gc.collect()
    assert gone() is None
