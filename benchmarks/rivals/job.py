"""What every contestant is asked to do, and the data and weights that all begin with."""

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
"""Of Adam, as PyTorch defines and defaults them."""

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
"""Blocks of H rows in W_ih, W_hh and b, in PyTorch's order: i f g o; r z n."""

MOST_UPDATES = 1000
"""Updates of an epoch of those who pay per call: their time per step does not depend on it."""


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
    """Whether the shorter sequences come first, so that those who sort see the same batches."""
    sequences: int = 28_480
    batch: int = 1
    dtype: str = "float32"
    threads: int = 1
    wall: bool = False
    """Whether the time is that of the clock on the wall rather than the processor's."""
    csv: str | None = None
    """A file to read in place of made-up data."""

    @property
    def macs(self) -> int:
        """Multiply-adds of a time step of training: three products of each matrix but one.

        There is no gradient by the inputs, so that W_ih takes part in two.
        """
        matrices = self.hidden * (self.inputs + self.hidden + 1)
        return 3 * matrices - self.hidden * self.inputs


@dataclass(frozen=True)
class Variant:
    """One way to do a job.

    ``seconds(n)`` does it n times (epochs, passes, calls) and says how long that took; ``steps`` is
    how many time steps are in one. ``weights()`` returns what was learnt, as :func:`weights`.
    """

    name: str
    steps: int
    seconds: Callable[[int], float]
    weights: Callable[[], list[Array]] | None = None


def data(job: Job, sequences: int | None = None) -> tuple[Array, Array]:
    """Return features ``(S, T, I)`` and labels ``(S, T, 1)``.

    Of the labels 0.172 % are 1, or with gates they are uniform: Adam would divide the gradients of
    labels that are hardly ever other than 0 by little more than its ε.
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
    """Return batches ``(T, B, I)`` and ``(T, B, 1)``, at most so many; the last may be smaller."""
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

    A cell has G :data:`GATES`. The GRU has one tensor more at the end: the bias ``(H,)`` of the
    candidate that is inside the product with the reset gate.
    """
    rng = np.random.default_rng(1)
    hidden, rows = job.hidden, GATES[job.cell] * job.hidden
    shapes = [(rows, job.inputs), (rows, hidden), (rows,), (1, hidden), (1,)]
    if job.cell == "GRU":
        shapes.append((hidden,))
    bound = hidden**-0.5
    return [rng.uniform(-bound, bound, shape).astype(job.dtype) for shape in shapes]


def two_biases(job: Job) -> tuple[Array, Array]:
    """Return PyTorch's pair of biases that all begin with: the input's and the state's."""
    _, _, b, _, _, *candidate = weights(job)
    second = np.zeros_like(b)
    if candidate:
        second[-job.hidden :] = candidate[0]
    return b, second


def one_bias(job: Job, first: Array, second: Array) -> tuple[Array, list[Array]]:
    """Return PyTorch's pair as in :func:`weights`: their sum, and the GRU's candidate's apart."""
    if job.cell != "GRU":
        return first + second, []
    inside = second[-job.hidden :]
    return first + np.append(second[: -job.hidden], np.zeros_like(inside)), [inside]


def timed(once: Callable[[], object], wall: bool = False) -> Callable[[int], float]:
    """Return ``seconds(n)`` of a function: of all threads' processor time unless ``wall``."""
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
