"""The models: networks of one kind of cell each."""

from __future__ import annotations

from typing import Unpack

from rnn_rust.documentation import show_in_full
from rnn_rust.network import Network
from rnn_rust.settings import Options


class RNN(Network):
    """A vanilla recurrent network (Elman, 1990).

    ``h_t = activation(W_ih x_t + W_hh h_{t-1} + b)``.

    Parameters
    ----------
    input_size, hidden_size, output_size
        Features I, hidden units H and outputs L; each at least 1.
    activation
        Of the state: ``"tanh"``, ``"relu"``, ``"sigmoid"``, ``"identity"``, ``"elu"``,
        ``"leaky_relu"``, ``"softplus"``, ``"softsign"`` or ``"silu"``.
    options
        The arguments that all models have, by keyword: :class:`rnn_rust.network.Network`.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect beside the others.

    Examples
    --------
    >>> model = RNN(input_size=3, hidden_size=5, output_size=1)
    >>> model
    RNN(3, 5, 1, activation='tanh', output_activation='identity', loss='mse', dtype='float32')
    >>> {name: array.shape for name, array in model.state_dict().items()}  # doctest: +ELLIPSIS
    {'weight_ih_l0': (5, 3), 'weight_hh_l0': (5, 5), 'bias_l0': (5,), 'head.weight': (1, 5), ...}
    """

    _cell, _of_cell = "RNN", ("activation", "tanh")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        activation: str = "tanh",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, activation=activation, **options)


class GRU(Network):
    """A network of gated recurrent units (Cho et al., 2014).

    ``r = σ(W_ir x_t + b_r + W_hr h)``, ``z = σ(W_iz x_t + b_z + W_hz h)`` with ``h = h_{t-1}``,
    ``n = tanh(W_in x_t + b_n + r ∘ (W_hn h + b_hn))``, ``h_t = (1 − z) ∘ n + z ∘ h``.

    Parameters
    ----------
    input_size, hidden_size, output_size
        Features I, hidden units H and outputs L; each at least 1.
    reset_after
        Whether the reset gate acts after the product, as above and in cuDNN, PyTorch and Keras.
        Otherwise ``n = tanh(W_in x_t + b_n + W_hn (r ∘ h))``, as in Cho et al., "Learning phrase
        representations using RNN encoder-decoder for statistical machine translation" (2014).
    options
        The arguments that all models have, by keyword: :class:`rnn_rust.network.Network`.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect beside the others.

    Examples
    --------
    >>> GRU(3, 5, 1).state_dict()["weight_ih_l0"].shape
    (15, 3)
    """

    _cell, _of_cell = "GRU", ("reset_after", True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        reset_after: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, reset_after=reset_after, **options)


class LSTM(Network):
    """A network of long short-term memory units (Hochreiter and Schmidhuber, 1997).

    With the forget gate of Gers, Schmidhuber and Cummins (2000), without peepholes:
    ``i, f, o = σ(W x_t + b + W_h h_{t-1})``, ``g = tanh(…)``, ``c_t = f ∘ c_{t-1} + i ∘ g``,
    ``h_t = o ∘ tanh(c_t)``.

    Parameters
    ----------
    input_size, hidden_size, output_size
        Features I, hidden units H and outputs L; each at least 1.
    forget_bias
        Added to the initial bias of the forget gate, so that units begin by remembering
        (Jozefowicz, Zaremba and Sutskever, 2015).
    options
        The arguments that all models have, by keyword: :class:`rnn_rust.network.Network`.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values, or has no effect beside the others.

    Examples
    --------
    >>> LSTM(3, 5, 1, num_layers=2).state_dict()["weight_ih_l1"].shape
    (20, 5)
    """

    _cell, _of_cell = "LSTM", ("forget_bias", 1.0)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        forget_bias: float = 1.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, forget_bias=forget_bias, **options)


MODELS: dict[str, type[Network]] = {model.__name__: model for model in (RNN, GRU, LSTM)}
for _model in MODELS.values():
    show_in_full(_model, Network)
