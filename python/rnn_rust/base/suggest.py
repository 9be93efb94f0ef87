"""Suggestions for unknown names: a similar name, or the one for another library's term."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)

# Terms of other libraries, and the names here.
_ELSEWHERE = {
    "lr": "learning_rate", "rate": "learning_rate", "eta": "learning_rate", "epoch": "epochs",
    "n_epochs": "epochs", "max_epochs": "epochs", "batch": "batch_size", "bs": "batch_size",
    "units": "hidden_size", "hidden": "hidden_size", "n_hidden": "hidden_size",
    "layers": "num_layers", "n_layers": "num_layers", "optim": "optimizer", "criterion": "loss",
    "random_state": "seed", "validation_data": "validation", "val": "validation",
    "val_loss": "validation_loss", "clipnorm": "clip_norm", "clipvalue": "clip_value",
    "bce": "binary_cross_entropy", "ce": "cross_entropy", "verbose": "progress",
}  # fmt: skip


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` if a known name is likely meant, else an empty string."""
    names = list(known)
    if (meant := _ELSEWHERE.get(name.lower())) in names:
        return f"; did you mean '{meant}'?"
    lower = {one.lower(): one for one in names}
    # The cutoff is above the similarity of unrelated words, such as abroad and card.
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""


def unknown_argument(call: str, name: str, known: Iterable[str]) -> TypeError:
    """Return the error for a keyword argument that a call does not have."""
    return TypeError(
        f"{call}() got an unexpected keyword argument {name!r}{suggestion(name, known)}"
    )


def suggests_arguments(function: Function, call: str | None = None) -> Function:
    """Return a function whose error for an unknown keyword argument suggests a known one."""
    parameters = inspect.signature(function).parameters
    known = [name for name in parameters if name != "self"]

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in parameters:
                raise unknown_argument(call or function.__name__, name, known)
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def suggests_settings(kind: Class) -> Class:
    """Make a class's error for an unknown keyword argument suggest a known one."""
    kind.__init__ = suggests_arguments(kind.__init__, kind.__name__)  # type: ignore[misc]
    return kind
