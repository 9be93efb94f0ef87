"""The models: networks of one kind of cell each, and how they come from files."""

from __future__ import annotations

import os
from typing import Unpack

from rnn_rust.errors import ModelFileError
from rnn_rust.model.arguments import GRUOptions, LSTMOptions, RNNOptions
from rnn_rust.model.description import build
from rnn_rust.model.epochs import settle_other_levels
from rnn_rust.model.scorer import STATES, Scorer
from rnn_rust.model.scorers import restored
from rnn_rust.models.base import Model
from rnn_rust.storage.model_file import read, unpack

__all__ = ["GRU", "LSTM", "MODELS", "RNN", "Model", "load", "load_scorer"]


class RNN(Model):
    """A vanilla recurrent network (Elman, 1990).

    ``h_t = activation(W_ih x_t + W_hh h_{t-1} + b)``.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect with the other arguments.

    Examples
    --------
    >>> model = RNN(input_size=3, hidden_size=5, output_size=1)
    >>> model
    RNN(3, 5, 1, activation='tanh', output_activation='identity', loss='mse', dtype='float32')
    >>> {name: array.shape for name, array in model.state_dict().items()}  # doctest: +ELLIPSIS
    {'weight_ih_l0': (5, 3), 'weight_hh_l0': (5, 5), 'bias_l0': (5,), 'head.weight': (1, 5), ...}
    """

    cell = "RNN"
    options = RNNOptions

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int = 32,
        output_size: int | None = None,
        **options: Unpack[RNNOptions],
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, **options)


class GRU(Model):
    """A network of gated recurrent units (Cho et al., 2014).

    ``r = σ(W_ir x_t + b_r + W_hr h)``, ``z = σ(W_iz x_t + b_z + W_hz h)`` with ``h = h_{t-1}``,
    ``n = tanh(W_in x_t + b_n + r ∘ (W_hn h + b_hn))``, ``h_t = (1 − z) ∘ n + z ∘ h``.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect with the other arguments.

    Examples
    --------
    >>> GRU(3, 5, 1).state_dict()["weight_ih_l0"].shape
    (15, 3)
    """

    cell = "GRU"
    options = GRUOptions

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int = 32,
        output_size: int | None = None,
        **options: Unpack[GRUOptions],
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, **options)


class LSTM(Model):
    """A network of long short-term memory units (Hochreiter and Schmidhuber, 1997).

    With the forget gate of Gers, Schmidhuber and Cummins (2000), without peepholes:
    ``i, f, o = σ(W x_t + b + W_h h_{t-1})``, ``g = tanh(…)``, ``c_t = f ∘ c_{t-1} + i ∘ g``,
    ``h_t = o ∘ tanh(c_t)``.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect with the other arguments.

    Examples
    --------
    >>> LSTM(3, 5, 1, num_layers=2).state_dict()["weight_ih_l1"].shape
    (20, 5)
    """

    cell = "LSTM"
    options = LSTMOptions

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int = 32,
        output_size: int | None = None,
        **options: Unpack[LSTMOptions],
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, **options)


MODELS: dict[str, type[Model]] = {model.cell: model for model in (RNN, GRU, LSTM)}


def load(path: str | os.PathLike[str]) -> Model:
    """Return the model from a file that :meth:`rnn_rust.RNN.save` wrote, or from a checkpoint.

    It predicts the same bits as the saved model.

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not a model of this package, it is damaged (found by its checksum), or a newer version
        wrote it.
    """
    data = read(path)
    try:
        description, tensors = unpack(data, path)
        if "scorer" in description:
            raise ModelFileError("this is the file of a scorer; use load_scorer")
        model = build(MODELS, description, tensors)
        # A checkpoint has the weights in the middle of training; this makes them final.
        if "training" in description:
            settle_other_levels(model)
        return model
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def load_scorer(path: str | os.PathLike[str]) -> Scorer:
    """Return the scorer from a file that its ``save`` wrote, with the model and all states.

    It continues with the same bits as the saved scorer.

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not a scorer's file, it is damaged (found by its checksum), or a newer version wrote
        it.
    ParameterError
        Its model forecasts changes, and a scorer has no value to add them to.
    """
    data = read(path)
    try:
        description, tensors = unpack(data, path)
        del data
        if "scorer" not in description:
            raise ModelFileError("this is a model without the states of a scorer; use load")
        weights = {name: array for name, array in tensors.items() if not name.startswith(STATES)}
        model = build(MODELS, description.get("model", {}), weights)
        return restored(model, description, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
