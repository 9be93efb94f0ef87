"""Optimisers: how the weights follow the gradient. The engine carries out the steps.

Definitions and defaults are PyTorch's (documentation of ``torch.optim``, 2.x). Below, w is a
weight, g its gradient, η the learning rate, λ the weight decay, and t the step number from 1. Every
moment starts at 0. Square, root and quotient are elementwise.

``learning_rate`` is a number, one of :mod:`rnn_rust.schedules`, or any function ``epoch -> rate``
with epochs counted from 0 over the life of the model.
"""

from rnn_rust.learning.optimizers import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CustomOptimizer,
    Optimizer,
    RMSprop,
)

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "CustomOptimizer", "Optimizer", "RMSprop"]
