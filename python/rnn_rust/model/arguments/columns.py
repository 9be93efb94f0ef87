"""The arguments for preparing columns before they enter a network."""

from typing import Annotated, TypedDict

from rnn_rust.base.checks import boolean, positive_integer
from rnn_rust.data import time_features
from rnn_rust.data.scale import Scaler
from rnn_rust.model.arguments.checks import as_given, fill
from rnn_rust.model.declaration import Argument, Option


class ColumnOptions(TypedDict, total=False):
    """The arguments for scaling, missing numbers, times and categories."""

    scaler: Annotated[
        str | Scaler | None,
        Argument(
            None,
            as_given,
            """
            ``"minmax"``, ``"standard"`` or ``"robust"`` (median and quartiles): fitted on the
            training part in the first ``fit`` and kept in the model and its file. Features are
            scaled before the network, and predictions are returned in original units. Labels are
            scaled too, unless they are classes or would leave the range of the output activation.
            A scaler that is already fitted is used unchanged.
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
            fill,
            """
            How missing numbers in the features are filled: ``"error"`` refuses them, ``"mean"``
            uses the mean of the training part, and ``"forward"`` the last number in the same
            sequence (the mean before the first one). Read the data with ``missing="keep"``.
            """,
            Option(
                "How missing numbers are filled; auto: with their column's mean, if there are any.",
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
            Whether to add, for each feature with missing numbers in the training part, a feature
            that says whether the number was missing.
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
            Features computed from the time column: ``"elapsed"``, the time since the previous row
            of the sequence (in seconds, or the unit of the column); ``"log_elapsed"``, the
            logarithm of 1 plus that; for dates ``"hour"``, ``"weekday"`` and ``"yearday"``, each as
            sine and cosine. Dates, durations and numbers are different kinds of time; data to
            predict must have the kind used in training.
            """,
            Option(
                "Features computed from times; separated by commas, or repeated.",
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
            Maximum number of levels of a category with an input of their own: the most frequent of
            the training part. All other levels, also those not seen in training, share one more. If
            less than 1 % of training rows use it, it gets the mean weights of the known levels.
            """,
            Option("Maximum levels of a category with their own input; others share one."),
        ),
    ]
