"""Checkpoints: a training that goes on ends as one that was never broken off."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import make_learnable, refused, same_bits
from test_optim import PythonSGD

import rnn_rust
from rnn_rust import RNN, SGD, Checkpoint, EarlyStopping, History, RegressionEvaluator
from rnn_rust.base.files import replacing
from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.learning.history import Record
from rnn_rust.learning.schedules import CosineDecay, ReduceOnPlateau

DATA, OTHER = (
    make_learnable([4, 1, 6, 2, 3, 5, 2], seed=1, missing=0.2),
    make_learnable([3, 5], seed=5),
)


class KeptSGD(PythonSGD):
    """SGD with momentum in Python, which hands out its state."""

    def state_dict(self) -> dict[str, Any]:
        return {"moments": self.moments, "calls": np.int64(len(self.moments))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.moments = dict(state["moments"])


OPTIMIZERS = {
    "number": lambda: SGD(0.2),
    "cosine": lambda: SGD(CosineDecay(0.5, 12, 3)),
    "function": lambda: SGD(lambda epoch: 0.5 / (epoch + 1)),
    "plateau": lambda: SGD(ReduceOnPlateau(0.8, "validation_loss", factor=0.5, patience=1)),
    "python": lambda: KeptSGD(0.05, momentum=0.9),
}


def make_model(kind: str = "number", **options: Any) -> RNN:
    defaults: dict[str, Any] = {"optimizer": OPTIMIZERS[kind](), "seed": 3, "scaler": "minmax"}
    return RNN(2, 4, 2, **defaults | options)


def fit(model: RNN, *callbacks: Any, epochs: int = 12, **options: Any) -> History:
    defaults: dict[str, Any] = {"batch_size": 2, "validation": OTHER, "progress": False}
    train = options.pop("train", DATA)
    return model.fit(train, epochs=epochs, callbacks=callbacks, **defaults | options)


class KilledError(Exception):
    """In place of the process's death."""


def killed_after(epoch: int) -> Any:
    def kill(record: Record) -> None:
        if record["epoch"] == epoch:
            raise KilledError

    return kill


def untimed(history: History) -> list[Record]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "training.safetensors"


# The same bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("every", [1, 3])
def test_a_continued_training_ends_with_the_same_bits(
    optimizer: str, every: int, path: Path
) -> None:
    whole = make_model(optimizer)
    expected = fit(whole)
    for epoch in (2, 5, 6, 11, 12):
        with pytest.raises(KilledError):
            fit(make_model(optimizer), Checkpoint(path, every), killed_after(epoch), resume=path)
    model = make_model(optimizer)
    history = fit(model, Checkpoint(path, every), resume=path)
    assert same_bits(model, whole)
    assert untimed(history) == untimed(expected)
    assert model.epochs_trained == 12
    assert history.first_epoch == 0
    assert all(seconds > 0 for seconds in history.seconds)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 25), max_size=4), st.integers(1, 5), st.sampled_from([*OPTIMIZERS]))
def test_early_stopping_goes_on_with_what_it_has_seen(
    kills: list[int], every: int, optimizer: str
) -> None:
    whole = make_model(optimizer)
    expected = fit(whole, EarlyStopping(patience=4), epochs=25)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "training.safetensors")
        for epoch in kills:
            with contextlib.suppress(KilledError):
                fit(
                    make_model(optimizer), Checkpoint(path, every), killed_after(epoch),
                    EarlyStopping(patience=4), epochs=25, resume=path,
                )  # fmt: skip
        model, stopping = make_model(optimizer), EarlyStopping(patience=4)
        # The order of callbacks does not matter to what a checkpoint holds.
        history = fit(model, Checkpoint(path, every), stopping, epochs=25, resume=path)
    assert untimed(history) == untimed(expected)
    assert same_bits(model, whole)
    assert stopping.best_epoch == history.best["epoch"]


