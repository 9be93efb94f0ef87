"""Learning rates by epoch: formulas, limits, and rates that fall on a plateau."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import make_data, refused, same_bits

from rnn_rust import RNN, SGD, RegressionEvaluator
from rnn_rust.errors import ParameterError
from rnn_rust.learning.history import Record
from rnn_rust.learning.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    Plateau,
    ReduceOnPlateau,
    StepDecay,
)

DATA = make_data([4, 1, 6, 2, 3, 5, 2], 2, 2)
EPOCHS = range(40)


def test_formulas() -> None:
    falling = ExponentialDecay(0.3, 0.9)
    steps = StepDecay(0.3, 7, 0.5)
    for epoch in EPOCHS:
        assert Constant(0.3)(epoch) == 0.3
        assert falling(epoch + 1) == pytest.approx(0.9 * falling(epoch))
        assert steps(epoch + 1) == steps(epoch) * (0.5 if (epoch + 1) % 7 == 0 else 1)
    assert falling(0) == steps(0) == CosineDecay(0.3, 40)(0) == 0.3


@given(
    st.floats(1e-6, 10), st.integers(1, 30), st.integers(0, 10), st.floats(0, 1),
)  # fmt: skip
def test_cosine_rises_to_its_rate_and_falls_to_the_final_one(
    rate: float, epochs: int, warmup: int, final: float
) -> None:
    schedule = CosineDecay(rate, epochs + warmup, warmup, final * rate)
    rates = [schedule(epoch) for epoch in range(epochs + warmup + 5)]
    assert rates[warmup] == pytest.approx(rate)
    assert np.ptp(np.diff(rates[: warmup + 1])) <= 1e-12 * rate if warmup else True
    assert rates[0] > 0
    assert rates[epochs + warmup :] == [final * rate] * 5
    assert all(np.diff(rates[warmup:]) <= 1e-15 * rate)
    middle = schedule(warmup + epochs // 2)
    if epochs % 2 == 0:
        assert middle == pytest.approx((rate + final * rate) / 2)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Constant(-1), "rate"),
        (lambda: Constant("0.1"), "rate"),  # type: ignore[arg-type]
        (lambda: StepDecay(np.nan, 3), "rate"),
        (lambda: StepDecay(0.1, 0), "every"),
        (lambda: StepDecay(0.1, 2, 1.0), "factor"),
        (lambda: ExponentialDecay(-0.1, 0.5), "rate"),
        (lambda: ExponentialDecay(0.1, 0.0), "factor"),
        (lambda: ExponentialDecay(0.1, 1.5), "factor"),
        (lambda: CosineDecay(-0.1, 5), "rate"),
        (lambda: CosineDecay(0.1, 5, final_rate=-0.1), "final_rate"),
        (lambda: CosineDecay(0.1, 0), "epochs"),
        (lambda: CosineDecay(0.1, 5, 5), "warmup_epochs"),
        (lambda: CosineDecay(0.1, 5, -1), "warmup_epochs"),
        (lambda: CosineDecay(0.1, 5, final_rate=0.2), "final_rate"),
        (lambda: ReduceOnPlateau(np.nan), "rate"),
        (lambda: ReduceOnPlateau(0.1, min_rate=0.2), "min_rate"),
        (lambda: ReduceOnPlateau(0.1, "r2"), "mode"),
        (lambda: ReduceOnPlateau(0.1, mode="low"), "mode"),
        (lambda: ReduceOnPlateau(0.1, 5), "monitor"),  # type: ignore[arg-type]
        (lambda: ReduceOnPlateau(0.1, factor=1), "factor"),
        (lambda: ReduceOnPlateau(0.1, patience=0), "patience"),
        (lambda: ReduceOnPlateau(0.1, min_delta=-1), "min_delta"),
    ],
)
def test_a_setting_outside_its_values_is_refused_by_name(make: Any, word: str) -> None:
    refused(make, ParameterError, word)


@pytest.mark.parametrize("rate", [1e39, lambda epoch: 1e39, StepDecay(1e39, 1)])
def test_a_rate_beyond_the_dtype_is_refused_before_training(rate: Any) -> None:
    model = RNN(2, 4, 2, optimizer=SGD(rate))
    refused(lambda: model.fit(DATA, epochs=1), ParameterError, "learning_rate", "3.40282e+38")
    assert model.epochs_trained == 0


# Plateaus ------------------------------------------------------------------------------------


def rates_after(settings: ReduceOnPlateau, values: list[float]) -> list[float]:
    plateau = Plateau(settings)
    rates = []
    for value in values:
        plateau.observe({settings.monitor: value, "epoch": 1})
        rates.append(plateau(0))
    return rates


def test_the_rate_falls_again_and_again_down_to_its_limit() -> None:
    settings = ReduceOnPlateau(0.8, factor=0.5, patience=2, min_rate=0.15)
    assert rates_after(settings, [1.0] * 8) == [0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.15, 0.15]
    assert rates_after(settings, [5, 4, 4, 3, 3, 3.0]) == [0.8] * 5 + [0.4]
    # By default a tenth after ten records without improvement.
    assert rates_after(ReduceOnPlateau(1.0), [1.0] * 11) == [1.0] * 10 + [0.1]


def test_only_what_is_better_by_more_than_min_delta_counts() -> None:
    settings = ReduceOnPlateau(1.0, factor=0.5, patience=2, min_delta=0.5)
    assert rates_after(settings, [2.0, 1.5, 1.4]) == [1.0, 1.0, 1.0]
    assert rates_after(settings, [2.0, 1.9, 1.6]) == [1.0, 1.0, 0.5]


def test_more_is_better_where_that_is_said() -> None:
    settings = ReduceOnPlateau(1.0, "r2", "max", factor=0.5, patience=1)
    assert rates_after(settings, [0.1, 0.2, 0.2, 0.3, 0.1]) == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_what_is_not_finite_is_never_better() -> None:
    settings = ReduceOnPlateau(1.0, factor=0.5, patience=2)
    assert rates_after(settings, [math.nan, -math.inf, 3.0, 2.0]) == [1.0, 0.5, 0.5, 0.5]
    plateau = Plateau(settings)
    plateau.observe({"epoch": 1})
    assert plateau.monitor.waited == 0


@pytest.mark.parametrize("steps", [[12], [5, 7]])
def test_training_reduces_the_rate(steps: list[int]) -> None:
    settings = ReduceOnPlateau(0.3, "validation_loss", factor=0.5, patience=1, min_delta=0.01)
    model, expected = (RNN(2, 4, 2, optimizer=SGD(settings)) for _ in range(2))
    for epochs in steps:
        model.fit(DATA, epochs=epochs, validation=DATA, progress=False)
    plateau, rates = Plateau(settings), []
    for _ in range(12):
        rates.append(plateau.rate)
        expected.optimizer = SGD(plateau.rate)
        record = expected.fit(DATA, epochs=1, validation=DATA, progress=False)[-1]
        plateau.observe(record)
    assert same_bits(model, expected)
    assert len(set(rates)) > 2


def test_every_record_counts_where_nothing_else_looks_at_it() -> None:
    settings = ReduceOnPlateau(0.3, factor=0.5, patience=1, min_delta=0.01)
    model, expected = (RNN(2, 4, 2, optimizer=SGD(settings)) for _ in range(2))
    model.fit(DATA, epochs=12, progress=False)
    plateau, rates = Plateau(settings), []
    for _ in range(12):
        rates.append(plateau.rate)
        expected.optimizer = SGD(plateau.rate)
        plateau.observe(expected.fit(DATA, epochs=1, progress=False)[-1])
    assert same_bits(model, expected)
    assert len(set(rates)) > 2


def test_a_new_optimizer_begins_with_its_rate() -> None:
    stuck = SGD(ReduceOnPlateau(0.1, patience=1, min_delta=1e9))
    model, other = RNN(2, 4, 2, optimizer=stuck), RNN(2, 4, 2, optimizer=SGD(0.1))
    model.fit(DATA, epochs=5, progress=False)
    model.optimizer = stuck
    other.load_state_dict(model.state_dict()).epochs_trained = 5
    for one in (model, other):
        one.fit(DATA, epochs=2, progress=False)
    assert same_bits(model, other)


def test_a_figure_that_the_record_will_not_have_is_refused_before_training() -> None:
    model = RNN(2, 4, 2, optimizer=SGD(ReduceOnPlateau(0.1, "validation_mae")))

    def fit(**options: Any) -> Any:
        return model.fit(DATA, epochs=2, progress=False, **options)

    evaluator = RegressionEvaluator()
    refused(fit, ParameterError, "validation_mae", "loss")
    refused(lambda: fit(evaluator=evaluator), ParameterError, "validation_mae", "mae, rmse")
    assert model.epochs_trained == 0
    record: Record = fit(evaluator=evaluator, validation=DATA)[-1]
    assert "validation_mae" in record
