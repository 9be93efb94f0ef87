"""Training: what an update is, what is refused, divergence, and the one-call `train`."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import polars as pl
import pytest
from oracle import (
    ACTIVATIONS,
    Oracle,
    assert_all_close,
    make_data,
    refused,
    same_bits,
)

from rnn_rust import (
    GRU,
    RNN,
    SGD,
    BinaryClassificationEvaluator,
    Dataset,
    RegressionEvaluator,
)
from rnn_rust.errors import DataError, DivergedError, ParameterError, RnnRustError

DATA = make_data([4, 1, 6, 2, 3, 5, 2], 2, 2, missing=0.3)


def make_model(**options: Any) -> RNN:
    defaults: dict[str, Any] = {"dtype": "float64", "optimizer": SGD(0.05), "seed": 3}
    return RNN(2, 4, 2, **defaults | options)


# Updates -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_an_epoch_is_one_step_per_batch(batch_size: int, reduction: str) -> None:
    model = make_model(reduction=reduction)
    oracle = Oracle(model)
    history = model.fit(DATA, epochs=2, batch_size=batch_size, shuffle=False, progress=False)
    for reported in history.loss:
        losses: list[float] = []
        weights: list[int] = []
        for start in range(0, 7, batch_size):
            batch = DATA.subset(range(start, min(start + batch_size, 7)))
            losses.append(oracle.step(batch, 0.05))
            labels = int(np.count_nonzero(~np.isnan(batch.labels)))
            weights.append(labels if reduction == "mean" else len(batch))
        assert reported == pytest.approx(np.average(losses, weights=weights), rel=1e-12)
    assert_all_close(model.state_dict(), oracle.weights, 1e-12)
    assert model.epochs_trained == 2


def test_sum_with_batches_of_one_are_the_steps_of_the_original() -> None:
    """Its gradient of a sequence is the sum over the steps: T times that of the mean."""
    data = make_data([4, 1, 6], 2, 2)
    model, mean = make_model(reduction="sum"), make_model(reduction="mean")
    for sequence in data:
        gradients = mean.gradients(sequence)[1]
        state = {
            name: weight - 0.05 * len(sequence) * gradients[name]
            for name, weight in mean.state_dict().items()
        }
        mean.load_state_dict(state)
    model.fit(data, epochs=1, batch_size=1, shuffle=False, progress=False)
    assert_all_close(model.state_dict(), mean.state_dict(), 1e-13)


def test_update_is_an_epoch_of_one_batch() -> None:
    one, other = make_model(), make_model()
    loss = one.update(DATA)
    history = other.fit(DATA, epochs=1, batch_size=7, shuffle=False, progress=False)
    assert history.loss == [loss]
    assert same_bits(one, other)
    assert one.epochs_trained == 0


def test_a_batch_without_labels_changes_nothing() -> None:
    labels = DATA.labels.copy()
    labels[5:13] = np.nan  # the sequences 2 and 3
    data = Dataset.from_arrays(DATA.features, labels, DATA.offsets)
    with_gap, without = make_model(), make_model()
    options: dict[str, Any] = {"epochs": 3, "batch_size": 2, "shuffle": False, "progress": False}
    gap = with_gap.fit(data, **options)
    assert gap.loss == without.fit(data.subset([0, 1, 4, 5, 6]), **options).loss
    assert same_bits(with_gap, without)
    refused(lambda: with_gap.update(data[2]), DataError, "label")


def test_a_rate_of_0_changes_nothing() -> None:
    model = make_model(optimizer=SGD(0))
    model.fit(DATA, epochs=2, progress=False)
    assert same_bits(model, make_model())


def test_training_learns_to_add_up() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-0.3, 0.3, size=(300, 1))
    sums = np.concatenate([np.cumsum(part, axis=0) for part in np.split(x, 50)])
    data = Dataset.from_arrays(x, sums, np.arange(0, 301, 6))
    model = RNN(1, 8, 1, optimizer=SGD(0.1))
    model.fit(data, epochs=100, batch_size=5, progress=False)
    assert model.loss(data) < 0.02 * sums.var()


# Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("epochs", "batch_size", "eval_every")
          for value in (0, -1, 1.5, "3", True, None)),
        ("epochs", 2**70),
        ("callbacks", [5]),
        ("callbacks", print),
        ("shuffle", "no"),
        ("evaluator", 5),
        ("validation", 5),
        ("resume", 5),
        ("resume", True),
    ],
)  # fmt: skip
def test_an_argument_outside_its_values_is_refused_by_name(name: str, value: Any) -> None:
    model = make_model(scaler="minmax")
    options: dict[str, Any] = {"epochs": 2, "progress": False, name: value}
    shown = "5" if value == [5] else str(value)
    refused(lambda: model.fit(DATA, **options), ParameterError, name, shown)
    assert same_bits(model, make_model())
    assert model.epochs_trained == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("train_ratio", ratio) for ratio in (0, 1, -0.5, 80, np.nan, "0.8", None)]
    + [("epochs", 0), ("eval_every", 0)],
)
def test_train_refuses_by_name_too(name: str, value: Any) -> None:
    options: dict[str, Any] = {"epochs": 2, name: value}
    refused(lambda: make_model().train(DATA, **options), ParameterError, name, str(value))


# Divergence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("callbacks", [[], [bool]])
@pytest.mark.parametrize(
    ("batch_size", "where"), [(7, "epoch 4, batch 1"), (1, "epoch 3, batch 2")]
)
def test_divergence_leaves_a_model_that_predicts(
    activation: str, callbacks: list[Any], batch_size: int, where: str
) -> None:
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": False, "progress": False}
    model = RNN(2, 4, 2, activation=activation)
    model.fit(DATA, epochs=2, progress=False)
    model.optimizer = SGD(1e25)
    with pytest.raises(DivergedError, match=where) as caught:
        model.fit(DATA, epochs=9, callbacks=callbacks, **options)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, RnnRustError)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())
    assert np.isfinite(model.predict(DATA)).all()


def test_divergence_in_the_first_step_changes_nothing() -> None:
    large = Dataset.from_arrays(DATA.features, np.full_like(DATA.labels, 1e30), DATA.offsets)
    model = make_model(dtype="float32")
    for call in (model.update, lambda data: model.fit(data, epochs=1, progress=False)):
        with pytest.raises(DivergedError, match="epoch 1, batch 1"):
            call(large)
    assert same_bits(model, make_model(dtype="float32"))
    assert model.epochs_trained == 0


def test_what_an_earlier_call_learnt_is_kept() -> None:
    ones = np.ones((4, 1))
    good = Dataset.from_arrays(ones, ones, [0, 2, 4])
    bad = Dataset.from_arrays(ones, ones * 1e30, [0, 2, 4])
    model = RNN(1, 2, 1, optimizer=SGD(0.5))
    for call in (model.update, lambda data: model.fit(data, epochs=1, progress=False)):
        call(good)
        learnt = model.state_dict()
        with pytest.raises(DivergedError):
            call(bad)
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, learnt[name])


def test_what_cannot_be_judged_is_found_before_training() -> None:
    model = make_model()
    labelled, unlabelled = make_data([3], 2, 2), Dataset.from_arrays(np.ones((9, 2)), None, [0, 9])
    refused(lambda: model.fit(DATA[0], epochs=1), ParameterError, "training", "Dataset")
    refused(lambda: model.train(DATA[0], epochs=1), ParameterError, "training", "Dataset")
    refused(lambda: model.fit(DATA, epochs=1, validation=labelled[0]), ParameterError, "validation")
    evaluator: Any = RegressionEvaluator
    refused(lambda: model.fit(DATA, epochs=1, evaluator=evaluator), ParameterError, "evaluator")
    evaluator = BinaryClassificationEvaluator()
    refused(lambda: model.fit(DATA, epochs=1, evaluator=evaluator), DataError, "0", "1")
    refused(lambda: model.fit(DATA, epochs=1, validation=unlabelled), DataError, "validation")
    assert model.epochs_trained == 0


# train() -------------------------------------------------------------------------------------


def binary(data: Dataset) -> Dataset:
    return data.with_values(data.features, np.where(data.labels > 0, 1.0, data.labels * 0))


def test_train_splits_fits_and_evaluates(caplog: pytest.LogCaptureFixture) -> None:
    data = binary(DATA)
    model = make_model(output_activation="sigmoid", scaler="minmax", reduction="sum")
    with caplog.at_level(logging.INFO, logger="rnn_rust"):
        trained = model.train(data, epochs=20, train_ratio=0.7, eval_every=10)
    train, test = data.split(0.7, seed=3)
    evaluator = BinaryClassificationEvaluator()
    assert trained.train == evaluator.evaluate(model, train)
    assert trained.test == evaluator.evaluate(model, test)
    assert (trained.train, trained.test, trained.history) == tuple(trained)
    same = make_model(output_activation="sigmoid", scaler="minmax", reduction="sum")
    assert same.fit(train, epochs=20, batch_size=1, progress=False).loss == trained.history.loss
    assert same_bits(model, same)

    *lines, first, second = caplog.messages
    assert [line.split(":")[0] for line in lines] == ["Epoch 1", "Epoch 10", "Epoch 20"]
    last = trained.history[-1]
    assert last["train_accuracy"] == trained.train.primary
    assert lines[-1] == (
        f"Epoch 20: Loss = {last['loss']:g} | Train Accuracy: {100 * last['train_accuracy']:.2f}% "
        f"| Test Accuracy: {100 * last['test_accuracy']:.2f}%"
    )
    assert first == f"Train evaluation:\n{trained.train}"
    assert second == f"Test evaluation:\n{trained.test}"


def test_train_finds_sizes_and_levels_as_fit_does() -> None:
    shops = np.array(["p", "q", "r"])[np.arange(DATA.offsets[-1]) % 3]
    frame = DATA.to_frame().with_columns(pl.Series("shop", shops))
    data = Dataset.from_frame(
        frame, features=[*DATA.feature_names, "shop"], labels=list(DATA.label_names)
    )
    model, same = (GRU(hidden_size=3, scaler="standard", seed=3) for _ in range(2))
    trained = model.train(data, epochs=2, train_ratio=0.7)
    same.fit(data.split(0.7, seed=3)[0], epochs=2, batch_size=1, progress=False)
    assert same_bits(model, same)
    assert trained.test == model.evaluate(data.split(0.7, seed=3)[1], RegressionEvaluator())
    refused = GRU(hidden_size=3)
    with pytest.raises(ParameterError, match="eval_every"):
        refused.train(data, 1, eval_every=0)
    assert not refused.is_built


def test_train_chooses_the_evaluator_by_the_labels() -> None:
    assert hasattr(make_model().train(binary(DATA), 1).test, "recall")
    assert hasattr(make_model().train(DATA, 1).test, "rmse")
    evaluator = RegressionEvaluator(threshold=0.5)
    result = make_model().train(binary(DATA), 1, evaluator=evaluator).test
    assert result.metrics().keys() == evaluator.score([1.0], [1.0]).metrics().keys()
