"""Networks from PyTorch, as modules or state dicts; PyTorch is not imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from rnn_rust.base.arrays import as_numbers
from rnn_rust.errors import ParameterError
from rnn_rust.interchange.assembly import assembled, cell_of
from rnn_rust.models import Model

_State = dict[str, NDArray[Any]]

_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?")
# Modules that have no effect in prediction (losses have none either).
_PASSED_OVER = {"Dropout", "Dropout1d", "AlphaDropout", "FeatureAlphaDropout", "Identity"}
# Attributes in which modules keep dynamically quantised weights.
_QUANTISED = {"_packed_params", "_all_weight_values"}
_MODES = {"RNN_TANH": "tanh", "RNN_RELU": "relu", "GRU": None, "LSTM": None}


def from_torch(
    recurrent: Any, head: Any = None, *, name: str | None = None, **options: Any
) -> Model:
    """Return a model with the weights of a PyTorch network.

    Sizes, layers, directions and the kind of cell are inferred from the weights. A layer without
    biases gets biases of 0. PyTorch itself is needed only for modules. Anything that ``forward``
    computes outside its layers is not seen, nor are layers without weights in a state dict, so
    compare the outputs.

    Parameters
    ----------
    recurrent
        A ``torch.nn.RNN``, ``GRU`` or ``LSTM``, or a module that contains one; or a state dict of
        either, of tensors or arrays, with names such as ``rnn.weight_ih_l0``.
    head
        A ``torch.nn.Linear`` that reads the states, its state dict, or its name in ``recurrent``
        (``"fc"``). By default the only linear layer of ``recurrent``; if it has none, the outputs
        are the states. If you give a name, everything else in ``recurrent`` is ignored.
    name
        Name of the recurrent part in ``recurrent``, if it has several: ``"decoder.rnn"``.
    **options
        Arguments of the model that the weights do not determine, such as ``loss``, ``readout``
        (``"last"`` for a head on ``h_n``), ``scaler``, ``dropout`` (by default the module's own),
        ``dtype`` (by default float64 if a weight is) and, for the state dict of a ``torch.nn.RNN``,
        ``activation``.

    Raises
    ------
    ParameterError
        There is no recurrent part, or several; weights or layers are left over and no head was
        named; or the network is quantised, or has something else that models here do not support,
        such as ``proj_size``.
    ShapeError, DataError
        The weights do not fit together, or are not finite numbers in memory (as in a sparse tensor,
        or a tensor on the device ``meta``).

    Examples
    --------
    >>> import numpy as np
    >>> import rnn_rust as rnn
    >>> state = {"rnn.weight_ih_l0": np.zeros((15, 3)), "rnn.weight_hh_l0": np.zeros((15, 5)),
    ...          "fc.weight": np.zeros((1, 5))}
    >>> rnn.from_torch(state)
    GRU(3, 5, 1, output_activation='identity', loss='mse', dtype='float64')
    """
    state = _state_of(recurrent, "recurrent")
    prefix = _prefix(state, name)
    own, others = _parted(state, prefix)
    cell = cell_of(own)
    found = _settings_of(recurrent, prefix)
    if cell == "GRU":
        found["reset_after"] = True
    dropout = found.pop("dropout", 0.0)
    if dropout and "weight_ih_l1" in own:
        options = {"dropout": dropout} | options
    weights, place = _head(head, others, _width(own))
    if head is None:
        _check_layers(recurrent, place, after=prefix)
    elif not isinstance(head, str):
        _check_layers(head, place)
    return assembled(own | weights, found, options)


def _state_of(source: Any, what: str) -> _State:
    """Return the arrays of a module or a state dict, by name."""
    entries = source.state_dict() if hasattr(source, "state_dict") else source
    if not isinstance(entries, Mapping):
        raise ParameterError(
            f"{what} must be a module of PyTorch or a state dict, got {type(source).__name__}"
        )
    for key in map(str, entries):
        if any(part in _QUANTISED for part in key.split(".")):
            raise ParameterError(
                f"{what} is quantised: it has '{key}'; give the network as it was before"
            )
    return {str(key): _array(str(key), value) for key, value in entries.items()}


def _array(name: str, tensor: Any) -> NDArray[Any]:
    """Return a tensor, or anything else like an array, as an array."""
    if isinstance(tensor, Mapping):
        raise ParameterError(f"'{name}' is a dict among the weights; give a state dict alone")
    return as_numbers(name, tensor)


def _prefix(state: _State, name: str | None) -> str:
    """Return the prefix of the names of the recurrent part."""
    suffix = "weight_ih_l0"
    places = [key.removesuffix(suffix) for key in state if re.search(rf"(^|\.){suffix}$", key)]
    if name is not None:
        prefix = f"{name}." if name else ""
        if prefix in places:
            return prefix
        known = ", ".join(repr(place.rstrip(".")) for place in places) or "none"
        raise ParameterError(f"name={name!r}: there is no {prefix}{suffix}; recurrent: {known}")
    if not places:
        raise ParameterError(
            f"there is no {suffix} among the weights {', '.join(state) or '(none)'}; give a "
            "torch.nn.RNN, GRU or LSTM, a module that has one, or its state dict"
        )
    if len(places) > 1:
        names = ", ".join(repr(place.rstrip(".")) for place in places)
        raise ParameterError(f"there are {len(places)} recurrent parts; give name= one of {names}")
    return places[0]


def _parted(state: _State, prefix: str) -> tuple[_State, _State]:
    """Return the weights of the recurrent part by their own names, and all others."""
    own, others = {}, {}
    for key, array in state.items():
        bare = key.removeprefix(prefix)
        if key.startswith(prefix) and _RECURRENT.fullmatch(bare):
            own[bare] = array
        else:
            others[key] = array
    if projections := [key for key in own if key.startswith("weight_hr")]:
        raise ParameterError(
            f"{prefix}{projections[0]} projects the states of an LSTM; models here have no such "
            "projection, so it must have proj_size=0"
        )
    return own, others


def _width(own: _State) -> int:
    """Return the number of states that a head reads."""
    return int(own["weight_hh_l0"].shape[1]) * (1 + ("weight_ih_l0_reverse" in own))


def _head(head: Any, others: _State, width: int) -> tuple[_State, str | None]:
    """Return the weights of the head under a model's names, and the prefix of their old names.

    The prefix is None if there is no head.
    """
    if head is None:
        found = [key for key, array in others.items() if _is_linear(key, array, width)]
        place = found[0].removesuffix("weight") if len(found) == 1 else None
        used = () if place is None else (f"{place}weight", f"{place}bias")
        if left := [key for key in others if key not in used]:
            raise ParameterError(
                f"no recurrent network with one linear head has {', '.join(left)}; name the head "
                "(head='fc'), and other weights are passed over, or give the recurrent part alone, "
                "from_torch(net.rnn), if there is none"
            )
        return ({}, None) if place is None else _linear(others, place)
    if isinstance(head, str):
        if f"{head}.weight" not in others:
            raise ParameterError(
                f"head={head!r}: there is no {head}.weight; weights: {', '.join(others) or 'none'}"
            )
        return _linear(others, f"{head}.")
    state = _state_of(head, "head")
    places = [key.removesuffix("weight") for key in state if re.search(r"(^|\.)weight$", key)]
    if len(places) != 1 or not {f"{places[0]}weight", f"{places[0]}bias"} >= state.keys():
        raise ParameterError(
            f"head must be one linear layer, with weight and bias; it has {', '.join(state)}"
        )
    return _linear(state, places[0])


def _is_linear(key: str, array: NDArray[Any], width: int) -> bool:
    return key.endswith(".weight") and array.ndim == 2 and array.shape[1] == width


def _linear(state: _State, place: str) -> tuple[_State, str]:
    parts = [part for part in ("weight", "bias") if place + part in state]
    return {f"head.{part}": state[place + part] for part in parts}, place


def _check_layers(source: Any, head: str | None, *, after: str | None = None) -> None:
    """Check that a module has no layers except the head and, before it, the recurrent one.

    ``head`` and ``after`` are the prefixes of the names of their weights. A state dict is not
    checked: it does not list the layers.
    """
    if not hasattr(source, "named_modules"):
        return
    layers = {f"{name}." if name else "": layer for name, layer in source.named_modules()}
    may_end = after is None
    for place, layer in layers.items():
        is_container = any(other != place and other.startswith(place) for other in layers)
        if place == after:
            may_end = True
        elif not is_container and not _is_passed_over(layer):
            if place == head and may_end and "Linear" in _kinds(layer):
                continue
            raise ParameterError(
                f"layer '{place.rstrip('.')}' ({type(layer).__name__}) is neither the recurrent "
                "layer nor the one Linear after it; give these apart, from_torch(net.rnn, net.fc), "
                "to pass it over"
            )


def _is_passed_over(layer: Any) -> bool:
    kinds = _kinds(layer)
    return bool(kinds & _PASSED_OVER) or any(kind.endswith("Loss") for kind in kinds)


def _kinds(layer: Any) -> set[str]:
    """Return the names of a module's classes, even if torch.jit has compiled it."""
    return {getattr(layer, "original_name", ""), *(kind.__name__ for kind in type(layer).__mro__)}


def _settings_of(recurrent: Any, prefix: str) -> dict[str, Any]:
    """Return the settings of a module; none for a state dict."""
    if not hasattr(recurrent, "named_modules"):
        return {}
    module = dict(recurrent.named_modules())[prefix.rstrip(".")]
    mode = getattr(module, "mode", None)
    if mode not in _MODES:
        raise ParameterError(
            f"module '{prefix.rstrip('.')}' is a {type(module).__name__}; torch.nn.RNN, GRU and "
            "LSTM are read, and the state dict of what computes the same"
        )
    settings = {"dropout": float(getattr(module, "dropout", 0.0))}
    return settings if _MODES[mode] is None else settings | {"activation": _MODES[mode]}
