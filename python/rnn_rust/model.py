"""The network as its users see it: arguments, data in original units, files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from rnn_rust import _core
from rnn_rust.checks import dtype_name, seed_number, whole_number
from rnn_rust.data.scale import Scaler, scaler_for
from rnn_rust.descent import Descent, Passage
from rnn_rust.inputs import FloatArray, inputs, labelled_inputs
from rnn_rust.optim import SGD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rnn_rust.data.dataset import Dataset, Sequence
    from rnn_rust.evaluate import Evaluator
    from rnn_rust.history import History, Record
    from rnn_rust.optim import CustomOptimizer, Optimizer
    from rnn_rust.training import Trained


class RNN:
    """A vanilla recurrent network (Elman, 1990) with an output at every time step.

    ``h_t = activation(W_ih x_t + W_hh h_{t-1} + b)`` with ``h_0 = 0``, and
    ``y_t = output_activation(W_hy h_t + b_y)``.

    Parameters
    ----------
    input_size, hidden_size, output_size
        Features I, hidden units H and outputs L per time step; each at least 1.
    activation
        Of the state: ``"tanh"``, ``"relu"``, ``"sigmoid"`` or ``"identity"``.
    output_activation
        Of the output, one of the same.
    loss
        ``"mse"``, the squared error.
    optimizer
        How a gradient changes the weights: ``SGD``, ``RMSprop``, ``Adagrad``, ``Adam`` or
        ``AdamW``, or an object of your own (:class:`rnn_rust.optim.CustomOptimizer`).
    init
        ``"pytorch"``: all U(−1/√H, 1/√H). ``"glorot_uniform"``: weights
        U(±√(6 / (fan in + fan out))), biases 0. ``"orthogonal"``: the same with an orthogonal
        ``weight_hh_l0``. ``"uniform"``: all U(−1, 1).
    reduction
        ``"mean"``: the loss of a batch is the mean over its labels. ``"sum"``: the sum over the
        steps of a sequence, mean over outputs and over the batch's sequences.
    dtype
        ``"float32"`` or ``"float64"``: of weights and arithmetic.
    seed
        Of the initial weights and of the order of sequences in ``fit``; the same seed gives the
        same bits.
    scaler
        ``"minmax"`` or ``"standard"``: fitted on the training part in the first ``fit``, kept in
        the model and its file. Features are scaled on the way in, predictions come back in
        original units. Labels are scaled too, but for ``"standard"`` with an output activation,
        whose range standardised labels would leave. A fitted scaler is taken as it is.
    n_threads
        How many threads a call may use; every number gives the same bits. By default what the
        environment variable ``RNN_RUST_NUM_THREADS`` says, or one for each processor that the
        process may use. Not kept in the model's file.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.

    Examples
    --------
    >>> model = RNN(input_size=3, hidden_size=5, output_size=1, seed=1)
    >>> model
    RNN(3, 5, 1, activation='tanh', output_activation='identity', loss='mse', dtype='float32')
    >>> {name: array.shape for name, array in model.state_dict().items()}  # doctest: +ELLIPSIS
    {'weight_ih_l0': (5, 3), 'weight_hh_l0': (5, 5), 'bias_l0': (5,), 'head.weight': (1, 5), ...}
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        activation: str = "tanh",
        output_activation: str = "identity",
        loss: str = "mse",
        optimizer: Optimizer | CustomOptimizer = SGD(0.01),  # noqa: B008 (it is frozen)
        init: str = "pytorch",
        reduction: str = "mean",
        dtype: str | type | np.dtype[Any] = "float32",
        seed: int = 0,
        scaler: str | Scaler | None = None,
        n_threads: int | None = None,
    ) -> None:
        self._settings: _core.Settings = {
            "input_size": whole_number("input_size", input_size, least=1),
            "hidden_size": whole_number("hidden_size", hidden_size, least=1),
            "output_size": whole_number("output_size", output_size, least=1),
            "activation": str(activation),
            "output_activation": str(output_activation),
            "loss": str(loss),
            "reduction": str(reduction),
            "dtype": dtype_name(dtype),
            "init": str(init),
            "seed": seed_number(seed),
        }
        self._core = _core.Network(self._settings)
        self.n_threads = n_threads
        self.optimizer = optimizer
        self.scaler = scaler_for(scaler, output_activation)
        self.feature_names: tuple[str, ...] | None = None
        self.label_names: tuple[str, ...] | None = None
        self.threshold: float | None = None
        self.epochs_trained = 0

    def __repr__(self) -> str:
        """Return the call that makes such a model."""
        s = self._settings
        shown = ("activation", "output_activation", "loss", "dtype")
        options = ", ".join(f"{name}={s[name]!r}" for name in shown)  # type: ignore[literal-required]
        return f"RNN({s['input_size']}, {s['hidden_size']}, {s['output_size']}, {options})"

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes, activations, loss, reduction, dtype, init and seed, as given."""
        return dict(self._settings)

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

        ``weight_ih_l0 (H, I)``, ``weight_hh_l0 (H, H)``, ``bias_l0 (H,)``, ``head.weight (L, H)``
        and ``head.bias (L,)``.
        """
        return self._core.state_dict()

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> Self:
        """Replace every weight by those of ``state``; none if one does not fit.

        PyTorch's pair ``bias_ih_l0`` and ``bias_hh_l0`` is accepted in place of ``bias_l0``, which
        is their sum. Arrays are converted to the model's dtype.

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

        In original units where the model has a scaler, and of the model's dtype. Thread-safe:
        several threads may predict at once.

        Raises
        ------
        ShapeError
            The data has another number of feature columns, or the same in another order.
        """
        outputs = self._core.predict(*inputs(self, data))
        return outputs if self.scaler is None else self.scaler.inverse_transform_labels(outputs)

    def hidden_states(self, data: Dataset | Sequence) -> FloatArray:
        """Return the states ``h_t`` of every row, ``(N, H)``.

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
            The model's scaler is not fitted yet.

        Examples
        --------
        >>> stepper = RNN(3, 5, 1).stepper()
        >>> outputs = [stepper.step(features) for features in np.eye(3)]
        >>> stepper.state.shape
        (5,)
        >>> stepper.reset()
        """
        if self.scaler is None:
            return self._core.stepper(([], []), ([], []))
        return self._core.stepper(*self.scaler.shifts_and_scales())

    def loss(self, data: Dataset | Sequence) -> float:
        """Return the loss of the data taken as one batch, in the (scaled) units of training.

        Raises
        ------
        ShapeError
            The data has another number of feature or label columns.
        DataError
            There is no label.
        """
        return self._core.loss(*labelled_inputs(self, data, "the loss"))

    def gradients(self, data: Dataset | Sequence) -> tuple[float, dict[str, FloatArray]]:
        """Return the loss of the data taken as one batch and its gradient.

        The gradient has the names and shapes of :meth:`state_dict`: full backpropagation through
        time (Werbos, 1990).

        Raises
        ------
        ShapeError, DataError
            As :meth:`loss`.
        """
        return self._core.gradients(*labelled_inputs(self, data, "a gradient"))

    def update(self, data: Dataset | Sequence) -> float:
        """Take one optimiser step on the data as one batch; return the loss before it.

        Raises
        ------
        ShapeError, DataError
            As :meth:`loss`.
        DivergedError
            The loss or the new weights are not finite; the weights stay as they were.
        """
        arrays = labelled_inputs(self, data, "an update")
        passage = Passage(begins=True, epochs=1, batch_size=len(arrays[2]) - 1, shuffle=False)
        losses, _, stop = self._descent.train(self, arrays, passage)
        if stop is not None:
            raise stop
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

        Called again, it goes on from where it stopped, with the scaler of the first call.

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
            Its metrics are recorded and logged every ``eval_every`` epochs, after the first and
            after the last, of ``train`` and, as ``validation_…``, of ``validation``.
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
            the same.

        Returns
        -------
        History
            One record per epoch. Ctrl-C ends the training early: the weights are those of the last
            finished update, a warning is logged, and ``history.interrupted`` is True.

        Raises
        ------
        ParameterError, ShapeError, DataError
            An argument or the data does not fit, or is not that of the checkpoint.
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
            By default a BinaryClassificationEvaluator if every label is 0 or 1, else a
            RegressionEvaluator.

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

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle and copy through the bytes of the file format; the optimiser as it is."""
        from rnn_rust.files import from_bytes, to_bytes

        return from_bytes, (to_bytes(self), self.optimizer)
