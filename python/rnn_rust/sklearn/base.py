"""What the estimators have in common: their arguments, and fitting."""

from __future__ import annotations

import copy
import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from rnn_rust.callbacks import EarlyStopping
from rnn_rust.data.dataset import Dataset
from rnn_rust.errors import ParameterError, ShapeError
from rnn_rust.sklearn.networks import hold_out, new_model, stops_early
from rnn_rust.sklearn.tables import (
    Reading,
    Table,
    from_frame,
    from_list,
    from_rows,
    is_frame,
    is_sequence_list,
)
from rnn_rust.sklearn.tasks import CallbackSupportMixin, FitTask, with_callbacks

Targets = NDArray[Any] | None


class SequenceEstimator(CallbackSupportMixin, BaseEstimator):
    """A model with the interface of scikit-learn, and the arguments of all estimators here."""

    def __init__(
        self,
        *,
        id: str | None = None,
        time: str | None = None,
        cell: str = "gru",
        hidden_size: int = 16,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        readout: str = "each_step",
        loss: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 0.01,
        clip_norm: float | None = 1.0,
        epochs: int = 50,
        batch_size: int | None = 32,
        scaler: Any = "standard",
        categories: Any = None,
        max_categories: int = 100,
        missing: str = "mean",
        missing_indicator: bool = False,
        time_features: Any = (),
        ties: str = "refuse",
        class_weight: Any = None,
        early_stopping: bool | str = "auto",
        validation: str = "random",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        dtype: str = "float32",
        random_state: Any = None,
        n_threads: int | None = 1,
    ) -> None:
        self.id = id
        self.time = time
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.readout = readout
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.clip_norm = clip_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.scaler = scaler
        self.categories = categories
        self.max_categories = max_categories
        self.missing = missing
        self.missing_indicator = missing_indicator
        self.time_features = time_features
        self.ties = ties
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation = validation
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.dtype = dtype
        self.random_state = random_state
        self.n_threads = n_threads

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the optimiser's moments only if training may go on.

        They are twice as large as the weights, and searches send fitted estimators around.
        """
        state = super().__getstate__()
        if "model_" in state and not self.warm_start:
            state = state | {"model_": copy.copy(self.model_)}
            state["model_"].optimizer = self.model_.optimizer
        return state

    # What kinds of labels differ in ----------------------------------------------------------

    def _loss_and_outputs(self) -> tuple[Any, int]:
        """Return the loss and the number of outputs; the labels are known."""
        raise NotImplementedError

    def _learn_labels(self, y: Any) -> None:
        """Find out what there is to know of the labels of a first fit."""
        raise NotImplementedError

    def _encode_labels(self, y: Any) -> NDArray[Any]:
        """Return labels as numbers."""
        raise NotImplementedError

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
            A frame of pandas or Polars with a row per time step, with the columns ``id`` and
            ``time``, its rows in any order. Without both names, an array whose rows are sequences
            of one step; or sequences as arrays: a list of ``(T, F)``, or ``(B, T, F)``.
        y
            A label for each row; for sequences as arrays one for each sequence where ``readout``
            is ``"last"`` or ``"mean"``, else an array for each. Of a frame's sequence that is read
            out whole, the last labelled row counts.
        X_val, y_val
            Held-out data for early stopping; by default ``validation_fraction`` of the sequences
            of X.
        sample_weight
            Of each row, or of each sequence given as an array.

        Raises
        ------
        ValueError
            An argument, a column or a cell cannot be used.
        """
        continued = self.warm_start and hasattr(self, "model_")
        table = self._training_table(X, y, sample_weight, reset=not continued)
        held_out = None
        if X_val is not None:
            labels = self._encode_labels(self._targets(X_val, y_val))
            held_out = self._table(X_val, labels).data
        elif y_val is not None:
            raise ParameterError("y_val= goes with X_val=, which is missing")
        random = check_random_state(self.random_state)
        if not continued:
            self._begin(random)
        task = FitTask(self, self.epochs, {"X": X, "y": y})
        seed = int(random.randint(2**31 - 1))
        self._train(table.data, held_out, self.epochs, seed=seed, task=task)
        task.end()
        return self

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, *, sample_weight: Any = None
    ) -> Self:
        """Learn for one more epoch; the first call may be told all ``classes``.

        X, y and ``sample_weight`` are as in :meth:`fit`.
        """
        begins = not hasattr(self, "model_")
        if begins and classes is not None:
            self._learn_labels(np.asarray(classes))
        table = self._training_table(X, y, sample_weight, reset=begins and classes is None)
        if begins:
            self._begin(check_random_state(self.random_state))
        self._train(table.data, None, 1, seed=None)
        return self

    def _begin(self, random: np.random.RandomState) -> None:
        """Make the network, and forget what training was before."""
        seed = int(random.randint(2**31 - 1))
        loss, outputs = self._loss_and_outputs()
        self.model_ = new_model(self, seed, loss, outputs, self._class_weight())
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None

    def _training_table(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Table:
        y = self._targets(X, y)
        if reset:
            self._learn_labels(y)
        weights = None
        if sample_weight is not None:
            rows = np.empty(_num_samples(X))
            weights = _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        first = reset or not hasattr(self, "n_features_in_")
        return self._table(X, self._encode_labels(y), weights, reset=first)

    def _targets(self, X: Any, y: Any) -> Any:
        """Return what is to be learnt of X: labels as they were given."""
        return self._checked_labels(X, y)

    def _checked_labels(self, X: Any, y: Any) -> Any:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        if is_sequence_list(X) and self.readout == "each_step":
            return np.concatenate([np.asarray(part) for part in y])
        return y if hasattr(y, "iloc") else np.asarray(y)

    def _table(self, X: Any, y: Targets, weights: Targets = None, *, reset: bool = False) -> Table:
        """Return X as sequences. The first time, columns are learnt, later compared."""
        if is_sequence_list(X):
            table = from_list(X, y, weights, each_step=self.readout == "each_step")
            self._check_width(table.data, reset=reset)
            return table
        if self.id is None and self.time is None:
            X = validate_data(self, X, reset=reset, dtype=np.float64)
            if y is not None and len(y) != len(X):
                raise ShapeError(f"y has {len(y)} labels for {len(X)} rows of X")
            return from_rows(X, y, weights)
        if y is not None and is_frame(X) and len(y) != len(X):
            raise ShapeError(f"y has {len(y)} labels for {len(X)} rows of X")
        reading = Reading(self.id, self.time, self.categories, self.missing, self.ties)
        names = None if reset else self.feature_names_in_.tolist()
        table = from_frame(X, y, weights, reading, names)
        if reset:
            self.feature_names_in_: NDArray[np.object_] = np.array(table.names, dtype=object)
            self.n_features_in_ = len(self.feature_names_in_)
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

    def _train(
        self,
        data: Dataset,
        held_out: Dataset | None,
        epochs: int,
        *,
        seed: int | None,
        task: FitTask | None = None,
    ) -> None:
        callbacks: list[Any] = [] if task is None else [task]
        if seed is not None and stops_early(self, data, held_out):
            if held_out is None:
                data, held_out = hold_out(self, data, seed)
            callbacks += [EarlyStopping(patience=self.n_iter_no_change, restore_best=True)]
        size = self.batch_size
        if size is None:
            size = len(data)
        elif not isinstance(size, Integral):
            raise ParameterError(f"batch_size must be an integer or None, got {size!r}")
        history = self.model_.fit(
            data, epochs=epochs, batch_size=int(size), shuffle=self.batch_size is not None,
            validation=held_out, callbacks=callbacks, progress=False,
        )  # fmt: skip
        self.loss_curve_ += [record["loss"] for record in history]
        if held_out is not None:
            scores = [-record["validation_loss"] for record in history]
            self.validation_scores_ = [*(self.validation_scores_ or []), *scores]
        self.n_iter_ = len(self.loss_curve_)
        if history.interrupted:
            warnings.warn("training was interrupted", ConvergenceWarning, stacklevel=3)

    def _outputs(self, X: Any) -> tuple[Table, NDArray[Any]]:
        """Return the outputs of the network for X, of rows or sequences of the table."""
        check_is_fitted(self)
        table = self._table(X, None)
        return table, np.asarray(self.model_.predict(table.data))

    def _score_weights(self, X: Any, sample_weight: Any) -> Any:
        """Return weights of rows by which every sequence counts once, if it is read out whole."""
        if self.readout == "each_step" or is_sequence_list(X) or self.id is None:
            return sample_weight
        table = self._table(X, None)
        shares = table.per_row(1 / np.repeat(table.lengths, table.lengths))
        return shares if sample_weight is None else shares * np.asarray(sample_weight)
