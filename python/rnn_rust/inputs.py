"""From a data set in original units to the arrays that the engine takes."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.data.dataset import Dataset, Sequence
from rnn_rust.data.order import Data, arrange
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.label_weights import class_weights, label_weights
from rnn_rust.labels import check_classes, class_count, sequence_labels

if TYPE_CHECKING:
    from rnn_rust.network import Network

FloatArray = NDArray[np.floating[Any]]
Offsets = NDArray[np.int64]
LabelledInputs = tuple[FloatArray, FloatArray, Offsets, FloatArray | None]


def inputs(model: Network, data: Dataset | Sequence) -> tuple[FloatArray, Offsets]:
    """Return scaled features ``(N, I)`` of the model's dtype, and offsets ``(S + 1,)``.

    Raises
    ------
    ShapeError
        Another number of feature columns than the model's, or columns of other names.
    ParameterError
        The model's scaler is not fitted yet.
    """
    _check_kind(data, "a prediction")
    _check_count(model, data, "feature", data.features.shape[1])
    features = arrange(data, features=model.feature_names).features
    if model.scaler is not None:
        if not model.scaler.is_fitted:
            raise ParameterError(
                "the model's scaler is not fitted yet; call fit() first, or give the model a "
                "fitted one: scaler=rnn_rust.MinMaxScaler().fit(train)"
            )
        with np.errstate(over="ignore"):
            features = model.scaler.transform_features(features)
    offsets = getattr(data, "offsets", None)
    if offsets is None:
        offsets = np.array([0, len(features)], dtype=np.int64)
    return _as_engine_array(model, features, "features"), offsets


def labelled_inputs(model: Network, data: Dataset | Sequence, purpose: str) -> LabelledInputs:
    """Return what :func:`inputs` does, with scaled labels ``(N, C)`` in between, and their weights.

    The weights ``(N, C)`` are None if all are 1. With a readout of whole sequences labels stand in
    the last row of each.

    Raises
    ------
    ShapeError, ParameterError
        As :func:`inputs`, likewise for label columns.
    DataError
        There is no label; the message says that ``purpose`` needs some. Or one is no class.
    """
    _check_kind(data, purpose)
    data = arranged(model, data)
    check_labelled(model, data, purpose)
    features, offsets = inputs(model, data)
    labels, weights = data.labels, data.weights
    names = getattr(data, "label_names", None)
    if model.readout != "each_step":
        labels, weights = sequence_labels(labels, weights, offsets)
    factors = label_weights(labels, weights, _class_table(model), names)
    if factors is not None and model.custom_loss is not None:
        raise ParameterError(
            "weights have no effect on a loss in Python, which is not told of them; use a data "
            "set without"
        )
    if model.scaler is not None and model.scaler.labels:
        with np.errstate(over="ignore"):
            labels = model.scaler.transform_labels(labels)
    labels = _as_engine_array(model, labels, "labels")
    if factors is not None:
        factors = _as_engine_array(model, factors, "weights")
    return features, labels, offsets, factors


def learn_class_weights(model: Network, data: Dataset) -> None:
    """Let balanced class weights follow from training data."""
    labels, weights = data.labels, data.weights
    if model.readout != "each_step":
        labels, weights = sequence_labels(labels, weights, data.offsets)
    classes = class_count(model.loss_name, model.settings["output_size"]) or 0
    model.class_table = class_weights("balanced", labels, weights, classes, data.label_names)


def _class_table(model: Network) -> FloatArray | None:
    """Return the weight of each class by label column, if there are any."""
    class_weight = model.settings["class_weight"]
    if class_weight != "balanced":
        classes = class_count(model.loss_name, model.settings["output_size"]) or 0
        empty = np.empty((0, model.label_columns))
        return class_weights(class_weight, empty, None, classes)
    if model.class_table is None:
        raise ParameterError(
            "class_weight='balanced' follows from the training data, and the model has seen none "
            "yet; call fit() first, or give the weights as a dict"
        )
    return model.class_table


def arranged(model: Network, data: Data) -> Data:
    """Return the data with features and labels in the model's order; errors as :func:`inputs`."""
    return arrange(data, features=model.feature_names, labels=model.label_names)


def check_labelled(model: Network, data: Dataset | Sequence, purpose: str) -> None:
    """Check that columns and labels are what the model takes; errors as above."""
    _check_kind(data, purpose)
    _check_count(model, data, "feature", data.features.shape[1])
    if data.labels.shape[1] == 0 or np.isnan(data.labels).all():
        raise DataError(f"{purpose} needs labels, and the data has none")
    _check_count(model, data, "label", data.labels.shape[1])
    names = getattr(data, "label_names", None)
    check_classes(data.labels, model.loss_name, model.settings["output_size"], names)


def check_dataset(purpose: str, data: object) -> None:
    """Check that ``data`` is a whole data set, not one of its sequences.

    Raises
    ------
    ParameterError
        It is anything else.
    """
    if not isinstance(data, Dataset):
        raise ParameterError(
            f"{purpose} needs a Dataset, got {reprlib.repr(data)}; "
            "dataset.subset([0]) is one of a single sequence"
        )


def _check_kind(data: object, purpose: str) -> None:
    if not isinstance(data, Dataset | Sequence):
        raise ParameterError(
            f"{purpose} needs a Dataset or one of its sequences, got {reprlib.repr(data)}; "
            "see Dataset.from_csv, from_frame and from_arrays"
        )


def _as_engine_array(model: Network, values: FloatArray, name: str) -> FloatArray:
    """Return C-contiguous values of the model's dtype."""
    dtype = model.settings["dtype"]
    with np.errstate(over="ignore"):
        array: FloatArray = np.ascontiguousarray(values, dtype=dtype)
    # A data set is finite; only what was scaled or converted can have overflowed.
    if (model.scaler is not None or array.dtype != values.dtype) and np.isinf(array).any():
        raise DataError(f"{name} are too large for {dtype}; use dtype='float64' or a scaler")
    return array


def _check_count(model: Network, data: Dataset | Sequence, kind: str, got: int) -> None:
    """Compare the number of columns."""
    is_feature = kind == "feature"
    size = "input_size" if is_feature else "output_size"
    expected = model.settings[size] if is_feature else model.label_columns
    if got != expected:
        numbers = not is_feature and expected != model.settings[size]
        why = "the number of a class" if numbers else f"{size}={expected}"
        raise ShapeError(
            f"the data has {got} {kind} column{'s' * (got != 1)}, the model expects {expected} "
            f"({why})"
        )
