"""The jobs of the contestants, and the data and initial weights that all share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEARNING_RATE = 1e-3

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Settings of Adam, with PyTorch's definitions and defaults."""

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
"""Blocks of H rows in W_ih, W_hh and b, in PyTorch's order: i f g o; r z n."""

MOST_UPDATES = 1000
"""Updates per epoch for rivals with a cost per call: their time per step does not depend on it."""


@dataclass(frozen=True)
class Job:
    """A network, its data and what to do with them.

    ``kind`` is ``train`` (epochs on the squared error), ``predict`` (all sequences), ``stream``
    (one sequence, one call per time step) or ``peak`` (a large matrix product). Training is by SGD
    for the cell ``RNN``, and by Adam for ``LSTM`` and ``GRU`` (reset after the product).
    """

    kind: str
    cell: str = "RNN"
    inputs: int = 29
    hidden: int = 10
    activation: str = "tanh"
    steps: int = 10
    shortest: int | None = None
    """Steps of the shortest sequence when lengths are uniform from there to ``steps``."""
    ascending: bool = False
    """Whether shorter sequences come first, so that rivals that sort get the same batches."""
    sequences: int = 28_480
    batch: int = 1
    dtype: str = "float32"
    threads: int = 1
    wall: bool = False
    """Whether to measure wall time instead of processor time."""
    csv: str | None = None
    """A file to read instead of made-up data."""

    @property
    def macs(self) -> int:
        """Multiply-adds of a time step of training: three products with each matrix but one.

        There is no gradient for the inputs, so W_ih has only two products.
        """
        matrices = self.hidden * (self.inputs + self.hidden + 1)
        return 3 * matrices - self.hidden * self.inputs


@dataclass(frozen=True)
class Variant:
    """One way to do a job.

    ``seconds(n)`` does it n times (epochs, passes, calls) and returns the time taken; ``steps`` is
    the number of time steps each time. ``weights()`` returns the learnt weights, as
    :func:`weights`.
    """

    name: str
    steps: int
    seconds: Callable[[int], float]
    weights: Callable[[], list[Array]] | None = None


def data(job: Job, sequences: int | None = None) -> tuple[Array, Array]:
    """Return features ``(S, T, I)`` and labels ``(S, T, 1)``.

    0.172 % of the labels are 1. With gates, labels are uniform instead: if nearly all were 0, Adam
    would divide gradients by little more than its ε.
    """
    rng = np.random.default_rng(0)
    shape = (job.sequences, job.steps, job.inputs)
    features = rng.random(shape, dtype=np.float64).astype(job.dtype)
    uniform = rng.random((*shape[:2], 1))
    labels = (uniform < 0.00172 if job.cell == "RNN" else uniform).astype(job.dtype)
    return features[:sequences], labels[:sequences]


def lengths(job: Job) -> Array:
    """Return how many time steps each sequence has, ``(S,)``."""
    if job.shortest is None:
        return np.full(job.sequences, job.steps)
    drawn = np.random.default_rng(3).integers(job.shortest, job.steps + 1, job.sequences)
    return np.sort(drawn) if job.ascending else drawn


def real(job: Job) -> Array:
    """Return which steps of :func:`data` are part of their sequences, ``(S, T)``."""
    mask: Array = np.arange(job.steps) < lengths(job)[:, None]
    return mask


def batches(job: Job, most: int | None = None) -> list[tuple[Array, Array]]:
    """Return at most ``most`` batches ``(T, B, I)``, ``(T, B, 1)``; the last may be smaller."""
    features, labels = data(job, most and most * job.batch)
    return [
        (
            np.ascontiguousarray(features[start : start + job.batch].swapaxes(0, 1)),
            np.ascontiguousarray(labels[start : start + job.batch].swapaxes(0, 1)),
        )
        for start in range(0, len(features), job.batch)
    ]


def weights(job: Job) -> list[Array]:
    """Return the first W_ih ``(G·H, I)``, W_hh ``(G·H, H)``, b ``(G·H,)``, W_hy ``(1, H)``, b_y.

    A cell has G :data:`GATES`. The GRU has one more tensor at the end: the candidate's bias
    ``(H,)`` inside the product with the reset gate.
    """
    rng = np.random.default_rng(1)
    hidden, rows = job.hidden, GATES[job.cell] * job.hidden
    shapes = [(rows, job.inputs), (rows, hidden), (rows,), (1, hidden), (1,)]
    if job.cell == "GRU":
        shapes.append((hidden,))
    bound = hidden**-0.5
    return [rng.uniform(-bound, bound, shape).astype(job.dtype) for shape in shapes]


def two_biases(job: Job) -> tuple[Array, Array]:
    """Return the initial weights of PyTorch's two biases: the input's and the state's."""
    _, _, b, _, _, *candidate = weights(job)
    second = np.zeros_like(b)
    if candidate:
        second[-job.hidden :] = candidate[0]
    return b, second


def one_bias(job: Job, first: Array, second: Array) -> tuple[Array, list[Array]]:
    """Return PyTorch's two biases as in :func:`weights`: their sum, and the GRU candidate's."""
    if job.cell != "GRU":
        return first + second, []
    inside = second[-job.hidden :]
    return first + np.append(second[: -job.hidden], np.zeros_like(inside)), [inside]


def timed(once: Callable[[], object], wall: bool = False) -> Callable[[int], float]:
    """Return ``seconds(n)`` for a function: processor time of all threads, unless ``wall``."""
    clock = time.perf_counter if wall else time.process_time

    def seconds(times: int) -> float:
        start = clock()
        for _ in range(times):
            once()
        return clock() - start

    return seconds


def timed_calls(call: Callable[[], object]) -> Callable[[int], float]:
    """Return ``seconds(n)`` as n times the median wall time of one call."""

    def seconds(times: int) -> float:
        clock, durations = time.perf_counter_ns, np.empty(times)
        for i in range(times):
            start = clock()
            call()
            durations[i] = clock() - start
        return float(np.median(durations)) * 1e-9 * times

    return seconds


def events(job: Job, count: int = 64) -> list[Array]:
    """Return single time steps ``(I,)`` for streaming."""
    return list(np.random.default_rng(2).random((count, job.inputs)).astype(job.dtype))


def one_thread() -> dict[str, str]:
    """Return the environment in which every library computes on one thread."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "RNN_RUST")
    xla = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    own = {f"{name}_NUM_THREADS": "1" for name in names}
    return {**os.environ, **own, "XLA_FLAGS": xla, "JAX_PLATFORMS": "cpu"}
