"""The arguments that say how a network is trained: loss, optimiser, initial weights, seed."""

from functools import partial
from typing import Annotated, Any, TypedDict

import numpy as np

from rnn_rust.base.checks import dtype_name, positive, positive_integer, whole_number
from rnn_rust.learning.class_weights import ClassWeight
from rnn_rust.learning.losses import Loss
from rnn_rust.learning.optimizers import Adam, CustomOptimizer, Optimizer
from rnn_rust.model.arguments.checks import as_given, optional, text
from rnn_rust.model.declaration import Argument, Option


class TrainingOptions(TypedDict, total=False):
    """What is minimised and how, from which weights, in which arithmetic."""

    loss: Annotated[
        Loss,
        Argument(
            "mse",
            as_given,
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
            as_given,
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
            optional(positive),
            """
            Maximum norm of the gradient over all weights; a longer one is multiplied by
            ``clip_norm / (norm + 1e-6)``, as in PyTorch.
            """,
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
            optional(positive),
            "Maximum size of each component of the gradient; applied before ``clip_norm``.",
        ),
    ]
    bptt_steps: Annotated[
        int | None,
        Argument(
            None,
            optional(positive_integer),
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
            as_given,
            """
            ``"balanced"`` or a dict with a weight for each class, for the losses of classes. By the
            number of the class; where labels are text by its name, or by the number of its name in
            ``classes``.
            """,
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
            optional(positive),
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
            text,
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
            text,
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
