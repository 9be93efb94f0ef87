"""One sequence of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.ahead import Forecast, known_values
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.static import StaticFeatures


@dataclass(frozen=True, eq=False)
class Sequence:
    """One sequence: its ``id``, ``times (T,)``, ``features (T, F)`` and ``labels (T, L)``.

    ``weights (T,)`` belong to its steps, ``feature_names`` and ``label_names`` to its columns; they
    are None if the data set has none. ``ahead``, ``present`` and ``seasonal`` belong to a forecast,
    ``levels`` to features that are categories. ``static`` has one row, or is None;
    ``initial_state`` is the state that a network starts from, or None for 0.
    """

    id: str | int
    times: NDArray[Any]
    features: FloatArray
    labels: FloatArray
    weights: FloatArray | None = None
    feature_names: tuple[str, ...] | None = None
    label_names: tuple[str, ...] | None = None
    ahead: Forecast | None = None
    present: FloatArray | None = None
    seasonal: FloatArray | None = None
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    encoder: FeatureEncoder | None = None
    keeps_missing: bool = False
    label_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    static: StaticFeatures | None = None
    initial_state: FloatArray | None = None

    def __len__(self) -> int:
        """Return the number of time steps T."""
        return len(self.features)

    @property
    def known(self) -> FloatArray | None:
        """Values ``(T, L)`` that labels are learnt as changes from; None if there are none."""
        return known_values(self.present, self.seasonal, self.ahead)
