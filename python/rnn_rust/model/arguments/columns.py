"""The arguments that say what becomes of columns before a network sees them."""

from typing import Annotated, TypedDict

from rnn_rust.base.checks import boolean, positive_integer
from rnn_rust.data import time_features
from rnn_rust.data.scale import Scaler
from rnn_rust.model.arguments.checks import as_given, fill
from rnn_rust.model.declaration import Argument, Option


class ColumnOptions(TypedDict, total=False):
    """Scales, missing numbers, times and categories."""

    scaler: Annotated[
        str | Scaler | None,
        Argument(
            None,
            as_given,
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
            fill,
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
            cosine. Dates, durations and numbers are told apart: what is predicted has times of the
            kind learnt.
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
            training part. All others share one more, and so do levels that training has not seen;
            it has the mean weights of the known ones where less than 1 % of training rows have it.
            """,
            Option("Levels of a category with an input of their own; others share one."),
        ),
    ]
