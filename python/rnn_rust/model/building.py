"""What a network learns from training data before its first epoch: sizes, classes, encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnn_rust.base.arrays import positions
from rnn_rust.base.checks import counted
from rnn_rust.data.columns import first_of
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.encoder_fit import learn_encoder
from rnn_rust.data.scale import Scaler
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.learning.labels import class_count, occurring_classes, outputs_for

Settings = Mapping[str, Any]


def sizes_of(data: Dataset, settings: Settings, loss_name: str) -> dict[str, int]:
    """Return the input and output sizes that a network for the data has."""
    columns = len(data.feature_names)
    if settings["input_size"] not in (None, columns):
        raise ShapeError(
            f"the data has {columns} feature columns, the model expects "
            f"{settings['input_size']} (input_size={settings['input_size']})"
        )
    outputs = settings["output_size"]
    if outputs is None:
        outputs = outputs_for(data, loss_name)
    return {"input_size": columns, "output_size": outputs}


def classes_of(
    data: Dataset, loss_name: str, output_size: int | None
) -> dict[str, tuple[str, ...]]:
    """Return the classes of labels that are text: those that occur in the data.

    If ``output_size`` is the number of all classes, including those in other parts of the data,
    return all.

    Raises
    ------
    DataError
        There is only one class.
    ParameterError
        The loss is not for these classes.
    ShapeError
        The number of classes is not the number of outputs.
    """
    if data.label_levels and class_count(loss_name, 2) is None:
        name = next(iter(data.label_levels))
        raise ParameterError(
            f"the labels of column '{name}' are classes by name, and loss "
            f"{loss_name!r} is of numbers; use loss='cross_entropy'"
        )
    found = occurring_classes(data)
    for name, known in data.label_levels.items():
        if loss_name == "cross_entropy" and output_size == len(known):
            found[name] = known
        _check_count(name, found[name], loss_name, output_size)
    return found


def _check_count(
    name: str, classes: tuple[str, ...], loss_name: str, output_size: int | None
) -> None:
    count, shown = len(classes), first_of(classes, most=6)
    if count < 2:
        raise DataError(
            f"the labels of column '{name}' are all of one class, {shown or 'none'}; give data "
            "with two at least"
        )
    if loss_name != "cross_entropy" and count > 2:
        raise ParameterError(
            f"the labels of column '{name}' have {count} classes ({shown}), and loss "
            f"{loss_name!r} tells two apart; use loss='cross_entropy'"
        )
    if loss_name == "cross_entropy" and output_size not in (None, count):
        raise ShapeError(
            f"the labels of column '{name}' have {count} classes ({shown}), the model has "
            f"{counted(output_size, 'output')} (output_size={output_size})"
        )


def needs_encoder(settings: Settings, data: Dataset) -> bool:
    """Whether features are more than plain numbers in each row."""
    derives = settings["missing"] != "error" or bool(settings["time_features"])
    return bool(data.levels) or derives or data.static is not None


def learnt_encoder(settings: Settings, data: Dataset, scaler: Scaler | None) -> FeatureEncoder:
    """Return the encoder that is learnt from the features, according to the settings."""
    how = {
        "most": settings["max_categories"], "fill": settings["missing"],
        "indicator": settings["missing_indicator"],
    }  # fmt: skip
    return learn_encoder(data, scaler, times=settings["time_features"], **how)


def of_features(scaler: Scaler | None, encoder: FeatureEncoder) -> Scaler | None:
    """Return a scaler with its columns in the order of an encoder's features.

    Raises
    ------
    ParameterError
        It was fitted on other features.
    """
    names = None if scaler is None else scaler.feature_names_
    if scaler is None or names is None or names == encoder.feature_names:
        return scaler
    if set(names) != set(encoder.feature_names):
        raise ParameterError(
            "the scaler was fitted on other features than the model has; give its name, and it "
            "is fitted on what the model makes of the columns"
        )
    return scaler.with_columns(positions(names, encoder.feature_names), None)
