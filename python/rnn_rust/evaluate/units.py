"""Predictions beside the labels that they are compared with, both in original units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnn_rust.data.dataset import require_dataset
from rnn_rust.evaluate import metrics as m

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset


def labels_and_predictions(model: m.Predictor, dataset: Dataset) -> tuple[m.Floats, m.Floats]:
    """Predict a data set; return its labels and the predictions, float64 ``(N, L)``.

    If the data set is normalised, both return to the units of before.

    Raises
    ------
    DataError, ShapeError
        As `metrics.check_arrays`.
    ParameterError
        If `dataset` is no `Dataset`.
    """
    require_dataset(dataset, "an evaluation")
    labels, predictions = m.check_arrays(dataset.labels, model.predict(dataset))
    restored = np.asarray(dataset.denormalize_labels(labels), dtype=np.float64)
    if np.array_equal(restored, labels, equal_nan=True):
        return labels, predictions
    answers = np.asarray(dataset.denormalize_labels(predictions), dtype=np.float64)
    # A zero comes back from a scaled float32 as 1e-8 or so, a target that would wreck MAPE.
    # What rounding cannot tell from zero, at the size of its column, is zero again.
    largest = np.fmax.reduce(np.abs(restored), axis=0)
    rounding = 4 * np.finfo(dataset.labels.dtype).eps * largest
    snapped = [np.where(np.abs(array) <= rounding, 0.0, array) for array in (restored, answers)]
    return snapped[0], snapped[1]
