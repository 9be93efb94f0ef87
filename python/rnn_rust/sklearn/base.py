"""The base class of the estimators: fitting, and the conversion of X and y."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from rnn_rust.base.checks import positive_integer
from rnn_rust.base.tensors import without_tensors
from rnn_rust.data.dataset import Dataset
from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.sklearn.arguments import Arguments
from rnn_rust.sklearn.labels import (
    as_labels,
    is_missing,
    joined_labels,
    present,
    row_weights,
    told_classes,
)
from rnn_rust.sklearn.networks import continue_model, made_of, new_model, refuse_balanced
from rnn_rust.sklearn.tables import (
    Reading,
    Table,
    check_lengths,
    from_frame,
    from_list,
    from_rows,
    is_sequence_list,
    require_table,
)
from rnn_rust.sklearn.tasks import CallbackSupportMixin, FitTask, with_callbacks
from rnn_rust.sklearn.training import as_it_was_on_error, as_of, train

Targets = NDArray[Any] | None


class SequenceEstimator(CallbackSupportMixin, Arguments):
    """A model with the interface of scikit-learn."""

    _day_first: bool | None = None
    """Whether days come before months, as learnt in training; see ``Keys.day_first``."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, with the optimiser's moments only if training may continue.

        They are twice as large as the weights, and searches copy estimators between processes.
        """
        state = super().__getstate__()
        if "model_" in state and not (self.warm_start or self._goes_on):
            state = state | {"model_": copy.copy(self.model_)}
            state["model_"].optimizer = self.model_.optimizer
        return state

    # Methods that depend on the kind of labels -----------------------------------------------

    def _loss_and_outputs(self) -> tuple[Any, int]:
        """Return the loss and the number of outputs, once labels have been learnt."""
        raise NotImplementedError

    def _learn_labels(self, y: Any) -> None:
        """Learn the classes, or the number of outputs, from the labels of a first fit."""
        raise NotImplementedError

    def _encode_labels(self, y: Any) -> NDArray[Any]:
        """Return labels as numbers."""
        raise NotImplementedError

    def _known_classes(self) -> NDArray[Any] | None:
        """Return the classes that were learnt; None if labels are numbers."""
        return None

    def _told_classes(self, classes: Any, *, first: bool) -> None:
        """Learn ``classes`` in the first ``partial_fit``; later calls may only repeat them."""
        if first:
            self._learn_labels(classes)
            return
        known = self._known_classes()
        if known is None or set(known.tolist()) != set(present(classes).tolist()):
            learnt = "numbers" if known is None else ", ".join(map(repr, known.tolist()))
            raise ParameterError(
                f"classes= is for the first call of partial_fit, which has learnt {learnt}; leave "
                "it out, or give the same"
            )

    # Fitting ---------------------------------------------------------------------------------

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn from sequences.

        Parameters
        ----------
        X
            A pandas or Polars frame with one row per time step and the columns ``id`` and ``time``,
            its rows in any order. If neither name is set, an array whose rows are sequences of one
            step; or sequences as arrays: a list of ``(T, F)``, or ``(B, T, F)``.
        y
            One label per row. For sequences given as arrays, one label per sequence if ``readout``
            is ``"last"`` or ``"mean"``, else one array per sequence. If sequences of a frame are
            read out whole, the last labelled row of each counts. Labels may be missing (None, NaN,
            NA or null) for any kind of X.
        X_val, y_val
            Held-out data for early stopping; by default ``validation_fraction`` of the sequences
            of X.
        sample_weight
            Weight of each row, or of each sequence given as an array.

        Raises
        ------
        ValueError
            An argument, a column or a cell cannot be used.
        """
        if not isinstance(self.warm_start, bool | np.bool_):
            raise ParameterError(f"warm_start must be True or False, got {self.warm_start!r}")
        continued = self.warm_start and hasattr(self, "model_")
        with as_it_was_on_error(self):
            table = self._training_table(X, y, sample_weight, reset=not continued)
            held_out = self._held_out(X_val, y_val, labelled=y is not None)
            random = check_random_state(self.random_state)
            if continued:
                continue_model(self)
                # Balanced weights are computed again, from the new labels.
                self.model_.class_table = None
            else:
                self._begin(random)
            epochs = positive_integer("epochs", self.epochs)
            task = FitTask(self, epochs, X, y, sample_weight)
            seed = int(random.randint(2**31 - 1))
            train(self, table.data, held_out, epochs, seed=seed, task=task)
            task.end()
        return self

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, *, sample_weight: Any = None
    ) -> Self:
        """Learn for one more epoch; all ``classes`` may be given in the first call.

        X, y and ``sample_weight`` are as in :meth:`fit`. Arguments set since the first call are
        treated as with ``warm_start``. Balanced class weights are kept from the previous ``fit``.
        """
        begins = not hasattr(self, "model_")
        if begins:
            refuse_balanced(self.class_weight)
        with as_it_was_on_error(self):
            if classes is not None:
                self._told_classes(told_classes(classes), first=begins)
            table = self._training_table(
                X, y, sample_weight, reset=begins, labels_known=classes is not None
            )
            if begins:
                self._begin(check_random_state(self.random_state))
            else:
                continue_model(self)
            train(self, table.data, None, 1, seed=None)
            self._goes_on = True
        return self

    def _held_out(self, X: Any, y: Any, *, labelled: bool) -> Dataset | None:
        if X is None:
            if y is not None:
                raise ParameterError("y_val= goes with X_val=, which is missing")
            return None
        if labelled != (y is not None):
            raise ParameterError(
                "y_val= is missing: X_val= needs labels, as X has; give both"
                if labelled
                else "y_val= is given without y; give both, or leave both out"
            )
        with as_of("X_val and y_val"):
            labels = self._encode_labels(self._targets(X, y, reset=False))
            return self._table(X, labels).data

    def _begin(self, random: np.random.RandomState) -> None:
        """Make a new network, and reset the record of earlier training."""
        seed = int(random.randint(2**31 - 1))
        loss, outputs = self._loss_and_outputs()
        self.model_ = new_model(self, seed, loss, outputs, self._class_weight())
        self._made_of, self._goes_on = made_of(self), False
        self.n_iter_, self.loss_curve_ = 0, list[float]()
        self.validation_scores_: list[float] | None = None

    def _training_table(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, labels_known: bool = False
    ) -> Table:
        require_table(X, is_frame_wanted=not self._takes_arrays)
        y = self._targets(X, y, reset=reset)
        if reset and not labels_known:
            self._learn_labels(y)
        weights = row_weights(X, sample_weight)
        table = self._table(X, self._encode_labels(y), weights, reset=reset)
        if reset or self._day_first is None:
            self._day_first = None if table.data.keys is None else table.data.keys.day_first
        return table

    def _targets(self, X: Any, y: Any, *, reset: bool) -> Any:
        """Return the targets of training: the labels, checked but not encoded."""
        return self._checked_labels(X, y)

    def _checked_labels(self, X: Any, y: Any) -> Any:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        if is_sequence_list(X) and self.readout == "each_step":
            return joined_labels(X, y)
        return as_labels(y)

    @property
    def _takes_arrays(self) -> bool:
        """Whether each row is a one-step sequence, unless X has one array per sequence."""
        return self.id is None and self.time is None

    def _table(self, X: Any, y: Targets, weights: Targets = None, *, reset: bool = False) -> Table:
        """Return X as sequences; learn its columns if ``reset``, otherwise compare them."""
        require_table(X, is_frame_wanted=not self._takes_arrays)
        for name in ("static", "categories"):
            if getattr(self, name) is not None and (self._takes_arrays or is_sequence_list(X)):
                raise ParameterError(
                    f"{name}= names columns of a frame, whose rows id= or time= put together; give "
                    f"a frame and these, or leave {name}= out"
                )
        if is_sequence_list(X):
            table = from_list(X, y, weights, each_step=self.readout == "each_step")
            self._check_width(table.data, reset=reset)
            return table
        if self._takes_arrays:
            X = validate_data(self, without_tensors("X", X), reset=reset, dtype=np.float64)
            check_lengths(X, y)
            return from_rows(X, y, weights)
        check_lengths(X, y)
        names, categories, day_first = None, self.categories, None
        if not reset:
            if not hasattr(self, "feature_names_in_"):
                raise ShapeError("X is a frame, and the estimator was fitted on arrays")
            names, categories = self.feature_names_in_.tolist(), self._categories
            day_first = self._day_first
        reading = Reading(
            self.id, self.time, categories, self.missing, self.ties, self.static,
            self.time_format, day_first,
        )  # fmt: skip
        table = from_frame(X, y, weights, reading, names)
        if reset:
            self.feature_names_in_: NDArray[np.object_] = np.array(table.names, dtype=object)
            self.n_features_in_ = len(self.feature_names_in_)
            # Later frames read these as categories, whatever levels their cells have.
            levels_of = [table.data.levels, getattr(table.data.static, "levels", {})]
            self._categories: tuple[str, ...] = tuple(name for own in levels_of for name in own)
        return table

    def _check_width(self, data: Dataset, *, reset: bool) -> None:
        width = data.features.shape[1]
        if reset:
            self.n_features_in_ = width
        elif width != self.n_features_in_:
            raise ShapeError(
                f"X has {width} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )

    def _class_weight(self) -> Any:
        return self.class_weight

    def _outputs(self, X: Any) -> tuple[Table, NDArray[Any]]:
        """Return X as a table, and the network's outputs for its rows or sequences."""
        check_is_fitted(self)
        table = self._table(X, None)
        return table, np.asarray(self.model_.predict(table.data))

    def _scored(self, X: Any, y: Any, sample_weight: Any) -> tuple[NDArray[Any], NDArray[Any], Any]:
        """Return labels, predictions and weights of the rows that enter a score.

        These are the labelled rows; if whole sequences are read out, the last one of each.
        """
        check_is_fitted(self)
        labels = self._checked_labels(X, y)
        if not (is_sequence_list(X) and self.readout == "each_step"):
            check_lengths(X, labels)
        weights, predicted = row_weights(X, sample_weight), self.predict(X)
        if weights is not None and is_sequence_list(X) and self.readout == "each_step":
            weights = np.repeat(weights, [len(part) for part in X])
        missing = is_missing(labels)
        labelled: Any = ~missing.reshape(len(missing), -1).any(axis=1)
        rows = np.flatnonzero(labelled)
        if self.readout != "each_step" and not self._takes_arrays and not is_sequence_list(X):
            rows = self._table(X, None).last_rows(labelled)
        weights = None if weights is None else weights[rows]
        return present(labels[rows]), predicted[rows], weights
