"""``rnn-rust demo``: a complete run on data that comes with the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnn_rust.cli import options
from rnn_rust.cli.fitting import DataSplit, FitOptions, show_evaluations, show_saved
from rnn_rust.errors import MissingFileError
from rnn_rust.learning.optimizers import SGD, Adam, Optimizer
from rnn_rust.models import MODELS
from rnn_rust.schedules import CosineDecay

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset
    from rnn_rust.models import Model

SLICE_ROWS, SLICE_FRAUD_RATE = 4_000, 0.03
"""The purchases in data/fraud.csv, which are generated again if the file is not there."""

_GENERATED = Path("fraud.csv")
_GENERATE = (
    "data", "fraud", "--rows", SLICE_ROWS, "--fraud-rate", SLICE_FRAUD_RATE, "--output", _GENERATED
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Demo:
    """How the demo of a data set splits it and trains."""

    about: str
    train_ratio: float
    split: dict[str, Any]
    cell: str
    model: dict[str, Any]
    optimizer: Optimizer
    fitting: FitOptions

    def build(self, dataset: Dataset, *, seed: int = 0) -> Model:
        """Return the model, for the columns of a data set."""
        return MODELS[self.cell](
            len(dataset.feature_names), output_size=len(dataset.label_names),
            optimizer=self.optimizer, seed=seed, **self.model,
        )  # fmt: skip

    def split_data(self, dataset: Dataset) -> tuple[DataSplit, Dataset]:
        """Return the parts of a data set; and, for rivals, everything except the test part.

        Rivals need no validation part, so they may learn from it.
        """
        train, test = dataset.split(self.train_ratio, **self.split)
        return DataSplit.of(train, test, patience=self.fitting.patience, **self.split), train


DEMOS = {
    "fraud": Demo(
        about="made-up card purchases, in which fraud shows over time only",
        train_ratio=0.8,
        split={"stratify": True},
        cell="GRU",
        model={"hidden_size": 16, "loss": "binary_cross_entropy", "scaler": "standard"},
        # The last weights are kept, and a falling learning rate lets them settle.
        optimizer=Adam(CosineDecay(0.005, epochs=20)),
        fitting=FitOptions(epochs=20, batch_size=4, eval_every=5),
    ),
    "weather": Demo(
        about="tomorrow's maximum temperature in °C, from 2012 to 2014; tested on 2015",
        train_ratio=0.75,
        split={"by": "time"},
        cell="GRU",
        model={"hidden_size": 16, "scaler": "standard"},
        optimizer=Adam(0.003),
        fitting=FitOptions(epochs=300, batch_size=4, eval_every=10, patience=20),
    ),
    "sample": Demo(
        about="a small file that can be read by eye",
        train_ratio=0.75,
        split={},
        cell="RNN",
        model={"hidden_size": 5, "output_activation": "sigmoid", "scaler": "standard"},
        optimizer=SGD(0.2),
        fitting=FitOptions(epochs=300, batch_size=1, eval_every=30),
    ),
}


@click.command
@click.argument(
    "name", type=click.Choice(list(DEMOS)), default="fraud", metavar="[fraud|weather|sample]"
)
@options.model_output
@options.verbosity
def demo(name: str, output: Path) -> None:
    """Show a complete run: the data, the training, the evaluation, and what to do next.

    The data are made-up card purchases (fraud, the default: a GRU with Adam and binary cross
    entropy), tomorrow's temperature in Seattle and New York (weather: a GRU with Adam and early
    stopping), or a file small enough to read by eye (sample: an RNN with gradient descent).
    """
    from rnn_rust.cli import show
    from rnn_rust.demos.rivals import RIVALS
    from rnn_rust.evaluate import default_evaluator

    chosen, path = DEMOS[name], _find(name)
    dataset = _read(name, path)
    show.section(f"Data: {chosen.about}", dataset.summary())
    parts, past = chosen.split_data(dataset)
    model = chosen.build(dataset)
    evaluator = default_evaluator(dataset, loss=model.loss_name)
    chosen.fitting.fit_and_save(model, parts, evaluator, output)
    show_evaluations(model, parts, evaluator)
    if compare := RIVALS.get(name):
        show.section("Rivals on the test part", compare(model, past, parts.test))
    show_saved(model, output, path or _GENERATED, first=() if path else (_GENERATE,))


def _find(name: str) -> Path | None:
    """Return the project's data file, in its source folder or the current one, or None.

    In a folder that is not the project's source, a file with this name is somebody else's.
    """
    inside = Path("data", f"{name}.csv")
    # If the package is used from its source, that folder is three levels up.
    for folder in (Path(__file__).resolve().parents[3], Path.cwd()):
        path = folder / inside
        if path.is_file() and _is_source(folder):
            return inside if folder == Path.cwd() else path
    return None


def _is_source(folder: Path) -> bool:
    """Whether a folder holds the source of this project."""
    project = folder / "pyproject.toml"
    return project.is_file() and b'name = "rnn-rust"' in project.read_bytes()


def _read(name: str, path: Path | None) -> Dataset:
    from rnn_rust import Dataset

    if path is not None:
        return Dataset.from_csv(path)
    if name != "fraud":
        raise MissingFileError(
            f"data/{name}.csv comes with the project's source, not with the installed package; "
            "run the demo in the source folder, or run: rnn-rust demo fraud"
        )
    from rnn_rust.demos.fraud import generate

    return Dataset.from_frame(generate(SLICE_ROWS, fraud_rate=SLICE_FRAUD_RATE))
