"""Networks as their users see them: arguments, data in original units, files."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust import _core
from rnn_rust.checks import finite, whole_number
from rnn_rust.data.scale import Scaler, scaler_for
from rnn_rust.descent import Descent, Passage
from rnn_rust.inputs import FloatArray, inputs, labelled_inputs
from rnn_rust.labels import class_count
from rnn_rust.losses import CUSTOM, Loss
from rnn_rust.optim import SGD
from rnn_rust.settings import checked, engine_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rnn_rust.data.dataset import Dataset, Sequence
    from rnn_rust.evaluate import Evaluator
    from rnn_rust.history import History, Record
    from rnn_rust.label_weights import ClassWeight
    from rnn_rust.losses import CustomLoss
    from rnn_rust.optim import CustomOptimizer, Optimizer
    from rnn_rust.summary import Summary
    from rnn_rust.training import Trained


class Network:
    """What :class:`rnn_rust.RNN`, :class:`rnn_rust.GRU` and :class:`rnn_rust.LSTM` have in common.

    Layers of recurrent cells, the first of which reads the features and each further one the
    states of the layer below; and a linear head on what ``readout`` makes of the last layer's
    states s: ``y_t = output_activation(W_hy s_t + b_y)``. All states are 0 before a sequence.

    Parameters
    ----------
    input_size, hidden_size, output_size
        Features I, hidden units H of a layer and direction, and outputs L; each at least 1.
    num_layers
        Layers, one on the other.
    bidirectional
        Whether each layer also reads the sequence from its end (Schuster and Paliwal, 1997); a
        state then is both directions' side by side, as in PyTorch.
    dropout
        Probability of dropping a number between two layers in training (Srivastava et al., 2014).
    recurrent_dropout
        Probability of dropping a unit's state on its way to the next step in training; one mask for
        a whole sequence (Gal and Ghahramani, 2016). Both follow from the seed.
    readout
        ``"each_step"``: an output for every row. ``"last"``: one for every sequence, from its final
        state (of both directions). ``"mean"``: one for every sequence, from the mean of its states.
        The label of a sequence is its last labelled row.
    output_activation
        Of the outputs: ``"identity"``, ``"tanh"``, ``"relu"``, ``"sigmoid"``, ``"elu"``,
        ``"leaky_relu"``, ``"softplus"``, ``"softsign"`` or ``"silu"``. The losses of classes imply
        their own.
    loss
        Of numbers: ``"mse"``, ``"mae"``, ``"huber"``, ``"quantile"``. Of 0/1 labels:
        ``"binary_cross_entropy"``, ``"focal"``; of the numbers of classes: ``"cross_entropy"``. Or
        an object with parameters (``Huber``, ``Quantile``, ``Focal``), or one of your own with
        ``value_and_gradient(predictions, labels)``. :mod:`rnn_rust.losses` has the equations.
    optimizer
        How a gradient changes the weights: ``SGD``, ``RMSprop``, ``Adagrad``, ``Adam`` or
        ``AdamW`` with their settings, or an object of your own with
        ``update(parameters, gradients)``, on dicts of arrays.
    clip_norm, clip_value
        Limits of the gradient before an update: of its norm over all weights, and of each number.
        With both, numbers are limited first.
    bptt_steps
        Truncated backpropagation through time (Williams and Peng, 1990): sequences are cut into
        windows of so many steps, each with an update of its own. States are carried from one to the
        next, derivatives are not; memory is that of one window.
    class_weight
        ``"balanced"`` or a dict with a weight for each class, for the losses of classes.
    pos_weight
        How many times a positive label counts, for ``"binary_cross_entropy"`` and ``"focal"``; as
        in PyTorch the mean is still over the number of labels.
    init
        ``"pytorch"``: all U(−1/√H, 1/√H). ``"glorot_uniform"``: weights
        U(±√(6 / (fan in + fan out))), biases 0. ``"orthogonal"``: the same with orthogonal
        recurrent weights. ``"uniform"``: all U(−1, 1).
    reduction
        ``"mean"``: the loss of a batch is the mean over its labels, weighted if they have weights.
        ``"sum"``: the sum over the steps of a sequence, mean over outputs and over the batch's
        sequences.
    dtype
        ``"float32"`` or ``"float64"``: of weights and arithmetic.
    seed
        Of the initial weights, of the order of sequences in ``fit`` and of dropout; the same seed
        gives the same bits.
    scaler
        ``"minmax"`` or ``"standard"``: fitted on the training part in the first ``fit``, kept in
        the model and its file. Features are scaled on the way in, predictions come back in
        original units, in float64. Labels are scaled too, but for classes, and for ``"standard"``
        with an output activation, whose range standardised labels would leave. A fitted scaler is
        taken as it is.
    n_threads
        How many threads a call may use; every number gives the same bits. By default what the
        environment variable ``RNN_RUST_NUM_THREADS`` says, or one for each processor that the
        process may use. Not kept in the model's file.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect beside the others.
    """

    _cell: ClassVar[str]
    # The one argument that other cells have not, and its default.
    _of_cell: ClassVar[tuple[str, Any]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        readout: str = "each_step",
        output_activation: str = "identity",
        loss: Loss = "mse",
        optimizer: Optimizer | CustomOptimizer = SGD(0.01),  # noqa: B008 (it is frozen)
        clip_norm: float | None = None,
        clip_value: float | None = None,
        bptt_steps: int | None = None,
        class_weight: ClassWeight = None,
        pos_weight: float | None = None,
        init: str = "pytorch",
        reduction: str = "mean",
        dtype: str | type | np.dtype[Any] = "float32",
        seed: int = 0,
        scaler: str | Scaler | None = None,
        n_threads: int | None = None,
        **of_cell: Any,
    ) -> None:
        if strange := [name for name in of_cell if name != self._of_cell[0]]:
            raise TypeError(
                f"{type(self).__name__}() got an unexpected keyword argument {strange[0]!r}"
            )
        self._settings = checked({
            "input_size": input_size, "hidden_size": hidden_size, "output_size": output_size,
            **of_cell,
            "num_layers": num_layers, "bidirectional": bidirectional, "dropout": dropout,
            "recurrent_dropout": recurrent_dropout, "readout": readout,
            "output_activation": output_activation, "loss": loss, "clip_norm": clip_norm,
            "clip_value": clip_value, "bptt_steps": bptt_steps, "class_weight": class_weight,
            "pos_weight": pos_weight, "init": init, "reduction": reduction, "dtype": dtype,
            "seed": seed,
        })  # fmt: skip
        engine = engine_settings(self._cell, self._settings)
        self._core = _core.Network(engine)
        self.loss_name: str = engine["loss"]
        self.n_threads = n_threads
        self.optimizer = optimizer
        self.scaler = scaler_for(
            scaler, output_activation, classes=class_count(self.loss_name, 2) is not None
        )
        self.class_table: FloatArray | None = None
        self.feature_names, self.label_names = self._names_of_scaler()
        self._threshold: float | None = None
        self.epochs_trained = 0

    def _names_of_scaler(self) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        """Return the names of the columns that a fitted scaler expects, where it knows them."""
        if self.scaler is None:
            return None, None
        features, labels = self.scaler.feature_names_, self.scaler.label_names_
        fits = features is not None and len(features) == self._settings["input_size"]
        scales = self.scaler.labels and labels is not None and len(labels) == self.label_columns
        return features if fits else None, labels if scales else None

    def __repr__(self) -> str:
        """Return the call that makes such a model, with what is not by default."""
        s, defaults = self._settings, dict([*_DEFAULTS.items(), self._of_cell])
        shown = [
            name for name in s
            if name in _ALWAYS_SHOWN or s[name] != defaults.get(name, s[name])
        ]  # fmt: skip
        options = ", ".join(f"{name}={s[name]!r}" for name in shown)
        sizes = f"{s['input_size']}, {s['hidden_size']}, {s['output_size']}"
        return f"{type(self).__name__}({sizes}, {options})"

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments but for optimizer, scaler and n_threads, as given."""
        given = self._settings.items()
        return {name: dict(value) if isinstance(value, dict) else value for name, value in given}

    @property
    def readout(self) -> str:
        """What outputs are of: ``"each_step"``, or a sequence's ``"last"`` or ``"mean"`` state."""
        return str(self._settings["readout"])

    @property
    def label_columns(self) -> int:
        """The number of label columns C: one for class numbers, else one for each output."""
        return 1 if self.loss_name == "cross_entropy" else int(self._settings["output_size"])

    def summary(self) -> Summary:
        """Return the layers with their shapes, parameters and bytes; it prints as a table."""
        from rnn_rust.summary import Summary

        return Summary.of(self)

    @property
    def n_threads(self) -> int | None:
        """How many threads a call may use; None leaves it to the environment."""
        return self._core.n_threads

    @n_threads.setter
    def n_threads(self, n_threads: int | None) -> None:
        if n_threads is not None:
            n_threads = whole_number("n_threads", n_threads, least=1)
        self._core.n_threads = n_threads

    @property
    def threshold(self) -> float | None:
        """What evaluators without a threshold of their own use; kept in the model's file.

        Of 0/1 labels, the output above which the answer is positive; of numbers, the relative error
        up to which it is right. None, as in a new model, leaves it to the evaluator.
        """
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float | None) -> None:
        self._threshold = None if threshold is None else finite("threshold", threshold)

    @property
    def optimizer(self) -> Optimizer | CustomOptimizer:
        """How a gradient changes the weights.

        May be replaced between calls of ``fit``; moments, and the rate of a schedule that follows
        the record, then begin anew.
        """
        return self._descent.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer | CustomOptimizer) -> None:
        self._descent = Descent(self._core, optimizer)

    # Weights ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, FloatArray]:
        """Return a copy of every weight under PyTorch's names.

        With G gates (1; GRU r z n; LSTM i f g o) and D directions: ``weight_ih_l{k} (G·H, I)`` (of
        further layers ``(G·H, D·H)``), ``weight_hh_l{k} (G·H, H)``, ``bias_l{k} (G·H,)``, for the
        GRU ``bias_hn_l{k} (H,)``; all with ``_reverse`` for the other direction; and
        ``head.weight (L, D·H)``, ``head.bias (L,)``.
        """
        return self._core.state_dict()

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> Self:
        """Replace every weight by those of ``state``; none if one does not fit.

        PyTorch's pair ``bias_ih_l0`` and ``bias_hh_l0`` is accepted in place of ``bias_l0``, which
        is their sum (of a GRU, the candidate's part of ``bias_hh_l0`` is ``bias_hn_l0``), and so on
        for further layers. Arrays are converted to the model's dtype.

        Raises
        ------
        ShapeError
            A name is missing or unknown, or an array has another shape.
        DataError
            A weight is NaN, infinite or not a number.
        """
        from rnn_rust.weights import checked_state

        self._core.load_state_dict(checked_state(state, like=self.state_dict()))
        return self

    # Data ------------------------------------------------------------------------------------

    def predict(self, data: Dataset | Sequence) -> FloatArray:
        """Return the outputs of every row: ``(N, L)`` of a data set, ``(T, L)`` of a sequence.

        With readout ``"last"`` or ``"mean"`` those of every sequence: ``(S, L)`` or ``(1, L)``.
        Probabilities if the loss is one of classes, else in original units where the model has a
        scaler: float64 where that scales labels, otherwise of the model's dtype. Nothing is
        dropped. Thread-safe: several threads may predict at once.

        Columns are matched by name with those of the training, in whatever order they are; of
        arrays without names, by position. Outputs are in the order of the labels of the training.

        Raises
        ------
        ShapeError
            The data has another number of feature columns, or columns of other names.
        """
        outputs = self._core.predict(*inputs(self, data))
        if self.scaler is None or not self.scaler.labels:
            return outputs
        return self.scaler.inverse_transform_labels(outputs)

    def hidden_states(self, data: Dataset | Sequence) -> FloatArray:
        """Return the last layer's states of every row, ``(N, D·H)``: its directions side by side.

        Raises
        ------
        ShapeError
            As :meth:`predict`.
        """
        return self._core.hidden_states(*inputs(self, data))

    def stepper(self) -> _core.Stepper:
        """Return a stepper, which reads a sequence event by event within about a microsecond.

        Raises
        ------
        ParameterError
            The model's scaler is not fitted yet, or the model cannot answer before a sequence has
            ended: ``bidirectional``, or readout ``"mean"``.

        Examples
        --------
        >>> import rnn_rust as rnn
        >>> stepper = rnn.RNN(3, 5, 1).stepper()
        >>> outputs = [stepper.step(features) for features in np.eye(3)]
        >>> stepper.state.shape
        (5,)
        >>> stepper.reset()
        """
        if self.scaler is None:
            return self._core.stepper(([], []), ([], []))
        features, labels = self.scaler.shifts_and_scales()
        return self._core.stepper(features, labels if self.scaler.labels else ([], []))

    def loss(self, data: Dataset | Sequence, *, dropout_seed: int | None = None) -> float:
        """Return the loss of the data taken as one batch, in the (scaled) units of training.

        With a ``dropout_seed`` numbers are dropped as in training, which ones follows from it.

        Raises
        ------
        ShapeError
            The data has another number of feature or label columns, or columns of other names.
        DataError
            There is no label.
        """
        return self._loss(data, "the loss", gradients=False, dropout_seed=dropout_seed)[0]

    def gradients(
        self, data: Dataset | Sequence, *, dropout_seed: int | None = None
    ) -> tuple[float, dict[str, FloatArray]]:
        """Return the loss of the data taken as one batch and its gradient.

        The gradient has the names and shapes of :meth:`state_dict`: full backpropagation through
        time (Werbos, 1990). ``dropout_seed`` as in :meth:`loss`.

        Raises
        ------
        ShapeError, DataError
            As :meth:`loss`.
        """
        loss, gradients = self._loss(data, "a gradient", gradients=True, dropout_seed=dropout_seed)
        return loss, gradients or {}

    def _loss(
        self,
        data: Dataset | Sequence,
        purpose: str,
        *,
        gradients: bool,
        dropout_seed: int | None,
    ) -> tuple[float, dict[str, FloatArray] | None]:
        if dropout_seed is not None:
            dropout_seed = whole_number("dropout_seed", dropout_seed, least=0)
        return self._core.loss(
            *labelled_inputs(self, data, purpose),
            gradients=gradients, dropout_seed=dropout_seed, custom=self.custom_loss,
        )  # fmt: skip

    @property
    def custom_loss(self) -> CustomLoss | None:
        """The loss if it is computed in Python."""
        loss: CustomLoss | None = self._settings["loss"] if self.loss_name == CUSTOM else None
        return loss

    def update(self, data: Dataset | Sequence) -> float:
        """Take one optimiser step on the data as one batch; return the loss before it.

        With ``bptt_steps`` one step for each window, and the loss is that of all of them. Each call
        drops other numbers, which follows from the model's seed.

        Raises
        ------
        ShapeError, DataError
            As :meth:`loss`.
        DivergedError
            The loss or the new weights are not finite; the weights stay as they were.
        """
        arrays = labelled_inputs(self, data, "an update")
        seed = (self._settings["seed"] + self._descent.updates) % 2**63
        passage = Passage(
            begins=True, epochs=1, batch_size=len(arrays[2]) - 1, shuffle=False, seed=seed
        )  # fmt: skip
        losses, _, stop = self._descent.train(self, arrays, passage)
        if stop is not None:
            raise stop
        self._descent.updates += 1
        return losses[0]

    # Training --------------------------------------------------------------------------------

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
    ) -> History:
        """Train on whole sequences, ``batch_size`` of them per update.

        Called again, it goes on from where it stopped, with the scaler of the first call. Columns
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

        Returns
        -------
        History
            One record per epoch. Ctrl-C ends the training early: the weights are those of the last
            finished update, a warning is logged, and ``history.interrupted`` is True.

        Raises
        ------
        ParameterError, ShapeError, DataError
            An argument or the data does not fit, or is not that of the checkpoint. What is refused
            before the first epoch leaves the model as it was.
        ModelFileError
            ``resume`` is no checkpoint, or a Checkpoint cannot be written.
        DivergedError
            The loss stopped being finite; the weights are the last finite ones.
        """
        from rnn_rust.training import fit

        return fit(
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
    ) -> Trained:
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
        Trained
            ``(train, test, history)``: the two evaluations and the record.

        Raises
        ------
        ParameterError, ShapeError, DataError, DivergedError
            As :meth:`fit`.
        """
        from rnn_rust.training import train

        return train(
            self, dataset, epochs=epochs, train_ratio=train_ratio, eval_every=eval_every,
            evaluator=evaluator,
        )  # fmt: skip

    # Files -----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file; an existing file is replaced in one step.

        The optimiser's settings are kept, its moments are not (a :class:`rnn_rust.Checkpoint` keeps
        both). Python code cannot be kept: in place of a function for the learning rate there is its
        value in the last epoch, in place of an optimiser of your own ``SGD()``, and a warning is
        logged.

        Raises
        ------
        ModelFileError
            The file cannot be written there.
        """
        from rnn_rust.files import save

        save(self, path)

    # Copies ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return the whole state: a copy that is trained on ends with the bits of the original.

        Other than a file it has the optimiser's moments, ``n_threads``, and what is in Python (an
        optimiser, a loss, a function for the learning rate), which has to be one that can be
        copied or pickled.
        """
        from rnn_rust.whole import state_of

        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become what another was."""
        from rnn_rust.whole import set_state

        set_state(self, state)

    def __copy__(self) -> Self:
        """Return a copy that shares nothing with the model, not even an optimiser in Python."""
        return copy.deepcopy(self)


# What is shown although it is by default, and the defaults of all else.
_ALWAYS_SHOWN = ("activation", "output_activation", "loss", "dtype")
_DEFAULTS: dict[str, Any] = Network.__init__.__kwdefaults__ or {}
