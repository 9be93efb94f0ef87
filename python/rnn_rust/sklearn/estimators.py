"""The estimators: a classifier, a regressor and a transformer for sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d

from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.sklearn.arguments import documented
from rnn_rust.sklearn.base import SequenceEstimator
from rnn_rust.sklearn.labels import as_targets, class_codes, present
from rnn_rust.sklearn.networks import coded_weights, loss_of_classes, loss_of_numbers


@documented
class SequenceClassifier(ClassifierMixin, SequenceEstimator):
    """A recurrent network that predicts classes of rows, or of whole sequences.

    Attributes
    ----------
    classes_
        The classes, sorted.
    """

    def _targets(self, X: Any, y: Any, *, reset: bool) -> Any:
        return column_or_1d(super()._targets(X, y, reset=reset), warn=True)

    def _learn_labels(self, y: Any) -> None:
        labels = present(y)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)

    def _encode_labels(self, y: Any) -> NDArray[Any]:
        return class_codes(y, self.classes_)

    def _known_classes(self) -> NDArray[Any] | None:
        return self.classes_

    def _loss_and_outputs(self) -> tuple[Any, int]:
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in the data, but the "
                "data contains only one class"
            )
        return loss_of_classes(self.loss, len(self.classes_))

    def _class_weight(self) -> Any:
        return coded_weights(self.class_weight, self.classes_)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class, ``(rows, classes)``.

        For a list of arrays, ``(sequences, classes)`` if whole sequences are read out, else the
        rows of all arrays one after another.
        """
        table, outputs = self._outputs(X)
        outputs = table.per_row(outputs).astype(np.float64)
        if outputs.shape[1] == 1:
            outputs = np.hstack([1 - outputs, outputs])
        return outputs / outputs.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class; rows are as in :meth:`predict_proba`."""
        places = self.predict_proba(X).argmax(axis=1)
        classes: NDArray[Any] = self.classes_[places]
        return classes

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; if whole sequences are read out, each counts once.

        Scikit-learn's scorers (``scoring=``) count the rows of a frame, so longer sequences count
        more.
        """
        labels, predicted, weights = self._scored(X, y, sample_weight)
        return float(accuracy_score(labels, predicted, sample_weight=weights))


