"""NumPy: backpropagation through time by hand, weight gradients as products over all steps."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rivals.job import (
    LEARNING_RATE,
    MOST_UPDATES,
    Array,
    Job,
    Variant,
    batches,
    data,
    events,
    timed,
    timed_calls,
    weights,
)


def variants(job: Job) -> Iterator[Variant]:
    """Yield one way to train, several chunk sizes to predict, two forms of a streaming step."""
    if job.kind == "train":
        yield train(job)
    elif job.kind == "predict":
        for chunk in (256, 1024, 4096):
            yield predict(job, chunk)
    elif job.kind == "stream":
        yield Variant("two products", 1, timed_calls(stream(job)))
        yield Variant("one product, out=", 1, timed_calls(stream_without_allocation(job)))
    elif job.kind == "peak":
        a, b = np.random.default_rng(0).random((2, 1024, 1024)).astype(job.dtype)
        c = np.empty_like(a)
        yield Variant("1024 × 1024 product", 2 * 1024**3, timed(lambda: np.matmul(a, b, out=c)))


def activation(job: Job, z: Array) -> Array:
    """Activate in place."""
    if job.activation == "tanh":
        return np.tanh(z, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    return np.reciprocal(z, out=z)


def slope(job: Job, h: Array) -> Array:
    """Return the activation's derivative at the activated value."""
    return 1 - h * h if job.activation == "tanh" else h * (1 - h)


def forward(job: Job, x: Array, w: list[Array], states: Array) -> Array:
    """Return the states ``(T, B, H)`` of inputs ``(T, B, I)``; weights input-major.

    ``states`` is memory to reuse: new memory for every batch would cost as much as the products.
    """
    (steps, size, _), (w_ih, w_hh, b) = x.shape, w
    states = states[:, :size] if size == states.shape[1] else np.empty_like(states[:, :size])
    np.matmul(x.reshape(steps * size, -1), w_ih, out=states.reshape(steps * size, -1))
    states += b
    activation(job, states[0])
    for t in range(1, steps):
        states[t] += states[t - 1] @ w_hh
        activation(job, states[t])
    return states


def train(job: Job) -> Variant:
    """Return training, one batch after the other."""
    given = batches(job, MOST_UPDATES)
    w_ih, w_hh, b, w_hy, b_y = (np.ascontiguousarray(w.T) for w in weights(job))
    rate = np.asarray(LEARNING_RATE, job.dtype)
    memory = np.empty((job.steps, job.batch, job.hidden), job.dtype)

    def update(x: Array, y: Array) -> None:
        steps = len(x)
        states = forward(job, x, [w_ih, w_hh, b], memory)
        flat = states.reshape(-1, job.hidden)
        error = (flat @ w_hy + b_y - y.reshape(-1, 1)) * np.asarray(2 / y.size, job.dtype)
        delta, slopes = (error * w_hy[:, 0]).reshape(states.shape), slope(job, states)
        delta[-1] *= slopes[-1]
        for t in range(steps - 2, -1, -1):
            delta[t] += delta[t + 1] @ w_hh.T
            delta[t] *= slopes[t]
        every = delta.reshape(-1, job.hidden)
        back = states[:-1].reshape(-1, job.hidden).T @ delta[1:].reshape(-1, job.hidden)
        w_hy[:] -= rate * (flat.T @ error)
        b_y[:] -= rate * error.sum(0)
        w_ih[:] -= rate * (x.reshape(-1, job.inputs).T @ every)
        w_hh[:] -= rate * back
        b[:] -= rate * every.sum(0)

    def epoch() -> None:
        for x, y in given:
            update(x, y)

    steps = sum(y.size for _, y in given)
    return Variant("loop over time", steps, timed(epoch), lambda: [w_ih.T, w_hh.T, b, w_hy.T, b_y])


def predict(job: Job, chunk: int) -> Variant:
    """Return prediction of all sequences, in chunks of this many."""
    *w, w_hy, b_y = (np.ascontiguousarray(w.T) for w in weights(job))
    x, _ = data(job)
    memory = np.empty((job.steps, chunk, job.hidden), job.dtype)
    x = np.ascontiguousarray(x.swapaxes(0, 1))
    parts = [np.ascontiguousarray(x[:, i : i + chunk]) for i in range(0, job.sequences, chunk)]

    def every() -> None:
        for part in parts:
            _ = forward(job, part, w, memory).reshape(-1, job.hidden) @ w_hy + b_y

    return Variant(f"{chunk} at a time", job.sequences * job.steps, timed(every))


def stream(job: Job) -> Callable[[], Any]:
    """Return one streaming step as most users would write it."""
    w_ih, w_hh, b, w_hy, b_y = (np.ascontiguousarray(w.T) for w in weights(job))
    rows, state, position = events(job), np.zeros(job.hidden, job.dtype), 0

    def call() -> Array:
        nonlocal state, position
        position = (position + 1) & 63
        state = np.tanh(rows[position] @ w_ih + state @ w_hh + b)
        output: Array = state @ w_hy + b_y
        return output

    return call


def stream_without_allocation(job: Job) -> Callable[[], Any]:
    """Return one streaming step with event, state and a 1 for the biases in one vector."""
    w_ih, w_hh, b, w_hy, b_y = (w.T for w in weights(job))
    into_state = np.ascontiguousarray(np.vstack([w_ih, w_hh, b]))
    into_output = np.ascontiguousarray(np.vstack([w_hy, b_y]))
    rows, z, output = events(job), np.empty(job.hidden, job.dtype), np.empty(1, job.dtype)
    joined = np.zeros(job.inputs + job.hidden + 1, job.dtype)
    joined[-1] = 1
    event, state = joined[: job.inputs], joined[job.inputs : -1]
    with_one, position = joined[job.inputs :], 0

    def call() -> Array:
        nonlocal position
        position = (position + 1) & 63
        event[:] = rows[position]
        np.dot(joined, into_state, z)
        np.tanh(z, state)
        np.dot(with_one, into_output, output)
        return output

    return call
