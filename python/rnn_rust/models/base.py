"""What all models have in common: training, evaluation, files and other forms."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import boolean
from rnn_rust.base.suggest import suggests_arguments
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.sequences import require_dataset
from rnn_rust.evaluate import Evaluator, Result
from rnn_rust.learning import optimizers
from rnn_rust.learning.history import History, Record
from rnn_rust.learning.losses import CUSTOM
from rnn_rust.model.arguments import Sizes
from rnn_rust.model.declaration import show_arguments
from rnn_rust.model.description import describe
from rnn_rust.model.network import Network
from rnn_rust.model.scorer import Scorer
from rnn_rust.model.scorers import make_scorer
from rnn_rust.model.scoring import forecast, predict_classes, score_frame
from rnn_rust.model.summary import Summary
from rnn_rust.models.torch import torch_state_dict
from rnn_rust.storage.model_file import write_packed
from rnn_rust.training.fit import TrainResult, evaluate, unbuilt_if_refused
from rnn_rust.training.fit import fit as _fit
from rnn_rust.training.fit import train as _train

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger("rnn_rust")


class Model(Network):
    """A network that is trained on data sets and kept in files."""

    def __init_subclass__(cls, **extra: Any) -> None:
        """Let signature and docstring of a model show the arguments that describe it."""
        super().__init_subclass__(**extra)
        if "cell" in vars(cls):
            show_arguments(cls, Sizes, cls.options, about=Network.__doc__)

    def summary(self) -> Summary:
        """Return the layers with their shapes, parameters and bytes; it prints as a table."""
        return Summary.of(self)

    def predict_classes(self, data: Any) -> Any:
        """Return the class of every row: its name if labels are text, else its number.

        This is the most probable class. For 0/1 labels it is 1 if the output is above the model's
        ``threshold`` (by default 0.5). ``data``, order and errors are as in :meth:`predict`.

        Raises
        ------
        ParameterError
            The loss is not a classification loss.
        """
        return predict_classes(self, data)

    def score_frame(self, table: Any) -> Any:
        """Return the table with the predictions for its rows as additional columns.

        The columns are named ``prediction``, or ``prediction_LABEL`` for each of several labels, or
        ``prediction_CLASS`` for each class. If classes have names, ``predicted`` (or
        ``predicted_LABEL`` for each of several labels) has the predicted class. A model that reads
        out whole sequences gives all rows of a sequence the same prediction.

        Parameters
        ----------
        table
            A table, or the path of a file, as in :meth:`predict`. The result is a pandas frame for
            a pandas frame, a pyarrow table for a pyarrow table, else a Polars frame; cells of a CSV
            file are kept as text. For a :class:`rnn_rust.Dataset`, the columns are added to
            its :meth:`rnn_rust.Dataset.to_frame`.

        Raises
        ------
        DataError
            A column is missing, or has the name of a prediction; or a cell cannot be used.
        ParameterError
            ``table`` is something else.
        """
        return score_frame(self, table)

    def scorer(
        self, *, max_entities: int | None = None, expire_after: float | None = None
    ) -> Scorer:
        """Return a scorer, which keeps a state for each card or machine and scores their events.

        Events may have more than the features: other names and columns are ignored.

        Parameters
        ----------
        max_entities
            Maximum number of entities. To add another one, the entity whose last event is longest
            ago is removed. None keeps all.
        expire_after
            An entity is removed when an event's time is more than this after its own last event;
            each event then needs a time. Every event removes some of the expired entities, so
            ``len`` may count others a little longer. None keeps entities forever.

        Raises
        ------
        ParameterError
            As :meth:`stepper`; or a limit has a value that is not allowed.

        Examples
        --------
        >>> import numpy as np
        >>> from rnn_rust import RNN
        >>> scorer = RNN(3, 5, 2).scorer()
        >>> scorer.score("card 1", [0.1, 0.2, 0.3]).shape
        (2,)
        >>> keys = ["card 1", "card 2", "card 1"]
        >>> outputs, new = scorer.score_batch(keys, np.eye(3), return_new=True)
        >>> outputs.shape, new.tolist(), len(scorer)
        ((3, 2), [False, True, False], 2)
        """
        return make_scorer(self, max_entities, expire_after)

    def forecast(self, data: Any) -> pl.DataFrame:
        """Return what follows the last row of each sequence: a Polars frame of id, time and value.

        It has ``horizon`` rows per sequence. Times continue with the spacing of the sequence; if it
        has a single row, with the spacing of the other sequences, or else of the training data. The
        model must be trained on a data set made by :meth:`rnn_rust.Dataset.forecast`.

        Parameters
        ----------
        data
            The rows so far: a table, a file or a data set, as in :meth:`predict`.

        Raises
        ------
        ParameterError
            The model was trained on other labels.
        DataError
            A column is missing, or a cell cannot be used; or a sequence has a single row, and
            nothing says how far apart rows are.
        """
        return forecast(self, data)

    def evaluate(self, data: Any, evaluator: Evaluator | None = None) -> Result:
        """Evaluate the predictions for labelled data; return metrics, also of a baseline.

        Parameters
        ----------
        data
            A data set, a sequence, a table or a file, as in :meth:`predict`, with labels.
        evaluator
            By default an evaluator that suits the labels: see
            :func:`rnn_rust.evaluate.default_evaluator`.

        Raises
        ------
        DataError, ShapeError, ParameterError
            As :meth:`predict`; or there is no label.
        """
        return evaluate(self, data, evaluator)

    # Training --------------------------------------------------------------------------------

    @suggests_arguments
    def fit(
        self,
        train: Dataset,
        *,
        epochs: int,
        batch_size: int = 32,
        shuffle: bool = True,
        validation: Dataset | None = None,
        evaluator: Evaluator | None = None,
        eval_every: int = 10,
        callbacks: Iterable[Callable[[Record], object]] = (),
        progress: bool = True,
        resume: str | os.PathLike[str] | None = None,
        initial_state: Any = None,
    ) -> History:
        """Train on whole sequences, ``batch_size`` of them per update.

        Another call continues from the current weights, with the scaler of the first call. Columns
        are matched by name with the columns of the first call, as in :meth:`predict`.

        Parameters
        ----------
        train
            The data to learn from; the scaler is fitted only on this.
        epochs
            Passes over the data, at least 1.
        batch_size
            Sequences per update; 1 is online gradient descent.
        shuffle
            Whether to draw a new order for each epoch, determined by the model's seed.
        validation
            Data whose loss is recorded after every epoch as ``validation_loss``.
        evaluator
            Its metrics are recorded and logged with every line of the log: for ``train`` and, as
            ``validation_…``, for ``validation``.
        eval_every
            Number of epochs between lines of the log, which :func:`rnn_rust.log.setup` shows. The
            first epoch and epoch number ``epochs`` are always logged.
        callbacks
            Called after every epoch with its record; training ends if one returns False.
            :mod:`rnn_rust.callbacks` has several, and says what else a callback may do.
        progress
            Whether to show a progress bar on a terminal if training takes longer than a moment.
        resume
            Path of a file that a :class:`rnn_rust.Checkpoint` wrote in the same call. Training
            continues from there until there are ``epochs`` records in all, and ends with the same
            bits as without the interruption. If the file does not exist, training starts from the
            beginning, so a killed script can simply be started again. Data, model, optimiser,
            ``batch_size`` and ``shuffle`` must be the same. Callbacks may change: new ones start
            there, and :class:`rnn_rust.EarlyStopping` uses its new patience.
        initial_state
            The states that the sequences of ``train`` start from, as in :meth:`predict`. For
            ``validation``, use :meth:`rnn_rust.Dataset.with_initial_state`.

        Returns
        -------
        History
            One record per epoch. Ctrl-C ends the training early: the model keeps the weights of the
            last finished update, or of the best epoch if :class:`rnn_rust.EarlyStopping` restores
            them; a warning is logged, and ``history.interrupted`` is True.

        Raises
        ------
        ParameterError, ShapeError, DataError
            An argument or the data does not fit, or differs from the checkpoint. If ``fit`` raises
            this before the first epoch, the model is unchanged. The first training needs at least
            one value of every label.
        ModelFileError
            ``resume`` is not a checkpoint, or a Checkpoint cannot be written.
        DivergedError
            The loss stopped being finite; the weights are the last finite ones.
        """
        if initial_state is not None:
            train = require_dataset(train, "training").with_initial_state(initial_state)
        with unbuilt_if_refused(self):
            return _fit(
                self, train, epochs=epochs, batch_size=batch_size, shuffle=shuffle,
                validation=validation, evaluator=evaluator, eval_every=eval_every,
                callbacks=callbacks, progress=progress, resume=resume,
            )  # fmt: skip

    def train(
        self,
        dataset: Dataset,
        epochs: int,
        train_ratio: float = 0.8,
        eval_every: int = 10,
        evaluator: Evaluator | None = None,
    ) -> TrainResult:
        """Split, train with one sequence per update, and evaluate, all in one call.

        Logs ``Epoch 10: Loss = … | Train Accuracy: …% | Test Accuracy: …%``, each computed on its
        own part, and both full evaluations at the end.

        Parameters
        ----------
        dataset
            All sequences; split by the model's seed.
        epochs
            Passes over the training part.
        train_ratio
            The training part's share of the sequences, above 0 and below 1.
        eval_every
            Epochs between two lines of the log.
        evaluator
            By default a BinaryClassificationEvaluator if every label is 0 or 1, a
            ClassificationEvaluator for loss ``"cross_entropy"``, else a RegressionEvaluator; each
            uses the model's ``threshold``, if it is set.

        Returns
        -------
        TrainResult
            ``(train, test, history)``: the two evaluations and the record.

        Raises
        ------
        ParameterError, ShapeError, DataError, DivergedError
            As :meth:`fit`.
        """
        with unbuilt_if_refused(self):
            return _train(
                self, dataset, epochs=epochs, train_ratio=train_ratio, eval_every=eval_every,
                evaluator=evaluator,
            )  # fmt: skip

    # Files -----------------------------------------------------------------------------------

    def to_torch_state_dict(self, *, name: str = "rnn", head: str = "fc") -> dict[str, FloatArray]:
        """Return a copy of the weights in the layout of a PyTorch module, with two biases.

        The weights are arrays; PyTorch's ``load_state_dict`` takes
        ``{key: torch.from_numpy(array) for key, array in ….items()}``. The module needs the inputs
        of the network: scaled features, with one input per level of a category. Its outputs lack
        the activation that a loss implies. :func:`rnn_rust.from_torch` is the inverse.

        Parameters
        ----------
        name
            Name of the ``torch.nn.RNN``, ``GRU`` or ``LSTM`` in the module; ``""`` for no prefix.
        head
            Name of the ``torch.nn.Linear``.

        Raises
        ------
        ParameterError
            PyTorch has no such network: its RNN has only the activations ``"tanh"`` and ``"relu"``,
            its GRU resets after the product (``reset_after=True``), and none of its networks reads
            only backwards (``reverse=True``).
        """
        return torch_state_dict(self, name=name, head=head)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file; an existing file is replaced in one step.

        The optimiser's settings are saved, its moments are not (a :class:`rnn_rust.Checkpoint`
        saves both). Python code cannot be saved: a function for the learning rate is replaced with
        its value in the last epoch, a custom optimiser with ``SGD()``, and a warning is logged.

        Raises
        ------
        WriteError
            The file cannot be written there.
        ParameterError, ShapeError
            ``path`` is not a path; or the model has no sizes yet, a scaler fitted on other columns,
            or something that cannot be saved in a file.
        """
        description = describe(self)
        stored = optimizers.from_dict(description["optimizer"])
        if stored != self.optimizer:
            _log.warning("A file cannot keep Python code: the optimizer in %s is %r", path, stored)
        if self.loss_name == CUSTOM:
            _log.warning("A file cannot keep Python code: the loss in %s is 'mse'", path)
        write_packed(path, description, self.state_dict())

    def to_c(self, folder: str | os.PathLike[str], *, name: str = "model") -> None:
        """Write the model as C99 for devices: ``folder`` gets a source file, its header and a test.

        ``NAME.c`` needs only math.h and allocates no memory. It reads a sequence event by event, as
        :meth:`stepper` does, with scaling, categories, missing numbers and time features; the first
        lines of ``NAME.h`` say how to call it, and with what. ``cc -std=c99 folder/*.c -lm`` makes
        a program that exits with 0 if the outputs for made-up events match the model's: within 1e-5
        in float or 1e-12 in double, depending on the model's dtype.

        Parameters
        ----------
        folder
            Written as a whole or not at all. An existing folder must be empty, or hold an export
            of the same name, which is replaced. It cannot be the current folder.
        name
            Prefix of the names of files, functions and constants.

        Raises
        ------
        ParameterError
            As :meth:`stepper`; or a scale of the model is outside float's range; or ``name`` cannot
            begin a name in C, or is the name of a C header.
        WriteError
            The folder cannot be written, is the current one, or has other files.
        """
        from rnn_rust.device import to_c

        to_c(self, folder, name)

    def to_onnx(self, path: str | os.PathLike[str], *, step: bool = False) -> None:
        """Write the model as ONNX, for other runtimes; an existing file is replaced in one step.

        The graph has the inputs ``features (batch, time, F)``, in the model's dtype and padded at
        the end of each sequence, and ``lengths (batch,)`` int32. Its output is ``outputs``, as
        :meth:`predict` returns them: ``(batch, time, L)``, with 0 in the padding; or ``(batch, L)``
        with readout ``"last"`` or ``"mean"``. The graph includes scaling, the filling of missing
        numbers (NaN) and the output activation. The metadata, with JSON entries, has the names of
        columns, outputs, categories and classes (``label_classes``, by label, if there are several
        labels). This needs the library onnx: ``pip install "rnn-rust[onnx]"``.

        The graph takes only numbers, no text or dates. A category is given as the number of its
        level in ``categories`` of the metadata; any other number counts as "other". Time features
        are additional columns, which the caller computes. The order in ``features`` is numbers,
        time features, categories: see ``feature_names`` of the metadata. Static features are
        another input, ``static (batch, K)``, in the order of ``static_names``.

        Operators are from opset 22, IR version 10, which onnxruntime supports since 1.21. It runs
        float32; it has no float64 RNN, GRU or LSTM, so float64 models need another runtime (such as
        ``onnx.reference``, which ignores ``lengths``). ONNX attributes are float32, including the
        slope of an RNN with activation ``"leaky_relu"``. With activation ``"softplus"``, an RNN
        overflows in onnxruntime if a unit's sum is above 88. A warning is logged for a feature that
        float32 rounds too much because its values are large compared with their variation.

        Parameters
        ----------
        path
            Path of the file.
        step
            Whether to export a single step, for streams: inputs ``features (batch, F)`` and states
            ``hidden (layers, batch, H)``, for an LSTM also ``cell``, which start with zeros;
            outputs ``(batch, L)`` and the new states ``hidden_out`` and ``cell_out``. With
            ``missing="forward"`` also ``last_numbers``, which start with NaN.

        Raises
        ------
        ParameterError
            The model has no sizes or its scaler is not fitted yet; an RNN has activation
            ``"silu"``, which ONNX's operator lacks; a forecast is relative to a value that is not
            an input; or ``step`` is used with ``bidirectional``, ``reverse`` or readout ``"mean"``.
        WriteError
            The file cannot be written there.
        """
        from rnn_rust.onnx.export import to_onnx

        to_onnx(self, path, step=boolean("step", step))
