"""Weights in the layout of a PyTorch module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.errors import ParameterError
from rnn_rust.model.network import Network


def torch_state_dict(model: Network, *, name: str, head: str) -> dict[str, FloatArray]:
    """Carry out :meth:`rnn_rust.RNN.to_torch_state_dict`."""
    settings = model.settings
    activation = settings.get("activation", "tanh")
    if activation not in ("tanh", "relu"):
        raise ParameterError(
            f"torch.nn.RNN has tanh and relu, not activation={activation!r} of this model"
        )
    if not settings.get("reset_after", True):
        raise ParameterError(
            "torch.nn.GRU resets after the product; this model has reset_after=False"
        )
    if settings["reverse"]:
        raise ParameterError(
            f"torch.nn.{model.cell} reads forward, or both ways; this model has reverse=True"
        )
    return _renamed(model.state_dict(), name, head)


def _renamed(state: Mapping[str, FloatArray], name: str, head: str) -> dict[str, FloatArray]:
    """Return weights in PyTorch's layout: with two biases, the second of which is 0.

    In a GRU, the candidate's part of the second bias is ``bias_hn``. Names begin with ``name`` or
    ``head``.
    """
    prefix, head_prefix = (f"{place}." if place else "" for place in (name, head))
    torch: dict[str, FloatArray] = {}
    for key, array in state.items():
        if key.startswith("head."):
            torch[head_prefix + key.removeprefix("head.")] = array
        elif key.startswith("bias_hn_"):
            second = torch[f"{prefix}bias_hh_{key.removeprefix('bias_hn_')}"]
            second[-len(array) :] = array
        elif key.startswith("bias_"):
            place = key.removeprefix("bias_")
            torch[f"{prefix}bias_ih_{place}"] = array
            torch[f"{prefix}bias_hh_{place}"] = np.zeros_like(array)
        else:
            torch[prefix + key] = array
    return torch
