"""Ctrl-C is never lost: where no Python code runs, no handler can raise into what drops errors."""

from __future__ import annotations

import _thread
import operator
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import RunPython

import rnn_rust as rnn
from rnn_rust import _core
from rnn_rust.model.settings import engine_settings

ROW = [1.0, 2.0]


class Arrived(BaseException):
    """What the signal handler raises."""


def pending_signal(call: Callable[[], object]) -> tuple[bool, list[Any]]:
    """Make a call with a signal pending; return whether the exception of its handler arrives.

    Returns the answers of the call too. Between the signal and the call no Python code runs, in
    which the handler would raise.
    """
    answers: list[Any] = []
    try:
        with suppress(TypeError, ValueError):  # The call is refused.
            answers.extend(map(operator.call, (_thread.interrupt_main, call)))
        for _ in range(3):
            pass  # At the latest here.
    except Arrived:
        return True, answers[1:]
    return False, answers[1:]


@pytest.fixture
def handler() -> Iterator[None]:
    """Have a handler of Ctrl-C raise."""

    def raise_arrived(*_: object) -> None:
        raise Arrived

    before = signal.signal(signal.SIGINT, raise_arrived)
    yield
    signal.signal(signal.SIGINT, before)


class Raising:
    """A value whose conversions are interrupted."""

    def __float__(self) -> float:
        """Be interrupted."""
        raise Arrived

    __index__ = __float__  # type: ignore[assignment]


class RaisingInMessages:
    """A value that is interrupted as a message shows it."""

    def __repr__(self) -> str:
        """Be interrupted."""
        raise Arrived

    __str__ = __repr__


def named() -> Any:
    """Return a scorer whose features have names."""
    frame = {"t": [0, 1], "a": [1.0, 4.0], "b": [3.0, 5.0], "y": [0.0, 8.0]}
    data = rnn.Dataset.from_frame(frame, features=["a", "b"], labels="y")
    model = rnn.GRU(hidden_size=3)
    model.fit(data, epochs=1, progress=False)
    return model.scorer()


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
@pytest.mark.usefixtures("handler")
def test_a_signal_as_the_state_of_the_optimizer_is_read_changes_no_name(optimizer: str) -> None:
    model = rnn.LSTM(3, 4, 1, optimizer=optimizer)
    rows = np.ones((6, 3))
    model.update(rnn.Dataset.from_arrays(rows, rows[:, :1], [0, 6]))
    arrived, states = pending_signal(model._core.optimizer_state)
    assert arrived
    moments = {"adam": ["exp_avg", "exp_avg_sq"], "rmsprop": ["square_avg"], "adagrad": ["sum"]}
    names = {f"{moment}.{name}" for moment in moments[optimizer] for name in model.state_dict()}
    for state in states:
        assert set(state) == {"steps", *names}


REFUSED: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "a key": ("score", ((1, 2), ROW), {}),
    "a key of half a character": ("score", ("\ud800", ROW), {}),
    "a key to look up": ("state", (1.5,), {}),
    "a feature by name": ("score", (1, {"a": 1.0, "b": "x"}), {}),
    "a time": ("score", (1, ROW), {"time": "x"}),
    "a choice": ("score", (1, ROW), {"return_new": 1}),
    "keys": ("score_batch", (None, [ROW]), {}),
    "an array for outputs": ("score", (1, ROW, []), {}),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.usefixtures("handler")
def test_a_signal_as_an_argument_is_refused_arrives(what: str) -> None:
    name, values, options = REFUSED[what]
    assert pending_signal(partial(getattr(named(), name), *values, **options))[0]


@pytest.mark.usefixtures("handler")
def test_a_signal_as_an_optimizer_is_refused_arrives() -> None:
    settings = {"method": "other", "weight_decay": 0.0}
    assert pending_signal(partial(rnn.RNN(3, 4, 1)._core.set_optimizer, settings))[0]


@pytest.mark.usefixtures("handler")
def test_a_signal_as_cells_of_text_are_told_from_numbers_arrives() -> None:
    matrix = np.zeros((2, 1))
    arguments = (b"a,1\nb,2\n", ord(","), [True, (0, 0)], [matrix])
    assert pending_signal(partial(_core.fill_from_csv, *arguments))[0]
    assert matrix.tolist() == [[1.0], [2.0]]


@pytest.mark.usefixtures("handler")
def test_a_signal_ends_the_search_for_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"1,2\n" * 2**20)
    # As text: a path would run Python code.
    rows = partial(_core.csv_rows, str(path), 0, 1, 2, 1 << 16, ord(","), None)
    assert pending_signal(rows) == (True, [])
    assert len(rows()[0]) == 2**20


