"""Reads nodes RNN, GRU and LSTM: checks them, and returns weights under the package's names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_rust.onnx.layers import ACTIVATIONS, DIRECTIONS, GATES, reordered
from rnn_rust.onnx.nodes import Node
from rnn_rust.onnx.values import (
    FEATURE,
    PIECE,
    UNIT,
    Constant,
    Features,
    Filled,
    Layer,
    Lengths,
    Part,
    States,
)

# The names of a node's inputs, in order.
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
# For each gate in the package's order: its position in a node.
_BACK = {cell: tuple(order.index(place) for place in range(len(order)))
         for cell, order in GATES.items()}  # fmt: skip
_DIRECTIONS = {"forward": DIRECTIONS[:1], "reverse": DIRECTIONS[1:], "bidirectional": DIRECTIONS}


def recurrent(node: Node, inputs: list[Any]) -> tuple[Any, ...]:
    """Return the states of all steps, and the final ones."""
    given = dict(zip(_INPUTS, [*inputs, *[None] * len(_INPUTS)], strict=False))
    attributes = node.attributes
    below = given["X"]
    if not isinstance(below, Features | States):
        part = f"; it reads what {below.made_by} makes" if isinstance(below, Part) else ""
        raise node.refuse(f"it reads neither the input of the graph nor states of a layer{part}")
    _check(node, given, attributes)
    directions = _DIRECTIONS.get(attributes.get("direction", "forward"))
    if directions is None:
        raise node.refuse(f"direction {attributes['direction']!r} is not known")
    hidden, width = _check_weights(node, given, len(directions))
    axes = below.axes
    if attributes.get("layout", 0):
        axes = (axes[1], axes[0], *axes[2:])
    _check_source(node, below, axes, width)
    lengths: Lengths | None = given["sequence_lens"]
    layer = Layer(
        node=node.name, cell=node.op, options=_options(node, attributes, len(directions)),
        hidden_size=hidden, below=below, lengths="" if lengths is None else lengths.name,
        initial=_initial(node, given),
        weights={
            direction: _weights(node.op, given, number, hidden)
            for number, direction in enumerate(directions)
        },
        time=axes[0], batch=axes[1],
    )  # fmt: skip
    if not layer.options.get("reset_after"):
        for weights in layer.weights.values():
            _add_second_bias(weights)
    return _results(layer, directions, below, bool(attributes.get("layout", 0)))


def _results(
    layer: Layer, directions: tuple[str, ...], below: Features | States, by_batch: bool
) -> tuple[Any, ...]:
    sizes = {**below.sizes, PIECE: len(directions), UNIT: layer.hidden_size}
    pieces = tuple((layer, direction) for direction in directions)
    every = States(pieces=pieces, readout="each_step", axes=(), sizes=sizes)
    # In a graph for one step, the final states are the states of all steps.
    final = replace(every, readout="last" if layer.time else "each_step")
    piece, unit = every.axis(PIECE), every.axis(UNIT)
    if by_batch:
        every = every.with_axes((layer.batch, layer.time, piece, unit))
        final = final.with_axes((layer.batch, piece, unit))
    else:
        every = every.with_axes((layer.time, piece, layer.batch, unit))
        final = final.with_axes((piece, layer.batch, unit))
    return every, final, Part(f"{layer.node}, a state of its cells")


def _check(node: Node, given: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Check that a model of this package can represent the node."""
    if attributes.get("clip"):
        raise node.refuse(f"clip={attributes['clip']:g} cannot be represented")
    if attributes.get("input_forget"):
        raise node.refuse("input_forget=1 cannot be represented")
    if given["P"] is not None and not _is_zero(given["P"]):
        raise node.refuse("peepholes (input P) cannot be represented")
    if not isinstance(given["sequence_lens"], Lengths | None):
        raise node.refuse("sequence_lens is not an input of the graph")


def _initial(node: Node, given: dict[str, Any]) -> frozenset[str]:
    """Return the graph inputs with the initial states; other initial states must be zeros."""
    found: frozenset[str] = frozenset()
    for name in ("initial_h", "initial_c"):
        value = given[name]
        if value is None or _is_zero(value):
            continue
        inputs: frozenset[str] = value.inputs if isinstance(value, Part) else frozenset()
        if isinstance(value, Features) and not value.is_scaled:
            inputs = frozenset({value.name})
        if not inputs:
            raise node.refuse(
                f"{name} is neither zero nor an input of the graph; a model keeps no initial "
                "states, predict takes them as initial_state="
            )
        found |= inputs
    return found


