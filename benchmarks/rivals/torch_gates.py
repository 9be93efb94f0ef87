"""PyTorch as its users write it with gates: ``nn.LSTM`` or ``nn.GRU``, a loop, and ``Adam``."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from rivals.job import (
    LEARNING_RATE,
    Array,
    Job,
    Variant,
    data,
    lengths,
    one_bias,
    timed,
    two_biases,
    weights,
)

torch: Any = import_module("torch")
torch.set_num_threads(1)


def variants(job: Job) -> Iterator[Variant]:
    """Yield the one way for each kind of data."""
    if job.kind == "train" and job.shortest is None:
        yield train(job)
    elif job.kind == "train":
        yield train_packed(job)


class Network:
    """The layer and its head, with the initial weights that all share."""

    def __init__(self, job: Job, batch_first: bool = True) -> None:
        dtype = getattr(torch, job.dtype)
        layer = getattr(torch.nn, job.cell)(job.inputs, job.hidden, batch_first=batch_first)
        self.layer, self.head = layer.to(dtype), torch.nn.Linear(job.hidden, 1).to(dtype)
        w_ih, w_hh, _, w_hy, b_y, *_ = weights(job)
        values = map(torch.from_numpy, (w_ih, w_hh, *two_biases(job), w_hy, b_y))
        parameters = (*self.layer.parameters(), *self.head.parameters())
        with torch.no_grad():
            for parameter, value in zip(parameters, values, strict=True):
                parameter.copy_(value)
        # If a gate's second bias also learnt, both together would learn twice as fast as one. But
        # the second bias of the GRU's candidate, inside the product with the reset gate, learns.
        second = layer.bias_hh_l0
        if job.cell == "GRU":
            learns = (torch.arange(len(second)) >= 2 * job.hidden).to(dtype)
            second.register_hook(lambda gradient: gradient * learns)
        else:
            second.requires_grad_(False)
        self.job, self.parameters = job, [p for p in parameters if p.requires_grad]

    def learnt(self) -> list[Array]:
        """Return the weights, as :func:`rivals.job.weights`."""
        found = [*self.layer.parameters(), *self.head.parameters()]
        w_ih, w_hh, first, second, w_hy, b_y = (p.detach().numpy() for p in found)
        bias, candidate = one_bias(self.job, first, second)
        return [w_ih, w_hh, bias, w_hy, b_y, *candidate]


def train(job: Job) -> Variant:
    """Return training with ``MSELoss``, ``backward`` and ``Adam``."""
    network = Network(job)
    optimizer = torch.optim.Adam(network.parameters, lr=LEARNING_RATE)
    criterion = torch.nn.MSELoss()
    x, y = (torch.from_numpy(a) for a in data(job))
    given = list(zip(x.split(job.batch), y.split(job.batch), strict=True))

    def epoch() -> None:
        for features, labels in given:
            optimizer.zero_grad()
            criterion(network.head(network.layer(features)[0]), labels).backward()
            optimizer.step()

    return Variant(f"nn.{job.cell}", y.numel(), timed(epoch), network.learnt)


def train_packed(job: Job) -> Variant:
    """Return training on packed sequences, packed beforehand."""
    network = Network(job)
    optimizer = torch.optim.Adam(network.parameters, lr=LEARNING_RATE)
    criterion = torch.nn.MSELoss()
    long = torch.from_numpy(lengths(job))
    parts = [torch.from_numpy(a).split(job.batch) for a in data(job)]
    given = [
        (packed(x, steps), packed(y, steps).data)
        for x, y, steps in zip(*parts, long.split(job.batch), strict=True)
    ]

    def epoch() -> None:
        for features, labels in given:
            optimizer.zero_grad()
            criterion(network.head(network.layer(features)[0].data), labels).backward()
            optimizer.step()

    return Variant(f"nn.{job.cell}, packed", int(long.sum()), timed(epoch), network.learnt)


def packed(padded: Any, steps: Any) -> Any:
    """Return a packed sequence of ``(B, T, F)``."""
    pack: Callable[..., Any] = torch.nn.utils.rnn.pack_padded_sequence
    return pack(padded, steps, batch_first=True, enforce_sorted=False)
