"""The callback that reports to a trial of Optuna."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from rnn_rust import GRU, SGD, Dataset
from rnn_rust.callbacks import PruningCallback
from rnn_rust.errors import DivergedError, ParameterError

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def data() -> Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2))
    return Dataset.from_arrays(x, x.sum(axis=1), np.arange(0, 61, 6))


def test_every_epoch_is_reported(data: Dataset) -> None:
    trial = optuna.create_study().ask()
    pruning = PruningCallback(trial)
    history = GRU(2, 3, 1).fit(data, epochs=4, validation=data, callbacks=[pruning])
    reported = trial.study.trials[0].intermediate_values
    assert reported == {epoch["epoch"]: epoch["validation_loss"] for epoch in history}
    assert list(reported) == [1, 2, 3, 4]


def test_a_trial_that_is_worse_than_others_ends(data: Dataset) -> None:
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(1, n_warmup_steps=2))

    def objective(trial: optuna.Trial) -> float:
        rate = 0.05 if trial.number == 0 else 1e-9
        model = GRU(2, 3, 1, optimizer="adam", seed=1)
        model.optimizer = type(model.optimizer)(rate)
        return model.fit(data, epochs=9, callbacks=[PruningCallback(trial, "loss")]).best["loss"]

    study.optimize(objective, n_trials=2)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED"]
    assert max(study.trials[1].intermediate_values) < 9


def test_a_metric_that_is_not_finite_ends_the_trial() -> None:
    trial = optuna.create_study().ask()
    with pytest.raises(optuna.TrialPruned, match="loss is nan in epoch 3"):
        PruningCallback(trial, "loss")({"epoch": 3, "loss": float("nan")})


def test_training_that_diverges_prunes_its_trial_and_the_search_goes_on(data: Dataset) -> None:
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        model = GRU(2, 3, 1, optimizer=SGD(1e30 if trial.number == 0 else 0.01))
        pruning = PruningCallback(trial, "loss")
        return model.fit(data, epochs=5, batch_size=2, callbacks=[pruning]).best["loss"]

    study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE"]
    # Where another training has diverged, this one may end well.
    try:
        GRU(2, 3, 1, optimizer=SGD(1e30)).fit(data, epochs=5, batch_size=2)
    except DivergedError:
        again = [PruningCallback(study.ask(), "loss")]
        assert len(GRU(2, 3, 1).fit(data, epochs=2, callbacks=again)) == 2
    else:
        pytest.fail("it has not diverged")
    # Other errors stay what they are.
    with pytest.raises(ZeroDivisionError):
        GRU(2, 3, 1).fit(
            data, epochs=1, callbacks=[PruningCallback(study.ask(), "loss"), lambda _: 1 / 0]
        )


def test_wrong_arguments_are_named(data: Dataset) -> None:
    with pytest.raises(ParameterError, match="trial must be a trial of Optuna"):
        PruningCallback("trial")  # type: ignore[arg-type]
    trial = optuna.create_study().ask()
    with pytest.raises(ParameterError, match="monitor must be the name of a metric, got 3"):
        PruningCallback(trial, 3)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="records have no 'validation_loss' but loss"):
        GRU(2, 3, 1).fit(data, epochs=2, callbacks=[PruningCallback(trial)])
    with pytest.raises(ParameterError, match="did you mean 'loss'"):
        GRU(2, 3, 1).fit(data, epochs=2, callbacks=[PruningCallback(trial, "los")])
