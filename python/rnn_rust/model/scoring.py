"""A model's predictions as columns of the given table, and its forecasts as a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.dataset import Dataset
from rnn_rust.data.steps import pace_of
from rnn_rust.errors import DataError, ParameterError
from rnn_rust.learning.labels import class_count
from rnn_rust.model.inputs import inputs_of, read, table_for
from rnn_rust.model.network import Network

if TYPE_CHECKING:
    import polars as pl


def output_names(model: Network) -> list[str]:
    """Return the name of the column of each output: ``prediction``, or ``prediction_LABEL``."""
    count = model.settings["output_size"]
    if model.loss_name == "cross_entropy":
        return [f"prediction_{one}" for one in model.classes or range(count)]
    if count == 1 and model.ahead is None:
        return ["prediction"]
    labels = model.label_names or tuple(f"y{number}" for number in range(1, count + 1))
    return [f"prediction_{label}" for label in labels]


def classes_of_outputs(model: Network) -> list[tuple[str, ...] | None]:
    """Return the names of the two classes of each output; None if they are numbers."""
    if (count := model.settings["output_size"]) == 1:
        return [model.classes]
    return [model.label_levels.get(label) for label in model.label_names or ("",) * count]


def _answer_names(model: Network) -> dict[str, int]:
    """Return the names of the columns for predicted class names, with the label's position."""
    if model.loss_name == "cross_entropy" or model.settings["output_size"] == 1:
        return {} if model.classes is None else {"predicted": 0}
    labels = enumerate(model.label_names or ())
    return {f"predicted_{label}": at for at, label in labels if label in model.label_levels}


def answers(model: Network, outputs: Any) -> dict[str, list[str]]:
    """Return the columns of class names: ``predicted``, or ``predicted_LABEL`` for each label."""
    if not (names := _answer_names(model)):
        return {}
    classes = _classes(model, outputs).reshape(len(outputs), -1)
    return {name: classes[:, at].tolist() for name, at in names.items()}


def taken_name(model: Network, columns: Iterable[str]) -> str | None:
    """Return the first column that has the name of an output, or None."""
    names = {*output_names(model), *_answer_names(model)}
    return next((name for name in columns if name in names), None)


def predict_classes(model: Network, data: Any) -> Any:
    """Carry out :meth:`rnn_rust.RNN.predict_classes`."""
    if class_count(model.loss_name, 2) is None:
        raise ParameterError(f"loss {model.loss_name!r} is of numbers, not of classes")
    outputs = model.predict(data)
    if isinstance(outputs, list):
        return [_classes(model, one) for one in outputs]
    return _classes(model, outputs)


def _classes(model: Network, outputs: Any) -> Any:
    """Return the class of each row: the most probable one, or whether an output is high."""
    if model.loss_name == "cross_entropy":
        numbers = outputs.argmax(axis=-1)
    else:
        threshold = 0.5 if model.threshold is None else model.threshold
        numbers = (outputs > threshold).astype(np.int64)
        if outputs.shape[-1] > 1:
            return _classes_of_each(model, numbers)
        numbers = numbers[..., 0]
    names = model.classes
    return numbers if names is None else np.array(names, dtype=object)[numbers]


def _classes_of_each(model: Network, numbers: Any) -> Any:
    """Return the class of each of several labels, by name if the label has names."""
    if not model.label_levels:
        return numbers
    classes = numbers.astype(object)
    for at, names in enumerate(classes_of_outputs(model)):
        if names is not None:
            classes[..., at] = np.array(names, dtype=object)[numbers[..., at]]
    return classes


def score_frame(model: Network, table: Any) -> Any:
    """Carry out :meth:`rnn_rust.RNN.score_frame`."""
    if isinstance(table, Dataset):
        return _scored_dataset(model, table)

    def outputs_of(whole: Any) -> Any:
        given = inputs_of(model, whole)
        outputs: Any = given.restore(
            model.outputs_and_state(given.data)[0], model.readout == "each_step"
        )
        if model.readout != "each_step" and isinstance(given.data, Dataset):
            outputs = _by_row(given.data, outputs)
        return outputs

    return with_outputs(model, table, outputs_of)


def _scored_dataset(model: Network, dataset: Dataset) -> pl.DataFrame:
    """Return a data set as a frame, in its order, with outputs as additional columns."""
    data = inputs_of(model, dataset).data
    assert isinstance(data, Dataset), "a data set stays one"
    frame = data.to_frame()
    _refuse_taken(model, frame.columns, "the data set")
    outputs = model.outputs_and_state(data)[0]
    if model.readout != "each_step":
        outputs = np.repeat(outputs, np.diff(data.offsets), axis=0)
    return _appended(model, frame, outputs)


