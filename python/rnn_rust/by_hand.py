"""Training with an optimiser written in Python: batch by batch, in the order of the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rnn_rust.errors import DivergedError
from rnn_rust.inputs import FloatArray, LabelledInputs
from rnn_rust.weights import checked_state

if TYPE_CHECKING:
    from rnn_rust.descent import Passage
    from rnn_rust.model import RNN
    from rnn_rust.optim import CustomOptimizer

_MASK = 2**64 - 1


def train(
    model: RNN, optimizer: CustomOptimizer, arrays: LabelledInputs, passage: Passage
) -> tuple[list[float], list[float], BaseException | None]:
    """Do what the engine's ``train`` does, with the updates of ``optimizer``."""
    losses: list[float] = []
    seconds: list[float] = []
    updates = _Updates(model, optimizer)
    start = lap = time.perf_counter()
    try:
        for epoch in range(model.epochs_trained, model.epochs_trained + passage.epochs):
            losses.append(_epoch(model, updates, arrays, passage, epoch))
            now = time.perf_counter()
            seconds.append(now - lap)
            lap = now
            if passage.time_budget is not None and now - start >= passage.time_budget:
                break
    except BaseException as stop:
        # The caller raises it, once the finished epochs are recorded.
        return losses[: len(seconds)], seconds, stop
    return losses, seconds, None


def _epoch(
    model: RNN, updates: _Updates, arrays: LabelledInputs, passage: Passage, epoch: int
) -> float:
    """Make one pass over the data; return its mean loss, each batch's before its update."""
    total = divisors = 0.0
    order = np.arange(len(arrays[2]) - 1)
    if passage.shuffle:
        _shuffle(order, model.settings["seed"], epoch)
    for number, batch in enumerate(_batches(arrays, order, passage.batch_size), 1):
        labels, sequences = _count(batch)
        if labels:
            loss = updates.take(batch, f"epoch {epoch + 1}, batch {number}")
            divisor = labels if model.settings["reduction"] == "mean" else sequences
            total, divisors = total + loss * divisor, divisors + divisor
    return total / divisors if divisors else 0.0


def _count(batch: LabelledInputs) -> tuple[int, int]:
    """Return how many labels there are, and how many sequences that have one."""
    row, _ = np.nonzero(~np.isnan(batch[1]))
    return len(row), len(np.unique(np.searchsorted(batch[2], row, side="right")))


class _Updates:
    """Single updates, and the weights before the last of them."""

    def __init__(self, model: RNN, optimizer: CustomOptimizer) -> None:
        self._core, self._optimizer = model._core, optimizer
        self._before = self._core.state_dict()

    def take(self, batch: LabelledInputs, where: str) -> float:
        """Change the weights; return the loss before."""
        before, parameters = self._core.state_dict(), self._core.state_dict()
        loss, gradients = self._core.gradients(*batch)
        if not np.isfinite(loss):
            self._core.load_state_dict(self._before)
            raise _diverged(where)
        self._optimizer.update(parameters, gradients)
        if not all(np.isfinite(np.asarray(array)).all() for array in parameters.values()):
            raise _diverged(where)
        self._core.load_state_dict(checked_state(parameters, like=before))
        self._before = before
        return loss


def _diverged(where: str) -> DivergedError:
    return DivergedError(
        f"the loss or the weights stopped being finite in {where}; the last update was taken "
        "back. Lower the learning rate or scale the data"
    )


def _batches(
    arrays: LabelledInputs, order: np.ndarray[tuple[int], np.dtype[np.int64]], batch_size: int
) -> Iterator[LabelledInputs]:
    """Yield features, labels and offsets of ``batch_size`` sequences after the other."""
    features, labels, offsets = arrays
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        rows = np.concatenate([np.arange(offsets[s], offsets[s + 1]) for s in chosen])
        ends = np.cumsum(offsets[chosen + 1] - offsets[chosen])
        yield _take(features, rows), _take(labels, rows), np.concatenate([[0], ends])


def _take(values: FloatArray, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    taken: FloatArray = np.ascontiguousarray(values[rows])
    return taken


# The engine's order of an epoch: rust/core/src/rng.rs, which says where it comes from ---------


def _shuffle(items: np.ndarray[tuple[int], np.dtype[np.int64]], seed: int, epoch: int) -> None:
    """Put items into the order that the engine draws for an epoch."""
    state, purpose = seed, 2
    for word in (purpose, epoch):
        state = _split_mix(state)[1] ^ word
    words = []
    for _ in range(4):
        state, word = _split_mix(state)
        words.append(word)
    for last in range(len(items) - 1, 0, -1):
        pick = (_next(words) * (last + 1)) >> 64
        items[last], items[pick] = items[pick], items[last]


def _split_mix(state: int) -> tuple[int, int]:
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, z ^ (z >> 31)


def _next(words: list[int]) -> int:
    a, b, c, d = words
    result = (_rotate((a + d) & _MASK, 23) + a) & _MASK
    c, d = c ^ a, d ^ b
    words[:] = [a ^ d, b ^ c, c ^ ((b << 17) & _MASK), _rotate(d, 45)]
    return result


def _rotate(word: int, by: int) -> int:
    return ((word << by) | (word >> (64 - by))) & _MASK
