"""Learning rates that change from epoch to epoch, in place of a number.

``SGD(learning_rate=CosineDecay(0.1, epochs=50))``. Epochs count from 0 over the life of the model
(``model.epochs_trained``), so that a second call of ``fit`` goes on where the first one stopped.
A function of your own, ``epoch -> rate``, does as well, but is not kept in files.
"""

from rnn_rust.learning.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    ReduceOnPlateau,
    StepDecay,
)

__all__ = ["Constant", "CosineDecay", "ExponentialDecay", "ReduceOnPlateau", "StepDecay"]