def test_a_training_that_is_over_stays_over(path: Path) -> None:
    first, again = make_model(), make_model()
    stop = EarlyStopping("loss", patience=1, min_delta=1e9)
    history = fit(first, Checkpoint(path, every=50), stop)
    assert len(history) == 2
    assert untimed(fit(again, Checkpoint(path), stop, resume=path)) == untimed(history)
    assert same_bits(first, again)


def test_the_end_of_a_training_that_a_callback_ends_is_kept(path: Path) -> None:
    model = make_model()
    fit(model, lambda record: record["epoch"] < 5, Checkpoint(path, every=3))
    kept = rnn_rust.load(path)
    assert kept.epochs_trained == model.epochs_trained == 5
    assert same_bits(kept, model)


def test_a_training_may_be_made_longer(path: Path) -> None:
    model, whole = make_model(), make_model()
    fit(make_model(), Checkpoint(path), epochs=5)
    assert len(fit(model, epochs=12, resume=path)) == 12
    fit(whole)
    assert same_bits(model, whole)
    refused(lambda: fit(make_model(), epochs=4, resume=path), ParameterError, "epochs=4", "5")


def test_a_later_fit_is_continued_with_its_epochs_and_its_scaler(path: Path) -> None:
    def script(*callbacks: Any) -> tuple[RNN, History]:
        model = make_model("cosine")
        fit(model, epochs=4)
        return model, fit(model, *callbacks, epochs=6, train=OTHER, resume=path)

    whole, expected = script()
    with pytest.raises(KilledError):
        script(Checkpoint(path), killed_after(8))
    model, history = script(Checkpoint(path))
    assert untimed(history) == untimed(expected)
    assert [record["epoch"] for record in history] == [5, 6, 7, 8, 9, 10]
    assert model.epochs_trained == 10
    assert same_bits(model, whole)


def test_records_of_a_continued_training_are_in_order(path: Path) -> None:
    """Those of a file are by name, where mae comes before validation_loss."""
    options: dict[str, Any] = {"evaluator": RegressionEvaluator(), "eval_every": 2}
    expected = fit(make_model(), **options)
    fit(make_model(), Checkpoint(path), epochs=6, **options)
    history = fit(make_model(), resume=path, **options)
    assert [list(record) for record in history] == [list(record) for record in expected]
    assert history.to_frame().columns == expected.to_frame().columns


def test_updates_beside_epochs_go_on(path: Path) -> None:
    """Each update drops other numbers."""

    model, resumed = (make_model(recurrent_dropout=0.4) for _ in range(2))
    fit(model, epochs=1)
    model.update(DATA)
    fit(model, Checkpoint(path), epochs=2)
    fit(resumed, epochs=2, resume=path)
    for each in (model, resumed):
        each.update(DATA)
    assert same_bits(model, resumed)


def test_without_a_file_training_begins(path: Path) -> None:
    model, whole = make_model(), make_model()
    fit(model, resume=path)
    fit(whole)
    assert same_bits(model, whole)
    assert not path.exists()


def test_ctrl_c_is_no_end(path: Path) -> None:
    def interrupt(record: Record) -> None:
        if record["epoch"] == 7:
            raise KeyboardInterrupt

    model, whole = make_model(), make_model()
    assert fit(make_model(), Checkpoint(path, every=2), interrupt).interrupted
    history = fit(model, resume=path)
    assert not history.interrupted
    assert untimed(history) == untimed(fit(whole))
    assert same_bits(model, whole)


# The files -----------------------------------------------------------------------------------


def test_a_checkpoint_is_a_model_file(path: Path) -> None:
    model = make_model()
    fit(model, Checkpoint(path, every=5))
    loaded = rnn_rust.load(path)
    assert same_bits(loaded, model)
    assert loaded.epochs_trained == 12
    np.testing.assert_array_equal(loaded.predict(DATA), model.predict(DATA))
    loaded.fit(DATA, epochs=1, progress=False)


