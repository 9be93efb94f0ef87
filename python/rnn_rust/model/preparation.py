"""From a data set in original units to the arrays that the engine takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray, Offsets, as_floats
from rnn_rust.base.checks import named
from rnn_rust.data.dataset import Dataset, Sequence
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.missing import missing_number
from rnn_rust.data.order import Data, check_count, known_names, reorder, with_label_levels
from rnn_rust.data.scale import Scaler
from rnn_rust.data.sequences import HOW_TO_MAKE
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.learning.class_weights import ClassWeight, class_weights, label_weights
from rnn_rust.learning.labels import check_classes, class_count, sequence_labels
from rnn_rust.learning.losses import CUSTOM
from rnn_rust.model.states import rows_of, warn_of_rows_before

Vector = NDArray[np.float64]
PerSequence = tuple[FloatArray | None, FloatArray | None]
"""Arrays with one row per sequence: static features, and initial states."""


class LabelledInputs(NamedTuple):
    """The arrays a network learns from; ``weights`` of labels ``(N, C)`` are None if all are 1."""

    features: FloatArray
    labels: FloatArray
    offsets: Offsets
    weights: FloatArray | None
    per_sequence: PerSequence


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What must be known about a network to prepare data for it.

    Attributes
    ----------
    input_size, output_size, dtype, loss, readout, class_weight
        The settings with these names; ``loss`` is its name.
    scaler
        Scales features and maybe labels; or None.
    class_table
        ``(C, K)``: the balanced weights of the classes, or None before they are learnt.
    n_threads
        Maximum number of threads; None leaves it to the environment.
    feature_names, label_names
        The columns in the network's order, or None if they have no names.
    encoder
        What was learnt about the features, such as categories; or None.
    label_levels
        The classes of each label that is text, by label name.
    state_shape
        Shape of the network's state.
    reverse
        Whether the network reads sequences from the end.
    """

    input_size: int
    output_size: int
    dtype: str
    loss: str
    readout: str
    class_weight: ClassWeight
    scaler: Scaler | None
    class_table: FloatArray | None
    n_threads: int | None
    feature_names: tuple[str, ...] | None
    label_names: tuple[str, ...] | None
    encoder: FeatureEncoder | None = None
    label_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    state_shape: tuple[int, ...] = ()
    reverse: bool = False

    @property
    def label_columns(self) -> int:
        """The number of label columns C: one for class numbers, else one for each output."""
        return 1 if self.loss == "cross_entropy" else self.output_size

    def inputs(self, data: Dataset | Sequence) -> tuple[FloatArray, Offsets, PerSequence]:
        """Return scaled features ``(N, I)`` of the network's dtype, and offsets ``(S + 1,)``.

        The third item has static features ``(S, K)`` and initial states; each may be None.

        Raises
        ------
        ShapeError
            The number of feature columns, or their names, differ from the network's.
        ShapeError, ParameterError
            As :meth:`check_scaler`.
        """
        _check_kind(data, "a prediction")
        self._check_features(data)
        self.check_scaler()
        scaler = self.scaler
        data = self.encoded(data)
        if data.encoder is None:
            data = reorder(data, features=self.feature_names)
        scaling = None if scaler is None else (scaler.feature_shift_, scaler.feature_scale_)
        names = known_names(data)[0]
        offsets = np.array([0, len(data)]) if isinstance(data, Sequence) else data.offsets
        if isinstance(data, Dataset) and data.shares_rows:
            shared = data.shared_rows
            matrix, rows = shared.arrays["features"], (shared.starts, offsets)
            features = self._prepared(matrix, "features", scaling, rows, names=names)
        else:
            features = self._prepared(data.features, "features", scaling, names=names)
        return self.in_order(features, offsets), offsets, self._per_sequence(data, len(offsets) - 1)

    def check_scaler(self) -> None:
        """Check that the scaler, if there is one, is fitted, and on as many columns.

        Raises
        ------
        ParameterError
            It is not fitted yet.
        ShapeError
            It was fitted on more or fewer columns.
        """
        scaler, encoder = self.scaler, self.encoder
        if scaler is None:
            return
        if not scaler.is_fitted:
            raise ParameterError(
                "the model's scaler is not fitted yet; call fit() first, or give the model a "
                "fitted one: scaler=rnn_rust.MinMaxScaler().fit(train)"
            )
        features = self.input_size if encoder is None else len(encoder.feature_names)
        # If it does not scale labels, their number does not matter.
        labels = self.label_columns if scaler.labels else scaler.columns[1]
        if scaler.columns != (features, labels):
            raise ShapeError(
                f"the scaler was fitted on other columns (features {scaler.columns[0]}, labels "
                f"{scaler.columns[1]}) than the model has (features {features}, labels {labels}); "
                "fit one on data of the model"
            )

    def in_order(self, rows: FloatArray, offsets: Offsets) -> FloatArray:
        """Return rows in the order in which the network reads them; a second call undoes it."""
        if not self.reverse:
            return rows
        return rows[
            np.repeat(offsets[:-1] + offsets[1:], np.diff(offsets)) - 1 - np.arange(len(rows))
        ]

    def _per_sequence(self, data: Dataset | Sequence, sequences: int) -> PerSequence:
        static, initial = data.static, data.initial_state
        if isinstance(data, Sequence) and initial is not None:
            initial = initial[np.newaxis]
        if initial is not None:
            initial = rows_of(initial, self.state_shape, sequences)
        return (
            None
            if static is None
            else self._prepared(static.values, "static features", names=static.names),
            None if initial is None else self._prepared(initial, "initial_state"),
        )

    def labelled_inputs(self, data: Dataset | Sequence, purpose: str) -> LabelledInputs:
        """Return the arrays that the network learns from.

        If the readout is one per sequence, its labels are in the sequence's last row.

        Raises
        ------
        ShapeError, ParameterError
            As :meth:`inputs`, and the same for label columns.
        DataError
            There is no label (the message says that ``purpose`` needs some), or one is not a class.
        """
        _check_kind(data, purpose)
        data = self.reordered(data)
        self.check_labelled(data, purpose)
        features, offsets, per_sequence = self.inputs(data)
        labels, weights = self._labels(data, offsets)
        if data.known is not None:
            labels = labels - data.known
        names = getattr(data, "label_names", None)
        factors = label_weights(labels, weights, self._class_weights(), names)
        if factors is not None and self.loss == CUSTOM:
            raise ParameterError(
                "weights have no effect on a loss in Python, which is not told of them; use a data "
                "set without"
            )
        scaling = None
        if self.scaler is not None and self.scaler.labels:
            scaling = self.scaler.label_shift_, self.scaler.label_scale_
        labels = self._prepared(labels, "labels", scaling, names=known_names(data)[1])
        if factors is not None:
            factors = self._prepared(factors, "weights")
            # Losses are divided by the sum of weights, so its reciprocal must be finite.
            if factors.max() < np.finfo(factors.dtype).tiny:
                raise DataError(
                    f"weights are too small for {factors.dtype}; multiply them by a constant"
                )
        if self.readout == "each_step":
            labels = self.in_order(labels, offsets)
            factors = None if factors is None else self.in_order(factors, offsets)
        return LabelledInputs(features, labels, offsets, factors, per_sequence)

    def encoded(self, data: Data) -> Data:
        """Return data with categories as input numbers; errors as `FeatureEncoder.encode`.

        DataError if the data has categories and the network knows none.
        """
        if self.encoder is not None:
            if data.encoder is None and (started := _started(data)).any():
                warn_of_rows_before(self.encoder, _first_gaps(data, started))
            return self.encoder.encode(data)
        if data.levels:
            raise DataError(
                f"column '{next(iter(data.levels))}' is text, and the model was built for numbers; "
                "let it learn categories in its first fit, or by build(data)"
            )
        if data.static is not None:
            raise DataError(
                "the data has static features, and the model was built without; let it learn them "
                "in its first fit, or by build(data)"
            )
        if data.keeps_missing and (missing := np.isnan(data.features)).any():
            row, column = divmod(int(np.argmax(missing)), missing.shape[1])
            name = (data.feature_names or range(missing.shape[1]))[column]
            raise missing_number(name, row)
        return data

    def reordered(self, data: Data) -> Data:
        """Return the data with features and labels in the network's order; errors as `inputs`."""
        features = self.feature_names if data.encoder is None else None
        data = reorder(data, features=features, labels=self.label_names)
        return with_label_levels(data, self.label_levels, self.label_names)

    def check_labelled(self, data: Dataset | Sequence, purpose: str) -> None:
        """Check that columns and labels fit the network; errors as `labelled_inputs`."""
        _check_kind(data, purpose)
        self._check_features(data)
        if data.labels.shape[1] == 0 or np.isnan(data.labels).all():
            raise DataError(f"{purpose} needs labels, and the data has none")
        classes = self.label_columns != self.output_size
        why = "the number of a class" if classes else f"output_size={self.output_size}"
        own = data.labels.shape[1], known_names(data)[1]
        check_count("label", own, (self.label_columns, self.label_names), why)
        names = getattr(data, "label_names", None)
        check_classes(data.labels, self.loss, self.output_size, names)

    def balanced_class_table(self, data: Dataset) -> FloatArray | None:
        """Return the class weights that ``class_weight="balanced"`` learns from data."""
        labels, weights = self._labels(data, data.offsets)
        return class_weights("balanced", labels, weights, self._classes, data.label_names)

    @property
    def _classes(self) -> int:
        return class_count(self.loss, self.output_size) or 0

    def _labels(
        self, data: Dataset | Sequence, offsets: Offsets
    ) -> tuple[FloatArray, FloatArray | None]:
        """Return labels and weights, in the rows for which the readout has outputs."""
        if self.readout == "each_step":
            return data.labels, data.weights
        return sequence_labels(data.labels, data.weights, offsets)

    def _class_weights(self) -> FloatArray | None:
        """Return the weight of each class by label column, if there are any."""
        if self.class_weight != "balanced":
            empty = np.empty((0, self.label_columns))
            return class_weights(self.class_weight, empty, None, self._classes)
        if self.class_table is None:
            raise ParameterError(
                "class_weight='balanced' follows from the training data, and the model has seen "
                "none yet; call fit() first, or give the weights as a dict"
            )
        return self.class_table

    def _check_features(self, data: Dataset | Sequence) -> None:
        if data.encoder is not None:
            return
        size, own = self.input_size, (_feature_count(data), known_names(data)[0])
        check_count("feature", own, (size, self.feature_names), f"input_size={size}")

    def _prepared(
        self,
        values: FloatArray,
        name: str,
        scaling: tuple[Vector, Vector] | None = None,
        rows: tuple[Offsets, Offsets] | None = None,
        *,
        names: tuple[str, ...] | None = None,
    ) -> FloatArray:
        """Return ``(values - shift) / scale`` in the network's dtype, C-contiguous.

        ``rows`` selects rows: where sequences start, and their offsets; by default all rows.
        ``names`` of columns are for messages.
        """
        values = as_floats(name, values)
        if rows is None and scaling is None and values.dtype == self.dtype:
            return values
        starts, offsets = rows or (np.zeros(1, dtype=np.int64), np.array([0, len(values)]))
        shift, scale = scaling or (None, None)
        array, finite = _core.prepare_rows(
            values, starts, offsets, shift, scale, self.dtype, self.n_threads
        )
        # A data set is finite; only scaling or conversion can overflow.
        if not finite and (scaling is not None or array.dtype != values.dtype):
            scaled = {"features": " or a scaler", "labels": " or a scaler"}
            advice = f"use dtype='float64'{scaled.get(name, '')}"
            if name == "weights":
                advice = "divide them by a constant"
            verb = "is" if name == "initial_state" else "are"
            raise DataError(
                f"{name}{_of_large(array, names)} {verb} too large for {self.dtype}; {advice}"
            )
        return array