def _is_zero(value: Any) -> bool:
    if isinstance(value, Filled):
        return value.number == 0
    return isinstance(value, np.ndarray) and value.dtype != object and not value.any()


def _check_weights(node: Node, given: dict[str, Any], directions: int) -> tuple[int, int]:
    """Return a layer's number of units and of inputs, found from its weights."""
    gates = len(GATES[node.op])
    shapes = {}
    for name in ("W", "R", "B"):
        array = given[name]
        if name == "B" and array is None:
            continue
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise node.refuse(f"its weights {name} are no constant of the file")
        shapes[name] = array.shape
    hidden = shapes["R"][-1] if shapes["R"] else 0
    width = shapes["W"][-1] if shapes["W"] else 0
    expected = {
        "W": (directions, gates * hidden, width), "R": (directions, gates * hidden, hidden),
        "B": (directions, 2 * gates * hidden),
    }  # fmt: skip
    for name, found in shapes.items():
        if found != expected[name] or 0 in found:
            raise node.refuse(
                f"{name} has shape {found}; with {directions} directions of {gates} gates it is "
                f"{expected[name]}"
            )
        if not np.isfinite(given[name]).all():
            raise node.refuse(f"its weights {name} have values that are NaN or infinite")
    if node.attributes.get("hidden_size", hidden) != hidden:
        raise node.refuse(
            f"hidden_size={node.attributes['hidden_size']} is not that of the weights, {hidden}"
        )
    return hidden, width


def _check_source(node: Node, below: Features | States, axes: tuple[Any, ...], width: int) -> None:
    """Check that the input has the axes time, batch and features (or states), in this order."""
    if len(axes) != 3 or any(len(axis) > 1 for axis in axes[:2]):
        raise node.refuse("its input has not the axes time, batch and features")
    if isinstance(below, Features):
        size = below.sizes[FEATURE]
        own = axes[2] == below.axis(FEATURE) and (not isinstance(size, int) or size == width)
    else:
        layer = below.pieces[0][0]
        own = axes == (layer.time, layer.batch, below.axis(PIECE, UNIT))
        own = own and below.readout == "each_step"
        own = own and below.sizes[UNIT] * below.sizes[PIECE] == width
    if not own:
        raise node.refuse(
            f"it reads neither {width} features by step nor all states of the layer below"
        )


def _options(node: Node, attributes: dict[str, Any], directions: int) -> dict[str, Any]:
    """Return the arguments of the cell; its activations are checked."""
    given = attributes.get("activations")
    if node.op != "RNN":
        usual = ["Sigmoid", "Tanh"] + ["Tanh"] * (node.op == "LSTM")
        if given is not None and list(given) != usual * directions:
            raise node.refuse(
                f"activations {', '.join(given)}; a {node.op} has {', '.join(usual)} alone"
            )
        after = bool(attributes.get("linear_before_reset", 0))
        return {"reset_after": after} if node.op == "GRU" else {}
    names = list(given or ["Tanh"] * directions)
    if len(set(names)) != 1 or len(names) != directions:
        raise node.refuse(f"activations {', '.join(names)}: all directions have the same one")
    for name, (onnx_name, numbers) in ACTIVATIONS.items():
        if onnx_name == names[0]:
            for key, usual_number in zip(
                ("activation_alpha", "activation_beta"), numbers, strict=False
            ):
                for number in attributes.get(key, []):
                    if np.float32(number) != np.float32(usual_number):
                        raise node.refuse(
                            f"{key}={number:g} of {names[0]} cannot be represented; "
                            f"activation {name!r} has {usual_number:g}"
                        )
            return {"activation": name}
    raise node.refuse(f"activation {names[0]} cannot be represented")


def _weights(cell: str, given: dict[str, Any], number: int, hidden: int) -> dict[str, Constant]:
    """Return the weights of a direction, in the form of a state dict."""
    order = _BACK[cell]
    rows = len(order) * hidden
    biases = np.zeros(2 * rows) if given["B"] is None else given["B"][number].astype(np.float64)
    first, second = (reordered(half, order) for half in np.split(biases, 2))
    weights = {
        "weight_ih": reordered(given["W"][number], order),
        "weight_hh": reordered(given["R"][number], order),
    }
    weights["bias"] = first
    weights["bias"][: rows - hidden] += second[: rows - hidden]
    weights["bias_hn"] = second[rows - hidden :]
    return weights


def _add_second_bias(weights: dict[str, Constant]) -> None:
    """Add the last gate's second bias to the first; not for a GRU with ``reset_after=True``."""
    second = weights.pop("bias_hn")
    weights["bias"][-len(second) :] += second
