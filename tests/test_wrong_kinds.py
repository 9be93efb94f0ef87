"""Arguments of a wrong kind are refused by name, with the exceptions of this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

PATHS = (None, 3, True, ["model"], b"model", "", "a\0b")
X = np.random.default_rng(0).normal(size=(12, 3))
DATA = rnn.Dataset.from_arrays(X, X[:, :1], [0, 5, 12])


def make_model(**options: Any) -> rnn.GRU:
    return rnn.GRU(3, 4, 1, **options)


def fit(model: Any = None, **arguments: Any) -> rnn.History:
    given = {"epochs": 2, "progress": False} | arguments
    return (model or make_model()).fit(DATA, **given)


USES_OF_PATHS: dict[str, Callable[[Any], object]] = {
    "load": rnn.load,
    "load_scorer": rnn.load_scorer,
    "save": lambda path: make_model().save(path),
    "save of a scorer": lambda path: make_model().scorer().save(path),
    "save of a snapshot": lambda path: make_model().scorer().snapshot().save(path),
    "to_c": lambda path: make_model().to_c(path),
    "Checkpoint": rnn.Checkpoint,
    "CSVLogger": rnn.CSVLogger,
    "JSONLinesLogger": rnn.JSONLinesLogger,
}


@pytest.mark.parametrize("path", PATHS, ids=repr)
@pytest.mark.parametrize("use", USES_OF_PATHS)
def test_what_is_not_a_path(use: str, path: Any) -> None:
    with pytest.raises(ParameterError, match=r"(path|folder) must be a path"):
        USES_OF_PATHS[use](path)


@pytest.mark.parametrize("path", [path for path in PATHS if path is not None], ids=repr)
def test_resume_takes_a_path(path: Any) -> None:
    """An empty one too would begin anew and say nothing."""
    with pytest.raises(ParameterError, match="resume must be a path"):
        fit(resume=path)


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_an_onnx_file_has_a_path(path: Any) -> None:
    pytest.importorskip("onnx")
    for use in (make_model().to_onnx, rnn.from_onnx):
        with pytest.raises(ParameterError, match="path must be a path"):
            use(path)


def test_the_root_is_not_a_file() -> None:
    root = Path(Path.cwd().anchor)
    for use in (make_model().save, make_model().to_c):
        with pytest.raises(ValueError, match="cannot write"):
            use(root)


@pytest.mark.parametrize("optimizer", [{"name": "adam"}, {}, set()], ids=repr)
def test_a_dict_or_set_is_not_an_optimizer(optimizer: Any) -> None:
    """They have ``update`` too; a set would take the names and train nothing."""
    with pytest.raises(ParameterError, match="optimizer must be SGD"):
        make_model(optimizer=optimizer)


@pytest.mark.parametrize("value", [None, 3, True, 0.5], ids=repr)
def test_time_features_are_names(value: Any) -> None:
    with pytest.raises(ParameterError, match="time_features must be some of elapsed"):
        make_model(time_features=value)


def test_arrays_are_not_names() -> None:
    two = np.array([1, 2])
    with pytest.raises(ParameterError, match="missing="):
        make_model(missing=two)
    with pytest.raises(ParameterError, match="mode must be 'min' or 'max'"):
        rnn.EarlyStopping("loss", mode=two)
    with pytest.raises(ParameterError, match="horizon must be an integer"):
        rnn.RegressionEvaluator(horizon=np.array(0.5))


@pytest.mark.parametrize("value", [None, 1, "no", X], ids=type)
def test_progress_is_true_or_false(value: Any) -> None:
    with pytest.raises(ParameterError, match="progress must be True or False"):
        fit(progress=value)


@pytest.mark.parametrize("value", [True, "0.5", np.array(0.5), 10**400], ids=type)
def test_a_threshold_is_a_number(value: Any) -> None:
    for evaluator in (rnn.BinaryClassificationEvaluator, rnn.RegressionEvaluator):
        with pytest.raises(ParameterError, match="threshold must be a finite number"):
            evaluator(value)
    assert rnn.BinaryClassificationEvaluator(np.float32(0.5)).threshold == 0.5


@pytest.mark.parametrize("evaluator", [3, "rmse", rnn.RegressionEvaluator], ids=repr)
def test_an_evaluator_is_an_instance(evaluator: Any) -> None:
    model = make_model()
    uses = (
        lambda: model.evaluate(DATA, evaluator),
        lambda: model.train(DATA, 1, 0.5, evaluator=evaluator),
        lambda: fit(evaluator=evaluator),
    )
    for use in uses:
        with pytest.raises(ParameterError, match="evaluator must be an evaluator"):
            use()


@pytest.mark.parametrize("model", [None, "model", 3], ids=repr)
def test_an_evaluator_judges_models(model: Any) -> None:
    for kind in (
        rnn.BinaryClassificationEvaluator,
        rnn.ClassificationEvaluator,
        rnn.RegressionEvaluator,
    ):
        with pytest.raises(ParameterError, match="needs a model"):
            kind().evaluate(model, DATA)


class Answer:
    """What an evaluator of somebody's own returns."""

    primary = 1.0

    def __init__(self, primary_name: str, values: dict[str, Any]) -> None:
        self.primary_name, self._values = primary_name, values

    def metrics(self) -> dict[str, Any]:
        return self._values


