"""Keras as its users write it: ``SimpleRNN``, ``Dense`` and ``fit``."""

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rivals.job import LEARNING_RATE, MOST_UPDATES, Array, Job, Variant, data, timed, weights

BACKEND = "tensorflow" if find_spec("tensorflow") else "jax"
os.environ["KERAS_BACKEND"] = BACKEND
keras: Any = import_module("keras")
if BACKEND == "tensorflow":
    threading = import_module("tensorflow").config.threading
    threading.set_intra_op_parallelism_threads(1)
    threading.set_inter_op_parallelism_threads(1)


def variants(job: Job) -> Iterator[Variant]:
    """Yield training by ``fit``, and prediction by ``predict``."""
    if job.kind == "train":
        yield train(job)
    elif job.kind == "predict":
        model, (x, _) = network(job), data(job)
        steps = job.sequences * job.steps
        every = timed(lambda: model.predict(x, batch_size=4096, verbose=0))
        yield Variant(f"{BACKEND}, 4096 at a time", steps, every)


def network(job: Job) -> Any:
    """Return the compiled model with the weights that all begin with."""
    keras.utils.clear_session()
    keras.config.set_floatx(job.dtype)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((job.steps, job.inputs)),
            layers.SimpleRNN(job.hidden, activation=job.activation, return_sequences=True),
            layers.Dense(1),
        ]
    )
    model.set_weights([w.T for w in weights(job)])
    model.compile(optimizer=keras.optimizers.SGD(LEARNING_RATE), loss="mse")
    return model


def train(job: Job) -> Variant:
    """Return training, an epoch being one of ``fit``'s."""
    model = network(job)
    x, y = data(job, MOST_UPDATES * job.batch)

    def seconds(epochs: int) -> float:
        options = {"epochs": epochs, "shuffle": False, "verbose": 0}
        return timed(lambda: model.fit(x, y, batch_size=job.batch, **options))(1)

    def learnt() -> list[Array]:
        return [w.T for w in model.get_weights()]

    return Variant(f"{BACKEND}, fit", y.size, seconds, learnt)
