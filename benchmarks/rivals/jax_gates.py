"""JAX with gates: LSTM and GRU under Adam, whole epochs compiled, backpropagation by hand.

What made it fast: one tanh for all gates, as σ(z) = (1 + tanh(z/2)) / 2; one product for the
gradients of W_ih, b and W_hh, which are stacked; and large batches in chunks whose states fit in
the cache. The layout is sequences first, without unrolling: features first takes twice as long.
"""

from collections.abc import Callable, Iterator
from functools import reduce
from importlib import import_module
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from rivals.job import BETAS, EPSILON, LEARNING_RATE, Array, Job, Variant, lengths, timed, weights
from rivals.padding import padded_batches

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
Gradient = Callable[[Any, Any, Any, Any], Any]


ROUNDED = 10
"""Ragged sequences are padded to multiples of it, as each length needs its own compiled loop."""


class Form(NamedTuple):
    """How a variant is written: its gradient, and the number of sequences at a time."""

    name: str
    gradient: Callable[[Job], Gradient]
    chunk: int | None = None


def variants(job: Job) -> Iterator[Variant]:
    """Yield training with each form that was the fastest for some job."""
    jax.config.update("jax_enable_x64", job.dtype == "float64")
    if job.kind == "train":
        for form in forms(job):
            yield train(job, form)


def forms(job: Job) -> list[Form]:
    """Return what to try for a batch size; JAX's own gradient is slower on every shape."""
    gradient = lstm if job.cell == "LSTM" else gru
    found = [Form("by hand", gradient)]
    found += [
        Form(f"by hand, {chunk} at a time", gradient, chunk)
        for chunk in (32, 64)
        if chunk < job.batch
    ]
    return found if job.shortest else [*found, Form("automatic gradient", automatic)]


def stacked(w: Any, x: Any) -> tuple[Any, Any]:
    """Return W_hh and the products of inputs ``(T, B, G·H)``; x ends with a column of ones."""
    rows = x.shape[-1]
    return w[0][rows:], x @ w[0][:rows]


def sigmoids(z: Any) -> Any:
    """Return the sigmoid, computed with tanh."""
    return 0.5 + 0.5 * jnp.tanh(0.5 * z)


def outer(a: Any, b: Any) -> Any:
    """Return the sum of outer products over time and sequences."""
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


def before(h: Any) -> Any:
    """Return the states one step earlier."""
    return jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])


def lstm(job: Job) -> Gradient:
    """Return the gradient of an LSTM."""
    scale = np.repeat(np.array([0.5, 0.5, 1, 0.5], job.dtype), job.hidden)
    shift = np.repeat(np.array([0.5, 0.5, 0, 0.5], job.dtype), job.hidden)

    def gradient(w: Any, x: Any, y: Any, weight: Any) -> Any:
        w_hh, projected = stacked(w, x)
        _, w_hy, b_y = w

        def step(state: Any, at: Any) -> Any:
            h, c = state
            gates = shift + scale * jnp.tanh(scale * (at + h @ w_hh))
            i, f, g, o = jnp.split(gates, 4, -1)
            new = f * c + i * g
            squashed = jnp.tanh(new)
            h = o * squashed
            return (h, new), (h, gates, squashed, c)

        start = jnp.zeros((x.shape[1], job.hidden), x.dtype)
        h, *kept = jax.lax.scan(step, (start, start), projected)[1]
        error = 2 * weight * (h @ w_hy + b_y - y)

        def back(carried: Any, at: Any) -> Any:
            (dh, dc), (e, gates, squashed, c) = carried, at
            i, f, g, o = jnp.split(gates, 4, -1)
            dh = dh + e * w_hy[:, 0]
            dc = dc + dh * o * (1 - squashed * squashed)
            slopes = [
                dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g),
                dh * squashed * o * (1 - o),
            ]  # fmt: skip
            delta = jnp.concatenate(slopes, -1)
            return (delta @ w_hh.T, dc * f), delta

        delta = jax.lax.scan(back, (start, start), (error, *kept), reverse=True)[1]
        into = outer(jnp.concatenate([x, before(h)], -1), delta)
        return into, outer(h, error), error.sum((0, 1))

    return gradient


def gru(job: Job) -> Gradient:
    """Return the gradient of a GRU."""
    hidden = job.hidden

    def gradient(w: Any, x: Any, y: Any, weight: Any) -> Any:
        w_hh, projected = stacked(w, x)
        _, w_hy, b_y, b_hn = w

        def step(h: Any, at: Any) -> Any:
            recurrent = h @ w_hh
            gates = sigmoids((at + recurrent)[:, : 2 * hidden])
            r, z = jnp.split(gates, 2, -1)
            inner = recurrent[:, 2 * hidden :] + b_hn
            n = jnp.tanh(at[:, 2 * hidden :] + r * inner)
            new = n + z * (h - n)
            return new, (new, gates, n, inner)

        start = jnp.zeros((x.shape[1], hidden), x.dtype)
        h, *kept = jax.lax.scan(step, start, projected)[1]
        error = 2 * weight * (h @ w_hy + b_y - y)
        earlier = before(h)

        def back(carried: Any, at: Any) -> Any:
            e, gates, n, inner, h = at
            r, z = jnp.split(gates, 2, -1)
            dh = carried + e * w_hy[:, 0]
            into_n = dh * (1 - z) * (1 - n * n)
            into_inner = into_n * r
            into_r = into_n * inner * r * (1 - r)
            into_z = dh * (h - n) * z * (1 - z)
            delta = jnp.concatenate([into_r, into_z, into_inner], -1)
            return dh * z + delta @ w_hh.T, jnp.concatenate([delta, into_n], -1)

        delta = jax.lax.scan(back, start, (error, *kept, earlier), reverse=True)[1]
        into = outer(jnp.concatenate([x, earlier], -1), delta)
        rows, columns = x.shape[-1], 2 * hidden
        candidate = jnp.concatenate([into[:rows, -hidden:], into[rows:, columns:-hidden]])
        b_hn_slope = into[rows - 1, columns:-hidden]
        into = jnp.concatenate([into[:, :columns], candidate], -1)
        return into, outer(h, error), error.sum((0, 1)), b_hn_slope

    return gradient


