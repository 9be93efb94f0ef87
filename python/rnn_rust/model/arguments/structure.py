"""The arguments for the structure of a network: sizes, layers, directions, readout."""

from typing import Annotated, TypedDict

from rnn_rust.base.checks import boolean, positive_integer
from rnn_rust.model.arguments.checks import dropout_probability, optional, text
from rnn_rust.model.declaration import Argument, Option


class Sizes(TypedDict):
    """The sizes, which may be given by position."""

    input_size: Annotated[
        int | None,
        Argument(
            None,
            optional(positive_integer),
            """
            Number of features per time step, at least 1; if None, the first ``fit``, or ``build``,
            finds it in the data.
            """,
        ),
    ]
    hidden_size: Annotated[
        int,
        Argument(
            32,
            positive_integer,
            "Number of hidden units H per layer and direction, at least 1.",
            Option("Hidden units of a layer.", flag="--hidden"),
        ),
    ]
    output_size: Annotated[
        int | None,
        Argument(
            None,
            optional(positive_integer),
            """
            Number of outputs L: one per label column, or per class; None as for ``input_size``.
            """,
        ),
    ]


class StructureOptions(TypedDict, total=False):
    """The arguments for layers, what they read, and the readout."""

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
            Whether each layer also reads the sequence backwards (Schuster and Paliwal, 1997). The
            states of both directions are then concatenated, as in PyTorch.
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
            Whether each layer reads the sequence only backwards. Outputs still belong to their own
            rows; readout ``"last"`` then uses the state after the first row.
            """,
            Option("Read each sequence only backwards."),
        ),
    ]
    dropout: Annotated[
        float,
        Argument(
            0.0,
            dropout_probability,
            """
            Dropout probability between two layers in training (Srivastava et al., 2014), rounded
            to a multiple of 1/65536.
            """,
            Option("Dropout probability between layers."),
        ),
    ]
    recurrent_dropout: Annotated[
        float,
        Argument(
            0.0,
            dropout_probability,
            """
            Dropout probability of a unit's state between two steps in training, with one mask for
            a whole sequence (Gal and Ghahramani, 2016). It is rounded in the same way; both kinds
            of dropout are determined by the seed.
            """,
            Option("Dropout probability of a unit's state between steps."),
        ),
    ]
    readout: Annotated[
        str,
        Argument(
            "each_step",
            text,
            """
            ``"each_step"``: one output per row. ``"last"``: one per sequence, from its final state
            (of both directions). ``"mean"``: one per sequence, from the mean of its states. The
            label of a sequence is taken from its last labelled row.
            """,
            Option(
                "One output per row, or one per sequence, from its last or its mean state.",
                choices=("each_step", "last", "mean"),
            ),
        ),
    ]
    output_activation: Annotated[
        str,
        Argument(
            "identity",
            text,
            "Activation of the outputs; names as for an RNN's states. Some losses imply it.",
            Option("Activation of the outputs; some losses imply it.", metavar="NAME"),
        ),
    ]
