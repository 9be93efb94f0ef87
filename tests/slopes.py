"""Gradients beside the slope of the loss, by differences of it."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import Array

from rnn_rust import Dataset
from rnn_rust.model.network import Network


def slope(model: Network, data: Dataset, name: str, along: Array, h: float) -> float:
    """The loss's derivative along a direction in one tensor: central, of fourth order."""
    state = model.state_dict()
    moved = [state | {name: state[name] + shift * h * along} for shift in (-2, -1, 1, 2)]
    losses = [model.load_state_dict(weights).loss(data, dropout_seed=3) for weights in moved]
    model.load_state_dict(state)
    return (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * h)


def check_slopes(model: Network, data: Dataset) -> bool:
    """Compare all tensors; return False at a kink, where there is no slope to compare with."""
    loss, gradients = model.gradients(data, dropout_seed=3)
    assert model.loss(data, dropout_seed=3) == loss
    rng = np.random.default_rng(model.settings["seed"])
    for name, gradient in gradients.items():
        along = rng.normal(size=gradient.shape)
        measured = slope(model, data, name, along, 1e-4)
        limit = 1e-6 * np.linalg.norm(gradient) * np.linalg.norm(along) + 1e-10 * max(loss, 1)
        # Where a kink is near, the slopes of two distances differ, whatever the gradient is.
        if abs(slope(model, data, name, along, 3e-5) - measured) > 0.1 * limit + 1e-10:
            return False
        assert measured == pytest.approx(float((gradient * along).sum()), rel=0, abs=limit), name
    return True