def automatic(job: Job) -> Gradient:
    """Return the gradient that JAX derives."""

    def lstm_step(w: Any, w_hh: Any, state: Any, at: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(at + h @ w_hh, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru_step(w: Any, w_hh: Any, state: Any, at: Any) -> Any:
        (h,) = state
        r, z, inner = jnp.split(h @ w_hh, 3, -1)
        into_r, into_z, into_n = jnp.split(at, 3, -1)
        n = jnp.tanh(into_n + jax.nn.sigmoid(into_r + r) * (inner + w[3]))
        h = n + jax.nn.sigmoid(into_z + z) * (h - n)
        return (h,), h

    step, states = (lstm_step, 2) if job.cell == "LSTM" else (gru_step, 1)

    def loss(w: Any, x: Any, y: Any, weight: Any) -> Any:
        w_hh, projected = stacked(w, x)
        start = (jnp.zeros((x.shape[1], job.hidden), x.dtype),) * states
        h = jax.lax.scan(lambda state, at: step(w, w_hh, state, at), start, projected)[1]
        return jnp.sum(weight * (h @ w[1] + w[2] - y) ** 2)

    found: Gradient = jax.grad(loss)
    return found


def in_chunks(gradient: Gradient, chunk: int | None) -> Gradient:
    """Return a gradient that is summed over chunks of this many sequences."""

    def add(one: Any, other: Any) -> Any:
        return tuple(a + b for a, b in zip(one, other, strict=True))

    def summed(w: Any, *batch: Any) -> Any:
        steps, size, _ = batch[0].shape
        if chunk is None or chunk >= size:
            return gradient(w, *batch)
        whole = size // chunk * chunk
        parts = tuple(
            a[:, :whole].reshape(steps, -1, chunk, a.shape[-1]).swapaxes(0, 1) for a in batch
        )
        zeros = tuple(jnp.zeros_like(a) for a in w)
        found = jax.lax.scan(lambda g, part: (add(g, gradient(w, *part)), None), zeros, parts)[0]
        rest = (a[:, whole:] for a in batch)
        return found if whole == size else add(found, gradient(w, *rest))

    return summed


def adam(state: Any, gradient: Any) -> Any:
    """Return weights, moments and the step count after one step."""
    w, first, second, count = state
    (beta1, beta2), count = BETAS, count + 1
    first = tuple(beta1 * m + (1 - beta1) * g for m, g in zip(first, gradient, strict=True))
    second = tuple(beta2 * v + (1 - beta2) * g * g for v, g in zip(second, gradient, strict=True))
    rate, scale = LEARNING_RATE / (1 - beta1**count), jnp.sqrt(1 - beta2**count)
    w = tuple(
        a - rate * m / (jnp.sqrt(v) / scale + EPSILON)
        for a, m, v in zip(w, first, second, strict=True)
    )
    return w, first, second, count


def train(job: Job, form: Form) -> Variant:
    """Return training; an epoch is one call, with a loop for each run of batches of equal shape."""
    gradient = in_chunks(form.gradient(job), form.chunk)
    given = [with_ones(*batch) for batch in padded_batches(job, ROUNDED)]
    groups = [
        tuple(jnp.asarray(np.stack(arrays)) for arrays in zip(*alike, strict=True))
        for _, alike in groupby(given, key=lambda batch: batch[0].shape)
    ]

    def update(state: Any, batch: Any) -> Any:
        return adam(state, gradient(state[0], *batch)), None

    def passes(state: Any, groups: Any) -> Any:
        return reduce(lambda state, group: jax.lax.scan(update, state, group)[0], groups, state)

    compiled = jax.jit(passes, donate_argnums=0)
    w_ih, w_hh, b, w_hy, b_y, *b_hn = weights(job)
    w = (np.vstack([w_ih.T, b, w_hh.T]), w_hy.T, b_y, *b_hn)
    zeros = [tuple(jnp.zeros_like(a) for a in w) for _ in range(2)]
    state = (tuple(map(jnp.asarray, w)), *zeros, jnp.zeros((), job.dtype))

    def epoch() -> None:
        nonlocal state
        state = jax.block_until_ready(compiled(state, groups))

    def learnt() -> list[Array]:
        into, w_hy, *others = (np.asarray(a) for a in state[0])
        inputs = job.inputs
        return [into[:inputs].T, into[inputs + 1 :].T, into[inputs], w_hy.T, *others]

    return Variant(form.name, int(lengths(job).sum()), timed(epoch), learnt)


def with_ones(x: Array, y: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Return a batch with an additional input column of ones, for the bias."""
    return np.concatenate([x, np.ones_like(y)], axis=-1), y, weight
