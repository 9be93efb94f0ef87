"""The estimators: classes, numbers, and hidden states of sequences."""

from __future__ import annotations

import inspect
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
from sklearn.utils.validation import _check_y, check_is_fitted, column_or_1d

from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.sklearn.base import SequenceEstimator
from rnn_rust.sklearn.labels import (
    as_targets,
    class_codes,
    coded_weights,
    loss_of_classes,
    loss_of_numbers,
    present,
)

_PARAMETERS = """
    Parameters
    ----------
    id, time
        The columns of a frame that say which sequence a row belongs to, and order its rows. A
        column that a ``ColumnTransformer`` has given a prefix is found by the end of its name.
    cell
        ``"rnn"``, ``"gru"`` or ``"lstm"``.
    hidden_size, num_layers, bidirectional, reverse, dropout, readout
        As in :class:`rnn_rust.GRU`.
    clip_norm, scaler, dtype, n_threads
        As in :class:`rnn_rust.GRU`.
    loss
        As in :class:`rnn_rust.GRU`; None for the one that suits the labels.
    optimizer, learning_rate
        A name (``"sgd"``, ``"rmsprop"``, ``"adagrad"``, ``"adam"``, ``"adamw"``) and its learning
        rate, or an optimiser of :mod:`rnn_rust.optim`, which has its own.
    epochs, batch_size
        Passes over the data, and sequences per update; None for all.
    categories, ties
        As in :meth:`rnn_rust.Dataset.from_file`; text columns of a frame are categories.
    static
        Columns of a frame that have one value for all rows of a sequence, which the network takes
        once; None without any.
    max_categories, missing, missing_indicator, time_features
        As in :class:`rnn_rust.GRU`; arrays may not lack numbers.
    class_weight
        None, ``"balanced"``, or a dict with a weight for each class; for classifiers.
    early_stopping
        Whether training ends when the loss of held-out sequences has not become better for
        ``n_iter_no_change`` epochs, with the best weights. ``"auto"``: if X_val is given, or there
        are more than 10,000 sequences.
    validation, validation_fraction
        Which share of the sequences is held out: ``"random"`` ones, or the latest (``"time"``).
    warm_start
        Whether ``fit`` goes on with the model of the call before. What was set since then counts,
        a learning rate for example; what the network was made of, such as its size, cannot change.
    random_state
        Of initial weights, held-out sequences, order and dropout.

    Attributes
    ----------
    model_
        The network, for all else: files, steppers, hidden states.
    n_features_in_, feature_names_in_
        The features: all columns but ``id`` and ``time``. Names if X was a frame.
    n_iter_, loss_curve_
        The epochs, and the training loss of each.
    validation_scores_
        The negative loss of the held-out data after each epoch, or None.
"""


def _documented(estimator: type) -> type:
    """Add what all estimators have to the docstring of one; "python -OO" leaves none."""
    if estimator.__doc__:
        intro, _, own = inspect.cleandoc(estimator.__doc__).partition("\n\nAttributes\n----------")
        estimator.__doc__ = f"{intro}\n\n{inspect.cleandoc(_PARAMETERS)}{own}\n"
    return estimator


@_documented
class SequenceClassifier(ClassifierMixin, SequenceEstimator):
    """A recurrent network that tells classes of rows, or of whole sequences.

    Attributes
    ----------
    classes_
        The classes, sorted.
    """

    def _targets(self, X: Any, y: Any, *, reset: bool) -> Any:
        y = super()._targets(X, y, reset=reset)
        # Of the rows of a sequence some may have no label.
        return _check_y(y, estimator=self) if self._takes_arrays else column_or_1d(y, warn=True)

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

        Of a list of arrays ``(sequences, classes)`` where whole sequences are read out, else the
        rows of all, back to back.
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
        """Return the accuracy; sequences that are read out whole count once each."""
        labels, predicted, weights = self._scored(X, y, sample_weight)
        return float(accuracy_score(labels, predicted, sample_weight=weights))


@_documented
class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """A recurrent network that tells numbers of rows, or of whole sequences."""

    def _learn_labels(self, y: Any) -> None:
        self.n_outputs_ = 1 if np.ndim(y) == 1 else np.shape(y)[1]

    def _encode_labels(self, y: Any) -> NDArray[Any]:
        if np.ndim(y) > 2:
            raise ShapeError(f"y has the shape {np.shape(y)}; give a row of labels for each row")
        if self._takes_arrays:
            y = np.asarray(_check_y(y, multi_output=True, y_numeric=True, estimator=self))
        return as_targets(y)

    def _told_classes(self, classes: Any, *, first: bool) -> None:
        raise ParameterError(
            "classes= is for labels that are classes, and SequenceRegressor learns numbers; give "
            "weights of rows by name, sample_weight="
        )

    def _loss_and_outputs(self) -> tuple[Any, int]:
        return loss_of_numbers(self.loss), self.n_outputs_

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the numbers of every row of X.

        Of a list of arrays those of every sequence where whole sequences are read out, else of the
        rows of all, back to back.
        """
        table, outputs = self._outputs(X)
        numbers = table.per_row(outputs)
        return numbers[:, 0] if numbers.shape[1] == 1 else numbers

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R²; sequences that are read out whole count once each."""
        labels, predicted, weights = self._scored(X, y, sample_weight)
        return float(r2_score(labels, predicted, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        """Say what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@_documented
class SequenceTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """Hidden states of a recurrent network as features of each row, or of whole sequences.

    The network learns y: classes, or numbers. Without y it learns to tell the next row of the
    sequence from those so far, or the row itself where no sequence has a second.
    """

    @property
    def _n_features_out(self) -> int:
        check_is_fitted(self)
        states: int = self.model_.state_dict()["head.weight"].shape[1]
        return states

    def _targets(self, X: Any, y: Any, *, reset: bool) -> Any:
        if y is not None:
            y = super()._targets(X, y, reset=reset)
            return _check_y(y, multi_output=True, estimator=self) if self._takes_arrays else y
        table = self._table(X, None, reset=reset)
        names = table.data.feature_names
        numbers = [at for at, name in enumerate(names) if name not in table.data.levels]
        if not numbers:
            raise ParameterError("there are no numbers among the features to learn; give a y")
        rows, offsets = table.data.features[:, numbers].astype(np.float64), table.data.offsets
        if self.readout != "each_step":
            return rows[offsets[1:] - 1] if table.is_list else table.per_row(rows)
        if len(rows) > len(table.data):
            rows = np.vstack([rows[1:], rows[:1]])
            rows[offsets[1:] - 1] = np.nan  # Nothing follows the last row of a sequence.
        return table.per_row(rows)

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
        """Say what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # States have the dtype of the network.
        return tags

    def transform(self, X: Any) -> NDArray[Any]:
        """Return the hidden states of the last layer, ``(rows, directions · hidden_size)``.

        Where whole sequences are read out, that is the final state of a sequence, of the direction
        that reads backwards the one after the first row, or the mean of the states: once for each
        sequence given as an array, else in all of its rows.
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
        """Return the state of each sequence that the head reads: each direction's final one."""
        first, last = offsets[:-1], offsets[1:] - 1
        if self.model_.settings["reverse"]:
            return states[first]
        if not self.model_.settings["bidirectional"]:
            return states[last]
        half = states.shape[1] // 2
        return np.hstack([states[last, :half], states[first, half:]])
