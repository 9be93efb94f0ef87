"""What is known about a value of a graph that is read: a constant, or a value of the network.

A constant is an array; an array of objects has sizes that are only known when the graph runs, as
:class:`Size`. Anything else is an :class:`Axed` value: what it is, and what its axes are. An axis
is a tuple of names, one for each axis that was merged into it. Axes of size 1 have no name: their
position makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_rust.base.arrays import FloatArray

Constant = NDArray[Any]
Axis = tuple[str, ...]

FEATURE, PIECE, UNIT, OUTPUT = "feature", "direction", "unit", "output"
SEQUENCE = "sequence"
"""Names of axes other than the input's; SEQUENCE is the axis of the lengths."""


@dataclass(frozen=True)
class Size:
    """A size that is only known when the graph runs: a product of sizes of the input's axes."""

    names: tuple[str, ...]
    factor: int = 1

    def __mul__(self, other: Any) -> Size:
        """Return the product with a number or another size."""
        if isinstance(other, Size):
            return Size(tuple(sorted(self.names + other.names)), self.factor * other.factor)
        return Size(self.names, self.factor * int(other))

    __rmul__ = __mul__


Sizes = Mapping[str, "int | Size"]
AnyAxed = TypeVar("AnyAxed", bound="Axed")


def product(axis: Axis, sizes: Sizes) -> int | Size:
    """Return the size of an axis."""
    whole: int | Size = 1
    for name in axis:
        whole = sizes[name] * whole
    return whole


@dataclass(frozen=True, eq=False, kw_only=True)
class Axed:
    """A value of the graph with named axes.

    Attributes
    ----------
    axes
        The names of each axis.
    sizes
        The size of each name.
    """

    axes: tuple[Axis, ...]
    sizes: Sizes

    def axis(self, *names: str) -> Axis:
        """Return an axis with these names, except names of size 1."""
        return tuple(name for name in names if self.sizes[name] != 1)

    def with_axes(self: AnyAxed, axes: tuple[Axis, ...]) -> AnyAxed:
        """Return the value with other axes."""
        return replace(self, axes=axes)

    def shape(self) -> tuple[int | Size, ...]:
        """Return the size of each axis."""
        return tuple(product(axis, self.sizes) for axis in self.axes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Features(Axed):
    """An input of the graph, scaled by feature: ``(x - shift) / scale``."""

    name: str
    shift: FloatArray = field(default_factory=lambda: np.zeros(1))
    scale: FloatArray = field(default_factory=lambda: np.ones(1))

    @property
    def is_scaled(self) -> bool:
        """Whether the input has been shifted or scaled."""
        return bool((self.scale != 1).any() or self.shift.any())

    def same(self, other: object) -> bool:
        """Whether another value is the same."""
        return (
            isinstance(other, Features)
            and self.name == other.name
            and np.array_equal(self.shift, other.shift)
            and np.array_equal(self.scale, other.scale)
        )


@dataclass(frozen=True)
class Part:
    """A part of an input, or a cell state: only useful as an initial state.

    Attributes
    ----------
    made_by
        The node that made it, for messages.
    inputs
        The inputs of the graph that it is a part of; empty for a cell state.
    """

    made_by: str
    inputs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Filled:
    """An array of any shape, filled with one number."""

    number: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Lengths(Axed):
    """The lengths of the sequences, an input of the graph."""

    name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Steps(Axed):
    """The numbers of the steps, 0, 1, ..."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mask(Axed):
    """Whether a step belongs to its sequence, by the lengths of this name."""

    name: str


@dataclass(frozen=True, eq=False)
class Layer:
    """A node RNN, GRU or LSTM.

    Attributes
    ----------
    node
        Its name and operator, for messages.
    cell, options
        The class, and the arguments that the node determines.
    hidden_size
        Units per direction.
    below
        What it reads.
    weights
        By direction (``""``, ``"_reverse"``): tensors of a state dict, by name without ``_l0``.
    lengths
        The input with the lengths of sequences; empty if they are as long as the features.
    initial
        The inputs of the graph with the states before the first step.
    time, batch
        The axes of the input that it reads as steps and as sequences.
    """

    node: str
    cell: str
    options: dict[str, Any]
    hidden_size: int
    below: Features | States
    weights: dict[str, dict[str, FloatArray]]
    lengths: str
    initial: frozenset[str]
    time: Axis
    batch: Axis


Piece = tuple[Layer, str]
"""A layer, and one of its directions."""
Readout = Literal["each_step", "last", "mean", "sum"]


@dataclass(frozen=True, eq=False, kw_only=True)
class States(Axed):
    """States of layers and directions (pieces), side by side in the axis PIECE."""

    pieces: tuple[Piece, ...]
    readout: Readout

    def with_pieces(self, pieces: tuple[Piece, ...], axes: tuple[Axis, ...]) -> States:
        """Return the states of other pieces, which must have the same width."""
        sizes = {**self.sizes, PIECE: len(pieces)}
        return replace(self, pieces=pieces, axes=axes, sizes=sizes)

    def same(self, other: object) -> bool:
        """Whether another value is the same."""
        return (
            isinstance(other, States)
            and self.pieces == other.pieces
            and self.readout == other.readout
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Outputs(Axed):
    """The head's outputs from states: ``activation(W s + b) · scale + shift``.

    Attributes
    ----------
    linear
        Whether nothing has followed ``W s + b`` so far.
    """

    states: States
    weight: FloatArray
    bias: FloatArray
    activation: str = "identity"
    linear: bool = True
    scale: FloatArray = field(default_factory=lambda: np.ones(1))
    shift: FloatArray = field(default_factory=lambda: np.zeros(1))

    @property
    def is_scaled(self) -> bool:
        """Whether the outputs have been scaled or shifted after the activation."""
        return bool((self.scale != 1).any() or self.shift.any())


Value = Constant | Axed | Part | Filled | None
