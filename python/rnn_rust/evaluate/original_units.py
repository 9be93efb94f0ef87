"""Labels and predictions to compare, both in original units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import Offsets
from rnn_rust.data.order import reorder, with_label_levels
from rnn_rust.data.sequences import require_dataset
from rnn_rust.errors import ParameterError
from rnn_rust.evaluate import metrics as m
from rnn_rust.learning.labels import labels_per_sequence, last_labelled

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset


def in_model_order(model: m.Predictor, dataset: Dataset) -> Dataset:
    """Return the data set with its columns in the model's order, by name if both have names.

    Raises
    ------
    ShapeError
        The column names are not those of the model.
    ParameterError
        If `dataset` is not a `Dataset`.
    """
    dataset = reorder(
        require_dataset(dataset, "an evaluation"),
        features=getattr(model, "feature_names", None) if dataset.encoder is None else None,
        labels=getattr(model, "label_names", None),
    )
    levels = getattr(model, "label_levels", {})
    return with_label_levels(dataset, levels, getattr(model, "label_names", None))


def labels_and_predictions(
    model: m.Predictor, dataset: Dataset
) -> tuple[m.Floats, m.Floats, Offsets]:
    """Predict a data set; return its labels and the predictions ``(R, L)``, and offsets.

    Columns are in the model's order. If the model reads out each step, R = N. If it reads out whole
    sequences, R = S, and each row counts as a sequence. Floats are float64. If the data set is
    normalised, labels and predictions are converted back to the units before.

    Raises
    ------
    DataError, ShapeError
        As in `metrics.check_arrays`.
    ParameterError
        If `dataset` is not a `Dataset`.
    """
    dataset = in_model_order(model, dataset)
    stored, predicted, offsets = _rows(model, dataset)
    labels, predictions = m.check_arrays(stored, predicted)
    labels, predictions = _restored(dataset, labels, predictions)
    return labels, predictions, offsets


def labels_by_row(dataset: Dataset) -> m.Floats:
    """Return the labels ``(N, L)`` of all rows in the units before normalisation, float64."""
    return _restored(dataset, dataset.labels.astype(np.float64))[0]


def at_labels(dataset: Dataset, values: m.Floats) -> m.Floats:
    """Return ``values (N, L)`` at the row of each sequence's label ``(S, L)``, NaN without one."""
    rows, labelled = last_labelled(dataset.labels, dataset.offsets)
    found = np.full((len(labelled), values.shape[1]), np.nan)
    found[labelled] = values[rows]
    return found


def reads_steps(model: m.Predictor) -> bool:
    """Whether a model has one output per row, not per sequence."""
    return bool(getattr(model, "readout", "each_step") == "each_step")


def _restored(dataset: Dataset, labels: m.Floats, *others: m.Floats) -> list[m.Floats]:
    """Return labels and similar arrays in the units before normalisation."""
    restored = np.asarray(dataset.denormalize_labels(labels), dtype=np.float64)
    if np.array_equal(restored, labels, equal_nan=True):
        return [labels, *others]
    arrays = [restored, *(np.asarray(dataset.denormalize_labels(one)) for one in others)]
    # After scaling in float32, a zero becomes about 1e-8, a target that would ruin MAPE. Values
    # within rounding error of zero, given the size of their column, are set to zero.
    largest = np.fmax.reduce(np.abs(restored), axis=0)
    rounding = 4 * np.finfo(dataset.labels.dtype).eps * largest
    return [np.where(np.abs(array) <= rounding, 0.0, array) for array in arrays]


def classes_and_probabilities(
    model: m.Predictor, dataset: Dataset
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Predict a data set; return its class numbers ``(R, 1)`` and the probabilities ``(R, K)``.

    R is as in :func:`labels_and_predictions`. Probabilities have no units to convert.

    Raises
    ------
    ParameterError
        If `dataset` is not a `Dataset`.
    """
    dataset = in_model_order(model, dataset)
    stored, predicted, _ = _rows(model, dataset)
    restored = dataset.denormalize_labels(stored)
    if dataset.normalizer is not None:
        # Class 1 of 0 to 3, scaled to 1/3 in float32, comes back as 1.00000003: round it.
        whole = np.rint(restored)
        rounding = 4 * np.finfo(dataset.labels.dtype).eps * np.abs(whole)
        restored = np.where(np.abs(restored - whole) <= rounding, whole, restored)
    return restored, predicted


def _rows(model: m.Predictor, dataset: Dataset) -> tuple[NDArray[Any], NDArray[Any], Offsets]:
    """Return labels, predictions and offsets, per step or per sequence as the model reads out."""
    if not callable(getattr(model, "predict", None)):
        raise ParameterError(
            f"an evaluation needs a model, which has predict(dataset), got {model!r}"
        )
    predicted = model.predict(dataset)
    if reads_steps(model):
        return dataset.labels, predicted, dataset.offsets
    stored = labels_per_sequence(dataset.labels, dataset.offsets)
    return stored, predicted, np.arange(len(dataset) + 1)
