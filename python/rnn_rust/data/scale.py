"""Scalers: ``(x - shift) / scale`` per column, learnt from the rows of a data set.

As in scikit-learn, ``fit`` learns, ``transform`` applies, ``inverse_transform`` undoes. Arithmetic
is in float64. Scaled values have the dtype of the input (float64 if that is not float32). Values in
original units are float64, since float32 has only seven digits, too few for 1,700,000,123.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray, as_numbers, float_dtype
from rnn_rust.base.checks import positive_integer
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.data.order import known_names, reorder
from rnn_rust.data.sequences import Sequences, require_dataset
from rnn_rust.errors import DataError, ParameterError, ShapeError

Data = TypeVar("Data", bound=Sequences)
Vector = NDArray[np.float64]
# A matrix, the first row in it of each sequence, and the offsets of the data set.
_Rows = tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]

# The attributes that `fit` sets.
FITTED = ("feature_shift_", "feature_scale_", "label_shift_", "label_scale_")


class Scaler:
    """Base class of the scalers; a subclass computes shift and scale from a column.

    Parameters
    ----------
    labels
        Whether labels are scaled too; if False, they are not changed.

    Attributes
    ----------
    feature_shift_, feature_scale_
        ``(F,)`` float64, set by :meth:`fit`.
    label_shift_, label_scale_
        ``(L,)`` float64, set by :meth:`fit`.
    feature_names_, label_names_
        Names of the columns that :meth:`fit` saw, or None. Data sets are matched by them.
    """

    kind: ClassVar[str]
    feature_shift_: Vector
    feature_scale_: Vector
    label_shift_: Vector
    label_scale_: Vector
    feature_names_: tuple[str, ...] | None = None
    label_names_: tuple[str, ...] | None = None

    def __init__(self, *, labels: bool = True) -> None:
        self.labels = labels

    @property
    def is_fitted(self) -> bool:
        """Whether :meth:`fit` has been called."""
        return hasattr(self, "label_scale_")

    @property
    def columns(self) -> tuple[int, int]:
        """The numbers of feature and label columns that the scaler was fitted on."""
        self._require_fit()
        return len(self.feature_shift_), len(self.label_shift_)

    @staticmethod
    def _learn(
        rows: _Rows, low: Vector, width: Vector, threads: int | None
    ) -> tuple[Vector, Vector]:
        """Return shift and scale of the columns ``(x - low) / width``, which range from 0 to 1."""
        raise NotImplementedError

    def fit(self, dataset: Sequences, *, n_threads: int | None = None) -> Self:
        """Learn shift and scale from all rows of a data set.

        Missing labels and labels of rows with weight 0 are left out; other weights have no effect.

        A constant column gets scale 1, so that it becomes 0 and can be restored. So does a column
        whose values differ only by rounding: its range is at most ten times the rounding error of
        its largest value in the data's own dtype.

        ``n_threads`` is the maximum number of threads, as for a model.

        Raises
        ------
        DataError
            The values of a column span more than float64 can hold.
        ParameterError
            ``dataset`` is not a `Dataset` (the other methods raise this too), or ``n_threads`` is
            not an integer above 0.
        """
        require_dataset(dataset, "fit")
        threads = None if n_threads is None else positive_integer("n_threads", n_threads)
        self.feature_shift_, self.feature_scale_ = self._fit(dataset, "feature", threads)
        self.label_shift_, self.label_scale_ = self._fit(dataset, "label", threads)
        self.feature_names_, self.label_names_ = known_names(dataset)
        if not self.labels:
            self.label_shift_[:], self.label_scale_[:] = 0.0, 1.0
        return self

    def transform(self, dataset: Data) -> Data:
        """Return the data set with scaled features and labels.

        Columns are matched by name, and returned in the order of :meth:`fit`. Static features are
        not changed: a model scales them by what it learns from its training part.

        Raises
        ------
        ShapeError
            The columns are not the ones it was fitted on; the other methods raise this too.
        ParameterError
            The scaler would scale labels that are changes, which need their own units; see
            :meth:`rnn_rust.Dataset.forecast`.
        """
        dataset = self._in_order(dataset, "transform")
        if self.labels and dataset.known is not None:
            raise ParameterError(
                "the labels are forecast as changes from values in their own units, and cannot be "
                "scaled beside these; give the scaler to the model, scaler='standard' say"
            )
        return dataset.with_values(
            self.transform_features(dataset.features), self.transform_labels(dataset.labels)
        )

    def fit_transform(self, dataset: Data) -> Data:
        """Learn from a data set and return it scaled."""
        return self.fit(dataset).transform(dataset)

    def inverse_transform(self, dataset: Data) -> Data:
        """Return a scaled data set in its original units."""
        dataset = self._in_order(dataset, "inverse_transform")
        return dataset.with_values(
            self.inverse_transform_features(dataset.features),
            self.inverse_transform_labels(dataset.labels),
        )

    def transform_features(self, features: ArrayLike) -> FloatArray:
        """Scale features ``(..., F)``; a new array of the same shape."""
        return self._apply(features, "feature", inverse=False)

    def transform_labels(self, labels: ArrayLike) -> FloatArray:
        """Scale labels ``(..., L)``; a new array of the same shape. NaN stays NaN."""
        return self._apply(labels, "label", inverse=False)

    def inverse_transform_features(self, features: ArrayLike) -> FloatArray:
        """Return scaled features ``(..., F)`` in their original units, float64."""
        return self._apply(features, "feature", inverse=True)

    def inverse_transform_labels(self, labels: ArrayLike) -> FloatArray:
        """Return scaled labels or predictions ``(..., L)`` in their original units, float64.

        If labels are not scaled, return a copy: float32 stays float32, other types become float64.
        """
        return self._apply(labels, "label", inverse=True)

    def shifts_and_scales(self) -> tuple[tuple[list[float], list[float]], ...]:
        """Return the shift and scale of each column, for the features and for the labels.

        Raises
        ------
        ParameterError
            The scaler is not fitted.
        """
        self._require_fit()
        shift_f, scale_f, shift_l, scale_l = (getattr(self, name).tolist() for name in FITTED)
        return (shift_f, scale_f), (shift_l, scale_l)

    def with_columns(self, features: list[int] | None, labels: list[int] | None) -> Self:
        """Return a scaler for some of the columns, possibly in another order.

        ``features`` and ``labels`` are their positions; None means all, in the same order.
        """
        self._require_fit()
        chosen = copy.copy(self)
        for name, order in zip(FITTED, (features, features, labels, labels), strict=True):
            if order is not None:
                setattr(chosen, name, getattr(self, name)[order])
        for name, order in (("feature_names_", features), ("label_names_", labels)):
            if order is not None and (names := getattr(self, name)) is not None:
                setattr(chosen, name, tuple(names[position] for position in order))
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """Return kind, ``labels`` and, if fitted, the values as lists, which JSON keeps exactly."""
        fitted = FITTED if self.is_fitted else ()
        values = {name[:-1]: getattr(self, name).tolist() for name in fitted}
        return {"kind": self.kind, "labels": self.labels} | values

    def _fit(self, dataset: Sequences, part: str, threads: int | None) -> tuple[Vector, Vector]:
        shared, names = dataset.shared_rows, getattr(dataset, f"{part}_names")
        shift, scale = np.zeros(len(names)), np.ones(len(names))
        if not names:
            return shift, scale
        matrix = np.ascontiguousarray(shared.arrays[f"{part}s"])
        if part == "label":
            matrix = _weighted_labels(matrix, shared.arrays["weights"])
        rows = (matrix, shared.starts, dataset.offsets)
        low, high = _core.column_bounds(*rows, threads)
        seen = low <= high
        shift[seen] = low[seen]
        with np.errstate(over="ignore", invalid="ignore"):
            width = high - low
        varies = seen & (width > 10 * _rounding(np.maximum(-low, high), matrix.dtype))
        if not np.isfinite(width[varies]).all():
            column = int(np.flatnonzero(varies & ~np.isfinite(width))[0])
            raise DataError(
                f"column '{names[column]}' runs from {low[column]:g} to {high[column]:g}, too wide "
                "to scale; divide it by a constant first"
            )
        # Numbers that stand for levels, inputs or named classes are not scaled.
        levels = dataset.levels if part == "feature" else dataset.label_levels
        is_category = np.array([name in levels for name in names])
        varies &= ~is_category
        shift[is_category] = 0.0
        width[~varies] = 1.0
        # In [0, 1], squares do not overflow or underflow, and no large mean causes cancellation.
        unit_shift, unit_scale = self._learn(rows, shift, width, threads)
        shift[varies] += (unit_shift * width)[varies]
        # The scale of a column with a tiny range may underflow to 0.
        learnt = (unit_scale * width)[varies]
        scale[varies] = np.where(learnt == 0, 1.0, learnt)
        return shift, scale

    def _apply(self, values: ArrayLike, part: str, *, inverse: bool) -> FloatArray:
        self._require_fit()
        array = as_numbers(f"{part}s", values)
        shift, scale = getattr(self, f"{part}_shift_"), getattr(self, f"{part}_scale_")
        if array.ndim == 0 or array.shape[-1] != len(shift):
            raise ShapeError(
                f"{part}s of shape {array.shape}: the scaler was fitted on {len(shift)} {part} "
                f"columns; give (..., {len(shift)})"
            )
        dtype = float_dtype(array.dtype)
        if part == "label" and not self.labels:
            return array.astype(dtype)
        result: Vector
        if inverse:
            result = array * scale
            result += shift
            return result
        result = array - shift
        result /= scale
        return result.astype(dtype, copy=False)

    def _in_order(self, dataset: Data, purpose: str) -> Data:
        require_dataset(dataset, purpose)
        return reorder(
            dataset, features=self.feature_names_, labels=self.label_names_,
            learnt="the scaler was fitted on",
        )  # fmt: skip

    def _require_fit(self) -> None:
        if not self.is_fitted:
            raise ParameterError(f"this {type(self).__name__} is not fitted; call fit(dataset)")


def _weighted_labels(labels: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Return labels, set to missing in rows of weight 0, which do not enter the loss either."""
    if weights is None or weights.all():
        return labels
    return np.where(weights[:, np.newaxis] == 0, labels.dtype.type(np.nan), labels)


