"""Tune a GRU for tomorrow's temperature with Optuna; processes share the study in a file.

python examples/tune_weather.py [--trials 20] [--study tune_weather.log]

Needs the extra ``optuna``. Start it several times at once, from the root of the repository: each
process runs its own trials, and learns from the trials of all processes.
"""

import argparse

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import rnn_rust as rnn

weather = rnn.Dataset.from_csv("data/weather.csv")
# The last year is only for the final evaluation.
past, future = weather.split(0.75, by="time")
train, validation = past.split(0.8, by="time")


def fit(trial: optuna.Trial | optuna.trial.FrozenTrial, callbacks: list, epochs: int) -> tuple:
    """Return a trained model and its history."""
    model = rnn.GRU(
        12,
        trial.suggest_int("hidden_size", 4, 32, log=True),
        1,
        optimizer=rnn.Adam(trial.suggest_float("learning_rate", 1e-3, 3e-2, log=True)),
        scaler="standard",
        seed=0,
    )
    history = model.fit(
        train,
        epochs=epochs,
        batch_size=trial.suggest_categorical("batch_size", [2, 4, 8]),
        validation=validation,
        callbacks=[rnn.EarlyStopping("validation_loss", patience=20), *callbacks],
        progress=False,
    )
    return model, history


def objective(trial: optuna.Trial) -> float:
    """Return the loss of the best epoch on the months held out."""
    _, history = fit(trial, [rnn.callbacks.PruningCallback(trial)], epochs=100)
    return min(record["validation_loss"] for record in history)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--trials", type=int, default=20, help="of this process")
parser.add_argument("--study", default="tune_weather.log", help="the file that keeps the study")
options = parser.parse_args()
if options.trials < 1:
    parser.error("--trials must be at least 1")

study = optuna.create_study(
    study_name="weather",
    storage=JournalStorage(JournalFileBackend(options.study)),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10),
    load_if_exists=True,
)
study.optimize(objective, n_trials=options.trials)
states = [trial.state.name for trial in study.trials]
print(f"{states.count('COMPLETE')} trials, {states.count('PRUNED')} pruned: {study.best_params}")
model, _ = fit(study.best_trial, [], epochs=100)
print(f"RMSE in 2015: {rnn.RegressionEvaluator().evaluate(model, future).rmse:.3f} °C")
