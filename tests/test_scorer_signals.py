"""Signal handlers that call a scorer: they are answered or refused, and never wait for it."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_rust as rnn
from rnn_rust.errors import BusyError
from rnn_rust.model import scorer as scorer_module
from rnn_rust.model.description import describe


class SignallingPath(os.PathLike[str]):
    """A path that is asked for as a file is written to it, whereupon a signal comes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        signal.raise_signal(signal.SIGINT)
        return str(self.path)


class SignallingRow(dict[str, Any]):
    """Features during whose reading a signal comes."""

    def __getitem__(self, name: str) -> Any:
        signal.raise_signal(signal.SIGINT)
        return super().__getitem__(name)


@pytest.fixture
def call_by_handler() -> Iterator[list[Callable[[], object]]]:
    """Have a signal handler make the one call that stands in the list."""
    calls: list[Callable[[], object]] = []
    before = signal.signal(signal.SIGINT, lambda *_: calls[0]())
    # What waits for itself is to fail, not to hang.
    stopped = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for itself"))
    signal.alarm(30)
    yield calls
    signal.alarm(0)
    signal.signal(signal.SIGALRM, stopped)
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
@pytest.mark.parametrize("what", ["save", "swap", "score", "score_batch", "forget"])
@pytest.mark.parametrize("within", ["save", "snapshot", "score", "score_batch"])
def test_a_signal_handler_that_would_wait_for_its_own_thread_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, within: str,
    call_by_handler: list[Callable[[], object]],
) -> None:  # fmt: skip
    model, scorer = of_gaps()
    row, path = {"a": 1.0, "b": 2.0}, tmp_path / "states"
    calls: dict[str, Callable[[], object]] = {
        "save": lambda: scorer.save(path), "swap": lambda: scorer.swap(model),
        "score": lambda: scorer.score("other", row), "forget": lambda: scorer.forget("other"),
        "score_batch": lambda: scorer.score_batch(["other"], [row]),
    }  # fmt: skip
    outer: dict[str, Callable[[], object]] = {
        "save": lambda: scorer.save(SignallingPath(path)), "snapshot": scorer.snapshot,
        "score": lambda: scorer.score("card", SignallingRow(row)),
        "score_batch": lambda: scorer.score_batch(["card"], [SignallingRow(row)]),
    }  # fmt: skip
    if within == "snapshot":
        monkeypatch.setattr(
            scorer_module, "describe",
            lambda own: signal.raise_signal(signal.SIGINT) or describe(own),
        )  # fmt: skip
    call_by_handler.append(calls[what])
    if within == "save" and what != "save":
        # States are copied by then: only the file is locked.
        outer[within]()
    else:
        with pytest.raises(BusyError, match="a flag, and call it once that has returned"):
            outer[within]()
        assert "card" not in scorer
        assert "other" not in scorer
    # Nothing stays locked, for other threads neither.
    monkeypatch.undo()
    call_by_handler[0] = lambda: None
    worker = threading.Thread(target=lambda: [call() for call in calls.values()], daemon=True)
    worker.start()
    worker.join(20)
    assert not worker.is_alive()
    outer[within]()


