"""Steppers for networks whose features are not all plain numbers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_rust.errors import DataError, ParameterError
from rnn_rust.model.row_encoder import Carried, RowEncoder
from rnn_rust.model.states import warn_of_rows_before


class EncodedStepper:
    """A stepper that takes the features of a row by name, or in the order of ``feature_names``.

    A model with time features also takes the time of the row, by the name of its column. Everything
    else is as for a stepper whose features are numbers. Its ``state`` is only the network's: after
    setting it, missing numbers and times are treated as in the first row of a sequence. A copy
    includes them.

    Attributes
    ----------
    feature_names
        Numbers, categories, and the time if it is needed.
    """

    _from_state = False
    """Whether a state other than 0 was set and no row has been read since."""

    def __init__(
        self, stepper: Any, rows: RowEncoder, static: Mapping[str, Any] | None = None
    ) -> None:
        self._stepper, self._rows, self._carried = stepper, rows, Carried()
        self._static: list[float] = []
        self.feature_names = rows.feature_names
        self._set_static(static)

    def step(self, features: Any, out: Any = None) -> Any:
        """Return the outputs after one more row, as ``stepper.step`` does.

        Raises
        ------
        ShapeError
            There are more or fewer features.
        DataError
            A feature is missing by name, or is not a number but should be.
        """
        row, carried = self._rows.encode(features, self._carried)
        if self._from_state:
            encoder = self._rows.encoder
            gaps = [name for name in encoder.numbers if name not in carried.numbers]
            warn_of_rows_before(encoder, gaps)
        try:
            outputs = self._stepper.step(row) if out is None else self._stepper.step(row, out)
        except DataError:
            # That message has only positions; name the feature.
            self._rows.check_numbers(row[np.newaxis, : len(self._rows.encoder.number_names)])
            raise
        self._carried, self._from_state = carried, False
        return outputs

    def _set_static(self, static: Mapping[str, Any] | None) -> None:
        own = self._rows.encoder.static
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
        self._static = own.encode_one(static)
        self._stepper.set_statics(self._static)

    def reset(self, static: Mapping[str, Any] | None = None) -> None:
        """Begin another sequence, with its own static features if the model has any."""
        self._set_static(static)
        self._carried, self._from_state = Carried(), False
        self._stepper.reset()

    def __copy__(self) -> EncodedStepper:
        """Return a stepper with a state of its own."""
        copied = object.__new__(EncodedStepper)
        copied.__setstate__(vars(self) | {"_stepper": copy.copy(self._stepper)})
        return copied

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        """Take over the attributes of a copied or pickled stepper."""
        vars(self).update(attributes)
        if self._static:
            self._stepper.set_statics(self._static)

    def __repr__(self) -> str:
        """Return the ``repr`` of the stepper, and the features that a step takes."""
        return f"{self._stepper!r} of {', '.join(self.feature_names)}"

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the stepper itself, such as ``state``."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._stepper, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the state, which belongs to the stepper itself, and forget the rows read so far."""
        if name == "state":
            self._stepper.state = value
            self._carried, self._from_state = Carried(), bool(np.any(value))
        else:
            super().__setattr__(name, value)
