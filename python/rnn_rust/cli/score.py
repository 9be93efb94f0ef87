"""``rnn-rust evaluate``, ``predict`` and ``summary``: a saved model, also on a CSV file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnn_rust.base.checks import counted
from rnn_rust.cli import options
from rnn_rust.cli.streams import write_data
from rnn_rust.cli.tables import WRITERS, write_table

if TYPE_CHECKING:
    import polars as pl

    from rnn_rust.data.dataset import Dataset
    from rnn_rust.models import Model

_log = logging.getLogger("rnn_rust")


@click.command
@click.argument("model", type=options.INPUT, metavar="MODEL.SAFETENSORS")
@click.argument("data", type=options.INPUT, metavar="DATA")
@options.threshold
@options.horizon
@options.key_columns
@options.verbosity
def evaluate(
    *, model: Path, data: Path, threshold: float | None, horizon: tuple[int, ...] | None,
    **keys: Any,
) -> None:  # fmt: skip
    """Compare the predictions of a saved model with the labels of DATA.

    All rows of the file are used, so give data that the model was not trained on. The columns are
    the ones used in training; so is the threshold, unless --threshold is given.
    """
    from rnn_rust import load
    from rnn_rust.cli import show
    from rnn_rust.evaluate import default_evaluator

    network = load(model)
    dataset = _read(network, data, keys, labelled=True)
    evaluator = default_evaluator(dataset, threshold, loss=network.loss_name, horizon=horizon)
    result = evaluator.evaluate(network, dataset)
    show.section(f"Data: {data}", dataset.summary())
    show.section(f"Evaluation: {model}", str(result))


@click.command
@click.argument("model", type=options.INPUT, metavar="MODEL.SAFETENSORS")
@click.argument("data", type=options.INPUT, metavar="DATA")
@click.option(
    "--output", type=options.OutputFile(suffixes=WRITERS), metavar="FILE",
    help="The file to write: .csv, .tsv, .parquet, .arrow or .ndjson.  [default: CSV on standard "
    "output]",
)  # fmt: skip
@options.key_columns
@options.verbosity
def predict(model: Path, data: Path, output: Path | None, **keys: Any) -> None:
    """Write the predictions of a saved model for every row of DATA.

    The output has the rows of the input in the same order: the id and the time as in the input, and
    a column "prediction", or "prediction_LABEL" for each of several labels, or "prediction_CLASS"
    with the probability of each class. If the model has one output per sequence, there is one row
    per sequence, with only its id. For a forecast, the output has the rows that follow the last row
    of each sequence, with their times. DATA needs no labels.
    """
    from rnn_rust import load
    from rnn_rust.data.files import open_files

    if output is not None:
        options.refuse_overwriting([model, data], output=output)
    network = load(model)
    csv = {name: keys[name] for name in ("separator", "comment")}
    dataset = _read(network, data, keys)
    if network.ahead is not None:
        table = _forecast_table(network, dataset)
    else:
        read = dataset.keys
        names = [] if read is None else [*([] if read.id is None else [read.id]), *read.time]
        table = prediction_table(network, dataset, open_files(data, **csv).keys(names))
    if output is None:
        write_data(table.write_csv())
        return
    write_table(table, output)
    _log.info("Wrote %s to %s", counted(table.height, "prediction"), output)


@click.command
@click.argument("model", type=options.INPUT, metavar="MODEL.SAFETENSORS")
@options.verbosity
def summary(model: Path) -> None:
    """Show a saved model: its settings, layers, shapes, parameters and bytes."""
    from rnn_rust import load
    from rnn_rust.cli import show
    from rnn_rust.model.inputs import static_to_read

    network = load(model)
    named = {"features": network.feature_names, "labels": network.label_names}
    lines = [f"{kind:10} {', '.join(names or ()) or 'unknown'}" for kind, names in named.items()]
    if static := static_to_read(network):
        lines.insert(1, f"{'static':10} {', '.join(static)}")
    show.section(
        f"Model: {model}",
        f"{network}\ntrained for {counted(network.epochs_trained, 'epoch')}, last with "
        f"{network.optimizer}\n" + "\n".join(lines),
    )
    show.section("Layers", str(network.summary()))


def _read(network: Model, path: Path, keys: dict[str, Any], *, labelled: bool = False) -> Dataset:
    """Read the columns that the model knows; by default, ids and times as in training."""
    from rnn_rust.model.inputs import (
        columns_to_read,
        inputs_of,
        known_categories,
        reads_missing,
        static_to_read,
    )

    known: dict[str, Any] = {}
    if (table := network.table) is not None:
        known = {
            "id": table.id, "time": table.time or None, "time_format": table.time_format,
            "ties": table.ties, "day_first": table.day_first,
        }  # fmt: skip
    labels = network.label_names if labelled and network.ahead is None else ()
    dataset = options.read(
        path, keys, features=columns_to_read(network), labels=labels,
        categories=known_categories(network), missing=reads_missing(network),
        static=static_to_read(network), **known,
    )  # fmt: skip
    made: Dataset = inputs_of(network, dataset).data  # type: ignore[assignment]
    return made


def _forecast_table(network: Model, dataset: Dataset) -> pl.DataFrame:
    """Return the forecast after the last rows, with times written as in the file."""
    from rnn_rust.base.polars import pl

    table = network.forecast(dataset)
    if dataset.time_name is None or dataset.time_form is None:
        return table
    times = [dataset.written_time(time) for time in table[dataset.time_name].to_numpy()]
    return table.with_columns(pl.Series(dataset.time_name, times))


def prediction_table(model: Model, dataset: Dataset, keys: pl.DataFrame) -> pl.DataFrame:
    """Return id, time and predictions of every row of the file, in the file's order.

    For a model with one output per sequence: id and predictions of every sequence, in the order in
    which the ids first appear in the file.

    Parameters
    ----------
    model, dataset
        The model, and the data to predict on.
    keys
        Id and time of every row as written in the file: 007 stays 007.

    Raises
    ------
    click.UsageError
        The id or time column has the name of a prediction.
    """
    import numpy as np

    from rnn_rust.base.polars import pl
    from rnn_rust.model.scoring import answers, output_names, taken_name

    outputs = model.predict(dataset)
    if model.readout == "each_step":
        in_file_order = np.empty_like(outputs)
        in_file_order[dataset.row_numbers] = outputs
    else:
        in_file_order = outputs
        ids = [] if dataset.id_name is None else [dataset.id_name]
        keys = keys.select(ids)[dataset.row_numbers[dataset.offsets[:-1]]]
    if (taken := taken_name(model, keys.columns)) is not None:
        raise click.UsageError(f"rename column '{taken}' in the data, a name of the output")
    columns = zip(output_names(model), in_file_order.T, strict=True)
    table = keys.with_columns(pl.Series(name, column) for name, column in columns)
    named = answers(model, in_file_order).items()
    return table.with_columns(pl.Series(name, classes) for name, classes in named)
