"""scikit-learn's callbacks: a fit is a task, and each epoch is a subtask."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rnn_rust.learning.history import Record

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ModuleNotFoundError:  # They came with scikit-learn 1.9.

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """A stand-in: earlier versions have no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method unchanged."""
        return method


__all__ = ["CallbackSupportMixin", "FitTask", "with_callbacks"]


class FitTask:
    """Calls an estimator's callbacks for the fit and for every epoch.

    It is a callback of the network's own ``fit``: an epoch begins when the previous one ends.
    """

    def __init__(self, estimator: Any, epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator, self._left = estimator, epochs
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"X": X, "y": y, "metadata": metadata}
        self._epoch: Any = None
        self._context = None
        if getattr(estimator, "_skl_callbacks", None):
            self._context = estimator._init_callback_context(max_subtasks=epochs)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def on_begin(self, training: Any) -> None:
        """Begin the first epoch."""
        self._begin()

    def __call__(self, record: Record) -> bool:
        """End an epoch; return whether training goes on."""
        if self._context is None or self._epoch is None:
            return True
        stop = self._epoch.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=self._learnt, **self._data
        )
        self._epoch = None
        if not stop:
            self._begin()
        return not stop

    def end(self) -> None:
        """End the fit."""
        if self._context is not None:
            if self._epoch is not None:  # It has begun, but training ended before it.
                self._epoch.call_on_fit_task_end(estimator=self._estimator)
            self._context.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=self._learnt, **self._data
            )

    def _begin(self) -> None:
        if self._context is not None and self._left:
            self._left -= 1
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def _learnt(self) -> dict[str, Any]:
        """Return a copy of the fitted attributes, as if training ended here."""
        learnt = {
            name: value
            for name, value in vars(self._estimator).items()
            if name.endswith("_") and not name.startswith("_")
        }
        # Training changes the network in place; other attributes are replaced, not changed.
        return learnt | {"model_": copy.copy(learnt["model_"])}