def of_gaps() -> tuple[rnn.GRU, Any]:
    """Return a model that fills gaps, and a scorer of it."""
    model = rnn.GRU(hidden_size=3, missing="forward")
    frame = {"t": [0, 1], "a": [1.0, None], "b": [3.0, 5.0], "y": [0.0, 1.0]}
    model.build(rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y", missing="keep"))
    return model, model.scorer()


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
def test_a_handler_that_saves_does_not_wait_for_another_thread_that_saves(
    tmp_path: Path, call_by_handler: list[Callable[[], object]]
) -> None:
    _, scorer = of_gaps()
    saving = threading.Thread(target=lambda: scorer.save(tmp_path / "thread"), daemon=True)

    def save() -> None:
        # The other thread waits for the event that is being scored, and this one would for it.
        saving.start()
        saving.join(0.2)
        assert saving.is_alive()
        scorer.save(tmp_path / "handler")

    call_by_handler.append(save)
    with pytest.raises(BusyError, match="a flag, and call it"):
        scorer.score("card", SignallingRow(a=1.0, b=2.0))
    saving.join(20)
    assert rnn.load_scorer(tmp_path / "thread").model.cell == "GRU"


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_handler_within_a_batch_of_numbers_saves_and_scores_but_does_not_swap(
    tmp_path: Path, dtype: Any, call_by_handler: list[Callable[[], object]]
) -> None:
    model = rnn.GRU(3, 16, 1, dtype=dtype)
    scorer, keys, rows = model.scorer(), np.arange(400_000) % 100, np.ones((400_000, 3))
    told: list[str] = []

    def handler() -> None:
        scorer.save(tmp_path / "states")
        scorer.score("other", [0.0, 1.0, 2.0])
        scorer.score_batch(["other"] * 2, rows[:2])
        # Of another scorer there is no batch to wait for.
        other = model.scorer()
        other.score_batch(keys[:9], rows[:9])
        other.swap(model)
        try:
            scorer.swap(model)
        except BusyError as error:
            told.append(str(error))

    call_by_handler.append(handler)
    # It may come before or after the batch too, where it swaps.
    while not told:
        timer = threading.Timer(0.01, signal.raise_signal, [signal.SIGINT])
        timer.start()
        scorer.score_batch(keys, rows)
        timer.join()
    assert "a batch of the scorer; let the handler set a flag" in told[0]
    scorer.swap(model)
    assert "other" in scorer
    assert rnn.load_scorer(tmp_path / "states").model.cell == "GRU"


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
def test_a_handler_within_a_batch_does_not_wait_for_a_thread_that_swaps(
    tmp_path: Path, call_by_handler: list[Callable[[], object]]
) -> None:
    model, next_model = (rnn.GRU(3, 16, 1, seed=seed) for seed in range(2))
    scorer, keys, rows = model.scorer(), np.arange(400_000) % 100, np.ones((400_000, 3))
    answered: list[str] = []
    threads: list[threading.Thread] = []
    calls: dict[str, Callable[[], object]] = {
        "score": lambda: scorer.score("other", rows[0]),
        "score_batch": lambda: scorer.score_batch(["other"] * 2, rows[:2]),
    }

    def handler() -> None:
        # It waits for the batch, which this handler has to let go on.
        swapping = threading.Thread(target=lambda: scorer.swap(next_model), daemon=True)
        threads.append(swapping)
        swapping.start()
        swapping.join(0.2)
        if not swapping.is_alive():
            return  # The signal came before the batch or after it.
        scorer.save(tmp_path / "states")
        assert len(scorer) == 100
        assert scorer.forget(99)
        assert not scorer.reset(99)
        with pytest.raises(BusyError, match="let the handler set a flag"):
            scorer.swap(model)
        for name, call in calls.items():
            call()
            answered.append(name)
        assert swapping.is_alive()

    call_by_handler.append(handler)
    while not answered:
        scorer.swap(model)
        timer = threading.Timer(0.01, signal.raise_signal, [signal.SIGINT])
        timer.start()
        scorer.score_batch(keys, rows)
        timer.join()
    assert answered == [*calls]
    # The file has the model that its states are of.
    saved = rnn.load_scorer(tmp_path / "states").state_dict()
    for name, tensor in model.state_dict().items():
        assert np.array_equal(saved[name], tensor)
    # Nothing stays locked, and what waited goes on.
    threads[-1].join(20)
    outputs = [next_model.predict(rows[:1])[0]]
    assert np.array_equal(scorer.score_batch(["new"], rows[:1]), outputs)


@pytest.mark.timing
@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
def test_what_waits_for_a_batch_of_another_thread_is_interrupted(
    call_by_handler: list[Callable[[], object]],
) -> None:
    model, next_model = (rnn.GRU(3, 64, 1, seed=seed) for seed in range(2))
    scorer, keys, rows = model.scorer(), np.arange(2_000_000) % 100, np.ones((2_000_000, 3))

    def interrupt() -> None:
        raise KeyboardInterrupt

    call_by_handler.append(interrupt)
    batch = threading.Thread(target=scorer.score_batch, args=(keys, rows))
    batch.start()
    while len(scorer) == 0:
        pass

    def interrupted(call: Callable[[], object]) -> None:
        timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT])
        returned = False
        timer.start()
        try:
            call()
            returned = True
            timer.join()
        except KeyboardInterrupt:
            timer.join()
        assert not returned

    interrupted(lambda: scorer.swap(next_model))
    swap = threading.Thread(target=scorer.swap, args=(next_model,))
    swap.start()
    # Until the swap waits, after which no later batch goes before it.
    time.sleep(0.05)
    interrupted(lambda: scorer.score_batch(["late"], rows[:1]))
    assert batch.is_alive()
    assert "late" not in scorer
    outputs = scorer.score_batch(["late"], rows[:1])
    assert np.array_equal(outputs, next_model.predict(rows[:1]))
    batch.join()
    swap.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="it needs alarms")
