"""Threads: the same bits with any number, none left behind, several callers at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import RunPython
from oracle import make_data, refused, same_bits

from rnn_rust import RNN, SGD
from rnn_rust.errors import ParameterError

pytestmark = pytest.mark.timing

RNG = np.random.default_rng(0)
RAGGED = make_data(RNG.integers(1, 30, 900).tolist(), 12, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(dtype: str) -> None:
    models = [
        RNN(12, 20, 1, dtype=dtype, optimizer=SGD(0.05), n_threads=n) for n in (1, 2, 3, 8, None)
    ]
    for model in models:
        model.fit(RAGGED, epochs=2, batch_size=400, progress=False)
    predictions = [model.predict(RAGGED) for model in models]
    for model, prediction in zip(models[1:], predictions[1:], strict=True):
        assert same_bits(model, models[0])
        assert prediction.tobytes() == predictions[0].tobytes()


def test_the_environment_gives_the_same_bits(run_python: RunPython) -> None:
    code = (
        "import numpy as np, hashlib, rnn_rust as rnn\n"
        "x = np.random.default_rng(0).normal(size=(6000, 9))\n"
        "data = rnn.Dataset.from_arrays(x, x[:, :1], np.arange(0, 6001, 10))\n"
        "model = rnn.RNN(9, 17, 1)\n"
        "model.fit(data, epochs=2, batch_size=300, progress=False)\n"
        "bits = b''.join(w.tobytes() for w in model.state_dict().values())\n"
        "print(hashlib.sha256(bits + model.predict(data).tobytes()).hexdigest())"
    )
    one = run_python(code, RNN_RUST_NUM_THREADS="1").stdout
    assert run_python(code, RNN_RUST_NUM_THREADS="3").stdout == one
    best = run_python(code).stdout
    assert best == one
    # AVX2 and AVX-512 where the machine has both; the portable level has no fused multiply-add.
    if "unavailable" not in (avx2 := avx2_or_not(run_python, code)):
        assert avx2 == one


def avx2_or_not(run_python: RunPython, code: str) -> str:
    probe = (
        "import rnn_rust as rnn\n"
        "data = rnn.Dataset.from_arrays([[1.0]], None, [0, 1])\n"
        "try: rnn.RNN(1, 1, 1).predict(data)\n"
        "except rnn.errors.ParameterError: print('unavailable')"
    )
    unavailable = run_python(probe, RNN_RUST_SIMD="avx2").stdout
    return unavailable or run_python(code, RNN_RUST_SIMD="avx2").stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RNN_RUST_NUM_THREADS", "0"), ("RNN_RUST_NUM_THREADS", "two"), ("RNN_RUST_SIMD", "sse9")],
)
def test_a_variable_that_makes_no_sense_is_refused(
    run_python: RunPython, variable: str, value: str
) -> None:
    code = (
        "import rnn_rust as rnn\n"
        "data = rnn.Dataset.from_arrays([[1.0]], None, [0, 1])\n"
        "try: rnn.RNN(1, 1, 1).predict(data)\n"
        "except rnn.errors.ParameterError as error: print(error)"
    )
    shown = run_python(code, **{variable: value}).stdout
    assert variable in shown
    assert value in shown


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_a_whole_number_from_1(n: object) -> None:
    refused(lambda: RNN(1, 1, 1, n_threads=n), ParameterError, "n_threads", str(n))  # type: ignore[arg-type]


def test_several_callers_at_once() -> None:
    model = RNN(12, 20, 1)
    expected = model.predict(RAGGED).tobytes()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: model.predict(RAGGED).tobytes(), range(12)))
    assert set(results) == {expected}


def test_no_thread_is_left_and_a_fork_works(run_python: RunPython) -> None:
    code = (
        "import os, time, numpy as np, rnn_rust as rnn\n"
        "x = np.random.default_rng(0).normal(size=(20000, 9))\n"
        "data = rnn.Dataset.from_arrays(x, x[:, :1], np.arange(0, 20001, 10))\n"
        "model = rnn.RNN(9, 17, 1, n_threads=4)\n"
        "tasks = '/proc/self/task'\n"
        "count = lambda: len(os.listdir(tasks)) if os.path.exists(tasks) else 0\n"
        "before = count()\n"
        "model.fit(data, epochs=2, batch_size=500, progress=False)\n"
        "expected = model.predict(data)\n"
        # The kernel may list a thread for a moment after its end.
        "end = time.monotonic() + 5\n"
        "while count() != before and time.monotonic() < end: time.sleep(0.001)\n"
        "assert count() == before\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    model.fit(data, epochs=1, batch_size=500, progress=False)\n"
        "    os._exit(0 if np.isfinite(model.predict(data)).all() else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert (model.predict(data) == expected).all()\n"
        "print('fine')"
    )
    assert run_python(code).stdout == "fine\n"


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="it limits the threads of a user")
def test_a_system_that_starts_no_threads_leaves_the_work_to_the_caller(
    run_python: RunPython,
) -> None:
    code = (
        "import os, resource, tempfile, threading, numpy as np, rnn_rust as rnn\n"
        "from rnn_rust import _core\n"
        "x = np.random.default_rng(0).normal(size=(200_000, 4))\n"
        "data = rnn.Dataset.from_arrays(x, x[:, :1], np.arange(0, len(x) + 1, 1000))\n"
        "new = lambda: rnn.RNN(4, 4, 1, scaler='standard')\n"
        "fit = lambda: new().fit(data, epochs=1, progress=False)[0]['loss']\n"
        "predict = lambda: rnn.RNN(4, 4, 1).predict(data)\n"
        "expected = fit(), predict()\n"
        # Of root there is no limit.
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\n"
        "try: threading.Thread(target=print).start()\n"
        "except RuntimeError: print('no thread')\n"
        "assert fit() == expected[0]\n"
        "assert (predict() == expected[1]).all()\n"
        "file = tempfile.NamedTemporaryFile()\n"
        "file.write(b'1,2\\n' * 2**20 + b'\"3\\n4\",5\\n' * 2**19)\n"
        "file.flush()\n"
        "lines, *_ = _core.csv_rows(file.name, 0, 1, 2, 1 << 16, ord(','), None)\n"
        "assert (lines == np.r_[1 : 2**20 + 1, 2**20 + 1 : 2**21 + 1 : 2]).all()\n"
    )
    assert run_python(code, RNN_RUST_NUM_THREADS="4").stdout == "no thread\n"