def _of_large(array: FloatArray, names: tuple[str, ...] | None) -> str:
    """Return words that name the first column that overflowed, if columns have names."""
    if names is None:
        return ""
    # A missing label is NaN.
    return f" of column '{names[int(np.argmax(np.isinf(array).any(axis=0)))]}'"


def _started(data: Any) -> NDArray[np.bool_]:
    """Return which sequences start from a state other than the default, 0."""
    if data.initial_state is None:
        return np.zeros(1, bool)
    states = data.initial_state[np.newaxis] if isinstance(data, Sequence) else data.initial_state
    started: NDArray[np.bool_] = states.any(axis=tuple(range(1, states.ndim)))
    return started


def _first_gaps(data: Any, started: NDArray[np.bool_]) -> list[str]:
    """Return the names of features that are missing in the first row of a ``started`` sequence."""
    first_rows = np.zeros(1, int) if isinstance(data, Sequence) else data.offsets[:-1]
    firsts = data.features[first_rows[started]]
    columns = np.flatnonzero(np.isnan(firsts).any(axis=0)).tolist()
    names = data.feature_names or tuple(f"x{at + 1}" for at in range(firsts.shape[1]))
    return [names[column] for column in columns]


def _feature_count(data: Dataset | Sequence) -> int:
    # The features of a view must not be copied just to count columns.
    return data.features.shape[1] if isinstance(data, Sequence) else len(data.feature_names)


def _check_kind(data: object, purpose: str) -> None:
    if not isinstance(data, Dataset | Sequence):
        raise ParameterError(
            f"{purpose} needs a Dataset or one of its sequences, not {named(data)}; {HOW_TO_MAKE}"
        )
