"""What a network computes: predictions, losses, gradients, updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray, as_floats
from rnn_rust.base.checks import boolean, whole_number
from rnn_rust.data.dataset import Dataset, Sequence
from rnn_rust.model.base import BaseNetwork
from rnn_rust.model.epochs import EpochRun, custom_loss, train_epochs
from rnn_rust.model.inputs import inputs_of
from rnn_rust.model.preparation import LabelledInputs
from rnn_rust.model.states import of_one
from rnn_rust.model.streams import stepper_of


class Network(BaseNetwork):
    """What :class:`rnn_rust.RNN`, :class:`rnn_rust.GRU` and :class:`rnn_rust.LSTM` have in common.

    The first recurrent layer reads the features, and each further one the states of the layer
    below. A linear head reads the last layer's states s, as chosen by ``readout``:
    ``y_t = output_activation(W_hy s_t + b_y)``. All states are 0 at the start of a sequence.

    :mod:`rnn_rust.model.arguments` describes the arguments.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect with the other arguments.
    """

    # Data ------------------------------------------------------------------------------------

    def predict(self, data: Any, *, initial_state: Any = None, return_state: bool = False) -> Any:
        """Return the outputs of every row: ``(N, L)`` for a data set, ``(T, L)`` for a sequence.

        With readout ``"last"`` or ``"mean"``, return one output per sequence: ``(S, L)`` or
        ``(1, L)``. Outputs are probabilities if the loss is a classification loss, else numbers in
        original units. They have the model's dtype, or float64 if a scaler scales labels. No
        dropout is applied. Thread-safe: several threads may predict at once.

        Columns are matched with the training columns by name, in any order; arrays without names
        are matched by position. Outputs are in the order of the labels in training.

        Parameters
        ----------
        data
            A :class:`rnn_rust.Dataset` or one of its sequences. Or any table that
            :meth:`rnn_rust.Dataset.from_frame` takes, or the path of a file, with the columns used
            in training (others are ignored, labels are not needed); outputs are then in the order
            of its rows. Or arrays: ``(T, F)`` for one sequence; ``(B, T, F)``, which returns
            ``(B, T, L)``; a list of arrays ``(T, F)``, which returns a list of arrays ``(T, L)``.
            With readout ``"last"`` or ``"mean"``, all of these return one array ``(S, L)``.
        initial_state
            The state that each sequence starts from instead of 0: ``(S, H)``, or ``(S, layers, H)``
            for several layers (the directions of a layer follow one another); an LSTM has 2 H
            numbers, h followed by c. For a single sequence or an array ``(T, F)``, leave out S; for
            a table, use the order in which ids first appear. This is the state of the network only:
            missing numbers in the first row are filled with the mean, even with
            ``missing="forward"``, and its elapsed time is 0. A
            :class:`rnn_rust.errors.StateWarning` then says so.
        return_state
            Whether to return the final states of the sequences too, as ``(outputs, state)``. Pass
            them on with the next rows to continue, or set them as the ``state`` of a stepper.

        Raises
        ------
        ShapeError
            The data has another number of feature columns, or columns with other names; or the
            states do not fit the network.
        DataError
            A table lacks a column, or a cell cannot be used.
        ParameterError
            ``data`` is something else.
        """
        given = inputs_of(self, data)
        own = self._starting_from(given.data, initial_state, alone=given.is_one)
        states = boolean("return_state", return_state)
        outputs, state = self.outputs_and_state(own, states=states)
        answer = given.restore(outputs, self.readout == "each_step")
        if state is None:
            return answer
        return answer, state[0] if given.is_one else state

    def outputs_and_state(
        self, data: Dataset | Sequence, *, states: bool = False
    ) -> tuple[FloatArray, FloatArray | None]:
        """Return outputs in the order of ``data``'s rows, and the final states ``(S, ...)``.

        The states are None unless ``states`` is True.
        """
        preparation = self.preparation
        features, offsets, once = preparation.inputs(data)
        outputs, *found = self._core.predict(features, offsets, once, states=states)
        if self.readout == "each_step":
            outputs = preparation.in_order(outputs, offsets)
        outputs = self._in_original_units(outputs, data)
        return outputs, found[0].reshape(-1, *preparation.state_shape) if found else None

    def _starting_from(
        self, data: Dataset | Sequence, state: Any, *, alone: bool
    ) -> Dataset | Sequence:
        """Return data whose sequences start from a state, without first axis if ``alone``."""
        if state is None:
            return data
        array = as_floats("initial_state", state)
        if alone:
            array = of_one(array, self.preparation.state_shape)
        if isinstance(data, Sequence):
            return replace(data, initial_state=array)
        return data.with_initial_state(array[np.newaxis] if alone else array)

    def _in_original_units(self, outputs: FloatArray, data: Dataset | Sequence) -> FloatArray:
        if self.scaler is not None and self.scaler.labels:
            outputs = self.scaler.inverse_transform_labels(outputs)
        return outputs if data.known is None else outputs + data.known

    def hidden_states(self, data: Any, *, initial_state: Any = None) -> Any:
        """Return the last layer's states for every row, ``(N, D·H)``, with directions side by side.

        ``data``, ``initial_state`` and errors are as in :meth:`predict`; a model that forecasts
        changes also takes arrays of its features here.
        """
        given = inputs_of(self, data, states=True)
        own = self._starting_from(given.data, initial_state, alone=given.is_one)
        features, offsets, once = self.preparation.inputs(own)
        (states,) = self._core.hidden_states(features, offsets, once)
        return given.restore(self.preparation.in_order(states, offsets), True)

    def stepper(self, static: Mapping[str, Any] | None = None, *, initial_state: Any = None) -> Any:
        """Return a stepper, which reads a sequence event by event, each in about a microsecond.

        Its ``step`` takes the features of a row as an array, or by name as a dict, a named tuple or
        a pandas Series; other names are ignored. You can read and set its ``state``. It keeps the
        weights that the model has now, which steppers share, and can be copied and pickled.

        Parameters
        ----------
        static
            The static features of the sequence by name, if the model was trained with any; its
            ``reset(static)`` takes them for the next sequence.
        initial_state
            The ``state`` to start from instead of 0, as :meth:`predict` returns it for a single
            sequence and with the same limits.

        Raises
        ------
        ParameterError
            The model's scaler is not fitted yet. Or the model has no output before a sequence has
            ended: ``bidirectional``, ``reverse``, or readout ``"mean"``. Or it forecasts changes,
            and a stepper has no value to add them to. Or ``static`` does not match the static
            features of the training.

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
        return stepper_of(self, static, initial_state)

    def loss(self, data: Dataset | Sequence, *, dropout_seed: int | None = None) -> float:
        """Return the loss of the data taken as one batch, in the (scaled) units of training.

        With a ``dropout_seed``, dropout is applied as in training, with masks drawn from this seed.

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
        """Return the loss of the data taken as one batch, and its gradient.

        The gradient has the names and shapes of :meth:`state_dict`. It comes from full
        backpropagation through time (Werbos, 1990). ``dropout_seed`` is as in :meth:`loss`.

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
        self.require_sizes()
        if dropout_seed is not None:
            dropout_seed = whole_number("dropout_seed", dropout_seed, least=0)
        return self._core.loss(
            *self.preparation.labelled_inputs(data, purpose),
            gradients=gradients, dropout_seed=dropout_seed, custom=custom_loss(self),
        )  # fmt: skip

    def loss_of_arrays(self, arrays: LabelledInputs) -> float:
        """Return the loss on the arrays that :meth:`Preparation.labelled_inputs` returned."""
        return self._core.loss(
            *arrays, gradients=False, dropout_seed=None, custom=custom_loss(self)
        )[0]

    def update(self, data: Dataset | Sequence, *, initial_state: Any = None) -> float:
        """Take one optimiser step on the data as one batch; return the loss before it.

        With ``bptt_steps`` there is one step per window, and the loss covers all windows. Each call
        uses a new dropout mask, determined by the model's seed. ``initial_state`` is as in
        :meth:`fit`, for ``data``.

        Raises
        ------
        ShapeError, DataError
            As :meth:`loss`.
        DivergedError
            The loss or the new weights are not finite; the weights stay as they were.
        """
        self.require_sizes()
        data = self._starting_from(data, initial_state, alone=isinstance(data, Sequence))
        arrays = self.preparation.labelled_inputs(data, "an update")
        seed = (self._settings["seed"] + self.optimizer_state.updates) % 2**63
        run = EpochRun(
            starts_training=True, epochs=1, batch_size=len(arrays.offsets) - 1, shuffle=False,
            seed=seed,
        )  # fmt: skip
        losses, _, error = train_epochs(self, arrays, run)
        if error is not None:
            raise error
        self.optimizer_state.updates += 1
        return losses[0]
