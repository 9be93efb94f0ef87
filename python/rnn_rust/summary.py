"""What a model is made of, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rnn_rust.network import Network


@dataclass(frozen=True)
class Layer:
    """One layer: its name, the columns that go in and come out, and its weights."""

    name: str
    inputs: int
    outputs: int
    shapes: dict[str, tuple[int, ...]]
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Summary:
    """A model's layers, parameters and bytes; prints as a table.

    >>> import rnn_rust as rnn
    >>> print(rnn.GRU(3, 5, 1).summary())
    layer     inputs  outputs  weights                                                      parameters  bytes
    GRU l0         3        5  weight_ih (15, 3), weight_hh (15, 5), bias (15,), bias_hn (5,)        140    560
    head           5        1  weight (1, 5), bias (1,)                                              6     24
    total                                                                                          146    584
    """

    model: str
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, model: Network) -> Self:
        """Return that of a model."""
        settings = model.settings
        directions = 2 if settings["bidirectional"] else 1
        state = directions * settings["hidden_size"]
        kind = type(model).__name__
        groups: dict[str, dict[str, tuple[int, ...]]] = {}
        sizes: dict[str, list[int]] = {}
        for name, array in model.state_dict().items():
            if name.startswith("head."):
                layer, short = "head", name.removeprefix("head.")
            else:
                short, _, number = name.partition("_l")
                number, _, reverse = number.partition("_")
                layer = f"{kind} l{number}"
                short += "_reverse" if reverse else ""
            groups.setdefault(layer, {})[short] = array.shape
            total = sizes.setdefault(layer, [0, 0])
            total[0] += array.size
            total[1] += array.nbytes
        layers = []
        for name, shapes in groups.items():
            first = name == f"{kind} l0"
            ends = settings["output_size"] if name == "head" else state
            layers.append(
                Layer(name, settings["input_size"] if first else state, ends, shapes, *sizes[name])
            )
        return cls(repr(model), tuple(layers))

    @property
    def parameters(self) -> int:
        """The number of all weights."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def bytes(self) -> int:
        """The bytes of all weights."""
        return sum(layer.bytes for layer in self.layers)

    def __str__(self) -> str:
        """Return the table."""
        rows = [("layer", "inputs", "outputs", "weights", "parameters", "bytes")]
        for layer in self.layers:
            shapes = ", ".join(f"{name} {shape}" for name, shape in layer.shapes.items())
            rows.append(
                (layer.name, str(layer.inputs), str(layer.outputs), shapes,
                 f"{layer.parameters:,}", f"{layer.bytes:,}")
            )  # fmt: skip
        rows.append(("total", "", "", "", f"{self.parameters:,}", f"{self.bytes:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = [
                text.ljust(width) if column in (0, 3) else text.rjust(width)
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__