def _rounding(size: Vector, dtype: np.dtype[Any]) -> Vector:
    """Return the spacing of floating-point numbers at `size`, up to a factor of 2."""
    info = np.finfo(dtype)
    return float(info.eps) * np.maximum(size, float(info.tiny))


@suggests_settings
class MinMaxScaler(Scaler):
    """Map each column to [0, 1]: shift is its minimum, scale its range.

    Parameters
    ----------
    labels
        Whether labels are scaled too; if False, they are not changed.
    """

    kind = "minmax"

    @staticmethod
    def _learn(
        rows: _Rows, low: Vector, width: Vector, threads: int | None
    ) -> tuple[Vector, Vector]:
        return np.zeros_like(low), np.ones_like(low)


@suggests_settings
class StandardScaler(Scaler):
    """Map each column to mean 0 and variance 1: shift is its mean, scale its deviation.

    The standard deviation is computed with divisor N, as in scikit-learn.

    Parameters
    ----------
    labels
        Whether labels are scaled too; if False, they are not changed.
    """

    kind = "standard"

    @staticmethod
    def _learn(
        rows: _Rows, low: Vector, width: Vector, threads: int | None
    ) -> tuple[Vector, Vector]:
        return _core.column_moments(*rows, low, width, threads)


@suggests_settings
class RobustScaler(Scaler):
    """Scale each column by its median and quartiles, which are robust to outliers.

    Shift is the median, scale the distance between the first and the third quartile.

    If half of the values of a column are the same, its scale is 1. Quartiles are interpolated, as
    in scikit-learn.

    Parameters
    ----------
    labels
        Whether labels are scaled too; if False, they are not changed.
    """

    kind = "robust"

    @staticmethod
    def _learn(
        rows: _Rows, low: Vector, width: Vector, threads: int | None
    ) -> tuple[Vector, Vector]:
        matrix, starts, offsets = rows
        chosen = np.repeat(starts - offsets[:-1], np.diff(offsets)) + np.arange(offsets[-1])
        shift, scale = np.zeros_like(low), np.zeros_like(low)
        for column in range(matrix.shape[1]):
            values = matrix[chosen, column].astype(np.float64)
            values = (values[~np.isnan(values)] - low[column]) / width[column]
            if values.size:
                first, shift[column], third = np.quantile(values, [0.25, 0.5, 0.75])
                scale[column] = third - first
        return shift, scale