def test_ctrl_c_leaves_nothing_locked_whenever_it_comes() -> None:
    _, scorer = of_gaps()
    row, kept = {"a": 1.0, "b": 2.0}, []

    def interrupt(_: int, frame: Any) -> None:
        """Raise what Ctrl-C does, within a call of the scorer alone."""
        inner = frame
        while frame is not None:
            if frame.f_code is type(scorer).score.__code__:
                raise KeyboardInterrupt(inner.f_code.co_name)
            frame = frame.f_back

    start = time.perf_counter()
    for _ in range(100):
        scorer.score("card", row)
    a_call = (time.perf_counter() - start) / 100
    before = signal.signal(signal.SIGALRM, interrupt)
    # What the collector calls in between swallows an exception, and warns.
    gc.disable()
    try:
        for delay in np.random.default_rng(1).uniform(0.0, 1.5 * a_call, 4000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + delay)
                scorer.score("card", row)
            except KeyboardInterrupt as interrupted:
                # As a notebook keeps it, with all that its frames refer to.
                kept.append(interrupted)
            signal.setitimer(signal.ITIMER_REAL, 0)
            scorer.score("card", row)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert len(kept) > 100
    other = threading.Thread(target=lambda: scorer.score("other", row), daemon=True)
    other.start()
    other.join(20)
    assert not other.is_alive()


class CallingArray(np.ndarray[Any, Any]):
    """An array that makes a call whenever it is asked for its mask."""

    call: Callable[[], object]

    @property
    def mask(self) -> Any:
        """What a masked array has."""
        self.call()
        raise AttributeError("mask")


class CallingRows:
    """A row of features that makes a call as it becomes an array."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the row."""
        self.call()
        return np.array([[1.0, 2.0]])


def calling_array(call: Callable[[], object], dtype: Any) -> CallingArray:
    """Return one for an output of a scorer."""
    array = np.zeros(1, dtype).view(CallingArray)
    array.call = call
    return array


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
@pytest.mark.usefixtures("call_by_handler")
@pytest.mark.parametrize("threaded", [False, True])
def test_an_array_for_outputs_may_swap_the_model_as_it_is_looked_at(threaded: bool) -> None:
    model, next_model = (rnn.GRU(2, 3, 1, seed=seed) for seed in range(2))
    scorer, row = model.scorer(), [1.0, 2.0]
    inner: list[Any] = []

    def swap() -> None:
        if not threaded:
            scorer.swap(next_model)
            return
        swapping = threading.Thread(target=lambda: scorer.swap(next_model), daemon=True)
        swapping.start()
        swapping.join(0.2)
        inner.append(scorer.score("other", row))
        swapping.join(20)
        assert not swapping.is_alive()

    out = calling_array(swap, np.float32)
    assert scorer.score("card", row, out) is out
    expected = next_model.predict(np.array([row]))[0]
    np.testing.assert_array_equal(np.asarray(out), expected)
    assert all(np.array_equal(outputs, expected) for outputs in inner)
    with pytest.raises(rnn.errors.ShapeError):
        scorer.score("card", [1.0], calling_array(swap, np.float32))


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="it needs alarms")
@pytest.mark.usefixtures("call_by_handler")
def test_outputs_of_a_model_that_is_swapped_meanwhile_need_its_dtype() -> None:
    frame = {"t": [0, 1], "a": [1.0, 4.0], "b": [3.0, 5.0], "y": [0.0, 8.0]}
    data = rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y")
    plain, scaled = (rnn.GRU(hidden_size=3, loss="mse", scaler=own) for own in (None, "standard"))
    for model in (plain, scaled):
        model.fit(data, epochs=1, progress=False)
    scorer = plain.scorer()
    with pytest.raises(TypeError, match="dtype float64"):
        scorer.score("card", [1.0, 2.0], calling_array(lambda: scorer.swap(scaled), np.float32))
    assert "card" not in scorer
    scorer.swap(plain)
    rows = CallingRows(lambda: scorer.swap(scaled))
    with pytest.raises(TypeError, match="the dtype of the outputs"):
        scorer.score_batch(["card"], rows, np.zeros((1, 1), np.float32))
    assert "card" not in scorer
    out = calling_array(lambda: None, np.float64)
    assert scorer.score("card", [1.0, 2.0], out) is out
    np.testing.assert_array_equal(out, scaled.scorer().score("card", [1.0, 2.0]))