def test_the_best_checkpoint_is_kept_beside(path: Path) -> None:
    model = make_model(seed=8)
    checkpoint = Checkpoint(path, keep_best="validation_loss")
    history = fit(model, checkpoint, epochs=40)
    assert checkpoint.best_path == path.with_name("training.best.safetensors")
    best = rnn_rust.load(checkpoint.best_path)
    assert best.epochs_trained == history.best["epoch"] < 40
    assert best.loss(OTHER) == history.best["validation_loss"]
    # A continued training knows what was the best.
    before = checkpoint.best_path.read_bytes()
    fit(make_model(seed=8), Checkpoint(path, keep_best="validation_loss"), epochs=41, resume=path)
    assert (before == checkpoint.best_path.read_bytes()) == (history.best["epoch"] < 41)


def test_the_best_file_is_written_before_the_checkpoint_that_knows_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(
        rnn_rust.training.callbacks, "write", lambda path, data: written.append(path.name)
    )
    fit(make_model(), Checkpoint(path, keep_best="loss"), epochs=1)
    assert written == ["training.best.safetensors", "training.safetensors"]


def test_what_a_killed_process_left_is_removed(path: Path) -> None:
    with pytest.raises(KilledError):
        leave_half_a_file(path)
    other = path.with_name(".unrelated.tmp")
    other.touch()
    assert len(os.listdir(path.parent)) == 2
    fit(make_model(), Checkpoint(path))
    assert sorted(os.listdir(path.parent)) == [other.name, path.name]


def leave_half_a_file(path: Path) -> None:
    with replacing(path) as file:
        file.write(b"half")
        # What an error cleans up, a kill does not.
        name = Path(os.fsdecode(file.name))
        os.link(name, name.with_name(f"{name.stem}0.tmp"))
        raise KilledError


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "file"
    refused(lambda: fit(make_model(), Checkpoint(path)), ModelFileError, str(path))


# A process that is killed --------------------------------------------------------------------

SCRIPT = """
import hashlib, sys
import numpy as np
import rnn_rust as rnn
x = np.random.default_rng(0).normal(size=(60, 2))
data = rnn.Dataset.from_arrays(x, x[:, :1], range(0, 61, 5))
model = rnn.RNN(2, 9, 1, optimizer=rnn.SGD(rnn.schedules.CosineDecay(0.2, 160)), scaler="standard")
path, callbacks = None, [rnn.EarlyStopping("loss", patience=160)]
if len(sys.argv) > 1:
    path = sys.argv[1]
    callbacks += [rnn.Checkpoint(path, keep_best="loss"), rnn.CSVLogger(path + ".csv")]
history = model.fit(data, epochs=160, batch_size=4, callbacks=callbacks, resume=path)
weights = b"".join(array.tobytes() for array in model.state_dict().values())
print(hashlib.sha256(weights + np.array(history.loss).tobytes()).hexdigest())
"""


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_killed_process_goes_on_from_its_checkpoint(path: Path) -> None:
    """The log tells how far a process has come; when it is killed is a matter of chance."""
    plain, log = [sys.executable, "-c", SCRIPT], path.with_name(f"{path.name}.csv")
    expected = subprocess.run(plain, capture_output=True, text=True, check=True, timeout=60)
    chance, epochs = random.Random(1), []
    for _ in range(5):
        with subprocess.Popen([*plain, path], stdout=subprocess.DEVNULL) as process:
            target = lines(log) + chance.randint(3, 10)
            while lines(log) < target and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(chance.uniform(0, 0.005))
            process.kill()
        epochs.append(rnn_rust.load(path).epochs_trained)
    assert epochs == sorted(epochs)
    assert 160 not in epochs[:3]
    done = subprocess.run([*plain, path], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == expected.stdout
    assert lines(log) == 161
    best = Checkpoint(path).best_path
    assert sorted(os.listdir(path.parent)) == sorted([path.name, log.name, best.name])
    losses = [float(line.split(",")[1]) for line in log.read_text().splitlines()[1:]]
    assert rnn_rust.load(best).epochs_trained == 1 + losses.index(min(losses))
