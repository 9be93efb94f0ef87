"""The package itself, as its users call it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rnn_rust as rnn
from rivals.job import (
    LEARNING_RATE,
    Array,
    Job,
    Variant,
    data,
    events,
    lengths,
    real,
    timed,
    timed_calls,
    two_biases,
    weights,
)


def variants(job: Job) -> Iterator[Variant]:
    """Yield the one way there is."""
    if job.kind == "train":
        yield train(job)
    elif job.kind == "predict":
        model, dataset = make_model(job), make_dataset(job)
        yield Variant("predict", len(dataset.features), timed(lambda: model.predict(dataset)))
    elif job.kind == "stream":
        yield Variant("stepper, out=buffer", 1, timed_calls(stream(job)))


def make_model(job: Job) -> Any:
    """Return the network with the initial weights that all share."""
    settings: dict[str, Any] = {"loss": "mse", "dtype": job.dtype, "seed": 0}
    if job.cell == "RNN":
        settings |= {"activation": job.activation, "optimizer": rnn.SGD(LEARNING_RATE)}
    else:
        settings["optimizer"] = rnn.Adam(LEARNING_RATE)
    network = getattr(rnn, job.cell)
    model = network(job.inputs, job.hidden, 1, n_threads=job.threads, **settings)
    w_ih, w_hh, _, w_hy, b_y, *_ = weights(job)
    first, second = two_biases(job)
    return model.load_state_dict(
        {
            "weight_ih_l0": w_ih, "weight_hh_l0": w_hh, "bias_ih_l0": first,
            "bias_hh_l0": second, "head.weight": w_hy, "head.bias": b_y,
        }
    )  # fmt: skip


def learnt_by(model: Any, job: Job) -> list[Array]:
    """Return a network's weights, as :func:`rivals.job.weights`."""
    state = model.state_dict()
    biases = [array for name, array in state.items() if name.startswith("bias")]
    names = ("weight_ih_l0", "weight_hh_l0", "head.weight", "head.bias")
    w_ih, w_hh, w_hy, b_y = (state[name] for name in names)
    return [w_ih, w_hh, biases[0], w_hy, b_y, *biases[1:]]


def make_dataset(job: Job) -> rnn.Dataset:
    """Return the data set, made up or read."""
    if job.csv is not None:
        return rnn.Dataset.from_csv(job.csv).normalize()
    (features, labels), among = data(job), real(job)
    return rnn.Dataset.from_arrays(
        features=features[among],
        labels=labels[among],
        offsets=np.append(0, lengths(job).cumsum()),
    )


def train(job: Job) -> Variant:
    """Return training by ``fit``, including its checks and preparations."""
    model, dataset = make_model(job), make_dataset(job)

    def fit(epochs: int) -> None:
        model.fit(dataset, epochs=epochs, batch_size=job.batch, shuffle=False, progress=False)

    def seconds(epochs: int) -> float:
        return timed(lambda: fit(epochs), wall=job.wall)(1)

    return Variant("fit", len(dataset.features), seconds, lambda: learnt_by(model, job))


def stream(job: Job) -> Callable[[], Any]:
    """Return one step of a stepper without allocation."""
    step = make_model(job).stepper().step
    rows, buffer = events(job), np.empty(1, job.dtype)
    position = 0

    def call() -> Any:
        nonlocal position
        position = (position + 1) & 63
        return step(rows[position], out=buffer)

    return call
