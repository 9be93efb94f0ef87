"""The plan of a forecast: how far ahead, and relative to which values changes are learnt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_rust.base.checks import positive_integer, whole_number
from rnn_rust.data.columns import as_names
from rnn_rust.errors import ParameterError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray

_REFERENCES = ("last", "season", None)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Which series is forecast, how far ahead, and from what.

    Attributes
    ----------
    column
        The series: a feature or a label of the table.
    horizon
        How many rows ahead the furthest label is.
    season
        The number of rows in a season, or None.
    lags
        The lags, in rows, of earlier values of the series that serve as features.
    features
        Columns of the table that are features too; None for the change of the series and all
        features except the series.
    relative_to
        What the model learns the change from: ``"last"``, ``"season"``, or None for the values.
    """

    column: str
    horizon: int
    season: int | None = None
    lags: tuple[int, ...] = ()
    features: tuple[str, ...] | None = None
    relative_to: str | None = "last"

    @classmethod
    def checked(
        cls,
        column: str,
        horizon: int,
        *,
        season: int | None,
        lags: int | Iterable[int],
        features: str | Iterable[str] | None,
        relative_to: str | None,
    ) -> Forecast:
        """Return a forecast with checked arguments; raise ParameterError if one is invalid."""
        if not isinstance(column, str):
            raise ParameterError(f"forecast: column must be the name of a column, got {column!r}")
        horizon = positive_integer("horizon", horizon)
        if season is not None:
            season = positive_integer("season", season)
        if relative_to == "default":
            relative_to = "last" if season is None else "season"
        if relative_to not in _REFERENCES or (relative_to == "season" and season is None):
            raise ParameterError(
                f"forecast: relative_to={relative_to!r} is not known; use 'last', 'season' (with "
                "season=...) or None"
            )
        if isinstance(lags, Iterable):
            back = tuple(positive_integer("lags", lag) for lag in lags)
        else:
            back = tuple(range(1, whole_number("lags", lags, least=0) + 1))
        names = None if features is None else as_names("features", features)
        for part, several in (("lags", back), ("features", names or ())):
            if len(set(several)) < len(several):
                raise ParameterError(f"forecast: {part}={list(several)} has one twice; drop it")
        return cls(
            column=column, horizon=horizon, season=season, lags=back, features=names,
            relative_to=relative_to,
        )  # fmt: skip

    @property
    def change_rows(self) -> int:
        """The number of rows over which the default feature measures the change of the series."""
        return self.season if self.relative_to == "season" and self.season else 1

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The columns of the table to read; None to read all default features."""
        if self.features is None:
            return None
        return tuple(dict.fromkeys((*self.features, self.column)))

    @property
    def learns(self) -> tuple[str, int, str | None, int | None]:
        """The meaning of outputs: series, horizon, ``relative_to`` and the season it uses."""
        season = self.season if self.relative_to == "season" else None
        return self.column, self.horizon, self.relative_to, season

    def in_words(self) -> str:
        """Return the meaning of outputs, for messages."""
        column, horizon, relative_to, season = self.learns
        seasons = "" if season is None else f", season={season}"
        return f"'{column}', horizon={horizon}{seasons}, relative_to={relative_to!r}"

    def label_names(self) -> tuple[str, ...]:
        """Return the names of the labels: ``passengers+1``, ``passengers+2``, ..."""
        return tuple(f"{self.column}+{ahead}" for ahead in range(1, self.horizon + 1))


def known_values(present: Any, seasonal: Any, plan: Forecast | None) -> FloatArray | None:
    """Return the values ``(N, horizon)`` that changes are relative to; None if there are none."""
    if plan is None or plan.relative_to is None:
        return None
    if plan.relative_to == "season":
        # Until a season has passed, only the present value is known.
        found: FloatArray = np.where(np.isnan(seasonal), present[:, None], seasonal)
        return found
    return np.repeat(present[:, None], plan.horizon, axis=1)
