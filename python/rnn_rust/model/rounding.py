"""Warnings for features that float32 rounds too much, in exports that take float32."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np

from rnn_rust.model.network import Network

_log = logging.getLogger("rnn_rust")

# The largest change of a scaled feature that rounding may cause without a warning.
_LARGEST_CHANGE = 1e-5


def warn_of_rounding(
    names: Iterable[str], shifts: Iterable[float], scales: Iterable[float]
) -> None:
    """Log the features whose values are too large, relative to their variation, for float32."""
    for name, shift, scale in zip(names, shifts, scales, strict=False):
        size = max(abs(shift), abs(shift + scale))
        if size * float(np.finfo(np.float32).eps) > _LARGEST_CHANGE * scale:
            _log.warning(
                "Feature '%s' is about %g, and varies by about %g: float32 rounds it too much to "
                "give what predict does; give the model differences of it, or dtype='float64'",
                name, size, scale,
            )  # fmt: skip


def names_of_inputs(model: Network) -> tuple[str, ...]:
    """Return the names of the inputs that are scaled: features and those derived from them."""
    if model.encoder is not None:
        return tuple(model.encoder.number_names)
    return model.feature_names or tuple(map(str, range(model.settings["input_size"])))
