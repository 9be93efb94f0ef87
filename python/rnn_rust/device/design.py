"""What is exported of a network: its sizes, the meaning of inputs and outputs, its needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.data.time_features import CYCLES, DATES
from rnn_rust.device.words import Names, checked_prefix, comment
from rnn_rust.errors import ParameterError
from rnn_rust.model.network import Network
from rnn_rust.model.rounding import names_of_inputs, warn_of_rounding
from rnn_rust.model.scoring import classes_of_outputs
from rnn_rust.model.streams import check_learns_values

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_SIZES = (
    "FEATURES", "CATEGORIES", "INPUTS", "LAYERS", "HIDDEN", "GATES", "OUTPUTS", "THRESHOLD",
    "STEPS", "H",
)  # fmt: skip


@dataclass(frozen=True)
class Enumeration:
    """Named positions: what each constant stands for, in order, and a comment on all."""

    constants: dict[str, str]
    about: str


class Design:
    """A network as it will be written in C.

    Parameters
    ----------
    model
        The network.
    prefix
        Prefix of all names.

    Raises
    ------
    ParameterError
        The network cannot be computed step by step, or not in C; or the prefix is not valid.
    """

    def __init__(self, model: Network, prefix: str) -> None:
        self.prefix = checked_prefix(prefix)
        self.model = model
        if model.encoder is not None and model.encoder.static is not None:
            names = ", ".join(model.encoder.static.source_names)
            raise ParameterError(
                f"C takes the features of events, and the model has static features ({names}); "
                "train on them in features="
            )
        check_learns_values(model, "C")
        model.stepper()  # Raises an error for a model that cannot read step by step.
        settings, encoder = model.settings, model.encoder
        self.is_float = settings["dtype"] == "float32"
        self.hidden, self.layers = int(settings["hidden_size"]), int(settings["num_layers"])
        self.outputs = int(settings["output_size"])
        self.gates = GATES[model.cell] * self.hidden
        self.features = int(settings["input_size"]) if encoder is None else len(encoder.numbers)
        self.feature_names = model.feature_names if encoder is None else encoder.numbers
        self.times = () if encoder is None else encoder.times
        self.time_kind = None if encoder is None else encoder.time_kind
        if set(self.times) & set(CYCLES):
            self.time_kind = DATES  # Older files do not have the kind.
        self.levels = {} if encoder is None else encoder.levels
        self.fill = "error" if encoder is None else encoder.fill
        self.indicators = () if encoder is None else encoder.indicators
        # The inputs of the first layer except categories: features, derived ones, and time.
        self.inputs = self.features if encoder is None else len(encoder.number_names)
        self.scales_labels = model.scaler is not None and model.scaler.labels
        self._check_scaler()

    # Types and names -------------------------------------------------------------------------

    @property
    def real(self) -> str:
        """The type of weights and arithmetic."""
        return "float" if self.is_float else "double"

    @property
    def output_type(self) -> str:
        """The type of outputs: numbers in original units may need the precision of double."""
        return "double" if self.scales_labels else self.real

    def rounded(self, values: Any) -> FloatArray:
        """Return numbers in the type of the arithmetic."""
        return np.asarray(values, np.float32 if self.is_float else np.float64)

    @property
    def tolerance(self) -> float:
        """How much outputs may differ from ``predict``, relative to max(1, abs(output))."""
        return 1e-5 if self.is_float else 1e-12

    @property
    def activation(self) -> str:
        """The activation of an RNN's units."""
        return str(self.model.settings["activation"])

    @property
    def is_binary(self) -> bool:
        """Whether each output is the probability of a 1."""
        return self.model.loss_name in ("binary_cross_entropy", "focal")

    @property
    def has_named_classes(self) -> bool:
        """Whether each output is a probability, and the classes of some label have names."""
        return self.is_binary and any(classes_of_outputs(self.model))

    @property
    def positives(self) -> list[str]:
        """The class whose probability each output is, if outputs are probabilities."""
        return ["1" if own is None else own[-1] for own in classes_of_outputs(self.model)]

    @cached_property
    def enumerations(self) -> list[Enumeration]:
        """The positions of features, categories, levels and outputs that have names."""
        new, found = Names(self.prefix, _SIZES).new, []

        def add(
            about: str, kind: str, names: Iterable[str], texts: Iterable[str] = (), **more: str
        ) -> None:
            shown = zip(names, texts or names, strict=True)
            constants = {new(kind, name or "empty"): text for name, text in shown}
            constants |= {new(kind, name): text for name, text in more.items()}
            found.append(Enumeration(constants, about))

        if self.feature_names and self.features:
            add("The places of features", "feature", self.feature_names)
        if self.levels:
            add("The places of categories", "category", self.levels)
        for name, own in self.levels.items():
            about = f"The levels of {comment(name)}; any other number counts as the last"
            add(about, name, own, other="all that training has not seen")
        if self.output_names and self.outputs > 1:
            kind = "class" if self.model.loss_name == "cross_entropy" else "output"
            add("The places of outputs", kind, self.output_names, self._texts_of_outputs())
        return found

    def _texts_of_outputs(self) -> list[str]:
        """Return a comment on each output; empty if names are enough."""
        if not self.has_named_classes:
            return []
        shown = zip(self.output_names or (), self.positives, strict=True)
        return [f"{label}: the probability of {positive}" for label, positive in shown]

    @property
    def feature_constants(self) -> list[str]:
        """The constants for the positions of features."""
        return list(self.enumerations[0].constants)

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """The name of each output, from its class or its label; None if there are no names."""
        if self.model.loss_name == "cross_entropy":
            return self.model.classes
        return self.model.label_names

    # Figures ---------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return 4 if self.is_float else 8

    @property
    def state_bytes(self) -> int:
        """Bytes of the state if an int has 4 and a double is aligned to 8."""
        numbers = self.layers * self.hidden * (2 if self.model.cell == "LSTM" else 1)
        numbers += self.features if self.fill == "forward" else 0
        if not self.times:
            return numbers * self.width
        return -(-numbers * self.width // 8) * 8 + 16

    @property
    def stack_bytes(self) -> int:
        """Bytes of the arrays in a step."""
        numbers = self.inputs + self.gates + (self.outputs if self.scales_labels else 0)
        if self.model.cell == "GRU":
            numbers += self.gates if self.model.settings["reset_after"] else self.hidden
        return numbers * self.width

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds with weights in one step."""
        first = self.inputs * self.gates
        between = (self.layers - 1) * self.hidden * self.gates
        return first + between + self.layers * self.hidden * self.gates + self.hidden * self.outputs

    def _check_scaler(self) -> None:
        """Refuse scales outside float's range; warn of features that float rounds too much."""
        scaler = self.model.scaler
        if scaler is None or not self.is_float:
            return
        names = names_of_inputs(self.model)
        shifts, scales = scaler.feature_shift_, scaler.feature_scale_
        tiny, largest = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
        for name, shift, scale in zip(names, shifts, scales, strict=False):
            if not (abs(shift) <= largest and tiny <= scale <= largest):
                raise ParameterError(
                    f"the scaler of feature '{name}' (shift {shift:g}, scale {scale:g}) is out of "
                    "the range of float; use dtype='float64'"
                )
        warn_of_rounding(names, shifts, scales)
