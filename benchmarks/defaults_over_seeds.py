"""The defaults of ``rnn-rust train`` compared with a baseline and settings chosen by hand.

Five seeds, each with its own split, on four data sets; medians are compared:

    python benchmarks/defaults_over_seeds.py

Settings chosen by hand come from the demos and ``examples/digits.py``. Needs scikit-learn for the
digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.datasets import load_digits

import rnn_rust as rnn
from rnn_rust.cli import train as command
from rnn_rust.cli.choices import build_model
from rnn_rust.cli.defaults import infer_batch_size, infer_loss
from rnn_rust.cli.demo import DEMOS
from rnn_rust.cli.fitting import DataSplit
from rnn_rust.models import Model

DATA = Path(__file__).resolve().parent.parent / "data"
SEEDS = range(5)
OPTIONS = {option.name: option.default for option in command.params}


@dataclass(frozen=True)
class Task:
    """A data set, how it is split, what is measured, and the settings chosen by hand.

    ``better`` is 1 if larger figures are better, else -1.
    """

    name: str
    metric: str
    better: int
    data: rnn.Dataset
    share: float
    split: dict[str, object]
    by_hand: Callable[[rnn.Dataset, int], Model]


def by_demo(name: str) -> Callable[[rnn.Dataset, int], Model]:
    """Return a function that trains the model of a demo on the training part."""

    def train(past: rnn.Dataset, seed: int) -> Model:
        plan = DEMOS[name]
        fitting, how = plan.fitting, {**plan.split}
        if how.get("by") != "time":
            how["seed"] = seed
        model, validation, callbacks = plan.build(past, seed=seed), None, []
        if fitting.patience is not None:
            past, validation = past.split(0.8, **how)
            callbacks = [rnn.EarlyStopping(patience=fitting.patience)]
        model.fit(
            past, epochs=fitting.epochs, batch_size=fitting.batch_size, validation=validation,
            callbacks=callbacks, progress=False,
        )  # fmt: skip
        return model

    return train


def digits_by_hand(past: rnn.Dataset, seed: int) -> Model:
    """Train the model of ``examples/digits.py``."""
    model = rnn.GRU(
        8, 64, 10, readout="last", loss="cross_entropy", optimizer=rnn.Adam(0.005), clip_norm=1.0,
        seed=seed,
    )  # fmt: skip
    model.fit(past, epochs=40, batch_size=32, progress=False)
    return model


def by_default(past: rnn.Dataset, seed: int, split: dict[str, object]) -> Model:
    """Train as ``rnn-rust train`` does without options."""
    how = split if split.get("by") == "time" else {**split, "seed": seed}
    parts = DataSplit.of(past, past, patience=OPTIONS["patience"], **how)
    names = (
        "cell", "hidden_size", "optimizer", "learning_rate", "scaler", "clipping", "clip_norm",
    )  # fmt: skip
    chosen = {name: OPTIONS[name] for name in names}
    model = build_model(past, loss=infer_loss(past)[0], seed=seed, **chosen)
    model.fit(
        parts.train, epochs=OPTIONS["epochs"], batch_size=infer_batch_size(parts.train),
        validation=parts.validation, progress=False,
        callbacks=[rnn.EarlyStopping(patience=OPTIONS["patience"])],
    )  # fmt: skip
    return model


def digits() -> rnn.Dataset:
    """Return scikit-learn's images, with one row of pixels per step."""
    images, numbers = load_digits(return_X_y=True)
    labels = np.full((len(images), 8), np.nan)
    labels[:, -1] = numbers
    return rnn.Dataset.from_arrays(
        images.reshape(-1, 8) / 16, labels.reshape(-1), np.arange(len(images) + 1) * 8
    )


def tasks() -> list[Task]:
    """Return the four tasks."""
    read = rnn.Dataset.from_csv
    return [
        Task("fraud", "pr_auc", 1, read(DATA / "fraud.csv"), 0.8, {"stratify": True},
             by_demo("fraud")),
        Task("weather", "rmse", -1, read(DATA / "weather.csv"), 0.75, {"by": "time"},
             by_demo("weather")),
        Task("sample", "accuracy", 1, read(DATA / "sample.csv"), 0.75, {}, by_demo("sample")),
        Task("digits", "accuracy", 1, digits(), 0.8, {}, digits_by_hand),
    ]  # fmt: skip


def main() -> None:
    """Print a table."""
    print(f"{'data':<9}{'metric':<10}{'baseline':>9}{'defaults':>10}{'by hand':>9}  defaults, each")
    for task in tasks():
        figures: dict[str, list[float]] = {"baseline": [], "defaults": [], "by hand": []}
        for seed in SEEDS:
            how = task.split if task.split.get("by") == "time" else {**task.split, "seed": seed}
            past, test = task.data.split(task.share, **how)
            result = by_default(past, seed, task.split).evaluate(test)
            figures["defaults"].append(getattr(result, task.metric))
            figures["baseline"].append(getattr(result.baseline, task.metric))
            by_hand = task.by_hand(past, seed).evaluate(test)
            figures["by hand"].append(getattr(by_hand, task.metric))
        middle = {name: median(values) for name, values in figures.items()}
        each = ", ".join(f"{value:.3f}" for value in figures["defaults"])
        print(
            f"{task.name:<9}{task.metric:<10}{middle['baseline']:9.3f}{middle['defaults']:10.3f}"
            f"{middle['by hand']:9.3f}  {each}"
        )
        ahead = task.better * (middle["defaults"] - middle["baseline"]) > 0
        near = task.better * (middle["defaults"] - middle["by hand"]) >= -0.05 * middle["by hand"]
        assert ahead, f"{task.name}: the defaults do not beat the baseline"
        assert near, f"{task.name}: the defaults are 5 % or more behind what was chosen by hand"


if __name__ == "__main__":
    main()
