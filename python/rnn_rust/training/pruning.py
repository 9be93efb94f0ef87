"""Hyperparameter searches with Optuna: a callback that reports to a trial and may prune it."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from rnn_rust.base.suggest import suggestion, suggests_settings
from rnn_rust.errors import DivergedError, ParameterError

if TYPE_CHECKING:
    import optuna

    from rnn_rust.learning.history import Record
    from rnn_rust.training.state import Training


@suggests_settings
class PruningCallback:
    """Reports a metric to an Optuna trial after every epoch; ends training if it is pruned.

    Parameters
    ----------
    trial
        The trial that the objective function was called with.
    monitor
        The metric's name in the record. Records without it are not reported.

    Raises
    ------
    ParameterError
        In ``fit``: the record will not have the metric.
    optuna.TrialPruned
        In ``fit``: the trial is worse than others were by this epoch; Optuna expects this exception
        from the objective function. A metric that is not finite ends the trial too, and so does
        training that diverges.

    Examples
    --------
    >>> import numpy as np, optuna, rnn_rust as rnn
    >>> data = rnn.Dataset.from_arrays(np.zeros((9, 1)), np.ones((9, 1)), [0, 3, 6, 9])
    >>> def objective(trial):
    ...     model = rnn.GRU(1, trial.suggest_int("hidden_size", 1, 4), 1)
    ...     pruning = rnn.callbacks.PruningCallback(trial, "loss")
    ...     return model.fit(data, epochs=3, callbacks=[pruning]).best["loss"]
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study()
    >>> study.optimize(objective, n_trials=2)
    >>> [len(trial.intermediate_values) for trial in study.trials]
    [3, 3]
    """

    def __init__(self, trial: optuna.Trial, monitor: str = "validation_loss") -> None:
        if not (hasattr(trial, "report") and hasattr(trial, "should_prune")):
            raise ParameterError(f"trial must be a trial of Optuna, got {trial!r}")
        if not isinstance(monitor, str):
            raise ParameterError(f"monitor must be the name of a metric, got {monitor!r}")
        self.trial, self.monitor = trial, monitor
        self._handled: BaseException | None = None

    def on_begin(self, training: Training) -> None:
        """Check that records will have the metric, and count epochs from here."""
        if self.monitor not in training.metrics:
            known = ", ".join(training.metrics)
            meant = suggestion(self.monitor, training.metrics)
            raise ParameterError(
                f"PruningCallback: records have no '{self.monitor}' but {known}{meant}"
            )
        # An error that the caller is already handling does not come from this training.
        self._handled = sys.exception()

    def on_end(self, training: Training) -> None:
        """Prune the trial if training has diverged: other hyperparameters may do better."""
        import optuna

        error = sys.exception()
        if isinstance(error, DivergedError) and error is not self._handled:
            raise optuna.TrialPruned(str(error)) from error

    def __call__(self, record: Record) -> None:
        """Report the metric."""
        import optuna

        if self.monitor not in record:
            return
        value, epoch = float(record[self.monitor]), int(record["epoch"])
        if not math.isfinite(value):
            raise optuna.TrialPruned(f"{self.monitor} is {value} in epoch {epoch}")
        self.trial.report(value, step=epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"{self.monitor} is {value:.4g} in epoch {epoch}")
