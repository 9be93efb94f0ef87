"""Steppers of networks whose features are not all plain numbers."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_rust.data import time_features
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.levels import level_of
from rnn_rust.errors import DataError, ParameterError, ShapeError


def _instant(value: Any) -> Any:
    """Return a time as an array of one: a number, or a date, also of Python or as text."""
    if isinstance(value, str):
        iso = re.fullmatch(r"\d{4}[-/]\d\d[-/]\d\d([T ][\d:.]+)?", value.strip())
        value = np.datetime64(iso[0].replace("/", "-")) if iso else _parsed(value)
    time = np.array([value])
    return time.astype("datetime64[us]") if time.dtype == object else time


def _parsed(text: str) -> Any:
    """Return a date in any form that a time column may have."""
    from rnn_rust.base.arrays import row_at
    from rnn_rust.base.polars import pl
    from rnn_rust.data.source import Source
    from rnn_rust.data.times import read_times

    times, _ = read_times(pl.Series("time", [text]), Source("features", row_at))
    return times.to_numpy()[0]


class EncodedStepper:
    """A stepper that takes the features of a row by name, or in the order of ``feature_names``.

    A model with features of time takes the time of the row too, by the name of its column. All else
    is as of the stepper of a network whose features are numbers.

    Attributes
    ----------
    feature_names
        Numbers, categories, and the time where it is needed.
    """

    def __init__(
        self,
        stepper: Any,
        encoder: FeatureEncoder,
        time_name: str,
        static: Mapping[str, Any] | None = None,
    ) -> None:
        self._stepper, self._encoder, self._time_name = stepper, encoder, time_name
        self._set_static(static)
        timed = (time_name,) if encoder.times else ()
        self.feature_names = (*encoder.source_names, *timed)
        self._last: dict[str, float] = {}
        self._before: np.ndarray[Any, Any] | None = None

    def step(self, features: Any, out: Any = None) -> Any:
        """Return the outputs after one more row, as ``stepper.step`` does.

        Raises
        ------
        ShapeError
            There are more or fewer features.
        DataError
            One is missing by name, or is not a number where it has to be.
        """
        if not isinstance(features, Mapping):
            is_row = hasattr(features, "__len__") and getattr(features, "ndim", 1) == 1
            if isinstance(features, str) or not is_row:
                raise ShapeError(
                    f"features: {reprlib.repr(features)}; a step takes those of one row, by name "
                    f"or in the order {', '.join(self.feature_names)}"
                )
            values = list(features)
            if len(values) != len(self.feature_names):
                raise ShapeError(
                    f"features: {len(values)} values for {', '.join(self.feature_names)}"
                )
            features = dict(zip(self.feature_names, values, strict=True))
        try:
            row = np.array(self._row(features))
        except KeyError as error:
            raise DataError(f"features: there is no {error.args[0]!r}; give each by name") from None
        except (TypeError, ValueError) as error:
            raise DataError(f"features: {error}; give numbers, and text for categories") from None
        return self._stepper.step(row) if out is None else self._stepper.step(row, out)

    def _row(self, values: Mapping[str, Any]) -> list[float]:
        """Return the features of one row as the engine takes them."""
        encoder = self._encoder
        given = {name: values[name] for name in encoder.numbers}
        missing = {name: value is None or np.isnan(float(value)) for name, value in given.items()}
        row = []
        for (name, value), mean in zip(given.items(), encoder.means, strict=True):
            if not missing[name]:
                self._last[name] = float(value)
            elif encoder.fill == "error":
                raise ValueError(f"'{name}' is missing")
            kept = self._last.get(name, mean) if encoder.fill == "forward" else mean
            row.append(kept if missing[name] else float(value))
        row += [float(missing[name]) for name in encoder.indicators]
        if encoder.times:
            time = _instant(values[self._time_name])
            before = time if self._before is None else self._before
            columns = time_features.columns(encoder.times, time, before)
            row += [float(column[0]) for column in columns]
            self._before = time
        for name in encoder.levels:
            row.append(float(encoder.inputs_of(name, (level_of(values[name]),))[0]))
        return row

    def _set_static(self, static: Mapping[str, Any] | None) -> None:
        own = self._encoder.static
        if own is None:
            if static is not None:
                raise ParameterError("the model was trained without static features; give none")
            return
        if not isinstance(static, Mapping) or set(static) != set(own.source_names):
            names = map(str, static) if isinstance(static, Mapping) else [repr(static)]
            got = "none" if static is None else ", ".join(names)
            raise ParameterError(
                f"the sequence needs the static features {', '.join(own.source_names)}, got {got}; "
                "give static={name: value}"
            )
        self._stepper.set_statics(own.encode_one(static))

    def reset(self, static: Mapping[str, Any] | None = None) -> None:
        """Begin another sequence, with its own static features if the model knows such."""
        self._set_static(static)
        self._last.clear()
        self._before = None
        self._stepper.reset()

    def __copy__(self) -> EncodedStepper:
        """Return a stepper with a state of its own."""
        copied = object.__new__(EncodedStepper)
        vars(copied).update(vars(self), _stepper=self._stepper.__copy__(), _last=dict(self._last))
        return copied

    def __getattr__(self, name: str) -> Any:
        """Return what the stepper itself has: ``state``, ..."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._stepper, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the state, which is the stepper's own."""
        if name == "state":
            self._stepper.state = value
        else:
            super().__setattr__(name, value)
