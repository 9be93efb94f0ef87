"""Keras as its users write it: ``SimpleRNN``, ``LSTM`` or ``GRU``, ``Dense`` and ``fit``."""

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from rivals.job import (
    BETAS,
    EPSILON,
    LEARNING_RATE,
    MOST_UPDATES,
    Array,
    Job,
    Variant,
    data,
    one_bias,
    timed,
    two_biases,
    weights,
)

BACKEND = "tensorflow" if find_spec("tensorflow") else "jax"
os.environ["KERAS_BACKEND"] = BACKEND
keras: Any = import_module("keras")
if BACKEND == "tensorflow":
    threading = import_module("tensorflow").config.threading
    threading.set_intra_op_parallelism_threads(1)
    threading.set_inter_op_parallelism_threads(1)


def variants(job: Job) -> Iterator[Variant]:
    """Yield training by ``fit``, and prediction by ``predict``."""
    if BACKEND == "jax" and job.dtype == "float64":
        raise LookupError("computes in float32 on JAX")
    if job.kind == "train":
        yield train(job)
    elif job.kind == "predict":
        model, (x, _) = network(job), data(job)
        steps = job.sequences * job.steps
        every = timed(lambda: model.predict(x, batch_size=4096, verbose=0))
        yield Variant(f"{BACKEND}, 4096 at a time", steps, every)


def network(job: Job) -> Any:
    """Return the compiled model with the initial weights that all share."""
    keras.utils.clear_session()
    keras.config.set_floatx(job.dtype)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((job.steps, job.inputs)),
            recurrent_layer(job),
            layers.Dense(1),
        ]
    )
    w_ih, w_hh, b, w_hy, b_y, *_ = weights(job)
    if job.cell == "GRU":
        w_ih, w_hh, *both = (reordered(w) for w in (w_ih, w_hh, *two_biases(job)))
        b = np.stack(both)
    model.set_weights([w_ih.T, w_hh.T, b, w_hy.T, b_y])
    model.compile(optimizer=optimizer(job), loss="mse")
    return model


def optimizer(job: Job) -> Any:
    """Return the optimiser of a job's cell."""
    if job.cell == "RNN":
        return keras.optimizers.SGD(LEARNING_RATE)
    # Keras adds ε before correcting the second moment: this equals PyTorch's ε at the first step.
    return keras.optimizers.Adam(LEARNING_RATE, *BETAS, epsilon=EPSILON * (1 - BETAS[1]) ** 0.5)


def recurrent_layer(job: Job) -> Any:
    """Return the layer of a job's cell."""
    layers = keras.layers
    if job.cell == "RNN":
        return layers.SimpleRNN(job.hidden, activation=job.activation, return_sequences=True)
    if job.cell == "LSTM":
        return layers.LSTM(job.hidden, return_sequences=True)
    # If the gates' recurrent biases also learnt, both together would learn twice as fast as one.
    kept = np.zeros((2, 3 * job.hidden), job.dtype)
    kept[0], kept[1, 2 * job.hidden :] = 1, 1
    return layers.GRU(job.hidden, return_sequences=True, bias_constraint=lambda b: b * kept)


def reordered(w: Array) -> Array:
    """Return the GRU's rows r z n in Keras's order, z r n; or the reverse."""
    r, z, n = np.split(w, 3)
    return np.concatenate([z, r, n])


def train(job: Job) -> Variant:
    """Return training; an epoch is an epoch of ``fit``."""
    model = network(job)
    x, y = data(job, MOST_UPDATES * job.batch)

    def seconds(epochs: int) -> float:
        options = {"epochs": epochs, "shuffle": False, "verbose": 0}
        return timed(lambda: model.fit(x, y, batch_size=job.batch, **options))(1)

    def learnt() -> list[Array]:
        w_ih, w_hh, b, w_hy, b_y = model.get_weights()
        if job.cell != "GRU":
            return [w_ih.T, w_hh.T, b, w_hy.T, b_y]
        bias, candidate = one_bias(job, *(reordered(row) for row in b))
        return [reordered(w_ih.T), reordered(w_hh.T), bias, w_hy.T, b_y, *candidate]

    return Variant(f"{BACKEND}, fit", y.size, seconds, learnt)
