"""Prepares features for the network: fills gaps, scales, and turns categories into inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from onnx import helper

from rnn_rust.base.arrays import FloatArray, positions
from rnn_rust.data import time_features
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.errors import ParameterError
from rnn_rust.model.network import Network
from rnn_rust.onnx.graph import GraphBuilder

_Scaling = tuple[ArrayLike, ArrayLike] | None


@dataclass(frozen=True)
class Columns:
    """The columns of an input of the graph: numbers, time features and categories, in this order.

    Attributes
    ----------
    numbers
        Number of columns that are numbers in the data.
    times
        Number of time features, which the caller computes.
    levels
        The levels of each category, by its name; the graph takes a level's position.
    names
        The name of each column, or None if they have no names.
    """

    numbers: int
    times: int
    levels: dict[str, tuple[str, ...]]
    names: tuple[str, ...] | None

    @classmethod
    def of(cls, encoder: FeatureEncoder) -> Columns:
        """Return the columns that an encoder takes."""
        times = time_features.column_names(encoder.times)
        names = (*encoder.numbers, *times, *encoder.levels)
        return cls(len(encoder.numbers), len(times), encoder.levels, names)

    @classmethod
    def of_steps(cls, model: Network) -> Columns:
        """Return the columns of the input ``features``."""
        if model.encoder is None:
            return cls(model.settings["input_size"], 0, {}, model.feature_names)
        return cls.of(model.encoder)

    @classmethod
    def of_sequences(cls, model: Network) -> Columns | None:
        """Return the columns of the input ``static``; None if there are no static features."""
        static = None if model.encoder is None else model.encoder.static
        return None if static is None else cls.of(static)

    @property
    def count(self) -> int:
        """The number of columns."""
        return self.numbers + self.times + len(self.levels)


def add_features(graph: GraphBuilder, model: Network, features: str, last: str) -> tuple[str, str]:
    """Add the nodes that make the network's inputs from ``features (..., F)``.

    Parameters
    ----------
    last
        For one step: the last number of each column before it, ``(batch, numbers)``, NaN if there
        was none. For whole sequences: empty. Only used with ``missing="forward"``.

    Returns
    -------
    (inputs, last)
        The inputs ``(..., I)``, and the last numbers after them, empty if there are none.
    """
    encoder, scaling = model.encoder, None
    count = model.settings["input_size"] if encoder is None else len(encoder.number_names)
    if model.scaler is not None:
        scaler = model.scaler
        scaling = scaler.feature_shift_[:count], scaler.feature_scale_[:count]
    if encoder is None:
        return _scaled(graph, features, scaling), ""
    return _encoded(graph, encoder, features, scaling, last)


def add_static(
    graph: GraphBuilder, model: Network, inputs: str, static: str, *, by_step: bool
) -> str:
    """Return the network's inputs, followed by those from ``static (batch, K)``.

    ``by_step`` says whether the inputs are ``(batch, time, I)``, or else of one step.
    """
    assert model.encoder is not None, "there are static features"
    assert model.encoder.static is not None, "there are static features"
    encoder = model.encoder.static
    if encoder.fill == "forward":
        # There is only one row, so no row before it to take numbers from.
        encoder = replace(encoder, fill="mean")
    scaling = (encoder.shift, encoder.scale) if encoder.shift else None
    own, _ = _encoded(graph, encoder, static, scaling, "")
    if by_step:
        width = encoder.input_count
        rows = graph.add("Shape", inputs, start=0, end=2)
        shape = graph.add("Concat", rows, graph.integers(width), axis=0)
        own = graph.add("Expand", graph.add("Unsqueeze", own, graph.integers(1)), shape)
    return graph.add("Concat", inputs, own, axis=-1)


def _encoded(
    graph: GraphBuilder, encoder: FeatureEncoder, features: str, scaling: _Scaling, last: str
) -> tuple[str, str]:
    """Return the inputs that an encoder makes from its columns, and the last numbers."""
    columns = Columns.of(encoder)
    parts = []
    numbers = filled = _columns(graph, features, 0, columns.numbers)
    after = ""
    if columns.numbers:
        if encoder.fill != "error":
            filled, after = _filled(graph, encoder, numbers, last)
        parts.append(filled)
    if encoder.indicators:
        places = positions(encoder.numbers, encoder.indicators)
        chosen = graph.add("Gather", numbers, graph.integers(*places), axis=-1)
        missing = graph.add("IsNaN", chosen)
        parts.append(graph.add("Cast", missing, to=graph.number))
    first = columns.numbers + columns.times
    if columns.times:
        parts.append(_columns(graph, features, columns.numbers, first))
    made = [_scaled(graph, _joined(graph, parts), scaling)] if parts else []
    for place, (name, own) in enumerate(encoder.levels.items(), first):
        codes = _columns(graph, features, place, place + 1)
        made.append(_one_of(graph, name, codes, len(own)))
    return _joined(graph, made), after


def _joined(graph: GraphBuilder, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=-1)


def _columns(graph: GraphBuilder, features: str, begin: int, end: int) -> str:
    return graph.add(
        "Slice", features, graph.integers(begin), graph.integers(end), graph.integers(-1)
    )


def _scaled(graph: GraphBuilder, inputs: str, scaling: _Scaling) -> str:
    """Return ``(inputs - shift) / scale``.

    Raises
    ------
    ParameterError
        A scale is too small for the type of the graph.
    """
    if scaling is None:
        return inputs
    shift, scale = (np.asarray(one, np.float64) for one in scaling)
    if (scale < np.finfo(graph.dtype).tiny).any():
        raise ParameterError(f"feature_scale has numbers too small for {graph.dtype}")
    # Then subtract the part of a large shift that float32 rounds off.
    with np.errstate(over="ignore", invalid="ignore"):
        rest = shift - shift.astype(graph.dtype)
    shifted = graph.add("Sub", inputs, graph.constant("feature_shift", shift))
    if rest.any():
        shifted = graph.add("Sub", shifted, graph.constant("feature_shift_rest", rest))
    return graph.add("Div", shifted, graph.constant("feature_scale", scale))


def _filled(
    graph: GraphBuilder, encoder: FeatureEncoder, numbers: str, last: str
) -> tuple[str, str]:
    """Return numbers with gaps filled, and the last number of each column."""
    means = graph.constant("means", encoder.means)
    if encoder.fill == "mean":
        return graph.add("Where", graph.add("IsNaN", numbers), means, numbers), ""
    if not last:
        return _carried_forward(graph, numbers, means), ""
    missing = graph.add("IsNaN", numbers)
    after = graph.add("Where", missing, last, numbers, name=f"{last}_out")
    none_yet = graph.add("IsNaN", after)
    return graph.add("Where", none_yet, means, after), after


def _carried_forward(graph: GraphBuilder, numbers: str, means: str) -> str:
    """Return numbers ``(batch, time, n)`` with gaps filled from the sequence's last number."""
    # Repeat the means to (batch, n), the shape of the numbers of one step.
    shape = graph.add("Shape", numbers)
    step = graph.add("Gather", shape, graph.integers(0, 2), axis=0)
    before = graph.add("Expand", means, step)
    info = [
        helper.make_tensor_value_info(name, graph.number, (None, None))
        for name in ("before", "now", "after", "step")
    ]
    nodes = [
        helper.make_node("IsNaN", ["now"], ["gap"], "gap"),
        helper.make_node("Where", ["gap", "before", "now"], ["after"], "after"),
        helper.make_node("Identity", ["after"], ["step"], "step"),
    ]
    body = helper.make_graph(nodes, "carry_forward", info[:2], info[2:])
    by_step = graph.add("Transpose", numbers, perm=(1, 0, 2))
    _, filled = graph.add_many(
        "Scan", before, by_step, names=("last_numbers_at_end", "filled"), body=body,
        num_scan_inputs=1,
    )  # fmt: skip
    return graph.add("Transpose", filled, perm=(1, 0, 2))


def _one_of(graph: GraphBuilder, name: str, codes: str, levels: int) -> str:
    """Return a one-hot encoding of levels; anything that is not a level is "other", the last."""
    numbers: FloatArray = np.arange(levels + 1, dtype=np.float64)
    equal = graph.add("Equal", codes, graph.constant(f"levels_{name}", numbers[:-1]))
    inputs = graph.add("Cast", equal, to=graph.number)
    known = graph.add("ReduceSum", inputs, graph.integers(-1), keepdims=1)
    other = graph.add("Sub", graph.constant("one", 1.0), known)
    return graph.add("Concat", inputs, other, axis=-1)