@pytest.mark.usefixtures("handler")
def test_a_signal_ends_a_decompression(tmp_path: Path) -> None:
    path, target = tmp_path / "bytes.zst", tmp_path / "bytes"
    path.write_bytes(pa.compress(bytes(2**22), codec="zstd", asbytes=True))
    decompress = partial(_core.decompress_zstd, str(path), str(target))
    assert pending_signal(decompress) == (True, [])
    assert target.stat().st_size < 2**22
    decompress()
    assert target.read_bytes() == bytes(2**22)


@pytest.mark.usefixtures("handler")
def test_a_signal_ends_the_drawing_of_weights() -> None:
    settings = rnn.RNN(1, 1, 1, init="orthogonal")._settings | {"hidden_size": 400}
    network = partial(_core.Network, engine_settings("RNN", settings, None))
    assert pending_signal(network) == (True, [])


INTERRUPTED: dict[str, Callable[[Any], object]] = {
    "a key": lambda scorer: scorer.score(Raising(), ROW),
    "one of several keys": lambda scorer: scorer.score_batch([1, Raising()], [ROW] * 2),
    "a feature by name": lambda scorer: scorer.score(1, {"a": 1.0, "b": Raising()}),
    "a time": lambda scorer: scorer.score(1, ROW, time=Raising()),
    "a message about a key": lambda scorer: scorer.score(RaisingInMessages(), ROW),
    "a message about keys": lambda scorer: scorer.score_batch(RaisingInMessages(), [ROW]),
    "a message about a time": lambda scorer: scorer.score(1, ROW, time=RaisingInMessages()),
    "a message about a choice": lambda scorer: scorer.score(1, ROW, return_new=RaisingInMessages()),
    "a message about a feature": lambda scorer: scorer.score(
        1, {"a": 1.0, "b": RaisingInMessages()}
    ),
}


@pytest.mark.parametrize("what", INTERRUPTED)
def test_what_is_raised_as_an_argument_is_read_or_shown_arrives(what: str) -> None:
    scorer = named()
    with pytest.raises(Arrived):
        INTERRUPTED[what](scorer)
    assert len(scorer) == 0


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_matrices_are_taken_without_running_python_code(kind: str) -> None:
    values = np.ones((3, 2), kind)
    starts, offsets = np.array([0]), np.array([0, 3])
    calls: list[str] = []

    def note(frame: object, event: str, argument: object) -> None:
        if event == "call":
            calls.append(str(frame))

    _core.prepare_rows(values, starts, offsets, None, None, "float64", None)  # may import NumPy
    sys.setprofile(note)
    try:
        _core.prepare_rows(values, starts, offsets, None, None, "float64", None)
    finally:
        sys.setprofile(None)
    assert calls == []


class Waiting:
    """A loss that waits until it may go on."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def value_and_gradient(self, predictions: Any, labels: Any) -> Any:
        """Wait."""
        self.entered.set()
        self.go_on.wait()
        return 0.0, np.zeros_like(predictions)


@pytest.mark.usefixtures("handler")
def test_a_signal_ends_the_wait_for_a_training_of_another_thread() -> None:
    loss, rows = Waiting(), np.ones((6, 3))
    model = rnn.RNN(3, 4, 1, loss=loss)
    data = rnn.Dataset.from_arrays(rows, rows[:, :1], [0, 6])
    training = threading.Thread(target=model.fit, args=(data,), kwargs={"epochs": 1})
    training.start()
    loss.entered.wait()
    settings = {"method": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    calls: list[Callable[[], object]] = [
        model._core.optimizer_state,
        partial(model._core.load_state_dict, model.state_dict()),
        partial(model._core.set_optimizer, settings),
    ]
    try:
        for call in calls:
            assert pending_signal(call) == (True, [])
    finally:
        loss.go_on.set()
        training.join()


@pytest.mark.timing
def test_an_error_near_the_top_of_a_file_does_not_wait_for_its_end(run_python: RunPython) -> None:
    code = (
        "import tempfile, time\n"
        "from rnn_rust import _core\n"
        "file = tempfile.NamedTemporaryFile()\n"
        # Holes, which take no room: a thread has a second's work of its half.
        "file.write(b'1,2\\n3\\n')\n"
        "file.seek(2**32)\n"
        "file.write(b'\\n')\n"
        "file.truncate(2**33)\n"
        "start = time.perf_counter()\n"
        "try: _core.csv_rows(file.name, 0, 1, 2, 1 << 16, ord(','), None)\n"
        "except ValueError as error: print(error)\n"
        "assert time.perf_counter() - start < 0.2\n"
    )
    assert "line 2" in run_python(code, RNN_RUST_NUM_THREADS="2").stdout
