"""The arguments of a model, each described once.

An entry of :class:`Options`, or of a cell's own class below it, is all there is to know of an
argument: its type, default and check, its documentation, and how the command line offers it. The
constructor's signature and docstring, ``repr``, model files and the command line follow from it;
the engine takes the checked values by name.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypedDict

import numpy as np

from rnn_rust.base.checks import (
    boolean,
    decay_rate,
    dtype_name,
    finite,
    positive,
    positive_integer,
    whole_number,
)
from rnn_rust.data import time_features
from rnn_rust.data.encoder import FILLS
from rnn_rust.data.scale import Scaler
from rnn_rust.errors import ParameterError
from rnn_rust.learning.class_weights import ClassWeight
from rnn_rust.learning.losses import Loss
from rnn_rust.learning.optimizers import Adam, CustomOptimizer, Optimizer
from rnn_rust.model.declaration import Argument, Option


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else check(name, value)


def _in_float32(name: str, value: float) -> float:
    number = finite(name, value)
    if abs(number) > float(np.finfo(np.float32).max):
        raise ParameterError(f"{name} must be finite in float32, got {value}")
    return number


def _fill(name: str, value: object) -> str:
    if value not in FILLS:
        raise ParameterError(f"{name}={value!r} is not known; use {', '.join(map(repr, FILLS))}")
    return str(value)


def _text(_: str, value: object) -> str:
    return str(value)


def _as_given(_: str, value: Any) -> Any:
    return value


class Sizes(TypedDict):
    """The sizes, which may be given by position."""

    input_size: Annotated[
        int | None,
        Argument(
            None,
            _optional(positive_integer),
            """
            Features of a time step, at least 1; None lets the first ``fit``, or ``build``, find it.
            """,
        ),
    ]
    hidden_size: Annotated[
        int,
        Argument(
            32,
            positive_integer,
            "Hidden units H of a layer and direction; at least 1.",
            Option("Hidden units of a layer.", flag="--hidden"),
        ),
    ]
    output_size: Annotated[
        int | None,
        Argument(
            None,
            _optional(positive_integer),
            """
            Outputs L: one for each label column, or for each class; None as of ``input_size``.
            """,
        ),
    ]


class Options(TypedDict, total=False):
    """The keyword arguments that all models have."""

    num_layers: Annotated[
        int,
        Argument(
            1,
            positive_integer,
            "Number of stacked layers.",
            Option("Number of stacked layers."),
        ),
    ]
    bidirectional: Annotated[
        bool,
        Argument(
            False,
            boolean,
            """
            Whether each layer also reads the sequence from its end (Schuster and Paliwal, 1997); a
            state is then both directions' side by side, as in PyTorch.
            """,
            Option("Also read each sequence backwards."),
        ),
    ]
    reverse: Annotated[
        bool,
        Argument(
            False,
            boolean,
            """
            Whether each layer reads the sequence from its end alone. Outputs stand at their rows; a
            readout of the last state is that after the first row.
            """,
            Option("Read each sequence backwards alone."),
        ),
    ]
    dropout: Annotated[
        float,
        Argument(
            0.0,
            decay_rate,
            """
            Probability of dropping a number between two layers in training (Srivastava et al.,
            2014).
            """,
            Option("Dropout probability between layers."),
        ),
    ]
    recurrent_dropout: Annotated[
        float,
        Argument(
            0.0,
            decay_rate,
            """
            Probability of dropping a unit's state between two steps in training; one mask for a
            whole sequence (Gal and Ghahramani, 2016). Both kinds of dropout are
            determined by the seed.
            """,
            Option("Dropout probability of a unit's state between steps."),
        ),
    ]
    readout: Annotated[
        str,
        Argument(
            "each_step",
            _text,
            """
            ``"each_step"``: an output for every row. ``"last"``: one for every sequence, from its
            final state (of both directions). ``"mean"``: one for every sequence, from the mean of
            its states. The label of a sequence is its last labelled row.
            """,
            Option(
                "An output per row, or one per sequence: from its last or its mean state.",
                choices=("each_step", "last", "mean"),
            ),
        ),
    ]
    output_activation: Annotated[
        str,
        Argument(
            "identity",
            _text,
            "Activation of the outputs, by the same names as an RNN's. Some losses imply it.",
            Option("Activation of the outputs; some losses imply it.", metavar="NAME"),
        ),
    ]
    loss: Annotated[
        Loss,
        Argument(
            "mse",
            _as_given,
            """
            ``"mse"``, ``"mae"``, ``"huber"``, ``"quantile"``, ``"binary_cross_entropy"``,
            ``"cross_entropy"``, ``"focal"``, or an object: see :mod:`rnn_rust.losses`.
            """,
            Option(
                "Loss to minimise; auto chooses by the labels. mse, mae, huber, quantile; for 0/1 "
                "labels binary_cross_entropy, focal; for class numbers cross_entropy.",
                group="Training",
                metavar="NAME",
                default="auto",
            ),
        ),
    ]
    optimizer: Annotated[
        Optimizer | CustomOptimizer | str,
        Argument(
            Adam(0.005),
            _as_given,
            """
            ``SGD``, ``RMSprop``, ``Adagrad``, ``Adam`` or ``AdamW``, or a name of one with its own
            defaults (``"adam"``), or a custom optimiser
            (:class:`rnn_rust.optim.CustomOptimizer`).
            """,
            is_setting=False,
        ),
    ]
    clip_norm: Annotated[
        float | None,
        Argument(
            None,
            _optional(positive),
            "Maximum norm of the gradient over all weights; a longer one is scaled down.",
            Option(
                "Clip the gradient of an update to this norm.",
                group="Training",
                metavar="NUMBER",
                default=1.0,
            ),
        ),
    ]
    clip_value: Annotated[
        float | None,
        Argument(
            None,
            _optional(positive),
            "Maximum size of each component of the gradient; applied before ``clip_norm``.",
        ),
    ]
    bptt_steps: Annotated[
        int | None,
        Argument(
            None,
            _optional(positive_integer),
            """
            Truncated backpropagation through time (Williams and Peng, 1990): sequences are cut into
            windows of so many steps, each with an update of its own. States are carried from one
            window to the next, derivatives are not; memory is that of one window.
            """,
            Option(
                "Truncated backpropagation: windows of N steps, with an update for each.",
                group="Training",
                metavar="N",
            ),
        ),
    ]
    class_weight: Annotated[
        ClassWeight,
        Argument(
            None,
            _as_given,
            '``"balanced"`` or a dict with a weight for each class, for the losses of classes.',
            Option(
                "Give all classes the same total weight, however rare they are.",
                group="Training",
                choices=("balanced",),
            ),
        ),
    ]
    pos_weight: Annotated[
        float | None,
        Argument(
            None,
            _optional(positive),
            """
            Weight of positive labels, for ``"binary_cross_entropy"`` and ``"focal"``;
            as in PyTorch the mean is still over the number of labels.
            """,
        ),
    ]
    init: Annotated[
        str,
        Argument(
            "pytorch",
            _text,
            """
            ``"pytorch"``: all U(−1/√H, 1/√H). ``"glorot_uniform"``: weights
            U(±√(6 / (fan in + fan out))), biases 0. ``"orthogonal"``: the same with orthogonal
            recurrent weights. ``"uniform"``: all U(−1, 1).
            """,
            Option(
                "How the weights are initialised.",
                choices=("pytorch", "glorot_uniform", "orthogonal", "uniform"),
            ),
        ),
    ]
    reduction: Annotated[
        str,
        Argument(
            "mean",
            _text,
            """
            ``"mean"``: the loss of a batch is the mean over its labels, weighted if they have
            weights. ``"sum"``: the sum over the steps of a sequence, mean over outputs and over the
            batch's sequences.
            """,
        ),
    ]
    dtype: Annotated[
        str | type | np.dtype[Any],
        Argument(
            "float32",
            lambda _, dtype: dtype_name(dtype),
            '``"float32"`` or ``"float64"``: of weights and arithmetic.',
            Option("Type of weights and arithmetic.", choices=("float32", "float64")),
        ),
    ]
    seed: Annotated[
        int,
        Argument(
            0,
            partial(whole_number, least=0),
            """
            Random seed of the initial weights, the order of sequences in ``fit``, and dropout; the
            same seed gives the same bits.
            """,
            Option(
                "Random seed of the split, initial weights, order and dropout.",
                group="Training",
            ),
        ),
    ]
    scaler: Annotated[
        str | Scaler | None,
        Argument(
            None,
            _as_given,
            """
            ``"minmax"``, ``"standard"`` or ``"robust"`` (median and quartiles): fitted on the
            training part in the first ``fit``, kept in the model and its file. Features are scaled
            before the network, predictions are returned in original units. Labels are scaled too,
            except classes, and except with an output activation whose range they would leave. A
            fitted scaler is used as it is.
            """,
            Option(
                "How features and labels are scaled, fitted on the training part only.",
                choices=("minmax", "standard", "robust", "none"),
                default="standard",
            ),
            is_setting=False,
        ),
    ]
    missing: Annotated[
        str,
        Argument(
            "error",
            _fill,
            """
            What a missing number among the features becomes: ``"error"``, ``"mean"`` (that of the
            training part) or ``"forward"`` (the last number in the same sequence, before it the
            mean). Data is read with ``missing="keep"`` then.
            """,
            Option(
                "What missing numbers become; auto: their column's mean, if there are any.",
                choices=("auto", "error", "mean", "forward"),
                default="auto",
            ),
        ),
    ]
    missing_indicator: Annotated[
        bool,
        Argument(
            False,
            boolean,
            """
            Whether each feature that has missing numbers in the training part gets one more, which
            says whether it was missing.
            """,
            Option("Add features that say whether a number was missing."),
        ),
    ]
    time_features: Annotated[
        tuple[str, ...],
        Argument(
            (),
            time_features.checked,
            """
            Features that follow from times: ``"elapsed"`` since the row before in the sequence
            (seconds, or the unit of the time column), ``"log_elapsed"``, the logarithm of 1 plus
            that; of dates ``"hour"`` of the day, ``"weekday"`` and ``"yearday"``, each as sine and
            cosine.
            """,
            Option(
                "Features that follow from times; with commas between, or repeated.",
                metavar="[" + "|".join(time_features.KNOWN) + "]",
            ),
        ),
    ]
    max_categories: Annotated[
        int,
        Argument(
            100,
            positive_integer,
            """
            Levels of a category that have an input of their own, at most; the most frequent of the
            training part. All others count as one more.
            """,
            Option("Levels of a category with an input of their own; others share one."),
        ),
    ]
    n_threads: Annotated[
        int | None,
        Argument(
            None,
            _optional(positive_integer),
            """
            Maximum number of threads of a call; the results have the same bits with any number. By
            default the value of the environment variable ``RNN_RUST_NUM_THREADS``, or the number of
            processors available to the process. Not saved in the model file.
            """,
            is_setting=False,
        ),
    ]


class _OfRNN(TypedDict, total=False):
    """What only :class:`rnn_rust.RNN` has."""

    activation: Annotated[
        str,
        Argument(
            "tanh",
            _text,
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
    """What only :class:`rnn_rust.GRU` has."""

    reset_after: Annotated[
        bool,
        Argument(
            True,
            boolean,
            """
            Whether the reset gate acts after the product, as in the equations and in cuDNN, PyTorch
            and Keras. Otherwise ``n = tanh(W_in x_t + b_n + W_hn (r ∘ h))``, as in Cho et al.,
            "Learning phrase representations using RNN encoder-decoder for statistical machine
            translation" (2014).
            """,
        ),
    ]


class _OfLSTM(TypedDict, total=False):
    """What only :class:`rnn_rust.LSTM` has."""

    forget_bias: Annotated[
        float,
        Argument(
            1.0,
            _in_float32,
            """
            Added to the initial bias of the forget gate, so that units begin by remembering
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
