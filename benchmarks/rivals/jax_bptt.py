"""JAX: whole epochs compiled, backpropagation through time by hand, in several layouts.

The arithmetic is the same as in ``numpy_bptt.py``. A variant sets the layout of matrices (sequences
or features first), how far both loops over time and the loop over batches are unrolled, and whether
products use the matrix library or are written as sums, which fuse for a single sequence.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from rivals.job import (
    LEARNING_RATE,
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

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
Step = Callable[[Any, Any], Any]


class Form(NamedTuple):
    """How a variant is written."""

    name: str
    make: Callable[[Job, "Form"], Step]
    features_first: bool = False
    unroll: int = 1
    batches: int = 1
    sums: bool = False


def variants(job: Job) -> Iterator[Variant]:
    """Yield the forms that were the fastest for some job; ``worker.py`` keeps the fastest."""
    jax.config.update("jax_enable_x64", job.dtype == "float64")
    if job.kind == "train":
        for form in forms(job):
            yield train(job, form)
    elif job.kind == "predict":
        for chunk in (256, 1024, 4096):
            yield predict(job, chunk)
    elif job.kind == "stream":
        yield Variant("compiled, weights inside", 1, timed_calls(stream(job)))


def forms(job: Job) -> list[Form]:
    """Return what to try for a batch size."""
    whole = job.steps
    if job.batch == 1:
        return [
            Form("sums, unrolled", by_hand, unroll=whole, sums=True),
            Form("sums, 4 updates unrolled", by_hand, unroll=whole, batches=4, sums=True),
            Form("sums, loop", by_hand, sums=True),
            Form("unrolled", by_hand, unroll=whole),
            Form("features first, unrolled", by_hand_features_first, True, whole),
        ]
    return [
        Form("unrolled", by_hand, unroll=whole),
        Form("loop", by_hand),
        Form("features first, unrolled", by_hand_features_first, True, whole),
        Form("automatic gradient, unrolled", automatic, unroll=whole),
    ]


def activation(job: Job) -> Callable[[Any], Any]:
    """Return the activation."""
    found: Callable[[Any], Any] = jnp.tanh if job.activation == "tanh" else jax.nn.sigmoid
    return found


def slope(job: Job, h: Any) -> Any:
    """Return the activation's derivative at the activated value."""
    return 1 - h * h if job.activation == "tanh" else h * (1 - h)


def product(form: Form) -> Callable[[Any, Any], Any]:
    """Return the matrix product of a form."""
    if form.sums:
        return lambda a, b: jnp.sum(a[..., :, None] * b, axis=-2)
    return lambda a, b: a @ b


def descend(w: Any, gradient: Any) -> Any:
    """Return the weights after one step."""
    return tuple(a - LEARNING_RATE * b for a, b in zip(w, gradient, strict=True))


def states_of(job: Job, form: Form, w: Any, x: Any) -> Any:
    """Return the states ``(T, B, H)`` of ``(T, B, I)``; weights input-major."""
    act, times = activation(job), product(form)

    def step(h: Any, projected: Any) -> Any:
        h = act(projected + times(h, w[1]))
        return h, h

    start = jnp.zeros((x.shape[1], job.hidden), x.dtype)
    return jax.lax.scan(step, start, times(x, w[0]) + w[2], unroll=form.unroll)[1]


def by_hand(job: Job, form: Form) -> Step:
    """Return one update on a batch ``(T, B, I)``."""
    times = product(form)

    def outer(a: Any, b: Any) -> Any:
        if form.sums:
            return jnp.sum(a[..., :, None] * b[..., None, :], axis=(0, 1))
        return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])

    def update(w: Any, batch: Any) -> Any:
        x, y = batch
        _, w_hh, _, w_hy, b_y = w
        h = states_of(job, form, w, x)
        error = (times(h, w_hy) + b_y - y) * (2 / y.size)

        def back(carried: Any, at: Any) -> Any:
            into_state, slopes = at
            delta = (into_state + carried) * slopes
            return times(delta, w_hh.T), delta

        last = jnp.zeros_like(h[0])
        through = (error * w_hy[:, 0], slope(job, h))
        delta = jax.lax.scan(back, last, through, reverse=True, unroll=form.unroll)[1]
        gradient = (
            outer(x, delta), outer(h[:-1], delta[1:]), delta.sum((0, 1)),
            outer(h, error), error.sum((0, 1)),
        )  # fmt: skip
        return descend(w, gradient), None

    return update


