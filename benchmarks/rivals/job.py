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

MOST_UPDATES = 1000
"""Updates of an epoch of those who pay per call: their time per step does not depend on it."""


@dataclass(frozen=True)
class Job:
    """A network, its data and what to do with them.

    ``kind`` is ``train`` (epochs of SGD on the squared error), ``predict`` (all sequences),
    ``stream`` (one sequence, one call per time step) or ``peak`` (a large matrix product).
    """

    kind: str
    inputs: int = 29
    hidden: int = 10
    activation: str = "tanh"
    steps: int = 10
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
    """Return features ``(S, T, I)`` and labels ``(S, T, 1)``, of which 0.172 % are 1."""
    rng = np.random.default_rng(0)
    shape = (job.sequences, job.steps, job.inputs)
    features = rng.random(shape, dtype=np.float64).astype(job.dtype)
    labels = (rng.random((*shape[:2], 1)) < 0.00172).astype(job.dtype)
    return features[:sequences], labels[:sequences]


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
    """Return the first W_ih ``(H, I)``, W_hh ``(H, H)``, b ``(H,)``, W_hy ``(1, H)``, b_y."""
    rng = np.random.default_rng(1)
    hidden = job.hidden
    shapes = ((hidden, job.inputs), (hidden, hidden), (hidden,), (1, hidden), (1,))
    bound = hidden**-0.5
    return [rng.uniform(-bound, bound, shape).astype(job.dtype) for shape in shapes]


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
