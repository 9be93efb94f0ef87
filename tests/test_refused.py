"""What is refused changes nothing: not a weight, not a moment, not a name, not a file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from oracle import make_data, make_learnable
from test_checkpoint import DATA, OTHER, KeptSGD
from test_optim import PythonSGD

from rnn_rust import (
    LSTM,
    RNN,
    SGD,
    Adam,
    BinaryClassificationEvaluator,
    Checkpoint,
    CSVLogger,
    Dataset,
    EarlyStopping,
    JSONLinesLogger,
    RegressionEvaluator,
)
from rnn_rust.errors import (
    DataError,
    DivergedError,
    ModelFileError,
    ParameterError,
    ShapeError,
)
from rnn_rust.learning.history import Record
from rnn_rust.learning.schedules import ReduceOnPlateau
from rnn_rust.model.network import Network


def plain(value: Any) -> Any:
    """Return nested dicts with bytes in place of arrays, which can be compared."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return (value.dtype.str, value.tobytes()) if isinstance(value, np.ndarray) else value


def snapshot(model: Network) -> dict[str, Any]:
    state = model.optimizer_state
    in_python = getattr(model.optimizer, "state_dict", lambda: None)
    engine = model._core.optimizer_state() if state.in_python is None else None
    return plain(copy.deepcopy({
        "weights": model.state_dict(),
        "moments": in_python() if engine is None else engine,
        "plateau": state.plateau and state.plateau.state_dict(),
        "optimizer": id(model.optimizer),
        "updates": state.updates,
        "epochs": model.epochs_trained,
        "scaler": (id(model.scaler), model.scaler and model.scaler.to_dict()),
        "names": (model.feature_names, model.label_names),
        "classes": model.class_table,
        "threshold": model.threshold,
        "threads": model.n_threads,
    }))  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def unchanged(model: Network, call: Callable[[], object], error: type[BaseException]) -> None:
    before = snapshot(model)
    with pytest.raises(error):
        call()
    assert snapshot(model) == before


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "momentum": lambda: SGD(0.1, momentum=0.9),
    "plateau": lambda: Adam(ReduceOnPlateau(0.1, factor=0.5, patience=1)),
    "python": lambda: KeptSGD(0.05, momentum=0.9),
}
MADE_WITH = {"epochs": 4, "batch_size": 2, "validation": OTHER, "progress": False}


def make_model(kind: str = "plateau") -> Network:
    return LSTM(
        2, 3, 2, optimizer=OPTIMIZERS[kind](), scaler="standard", recurrent_dropout=0.2, seed=3
    )


class Refuses:
    """Raises in one of a callback's calls."""

    def __init__(self, where: str, error: BaseException) -> None:
        self.where, self.error = where, error

    def on_begin(self, training: Any) -> None:
        if self.where == "on_begin":
            # What callbacks do to the model is undone, too.
            training.model.load_state_dict(LSTM(2, 3, 2, seed=8).state_dict())
            training.model.optimizer = SGD(0.5)
            training.model.threshold = 0.75
            raise self.error

    def __call__(self, record: Record) -> None:
        pass

    def on_end(self, training: Any) -> None:
        training.model.epochs_trained += 100

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.where == "load_state_dict":
            raise self.error