def by_hand_features_first(job: Job, form: Form) -> Step:
    """Return one update on a batch ``(I, T, B)``, labels ``(T, 1, B)``, weights output-major."""
    act = activation(job)

    def update(w: Any, batch: Any) -> Any:
        x, y = batch
        w_ih, w_hh, b, w_hy, b_y = w
        _, steps, size = x.shape
        projected = (w_ih @ x.reshape(job.inputs, -1)).reshape(job.hidden, steps, size)
        projected = (projected + b[:, None, None]).swapaxes(0, 1)

        def step(h: Any, at: Any) -> Any:
            h = act(at + w_hh @ h)
            return h, h

        start = jnp.zeros((job.hidden, size), x.dtype)
        h = jax.lax.scan(step, start, projected, unroll=form.unroll)[1]
        error = (jnp.einsum("oh,thb->tob", w_hy, h) + b_y[:, None] - y) * (2 / y.size)

        def back(carried: Any, at: Any) -> Any:
            error_at, h_at = at
            delta = (w_hy.T @ error_at + carried) * slope(job, h_at)
            return w_hh.T @ delta, delta

        delta = jax.lax.scan(back, start, (error, h), reverse=True, unroll=form.unroll)[1]
        gradient = (
            jnp.einsum("thb,itb->hi", delta, x), jnp.einsum("thb,tkb->hk", delta[1:], h[:-1]),
            delta.sum((0, 2)), jnp.einsum("tob,thb->oh", error, h), error.sum((0, 2)),
        )  # fmt: skip
        return descend(w, gradient), None

    return update


def automatic(job: Job, form: Form) -> Step:
    """Return one update whose gradient JAX derives."""

    def loss(w: Any, x: Any, y: Any) -> Any:
        return jnp.mean((states_of(job, form, w, x) @ w[3] + w[4] - y) ** 2)

    gradient = jax.grad(loss)
    return lambda w, batch: (descend(w, gradient(w, *batch)), None)


def train(job: Job, form: Form) -> Variant:
    """Return training; an epoch is one compiled loop over its batches."""
    given: list[tuple[Array, Array]] = batches(job)
    if form.features_first:
        given = [
            (np.ascontiguousarray(x.transpose(2, 0, 1)), np.ascontiguousarray(y.swapaxes(1, 2)))
            for x, y in given
        ]
    whole = job.sequences // job.batch
    x, y = (jnp.asarray(np.stack(arrays)) for arrays in zip(*given[:whole], strict=True))
    rest = [(jnp.asarray(a), jnp.asarray(b)) for a, b in given[whole:]]
    update = form.make(job, form)

    def passes(w: Any, x: Any, y: Any, rest: Any) -> Any:
        w = jax.lax.scan(update, w, (x, y), unroll=form.batches)[0]
        for batch in rest:
            w = update(w, batch)[0]
        return w

    compiled = jax.jit(passes, donate_argnums=0)
    first = weights(job)
    w = tuple(jnp.asarray(a if form.features_first else a.T) for a in first)

    def epoch() -> None:
        nonlocal w
        w = jax.block_until_ready(compiled(w, x, y, rest))

    def learnt() -> list[Array]:
        return [np.asarray(a if form.features_first else a.T) for a in w]

    return Variant(form.name, job.sequences * job.steps, timed(epoch), learnt)


def predict(job: Job, chunk: int) -> Variant:
    """Return prediction of all sequences, in chunks of this many."""
    w = tuple(jnp.asarray(a.T) for a in weights(job))
    form = Form("", by_hand, unroll=job.steps)
    x = data(job)[0].swapaxes(0, 1)
    parts = [jnp.asarray(x[:, i : i + chunk]) for i in range(0, job.sequences, chunk)]
    outputs = jax.jit(lambda part: states_of(job, form, w, part) @ w[3] + w[4])

    def every() -> None:
        jax.block_until_ready([outputs(part) for part in parts])

    return Variant(f"{chunk} at a time", job.sequences * job.steps, timed(every))


def stream(job: Job) -> Callable[[], Any]:
    """Return one streaming step compiled ahead; the output comes back as a NumPy array."""
    w_ih, w_hh, b, w_hy, b_y = (jnp.asarray(a.T) for a in weights(job))
    times = product(Form("", by_hand, sums=True))
    rows, state, position = events(job), jnp.zeros(job.hidden, job.dtype), 0

    def step(h: Any, x: Any) -> Any:
        h = jnp.tanh(times(x, w_ih) + times(h, w_hh) + b)
        return times(h, w_hy) + b_y, h

    compiled = jax.jit(step).lower(state, rows[0]).compile()

    def call() -> Array:
        nonlocal state, position
        position = (position + 1) & 63
        output, state = compiled(state, rows[position])
        return np.asarray(output)

    return call
