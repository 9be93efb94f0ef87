"""The layers of a Keras model in order, with their settings and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from rnn_rust.errors import ParameterError, ShapeError

# Layers that read whole sequences, not single steps.
_OF_SEQUENCES = ("SimpleRNN", "GRU", "LSTM", "Bidirectional", "GlobalAveragePooling1D", "Masking")


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes
    ----------
    kind
        Its class, such as ``"GRU"``; for ``TimeDistributed``, the class of the wrapped layer.
    name
        Its name in the model.
    config
        Its settings, as Keras serialises them.
    weights
        Its arrays, in the order of ``get_weights``.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    weights: list[NDArray[Any]]

    def refused(self, why: str) -> ParameterError:
        """Return an error that names the layer."""
        return ParameterError(f"layer '{self.name}' ({self.kind}): {why}")

    def requires(self, name: str, *values: Any) -> Any:
        """Return a setting, which must be one of ``values``; old files may not have it."""
        value = self.config.get(name, values[0])
        if value not in values:
            shown = " or ".join(map(repr, dict.fromkeys(values)))
            raise self.refused(f"{name}={_shown(value)!r} is not supported, {shown} is")
        return value

    def arrays(self, *shapes: tuple[int | None, ...]) -> list[NDArray[Any]]:
        """Return the weights, which must have these shapes; None stands for any size."""
        found = [array.shape for array in self.weights]
        if len(found) != len(shapes) or not all(map(_fits, found, shapes)):
            expected = ", ".join(str(shape).replace("None", "I") for shape in shapes)
            given = ", ".join(map(str, found)) or "none; a model has weights once it is built"
            raise ShapeError(
                f"layer '{self.name}' ({self.kind}): expected weights of shapes {expected}, got "
                f"{given}"
            )
        return self.weights


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size == most or (most is None and size > 0)
        for size, most in zip(shape, wanted, strict=True)
    )


def _shown(setting: Any) -> Any:
    """Return the name of a function or a class that Keras serialised as an object."""
    if not isinstance(setting, Mapping):
        return setting
    is_function = setting.get("class_name") == "function"
    # A lambda has no name, only its code.
    return setting.get("config" if is_function else "class_name", "lambda")


def layers_of(
    kind: str, config: Mapping[str, Any], weights: Mapping[str, list[NDArray[Any]]]
) -> list[Layer]:
    """Return the layers of a model; each reads the output of the one before.

    Parameters
    ----------
    kind, config
        The class of the model, and its settings as Keras serialises them.
    weights
        The weights of each layer, by its name.

    Raises
    ------
    ParameterError
        The model is of another class, or its layers are not a chain.
    """
    if kind not in ("Sequential", "Functional"):
        raise ParameterError(
            f"a model of class {kind} can compute anything; Sequential and functional models are "
            "read"
        )
    layers = [_layer(entry, weights) for entry in config["layers"]]
    if kind == "Functional":
        _check_chain(config, layers)
    return layers


def _layer(entry: Mapping[str, Any], weights: Mapping[str, list[NDArray[Any]]]) -> Layer:
    kind, config = entry["class_name"], entry["config"]
    name = config["name"]
    if kind == "TimeDistributed":
        kind, config = config["layer"]["class_name"], config["layer"]["config"]
        if kind in _OF_SEQUENCES:
            raise Layer("TimeDistributed", name, config, []).refused(
                f"it wraps {kind}, which then reads sequences of sequences; models here read "
                "sequences of rows"
            )
    return Layer(kind, name, config, weights.get(name, []))


def _check_chain(config: Mapping[str, Any], layers: list[Layer]) -> None:
    """Check that each layer of a functional model reads the one before, and the last is read."""
    for number, (entry, layer) in enumerate(zip(config["layers"], layers, strict=True)):
        sources = list(_sources(entry["inbound_nodes"]))
        wanted = [(layers[number - 1].name, 0, 0)] if number else []
        if sources != wanted:
            read = ", ".join(f"'{name}'" for name, _, _ in sources) or "nothing"
            after = f"'{layers[number - 1].name}'" if number else "nothing"
            raise layer.refused(
                f"it reads {read}, and layers have to be a chain: one input, here {after}"
            )
    outputs = config["output_layers"]
    names = [outputs[0]] if outputs and isinstance(outputs[0], str) else [one[0] for one in outputs]
    if names != [layers[-1].name]:
        raise layers[-1].refused(f"the model returns {', '.join(names)}; it must have one output")


def _sources(node: Any) -> Iterator[tuple[str, int, int]]:
    """Yield the input tensors of a serialised call, each with the name of its layer."""
    if isinstance(node, Mapping):
        if node.get("class_name") == "__keras_tensor__":
            name, call, output = node["config"]["keras_history"]
            yield name, call, output
            return
        node = list(node.values())
    if isinstance(node, list | tuple):
        for part in node:
            yield from _sources(part)