class Interrupted(RegressionEvaluator):
    def evaluate(self, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt


# Checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("error", [OSError("no"), ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["on_begin", "load_state_dict"])
def test_a_callback_that_refuses_a_checkpoint_leaves_everything(
    optimizer: str, error: BaseException, where: str, tmp_path: Path
) -> None:
    path, log, lines = (tmp_path / name for name in ("checkpoint", "log.csv", "log.jsonl"))

    def callbacks(*more: Any) -> list[Any]:
        return [
            EarlyStopping(patience=50), CSVLogger(log), JSONLinesLogger(lines), *more,
            Checkpoint(path, keep_best="loss"),
        ]  # fmt: skip

    accepted = callbacks(Refuses("nowhere", error))
    make_model(optimizer).fit(DATA, callbacks=accepted, **MADE_WITH)
    log.write_text("something else")
    lines.unlink()
    fresh, trained = make_model(optimizer), make_model(optimizer)
    trained.fit(DATA, epochs=2, progress=False)
    for model in (fresh, trained):
        if model is trained:
            model.update(DATA)
        refused, before = callbacks(Refuses(where, error)), files(tmp_path)
        refused[0] = accepted[0]
        best, seen = refused[0].best_epoch, refused[0].state_dict()
        assert best is not None
        unchanged(
            model,
            lambda model=model, refused=refused: model.fit(  # type: ignore[misc]
                DATA, callbacks=refused, resume=path, **MADE_WITH | {"epochs": 9}
            ),
            type(error),
        )
        assert files(tmp_path) == before
        assert refused[0].state_dict() == seen
    # And a training that is accepted goes on as if nothing had been.
    whole = make_model(optimizer)
    whole.fit(DATA, **MADE_WITH | {"epochs": 9})
    fresh.fit(DATA, resume=path, **MADE_WITH | {"epochs": 9})
    assert snapshot(fresh)["weights"] == snapshot(whole)["weights"]
    assert snapshot(fresh)["moments"] == snapshot(whole)["moments"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "other",
    [
        {"batch_size": 3}, {"epochs": 3}, {"validation": None}, {"resume": "log"},
        {"callbacks": [EarlyStopping("loss")]}, {"evaluator": Interrupted()},
        {"evaluator": BinaryClassificationEvaluator(0.5)},
    ],
)  # fmt: skip
def test_another_training_leaves_everything(
    optimizer: str, other: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    callbacks = [EarlyStopping(patience=50), Checkpoint("checkpoint"), CSVLogger("log")]
    make_model(optimizer).fit(DATA, callbacks=callbacks, **MADE_WITH)
    before, model = files(tmp_path), make_model(optimizer)
    options = {**MADE_WITH, "epochs": 9, "resume": "checkpoint", "callbacks": callbacks, **other}
    error = KeyboardInterrupt if isinstance(other.get("evaluator"), Interrupted) else ValueError
    unchanged(model, lambda: model.fit(DATA, **options), error)
    assert files(tmp_path) == before


# Trainings that begin ------------------------------------------------------------------------


def no_rate(epoch: int) -> float:
    raise LookupError


HUGE = make_data([3, 2], 2, 2)
HUGE = HUGE.with_values(HUGE.features * 1e300, HUGE.labels)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"epochs": 0}, ParameterError),
        ({"eval_every": 0}, ParameterError),
        ({"validation": make_data([3], 3, 2)}, ShapeError),
        ({"evaluator": BinaryClassificationEvaluator(0.5)}, DataError),
        ({"evaluator": Interrupted()}, KeyboardInterrupt),
        ({"callbacks": [EarlyStopping("nothing", mode="max")]}, ParameterError),
        ({"callbacks": [EarlyStopping(), Refuses("on_begin", OSError())]}, OSError),
    ],
)
@pytest.mark.parametrize("is_trained", [False, True])
def test_a_refused_fit_leaves_everything(
    options: dict[str, Any], error: type[BaseException], is_trained: bool
) -> None:
    model = make_model()
    if is_trained:
        model.fit(DATA, **MADE_WITH)
        model.update(DATA)
    unchanged(model, lambda: model.fit(DATA, **MADE_WITH | options), error)


