"""Networks: weights, what is computed on data with them, and what they learn about its columns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray, as_floats
from rnn_rust.base.checks import finite, whole_number
from rnn_rust.data.dataset import Dataset, Sequence
from rnn_rust.data.order import known_names
from rnn_rust.data.scale import make_model_scaler
from rnn_rust.learning.labels import class_count
from rnn_rust.learning.losses import CUSTOM, CheckedLoss
from rnn_rust.learning.optimizers import CustomOptimizer, Optimizer
from rnn_rust.model.arguments import Options, Sizes
from rnn_rust.model.declaration import described
from rnn_rust.model.optimizer_state import OptimizerState
from rnn_rust.model.preparation import LabelledInputs, Preparation
from rnn_rust.model.settings import checked_settings, engine_settings
from rnn_rust.model.state_dict import CheckedOptimizer, checked_state

# Epochs whose learning rates are worked out ahead: enough for a call of the engine to cost nothing
# beside them.
_RATES_AHEAD = 1000

# Attributes that hold on to the engine, which settings and arrays describe instead.
_ENGINE_ATTRIBUTES = ("_core", "optimizer_state")

# Settings that are shown although they are the defaults.
_ALWAYS_SHOWN = ("activation", "output_activation", "loss", "dtype")


@dataclass(frozen=True)
class EpochRun:
    """A span of epochs that the engine trains in one call.

    Attributes
    ----------
    begins
        Whether it is the first of the calls that make up one training: what was learnt before is
        not taken back if the training diverges.
    epochs
        How many.
    batch_size, shuffle
        As in ``fit``.
    seed
        Of the orders of the sequences and of dropout.
    time_budget
        Seconds after which the call ends, at the end of an epoch; None without a limit.
    """

    begins: bool
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    time_budget: float | None = None


class Network:
    """What :class:`rnn_rust.RNN`, :class:`rnn_rust.GRU` and :class:`rnn_rust.LSTM` have in common.

    Layers of recurrent cells, the first of which reads the features and each further one the
    states of the layer below; and a linear head on what ``readout`` makes of the last layer's
    states s: ``y_t = output_activation(W_hy s_t + b_y)``. All states are 0 before a sequence.

    :mod:`rnn_rust.model.arguments` describes the arguments.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect beside the others.
    """

    cell: ClassVar[str]
    options: ClassVar[type] = Options

    def __init__(self, input_size: int, hidden_size: int, output_size: int, **options: Any) -> None:
        arguments = described(Sizes) | described(self.options)
        if unknown := [name for name in options if name not in arguments]:
            raise TypeError(
                f"{type(self).__name__}() got an unexpected keyword argument {unknown[0]!r}"
            )
        given = options | {
            "input_size": input_size, "hidden_size": hidden_size, "output_size": output_size
        }  # fmt: skip
        given = {name: given.get(name, argument.default) for name, argument in arguments.items()}
        self._settings = checked_settings(arguments, given)
        engine = engine_settings(self.cell, self._settings)
        self._core = _core.Network(engine)
        self.loss_name: str = engine["loss"]
        self.n_threads = given["n_threads"]
        self.optimizer = given["optimizer"]
        self.scaler = make_model_scaler(
            given["scaler"], self._settings["output_activation"],
            classes=class_count(self.loss_name, 2) is not None,
        )  # fmt: skip
        self.class_table: FloatArray | None = None
        self.feature_names: tuple[str, ...] | None = None
        self.label_names: tuple[str, ...] | None = None
        self._take_names_of_scaler()
        self._threshold: float | None = None
        self.epochs_trained = 0

    def _take_names_of_scaler(self) -> None:
        """Take over the names of the columns that a fitted scaler expects, where it knows them."""
        if self.scaler is None:
            return
        features, labels = self.scaler.feature_names_, self.scaler.label_names_
        if features is not None and len(features) == self._settings["input_size"]:
            self.feature_names = features
        if self.scaler.labels and labels is not None and len(labels) == self.label_columns:
            self.label_names = labels

    def __repr__(self) -> str:
        """Return the call that makes such a model, with what is not by default."""
        settings, options = self._settings, described(self.options)
        shown = [
            name for name in settings
            if name in options
            and (name in _ALWAYS_SHOWN or settings[name] != options[name].default)
        ]  # fmt: skip
        sizes = ", ".join(str(settings[name]) for name in described(Sizes))
        return (
            ", ".join(
                [
                    f"{type(self).__name__}({sizes}",
                    *(f"{name}={settings[name]!r}" for name in shown),
                ]
            )
            + ")"
        )

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
        return self.preparation.label_columns

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
        return self.optimizer_state.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer | CustomOptimizer) -> None:
        self.optimizer_state = OptimizerState(self._core, optimizer)

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
        outputs = self._core.predict(*self.preparation.inputs(data))
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
        return self._core.hidden_states(*self.preparation.inputs(data))

    def stepper(self) -> _core.Stepper:
        """Return a stepper, which reads a sequence event by event within about a microsecond.

        Raises
        ------
        ParameterError
            The model's scaler is not fitted yet, or the model cannot answer before a sequence has
            ended: ``bidirectional``, or readout ``"mean"``.

        Examples
        --------
        >>> import numpy as np
        >>> import rnn_rust as rnn
        >>> stepper = rnn.RNN(3, 5, 1).stepper()
        >>> outputs = [stepper.step(features) for features in np.eye(3)]
        >>> stepper.state.shape
        (5,)
        >>> stepper.reset()
        """
        if self.scaler is None:
            return self._core.stepper(([], []), ([], []), as_floats)
        features, labels = self.scaler.shifts_and_scales()
        return self._core.stepper(features, labels if self.scaler.labels else ([], []), as_floats)

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
            *self.preparation.labelled_inputs(data, purpose),
            gradients=gradients, dropout_seed=dropout_seed, custom=self._custom_loss,
        )  # fmt: skip

    @property
    def _custom_loss(self) -> CheckedLoss | None:
        """The loss if it is computed in Python."""
        return CheckedLoss(self._settings["loss"]) if self.loss_name == CUSTOM else None

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
        arrays = self.preparation.labelled_inputs(data, "an update")
        seed = (self._settings["seed"] + self.optimizer_state.updates) % 2**63
        run = EpochRun(
            begins=True, epochs=1, batch_size=len(arrays[2]) - 1, shuffle=False, seed=seed
        )  # fmt: skip
        losses, _, error = self.train_epochs(arrays, run)
        if error is not None:
            raise error
        self.optimizer_state.updates += 1
        return losses[0]

    # For training ----------------------------------------------------------------------------

    @property
    def preparation(self) -> Preparation:
        """What prepares data for the engine, by the settings and what was learnt so far."""
        settings = self._settings
        return Preparation(
            input_size=settings["input_size"], output_size=settings["output_size"],
            dtype=settings["dtype"], loss=self.loss_name, readout=settings["readout"],
            class_weight=settings["class_weight"], scaler=self.scaler,
            class_table=self.class_table, feature_names=self.feature_names,
            label_names=self.label_names,
        )  # fmt: skip

    def adapt(self, data: Dataset) -> None:
        """Learn about the columns of training data what is not known yet.

        The scaler is fitted, balanced class weights are computed, and names of columns taken over.
        """
        if self.scaler is not None and not self.scaler.is_fitted:
            self.scaler = copy.copy(self.scaler).fit(data)
        if self._settings["class_weight"] == "balanced" and self.class_table is None:
            self.class_table = self.preparation.balanced_class_table(data)
        features, labels = known_names(data)
        self.feature_names = self.feature_names or features
        self.label_names = self.label_names or labels

    def train_epochs(
        self, arrays: LabelledInputs, run: EpochRun
    ) -> tuple[list[float], list[float], BaseException | None]:
        """Train for a span of epochs.

        Parameters
        ----------
        arrays
            What :meth:`Preparation.labelled_inputs` returned of the training data.
        run
            Which epochs, and how.

        Returns
        -------
        (losses, seconds, error)
            Of the finished epochs, and what ended the call early or None. There may be fewer epochs
            than asked for without an error: call again for the others. ``epochs_trained`` is left
            to the caller.
        """
        first, settings = self.epochs_trained, self._settings
        ahead = range(first, first + min(run.epochs, _RATES_AHEAD))
        optimizer = self.optimizer_state.in_python
        return self._core.train(
            *arrays,
            {
                "begins": run.begins,
                "learning_rates": self.optimizer_state.learning_rates(ahead, settings["dtype"]),
                "clip_norm": settings["clip_norm"],
                "clip_value": settings["clip_value"],
                "bptt_steps": settings["bptt_steps"],
                "batch_size": run.batch_size,
                "shuffle": run.shuffle,
                "seed": run.seed,
                "first_epoch": first,
                "epochs": len(ahead),
                "time_budget": run.time_budget,
            },
            custom=self._custom_loss,
            optimizer=None if optimizer is None else CheckedOptimizer(optimizer),
        )

    # Copies ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return the whole state: a copy that is trained on ends with the bits of the original.

        Other than a file it has the optimiser's moments, ``n_threads``, attributes of subclasses,
        and what is in Python (an optimiser, a loss, a function for the learning rate), which has to
        be something that can be copied or pickled.
        """
        attributes = {
            name: value for name, value in vars(self).items() if name not in _ENGINE_ATTRIBUTES
        }
        return {
            "attributes": attributes,
            "weights": self.state_dict(),
            "n_threads": self.n_threads,
            "optimizer": self.optimizer,
            "progress": self.optimizer_state.progress(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become what another was."""
        vars(self).update(state["attributes"])
        if not hasattr(self, "_core"):
            self._core = _core.Network(engine_settings(self.cell, self._settings))
        self._core.load_state_dict(state["weights"])
        self.n_threads = state["n_threads"]
        self.optimizer = state["optimizer"]
        self.optimizer_state.load_progress(state["progress"])

    def __copy__(self) -> Self:
        """Return a copy that shares nothing with the model, not even an optimiser in Python."""
        return copy.deepcopy(self)
