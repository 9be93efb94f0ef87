"""Learning rates that change from epoch to epoch, instead of a fixed number.

``SGD(learning_rate=CosineDecay(0.1, epochs=50))``. Epochs count from 0 over the life of the model
(``model.epochs_trained``), so a second call of ``fit`` continues where the first one stopped.
A function of your own, ``epoch -> rate``, also works, but is not saved in files.
"""

from rnn_rust.learning.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    ReduceOnPlateau,
    StepDecay,
)

__all__ = ["Constant", "CosineDecay", "ExponentialDecay", "ReduceOnPlateau", "StepDecay"]