def _refuse_taken(model: Network, columns: Iterable[str], where: str) -> None:
    if (taken := taken_name(model, columns)) is not None:
        raise DataError(f"{where}: it has a column '{taken}' already; rename it")


def _output_columns(model: Network, outputs: Any) -> dict[str, Any]:
    columns: dict[str, Any] = dict(zip(output_names(model), outputs.T, strict=True))
    return columns | answers(model, outputs)


def _appended(model: Network, frame: pl.DataFrame, outputs: Any) -> pl.DataFrame:
    from rnn_rust.base.polars import pl

    columns = _output_columns(model, outputs)
    return frame.with_columns(pl.Series(name, column) for name, column in columns.items())


def with_outputs(model: Network, table: Any, outputs_of: Callable[[Any], Any]) -> Any:
    """Return a table with outputs as additional columns, and class names if there are any.

    ``outputs_of`` returns the outputs ``(N, L)`` for the rows of a frame or of a file.
    """
    package = type(table).__module__.partition(".")[0]
    source = table_for(table)
    _refuse_taken(model, source.names, source.name)
    # A stream can be read only once. From pandas, only convert what the model needs.
    whole = None if package == "pandas" else source.keys(source.names)
    # If it is a file, error messages give its lines.
    is_file = isinstance(table, str | os.PathLike)
    outputs = outputs_of(source if is_file or whole is None else whole)
    if whole is None:
        return table.assign(**_output_columns(model, outputs))
    if package != "pyarrow":
        return _appended(model, whole, outputs)
    import pyarrow  # type: ignore[import-untyped, unused-ignore]

    original = table if isinstance(table, pyarrow.Table) else whole.to_arrow()
    for name, column in _output_columns(model, outputs).items():
        original = original.append_column(name, pyarrow.array(column))
    return original


def _by_row(data: Dataset, outputs: Any) -> Any:
    """Return the output of its sequence for each row of the table."""
    rows = np.empty((len(data.row_numbers), outputs.shape[1]), outputs.dtype)
    rows[data.row_numbers] = np.repeat(outputs, np.diff(data.offsets), axis=0)
    return rows


def forecast(model: Network, table: Any) -> pl.DataFrame:
    """Carry out :meth:`rnn_rust.RNN.forecast`."""
    from rnn_rust.base.polars import pl

    plan = model.ahead
    if plan is None:
        raise ParameterError(
            "the model was not trained to forecast; train it on dataset.forecast(column, horizon)"
        )
    data = table if isinstance(table, Dataset) else read(model, table)
    given = inputs_of(model, data)
    assert isinstance(given.data, Dataset), "a data set stays one"
    data = given.data
    ends = data.offsets[1:] - 1
    outputs = model.outputs_and_state(data)[0][ends]
    columns: list[pl.Series] = []
    if data.id_name is not None:
        columns.append(pl.Series(data.id_name, np.repeat(data.ids, plan.horizon).tolist()))
    if data.time_name is not None:
        columns.append(pl.Series(data.time_name, _later_times(model, data, plan.horizon)))
    else:
        ahead = np.tile(np.arange(1, plan.horizon + 1), len(data))
        columns.append(pl.Series("rows ahead", ahead))
    return pl.DataFrame([*columns, pl.Series(plan.column, outputs.reshape(-1))])


def _later_times(model: Network, data: Dataset, count: int) -> NDArray[Any]:
    """Return the next ``count`` times of each sequence, one sequence after the other.

    They have the pace of the sequence. For a single row, use the pace of the other sequences, or
    else of the training data.
    """
    others = pace_of(data.times, data.offsets)
    if others is None and model.pace is not None and model.pace.suits(data.times):
        others = model.pace
    later = []
    for at, (begin, end) in enumerate(pairwise(data.offsets)):
        times = data.times[begin:end]
        pace = pace_of(times, np.array([0, len(times)])) or others
        if pace is None:
            whose = "the series" if data.id_name is None else f"id {data.ids.item(at)!r}"
            lags = max(model.ahead.lags, default=0) if model.ahead is not None else 0
            beyond = f" after those that lags={lags} takes" if lags else ""
            raise DataError(
                f"forecast: {whose} has one row{beyond}, and neither another sequence nor the "
                "training says how far apart rows are; give two or more rows"
            )
        later.append(pace.after(times, count))
    return np.concatenate(later)
