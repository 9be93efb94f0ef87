"""The arguments that say what a network is made of: sizes, layers, directions, read-out."""

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
            optional(positive_integer),
            """
            Outputs L: one for each label column, or for each class; None as of ``input_size``.
            """,
        ),
    ]


class StructureOptions(TypedDict, total=False):
    """Layers, what they read, and what is read out."""

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
            dropout_probability,
            """
            Probability of dropping a number between two layers in training (Srivastava et al.,
            2014), rounded to a multiple of 1/65536.
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
            Probability of dropping a unit's state between two steps in training; one mask for a
            whole sequence (Gal and Ghahramani, 2016). Rounded likewise; both kinds of dropout are
            determined by the seed.
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
            text,
            "Activation of the outputs, by the same names as an RNN's. Some losses imply it.",
            Option("Activation of the outputs; some losses imply it.", metavar="NAME"),
        ),
    ]
