"""Steppers of networks with categories, whose features are not all numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_rust.data.categories import CategoryEncoder
from rnn_rust.errors import DataError, ShapeError


class EncodedStepper:
    """A stepper that takes the features of a row by name, or in the order of ``feature_names``.

    All else is as of the stepper of a network whose features are numbers.

    Attributes
    ----------
    feature_names
        Numbers and then categories, in the network's order.
    """

    def __init__(self, stepper: Any, encoder: CategoryEncoder) -> None:
        self._stepper, self._encoder = stepper, encoder
        self.feature_names = encoder.feature_names

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
            values = list(features)
            if len(values) != len(self.feature_names):
                raise ShapeError(
                    f"features: {len(values)} values for {', '.join(self.feature_names)}"
                )
            features = dict(zip(self.feature_names, values, strict=True))
        try:
            row = np.array(self._encoder.row(features))
        except KeyError as error:
            raise DataError(f"features: there is no {error.args[0]!r}; give each by name") from None
        except (TypeError, ValueError) as error:
            raise DataError(f"features: {error}; give numbers, and text for categories") from None
        return self._stepper.step(row) if out is None else self._stepper.step(row, out)

    def __copy__(self) -> EncodedStepper:
        """Return a stepper with a state of its own."""
        return EncodedStepper(self._stepper.__copy__(), self._encoder)

    def __getattr__(self, name: str) -> Any:
        """Return what the stepper itself has: ``state``, ``reset``, ..."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._stepper, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the state, which is the stepper's own."""
        if name == "state":
            self._stepper.state = value
        else:
            super().__setattr__(name, value)
