"""Scorers of models, and scorers from files."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from rnn_rust.errors import ModelFileError
from rnn_rust.model.encoded_scorer import EncodedScorer
from rnn_rust.model.network import Network
from rnn_rust.model.scorer import STATES, Scorer
from rnn_rust.model.streams import check_learns_values
from rnn_rust.storage.model_file import BAD_VALUES


def restored(
    model: Network, description: dict[str, Any], tensors: dict[str, NDArray[Any]]
) -> Scorer:
    """Return the scorer of a file.

    Raises
    ------
    ModelFileError
        Its states do not fit the model.
    ParameterError
        The model forecasts changes, and a scorer has no value to add them to.
    """
    check_learns_values(model, "a scorer")
    try:
        limits = description["scorer"]
        scorer = make_scorer(model, limits["max_entities"], limits["expire_after"])
        arrays = {
            name.removeprefix(STATES): array
            for name, array in tensors.items()
            if name.startswith(STATES)
        }
        scorer._take(description, arrays)
    except BAD_VALUES as error:
        raise ModelFileError(f"the states are damaged: {error}") from error
    return scorer


def make_scorer(
    model: Network, max_entities: int | None = None, expire_after: float | None = None
) -> Scorer:
    """Return a scorer of the class that the model's features need."""
    if model.encoder is None:
        return Scorer(model, max_entities, expire_after)
    return EncodedScorer(model, max_entities, expire_after)
