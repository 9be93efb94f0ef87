"""Learning the encoder of a network from the features of the training part."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_rust import _core
from rnn_rust.base.arrays import positions
from rnn_rust.data import time_features
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.errors import DataError


def learn_encoder(
    dataset: Any, scaler: Any, *, times: tuple[str, ...], **how: Any
) -> FeatureEncoder:
    """Learn from a data set and, if it has any, its static features.

    Parameters
    ----------
    dataset
        The training part.
    scaler
        The scaler of its features, or None; a copy of it is fitted on the static features.
    times
        Names of the features derived from times.
    how
        ``most``, the maximum of levels per category; ``fill``, how missing numbers are filled;
        ``indicator``, whether an extra feature says that a number was missing.

    Raises
    ------
    DataError
        A column has no number at all, or has the name of a derived feature.
    """
    encoder = _of_columns(dataset, times=times, **how)
    if dataset.static is not None:
        own = None if scaler is None else copy.copy(scaler)
        if own is not None:
            own.labels = False
        static = dataset.of_static_features()
        part = _static_part(encoder, _of_columns(static, times=(), **how), static, own)
        encoder = replace(encoder, static=part)
    _check_derived_names(encoder)
    return encoder


def _of_columns(
    dataset: Any, *, most: int, fill: str, indicator: bool, times: tuple[str, ...]
) -> FeatureEncoder:
    """Return the encoder of the features of rows."""
    columns = dict(zip(dataset.feature_names, dataset.features.T, strict=True))
    levels, shares = {}, {}
    for name, known in dataset.levels.items():
        codes = columns[name].astype(np.int64)
        counts = np.bincount(codes, minlength=len(known))
        # Equally frequent levels are sorted by name, so that the order of rows does not matter.
        order = sorted(np.flatnonzero(counts).tolist(), key=lambda c: (-counts[c], known[c]))
        kept = order[:most]
        levels[name] = tuple(known[code] for code in kept)
        shares[name] = tuple((counts[kept] / counts.sum()).tolist())
    numbers = tuple(name for name in dataset.feature_names if name not in levels)
    places = positions(dataset.feature_names, numbers)
    missing = np.isnan(dataset.features)
    for name, none in zip(numbers, missing.all(axis=0)[places], strict=True):
        if none:
            raise DataError(f"column '{name}' has no number in the training part; leave it out")
    means = _means(dataset)[places].tolist()
    gaps = [name for name, some in zip(numbers, missing.any(axis=0)[places], strict=True) if some]
    indicators = tuple(gaps) if indicator else ()
    kind = time_features.kind_of(dataset.times.dtype) if times else None
    return FeatureEncoder(
        numbers, tuple(means), fill, indicators, times, levels, shares, time_kind=kind
    )


def _means(dataset: Any) -> NDArray[np.float64]:
    """Return the mean of each feature, ignoring missing values."""
    features = np.ascontiguousarray(dataset.features)
    rows = features, np.array([0]), np.array([0, len(features)])
    low, high = _core.column_bounds(*rows, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        # Relative to the lowest number, so that the mean of equal numbers is exactly that number.
        shift = np.where(np.isfinite(high - low), low, 0.0)
    means, _ = _core.column_moments(*rows, shift, np.ones_like(shift), 1)
    return shift + means


def _static_part(
    encoder: FeatureEncoder, own: FeatureEncoder, dataset: Any, scaler: Any
) -> FeatureEncoder:
    """Return the encoder of static features, as a part of the encoder of the other features.

    Parameters
    ----------
    encoder
        The encoder of the other features.
    own
        The encoder learnt from the static features, each sequence counting once.
    dataset
        The static features as a data set, with a one-row sequence for each sequence.
    scaler
        The scaler to fit, or None.
    """
    own = replace(own, first=encoder.first + len(encoder.number_names) + encoder.category_inputs)
    if scaler is None:
        return own
    scaler.fit(own.encode(dataset))
    count = len(own.number_names)
    return replace(
        own, shift=tuple(scaler.feature_shift_[:count].tolist()),
        scale=tuple(scaler.feature_scale_[:count].tolist()),
    )  # fmt: skip


def _check_derived_names(encoder: FeatureEncoder) -> None:
    """Raise DataError if a column has the name of a derived feature."""
    columns = {name for part in encoder.parts for name in part.source_names}
    for part in encoder.parts:
        derived = {f"{name} missing": f"missing_indicator for '{name}'" for name in part.indicators}
        derived |= dict.fromkeys(time_features.column_names(part.times), "time_features")
        if taken := [name for name in derived if name in columns]:
            raise DataError(
                f"column '{taken[0]}' has the name of the feature that comes of "
                f"{derived[taken[0]]}; rename the column"
            )