class Own:
    """An evaluator of somebody's own."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def evaluate(self, model: object, dataset: object) -> Any:
        return self._answer


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (3, "needs metrics"),
        (Answer("f2", {"f2": 1.0, "loss": 5.0}), "a metric 'loss', and records have one"),
        (Answer("f2", {"f2": 1.0, "epoch": 5.0}), "a metric 'epoch'"),
        (Answer("validation_loss", {"validation_loss": 1.0}), "a metric 'validation_loss'"),
        (Answer("f2", {"f2": "high"}), "metric 'f2' must be a number, got 'high'"),
        (Answer("f2", {"f1": 1.0}), "primary metric 'f2' is not among its metrics: f1"),
    ],
)
def test_metrics_that_no_record_can_have(answer: Any, wanted: str) -> None:
    model = make_model()
    before = model.state_dict()
    with pytest.raises(ParameterError, match=wanted):
        fit(model, evaluator=Own(answer))
    assert model.epochs_trained == 0
    assert all((array == before[name]).all() for name, array in model.state_dict().items())


def test_metrics_of_an_own_evaluator_are_recorded() -> None:
    history = fit(evaluator=Own(Answer("f2", {"f2": np.float32(0.5), "count": 3})), epochs=1)
    assert history[-1]["f2"] == 0.5
    assert history[-1]["count"] == 3


def test_train_needs_a_primary_metric() -> None:
    with pytest.raises(ParameterError, match="needs primary"):
        make_model().train(DATA, 1, 0.5, evaluator=Own(3))


def test_a_model_without_sizes_says_so() -> None:
    model = rnn.GRU()
    uses: list[Callable[[], object]] = [
        lambda: model.predict(DATA),
        lambda: model.predict(X),
        lambda: model.hidden_states(DATA),
        lambda: model.evaluate(DATA),
        lambda: model.loss(DATA),
        lambda: model.gradients(DATA),
        lambda: model.update(DATA),
        model.stepper,
        model.scorer,
    ]
    for use in uses:
        with pytest.raises(ParameterError, match="the model has no sizes yet"):
            use()


def test_streams_of_a_scaler_that_is_not_fitted() -> None:
    model = make_model(scaler="standard")
    for use in (model.stepper, model.scorer):
        with pytest.raises(ParameterError, match="the model's scaler is not fitted yet; call fit"):
            use()


@pytest.mark.parametrize("data", [None, X, DATA[0]], ids=type)
def test_build_needs_a_dataset(data: Any) -> None:
    with pytest.raises(ParameterError, match="build needs a Dataset"):
        rnn.GRU().build(data)


def test_names_of_weights_are_strings() -> None:
    model = make_model()
    state: dict[Any, Any] = dict(model.state_dict())
    with pytest.raises(ShapeError, match="names of a state dict are strings, and it has 3"):
        model.load_state_dict(state | {3: np.zeros(3)})


def test_a_scorer_is_of_a_model() -> None:
    scorer = make_model().scorer()
    for use in (scorer.swap, rnn.Scorer):
        with pytest.raises(ParameterError, match="model must be an RNN, GRU or LSTM, got None"):
            use(None)
    with pytest.raises(ParameterError, match="keep_states must be True or False"):
        scorer.swap(make_model(), keep_states=1)


def test_the_place_of_a_gap_in_a_row_is_named() -> None:
    """The first number of the row is fine; a message that shows it would mislead."""
    with pytest.raises(DataError, match="which has None; convert it"):
        make_model().stepper().step([1.0, None, 2.0])


def test_a_history_is_indexed_by_numbers_and_slices() -> None:
    history = fit(epochs=4)
    assert history[1:3] == [history[1], history[2]]
    assert history[-1:] == [history[3]]
    with pytest.raises(IndexError, match="no record 4 in a history of 4"):
        history[4]
    with pytest.raises(TypeError, match=r"not for 'loss'; to_frame\(\)"):
        history["loss"]


EVENT = {"amount": 1.5, "shop": "fuel", "when": "2026-03-02 14:00"}


@pytest.fixture(scope="module")
def encoded() -> rnn.GRU:
    """Return a model of numbers, categories and times, whose two levels fill the data."""
    frame = pl.DataFrame(
        {
            "id": [1, 1, 1, 2, 2, 2],
            "when": [f"2026-03-0{day} 14:00" for day in (1, 2, 3, 1, 2, 3)],
            "amount": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
            "shop": ["fuel", "books", "fuel", "fuel", "toys", "wine"],
            "y1": [0.0, 1.0, 0.0, 1.0, 0.0, 1.0],
        }
    )
    data = rnn.Dataset.from_frame(frame, time="when", features=["amount", "shop"], labels="y1")
    model = rnn.GRU(hidden_size=4, time_features="hour")
    model.fit(data, epochs=1, progress=False)
    return model


@pytest.mark.parametrize(
    "value",
    [None, np.datetime64("NaT", "s"), float("nan"), np.inf, "2026-02-30", [1], True, b"now"],
    ids=repr,
)  # fmt: skip
def test_the_time_of_a_row_is_named_where_it_is_none(encoded: rnn.GRU, value: Any) -> None:
    for use in (encoded.stepper().step, lambda row: encoded.scorer().score("key", row)):
        with pytest.raises(DataError, match=r"features: 'when' is .* not a time; give a number"):
            use(EVENT | {"when": value})


@pytest.mark.parametrize("value", ["yesterday", ""])
def test_a_text_that_is_no_time_is_that_of_its_column(encoded: rnn.GRU, value: str) -> None:
    with pytest.raises(DataError, match=f"^features, .*column 'when': '{value}' is not a time"):
        encoded.stepper().step(EVENT | {"when": value})


@pytest.mark.parametrize("value", ["much", [1], {}, 10**400], ids=type)
def test_the_number_of_a_row_is_named_where_it_is_none(encoded: rnn.GRU, value: Any) -> None:
    with pytest.raises(DataError, match=r"features: 'amount' is .*, which is not a number"):
        encoded.stepper().step(EVENT | {"amount": value})


def test_a_refused_row_changes_no_state(encoded: rnn.GRU) -> None:
    stepper, other = encoded.stepper(), encoded.stepper()
    stepper.step(EVENT)
    with pytest.raises(DataError):
        stepper.step(EVENT | {"when": None})
    other.step(EVENT)
    assert (stepper.step(EVENT) == other.step(EVENT)).all()


def test_a_scorer_of_categories_is_swapped_for_a_model(encoded: rnn.GRU) -> None:
    with pytest.raises(ParameterError, match="model must be an RNN, GRU or LSTM, got None"):
        encoded.scorer().swap(None)


def test_levels_that_fill_the_data_leave_nothing_to_others(encoded: rnn.GRU) -> None:
    """Sixths do not sum to 1 in binary."""
    assert encoded.preprocessor is not None
    shares = encoded.preprocessor.table().drop_nulls("share")
    found = dict(shares.select("input", "share").iter_rows())
    assert found["shop=other"] == 0.0
    assert found["shop=fuel"] == 0.5


def test_a_checkpoint_beyond_the_epochs_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "training.checkpoint"
    fit(epochs=3, callbacks=[rnn.Checkpoint(path)])
    with pytest.raises(ParameterError, match=r"has 3 epochs already, to epochs=2; give at least"):
        fit(epochs=2, resume=path)


def test_what_is_too_large_gets_advice_that_helps() -> None:
    """No scaler changes weights."""
    labels = rnn.Dataset.from_arrays(X, np.arange(12.0)[:, None] % 2, [0, 5, 12])
    model = make_model(loss="binary_cross_entropy", class_weight={0: 1.0, 1: 1e300})
    with pytest.raises(DataError, match="weights are too large for float32; divide them by a"):
        model.fit(labels, epochs=1, progress=False)
    with pytest.raises(
        DataError, match="features are too large for float32; use dtype='float64' o"
    ):
        make_model().predict(X * 1e300)
    table = {"t": range(3), "x1": [0.0, 1, 2], "x2": [0.0, 1e300, 2], "y1": [1.0, 2, 3]}
    named = rnn.Dataset.from_frame(table)
    model = rnn.GRU(hidden_size=2, dtype="float32")
    with pytest.raises(DataError, match="features of column 'x2' are too large for float32; use"):
        model.fit(named, epochs=1, progress=False)
    large = rnn.Dataset.from_frame(table, features=["x1"], labels=["y1", "x2"])
    with pytest.raises(DataError, match="labels of column 'x2' are too large for float32; use d"):
        rnn.GRU(hidden_size=2).fit(large, epochs=1, progress=False)
    static = rnn.Dataset.from_frame(
        table | {"x2": [1e300] * 3, "x3": [1.0] * 3}, features="x1", static=["x3", "x2"],
        labels="y1",
    )  # fmt: skip
    with pytest.raises(DataError, match="static features of column 'x2' are too large"):
        rnn.GRU(hidden_size=2).fit(static, epochs=1, progress=False)


def test_a_single_label_is_not_labels() -> None:
    single = rnn.RegressionEvaluator().score([1.0], [2.0])
    assert "Regression on 1 label (0" in str(single)
    two = rnn.RegressionEvaluator().score([1.0, 2.0], [2.0, 2.0])
    assert "Regression on 2 labels (0" in str(two)
    assert "for the 1 label that has one" in str(two)
    assert "of 1 label (" in str(rnn.BinaryClassificationEvaluator().score([1.0], [0.2]))
    assert "of 1 label (" in str(rnn.ClassificationEvaluator().score([1.0], [[0.2, 0.8]]))
