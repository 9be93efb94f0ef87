"""How well tomorrow's temperature is predicted, over five seeds, beside rivals.

The model of ``rnn-rust demo weather`` learns from 2012 to 2014; early stopping uses the last months
of these years, and the test year 2015 is only used for the figures:

    python benchmarks/weather_over_seeds.py

``--choose`` shows how the model was chosen: the errors of 24 candidates on the validation part.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.linear_model import LinearRegression

import rnn_rust as rnn
from rnn_rust.cli.demo import DEMOS, Demo
from rnn_rust.demos.rivals import MEASUREMENTS
from rnn_rust.models import Model

WEATHER = Path(__file__).resolve().parent.parent / "data/weather.csv"
PLAN = DEMOS["weather"]
SEEDS = range(5)


def trained(plan: Demo, dataset: rnn.Dataset, seed: int) -> tuple[Model, int]:
    """Return a model, and the epoch at which its weights were best on the validation part."""
    parts, _ = plan.split_data(dataset)
    model = plan.build(dataset, seed=seed)
    stopping = rnn.EarlyStopping(patience=plan.fitting.patience)
    model.fit(
        parts.train, epochs=plan.fitting.epochs, batch_size=plan.fitting.batch_size,
        validation=parts.validation, callbacks=[stopping], progress=False,
    )  # fmt: skip
    return model, stopping.best_epoch


def rmse(model: Model, part: rnn.Dataset) -> float:
    """Return a model's error in °C."""
    return rnn.RegressionEvaluator().evaluate(model, part).rmse


def linear_regression(past: rnn.Dataset, test: rnn.Dataset, features: int) -> float:
    """Return the error of least squares on the first features of single days."""
    known = ~np.isnan(past.labels[:, 0])
    fit = LinearRegression().fit(past.features[known, :features], past.labels[known])
    answers = fit.predict(test.features[:, :features])
    return rnn.RegressionEvaluator().score(test.labels, answers).rmse


def candidates() -> Iterator[Demo]:
    """Yield the candidates from which the demo's plan was chosen."""
    for cell, hidden, rate, batch in product(("GRU", "LSTM"), (8, 16, 32), (0.003, 0.01), (4, 8)):
        yield replace(
            PLAN, cell=cell, model=PLAN.model | {"hidden_size": hidden}, optimizer=rnn.Adam(rate),
            fitting=replace(PLAN.fitting, batch_size=batch),
        )  # fmt: skip


def choose(dataset: rnn.Dataset) -> None:
    """Print the median error of each candidate on the validation part, best first."""
    parts, _ = PLAN.split_data(dataset)
    found = {}
    for plan in candidates():
        errors = [rmse(trained(plan, dataset, seed)[0], parts.validation) for seed in SEEDS]
        hidden, rate = plan.model["hidden_size"], plan.optimizer.learning_rate
        name = f"{plan.cell:4} {hidden:2} units, Adam {rate}, batch {plan.fitting.batch_size}"
        found[name] = median(errors)
    for name, error in sorted(found.items(), key=lambda item: item[1]):
        print(f"{name:32} validation RMSE {error:.3f} °C")


def compare(dataset: rnn.Dataset) -> None:
    """Print the error of every seed and of the rivals on the test year."""
    parts, past = PLAN.split_data(dataset)
    test = parts.test
    persistence = rnn.RegressionEvaluator().score(test.labels, test.features[:, :1]).rmse
    features = len(test.feature_names)
    print(f"RMSE in °C on the {np.count_nonzero(~np.isnan(test.labels))} days of 2015")
    print(f"persistence: tomorrow is as today             {persistence:.3f}")
    for count in (MEASUREMENTS, features):
        error = linear_regression(past, test, count)
        print(f"linear regression on {count:2} features of today      {error:.3f}")
    errors = []
    for seed in SEEDS:
        model, epoch = trained(PLAN, dataset, seed)
        errors.append(rmse(model, test))
        print(f"{PLAN.cell}, seed {seed}, weights of epoch {epoch:3}              {errors[-1]:.3f}")
    print(f"{PLAN.cell}, median                                   {median(errors):.3f}")


def main() -> None:
    """Compare, or choose."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="by the validation part")
    dataset = rnn.Dataset.from_csv(WEATHER)
    if parser.parse_args().choose:
        choose(dataset)
    else:
        compare(dataset)


if __name__ == "__main__":
    main()
