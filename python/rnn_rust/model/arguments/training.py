"""The arguments for training: loss, optimiser, initial weights, seed."""

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
    """The arguments for the loss, the optimiser, the initial weights and the dtype."""

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
                "Loss to minimise; auto chooses one that suits the labels. For numbers mse, mae, "
                "huber, quantile; for 0/1 labels binary_cross_entropy, focal; for class numbers "
                "cross_entropy.",
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
            ``SGD``, ``RMSprop``, ``Adagrad``, ``Adam`` or ``AdamW``; or the name of one, with its
            default settings (``"adam"``); or a custom optimiser
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
            Maximum norm of the gradient over all weights; a gradient with a larger norm is
            multiplied by ``clip_norm / (norm + 1e-6)``, as in PyTorch.
            """,
            Option(
                "Clip the gradient of each update to this norm.",
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
            "Maximum absolute value of each gradient component; applied before ``clip_norm``.",
        ),
    ]
    bptt_steps: Annotated[
        int | None,
        Argument(
            None,
            optional(positive_integer),
            """
            Truncated backpropagation through time (Williams and Peng, 1990): sequences are cut into
            windows of this many steps, with one update per window. States are carried from one
            window to the next, gradients are not; only one window is in memory at a time.
            """,
            Option(
                "Truncated backpropagation: windows of N steps, with one update per window.",
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
            ``"balanced"``, or a dict with a weight for each class, for classification losses. Keys
            are class numbers; if labels are text, class names or their numbers in ``classes``.
            """,
            Option(
                "Give all classes the same total weight, even rare ones.",
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
            Weight of positive labels, for ``"binary_cross_entropy"`` and ``"focal"``. As in
            PyTorch, the mean is still over the number of labels.
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
            weights. ``"sum"``: the loss is summed over the steps of a sequence, and averaged over
            the outputs and the sequences of the batch.
            """,
        ),
    ]
    dtype: Annotated[
        str | type | np.dtype[Any],
        Argument(
            "float32",
            lambda _, dtype: dtype_name(dtype),
            '``"float32"`` or ``"float64"``: type of weights and arithmetic.',
            Option("Type of weights and arithmetic.", choices=("float32", "float64")),
        ),
    ]
    seed: Annotated[
        int,
        Argument(
            0,
            partial(whole_number, least=0),
            """
            Random seed for the initial weights, the order of sequences in ``fit``, and dropout; the
            same seed gives the same bits.
            """,
            Option(
                "Random seed for the split, initial weights, order and dropout.",
                group="Training",
            ),
        ),
    ]