@pytest.mark.parametrize(
    ("optimizer", "error"),
    [
        (SGD(no_rate), LookupError),
        (SGD(lambda epoch: -1.0), ParameterError),
        (SGD(1e300), ParameterError),
        (SGD(lambda epoch: [0.1, 0.1][epoch]), IndexError),
        (SGD(ReduceOnPlateau(0.1, "recall", "max")), ParameterError),
    ],
)
def test_a_rate_that_is_none_leaves_everything(
    optimizer: SGD, error: type[Exception], tmp_path: Path
) -> None:
    model = RNN(2, 3, 2, optimizer=optimizer, scaler="minmax")
    options = {"epochs": 4, "callbacks": [CSVLogger(tmp_path / "log")], "progress": False}
    if error is IndexError:
        del options["callbacks"]  # so that all epochs are one call of the engine
    unchanged(model, lambda: model.fit(DATA, **options), error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing/checkpoint", "."])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    model, path = make_model(), tmp_path / "folder" / name
    checkpoint = Checkpoint(path)
    unchanged(model, lambda: model.fit(DATA, callbacks=[checkpoint], **MADE_WITH), ModelFileError)
    assert [each.name for each in tmp_path.rglob("*")] == ["folder"]


def test_a_refused_train_leaves_everything() -> None:
    model = make_model()
    for options, error in (
        ({"evaluator": BinaryClassificationEvaluator(0.5)}, DataError),
        ({"evaluator": Interrupted()}, KeyboardInterrupt),
        ({"train_ratio": 1.5}, ParameterError),
        ({"eval_every": 0}, ParameterError),
    ):
        unchanged(model, lambda o=options: model.train(DATA, 3, **o), error)  # type: ignore[misc]


def test_balanced_classes_that_cannot_be_are_not_learnt() -> None:
    labels = np.zeros((len(DATA.features), 1))
    data = Dataset.from_arrays(DATA.features, labels, DATA.offsets)
    model = RNN(2, 3, 1, loss="binary_cross_entropy", class_weight="balanced", scaler="minmax")
    unchanged(
        model,
        lambda: model.fit(data, epochs=1, callbacks=[EarlyStopping()], progress=False),
        ParameterError,
    )


# Single updates and weights ------------------------------------------------------------------


def test_a_refused_update_leaves_everything() -> None:
    rates: dict[str, Any] = {"rate": 0.1}
    model = LSTM(
        2, 3, 2, optimizer=Adam(lambda epoch: rates["rate"]), recurrent_dropout=0.2,
        bptt_steps=2, seed=3,
    )  # fmt: skip
    model.update(DATA)
    unchanged(model, lambda: model.update(make_data([3], 3, 2)), ShapeError)
    unlabelled = DATA.with_values(DATA.features, np.full_like(DATA.labels, np.nan))
    unchanged(model, lambda: model.update(unlabelled), DataError)
    unchanged(model, lambda: model.update(HUGE), DataError)
    rates["rate"] = -1
    unchanged(model, lambda: model.update(DATA), ParameterError)
    rates["rate"] = 1e300
    unchanged(model, lambda: model.update(DATA), ParameterError)
    rates["rate"] = 1e38
    unchanged(model, lambda: model.update(DATA), DivergedError)


def test_an_update_that_python_refuses_leaves_everything() -> None:
    class Refusing(PythonSGD):
        def update(self, parameters: Any, gradients: Any) -> None:
            for name in parameters:
                parameters[name] += 1
            raise OSError

    model = make_model()
    model.fit(DATA, **MADE_WITH)
    model.optimizer = Refusing(0.1)
    unchanged(model, lambda: model.update(DATA), OSError)


def test_refused_weights_leave_everything() -> None:
    model = make_model()
    model.fit(DATA, **MADE_WITH)
    good = LSTM(2, 3, 2, seed=5).state_dict()
    for change in (
        {"head.bias": np.zeros(3)}, {"head.bias": [np.nan, 0]}, {"more": [1]},
        {"head.weight": "text"},
    ):  # fmt: skip
        unchanged(model, lambda c=change: model.load_state_dict(good | c), ValueError)  # type: ignore[misc]
    unchanged(model, lambda: setattr(model, "optimizer", "Newton"), ParameterError)
    unchanged(model, lambda: setattr(model, "n_threads", 0), ParameterError)


def test_learnable_data_is_what_these_tests_take_it_for() -> None:
    """The models do train on it, so that a weight that stays tells something."""
    model = make_model()
    before = snapshot(model)
    model.fit(make_learnable([4, 2], seed=1), epochs=1, progress=False)
    after = snapshot(model)
    assert all(before[name] != after[name] for name in ("weights", "moments", "epochs", "scaler"))


@pytest.mark.parametrize(
    ("table", "shown"),
    [(pl.DataFrame(), "a DataFrame"), ("data.csv", "'data.csv'"), (None, "None"), (5, "5")],
)
def test_what_is_no_data_set_is_told_what_makes_one(table: Any, shown: str) -> None:
    model = RNN(1, 2, 1)
    advice = "Dataset.from_frame, from_file and from_arrays make one"
    for call in (lambda: model.fit(table, epochs=1), lambda: model.loss(table)):
        with pytest.raises(ParameterError, match=f"not {shown}; {advice}$"):
            call()
