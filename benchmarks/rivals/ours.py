"""The package itself, as its users call it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rnn_rust as rnn
from rivals.job import LEARNING_RATE, Array, Job, Variant, data, events, timed, timed_calls, weights

TENSORS = ("weight_ih_l0", "weight_hh_l0", "bias_l0", "head.weight", "head.bias")


def variants(job: Job) -> Iterator[Variant]:
    """Yield the one way there is."""
    if job.kind == "train":
        yield train(job)
    elif job.kind == "predict":
        model, dataset = make_model(job), make_dataset(job)
        yield Variant("predict", len(dataset.features), timed(lambda: model.predict(dataset)))
    elif job.kind == "stream":
        yield Variant("stepper, out=buffer", 1, timed_calls(stream(job)))


def make_model(job: Job) -> rnn.RNN:
    """Return the network with the weights that all begin with."""
    model = rnn.RNN(
        job.inputs, job.hidden, 1, activation=job.activation, dtype=job.dtype,
        optimizer=rnn.SGD(LEARNING_RATE), n_threads=job.threads,
    )  # fmt: skip
    return model.load_state_dict(dict(zip(TENSORS, weights(job), strict=True)))


def make_dataset(job: Job) -> rnn.Dataset:
    """Return the data set, made up or read."""
    if job.csv is not None:
        return rnn.Dataset.from_csv(job.csv).normalize()
    features, labels = data(job)
    return rnn.Dataset.from_arrays(
        features=features.reshape(-1, job.inputs),
        labels=labels.reshape(-1, 1),
        offsets=np.arange(job.sequences + 1) * job.steps,
    )


def train(job: Job) -> Variant:
    """Return training by ``fit``, whose checks and preparations count."""
    model, dataset = make_model(job), make_dataset(job)

    def fit(epochs: int) -> None:
        model.fit(dataset, epochs=epochs, batch_size=job.batch, shuffle=False, progress=False)

    def seconds(epochs: int) -> float:
        return timed(lambda: fit(epochs), wall=job.wall)(1)

    def learnt() -> list[Array]:
        state = model.state_dict()
        return [state[name] for name in TENSORS]

    return Variant("fit", len(dataset.features), seconds, learnt)


def stream(job: Job) -> Callable[[], Any]:
    """Return one step of a stepper without allocation."""
    step = make_model(job).stepper().step
    rows, buffer = events(job), np.empty(1, job.dtype)
    position = 0

    def call() -> Array:
        nonlocal position
        position = (position + 1) & 63
        return step(rows[position], out=buffer)

    return call
