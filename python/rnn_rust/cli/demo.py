"""``rnn-rust demo``: a complete run on data that comes with the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnn_rust.cli import options
from rnn_rust.cli.train import Schedule, fit_and_save, show_evaluations, show_saved
from rnn_rust.errors import MissingFileError

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

SLICE_ROWS, SLICE_FRAUD_RATE = 4_000, 0.03
"""The purchases in data/fraud.csv, made up anew where that file is not at hand."""

_GENERATED = Path("fraud.csv")
_GENERATE = (
    "data", "fraud", "--rows", SLICE_ROWS, "--fraud-rate", SLICE_FRAUD_RATE, "--output", _GENERATED
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Demo:
    """How a data set is split and learnt."""

    about: str
    train_ratio: float
    split: dict[str, Any]
    model: dict[str, Any]
    learning_rate: float
    schedule: Schedule


DEMOS = {
    "fraud": Demo(
        about="made-up card purchases, in which fraud shows over time only",
        train_ratio=0.8,
        split={"stratify": True},
        model={"hidden_size": 16, "output_activation": "sigmoid", "scaler": "standard"},
        learning_rate=0.05,
        schedule=Schedule(epochs=60, batch_size=1, eval_every=10),
    ),
    "weather": Demo(
        about="tomorrow's maximum temperature in °C, from 2012 to 2014; tested on 2015",
        train_ratio=0.75,
        split={"by": "time"},
        model={"hidden_size": 10, "scaler": "minmax"},
        learning_rate=0.1,
        schedule=Schedule(epochs=400, batch_size=4, eval_every=40),
    ),
    "sample": Demo(
        about="a small file that can be read by eye",
        train_ratio=0.75,
        split={},
        model={"hidden_size": 5, "output_activation": "sigmoid", "scaler": "standard"},
        learning_rate=0.2,
        schedule=Schedule(epochs=300, batch_size=1, eval_every=30),
    ),
}


@click.command(short_help="Show a complete run on data of the project.")
@click.argument(
    "name", type=click.Choice(list(DEMOS)), default="fraud", metavar="[fraud|weather|sample]"
)
@options.model_output
@options.verbosity
def demo(name: str, output: Path) -> None:
    """Show a complete run: the data, the training, what the model is worth, what to do next.

    On made-up card purchases (fraud, the default), tomorrow's temperature in Seattle and New York
    (weather), or a small file that can be read by eye (sample).
    """
    from rnn_rust import RNN, SGD
    from rnn_rust.cli import show
    from rnn_rust.cli.rivals import RIVALS
    from rnn_rust.evaluate import default_evaluator

    plan, path = DEMOS[name], _find(name)
    dataset = _read(name, path)
    show.section(f"Data: {plan.about}", dataset.summary())
    judge = default_evaluator(dataset)
    train, test = dataset.split(plan.train_ratio, **plan.split)
    model = RNN(
        len(dataset.feature_names), output_size=len(dataset.label_names),
        optimizer=SGD(plan.learning_rate), **plan.model,
    )  # fmt: skip
    fit_and_save(model, train, test, judge=judge, schedule=plan.schedule, output=output)
    show_evaluations(model, train, test, judge=judge)
    if compare := RIVALS.get(name):
        show.section("Rivals on the test part", compare(model, train, test))
    show_saved(model, output, path or _GENERATED, first=() if path else (_GENERATE,))


def _find(name: str) -> Path | None:
    """Return the data file in the project's folder, or in the current one; None if in neither."""
    inside = Path("data", f"{name}.csv")
    # Where the package is used from its source, the folder is three levels up.
    for folder in (Path(__file__).resolve().parents[3], Path.cwd()):
        path = folder / inside
        if path.is_file():
            return inside if folder == Path.cwd() else path
    return None


def _read(name: str, path: Path | None) -> Dataset:
    from rnn_rust import Dataset

    if path is not None:
        return Dataset.from_csv(path)
    if name != "fraud":
        raise MissingFileError(
            f"data/{name}.csv comes with the project's source, not with the installed package; "
            "run the demo in the source folder, or run: rnn-rust demo fraud"
        )
    from rnn_rust.data.fraud import generate

    return Dataset.from_frame(generate(SLICE_ROWS, fraud_rate=SLICE_FRAUD_RATE))
