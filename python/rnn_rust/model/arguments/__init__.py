"""The arguments of a model, each described once.

An entry of a TypedDict, here or in ``structure.py``, ``training.py`` or ``columns.py``, has all
about an argument: its type, default and check, its documentation, and how the command line offers
it. The constructor's signature and docstring, ``repr``, model files and the command line are made
from it; the engine takes the checked values by name.
"""

from typing import Annotated, TypedDict

from rnn_rust.base.checks import boolean, positive_integer
from rnn_rust.model.arguments.checks import in_float32, optional, text
from rnn_rust.model.arguments.columns import ColumnOptions
from rnn_rust.model.arguments.structure import Sizes, StructureOptions
from rnn_rust.model.arguments.training import TrainingOptions
from rnn_rust.model.declaration import Argument, Option

__all__ = ["GRUOptions", "LSTMOptions", "Options", "RNNOptions", "Sizes"]


class Options(StructureOptions, TrainingOptions, ColumnOptions, total=False):
    """The keyword arguments that all models have."""

    n_threads: Annotated[
        int | None,
        Argument(
            None,
            optional(positive_integer),
            """
            Maximum number of threads per call; it does not change the bits of the results. By
            default the value of the environment variable ``RNN_RUST_NUM_THREADS``, or the number of
            processors available to the process. Not saved in the model file.
            """,
            is_setting=False,
        ),
    ]


class _OfRNN(TypedDict, total=False):
    """The arguments that only :class:`rnn_rust.RNN` has."""

    activation: Annotated[
        str,
        Argument(
            "tanh",
            text,
            """
            Activation of the state: ``"tanh"``, ``"relu"``, ``"sigmoid"``, ``"identity"``,
            ``"elu"``, ``"leaky_relu"``, ``"softplus"``, ``"softsign"`` or ``"silu"``.
            """,
            Option(
                "Activation of an RNN's units: tanh, relu, sigmoid, identity, elu, ...",
                metavar="NAME",
            ),
        ),
    ]


class _OfGRU(TypedDict, total=False):
    """The arguments that only :class:`rnn_rust.GRU` has."""

    reset_after: Annotated[
        bool,
        Argument(
            True,
            boolean,
            """
            Whether the reset gate is applied after the matrix product, as in the equations and in
            cuDNN, PyTorch and Keras. If False, ``n = tanh(W_in x_t + b_n + W_hn (r ∘ h))``, as in
            Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
            machine translation" (2014).
            """,
        ),
    ]


class _OfLSTM(TypedDict, total=False):
    """The arguments that only :class:`rnn_rust.LSTM` has."""

    forget_bias: Annotated[
        float,
        Argument(
            1.0,
            in_float32,
            """
            Added to the initial bias of the forget gate, so that units remember at first
            (Jozefowicz, Zaremba and Sutskever, 2015).
            """,
        ),
    ]


class RNNOptions(_OfRNN, Options, total=False):
    """The keyword arguments of :class:`rnn_rust.RNN`."""


class GRUOptions(_OfGRU, Options, total=False):
    """The keyword arguments of :class:`rnn_rust.GRU`."""


class LSTMOptions(_OfLSTM, Options, total=False):
    """The keyword arguments of :class:`rnn_rust.LSTM`."""
