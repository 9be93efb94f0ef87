"""The arguments of the estimators, and their documentation."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.base import BaseEstimator

_PARAMETERS = """
    Parameters
    ----------
    id, time
        The columns of a frame that say which sequence a row belongs to, and that order its rows. If
        a ``ColumnTransformer`` has added a prefix to a column, it is found by the end of its name.
        For tools that treat every column as a feature, put them into the pandas index:
        ``X.set_index([id, time])``.
    time_format
        As in :meth:`rnn_rust.Dataset.from_file`: the format of times that are text, such as
        ``"%d/%m/%Y"``; None if it can be recognised. Whether the day comes before the month is
        learnt in the first fit.
    cell
        ``"rnn"``, ``"gru"`` or ``"lstm"``.
    hidden_size, num_layers, bidirectional, reverse, dropout, readout
        As in :class:`rnn_rust.GRU`.
    clip_norm, scaler, dtype, n_threads
        As in :class:`rnn_rust.GRU`.
    loss
        As in :class:`rnn_rust.GRU`; None chooses a loss that suits the labels.
    optimizer, learning_rate
        A name (``"sgd"``, ``"rmsprop"``, ``"adagrad"``, ``"adam"``, ``"adamw"``) and its learning
        rate; or an optimiser from :mod:`rnn_rust.optim`, which has its own learning rate.
    epochs, batch_size
        Passes over the data, and sequences per update (None for all of them).
    categories, ties
        As in :meth:`rnn_rust.Dataset.from_file`; text columns of a frame are categories.
    static
        Columns of a frame with one value for all rows of a sequence, which the network reads only
        once per sequence; None if there are none.
    max_categories, missing, missing_indicator, time_features
        As in :class:`rnn_rust.GRU`; arrays must not have missing numbers.
    class_weight
        None, ``"balanced"`` (from the labels of each ``fit``; not allowed in a ``partial_fit``
        without an earlier ``fit``), or a dict with a weight for each class; for classifiers.
    early_stopping
        Whether to stop training, and restore the best weights, when the loss of held-out sequences
        has not improved for ``n_iter_no_change`` epochs. ``"auto"``: if X_val is given, or there
        are more than 10,000 sequences.
    validation, validation_fraction
        Which sequences are held out, ``"random"`` ones or the latest (``"time"``), and their share.
    warm_start
        Whether ``fit`` continues with the model of the previous call. Arguments set since then,
        such as a learning rate, are used; what defines the network, such as its size, cannot
        change.
    random_state
        Seed for initial weights, held-out sequences, order and dropout.

    Attributes
    ----------
    model_
        The network, for anything else: files, steppers, hidden states. It has text classes by name,
        other classes by their positions in ``classes_``; its labels are called ``label0`` ...
    n_features_in_, feature_names_in_
        The features: all columns except ``id`` and ``time``. Names if X was a frame.
    n_iter_, loss_curve_
        The number of epochs, and the training loss of each.
    validation_scores_
        The negative loss of the held-out data after each epoch, or None.
"""


def documented(estimator: type) -> type:
    """Add the shared parameters and attributes to an estimator's docstring, if it has one."""
    if estimator.__doc__:
        intro, _, own = inspect.cleandoc(estimator.__doc__).partition("\n\nAttributes\n----------")
        estimator.__doc__ = f"{intro}\n\n{inspect.cleandoc(_PARAMETERS)}{own}\n"
    return estimator


class Arguments(BaseEstimator):
    """The arguments of all estimators here, stored unchanged as scikit-learn requires."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled state; arguments that an earlier version lacked get their defaults."""
        parameters = inspect.signature(type(self)).parameters
        super().__setstate__({name: each.default for name, each in parameters.items()} | state)

    def __init__(
        self,
        *,
        id: str | None = None,
        time: str | None = None,
        time_format: str | None = None,
        cell: str = "gru",
        hidden_size: int = 16,
        num_layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
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
        static: Any = None,
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
        self.time_format = time_format
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.reverse = reverse
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
        self.static = static
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
