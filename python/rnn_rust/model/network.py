"""What is computed with a network: predictions, losses, gradients, updates."""

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

    Layers of recurrent cells, the first of which reads the features and each further one the
    states of the layer below; and a linear head on what ``readout`` makes of the last layer's
    states s: ``y_t = output_activation(W_hy s_t + b_y)``. All states are 0 before a sequence.

    :mod:`rnn_rust.model.arguments` describes the arguments.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect beside the others.
    """

    # Data ------------------------------------------------------------------------------------

    def predict(self, data: Any, *, initial_state: Any = None, return_state: bool = False) -> Any:
        """Return the outputs of every row: ``(N, L)`` of a data set, ``(T, L)`` of a sequence.

        With readout ``"last"`` or ``"mean"`` those of every sequence: ``(S, L)`` or ``(1, L)``.
        Probabilities if the loss is one of classes, else in original units where the model has a
        scaler: float64 where that scales labels, otherwise of the model's dtype. Nothing is
        dropped. Thread-safe: several threads may predict at once.

        Columns are matched by name with those of the training, in whatever order they are; of
        arrays without names, by position. Outputs are in the order of the labels of the training.

        Parameters
        ----------
        data
            A :class:`rnn_rust.Dataset`, or one of its sequences; any table that
            :meth:`rnn_rust.Dataset.from_frame` takes, or the path of a file, with the columns of
            the training (others are passed over, labels are not needed): outputs are in the order
            of its rows. Or arrays: ``(T, F)``, one sequence; ``(B, T, F)``, answered by
            ``(B, T, L)``; a list of arrays ``(T, F)``, answered by a list of arrays ``(T, L)``.
            With readout ``"last"`` or ``"mean"`` all are answered by one array ``(S, L)``.
        initial_state
            The state that each sequence starts from in place of 0, ``(S, H)``; of several layers
            ``(S, layers, H)`` (each layer's directions after one another), and in an LSTM 2 H
            numbers, h followed by c. For a single sequence, or an array ``(T, F)``, without S; for
            a table in the order in which its ids come first. It is a state of the network alone: a
            gap in the first row is filled by the mean, also with ``missing="forward"``, and the
            time since the row before it counts as 0, of which a
            :class:`rnn_rust.errors.StateWarning` tells.
        return_state
            Whether the states that sequences end with are returned too, as ``(outputs, state)``: a
            call with their next rows goes on from there, and so does a stepper whose ``state`` is
            set.

        Raises
        ------
        ShapeError
            The data has another number of feature columns, or columns of other names; or the
            states are those of another network.
        DataError
            A table lacks a column, or a cell of it cannot be used.
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
        """Return outputs of ``data`` in the order of rows, and the final states ``(S, ...)``.

        The latter are None unless ``states`` are wanted.
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
        """Return data whose sequences start from a state; of one ``alone`` it has no first axis."""
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
        """Return the last layer's states of every row, ``(N, D·H)``: its directions side by side.

        ``data``, ``initial_state`` and errors are as in :meth:`predict`; of a model that forecasts
        changes arrays of its features are taken too.
        """
        given = inputs_of(self, data, states=True)
        own = self._starting_from(given.data, initial_state, alone=given.is_one)
        features, offsets, once = self.preparation.inputs(own)
        (states,) = self._core.hidden_states(features, offsets, once)
        return given.restore(self.preparation.in_order(states, offsets), True)

    def stepper(self, static: Mapping[str, Any] | None = None, *, initial_state: Any = None) -> Any:
        """Return a stepper, which reads a sequence event by event within about a microsecond.

        Its ``step`` takes the features of a row as an array, or by name as a dict, a named tuple or
        a pandas Series, where names of no feature are ignored; it carries a ``state``, which can be
        taken and set. It has the weights that the model has now, which several steppers share, and
        can be copied and pickled.

        Parameters
        ----------
        static
            The static features of the sequence by name, of a model that was trained with some; its
            ``reset(static)`` takes those of the next sequence.
        initial_state
            The ``state`` to start from in place of 0, as :meth:`predict` returns it for a single
            sequence; what it does not know of the rows before is as there.

        Raises
        ------
        ParameterError
            The model's scaler is not fitted yet, or the model cannot answer before a sequence has
            ended: ``bidirectional``, ``reverse``, or readout ``"mean"``; or it forecasts changes,
            which a stepper has no value to add to. Or ``static`` is not what the model was
            trained with.

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
        self.require_sizes()
        if dropout_seed is not None:
            dropout_seed = whole_number("dropout_seed", dropout_seed, least=0)
        return self._core.loss(
            *self.preparation.labelled_inputs(data, purpose),
            gradients=gradients, dropout_seed=dropout_seed, custom=custom_loss(self),
        )  # fmt: skip

    def loss_of_arrays(self, arrays: LabelledInputs) -> float:
        """Return the loss of what :meth:`Preparation.labelled_inputs` returned."""
        return self._core.loss(
            *arrays, gradients=False, dropout_seed=None, custom=custom_loss(self)
        )[0]

    def update(self, data: Dataset | Sequence, *, initial_state: Any = None) -> float:
        """Take one optimiser step on the data as one batch; return the loss before it.

        With ``bptt_steps`` one step for each window, and the loss is that of all of them. Each call
        drops other numbers, which follows from the model's seed. ``initial_state`` as in
        :meth:`fit`, of ``data``.

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
