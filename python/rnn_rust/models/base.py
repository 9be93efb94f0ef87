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
        """Return the class of every row, by name where labels are text, else its number.

        The most probable one; of 0/1 labels 1 where the output is above the model's ``threshold``,
        or 0.5. ``data``, order and errors are as in :meth:`predict`.

        Raises
        ------
        ParameterError
            The loss is not one of classes.
        """
        return predict_classes(self, data)

    def score_frame(self, table: Any) -> Any:
        """Return a table with the predictions of its rows as further columns.

        These are named ``prediction``, or ``prediction_LABEL`` for each of several labels, or
        ``prediction_CLASS``, with the class itself as ``predicted`` where classes have names, or
        ``predicted_LABEL`` for each of several labels. A model that reads out whole sequences has
        one prediction for all rows of a sequence.

        Parameters
        ----------
        table
            A table, or the path of a file, as in :meth:`predict`. A frame of pandas is answered by
            one, a pyarrow table by one, all else by a Polars frame; cells of a CSV file are text in
            it, as they stand there. Or a :class:`rnn_rust.Dataset`, answered by its
            :meth:`rnn_rust.Dataset.to_frame`.

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

        Events may carry more than the features: other names and columns are ignored.

        Parameters
        ----------
        max_entities
            How many entities are kept at most: for a further one that is given up whose last event
            came first. None keeps all.
        expire_after
            An entity is given up once an event's time is more than this past its last one; each
            event then has a time. An event removes some of those that have expired, so that ``len``
            may count others a little longer. None keeps them for any time.

        Raises
        ------
        ParameterError
            As :meth:`stepper`; or a limit is not a number that it can be.

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

        It has ``horizon`` rows for each sequence; times go on at the pace of the sequence, of one
        with a single row at the pace of the others, or else of the training. The model was trained
        on a data set made by :meth:`rnn_rust.Dataset.forecast`.

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
        """Return what predictions are worth, beside a baseline.

        Parameters
        ----------
        data
            A data set, a sequence, a table or a file, as in :meth:`predict`, with labels.
        evaluator
            By default the one that suits the labels: see
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

        Called again, it continues from where it stopped, with the scaler of the first call. Columns
        are matched by name with those of the first call, as in :meth:`predict`.

        Parameters
        ----------
        train
            The data to learn from; the scaler is fitted on this alone.
        epochs
            Passes over the data, at least 1.
        batch_size
            Sequences per update; 1 is online gradient descent.
        shuffle
            Whether each epoch has an order of its own, which follows from the model's seed.
        validation
            Data whose loss is recorded after every epoch as ``validation_loss``.
        evaluator
            Its metrics are recorded and logged with every line of the log, of ``train`` and, as
            ``validation_…``, of ``validation``.
        eval_every
            Epochs from one line of the log, which :func:`rnn_rust.log.setup` shows, to the next.
            The first epoch and epoch number ``epochs`` have one, too.
        callbacks
            Called after every epoch with its record; one that returns False ends the training.
            :mod:`rnn_rust.callbacks` has some, and says what else one may do.
        progress
            Whether a bar is shown on a terminal when training takes longer than a moment.
        resume
            Path of a file that a :class:`rnn_rust.Checkpoint` wrote in the same call: training goes
            on from there until there are ``epochs`` records in all, and ends with the same bits as
            without the break. Without such a file it begins, so that a script that is killed may
            simply be started again. Data, model, optimiser, ``batch_size`` and ``shuffle`` must be
            the same. Callbacks may change: those that are added begin there, and
            :class:`rnn_rust.EarlyStopping` goes by its present patience.
        initial_state
            The states that the sequences of ``train`` start from, as in :meth:`predict`.
            :meth:`rnn_rust.Dataset.with_initial_state` gives some to ``validation``.

        Returns
        -------
        History
            One record per epoch. Ctrl-C ends the training early: the weights are those of the last
            finished update, or of the best epoch where :class:`rnn_rust.EarlyStopping` restores
            them, a warning is logged, and ``history.interrupted`` is True.

        Raises
        ------
        ParameterError, ShapeError, DataError
            An argument or the data does not fit, or is not that of the checkpoint. What is refused
            before the first epoch leaves the model as it was. The first training needs a value of
            every label.
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
        """Split, train with one sequence per update, evaluate: all in one call.

        Logs ``Epoch 10: Loss = … | Train Accuracy: …% | Test Accuracy: …%``, each figure on its
        own part, and both full evaluations at the end.

        Parameters
        ----------
        dataset
            All sequences; split by the model's seed.
        epochs
            Passes over the training part.
        train_ratio
            Its share of the sequences, above 0 and below 1.
        eval_every
            Epochs between two lines of the log.
        evaluator
            By default a BinaryClassificationEvaluator if every label is 0 or 1, a
            ClassificationEvaluator for loss ``"cross_entropy"``, else a RegressionEvaluator; each
            with the model's ``threshold``, if that is set.

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
        """Return a copy of the weights as a module of PyTorch has them, with two biases.

        As arrays: ``{key: torch.from_numpy(array) for key, array in ….items()}`` is what
        ``load_state_dict`` of PyTorch takes. The module sees what the network sees: features as the
        model's scaler leaves them, each level of a category as an input, and outputs before the
        activation that a loss implies. :func:`rnn_rust.from_torch` goes the other way.

        Parameters
        ----------
        name
            Name of the ``torch.nn.RNN``, ``GRU`` or ``LSTM`` in the module; ``""`` for no prefix.
        head
            Name of the ``torch.nn.Linear``.

        Raises
        ------
        ParameterError
            PyTorch has no such network: of an RNN's activations it has ``"tanh"`` and ``"relu"``,
            its GRU resets after the product (``reset_after=True``), and none reads from the end
            alone (``reverse=True``).
        """
        return torch_state_dict(self, name=name, head=head)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file; an existing file is replaced in one step.

        The optimiser's settings are kept, its moments are not (a :class:`rnn_rust.Checkpoint` keeps
        both). Python code cannot be kept: in place of a function for the learning rate there is its
        value in the last epoch, in place of an optimiser of your own ``SGD()``, and a warning is
        logged.

        Raises
        ------
        WriteError
            The file cannot be written there.
        ParameterError, ShapeError
            ``path`` is not one; the model has no sizes yet, a scaler of other columns, or something
            that no file can hold.
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

        ``NAME.c`` needs math.h alone and allocates nothing. It reads a sequence event by event, as
        :meth:`stepper` does, with scaling, categories, missing numbers and features of time; the
        first lines of ``NAME.h`` say how, and what it takes. ``cc -std=c99 folder/*.c -lm`` makes a
        program that exits with 0 if the outputs for made-up events are those of the model: within
        1e-5 in float, 1e-12 in double, the type of the model's dtype.

        Parameters
        ----------
        folder
            It is written whole or not at all. One that is there has to be empty, or hold an export
            of the same name, which is replaced; it cannot be the current folder.
        name
            What the names of files, functions and constants begin with.

        Raises
        ------
        ParameterError
            As :meth:`stepper`; or the model has a scale out of float's range; or ``name`` cannot
            begin a name in C, or is that of a header of C.
        WriteError
            The folder cannot be written, is the current one, or has other files.
        """
        from rnn_rust.device import to_c

        to_c(self, folder, name)

    def to_onnx(self, path: str | os.PathLike[str], *, step: bool = False) -> None:
        """Write the model as ONNX, for other runtimes; an existing file is replaced in one step.

        The graph has the inputs ``features (batch, time, F)`` of the model's dtype, sequences of
        any length padded at their ends, and ``lengths (batch,)`` int32. Its output is ``outputs``,
        what :meth:`predict` returns: ``(batch, time, L)``, 0 beyond a sequence's length; with
        readout ``"last"`` or ``"mean"`` ``(batch, L)``. Scaling, filling of missing numbers (NaN)
        and the activation of outputs are part of it. Metadata, each entry JSON, has the names of
        columns, outputs, categories and classes (of several labels ``label_classes``, by their
        names). It needs the library onnx: ``pip install "rnn-rust[onnx]"``.

        A graph of numbers knows neither text nor dates. Of a category it takes the number of the
        level among ``categories`` of the metadata, any other number counts as "other"; features of
        time are further columns, which the caller computes. ``features`` has numbers first, then
        features of time, then categories: ``feature_names`` of the metadata. Static features are a
        further input, ``static (batch, K)``, of ``static_names``.

        Operators are those of opset 22, IR version 10, which onnxruntime knows since 1.21. It runs
        float32; it has no RNN, GRU or LSTM of float64, so files of such models are for other
        runtimes (``onnx.reference`` for example, which ignores ``lengths``). Attributes of ONNX are
        float32, so is the slope of an RNN with activation ``"leaky_relu"``. An RNN of activation
        ``"softplus"`` overflows in onnxruntime where a unit's sum is above 88. A feature that
        float32 rounds too much, as it is large beside what it varies by, is logged.

        Parameters
        ----------
        path
            Of the file.
        step
            Whether the graph is of one step, for streams: ``features (batch, F)`` with states
            ``hidden (layers, batch, H)``, of an LSTM also ``cell``, which begin with zeros; outputs
            ``(batch, L)`` and the states after it, ``hidden_out`` and ``cell_out``. With
            ``missing="forward"`` also ``last_numbers``, which begin with NaN.

        Raises
        ------
        ParameterError
            The model has no sizes or its scaler is not fitted yet; activation ``"silu"`` of an RNN,
            which ONNX's operator does not have; a forecast relative to a value that is no input; or
            ``step`` with ``bidirectional``, ``reverse`` or readout ``"mean"``.
        WriteError
            The file cannot be written there.
        """
        from rnn_rust.onnx.export import to_onnx

        to_onnx(self, path, step=boolean("step", step))