@documented
class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """A recurrent network that predicts numbers for rows, or for whole sequences."""

    def _learn_labels(self, y: Any) -> None:
        self.n_outputs_ = 1 if np.ndim(y) == 1 else np.shape(y)[1]

    def _encode_labels(self, y: Any) -> NDArray[Any]:
        if np.ndim(y) > 2:
            raise ShapeError(f"y has the shape {np.shape(y)}; give a row of labels for each row")
        return as_targets(y)

    def _told_classes(self, classes: Any, *, first: bool) -> None:
        raise ParameterError(
            "classes= is for labels that are classes, and SequenceRegressor learns numbers; give "
            "weights of rows by name, sample_weight="
        )

    def _loss_and_outputs(self) -> tuple[Any, int]:
        return loss_of_numbers(self.loss), self.n_outputs_

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted numbers for every row of X.

        For a list of arrays, one prediction per sequence if whole sequences are read out, else
        the rows of all arrays one after another.
        """
        table, outputs = self._outputs(X)
        numbers = table.per_row(outputs)
        return numbers[:, 0] if numbers.shape[1] == 1 else numbers

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R²; if whole sequences are read out, each counts once.

        Scikit-learn's scorers (``scoring=``) count the rows of a frame, so longer sequences count
        more.
        """
        labels, predicted, weights = self._scored(X, y, sample_weight)
        return float(r2_score(labels, predicted, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        """Return the tags, with support for several outputs."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@documented
class SequenceTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """Hidden states of a recurrent network as features of each row, or of whole sequences.

    The network learns y: classes or numbers. Without y, it learns to predict the numbers in the
    next row of the sequence from the rows so far, or in the same row if no sequence has a second.
    """

    @property
    def _n_features_out(self) -> int:
        check_is_fitted(self)
        states: int = self.model_.state_dict()["head.weight"].shape[1]
        return states

    def _targets(self, X: Any, y: Any, *, reset: bool) -> Any:
        if y is not None:
            return super()._targets(X, y, reset=reset)
        table = self._table(X, None, reset=reset)
        names = table.data.feature_names
        # A frame with only static features has a constant as its other feature.
        own = names if table.names is None else table.names
        numbers = [
            at for at, name in enumerate(names) if name in own and name not in table.data.levels
        ]
        if not numbers:
            raise ParameterError(
                "there are no numbers to learn among the features of rows; give a y"
            )
        rows, offsets = table.data.features[:, numbers].astype(np.float64), table.data.offsets
        if len(rows) > len(table.data):
            self._require_unread()
            rows = np.vstack([rows[1:], rows[:1]])
            rows[offsets[1:] - 1] = np.nan  # Nothing follows the last row of a sequence.
        return table.per_row(rows)

    def _require_unread(self) -> None:
        """Raise ParameterError if the network reads the next row before it has to predict it."""
        reads_ahead = [
            f"{name}={value!r}"
            for name, value, harmless in (
                ("readout", self.readout, "each_step"),
                ("bidirectional", self.bidirectional, False),
                ("reverse", self.reverse, False),
            )
            if value != harmless
        ]
        if reads_ahead:
            raise ParameterError(
                f"{reads_ahead[0]} needs a y: without it the network learns to tell the next row "
                "of a sequence, and this one reads all rows first"
            )

    def _learn_labels(self, y: Any) -> None:
        self._classes, self._outputs_wanted = None, 1
        labels = present(y)
        is_named = labels.dtype.kind in "OUSbiu"
        if is_named and type_of_target(labels) in ("binary", "multiclass"):
            self._classes = np.unique(labels)
        elif np.ndim(y) > 1:
            self._outputs_wanted = np.shape(y)[1]

    def _encode_labels(self, y: Any) -> Any:
        if self._classes is None:
            return as_targets(np.asarray(y))
        return class_codes(column_or_1d(y), self._classes)

    def _known_classes(self) -> NDArray[Any] | None:
        return self._classes

    def _loss_and_outputs(self) -> tuple[Any, int]:
        if self._classes is None or len(self._classes) < 2:
            return loss_of_numbers(self.loss), self._outputs_wanted
        return loss_of_classes(self.loss, len(self._classes))

    def _class_weight(self) -> Any:
        if self._classes is None:
            return self.class_weight
        return coded_weights(self.class_weight, self._classes)

    def __sklearn_tags__(self) -> Any:
        """Return the tags; the dtype of X is not preserved."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # States have the dtype of the network.
        return tags

    def transform(self, X: Any) -> NDArray[Any]:
        """Return the hidden states of the last layer, ``(rows, directions · hidden_size)``.

        If whole sequences are read out, this is the final state of a sequence (for the backward
        direction, the state after the first row) or the mean of its states: one for each sequence
        given as an array, else repeated in all rows of the sequence.
        """
        check_is_fitted(self)
        table = self._table(X, None)
        states = np.asarray(self.model_.hidden_states(table.data))
        offsets = table.data.offsets
        if self.readout == "last":
            states = self._final(states, offsets)
        elif self.readout == "mean":
            states = np.add.reduceat(states, offsets[:-1]) / np.diff(offsets)[:, None]
        return table.per_row(states)

    def _final(self, states: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[Any]:
        """Return the state of each sequence that the head reads: the final one per direction."""
        first, last = offsets[:-1], offsets[1:] - 1
        if self.model_.settings["reverse"]:
            return states[first]
        if not self.model_.settings["bidirectional"]:
            return states[last]
        half = states.shape[1] // 2
        return np.hstack([states[last, :half], states[first, half:]])
