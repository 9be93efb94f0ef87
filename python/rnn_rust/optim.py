"""Optimisers: what a step against the gradient looks like. The engine carries it out.

Definitions and defaults are PyTorch's (documentation of ``torch.optim``, 2.x). Below, w is a
weight, g its gradient, η the learning rate, λ the weight decay, t the number of the step from 1,
and every moment begins at 0. Square, root and quotient are taken element by element.

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
