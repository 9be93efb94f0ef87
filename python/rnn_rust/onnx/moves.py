"""Reads nodes that move, cut or join axes of a network's values, without arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_rust.onnx.folding import axes_of, place_of, slices_of, split_sizes
from rnn_rust.onnx.nodes import Node
from rnn_rust.onnx.values import (
    PIECE,
    UNIT,
    Axed,
    Axis,
    Constant,
    Features,
    Part,
    Size,
    States,
    product,
)

# A slice that ends here or later goes to the end, whatever the size.
_FAR = 2**31 - 1


def same(node: Node, inputs: list[Any]) -> Any:
    """Return the value unchanged: for Identity, and Dropout, which drops nothing in prediction."""
    if len(inputs) > 2 and inputs[2] is not None and np.any(inputs[2]):
        raise node.refuse("it drops numbers at random")
    return inputs[0]


def shape(node: Node, inputs: list[Any]) -> Constant:
    """Return the size of each axis."""
    sizes = list(inputs[0].shape())
    start, end = node.attributes.get("start", 0), node.attributes.get("end", len(sizes))
    chosen = sizes[start:end]
    array = np.empty(len(chosen), object)
    array[:] = chosen
    return array if any(isinstance(one, Size) for one in chosen) else array.astype(np.int64)


def transpose(node: Node, inputs: list[Any]) -> Axed:
    """Return the value with its axes in another order."""
    value: Axed = inputs[0]
    order = node.attributes.get("perm", list(range(len(value.axes)))[::-1])
    if sorted(order) != list(range(len(value.axes))):
        raise node.refuse(f"perm {list(order)} is no order of {len(value.axes)} axes")
    return value.with_axes(tuple(value.axes[place] for place in order))


def squeeze(node: Node, inputs: list[Any]) -> Axed:
    """Return the value without axes of size 1."""
    value: Axed = inputs[0]
    places = axes_of(node, inputs, len(value.axes))
    if places is None:
        places = [place for place, axis in enumerate(value.axes) if not axis]
    for place in places:
        if value.axes[place]:
            raise node.refuse(f"axis {place} is not known to have size 1")
    return value.with_axes(tuple(a for place, a in enumerate(value.axes) if place not in places))


def unsqueeze(node: Node, inputs: list[Any]) -> Axed:
    """Return the value with additional axes of size 1."""
    value: Axed = inputs[0]
    count = len(node.attributes.get("axes", ())) or np.size(inputs[1])
    places = axes_of(node, inputs, len(value.axes) + count) or []
    axes = list(value.axes)
    for place in sorted(places):
        axes.insert(place, ())
    return value.with_axes(tuple(axes))


def reshape(node: Node, inputs: list[Any]) -> Axed:
    """Return the value with axes merged, or with merged axes separated again."""
    value: Axed = inputs[0]
    target: list[int | Size] = [
        one if isinstance(one, Size) else int(one) for one in np.asarray(inputs[1]).reshape(-1)
    ]
    if not node.attributes.get("allowzero"):
        own = value.shape()
        for place, size in enumerate(target):
            if size == 0:
                place_of(node, place, len(own))
                target[place] = own[place]
    names = [name for axis in value.axes for name in axis]
    open_ = target.index(-1) if -1 in target else len(target)
    front = _consumed(node, value, names, target[:open_])
    if open_ == len(target):
        axes, rest = front, names[sum(map(len, front)) :]
        if rest:
            raise node.refuse("it parts axes that belong together")
        return value.with_axes(tuple(axes))
    names = names[sum(map(len, front)) :]
    back = _consumed(node, value, names[::-1], target[:open_:-1])
    middle = names[: len(names) - sum(map(len, back))]
    axes = [*front, tuple(middle), *(axis[::-1] for axis in back[::-1])]
    return value.with_axes(tuple(axes))


def _consumed(
    node: Node, value: Axed, names: list[str], target: list[int | Size]
) -> list[tuple[str, ...]]:
    """Return the axis names that each target size covers, in order."""
    found, begin = [], 0
    for size in target:
        end, taken = begin, product((), value.sizes)
        while taken != size and end < len(names):
            taken = value.sizes[names[end]] * taken
            end += 1
        if taken != size:
            raise node.refuse("it parts axes that belong together")
        found.append(tuple(names[begin:end]))
        begin = end
    return found


# Cutting and joining --------------------------------------------------------------------------


def gather(node: Node, inputs: list[Any]) -> Any:
    """Return one step, one direction, or several directions in an order."""
    value: Axed = inputs[0]
    place = place_of(node, node.attributes.get("axis", 0), len(value.axes))
    indices = np.asarray(inputs[1])
    if indices.dtype == object or indices.ndim > 1:
        raise node.refuse("it takes what the data says")
    chosen = [int(index) for index in indices.reshape(-1)]
    taken = _taken(node, value, place, chosen)
    if indices.ndim == 0 and isinstance(taken, Axed):
        return taken.with_axes(tuple(a for n, a in enumerate(taken.axes) if n != place))
    return taken


def cut(node: Node, inputs: list[Any]) -> Any:
    """Return part of the steps or directions."""
    value: Any = inputs[0]
    for place, span in slices_of(node, inputs, len(value.axes)).items():
        if not isinstance(value, Axed):
            break
        size = product(value.axes[place], value.sizes)
        begin, end = int(span.start), int(span.stop)
        if begin == 0 and end >= (_FAR if isinstance(size, Size) else size):
            continue
        if isinstance(size, int):
            value = _taken(node, value, place, list(range(*span.indices(size))))
        elif (begin, end) == (0, 1) or (begin == -1 and end >= _FAR):
            value = _taken(node, value, place, [begin])
        else:
            raise node.refuse("it takes some of the steps")
    return value


def split(node: Node, inputs: list[Any]) -> Any:
    """Return directions, or groups of them, as separate values."""
    value: Axed = inputs[0]
    place = place_of(node, node.attributes.get("axis", 0), len(value.axes))
    size = product(value.axes[place], value.sizes)
    if isinstance(size, Size):
        raise node.refuse("it parts an axis whose size is not known")
    sizes = split_sizes(node, inputs, size)
    ends = np.cumsum(sizes).tolist()
    return tuple(
        _taken(node, value, place, list(range(end - count, end)))
        for count, end in zip(sizes, ends, strict=True)
    )


def _taken(node: Node, value: Axed, place: int, chosen: list[int]) -> Any:
    """Return some elements of an axis; the axis is kept."""
    axis = value.axes[place]
    size = product(axis, value.sizes)
    if isinstance(size, int):
        chosen = [place_of(node, one, size) for one in chosen]
        if chosen == list(range(size)):
            return value
    if isinstance(value, Features):
        return Part(node.name, frozenset({value.name}))
    if not isinstance(value, States):
        raise node.refuse("it takes some of the outputs")
    if axis == (PIECE,):
        pieces = tuple(value.pieces[one] for one in chosen)
        taken = value.with_pieces(pieces, value.axes)
        return taken.with_axes(_replaced(value.axes, place, taken.axis(PIECE)))
    if value.readout == "each_step" and axis and axis == value.pieces[0][0].time:
        return _one_step(node, value, place, chosen, size)
    raise node.refuse("it takes some of the states")


def _one_step(node: Node, value: States, place: int, chosen: list[int], size: int | Size) -> States:
    """Return the final states, if the chosen step is the final one."""
    if len(chosen) != 1:
        raise node.refuse("it takes some of the steps")
    last = chosen[0] == -1 or chosen[0] + 1 == size
    for layer, direction in value.pieces:
        final = chosen[0] == 0 if direction else last
        if not final:
            raise node.refuse(
                "it takes the states of a step that is not the final one of each direction; the "
                "final one of the reverse direction is the first step"
            )
        if last and layer.lengths:
            raise node.refuse("it takes the last step, and sequences end by their lengths")
    axes = _replaced(value.axes, place, ())
    return replace(value, readout="last", axes=axes)


def _replaced(axes: tuple[Axis, ...], place: int, axis: Axis) -> tuple[Axis, ...]:
    return (*axes[:place], axis, *axes[place + 1 :])


def concat(node: Node, inputs: list[Any]) -> Any:
    """Return directions or layers side by side, or one after the other."""
    first = inputs[0]
    if not all(isinstance(one, States) for one in inputs):
        names = [_inputs_of(one) for one in inputs]
        if not all(names):
            raise node.refuse("it joins values that are not all states")
        return Part(node.name, frozenset().union(*names))
    place = place_of(node, node.attributes["axis"], len(first.axes))
    merged = bool(first.axes[place]) and UNIT in first.axes[place]
    for one in inputs:
        wanted = one.axis(PIECE, UNIT) if merged else one.axis(PIECE)
        alike = one.sizes[UNIT] == first.sizes[UNIT] and one.readout == first.readout
        if one.axes != _replaced(first.axes, place, wanted) or not alike:
            raise node.refuse("it joins states of different kinds, or along another axis")
    pieces = tuple(piece for one in inputs for piece in one.pieces)
    joined = first.with_pieces(pieces, first.axes)
    axis = joined.axis(PIECE, UNIT) if merged else joined.axis(PIECE)
    return joined.with_axes(_replaced(first.axes, place, axis))


def _inputs_of(value: Any) -> frozenset[str]:
    """Return the inputs that a value is a part of; none if it is anything else."""
    if isinstance(value, Part):
        return value.inputs
    return frozenset({value.name}) if isinstance(value, Features) else frozenset()


MOVES = {
    "Identity": same, "Dropout": same, "Shape": shape, "Transpose": transpose, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Reshape": reshape, "Gather": gather, "Slice": cut, "Split": split,
    "Concat": concat,
}  # fmt: skip
"""Functions for operators that move axes of the network's values."""
