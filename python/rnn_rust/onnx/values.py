"""What is known of a value of a graph that is read: constants, and what the network has made.

A constant is an array; in one of objects stand sizes that are only known when the graph runs, as
:class:`Size`. All else is an :class:`Axed` value: what it is, and what its axes are. An axis is a
tuple of names, one for each axis that was merged into it. Axes of size 1 have no name: where they
stand makes no difference.
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
"""Names of axes beside those of the input; SEQUENCE is that of the lengths."""


@dataclass(frozen=True)
class Size:
    """A size that is known when the graph runs: a product of sizes of the input's axes."""

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
    """A value of the graph with what its axes are.

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
        """Return an axis of these names, but for those of size 1."""
        return tuple(name for name in names if self.sizes[name] != 1)

    def with_axes(self: AnyAxed, axes: tuple[Axis, ...]) -> AnyAxed:
        """Return the value with its axes elsewhere."""
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
        """Whether it is more than the input."""
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
    """A part of an input, or a cell state: of no use but as an initial state.

    Attributes
    ----------
    made_by
        The node that made it, for messages.
    inputs
        The inputs of the graph that it is a part of; empty of a cell state.
    """

    made_by: str
    inputs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Filled:
    """A number in every place, in whatever shape."""

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
        The class, and those of its arguments that the node sets.
    hidden_size
        Units of a direction.
    below
        What it reads.
    weights
        By direction (``""``, ``"_reverse"``) the tensors of a state dict, by the names before
        ``_l0``.
    lengths
        The input that says how long sequences are; empty if they are as long as the features.
    initial
        The inputs of the graph that give states before the first step.
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
    """States of layers and directions, side by side in the axis of this name."""

    pieces: tuple[Piece, ...]
    readout: Readout

    def with_pieces(self, pieces: tuple[Piece, ...], axes: tuple[Axis, ...]) -> States:
        """Return the states of other pieces, which must be as wide."""
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
    """What the head makes of states: ``activation(W s + b) · scale + shift``.

    Attributes
    ----------
    linear
        Whether nothing came after ``W s + b`` so far.
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
        """Whether there is more than the activation."""
        return bool((self.scale != 1).any() or self.shift.any())


Value = Constant | Axed | Part | Filled | None
