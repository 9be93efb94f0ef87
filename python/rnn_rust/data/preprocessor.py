"""The preprocessor: what a model learns about its features, usable on its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rnn_rust.base.checks import boolean, positive_integer
from rnn_rust.base.suggest import suggests_settings
from rnn_rust.data import time_features as times_of
from rnn_rust.data.encoder import OTHER, FeatureEncoder
from rnn_rust.data.encoder_fit import learn_encoder
from rnn_rust.data.missing import FILLS
from rnn_rust.data.scale import Scaler
from rnn_rust.data.scalers import make_scaler
from rnn_rust.data.sequences import require_dataset
from rnn_rust.errors import ParameterError

if TYPE_CHECKING:
    import polars as pl

    from rnn_rust.data.dataset import Dataset


@suggests_settings
class Preprocessor:
    """Turns the columns of a data set into network inputs, as learnt from training data.

    Every model has its own, :attr:`rnn_rust.GRU.preprocessor`; this class can be used on its own.

    Parameters
    ----------
    scaler
        ``"standard"``, ``"minmax"``, ``"robust"``, a :class:`rnn_rust.StandardScaler` or the like,
        or None to leave numbers unscaled. Labels are not changed.
    max_categories, missing, missing_indicator, time_features
        As in :class:`rnn_rust.GRU`.

    Raises
    ------
    ParameterError
        An argument is outside its allowed values.

    Examples
    --------
    >>> import polars as pl
    >>> from rnn_rust import Dataset, Preprocessor
    >>> shop = pl.DataFrame({"t": [0, 1, 2], "amount": [2.0, 4.0, 9.0], "kind": ["a", "b", "a"]})
    >>> data = Dataset.from_frame(shop, features=["amount", "kind"], labels=[])
    >>> preprocessor = Preprocessor(scaler="minmax").fit(data)
    >>> preprocessor.input_names
    ('amount', 'kind=a', 'kind=b', 'kind=other')
    >>> preprocessor.transform(data).features[:, 0].round(2).tolist()
    [0.0, 0.29, 1.0]
    """

    def __init__(
        self,
        *,
        scaler: str | Scaler | None = "standard",
        max_categories: int = 100,
        missing: str = "error",
        missing_indicator: bool = False,
        time_features: str | Iterable[str] = (),
    ) -> None:
        if missing not in FILLS:
            raise ParameterError(f"missing={missing!r} is not known; use one of {', '.join(FILLS)}")
        self.max_categories = positive_integer("max_categories", max_categories)
        self.missing = missing
        self.missing_indicator = boolean("missing_indicator", missing_indicator)
        self.time_features = times_of.checked("time_features", time_features)
        if not isinstance(scaler, str | Scaler | None):
            raise ParameterError(f"scaler must be a name or a scaler, got {scaler!r}")
        self.scaler = make_scaler(scaler, labels=False) if isinstance(scaler, str) else scaler
        self._encoder: FeatureEncoder | None = None

    @classmethod
    def of(cls, encoder: FeatureEncoder, scaler: Scaler | None, **arguments: Any) -> Self:
        """Return the preprocessor of a model, from its encoder, fitted scaler and arguments."""
        own = cls(scaler=scaler, **arguments)
        own._encoder = encoder
        return own

    def fit(self, dataset: Dataset) -> Self:
        """Learn levels, means and scales from all rows of a data set.

        Raises
        ------
        DataError
            A column has no number at all, or its range is more than float64 can hold.
        ParameterError
            ``dataset`` is not a data set.
        """
        require_dataset(dataset, "fit")
        how: dict[str, Any] = {
            "most": self.max_categories, "fill": self.missing, "indicator": self.missing_indicator
        }  # fmt: skip
        encoder = learn_encoder(dataset, self.scaler, times=self.time_features, **how)
        if self.scaler is not None:
            # A copy, because this scaler may belong to a model or to the caller.
            self.scaler = copy.copy(self.scaler).fit(encoder.encode(dataset))
        self._encoder = encoder
        return self

    def transform(self, dataset: Dataset) -> Dataset:
        """Return the data set with the inputs as features, all of them numbers.

        Numbers are scaled; a category becomes the position of its level in ``input_names``.
        Labels are not changed.

        Raises
        ------
        DataError
            A number is missing that must not be, or a column is of another kind.
        ParameterError
            :meth:`fit` has not been called, or ``dataset`` is not a data set.
        ShapeError
            The data set has other columns.
        """
        encoded: Dataset = self.encoder.encode(require_dataset(dataset, "transform"))
        features, static = encoded.features, encoded.static
        if self.scaler is not None:
            features = self.scaler.transform_features(features)
        if static is not None:
            static = replace(static, levels={})
        return replace(
            encoded, features=features, static=static, levels={}, encoder=None, keeps_missing=False
        )

    @property
    def encoder(self) -> FeatureEncoder:
        """What was learnt, except the scales; ParameterError if :meth:`fit` was not called."""
        if self._encoder is None:
            raise ParameterError("this Preprocessor is not fitted; call fit(dataset)")
        return self._encoder

    @property
    def input_names(self) -> tuple[str, ...]:
        """The name of each input of a network: a number, or a level of a category."""
        return self.encoder.input_names

    def table(self) -> pl.DataFrame:
        """Return what was learnt: a Polars frame with one row per input.

        Its ``kind`` says whether the input is a number, a ``missing`` indicator, a ``time``, a
        ``level`` or all ``other`` levels. ``mean`` replaces missing numbers if ``missing="mean"``;
        inputs are ``(value - shift) / scale``; ``share`` is how frequent a level is.
        """
        from rnn_rust.base.polars import pl

        encoder, scaler = self.encoder, self.scaler
        count = len(encoder.number_names)
        shift, scale = (), ()
        if scaler is not None:
            shift = tuple(scaler.feature_shift_[:count].tolist())
            scale = tuple(scaler.feature_scale_[:count].tolist())
        rows = _rows(encoder, shift, scale, static=False)
        if encoder.static is not None:
            own = encoder.static
            rows += _rows(own, own.shift, own.scale, static=True)
        kinds = {
            "input": pl.String, "kind": pl.String, "static": pl.Boolean, "mean": pl.Float64,
            "shift": pl.Float64, "scale": pl.Float64, "share": pl.Float64,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=kinds, orient="row")

    def __repr__(self) -> str:
        """Return the arguments and the number of inputs."""
        scaler = None if self.scaler is None else self.scaler.kind
        given = (
            f"scaler={scaler!r}, missing={self.missing!r}, "
            f"missing_indicator={self.missing_indicator}, time_features={list(self.time_features)}"
        )
        found = "not fitted" if self._encoder is None else f"{self._encoder.input_count} inputs"
        return f"<Preprocessor({given}): {found}>"


def _rows(
    encoder: FeatureEncoder, shift: tuple[float, ...], scale: tuple[float, ...], *, static: bool
) -> list[tuple[Any, ...]]:
    """Return the rows of a table of inputs."""
    kinds = ["number"] * len(encoder.numbers) + ["missing"] * len(encoder.indicators)
    kinds += ["time"] * (len(encoder.number_names) - len(kinds))
    rows: list[tuple[Any, ...]] = []
    for at, (name, kind) in enumerate(zip(encoder.number_names, kinds, strict=True)):
        mean = encoder.means[at] if kind == "number" and np.isfinite(encoder.means[at]) else None
        scaling = (shift[at], scale[at]) if shift else (None, None)
        rows.append((name, kind, static, mean, *scaling, None))
    for name, levels in encoder.levels.items():
        shares = encoder.shares[name]
        for level, share in zip(levels, shares, strict=True):
            rows.append((f"{name}={level}", "level", static, None, None, None, share))
        # Shares are rounded: a rest too small for even one row is a rounding error.
        rest = 1 - math.fsum(shares)
        rest = rest if rest > 1e-12 else 0.0
        rows.append((f"{name}={OTHER}", "other", static, None, None, None, rest))
    return rows
