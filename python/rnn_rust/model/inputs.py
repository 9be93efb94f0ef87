"""What a model predicts on (data sets, tables, files, arrays), and outputs in the same order."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import FloatArray, as_array, refuse_mask
from rnn_rust.base.checks import named
from rnn_rust.data.columns import ID_NAMES, TIME_NAMES, Roles
from rnn_rust.data.dataset import Dataset, Sequence
from rnn_rust.data.forecast import forecast
from rnn_rust.data.single import of_one
from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.model.base import BaseNetwork

if TYPE_CHECKING:
    from rnn_rust.data.tables import Table

Answer = FloatArray | list[FloatArray]


@dataclass(frozen=True)
class Inputs:
    """The data to predict on, in the form that the engine takes.

    Attributes
    ----------
    data
        The sequences.
    is_one
        Whether a single sequence was given, as a Sequence or as an array ``(T, F)``.
    restore
        Puts outputs in the order and shape of the given data; the second argument says whether
        they have a row for each step (else for each sequence).
    """

    data: Dataset | Sequence
    restore: Callable[[FloatArray, bool], Answer]
    is_one: bool = False


def inputs_of(
    model: BaseNetwork, value: Any, *, labelled: bool = False, states: bool = False
) -> Inputs:
    """Return the data to predict on: see :meth:`rnn_rust.RNN.predict`.

    If only ``states`` are wanted, the features are enough, even for a model that forecasts
    changes.

    Raises
    ------
    DataError
        A column is missing in a table, or a cell of it cannot be used.
    ParameterError
        ``value`` is something else.
    ShapeError
        The number of columns of an array is not the model's number of features.
    """
    model.require_sizes()
    if isinstance(value, Sequence):
        if model.ahead is not None:
            data = _forecast_of(model, of_one(value), states=states)
            return Inputs(data, _as_they_are, is_one=True)
        return Inputs(value, _as_they_are, is_one=True)
    if isinstance(value, Dataset):
        return Inputs(_forecast_of(model, value, states=states), _as_they_are)
    if (arrays := _arrays_of(value)) is not None:
        return _of_arrays(model, arrays, states=states)
    from rnn_rust.data.tables import KINDS, is_table

    if is_table(value) or isinstance(value, str | os.PathLike):
        data = read(model, value, labelled=labelled)
        return Inputs(data, _in_table_order(data))
    raise ParameterError(
        f"a model takes a Dataset, one of its sequences, {KINDS}, the path of a file, an array "
        f"(T, F) or (B, T, F), or a list of arrays (T, F); not {named(value)}"
    )


def _arrays_of(value: Any) -> NDArray[Any] | list[NDArray[Any]] | None:
    """Return an array, or a list of arrays, as NumPy arrays; None for anything else."""
    if isinstance(value, list | tuple):
        return _arrays_in(value)
    if isinstance(value, np.ndarray):
        return value
    is_array = _is_like_an_array(value) and getattr(value, "ndim", 0) in (2, 3)
    return as_array("the array", value) if is_array else None


def _is_like_an_array(value: object) -> bool:
    """Return whether it is an array or a tensor of any library; only frames have columns."""
    return hasattr(value, "__array__") and not hasattr(value, "columns")


def _arrays_in(values: Several[Any]) -> list[NDArray[Any]]:
    """Return the arrays of a list; ParameterError if it is empty or has something else."""
    if not values:
        raise ParameterError("the list is empty; give at least one array (T, F)")
    for number, item in enumerate(values):
        if not _is_like_an_array(item):
            raise ParameterError(
                f"item {number} of the list is {named(item)}; give a list of arrays (T, F), one "
                "for each sequence, or numpy.array(...) of a single one"
            )
    return [
        # A NumPy array is not converted: it may have a mask, which is checked later.
        item if isinstance(item, np.ndarray) else as_array(f"array {number} of the list", item)
        for number, item in enumerate(values)
    ]


def read(model: BaseNetwork, value: Any, *, labelled: bool = False) -> Dataset:
    """Return the data set of a table, or of a file, with the columns that the model knows."""
    from rnn_rust.data.tables import read_table

    table = table_for(value)
    data = Dataset(**read_table(table, roles_of(model, table.names, labelled=labelled), None))
    return _forecast_of(model, data)


def table_for(value: Any) -> Table:
    """Return a table in memory, or the table in a file; errors as `inputs_of`."""
    from rnn_rust.data.files import open_files
    from rnn_rust.data.tables import table_of

    is_file = isinstance(value, str | os.PathLike)
    return open_files(value, separator=None, comment=None) if is_file else table_of(value)


def roles_of(model: BaseNetwork, names: list[str], *, labelled: bool) -> Roles:
    """Return the roles that the columns of a table have for a model."""
    keys, own = model.table, model.label_names if labelled and model.ahead is None else ()
    features = columns_to_read(model)
    read: dict[str, Any] = {}
    if keys is not None:
        read = {
            "id": keys.id, "time": keys.time or None, "time_format": keys.time_format,
            "ties": keys.ties, "day_first": keys.day_first,
        }  # fmt: skip
    else:
        if not any(name in names for name in TIME_NAMES):
            read["time"] = None
        if not any(name in names and name not in (features or ()) for name in ID_NAMES):
            read["id"] = None
    return Roles(
        **read, features=features, labels=own, static=static_to_read(model),
        categories=known_categories(model),
        missing=reads_missing(model), labels_optional=True,
    )  # fmt: skip


def known_categories(model: BaseNetwork) -> tuple[str, ...] | None:
    """Return the names of the features that are categories."""
    encoder = model.encoder
    if encoder is None:
        return None
    return (*encoder.levels, *(() if encoder.static is None else encoder.static.levels))


def static_to_read(model: BaseNetwork) -> tuple[str, ...] | None:
    """Return the names of the static features."""
    encoder = model.encoder
    return None if encoder is None or encoder.static is None else encoder.static.source_names


def reads_missing(model: BaseNetwork) -> str:
    """Return how missing numbers are treated when data is read for a model."""
    return "error" if model.settings["missing"] == "error" else "keep"


def columns_to_read(model: BaseNetwork) -> tuple[str, ...] | None:
    """Return the features to read; for a forecast, the series instead of those derived from it."""
    plan = model.ahead
    if plan is None:
        return model.feature_names
    if plan.wanted is not None:
        return plan.wanted
    derived = (f"{plan.column} change ", f"{plan.column} lag ")
    own = (name for name in model.feature_names or () if not name.startswith(derived))
    return tuple(dict.fromkeys((*own, plan.column)))


def _forecast_of(model: BaseNetwork, data: Dataset, *, states: bool = False) -> Dataset:
    """Return the data set in the form of training: as a forecast, if the model was trained so."""
    plan = model.ahead
    if plan is None:
        return data
    if data.ahead is not None:
        if not states and plan.learns != data.ahead.learns:
            raise ParameterError(
                f"the model forecasts {plan.in_words()}, and the data set was made to forecast "
                f"{data.ahead.in_words()}; give the data as it was read"
            )
        return data
    if plan.column in (*data.feature_names, *data.label_names):
        return forecast(data, plan)
    if plan.relative_to is not None and not states:
        raise ShapeError(
            f"the model forecasts changes of '{plan.column}', which is not among the columns "
            f"{', '.join(data.feature_names)}; give data with that column"
        )
    return data


def _as_they_are(outputs: FloatArray, by_step: bool) -> Answer:
    return outputs


def _in_table_order(data: Dataset) -> Callable[[FloatArray, bool], Answer]:
    def restore(outputs: FloatArray, by_step: bool) -> Answer:
        if not by_step:
            return outputs
        # A forecast leaves out rows that have too few rows before them: they have no output.
        rows = max(int(data.row_numbers.max()) + 1, len(outputs))
        full = len(outputs) == rows
        ordered = np.empty_like(outputs) if full else np.full((rows, *outputs.shape[1:]), np.nan)
        ordered[data.row_numbers] = outputs
        return ordered

    return restore


def _of_arrays(
    model: BaseNetwork, value: NDArray[Any] | Several[NDArray[Any]], *, states: bool
) -> Inputs:
    arrays: list[NDArray[Any]] = list(value) if not isinstance(value, np.ndarray) else [value]
    single = isinstance(value, np.ndarray)
    for array in arrays:
        refuse_mask("the array", array)
    if single and arrays[0].ndim == 3:
        arrays = list(arrays[0])
    size = model.settings["input_size"]
    for number, array in enumerate(arrays):
        which = "" if single else f"array {number} of the list: "
        if array.ndim != 2 or array.shape[1] != size:
            raise ShapeError(
                f"{which}shape {array.shape}; the model expects {size} feature columns: arrays "
                f"(T, {size}), one for each sequence, or (B, T, {size})"
            )
        if len(array) == 0:
            shape = np.shape(value) if single else array.shape
            raise ShapeError(f"{which}shape {shape}: there are no rows; give at least one")
    if model.ahead is not None and model.ahead.relative_to is not None and not states:
        raise ParameterError(
            f"the model forecasts changes of '{model.ahead.column}'; give a table with that column"
        )
    if not arrays:
        raise ShapeError("there is no sequence in the array; give at least one")
    offsets = np.cumsum([0, *(len(array) for array in arrays)])
    data = Dataset.from_arrays(np.concatenate(arrays), None, offsets)

    def restore(outputs: FloatArray, by_step: bool) -> Answer:
        if not by_step:
            return outputs
        if isinstance(value, np.ndarray):
            return outputs.reshape(*value.shape[:-1], outputs.shape[-1])
        return np.split(outputs, offsets[1:-1])

    return Inputs(data, restore, is_one=single and np.ndim(value) == 2)
