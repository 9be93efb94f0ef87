"""What a model is made of, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rnn_rust.model.network import Network


@dataclass(frozen=True)
class Weight:
    """One array of weights: the layer it belongs to, its name in the state dict, its shape."""

    layer: str
    name: str
    shape: tuple[int, ...]
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Summary:
    """A model's weights by layer, with their parameters and bytes; prints as a table.

    >>> import rnn_rust as rnn
    >>> rnn.GRU(3, 5, 1).summary()
    layer             weight        shape    parameters  bytes
    GRU layer 0       weight_ih_l0  (15, 3)          45    180
                      weight_hh_l0  (15, 5)          75    300
                      bias_l0       (15,)            15     60
                      bias_hn_l0    (5,)              5     20
    head (each_step)  head.weight   (1, 5)            5     20
                      head.bias     (1,)              1      4
    total                                           146    584
    """

    weights: tuple[Weight, ...]

    @classmethod
    def of(cls, model: Network) -> Self:
        """Return the summary of a model."""
        weights = []
        for name, array in model.state_dict().items():
            place = name.rpartition("_l")[2].removesuffix("_reverse")
            is_head = name.startswith("head.")
            layer = (
                f"head ({model.readout})" if is_head else f"{type(model).__name__} layer {place}"
            )
            weights.append(Weight(layer, name, array.shape, array.size, array.nbytes))
        return cls(tuple(weights))

    @property
    def parameters(self) -> int:
        """The total number of parameters."""
        return sum(weight.parameters for weight in self.weights)

    @property
    def bytes(self) -> int:
        """The total bytes of the weights."""
        return sum(weight.bytes for weight in self.weights)

    def __str__(self) -> str:
        """Return the table."""
        rows = [("layer", "weight", "shape", "parameters", "bytes")]
        layer = ""
        for weight in self.weights:
            shown = "" if weight.layer == layer else weight.layer
            layer = weight.layer
            rows.append(
                (shown, weight.name, str(weight.shape), f"{weight.parameters:,}",
                 f"{weight.bytes:,}")
            )  # fmt: skip
        rows.append(("total", "", "", f"{self.parameters:,}", f"{self.bytes:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = zip(
                row, widths, (str.ljust, str.ljust, str.ljust, str.rjust, str.rjust), strict=True
            )
            lines.append("  ".join(align(text, width) for text, width, align in cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__
